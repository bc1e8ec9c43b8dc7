"""Reloads that start no new code server.

Dagster's web server starts a new one to show a new snapshot, which takes seconds of CPU time. A code server
can show one by itself within half a second, which only Dagster's cloud asks it to do.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import dagster as dg
from dagster._core.errors import DagsterUserCodeUnreachableError


def show_snapshots(code_server: Any, instance: dg.DagsterInstance) -> bool:
    """Let a code server show the newest snapshots; False where it cannot, and has to be started anew.

    Args:
        code_server: a client of it.
        instance: keeps the snapshots.
    """
    storage = instance.defs_state_storage
    newest = storage.get_latest_defs_state_info() if storage else None
    try:
        return not code_server.reload_code_with_state(dg.serialize_value(newest)).serialized_error
    except DagsterUserCodeUnreachableError:
        # It is one of an older Dagster, or does not answer at all.
        return False


def show_snapshots_in_place() -> None:
    """Let the web server of this process start no new code server where it has just taken a snapshot.

    What its UI calls a reload starts one as ever, since the code may have changed.
    """
    workspace: Any = import_module("dagster._core.workspace.context").WorkspaceProcessContext
    refresh, reload = workspace.refresh_component_state, workspace.reload_code_location
    # One function of the web server calls both, one right after the other.
    shown = threading.local()

    def refresh_and_show(context: Any, location: str, keys: Sequence[str]) -> Any:
        info = refresh(context, location, keys)
        client = context.create_request_context().get_code_location(location).client
        shown.location = location if show_snapshots(client, context.instance) else None
        return info

    def reload_unless_shown(context: Any, location: str) -> None:
        if vars(shown).pop("location", None) == location:
            context.refresh_code_location(location)
        else:
            reload(context, location)

    workspace.refresh_component_state = refresh_and_show
    workspace.reload_code_location = reload_unless_shown

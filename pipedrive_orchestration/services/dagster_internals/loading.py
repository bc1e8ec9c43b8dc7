"""What the load of definitions is for: which instance, anew or for a run, and for which assets.

Dagster does not say which instance is at hand, nor whether definitions are loaded anew or for a run.
"""

from __future__ import annotations

import sys
from types import FrameType

import dagster as dg
from dagster._core.definitions.definitions_load_context import DefinitionsLoadContext, DefinitionsLoadType
from dagster._core.storage.defs_state.base import DefsStateStorage


def instance_of_load() -> dg.DagsterInstance | None:
    """The instance for which definitions are loaded; None where they are loaded without one."""
    storage = DefsStateStorage.get()
    return storage._instance if storage is not None and storage.has_instance else None  # noqa: SLF001


def is_first_load() -> bool:
    """Whether definitions are loaded anew, rather than those of a snapshot that a run is pinned to."""
    return DefinitionsLoadContext.get().load_type is DefinitionsLoadType.INITIALIZATION


def assets_of_this_run() -> frozenset[dg.AssetKey] | None:
    """The assets of the run that this process is loading definitions for; None where it loads them for all.

    A process that executes a run loads all definitions and is not told for which run; what calls it knows.
    """
    frame: FrameType | None = sys._getframe()  # noqa: SLF001
    while frame is not None:
        if frame.f_code.co_name == "core_execute_run" and frame.f_globals["__name__"] == "dagster._grpc.impl":
            run = frame.f_locals.get("dagster_run")
            selected = run.asset_selection if isinstance(run, dg.DagsterRun) else None
            return frozenset(selected) if selected else None
        frame = frame.f_back
    return None

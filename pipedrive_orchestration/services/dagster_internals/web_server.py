"""Dagster's web server behind something of ours.

dg dev starts Dagster's web server as a process of its own, and neither has a place for what is to stand
before it on the same port. Whoever runs neither has no use for what they import.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

from pipedrive_orchestration.garbage_collection import no_garbage_collection
from pipedrive_orchestration.services.dagster_internals.reloads import show_snapshots_in_place


def run_dev(options: Sequence[str], *, web_server: str) -> None:
    """Run ``dg dev`` with a module of ours in place of Dagster's web server, until it ends.

    Args:
        options: of ``dg dev``.
        web_server: the module, which takes the web server's own options.
    """
    with no_garbage_collection():
        dev: Any = import_module("dagster._cli.dev")
        dg_cli: Any = import_module("dagster_dg_cli.cli")
    start = dev.open_ipc_subprocess

    def start_ours(command: Sequence[str], **keywords: Any) -> Any:
        return start([web_server if part == "dagster_webserver" else part for part in command], **keywords)

    dev.open_ipc_subprocess = start_ours
    sys.argv = ["dg", "dev", *options]
    dg_cli.main()


def run_web_server(before: Callable[[Any], Any]) -> None:
    """Run Dagster's web server behind an application of ours, until it ends.

    Args:
        before: makes of Dagster's ASGI application the one that is served.
    """
    with no_garbage_collection():
        cli: Any = import_module("dagster_webserver.cli")
    show_snapshots_in_place()
    make = cli.create_app_from_workspace_process_context
    # The name by which the server makes its application.
    cli.create_app_from_workspace_process_context = lambda *given, **named: before(make(*given, **named))
    cli.main()

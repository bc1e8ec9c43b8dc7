"""Code servers and run workers.

A run that creates a source has no web server to ask for a reload, only the code server that launched it.
And run monitoring asks a launcher whether a run is still worked on, which Dagster's own cannot tell on
one machine; the types of the answer are not exported.
"""

from __future__ import annotations

import json
import multiprocessing
import sys
from collections.abc import Mapping
from typing import Any

import dagster as dg
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.remote_origin import (
    GrpcServerCodeLocationOrigin,
)
from dagster._core.storage.tags import GRPC_INFO_TAG

from pipedrive_orchestration.services.dagster_internals.reloads import show_snapshots


class UnreachableError(Exception):
    """A code server that a run was launched from does not answer, or has no address."""


def reload_code_server(run: dg.DagsterRun, instance: dg.DagsterInstance, key: str, timeout: int) -> None:
    """Let the code server that a run was launched from take a new snapshot and show it.

    Args:
        run: the run.
        instance: keeps the snapshots.
        key: under which it keeps those of the project folder.
        timeout: seconds that it may take.

    Raises:
        UnreachableError: it has no address, as with a web server that was started alone, or does not answer.
    """
    origin = run.remote_job_origin
    location = origin.repository_origin.code_location_origin if origin else None
    if not isinstance(location, GrpcServerCodeLocationOrigin):
        raise UnreachableError("The run was not launched from a code server.")
    try:
        client = location.create_client()
        refreshed = client.refresh_component_state([key], timeout=timeout)
        if refreshed.serialized_error or not show_snapshots(client, instance):
            client.reload_code(timeout=timeout)
    except DagsterUserCodeUnreachableError as error:
        raise UnreachableError("The code server did not reload.") from error


_MODULES_OF_RUNS = ("dagster._grpc.impl", "upath.implementations.local")
"""What Dagster imports to execute a run and to read a snapshot."""


def fork_runs(module: str) -> None:
    """Let this process, if it is a code server, fork its runs from one that has imported what they need.

    Dagster starts each with an empty process, which spends two seconds of CPU time on imports.

    Args:
        module: the name of one that imports what they need of ours. Nothing may start a thread or open a
            connection as it is imported.
    """
    server: Any = sys.modules.get("dagster._grpc.server")
    # Elsewhere the libraries of the system cannot be used after a fork.
    if server is None or sys.platform != "linux":
        return
    forking = multiprocessing.get_context("forkserver")
    forking.set_forkserver_preload([module, *_MODULES_OF_RUNS])
    # The server, which is being made, has chosen another one for itself.
    server.DagsterApiServer._mp_ctx = property(lambda _: forking, lambda _, chosen: None)  # noqa: ARG005, SLF001


def address_of_code_server(run: dg.DagsterRun) -> Mapping[str, str | int] | None:
    """The ``socket``, or ``host`` and ``port``, of the code server that executes a run, if one does."""
    address = run.tags.get(GRPC_INFO_TAG)
    return None if address is None else dict(json.loads(address))

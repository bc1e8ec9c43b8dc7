"""Runs of sources and workflows in this process, which Dagster's UI shows like any others."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime

import dagster as dg

from pipedrive_orchestration.importing import (
    ImportEvent,
    Listener,
    Pull,
    Window,
    windows_between,
    windows_until,
)
from pipedrive_orchestration.services.errors import NoWindowsError, RunFailedError
from pipedrive_orchestration.services.names import DEFAULT_NAMES
from pipedrive_orchestration.services.run_requests import (
    MANY_WINDOWS,
    RANGE_END_TAG,
    RANGE_START_TAG,
    request_of_changes,
)
from pipedrive_orchestration.sources import Source
from pipedrive_orchestration.warehouse import Warehouse, ledger
from pipedrive_orchestration.workflows import Workflow

INTERRUPTIONS = (KeyboardInterrupt, dg.DagsterExecutionInterruptedError)
"""What Ctrl-C comes as, from inside a run or from around it."""


_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Lets a listener hear of imports that run in this process, in this context, within the block."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


def tell_listener(event: ImportEvent) -> None:
    """Passes an event of an import on to whoever listens in this process."""
    listener = _listener.get()
    if listener is not None:
        listener(event)


_QUIET = {"console": {"config": {"log_level": "CRITICAL"}}}


@dataclass(frozen=True, slots=True)
class ImportArguments:
    """An import as a command asks for it.

    Attributes:
        pull: None does what is due.
        first: key or month of the first window of a window pull, None for the grid's first.
        last: the same of the last window, None for the current one.
        accept_user: what the connected user does not see is removed, whoever saw it before.
    """

    pull: Pull | None = None
    first: str | None = None
    last: str | None = None
    accept_user: bool = False


def run_import(
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    source: Source,
    pull: Pull,
    arguments: ImportArguments,
    tags: Mapping[str, str],
) -> None:
    """Import a source.

    Args:
        definitions: those of the project, with its account and database.
        instance: where the run is kept.
        source: what to import.
        pull: how to read it.
        arguments: which of its windows, and for whose eyes.
        tags: what marks the runs of this process.

    Raises:
        NoWindowsError: the source has no window between the first and the last one asked for.
        RunFailedError: the run failed in a way that nobody foresaw; errors with a message of their own,
            such as ``PipedriveError``, are raised themselves.
    """
    first, last = _range(source, pull, arguments, instance)
    config: dict[str, object] = {"pull": pull.value, "accept_user": arguments.accept_user}
    partitions: dict[str, str] = {}
    if first and last and len(windows_between(_grid(source), first, last)) <= MANY_WINDOWS:
        partitions = {RANGE_START_TAG: first, RANGE_END_TAG: last}
    else:
        config["windows"] = {"first": first, "last": last}
    try:
        definitions.resolve_implicit_global_asset_job_def().execute_in_process(
            instance=instance,
            asset_selection=[DEFAULT_NAMES.asset_key(source.slug)],
            tags={**partitions, **tags},
            run_config={
                "ops": {DEFAULT_NAMES.op(source.slug): {"config": config}},
                "loggers": _QUIET,
            },
        )
    except dg.Failure as failure:
        # To Dagster the asset says no more than the message; the error that it had in hand is the context.
        foreseen = failure.__context__
        raise (foreseen if isinstance(foreseen, Exception) else RunFailedError(failure)) from None
    except INTERRUPTIONS:
        raise
    except Exception as error:
        raise RunFailedError(error) from error


def run_workflow(
    definitions: dg.Definitions, instance: dg.DagsterInstance, workflow: Workflow, tags: Mapping[str, str]
) -> None:
    """Sync a workflow and run its actions.

    Args:
        definitions: of the workflow, with the project's database.
        instance: where the run is kept.
        workflow: what to sync.
        tags: what marks the runs of this process.

    Raises:
        RunFailedError: the run failed.
    """
    outputs = [DEFAULT_NAMES.outputs_key(workflow.slug)] if workflow.actions else []
    try:
        definitions.resolve_implicit_global_asset_job_def().execute_in_process(
            instance=instance,
            asset_selection=[DEFAULT_NAMES.workflow_key(workflow.slug), *outputs],
            tags=dict(tags),
            run_config={"loggers": _QUIET},
        )
    except Exception as error:
        raise RunFailedError(error) from error


def _range(
    source: Source, pull: Pull, arguments: ImportArguments, instance: dg.DagsterInstance
) -> tuple[str | None, str | None]:
    """The first and last window of a run: those asked for, or for changes those that a tick would take."""
    if not source.type.partitioned:
        return None, None
    if pull is Pull.CHANGES:
        tags = request_of_changes(source, datetime.now(UTC), instance, DEFAULT_NAMES, run_key="").tags
        return tags[RANGE_START_TAG], tags[RANGE_END_TAG]
    windows = windows_between(_grid(source), arguments.first, arguments.last)
    if not windows:
        raise NoWindowsError(source, arguments.first, arguments.last)
    return windows[0].key, windows[-1].key


def _grid(source: Source) -> list[Window]:
    return windows_until(source, datetime.now(UTC))


def windows_left(
    source: Source, pull: Pull, arguments: ImportArguments, committed: Collection[str]
) -> list[str]:
    """Keys of the windows that a window pull was asked for and has not committed."""
    if pull is not Pull.WINDOW or not source.type.partitioned:
        return []
    asked = windows_between(windows_until(source, datetime.now(UTC)), arguments.first, arguments.last)
    return [window.key for window in asked if window.key not in committed]


def due_pull(warehouse: Warehouse, source: Source) -> Pull | None:
    """What an unattended import should do next: all windows, then changes; a static source only once."""
    first = Pull.WINDOW if source.pull_existing else Pull.CHANGES
    if not warehouse.exists:
        return first
    with warehouse.reading() as connection:
        done = ledger.last_import(connection, source.slug)
    if done is None or (done.is_skipped and source.pull_mode == "static"):
        return first
    return Pull.CHANGES if source.pull_mode == "active" else None

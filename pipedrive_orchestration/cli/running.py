"""Running imports through Dagster in this process, so that its UI shows them as runs."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg

from pipedrive_orchestration.importing import Pull, windows_until
from pipedrive_orchestration.orchestration.names import asset_key, op_name
from pipedrive_orchestration.orchestration.schedules import (
    RANGE_END_TAG,
    RANGE_START_TAG,
    request_of_changes,
)
from pipedrive_orchestration.sources import Source
from pipedrive_orchestration.warehouse import Warehouse, ledger


class RunFailedError(Exception):
    """A run ended in a way that nobody foresaw; its page in the Dagster UI shows where."""

    def __init__(self, error: Exception) -> None:
        super().__init__(f"{type(error).__name__}: {error} (the run's page in the Dagster UI shows more)")


def use_home(folder: Path) -> None:
    """Keep Dagster's state in ``folder`` unless DAGSTER_HOME names another place."""
    os.environ.setdefault("DAGSTER_HOME", str(folder.resolve()))
    os.environ.setdefault("DAGSTER_DISABLE_TELEMETRY", "true")


def run_import(definitions: dg.Definitions, instance: dg.DagsterInstance, source: Source, pull: Pull) -> None:
    """Materialise a source's asset in this process.

    Raises:
        RunFailedError: the run failed in a way that nobody foresaw; errors with a message of their own,
            such as ``PipedriveError``, are raised themselves.
    """
    try:
        definitions.resolve_implicit_global_asset_job_def().execute_in_process(
            instance=instance,
            asset_selection=[asset_key(source.slug)],
            tags=_range(source, pull, instance),
            run_config={
                "ops": {op_name(source.slug): {"config": {"pull": pull.value}}},
                "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
            },
        )
    except dg.Failure as failure:
        # To Dagster the asset says no more than the message; the error that it had in hand is the context.
        foreseen = failure.__context__
        raise (foreseen if isinstance(foreseen, Exception) else RunFailedError(failure)) from None
    except Exception as error:
        raise RunFailedError(error) from error


def _range(source: Source, pull: Pull, instance: dg.DagsterInstance) -> dict[str, str]:
    """The windows of a run as tags: all for a window pull, for changes those that a tick would take."""
    now = datetime.now(UTC)
    if not source.type.partitioned:
        return {}
    if pull is Pull.CHANGES:
        tags = request_of_changes(source, now, instance, run_key="").tags
        return {name: tags[name] for name in (RANGE_START_TAG, RANGE_END_TAG)}
    windows = windows_until(source, now)
    return {RANGE_START_TAG: windows[0].key, RANGE_END_TAG: windows[-1].key}


def due_pull(warehouse: Warehouse, source: Source) -> Pull | None:
    """What an unattended import should do next: all windows, then changes; a static source only once."""
    first = Pull.WINDOW if source.pull_existing else Pull.CHANGES
    if not warehouse.exists:
        return first
    with warehouse.reading() as connection:
        done = ledger.last_import(connection, source.slug)
    if done is None:
        return first
    return Pull.CHANGES if source.pull_mode == "active" else None

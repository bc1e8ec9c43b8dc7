"""Running imports through Dagster in this process, so that its UI shows them as runs."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg

from pipedrive_orchestration.importing import Pull, Window, windows_until
from pipedrive_orchestration.orchestration.names import asset_key, op_name
from pipedrive_orchestration.orchestration.schedules import RANGE_END_TAG, RANGE_START_TAG
from pipedrive_orchestration.sources import Source
from pipedrive_orchestration.warehouse import Warehouse, ledger


class RunFailedError(Exception):
    """A run ended without success; the message is that of the step that failed."""


def use_home(folder: Path) -> None:
    """Keep Dagster's state in ``folder`` unless DAGSTER_HOME names another place."""
    os.environ.setdefault("DAGSTER_HOME", str(folder.resolve()))
    os.environ.setdefault("DAGSTER_DISABLE_TELEMETRY", "true")


def run_import(definitions: dg.Definitions, instance: dg.DagsterInstance, source: Source, pull: Pull) -> None:
    """Materialise a source's asset in this process.

    Raises:
        RunFailedError: the run failed.
    """
    windows = windows_until(source, datetime.now(UTC)) if source.type.partitioned else []
    result = definitions.resolve_implicit_global_asset_job_def().execute_in_process(
        instance=instance,
        asset_selection=[asset_key(source.slug)],
        tags=_range(windows),
        run_config={
            "ops": {op_name(source.slug): {"config": {"pull": pull.value}}},
            "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
        },
        raise_on_error=False,
    )
    if not result.success:
        raise RunFailedError(_reason(result))


def _range(windows: Sequence[Window]) -> dict[str, str]:
    return {RANGE_START_TAG: windows[0].key, RANGE_END_TAG: windows[-1].key} if windows else {}


def _reason(result: dg.ExecuteInProcessResult) -> str:
    return next(_failures(result), "the run failed; see its page in the Dagster UI")


def _failures(result: dg.ExecuteInProcessResult) -> Iterator[str]:
    for event in result.all_events:
        if event.is_step_failure:
            data = event.step_failure_data
            if data.user_failure_data and data.user_failure_data.description:
                yield data.user_failure_data.description
            elif data.error:
                yield (data.error.cause or data.error).message.strip()


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

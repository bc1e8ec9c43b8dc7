"""Running imports through Dagster in this process, so that its UI shows them as runs."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import dagster as dg

from pipedrive_orchestration.cli.errors import BAD_INPUT, BROKEN_OFF, CommandError
from pipedrive_orchestration.importing import Pull, windows_between, windows_until
from pipedrive_orchestration.services.names import DEFAULT_NAMES
from pipedrive_orchestration.services.run_requests import (
    RANGE_END_TAG,
    RANGE_START_TAG,
    request_of_changes,
)
from pipedrive_orchestration.sources import Source
from pipedrive_orchestration.warehouse import Warehouse, ledger


class RunFailedError(CommandError):
    """A run ended in a way that nobody foresaw; its page in the Dagster UI shows where."""

    def __init__(self, error: Exception) -> None:
        super().__init__(f"{type(error).__name__}: {error} (the run's page in the Dagster UI shows more)")


INTERRUPTIONS = (KeyboardInterrupt, dg.DagsterExecutionInterruptedError)
"""What Ctrl-C comes as, from inside a run or from around it."""


class BrokenOffError(CommandError):
    """An import that somebody ended before its end; says what is left to do."""

    exit_code = BROKEN_OFF

    def __init__(
        self, source: Source, left: Sequence[str], committed: int, following: Sequence[Source]
    ) -> None:
        stay = f"{committed} windows are committed and stay" if committed else "nothing of it is committed"
        rest = f"; {len(left)} are left, {left[0]} to {left[-1]}" if committed and left else ""
        others = f" Not begun: {', '.join(one.slug for one in following)}." if following else ""
        super().__init__(
            f"Broken off at {source.slug}: {stay}{rest}. Run the command again to go on from there.{others}"
        )


class NoWindowsError(CommandError):
    """A source has no windows where some were asked for."""

    exit_code = BAD_INPUT

    def __init__(self, source: Source, request: Request) -> None:
        asked = f"from {request.first or 'the first'} to {request.last or 'the current one'}"
        known = windows_until(source, datetime.now(UTC))
        super().__init__(
            f"{source.slug} has no windows {asked}: its windows go from {known[0].key} to {known[-1].key}. "
            "Give months as YYYY-MM or windows as YYYY-MM-DD."
        )


@dataclass(frozen=True, slots=True)
class Request:
    """What an import is asked for.

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
    request: Request,
    tags: Mapping[str, str],
) -> None:
    """Materialise a source's asset in this process; ``tags`` are those of this command's runs.

    Raises:
        NoWindowsError: the source has no window between the first and the last one asked for.
        RunFailedError: the run failed in a way that nobody foresaw; errors with a message of their own,
            such as ``PipedriveError``, are raised themselves.
    """
    windows = _range(source, pull, request, instance)
    config = {"pull": pull.value, "accept_user": request.accept_user}
    try:
        definitions.resolve_implicit_global_asset_job_def().execute_in_process(
            instance=instance,
            asset_selection=[DEFAULT_NAMES.asset_key(source.slug)],
            tags={**windows, **tags},
            run_config={
                "ops": {DEFAULT_NAMES.op(source.slug): {"config": config}},
                "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
            },
        )
    except dg.Failure as failure:
        # To Dagster the asset says no more than the message; the error that it had in hand is the context.
        foreseen = failure.__context__
        raise (foreseen if isinstance(foreseen, Exception) else RunFailedError(failure)) from None
    except Exception as error:
        raise RunFailedError(error) from error


def _range(source: Source, pull: Pull, request: Request, instance: dg.DagsterInstance) -> dict[str, str]:
    """The windows of a run as tags: those asked for, or for changes those that a tick would take."""
    now = datetime.now(UTC)
    if not source.type.partitioned:
        return {}
    if pull is Pull.CHANGES:
        tags = request_of_changes(source, now, instance, DEFAULT_NAMES, run_key="").tags
        return {name: tags[name] for name in (RANGE_START_TAG, RANGE_END_TAG)}
    windows = windows_between(windows_until(source, now), request.first, request.last)
    if not windows:
        raise NoWindowsError(source, request)
    return {RANGE_START_TAG: windows[0].key, RANGE_END_TAG: windows[-1].key}


def windows_left(source: Source, pull: Pull, request: Request, committed: Collection[str]) -> list[str]:
    """Keys of the windows that a window pull was asked for and has not committed."""
    if pull is not Pull.WINDOW or not source.type.partitioned:
        return []
    asked = windows_between(windows_until(source, datetime.now(UTC)), request.first, request.last)
    return [window.key for window in asked if window.key not in committed]


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

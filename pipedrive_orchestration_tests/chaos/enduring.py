"""Importing again and again until it succeeds, and judging every end on the way."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from pipedrive_orchestration.importing import ImportReport
from pipedrive_orchestration.pipedrive.errors import PipedriveError
from pipedrive_orchestration.sources import Source
from pipedrive_orchestration_tests.exactness.trial import Trial

ATTEMPTS = 30


def until_it_succeeds(
    run: Callable[[], ImportReport], trial: Trial
) -> tuple[ImportReport, list[PipedriveError]]:
    """The first report, and the errors before it, each of which says clearly what to do."""
    errors: list[PipedriveError] = []
    for _ in range(ATTEMPTS):
        try:
            return run(), errors
        except PipedriveError as error:
            assert_clear(error, trial)
            errors.append(error)
    raise AssertionError(f"it never succeeded: {errors[-1]}")


def assert_clear(error: Exception, trial: Trial) -> None:
    """One line that says what to do and does not tell the token."""
    assert "\n" not in str(error)
    assert "again" in str(error) or "check" in str(error) or "set " in str(error), error
    assert trial.demo.token not in f"{error!r} {error.__cause__!r} {error.__context__!r}"


def assert_right(trial: Trial, source: Source) -> None:
    """The table equals the account, nothing is left behind, and nothing is called under way."""
    assert trial.differences(source) == []
    assert left_in_staging(trial) == []
    statuses = trial.ask("SELECT DISTINCT status FROM import_ledger.imports WHERE source = ?", source.slug)
    assert {status for (status,) in statuses} <= {"succeeded", "failed", "interrupted"}
    ((watermark,),) = trial.ask(
        "SELECT watermark FROM import_ledger.watermarks WHERE source = ?", source.slug
    )
    now = trial.demo.account.clock.now()
    assert watermark <= now + timedelta(seconds=1), "changes until then would be missed"


def left_in_staging(trial: Trial) -> list[str]:
    """What staging holds besides hidden files."""
    if not trial.staging.exists():
        return []
    return [path.name for path in trial.staging.iterdir() if not path.name.startswith(".")]

"""One budget for all sources of an account: a back-fill leaves the day's ticks what they need."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipedrive_orchestration.demo import running_demo
from pipedrive_orchestration.importing import Pull
from pipedrive_orchestration.importing.context import ImportRequest
from pipedrive_orchestration.importing.prior_state import PriorState
from pipedrive_orchestration.importing.reserve import reserve_of
from pipedrive_orchestration.pipedrive import pagination
from pipedrive_orchestration.pipedrive.errors import BudgetSpent
from pipedrive_orchestration.sources import Priority
from pipedrive_orchestration_tests.conftest import account_settings
from pipedrive_orchestration_tests.exactness.trial import Trial

MORNING = datetime(2026, 5, 20, 0, 10, tzinfo=UTC)
TICKS = 4
DAY = 2_900


@pytest.fixture
def trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Trial]:
    """An account in whose budget of a day its persons find no room beside a source that ticks."""
    monkeypatch.setattr(pagination, "MAX_PAGE_SIZE", 1)
    with running_demo(account_settings(born=MORNING, daily_tokens=DAY)) as demo:
        yield Trial(demo, tmp_path)


def test_a_back_fill_leaves_the_ticks_of_the_day_what_they_need(trial: Trial) -> None:
    ticking = trial.source("pipelines", pull_mode="active", schedule="*/15 * * * *")
    clock = trial.demo.account.clock
    for _ in range(TICKS):
        trial.changes(ticking)
        clock.advance(timedelta(minutes=15))
    spent = trial.demo.limits.tokens_used
    needed = spent / 1.0 * 22.5  # of an hour, until midnight

    filling = trial.source("persons", properties=("name",))
    with pytest.raises(BudgetSpent, match="schedules of the account's sources need today"):
        trial.windows(filling)
    left = DAY - trial.demo.limits.tokens_used
    assert needed <= left <= needed * 1.1 + 100
    trial.changes(ticking)

    # Whoever wants all of it today says so.
    urgent = filling.model_copy(update={"options": filling.options.model_copy(update={"priority": "high"})})
    trial.windows(urgent)
    assert trial.differences(urgent) == []
    assert DAY - trial.demo.limits.tokens_used < needed - 100


@pytest.mark.parametrize(
    ("pull", "own", "leaves"),
    [
        (Pull.CHANGES, "high", 0),
        (Pull.CHANGES, "normal", 20),
        (Pull.CHANGES, "low", 220),
        (Pull.WINDOW, "high", 20 + 4000),
        (Pull.WINDOW, "normal", 220 + 4000),
        (Pull.WINDOW, "low", 2220 + 4000),
    ],
)
def test_who_comes_first(pull: Pull, own: Priority, leaves: int, trial: Trial, tmp_path: Path) -> None:
    source = trial.source("persons")
    source = source.model_copy(update={"options": source.options.model_copy(update={"priority": own})})
    others: dict[str, Priority] = {"urgent": "high", "patient": "low"}
    request = ImportRequest(
        source, trial.connection, trial.warehouse, tmp_path, pull, (), False,
        import_id=source.id, started_at=MORNING, priorities=others,
    )  # fmt: skip
    prior = PriorState(tokens_of_ticks={"urgent": 2, "usual": 20, "patient": 200, "persons": 400})
    assert reserve_of(request, prior, MORNING + timedelta(hours=10)) == leaves

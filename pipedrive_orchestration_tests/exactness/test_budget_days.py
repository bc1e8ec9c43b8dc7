"""A back-fill that is larger than a day's tokens: it ends, and costs little more than at once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from pipedrive_orchestration.importing import ImportEvent, WindowReport
from pipedrive_orchestration.pipedrive import pagination
from pipedrive_orchestration.pipedrive.errors import BudgetSpent
from pipedrive_orchestration.sources import Options, Source
from pipedrive_orchestration_tests.chaos.sizes import sample
from pipedrive_orchestration_tests.exactness.churn import Churn
from pipedrive_orchestration_tests.exactness.conftest import FreshTrial
from pipedrive_orchestration_tests.exactness.trial import Trial

YEAR, DAY = timedelta(days=365), timedelta(days=1)

MORE_IN_ALL = 1.15
"""The share of its tokens at once that a back-fill over days may cost."""

MORE_A_DAY = 40
"""Tokens besides that each of its days may cost: the user, the estimate, the last page of each reader."""

OTHERWISE = 280
"""Tokens of each day that do not go into records: most into the fields, whose list has small pages here."""


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages of five, so that a small account has many."""
    monkeypatch.setattr(pagination, "MAX_PAGE_SIZE", 5)


@dataclass(frozen=True)
class Case:
    """A source, and the time within which its records have changed last, one after the other."""

    object_type: str
    within: timedelta
    options: Options

    def source(self, trial: Trial) -> Source:
        """The source, in an account whose records have changed so."""
        account = trial.demo.account
        with account.lock:
            records = [dict(record) for record in account[self.object_type]]
            for number, record in enumerate(records):
                changed = account.clock.now() - 2 * DAY - self.within * number / len(records)
                account[self.object_type].put(record | {"update_time": f"{changed:%Y-%m-%dT%H:%M:%SZ}"})
        few: Any = ("id", "add_time", "update_time")
        return trial.source(self.object_type, properties=few, options=self.options)


CASES = {
    "a year, by months": Case("persons", YEAR, Options()),
    "a year, by days": Case("persons", YEAR, Options(partitions="daily")),
    "hours, by months": Case("persons", timedelta(hours=9), Options()),
    "hours, by days": Case("persons", timedelta(hours=9), Options(partitions="daily")),
    "a year, with archived ones": Case("deals", YEAR, Options(include_archived=True)),
    "a year, without cursors": Case("leads", YEAR, Options()),
    "a year, with versions": Case("persons", YEAR, Options(history=True)),
}


def tokens_since(trial: Trial, start: int) -> int:
    """Tokens since so many requests, but for the list of fields."""
    requests = trial.demo.account.requests[start:]
    return sum(request.tokens for request in requests if not request.path.endswith("Fields"))


def days_of(trial: Trial, source: Source) -> tuple[list[int], list[str]]:
    """The tokens of each day of a back-fill, and the windows that it reports; users write meanwhile."""
    account, churn = trial.demo.account, Churn(trial.demo, seed=3, families=(source.object_type,))
    tokens: list[int] = []
    reported: list[str] = []

    def note(event: ImportEvent) -> None:
        if isinstance(event, WindowReport) and event.window is not None:
            reported.append(event.window.key)

    while len(tokens) < 12:
        start, is_done = len(account.requests), True
        try:
            trial.windows(source, listener=note)
        except BudgetSpent:
            is_done = False
        tokens.append(tokens_since(trial, start))
        if is_done:
            return tokens, reported
        churn.steps(3)
        account.clock.advance(DAY)
    pytest.fail(f"it never comes to its end: {tokens}")


@pytest.mark.parametrize("case", sample(CASES, "hours, by days", "a year, with archived ones"))
def test_a_back_fill_over_days_costs_little_more_than_at_once(fresh_trial: FreshTrial, case: str) -> None:
    unlimited = fresh_trial(scale=0.05)
    unlimited.windows(CASES[case].source(unlimited))
    once = tokens_since(unlimited, 0)
    trial = fresh_trial(scale=0.05, daily_tokens=OTHERWISE + once // 4).fresh()
    source = CASES[case].source(trial)
    days, reported = days_of(trial, source)
    assert len(days) > 1
    assert sum(days) <= MORE_IN_ALL * once + MORE_A_DAY * len(days), (once, days)
    assert len(reported) == len(set(reported)), "no window is read twice"
    trial.demo.account.clock.advance(DAY)
    trial.changes(source)
    assert trial.differences(source) == []

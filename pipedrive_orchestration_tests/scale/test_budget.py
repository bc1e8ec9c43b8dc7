"""One company's limits, spent by several processes on a lake: each goes by the headers of its own answers."""

from __future__ import annotations

import multiprocessing
import subprocess
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from pipedrive_orchestration.demo import running_demo
from pipedrive_orchestration.importing import Pull, import_source, windows_until
from pipedrive_orchestration.importing.ranges import MAX_READERS
from pipedrive_orchestration.pipedrive import pagination
from pipedrive_orchestration.pipedrive.auth import Connection
from pipedrive_orchestration.pipedrive.errors import BudgetSpent
from pipedrive_orchestration.sources import Source
from pipedrive_orchestration.warehouse import Warehouse
from pipedrive_orchestration_tests.clocks import PRESENT
from pipedrive_orchestration_tests.conftest import account_settings
from pipedrive_orchestration_tests.exactness.trial import Trial
from pipedrive_orchestration_tests.servers import postgresql, variables_of

pytestmark = pytest.mark.scale

DAY = 5_300
BURST = 40
TICKS = 4
FILLED = ("persons", "activities")
PAGE = 1

MORNING = PRESENT.replace(hour=0, minute=10)

AT_ONCE = len(FILLED) * 2 * MAX_READERS * 10
"""Tokens that may be asked for after the last one that is free: each reader of each process has one request
under way by then, and sends another where the answer to that was made before."""


@pytest.fixture
def trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Trial]:
    """An account whose sources find no room in the budget of a day, and a lake that processes share."""
    monkeypatch.setattr(pagination, "MAX_PAGE_SIZE", PAGE)
    settings = account_settings(scale=0.05, born=MORNING, daily_tokens=DAY, burst=BURST)
    with postgresql() as server, running_demo(settings) as demo:
        for name, value in variables_of(server).items():
            monkeypatch.setenv(name, value)
        subprocess.run(["createdb", "crm"], check=True)
        trial = Trial(demo, tmp_path)
        trial.warehouse = Warehouse("ducklake:postgres:dbname=crm", data=str(tmp_path / "files"))
        yield trial


def filled(source: Source, url: str, token: str, folder: Path, began: datetime) -> str:
    """A back-fill in a process of its own, as a worker makes it. Gives why it stopped, if it did."""
    started = time.monotonic()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(pagination, "MAX_PAGE_SIZE", PAGE)
        try:
            import_source(
                source,
                connection=Connection.of(url, token),
                warehouse=Warehouse("ducklake:postgres:dbname=crm", data=str(folder / "files")),
                staging=folder / f"staging of {source.slug}",
                pull=Pull.WINDOW,
                windows=windows_until(source, began),
                clock=lambda: began + timedelta(seconds=time.monotonic() - started),
            )
        except BudgetSpent as spent:
            return str(spent)
    return ""


def fill(trial: Trial, sources: Sequence[Source]) -> list[str]:
    """All back-fills beside each other."""
    account, now = trial.demo, trial.demo.account.clock.exactly_now()
    spawned = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(len(sources), spawned) as workers:
        begun = [
            workers.submit(filled, source, account.url, account.token, trial.folder, now)
            for source in sources
        ]
        return [each.result() for each in begun]


def test_processes_stop_together_leave_the_ticks_their_tokens_and_go_on_the_next_day(trial: Trial) -> None:
    account, limits = trial.demo.account, trial.demo.limits
    ticking = trial.source("pipelines", pull_mode="active", schedule="*/15 * * * *")
    for _ in range(TICKS):
        trial.changes(ticking)
        account.clock.advance(timedelta(minutes=15))
    needed = limits.tokens_used / 1.0 * 22.5  # of an hour, until midnight
    sources = [trial.source(object_type) for object_type in FILLED]

    stopped = fill(trial, sources)
    assert all("schedules of the account's sources need today" in reason for reason in stopped), stopped
    left = DAY - limits.tokens_used
    assert needed - AT_ONCE <= left <= needed * 1.1 + AT_ONCE, (needed, left)
    trial.changes(ticking)
    assert trial.differences(ticking) == []
    assert limits.tokens_used <= DAY

    days, spent = 1, [limits.tokens_used]
    while any(stopped):
        assert days < 10
        account.clock.advance(timedelta(days=1))
        stopped = fill(trial, sources)
        spent.append(limits.tokens_used)
        days += 1
    assert days > 1
    # The request that crosses the line is still answered.
    assert max(spent) <= DAY + 20, spent
    for source in sources:
        assert trial.differences(source) == [], source.slug
    refused = sum(request.status == 429 for request in account.requests)
    assert refused <= 0.1 * len(account.requests)

"""Backfills by the real daemon: in several runs, and cancelled in the middle and gone on with."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from pipedrive_orchestration.demo import DemoServer, LoggedRequest, running_demo
from pipedrive_orchestration.importing.load import SECONDS_BETWEEN_COMMITS
from pipedrive_orchestration.warehouse import Warehouse
from pipedrive_orchestration_tests.chaos.sizes import FULL, in_full
from pipedrive_orchestration_tests.conftest import account_settings
from pipedrive_orchestration_tests.orchestration.live import (
    BACKFILL_ENDED,
    WINDOWS_PER_RUN,
    LiveDagster,
    config_of,
    truth,
    wait_for,
)
from pipedrive_orchestration_tests.orchestration.live_project import expired

CANCEL = """mutation($id: String!) { cancelPartitionBackfill(backfillId: $id) { __typename
    ... on PythonError { message } } }"""


@pytest.fixture(scope="module")
def deals_account() -> Iterator[DemoServer]:
    """An account with three pages of deals."""
    with running_demo(account_settings(scale=0.45)) as account:
        yield account


@in_full
def test_a_backfill_in_several_runs_that_share_the_database(
    dagster: LiveDagster, account: DemoServer
) -> None:
    long_ago = f"{datetime.now(UTC) - timedelta(days=31 * (WINDOWS_PER_RUN + 10)):%Y-%m}"
    dagster.write("organizations", **expired("organizations", options={"partitions_start": long_ago}))
    dagster.reload()
    keys = dagster.partitions("organizations")["all"]
    runs = -(-len(keys) // WINDOWS_PER_RUN)
    assert runs > 1
    state = dagster.wait_for_backfill(dagster.backfill("organizations", keys))
    assert state["status"] == "COMPLETED_SUCCESS"
    assert [run["status"] for run in state["runs"]] == ["SUCCESS"] * runs
    assert dagster.partitions("organizations")["green"] == keys
    assert dagster.rows("organizations") == truth(account, "organizations")


class PagesHeldBack:
    """Lets an import read its first page at once, the second when a commit is due, the rest when told to.

    The account answers nothing else meanwhile.
    """

    def __init__(self, account: DemoServer) -> None:
        self._log = account.account.log
        self._seen = 0
        self._first_at = 0.0
        self.let_go = threading.Event()

    def __call__(self, request: LoggedRequest) -> None:
        self._log(request)
        if request.path != "/api/v2/deals" or request.query.get("sort_by") != "update_time":
            return
        self._seen += 1
        if self._seen == 1:
            self._first_at = time.monotonic()
        elif self._seen == 2:
            self.let_go.wait(self._first_at + SECONDS_BETWEEN_COMMITS + 0.5 - time.monotonic())
        else:
            self.let_go.wait()


@pytest.fixture
def held_back(deals_account: DemoServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[PagesHeldBack]:
    pages = PagesHeldBack(deals_account)
    monkeypatch.setattr(deals_account.account, "log", pages)
    yield pages
    pages.let_go.set()


COMMITTED = "SELECT DISTINCT \"window\" FROM import_ledger.windows WHERE source = 'deals_by_hand'"


def committed_windows(dagster: LiveDagster) -> set[str]:
    warehouse = Warehouse(str(dagster.warehouse))
    if not warehouse.exists:
        return set()
    with warehouse.reading() as connection:
        return {key for (key,) in connection.execute(COMMITTED).fetchall()}


def until_a_window_is_committed(dagster: LiveDagster, backfill: str) -> None:
    """Waits for the first commit; shows what Dagster said where a backfill ended without one."""

    def committed() -> bool:
        found = bool(committed_windows(dagster))
        state = dagster.backfill_state(backfill)
        if not found and state["status"] in BACKFILL_ENDED:
            raise AssertionError(f"{state}\n{dagster.log()[-6000:]}")
        return found

    try:
        wait_for("committed window", committed, seconds=120, pause=0.5)
    except TimeoutError:
        raise TimeoutError(f"{dagster.backfill_state(backfill)}\n{dagster.log()[-6000:]}") from None


def test_a_backfill_is_cancelled_in_the_middle_and_the_rest_is_launched(
    dagster: LiveDagster, deals_account: DemoServer, held_back: PagesHeldBack
) -> None:
    slug, config = "deals_by_hand", config_of(deals_account)
    keys = dagster.partitions(slug)["all"]
    assert len(keys) == 25
    first = dagster.backfill(slug, keys, config)
    until_a_window_is_committed(dagster, first)
    dagster.ask(CANCEL, id=first)
    state = dagster.wait_for_backfill(first)
    assert state["status"] == "CANCELED"
    assert [run["status"] for run in state["runs"]] == ["CANCELED"]

    windows = dagster.partitions(slug)
    assert windows["red"] == []
    assert 0 < len(windows["green"]) < len(keys)
    assert committed_windows(dagster) == set(windows["green"])
    assert dagster.rows(slug) < truth(deals_account, "deals")

    held_back.let_go.set()
    if not FULL:  # a run of the rest is a run like others
        return
    rest = [key for key in keys if key not in windows["green"]]
    state = dagster.wait_for_backfill(dagster.backfill(slug, rest, config))
    assert state["status"] == "COMPLETED_SUCCESS"
    assert len(state["runs"]) == 1
    assert dagster.partitions(slug) == {"all": keys, "green": keys, "red": []}
    assert dagster.rows(slug) == truth(deals_account, "deals")

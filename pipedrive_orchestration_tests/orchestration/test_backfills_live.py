"""A backfill by the real daemon: cancelled in the middle, and gone on with."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pytest

from pipedrive_orchestration.demo import DemoServer, Settings, running_demo
from pipedrive_orchestration_tests.orchestration.live import BACKFILL_ENDED, LiveDagster, truth, wait_for

CANCEL = """mutation($id: String!) { cancelPartitionBackfill(backfillId: $id) { __typename
    ... on PythonError { message } } }"""


@pytest.fixture(scope="module")
def account() -> Iterator[DemoServer]:
    """An account whose answers take so long that an import can be interrupted."""
    with running_demo(Settings(scale=1.5, burst=0, latency_ms=2000)) as account:
        yield account


@pytest.fixture(scope="module")
def dagster(account: DemoServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveDagster]:
    live = LiveDagster(tmp_path_factory.mktemp("backfills"), account)
    live.start()
    # Otherwise the source below would be imported before anybody launches a backfill.
    live.switch_sensor("initial_import_sensor", on=False)
    live.write(
        "deals", name="Deals", object_type="deals", properties=["id", "add_time"], pull_mode="static",
        options={"partitions_start": "2023-12"},
    )  # fmt: skip
    live.reload()
    yield live
    live.stop()


def until_a_window_is_committed(dagster: LiveDagster, slug: str, backfill: str) -> None:
    """Waits for the first green square; shows what Dagster said where a backfill ended without one."""

    def committed() -> bool:
        green = bool(dagster.partitions(slug)["green"])
        state = dagster.backfill_state(backfill)
        if not green and state["status"] in BACKFILL_ENDED:
            raise AssertionError(f"{state}\n{dagster.log()[-6000:]}")
        return green

    try:
        wait_for("committed window", committed, seconds=120, pause=0.1)
    except TimeoutError:
        raise TimeoutError(f"{dagster.backfill_state(backfill)}\n{dagster.log()[-6000:]}") from None


def test_a_backfill_is_cancelled_in_the_middle_and_the_rest_is_launched(
    dagster: LiveDagster, account: DemoServer
) -> None:
    keys = dagster.partitions("deals")["all"]
    assert len(keys) >= 36
    first = dagster.backfill("deals", keys)
    until_a_window_is_committed(dagster, "deals", first)
    dagster.ask(CANCEL, id=first)
    state = dagster.wait_for_backfill(first)
    assert state["status"] == "CANCELED"
    assert [run["status"] for run in state["runs"]] == ["CANCELED"]

    windows = dagster.partitions("deals")
    assert windows["red"] == []
    assert 0 < len(windows["green"]) < len(keys)
    with duckdb.connect(str(dagster.warehouse), read_only=True) as connection:
        committed = connection.execute('SELECT DISTINCT "window" FROM import_ledger.windows').fetchall()
    assert {key for (key,) in committed} == set(windows["green"])
    assert dagster.rows("deals") < truth(account, "deals")

    rest = [key for key in keys if key not in windows["green"]]
    state = dagster.wait_for_backfill(dagster.backfill("deals", rest))
    assert state["status"] == "COMPLETED_SUCCESS"
    assert len(state["runs"]) == 1
    assert dagster.partitions("deals") == {"all": keys, "green": keys, "red": []}
    assert dagster.rows("deals") == truth(account, "deals")

"""The queue as a contract: what the documentation tells consumers to do, done word for word."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pipedrive_orchestration.warehouse import Warehouse
from pipedrive_orchestration.workflows.queue import MAX_ATTEMPTS, claim, complete, fail
from pipedrive_orchestration.workflows.sync import run_sync
from pipedrive_orchestration_tests.workflows.bodies import source, synced
from pipedrive_orchestration_tests.workflows.tables import OpenWarehouse, SourceTable, ask, runs

DOCUMENT = Path(__file__).parents[2] / "docs" / "workflows.md"
LEASE = timedelta(minutes=5)
MADE = synced()


def statement(name: str) -> str:
    """An SQL example of the documentation, by the comment that it begins with."""
    found = re.search(rf"```sql\n-- {name}\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    assert found, f"docs/workflows.md has no example `{name}`"
    return found[1]


def do(warehouse: Warehouse, name: str, **parameters: Any) -> list[tuple[Any, ...]]:
    with warehouse.writing() as connection:
        return connection.execute(statement(name), parameters).fetchall()


@pytest.fixture
def queue(warehouse: OpenWarehouse, people: SourceTable) -> OpenWarehouse:
    """A warehouse with six runs queued."""
    people.put(*range(1, 7))
    run_sync(warehouse, MADE, source())
    return warehouse


def statuses(warehouse: Warehouse) -> dict[int, str]:
    return {record: status for record, _, status in runs(warehouse)}


def test_the_documented_claim_takes_each_run_once(queue: OpenWarehouse) -> None:
    queue.close()

    def consume(worker: str) -> list[Any]:
        own = Warehouse(queue.database)
        taken = []
        while claimed := do(own, "claim", workflow="outreach", worker=worker, limit=1):
            taken += [run_id for run_id, *_ in claimed]
        return taken

    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(consume, ["one", "other"])
    assert len({*one, *other}) == len(one) + len(other) == 6
    assert set(statuses(queue).values()) == {"running"}


def test_the_documented_complete_and_fail(queue: Warehouse) -> None:
    claimed = do(queue, "claim", workflow="outreach", worker="me", limit=2)
    assert len(claimed) == 2
    (first, *_), (second, *_) = claimed
    assert len(do(queue, "complete", run_id=first, worker="me")) == 1
    assert len(do(queue, "fail", run_id=second, worker="me", error="out of paper")) == 1
    assert do(queue, "complete", run_id=second, worker="me") == [], "it is not this worker's any more"
    assert sorted(statuses(queue).values()) == ["complete", "failed", *["queued"] * 4]
    assert ask(queue, "SELECT error FROM workflows._runs WHERE status = 'failed'") == [("out of paper",)]


def test_only_the_holder_of_a_claim_finishes_it(queue: Warehouse) -> None:
    ((run_id, *_),) = do(queue, "claim", workflow="outreach", worker="me", limit=1)
    assert do(queue, "complete", run_id=run_id, worker="you") == []
    assert len(do(queue, "complete", run_id=run_id, worker="me")) == 1


def test_runs_are_claimed_in_their_order(queue: Warehouse) -> None:
    with queue.writing() as connection:
        assert claim(connection, MADE, "a", most=4, lease=LEASE) == 4
    assert statuses(queue) == {**dict.fromkeys((1, 2, 3, 4), "running"), 5: "queued", 6: "queued"}
    assert ask(queue, "SELECT DISTINCT row_status FROM workflows.outreach WHERE _record_id::INT < 5") == [
        ("running",)
    ]


def test_what_a_dead_consumer_held_is_claimed_again_when_its_lease_has_ended(queue: Warehouse) -> None:
    with queue.writing() as connection:
        claim(connection, MADE, "dead", most=10, lease=timedelta(seconds=-1))
    with queue.writing() as connection:
        assert claim(connection, MADE, "alive", most=10, lease=LEASE) == 6
        assert complete(connection, MADE, "dead") == 0, "it comes too late"
        assert fail(connection, MADE, "dead", None, "late") == 0
        assert complete(connection, MADE, "alive") == 6
    assert set(statuses(queue).values()) == {"complete"}
    assert ask(queue, "SELECT DISTINCT row_status FROM workflows.outreach") == [("complete",)]


def test_a_run_that_never_ends_is_given_up(queue: Warehouse) -> None:
    for number in range(MAX_ATTEMPTS):
        with queue.writing() as connection:
            assert claim(connection, MADE, str(number), most=10, lease=timedelta(seconds=-1)) == 6
    with queue.writing() as connection:
        assert claim(connection, MADE, "last", most=10, lease=LEASE) == 0
    assert set(statuses(queue).values()) == {"failed"}
    given_up = "SELECT DISTINCT row_status, error FROM workflows.outreach JOIN workflows._runs USING (row_id)"
    assert ask(queue, given_up) == [("failed", "It was claimed 3 times and never finished.")]


def test_a_failed_run_is_tried_again_later_and_not_for_ever(queue: Warehouse) -> None:
    waits = []
    for number in range(MAX_ATTEMPTS):
        with queue.writing() as connection:
            assert claim(connection, MADE, str(number), most=1, lease=LEASE) == 1
            assert fail(connection, MADE, str(number), None, "broken") == 1
            waiting = connection.execute(
                "SELECT date_diff('second', finished_at, available_at), attempts FROM workflows._runs "
                "WHERE status = 'failed'"
            ).fetchall()
            waits += waiting
            connection.execute("UPDATE workflows._runs SET queued_at = queued_at - INTERVAL 1 DAY")
            connection.execute(
                "UPDATE workflows._runs SET available_at = CASE status WHEN 'failed' THEN now() "
                "ELSE now() + INTERVAL 1 DAY END"
            )
    assert waits == [(60, 1), (240, 2), (960, 3)]
    with queue.writing() as connection:
        assert claim(connection, MADE, "more", most=1, lease=LEASE) == 0

"""The right to do something that one process at a time may do."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from pipedrive_orchestration.warehouse import locks
from pipedrive_orchestration_tests.warehouse.backends import KIND, warehouse_in


class AnotherMachine:
    """A lock of files that no other process here knows of."""

    def __init__(self, *_: Any, **__: Any) -> None:
        self.context = nullcontext()

    def acquire(self, *, timeout: float) -> None:
        """Had at once."""

    def release(self) -> None:
        """Given back."""


def test_one_has_it_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    warehouse = warehouse_in(tmp_path)
    with warehouse.writing() as here:
        here.execute("CREATE SCHEMA IF NOT EXISTS something")
    with warehouse.sole("writes") as has_it:
        assert has_it
        if KIND == "postgres":
            monkeypatch.setattr(locks, "FileLock", AnotherMachine)
        with warehouse.sole("writes") as has_it_too:
            assert not has_it_too
        with warehouse.sole("something_else") as has_that:
            assert has_that
        with warehouse.writing() as there:
            there.execute("CREATE TABLE something.written AS SELECT 1 AS n")
    with warehouse.sole("writes") as has_it_now:
        assert has_it_now


@pytest.mark.skipif(KIND != "postgres", reason="is of a lake that several processes have open")
def test_a_queue_that_moves_is_waited_for(tmp_path: Path) -> None:
    """Each commit takes less than the patience, and those before the last one take more together."""
    warehouse = warehouse_in(tmp_path).with_patience(8)
    with warehouse.writing() as first:
        first.execute("CREATE TABLE held (number INTEGER)")

    def commit(number: int) -> None:
        with warehouse.writing() as mine:
            mine.execute("INSERT INTO held VALUES (?)", [number])
            time.sleep(3)

    with ThreadPoolExecutor(4) as workers:
        list(workers.map(commit, range(4)))
    with warehouse.reading() as after:
        assert after.execute("FROM held ORDER BY ALL").fetchall() == [(number,) for number in range(4)]

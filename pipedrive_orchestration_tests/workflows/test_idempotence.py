"""Whatever interrupts a sync, whatever runs beside it and however often it runs: each row and run once."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipedrive_orchestration.warehouse import Warehouse
from pipedrive_orchestration.workflows import Workflow
from pipedrive_orchestration.workflows.sync import run_sync
from pipedrive_orchestration_tests.chaos.sizes import FULL
from pipedrive_orchestration_tests.workflows.bodies import source, sync, synced, workflow
from pipedrive_orchestration_tests.workflows.tables import (
    OpenWarehouse,
    SourceTable,
    ask,
    new_warehouse,
    rows,
    runs,
)


class Interrupted(Exception):
    """What ends a sync in these tests."""


class _Statements:
    """A connection that breaks before its n-th statement, or never."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, breaks_at: int) -> None:
        self._connection, self._left = connection, breaks_at
        self.executed = 0

    def execute(self, *arguments: Any) -> duckdb.DuckDBPyConnection:
        self.executed += 1
        if self.executed == self._left:
            raise Interrupted
        return self._connection.execute(*arguments)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


class Breaks(Warehouse):
    """A warehouse whose transaction is interrupted before the n-th statement, or before its commit (0)."""

    def __init__(self, warehouse: Warehouse, at: int) -> None:
        super().__init__(warehouse.database)
        self._warehouse, self._at = warehouse, at
        self.statements = 0

    @contextmanager
    def writing(self) -> Iterator[duckdb.DuckDBPyConnection]:
        with self._warehouse.writing() as connection:
            watched = _Statements(connection, self._at)
            yield watched  # type: ignore[misc] # it is one in all that matters here
            self.statements = watched.executed
            if self._at == 0:
                raise Interrupted


def everything(warehouse: Warehouse) -> list[Any]:
    """Rows, runs, rejections and records, without what differs from run to run."""
    return [
        ask(warehouse, "SELECT _record_id, email, first_name, row_seq, row_status, _removed_at IS NULL "
                       "FROM workflows.outreach ORDER BY row_seq"),
        runs(warehouse),
        ask(warehouse, "SELECT record_id, field, code, value FROM workflows._rejected ORDER BY ALL"),
        ask(warehouse, "SELECT record_id, version, is_skipped, is_removed, row_id IS NULL "
                       "FROM workflows._records ORDER BY ALL"),
    ]  # fmt: skip


def prepared(folder: Path, template: Path, made: Workflow) -> Warehouse:
    """A warehouse in which a sync has something of everything to do."""
    warehouse = new_warehouse(folder)
    Path(warehouse.database).write_bytes(template.read_bytes())
    people = SourceTable(warehouse)
    people.put(*range(1, 9))
    run_sync(warehouse, made, source())
    people.put(1, 2, name="Changed")
    people.put(9, 10)
    people.put(11, email="nonsense")
    people.remove(3)
    return warehouse


def test_an_interruption_at_any_step_leaves_nothing_behind(tmp_path: Path, template: Path) -> None:
    made = synced(on_update="update", on_remove="flag", run="first_10")
    first = prepared(tmp_path, template, made)
    copy = OpenWarehouse(tmp_path / "copy.duckdb")
    Path(copy.database).write_bytes(Path(first.database).read_bytes())
    before = everything(first)
    counting = Breaks(first, at=-1)
    run_sync(counting, made, source())
    uninterrupted = everything(first)
    assert uninterrupted != before
    assert counting.statements > 20
    for step in range(counting.statements + 1):
        with pytest.raises(Interrupted):
            run_sync(Breaks(copy, at=step), made, source())
        if step % 4 == 0:
            assert everything(copy) == before
    run_sync(copy, made, source())
    assert everything(copy) == uninterrupted
    copy.close()


_KILLED = """
import sys
from contextlib import contextmanager
from pipedrive_orchestration.warehouse import Warehouse
from pipedrive_orchestration.workflows import Workflow
from pipedrive_orchestration.workflows.sync import run_sync
from pipedrive_orchestration.sources import Source

class Waits(Warehouse):
    @contextmanager
    def writing(self):
        with super().writing() as connection:
            yield connection
            print("written", flush=True)
            sys.stdin.read()

database, workflow, source = sys.argv[1:]
run_sync(Waits(database), Workflow.model_validate_json(workflow), Source.model_validate_json(source))
"""


def test_a_killed_process_leaves_nothing_behind(tmp_path: Path, template: Path) -> None:
    made = synced(on_update="append", on_remove="delete")
    warehouse = prepared(tmp_path, template, made)
    before = everything(warehouse)
    arguments = [warehouse.database, made.model_dump_json(), source().model_dump_json()]
    with subprocess.Popen(
        [sys.executable, "-c", _KILLED, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "written\n"
        process.kill()
    assert everything(warehouse) == before
    assert run_sync(warehouse, made, source()).inserted == 4
    assert run_sync(warehouse, made, source()).inserted == 0


def test_two_syncs_at_once_and_an_import_beside_them(tmp_path: Path, template: Path) -> None:
    made = synced(run="all")
    warehouse = prepared(tmp_path, template, made)
    ready = threading.Barrier(4)

    def syncing(_: int) -> None:
        ready.wait(timeout=10)
        for _time in range(3):
            run_sync(Warehouse(warehouse.database), made, source())

    def importing() -> None:
        ready.wait(timeout=10)
        for number in range(20, 26):
            SourceTable(Warehouse(warehouse.database)).put(number)

    with ThreadPoolExecutor(4) as pool:
        ending = [pool.submit(importing), *(pool.submit(syncing, number) for number in range(3))]
        for each in ending:
            each.result(timeout=120)
    run_sync(warehouse, made, source())
    expected = [*range(1, 11), *range(20, 26)]
    assert sorted(row[0] for row in rows(warehouse)) == expected
    assert sorted(record for record, _, _ in runs(warehouse)) == expected
    assert ask(
        warehouse, "SELECT count(*), count(DISTINCT row_seq), max(row_seq) FROM workflows.outreach"
    ) == [(len(expected), len(expected), len(expected))]


def test_syncs_in_two_processes_without_a_lock_cannot_both_commit(tmp_path: Path, template: Path) -> None:
    """Where the database itself takes several writers, the second of two syncs fails and changes nothing."""
    made = synced()
    warehouse = prepared(tmp_path, template, made)

    class Shared(Warehouse):
        """One open database, as a server would have it: no lock keeps anybody waiting."""

        def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
            super().__init__(warehouse.database)
            self._shared = connection

        @contextmanager
        def writing(self) -> Iterator[duckdb.DuckDBPyConnection]:
            cursor = self._shared.cursor()
            cursor.execute("SET TimeZone = 'UTC'")
            cursor.begin()
            yield cursor
            cursor.commit()

    with duckdb.connect(warehouse.database) as connection:
        database = Shared(connection)
        with database.writing() as first:
            first.execute("UPDATE workflows._syncs SET synced_at = now()")
            with pytest.raises(duckdb.TransactionException, match=r"[Cc]onflict"):
                run_sync(database, made, source())
        run_sync(database, made, source())
    assert [row[0] for row in rows(warehouse)] == [*range(1, 9), 9, 10]


STEPS = st.lists(
    st.tuples(st.sampled_from(["put", "put", "remove", "sync", "interrupted"]), st.integers(1, 6)),
    max_size=12,
)


@settings(max_examples=40 if FULL else 5, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=STEPS, on_update=st.sampled_from(["ignore", "update", "append"]))
def test_any_history_ends_in_the_same_rows(
    template: Path, steps: list[tuple[str, int]], on_update: str
) -> None:
    """Against a model that knows what each sync has seen."""
    made = workflow(syncs=[sync(on_update=on_update, run="none")], auto_run=True)
    with tempfile.TemporaryDirectory() as folder:
        warehouse = OpenWarehouse(Path(folder, "warehouse.duckdb"))
        Path(warehouse.database).write_bytes(template.read_bytes())
        people = SourceTable(warehouse)
        model = Model(on_update)
        for number, (step, record) in enumerate([*steps, ("sync", 0)]):
            if step == "put":
                people.put(record, name=f"Version {number}")
                model.current[record] = f"Version {number}"
            elif step == "remove":
                people.remove(record)
                model.current.pop(record, None)
            elif step == "sync":
                run_sync(warehouse, made, source())
                model.sync()
            else:
                with pytest.raises(Interrupted):
                    run_sync(Breaks(warehouse, at=0), made, source())
        assert [(row[0], row[2]) for row in rows(warehouse)] == model.rows
        assert len({record for record, _, _ in runs(warehouse)}) == len(model.queued)
        warehouse.close()


class Model:
    """What a sync is to do, record by record."""

    def __init__(self, on_update: str) -> None:
        self.on_update = on_update
        self.current: dict[int, str] = {}
        self.rows: list[tuple[int, str]] = []
        self.queued: set[int] = set()
        self._seen: dict[int, str] = {}
        self._syncs = 0

    def sync(self) -> None:
        for record, name in sorted(self.current.items()):
            known = self._seen.get(record)
            if known is None or (known != name and self.on_update == "append"):
                self.rows.append((record, name))
                if self._syncs:
                    self.queued.add(record)
            elif known != name and self.on_update == "update":
                place = next(place for place, row in enumerate(self.rows) if row[0] == record)
                self.rows[place] = (record, name)
                self.queued.add(record)
            self._seen[record] = name
        self._syncs += 1

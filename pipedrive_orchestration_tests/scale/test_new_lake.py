"""A lake that is not there yet, when the first runs on several machines begin at once."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from multiprocessing import get_context
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest

from pipedrive_orchestration.warehouse import Warehouse, schema
from pipedrive_orchestration_tests.servers import postgresql, variables_of

pytestmark = pytest.mark.scale

MACHINES = 4
LAKES = 6


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with postgresql() as running:
        for name, value in variables_of(running).items():
            monkeypatch.setenv(name, value)
        yield


def lake(folder: Path, number: int) -> Warehouse:
    return Warehouse(f"ducklake:postgres:dbname=crm{number}", data=str(folder / f"files{number}"))


def first_commits(folder: Path, machine: int, together: Barrier) -> None:
    """What the first run on a machine does in each of the lakes."""
    for number in range(LAKES):
        together.wait(60)
        with lake(folder, number).writing() as connection:
            schema.prepare(connection)
            connection.execute(f"CREATE TABLE main.of_{machine} AS SELECT {machine} AS machine")


def test_it_is_made_once_and_nobody_fails(server: None, tmp_path: Path) -> None:
    for number in range(LAKES):
        subprocess.run(["createdb", f"crm{number}"], check=True)
    spawned = get_context("spawn")
    together = spawned.Barrier(MACHINES)
    processes = [
        spawned.Process(target=first_commits, args=(tmp_path, machine, together))
        for machine in range(MACHINES)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * MACHINES
    for number in range(LAKES):
        with lake(tmp_path, number).reading() as connection:
            assert schema.has_ledger(connection)
            for machine in range(MACHINES):
                assert connection.execute(f"FROM main.of_{machine}").fetchall() == [(machine,)]

"""SQL of those who may write files of workflows and writes: no way out of it, none into other tables."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import duckdb
import pytest

from pipedrive_orchestration.sources import InvalidBodyError
from pipedrive_orchestration.warehouse import Warehouse
from pipedrive_orchestration.workflows.actions.reach import Reach
from pipedrive_orchestration.workflows.actions.runner import run_actions
from pipedrive_orchestration.workflows.sync import run_sync
from pipedrive_orchestration.writing.match import Matcher
from pipedrive_orchestration_tests.workflows.bodies import source, workflow
from pipedrive_orchestration_tests.workflows.tables import SourceTable

WAYS_OUT = [
    "(SELECT content FROM read_text('{file}'))",
    "(SELECT string_agg(file) FROM glob('/etc/*'))",
    "(SELECT * FROM '{file}')",
    "(SELECT column0 FROM read_csv('{file}', sep='\\0'))",
    "(SELECT * FROM read_blob('/proc/self/environ'))::VARCHAR",
    "getenv('HOME')",
    "(SELECT value FROM duckdb_settings() WHERE name = 'secret_directory')"
    " || (SELECT content FROM read_text('{file}'))",
    "(SELECT string_agg(name) FROM duckdb_secrets())::VARCHAR || getenv('PATH')",
    "(SELECT content FROM read_text('http://127.0.0.1:1/x'))",
    "(SELECT count(*) FROM pipedrive.people)::VARCHAR",
    "(SELECT count(*) FROM import_ledger.imports)::VARCHAR",
    "(SELECT count(*) FROM sqlite_scan('{file}', 'x'))::VARCHAR",
    "'x'); COPY (SELECT 1) TO '{out}'; SELECT ('x'",
    "1; ATTACH '{out}'",
    "x FROM y; INSTALL httpfs; LOAD httpfs",
    "'127.0.0.1'::INET::VARCHAR",
]


@pytest.fixture
def places(tmp_path: Path) -> dict[str, str]:
    """A file that is none of theirs, and a path that is not there."""
    file = tmp_path / "secret.txt"
    file.write_text("root:s3cr3t")
    return {"file": str(file), "out": str(tmp_path / "out")}


def test_expressions_of_a_workflow_have_no_way_out(
    warehouse: Warehouse, people: SourceTable, places: dict[str, str]
) -> None:
    people.put(1)
    for number, way in enumerate(WAYS_OUT if os.environ.get("CHAOS_FULL") else WAYS_OUT[:2]):
        expression = way.format(**places)
        action = {"type": "sql", "name": "a", "expression": expression, "output": {"name": "made"}}
        try:
            made = workflow(slug=f"out_{number}", actions=[action])
        except InvalidBodyError:
            continue
        run_sync(warehouse, made, source())
        report = run_actions(warehouse, made, Reach.of({}))
        assert report.completed == 0, expression
        with warehouse.reading() as connection:
            (row,) = connection.execute(f"SELECT made FROM workflows.out_{number}").fetchall()
        assert row == (None,), expression
    assert not Path(places["out"]).exists()


ROWS = [
    "SELECT content AS title, 1 AS deal FROM read_text('{file}')",
    "FROM '{file}'",
    "SELECT getenv('HOME') AS title",
    "SELECT 1 AS deal); CREATE TABLE pipedrive.hacked AS (SELECT 1 AS a",
    "SELECT 1 AS deal); DROP TABLE pipedrive.people; SELECT * FROM (SELECT 1 AS a",
    "SELECT 1 AS deal) TO '{out}'; --",
    "SELECT 1); COPY (SELECT 1) TO '{out}' --",
    "SELECT 1); ATTACH '{out}' AS other; SELECT * FROM (SELECT 1",
    "SELECT 1); SET enable_external_access = true; SELECT * FROM (SELECT 1",
    "SELECT 1); INSTALL httpfs; SELECT * FROM (SELECT 1",
]


def test_queries_of_a_write_read_our_tables_and_change_nothing(
    template: Path, tmp_path: Path, places: dict[str, str]
) -> None:
    shutil.copy(template, tmp_path / "warehouse.duckdb")
    warehouse = Warehouse(str(tmp_path / "warehouse.duckdb"))
    SourceTable(warehouse).put(1, 2)
    tables = "SELECT table_schema, table_name FROM information_schema.tables ORDER BY ALL"
    with warehouse.reading() as connection:
        before = connection.execute(tables).fetchall()
    for way in ROWS:
        matcher = Matcher.__new__(Matcher)
        matcher._write = _Write(way.format(**places))  # type: ignore[assignment]
        matcher._project = Path(places["file"]).parent
        with pytest.raises(InvalidBodyError), warehouse.reading() as connection:
            matcher._load(connection, warehouse)
    with warehouse.reading() as connection:
        assert connection.execute(tables).fetchall() == before
        assert connection.execute("SELECT count(*) FROM pipedrive.people").fetchone() == (2,)
    assert not Path(places["out"]).exists()


class _Write:
    """The part of a write that says which rows it has."""

    file = workflow = None

    def __init__(self, rows: str) -> None:
        self.rows = rows


def test_duckdb_itself_would_have_let_them_out(places: dict[str, str]) -> None:
    """The first of these ways is one, where nothing is locked."""
    with duckdb.connect() as connection:
        assert connection.execute(f"SELECT {WAYS_OUT[0].format(**places)}").fetchone() == ("root:s3cr3t",)

"""The view under labels of a source with very many references."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import duckdb
import pytest

from pipedrive_orchestration.warehouse import references, schema, tables
from pipedrive_orchestration.warehouse.references import ReferenceTable
from pipedrive_orchestration.warehouse.tables import Column

NOW = datetime(2026, 5, 20, tzinfo=UTC)
USERS, DEALS = ReferenceTable("users", "BIGINT", ("name", "email")), ReferenceTable("deals", "BIGINT")
COLUMNS = [
    Column("title", "VARCHAR", "Title", "varchar"),
    *(
        Column(
            f"k{number}", "BIGINT", f"Reference {number}", "user", refers_to=("users", "deals")[number % 2]
        )
        for number in range(40)
    ),
    Column("many", "BIGINT[]", "Many", "set", refers_to="deals"),
]


@pytest.fixture
def connection() -> duckdb.DuckDBPyConnection:
    """Rows whose references are known, unknown and empty."""
    connection = duckdb.connect()
    schema.prepare(connection)
    references.prepare(connection, [USERS, DEALS])
    for table in (USERS, DEALS):
        names = ", ".join(f"'{table.object_type} {column} ' || id" for column in table.attributes)
        connection.execute(
            f"INSERT INTO {table.sql} SELECT id, {names}, NULL, NULL, 0 FROM range(20) AS t(id)"
        )
    tables.prepare_table(connection, "wide", "BIGINT", COLUMNS, NOW)
    ids = ", ".join(
        f"CASE (id + {number}) % 7 WHEN 0 THEN NULL ELSE (id * {number}) % 23 END" for number in range(40)
    )
    connection.execute(
        f"INSERT INTO pipedrive.wide SELECT id, 'Row ' || id, {ids}, [id, 21], now(), now(), now(), false, "
        "id <> 3, NULL, NULL FROM range(30) AS t(id)"
    )
    return connection


def shown(connection: duckdb.DuckDBPyConnection) -> list[tuple[Any, ...]]:
    tables.prepare_labeled_view(connection, "wide", "deals", COLUMNS)
    return connection.execute("SELECT * FROM pipedrive_labeled.wide ORDER BY ALL").fetchall()


def test_many_references_show_what_each_shows_by_itself(
    connection: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = shown(connection)
    newest = connection.execute(tables.newest_labeled(connection, "wide", 5)).fetchall()
    monkeypatch.setattr(tables, "MAX_JOINS", 1000)
    assert found == shown(connection)
    assert newest == connection.execute(tables.newest_labeled(connection, "wide", 5)).fetchall()
    assert len(found) == 29
    flat = [value for row in found for value in row if isinstance(value, str)]
    assert {"users name 4", "deals name 5"} <= set(flat)

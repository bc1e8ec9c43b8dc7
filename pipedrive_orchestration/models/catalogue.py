"""What each model in the warehouse is: its meaning, its columns', its chart, and when it was built.

It stands beside the tables, so that a report needs the database alone, were it a copy on another machine.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import duckdb

from pipedrive_orchestration.models.dbt_project import SCHEMA
from pipedrive_orchestration.warehouse import quoted
from pipedrive_orchestration.warehouse.catalog import column_types

CATALOGUE = "_models"
"""The table of the entries, in the schema of models."""

_TABLE = quoted(SCHEMA, CATALOGUE)


@dataclass(frozen=True, slots=True)
class Entry:
    """What a model is.

    Attributes:
        name: its table.
        description: what a row is.
        columns: what columns mean, by name.
        chart: its ``meta.chart``, if it has one.
        sql: its query as the project has it.
        as_of: the instant to which its ages are counted.
        first_as_of: the same of its first build; None if that is this one, or was before it was kept.
        basis: of a model of which a build makes a part only, what all parts have to be made from: files,
            sources, versions of programs; None of any other.
    """

    name: str
    description: str
    columns: dict[str, str]
    chart: dict[str, Any] | None
    as_of: datetime
    sql: str = ""
    first_as_of: datetime | None = None
    basis: str | None = None


def keep_entries(connection: duckdb.DuckDBPyConnection, entries: Sequence[Entry]) -> None:
    """Put entries in the place of those of before."""
    connection.execute(
        f"CREATE TABLE IF NOT EXISTS {_TABLE} "
        "(name VARCHAR, description VARCHAR, columns JSON, chart JSON, as_of TIMESTAMPTZ)"
    )
    # One of before was made without.
    for column in ("sql VARCHAR", "first_as_of TIMESTAMPTZ", "basis VARCHAR"):
        connection.execute(f"ALTER TABLE {_TABLE} ADD COLUMN IF NOT EXISTS {column}")
    before = read_entries(connection)
    for entry in entries:
        known = before.get(entry.name)
        connection.execute(f"DELETE FROM {_TABLE} WHERE name = ?", [entry.name])
        connection.execute(
            f"INSERT INTO {_TABLE} BY NAME SELECT $1 AS name, $2 AS description, $3 AS columns, "
            "$4 AS chart, $5 AS as_of, $6 AS sql, $7 AS first_as_of, $8 AS basis",
            [
                entry.name,
                entry.description,
                json.dumps(entry.columns),
                None if entry.chart is None else json.dumps(entry.chart),
                entry.as_of,
                entry.sql,
                (known.first_as_of or known.as_of) if known else entry.as_of,
                entry.basis,
            ],
        )


def forget_others(connection: duckdb.DuckDBPyConnection, names: Iterable[str]) -> None:
    """Remove the entries of what is no model any more."""
    connection.execute(f"DELETE FROM {_TABLE} WHERE NOT list_contains(?, name)", [list(names)])


def read_entries(connection: duckdb.DuckDBPyConnection) -> dict[str, Entry]:
    """The entries of all models that have been built, by name."""
    if not column_types(connection, SCHEMA, CATALOGUE):
        return {}
    cursor = connection.execute(f"FROM {_TABLE}")
    names = [column[0] for column in cursor.description]
    rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    return {
        row["name"]: Entry(
            row["name"],
            row["description"],
            json.loads(row["columns"]),
            json.loads(row["chart"]) if row["chart"] else None,
            row["as_of"],
            row.get("sql") or "",
            row.get("first_as_of"),
            row.get("basis"),
        )
        for row in rows
    }

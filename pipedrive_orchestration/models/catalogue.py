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
    """

    name: str
    description: str
    columns: dict[str, str]
    chart: dict[str, Any] | None
    as_of: datetime
    sql: str = ""


def keep_entries(connection: duckdb.DuckDBPyConnection, entries: Sequence[Entry]) -> None:
    """Put entries in the place of those of before."""
    connection.execute(
        f"CREATE TABLE IF NOT EXISTS {_TABLE} "
        "(name VARCHAR, description VARCHAR, columns JSON, chart JSON, as_of TIMESTAMPTZ, sql VARCHAR)"
    )
    # One of before was made without.
    connection.execute(f"ALTER TABLE {_TABLE} ADD COLUMN IF NOT EXISTS sql VARCHAR")
    for entry in entries:
        connection.execute(f"DELETE FROM {_TABLE} WHERE name = ?", [entry.name])
        connection.execute(
            f"INSERT INTO {_TABLE} VALUES (?, ?, ?, ?, ?, ?)",
            [
                entry.name,
                entry.description,
                json.dumps(entry.columns),
                None if entry.chart is None else json.dumps(entry.chart),
                entry.as_of,
                entry.sql,
            ],
        )


def forget_others(connection: duckdb.DuckDBPyConnection, names: Iterable[str]) -> None:
    """Remove the entries of what is no model any more."""
    connection.execute(f"DELETE FROM {_TABLE} WHERE NOT list_contains(?, name)", [list(names)])


def read_entries(connection: duckdb.DuckDBPyConnection) -> dict[str, Entry]:
    """The entries of all models that have been built, by name."""
    if not column_types(connection, SCHEMA, CATALOGUE):
        return {}
    rows = connection.execute(f"SELECT name, description, columns, chart, as_of FROM {_TABLE}").fetchall()
    return {
        name: Entry(name, description, json.loads(columns), json.loads(chart) if chart else None, as_of)
        for name, description, columns, chart, as_of in rows
    }

"""What tables a database has, asked for one by one: to list all of them takes longer than to read most."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from weakref import WeakKeyDictionary

import duckdb

from pipedrive_orchestration.warehouse.instances import aside, duckdb_instance
from pipedrive_orchestration.warehouse.sql import quoted

_seen: WeakKeyDictionary[duckdb.DuckDBPyConnection, set[tuple[str, str]]] = WeakKeyDictionary()
"""The tables that connections have seen. One is used for a moment, in which nobody drops a table."""


def has_table(connection: duckdb.DuckDBPyConnection, schema: str, name: str) -> bool:
    """Whether there is a table of that name, the changes of the connection's transaction included."""
    seen = _seen.setdefault(connection, set())
    if (schema, name) not in seen and _has_table(connection, schema, name):
        seen.add((schema, name))
    return (schema, name) in seen


def _has_table(connection: duckdb.DuckDBPyConnection, schema: str, name: str) -> bool:
    try:
        aside(connection).execute(f"SELECT 1 FROM {quoted(schema, name)} LIMIT 0").fetchall()
    except duckdb.CatalogException:
        # Those that the connection's transaction has made are seen by it alone.
        found = connection.execute(
            "SELECT count(*) FROM duckdb_tables() WHERE database_name = current_database() "
            "AND schema_name = ? AND table_name = ?",
            [schema, name],
        ).fetchone()
        return found == (1,)
    return True


def column_types(connection: duckdb.DuckDBPyConnection, schema: str, name: str) -> dict[str, str]:
    """The columns of a table with their types, in their order; empty where there is no table."""
    if not has_table(connection, schema, name):
        return {}
    return {row[0]: row[1] for row in connection.execute(f"DESCRIBE {quoted(schema, name)}").fetchall()}


def tables_of(query: str) -> set[tuple[str, str]]:
    """The tables with a schema that a query names.

    Raises:
        duckdb.Error: it cannot be parsed.
    """
    try:
        names = duckdb.get_table_names(query, qualified=True)
    except duckdb.BinderException:
        # DuckDB 1.5 looks for the columns of a join in tables that are not there.
        return set(_tables_in(_parsed(query)))
    parts = (name.replace('"', "").split(".")[-2:] for name in names)
    return {(schema, table) for schema, table in (pair for pair in parts if len(pair) == 2)}


def _parsed(query: str) -> Any:
    with duckdb_instance() as connection:
        row = connection.execute("SELECT json_serialize_sql($query::VARCHAR)", {"query": query}).fetchone()
    assert row is not None
    return json.loads(row[0])


def _tables_in(node: Any) -> Iterator[tuple[str, str]]:
    if isinstance(node, dict):
        if node.get("type") == "BASE_TABLE" and node.get("schema_name"):
            yield node["schema_name"], node["table_name"]
        node = list(node.values())
    if isinstance(node, list):
        for part in node:
            yield from _tables_in(part)

"""What tables a database has, asked for one by one: to list all of them takes longer than to read most."""

from __future__ import annotations

from weakref import WeakKeyDictionary

import duckdb

from pipedrive_orchestration.warehouse.instances import aside
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
    """The tables with a schema that a query names."""
    names = (name.replace('"', "").split(".")[-2:] for name in duckdb.get_table_names(query, qualified=True))
    return {(schema, table) for schema, table in (parts for parts in names if len(parts) == 2)}

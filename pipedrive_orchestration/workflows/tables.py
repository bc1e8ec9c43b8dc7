"""The schema ``workflows``: a table for every workflow, and what syncs and the queue keep beside them.

Everything here runs inside the transaction of the caller.
"""

from __future__ import annotations

import duckdb

from pipedrive_orchestration.warehouse.sql import literal, quoted
from pipedrive_orchestration.warehouse.tables import column_types, replace_column
from pipedrive_orchestration.workflows.model import Workflow

SCHEMA = "workflows"

_DDL = """
CREATE SCHEMA IF NOT EXISTS workflows;
CREATE TABLE IF NOT EXISTS workflows._syncs (
    sync_id UUID, workflow VARCHAR, source VARCHAR, mapping VARCHAR, created_at TIMESTAMPTZ,
    started_at TIMESTAMPTZ, synced_at TIMESTAMPTZ, mark TIMESTAMPTZ
);
CREATE TABLE IF NOT EXISTS workflows._records (
    sync_id UUID, record_id VARCHAR, version TIMESTAMPTZ, row_id UUID, is_skipped BOOLEAN,
    is_backfilled BOOLEAN, is_removed BOOLEAN
);
CREATE TABLE IF NOT EXISTS workflows._rejected (
    sync_id UUID, workflow VARCHAR, source VARCHAR, record_id VARCHAR, field VARCHAR, property VARCHAR,
    code VARCHAR, reason VARCHAR, value VARCHAR, rejected_at TIMESTAMPTZ
);
CREATE TABLE IF NOT EXISTS workflows._runs (
    run_id UUID, workflow VARCHAR, row_id UUID, row_seq BIGINT, sync_id UUID, trigger VARCHAR,
    status VARCHAR, queued_at TIMESTAMPTZ, available_at TIMESTAMPTZ, attempts INTEGER, claimed_by VARCHAR,
    lease_until TIMESTAMPTZ, started_at TIMESTAMPTZ, finished_at TIMESTAMPTZ, error VARCHAR
);
"""

_LEADING = {
    "row_id": ("UUID", "The row's id"),
    "row_seq": ("BIGINT", "The row's number, in the order of arrival"),
    "created_at": ("TIMESTAMPTZ", "When the row was made"),
    "row_status": ("VARCHAR", "pending, queued, running, complete or failed"),
}
_TRAILING = {
    "_source": ("VARCHAR", "The source it came from"),
    "_record_id": ("VARCHAR", "Pipedrive's id of the record"),
    "_sync_id": ("UUID", "The sync that brought it"),
    "_synced_at": ("TIMESTAMPTZ", "When its inputs were last taken from the source"),
    "_removed_at": (
        "TIMESTAMPTZ",
        "When its record was found to have left the source, if removals are flagged",
    ),
}


def prepare(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the tables that all workflows share, where they are missing."""
    connection.execute(_DDL)


def prepare_table(connection: duckdb.DuckDBPyConnection, workflow: Workflow) -> None:
    """Make the workflow's table, or give it the columns it lacks.

    A column of an input that has another type now keeps the values that fit it. A column that is no input
    or output any more stays with what it holds.
    """
    table = quoted(SCHEMA, workflow.slug)
    columns = {
        column.key: (column.sql_type, f"{column.name} ({column.type})")
        for column in (*workflow.inputs, *workflow.outputs)
    }
    existing = column_types(connection, workflow.slug, SCHEMA)
    if not existing:
        wanted = {**_LEADING, **columns, **_TRAILING}
        definitions = ", ".join(f"{quoted(name)} {sql_type}" for name, (sql_type, _) in wanted.items())
        connection.execute(f"CREATE TABLE {table} ({definitions})")
        _comment(connection, table, wanted)
        return
    added = {name: column for name, column in columns.items() if name not in existing}
    for name, (sql_type, _) in added.items():
        connection.execute(f"ALTER TABLE {table} ADD COLUMN {quoted(name)} {sql_type}")
    changed = {
        name: column for name, column in columns.items() if name in existing and existing[name] != column[0]
    }
    for name, (sql_type, _) in changed.items():
        replace_column(connection, table, name, sql_type, f"TRY_CAST({quoted(name)} AS {sql_type})")
    _comment(connection, table, added | changed)


def count_rejected(connection: duckdb.DuckDBPyConnection, workflow: Workflow) -> int:
    """The number of records that values which do not fit keep out of a workflow."""
    if not column_types(connection, "_rejected", SCHEMA):
        return 0
    row = connection.execute(
        "SELECT count(DISTINCT (sync_id, record_id)) FROM workflows._rejected WHERE workflow = ?",
        [workflow.slug],
    ).fetchone()
    return int(row[0]) if row else 0


def _comment(connection: duckdb.DuckDBPyConnection, table: str, columns: dict[str, tuple[str, str]]) -> None:
    for name, (_, comment) in columns.items():
        connection.execute(f"COMMENT ON COLUMN {table}.{quoted(name)} IS {literal(comment)}")

"""Rows of a workflow: those that arrive, those that follow their records, and those whose records left."""

from __future__ import annotations

import duckdb

from pipedrive_orchestration.warehouse.sql import quoted
from pipedrive_orchestration.workflows.model import OnRemove, OnUpdate
from pipedrive_orchestration.workflows.sync_plan import SyncPlan
from pipedrive_orchestration.workflows.tables import SCHEMA
from pipedrive_orchestration.workflows.values import accepted


def find_changes(connection: duckdb.DuckDBPyConnection, plan: SyncPlan) -> None:
    """Make the table ``changed``: the records whose mapped values differ from those of their newest row."""
    differs = " OR ".join(
        f"t.{quoted(column.input.key)} IS DISTINCT FROM c.value_{number}"
        for number, column in enumerate(plan.columns)
    )
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE changed AS SELECT c.record_id, c.row_id FROM taken AS c "
        f"JOIN {_table(plan)} AS t USING (row_id) "
        f"WHERE c.decision = 'change' AND {accepted(plan)} AND ({differs})"
    )


def insert_arrivals(connection: duckdb.DuckDBPyConnection, plan: SyncPlan) -> int:
    """Insert the rows that are new, in the order of the source, and keep them as the table ``arrivals``.

    Returns:
        How many there are.
    """
    appended = (
        "OR record_id IN (SELECT record_id FROM changed)" if plan.sync.on_update is OnUpdate.APPEND else ""
    )
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE arrivals AS
        SELECT record_id, uuid() AS row_id, decision = 'enter' AND is_backfilled AS is_backfilled,
            (SELECT coalesce(max(row_seq), 0) FROM {_table(plan)})
                + row_number() OVER (ORDER BY source_id) AS row_seq
        FROM taken WHERE {accepted(plan)} AND (decision = 'enter' {appended})
        """
    )
    inputs = "".join(f", {quoted(column.input.key)}" for column in plan.columns)
    values = "".join(f", c.value_{number}" for number in range(len(plan.columns)))
    inserted = connection.execute(
        f"""
        INSERT INTO {_table(plan)} (row_id, row_seq, created_at, row_status{inputs}, _source, _record_id,
            _sync_id, _synced_at)
        SELECT a.row_id, a.row_seq, $now, 'pending'{values}, $source, a.record_id, $sync_id, $now
        FROM arrivals AS a JOIN taken AS c USING (record_id)
        """,
        {"now": plan.now, "source": plan.sync.source, "sync_id": plan.sync_id},
    ).fetchone()
    return inserted[0] if inserted else 0


def update_changed(connection: duckdb.DuckDBPyConnection, plan: SyncPlan) -> int:
    """Let rows follow their records where the sync wants that. Returns how many did."""
    if plan.sync.on_update is not OnUpdate.UPDATE:
        return 0
    assignments = ", ".join(
        f"{quoted(column.input.key)} = c.value_{number}" for number, column in enumerate(plan.columns)
    )
    updated = connection.execute(
        f"UPDATE {_table(plan)} AS t SET {assignments}, _synced_at = $now FROM taken AS c "
        "WHERE t.row_id = c.row_id AND c.row_id IN (SELECT row_id FROM changed)",
        {"now": plan.now},
    ).fetchone()
    return updated[0] if updated else 0


def remove_departed(connection: duckdb.DuckDBPyConnection, plan: SyncPlan) -> int:
    """Flag or delete the rows of records that left the source, and take the flag off those that are back.

    Returns:
        How many rows were flagged or deleted.
    """
    theirs = "_sync_id = $sync_id AND _record_id IN (SELECT record_id FROM decisions WHERE {})"
    connection.execute(
        f"UPDATE {_table(plan)} SET _removed_at = NULL WHERE {theirs.format('is_back')}",
        {"sync_id": plan.sync_id},
    )
    departed = theirs.format("decision = 'remove'")
    if plan.sync.on_remove is OnRemove.DELETE:
        return _delete(connection, plan, departed)
    connection.execute(
        "UPDATE workflows._records SET is_removed = true WHERE sync_id = $sync_id AND record_id IN "
        "(SELECT record_id FROM decisions WHERE decision = 'remove')",
        {"sync_id": plan.sync_id},
    )
    flagged = connection.execute(
        f"UPDATE {_table(plan)} SET _removed_at = $now WHERE {departed}",
        {"sync_id": plan.sync_id, "now": plan.now},
    ).fetchone()
    return flagged[0] if flagged else 0


def _delete(connection: duckdb.DuckDBPyConnection, plan: SyncPlan, departed: str) -> int:
    parameters = {"sync_id": plan.sync_id}
    connection.execute(
        "DELETE FROM workflows._runs WHERE sync_id = $sync_id AND status IN ('queued', 'failed') "
        f"AND row_id IN (SELECT row_id FROM {_table(plan)} WHERE {departed})",
        parameters,
    )
    deleted = connection.execute(f"DELETE FROM {_table(plan)} WHERE {departed}", parameters).fetchone()
    for table in ("_rejected", "_records"):
        # A record that comes back is a new one then.
        connection.execute(
            f"DELETE FROM workflows.{table} WHERE sync_id = $sync_id AND record_id IN "
            "(SELECT record_id FROM decisions WHERE decision = 'remove')",
            parameters,
        )
    return deleted[0] if deleted else 0


def count_rows(connection: duckdb.DuckDBPyConnection, plan: SyncPlan) -> int:
    """The number of rows that the workflow has from this sync."""
    row = connection.execute(
        f"SELECT count(*) FROM {_table(plan)} WHERE _sync_id = $sync_id", {"sync_id": plan.sync_id}
    ).fetchone()
    return row[0] if row else 0


def _table(plan: SyncPlan) -> str:
    return quoted(SCHEMA, plan.workflow.slug)

"""Queueing the runs of rows: each row once when it arrives, and again when it has changed."""

from __future__ import annotations

import duckdb

from pipedrive_orchestration.warehouse.identifiers import quoted
from pipedrive_orchestration.warehouse.tables import ROWS
from pipedrive_orchestration.workflows.planning import Plan
from pipedrive_orchestration.workflows.tables import SCHEMA

FIRST = 10
"""How many backfilled rows ``run: first_10`` queues."""


def queue_runs(connection: duckdb.DuckDBPyConnection, plan: Plan) -> int:
    """Queue what the sync's rows are due, after the records have been remembered. Returns how many."""
    queued = 0
    if plan.sync.run == "all":
        queued += _queue(connection, plan, "backfill", "SELECT row_id FROM arrivals WHERE is_backfilled")
    if plan.sync.run == "first_10" and plan.is_imported:
        queued += _queue(connection, plan, "backfill", _first_rows(plan))
    if plan.workflow.auto_run:
        queued += _queue(connection, plan, "new", "SELECT row_id FROM arrivals WHERE NOT is_backfilled")
        if plan.sync.on_update == "update":
            queued += _queue(connection, plan, "changed", _CHANGED_AND_NOT_QUEUED)
    return queued


_CHANGED_AND_NOT_QUEUED = """
    SELECT row_id FROM changed
    ANTI JOIN (FROM workflows._runs WHERE sync_id = $sync_id AND status = 'queued') AS q USING (row_id)
"""


def _first_rows(plan: Plan) -> str:
    """The first backfilled rows in the order of the source, once everything that was there has come."""
    backfilled = (
        "SELECT row_id FROM arrivals WHERE is_backfilled"
        if plan.is_started
        else "SELECT row_id FROM workflows._records WHERE sync_id = $sync_id AND is_backfilled"
    )
    return f"""
        SELECT r.row_id FROM workflows._records AS r
        JOIN {quoted(ROWS, plan.sync.source)} AS s ON s._id::VARCHAR = r.record_id
        WHERE r.sync_id = $sync_id AND r.row_id IN ({backfilled})
            AND r.row_id NOT IN (SELECT row_id FROM workflows._runs WHERE sync_id = $sync_id)
        ORDER BY s._id LIMIT (
            SELECT greatest(0, {FIRST} - count(*)) FROM workflows._runs
            WHERE sync_id = $sync_id AND trigger = 'backfill'
        )
    """


def _queue(connection: duckdb.DuckDBPyConnection, plan: Plan, trigger: str, rows: str) -> int:
    table = quoted(SCHEMA, plan.workflow.slug)
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE due AS SELECT t.row_id, t.row_seq FROM {table} AS t "
        f"SEMI JOIN ({rows}) AS d USING (row_id)",
        {"sync_id": plan.sync_id} if "$sync_id" in rows else None,
    )
    connection.execute(
        """
        INSERT INTO workflows._runs (run_id, workflow, row_id, row_seq, sync_id, trigger, status, queued_at,
            available_at, attempts)
        SELECT uuid(), $workflow, row_id, row_seq, $sync_id, $trigger, 'queued', $now, $now, 0 FROM due
        """,
        {
            "workflow": plan.workflow.slug,
            "sync_id": plan.sync_id,
            "trigger": trigger,
            "now": plan.now,
        },
    )
    queued = connection.execute(
        f"UPDATE {table} SET row_status = 'queued' WHERE row_id IN (SELECT row_id FROM due)"
    ).fetchone()
    return queued[0] if queued else 0

"""The queue of runs, which any consumer claims, completes and fails.

A consumer claims runs for the length of a lease. What it has claimed is its own until then; what it has
not finished by then is claimed by somebody else. Everything here runs inside the caller's transaction, and
by the clock of the database, as what other consumers do in SQL does.
"""

from __future__ import annotations

from datetime import timedelta

import duckdb

from pipedrive_orchestration.warehouse.sql import quoted
from pipedrive_orchestration.warehouse.tables import ROWS
from pipedrive_orchestration.workflows.model import OnUpdate, RowsToRun, Workflow
from pipedrive_orchestration.workflows.sync_plan import SyncPlan
from pipedrive_orchestration.workflows.tables import SCHEMA

MAX_ATTEMPTS = 3
"""The most tries of a run."""

RETRY_AFTER = timedelta(minutes=1)
"""The pause after a run's first failure; four times as long after the next one."""

_CLAIM = f"""
UPDATE workflows._runs SET status = 'running', attempts = attempts + 1, claimed_by = $claim,
    lease_until = now() + $lease, started_at = now(), finished_at = NULL, error = NULL
WHERE run_id IN (
    SELECT run_id FROM workflows._runs
    WHERE workflow = $workflow AND attempts < {MAX_ATTEMPTS} AND (
        status IN ('queued', 'failed') AND available_at <= now() OR status = 'running' AND lease_until < now()
    )
    ORDER BY queued_at, row_seq LIMIT $most
)
"""

_GIVEN_UP = f"""
workflow = $workflow AND status = 'running' AND lease_until < now() AND attempts >= {MAX_ATTEMPTS}
"""

_GIVE_UP = f"""
UPDATE workflows._runs SET status = 'failed', finished_at = now(), lease_until = NULL,
    error = 'It was claimed {MAX_ATTEMPTS} times and never finished.'
WHERE {_GIVEN_UP}
"""

_FAIL = """
UPDATE workflows._runs AS r SET status = 'failed', finished_at = now(), lease_until = NULL, error = f.error,
    available_at = now() + $retry_after * pow(4, r.attempts - 1)::INTEGER
FROM ({failures}) AS f
WHERE r.run_id = f.run_id AND r.claimed_by = $claim AND r.status = 'running'
"""


def claim(
    connection: duckdb.DuckDBPyConnection, workflow: Workflow, claim_id: str, *, most: int, lease: timedelta
) -> int:
    """Claim the runs that have waited longest, those included whose lease ran out. Returns how many.

    Args:
        connection: a transaction.
        workflow: whose runs.
        claim_id: names the claim, and nothing else ever.
        most: how many runs at most.
        lease: how long they are the claimer's own.
    """
    of_workflow = {"workflow": workflow.slug}
    given_up = connection.execute(
        f"SELECT row_id FROM workflows._runs WHERE {_GIVEN_UP}", of_workflow
    ).fetchall()
    if given_up:
        connection.execute(_GIVE_UP, of_workflow)
    claimed = connection.execute(
        _CLAIM, {**of_workflow, "claim": claim_id, "lease": lease, "most": most}
    ).fetchone()
    if given_up:
        connection.execute(
            f"UPDATE {quoted(SCHEMA, workflow.slug)} SET row_status = 'failed' "
            "WHERE list_contains($rows, row_id)",
            {"rows": [row[0] for row in given_up]},
        )
    show_status(connection, workflow, claim_id)
    return claimed[0] if claimed else 0


def complete(connection: duckdb.DuckDBPyConnection, workflow: Workflow, claim_id: str) -> int:
    """Complete what is still running of a claim. Returns how many runs."""
    completed = connection.execute(
        "UPDATE workflows._runs SET status = 'complete', finished_at = now(), lease_until = NULL "
        "WHERE claimed_by = $claim AND status = 'running'",
        {"claim": claim_id},
    ).fetchone()
    show_status(connection, workflow, claim_id)
    return completed[0] if completed else 0


def fail(
    connection: duckdb.DuckDBPyConnection, workflow: Workflow, claim_id: str, failures: str | None, error: str
) -> int:
    """Fail runs of a claim, to be tried again after a while. Returns how many.

    Args:
        connection: a transaction.
        workflow: whose runs.
        claim_id: the claim.
        failures: SQL of ``run_id`` and ``error``; None fails everything that is still running.
        error: why, where everything fails.
    """
    parameters = {"claim": claim_id, "retry_after": RETRY_AFTER}
    if failures is None:
        failures = "SELECT run_id, $error AS error FROM workflows._runs WHERE claimed_by = $claim"
        parameters["error"] = error
    failed = connection.execute(_FAIL.format(failures=failures), parameters).fetchone()
    show_status(connection, workflow, claim_id)
    return failed[0] if failed else 0


def show_status(connection: duckdb.DuckDBPyConnection, workflow: Workflow, claim_id: str) -> None:
    """Let the rows of a claim say what their runs say."""
    connection.execute(
        f"UPDATE {quoted(SCHEMA, workflow.slug)} AS t SET row_status = r.status "
        "FROM (SELECT row_id, max(status) AS status FROM workflows._runs WHERE claimed_by = $claim "
        "GROUP BY row_id) AS r WHERE t.row_id = r.row_id",
        {"claim": claim_id},
    )


def count_waiting(connection: duckdb.DuckDBPyConnection, workflow: Workflow) -> int:
    """The number of runs still to be done, those that wait to be tried again included."""
    row = connection.execute(
        "SELECT count(*) FROM workflows._runs WHERE workflow = $workflow AND "
        f"(status IN ('queued', 'running') OR status = 'failed' AND attempts < {MAX_ATTEMPTS})",
        {"workflow": workflow.slug},
    ).fetchone()
    return row[0] if row else 0


FIRST = 10
"""The number of backfilled rows that ``run: first_10`` queues."""


def queue_runs(connection: duckdb.DuckDBPyConnection, plan: SyncPlan) -> int:
    """Queue what the sync's rows are due, after the records have been remembered. Returns how many."""
    queued = 0
    if plan.sync.run is RowsToRun.ALL:
        queued += _queue(connection, plan, "backfill", "SELECT row_id FROM arrivals WHERE is_backfilled")
    if plan.sync.run is RowsToRun.FIRST_10 and plan.is_imported:
        queued += _queue(connection, plan, "backfill", _first_rows(plan))
    if plan.workflow.auto_run:
        queued += _queue(connection, plan, "new", "SELECT row_id FROM arrivals WHERE NOT is_backfilled")
        if plan.sync.on_update is OnUpdate.UPDATE:
            queued += _queue(connection, plan, "changed", _CHANGED_AND_NOT_QUEUED)
    return queued


_CHANGED_AND_NOT_QUEUED = """
    SELECT row_id FROM changed
    ANTI JOIN (FROM workflows._runs WHERE sync_id = $sync_id AND status = 'queued') AS q USING (row_id)
"""


def _first_rows(plan: SyncPlan) -> str:
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


def _queue(connection: duckdb.DuckDBPyConnection, plan: SyncPlan, trigger: str, rows: str) -> int:
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
        SELECT uuid(), $workflow, row_id, row_seq, $sync_id, $trigger, 'queued', now(), now(), 0 FROM due
        """,
        {
            "workflow": plan.workflow.slug,
            "sync_id": plan.sync_id,
            "trigger": trigger,
        },
    )
    queued = connection.execute(
        f"UPDATE {table} SET row_status = 'queued' WHERE row_id IN (SELECT row_id FROM due)"
    ).fetchone()
    return queued[0] if queued else 0

"""The difference between a source's records and what the sync last saw of them, and what follows from it.

The sync keeps the version of every record that it has dealt with, so a sync finds whatever differs,
however long ago it happened, whoever brought it and in whatever order it was committed. Only the
records' ids and versions are compared; nothing else is read of a record that has not changed.
"""

from __future__ import annotations

import duckdb

from pipedrive_orchestration.warehouse.sql import quoted
from pipedrive_orchestration.warehouse.tables import ROWS
from pipedrive_orchestration.workflows.sync_plan import SyncPlan


def decide(connection: duckdb.DuckDBPyConnection, plan: SyncPlan) -> None:
    """Make the table ``decisions``: a row for each record about which something is to be done.

    Verdicts: ``enter`` (is to become a row), ``change`` (its row is to follow), ``skip`` (was there before
    the sync, and is not wanted), ``note`` (only its version is noted) and ``remove``.
    """
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE decisions AS
        WITH compared AS (
            SELECT coalesce(s._id::VARCHAR, r.record_id) AS record_id, s._id AS source_id,
                s._imported_at AS version, coalesce(s._is_current, false) AS is_current,
                r.row_id, r.record_id IS NULL AS is_new, r.version IS DISTINCT FROM s._imported_at AS differs,
                coalesce(r.is_skipped, false) AS is_skipped, coalesce(r.is_removed, false) AS is_removed,
                coalesce(r.is_backfilled, false) AS is_backfilled
            FROM {quoted(ROWS, plan.sync.source)} AS s
            FULL JOIN (FROM workflows._records WHERE sync_id = $sync_id) AS r
                ON r.record_id = s._id::VARCHAR
        )
        SELECT record_id, source_id, version, row_id, is_new, is_current AND is_removed AS is_back,
            is_backfilled OR (NOT $is_started AND is_new) OR (is_skipped AND $push_existing)
                AS is_backfilled,
            CASE
                WHEN NOT is_current THEN CASE
                    WHEN NOT is_new AND ($on_remove = 'delete' OR $on_remove = 'flag' AND NOT is_removed)
                        THEN 'remove'
                END
                WHEN is_new THEN CASE WHEN $is_started OR $push_existing THEN 'enter' ELSE 'skip' END
                WHEN is_skipped THEN CASE
                    WHEN $push_existing OR differs AND $on_update = 'append' THEN 'enter'
                    WHEN differs OR is_removed THEN 'note'
                END
                WHEN row_id IS NULL AND (differs OR $is_remapped) THEN 'enter'
                WHEN differs AND row_id IS NOT NULL AND $on_update <> 'ignore' THEN 'change'
                WHEN differs OR is_removed THEN 'note'
            END AS decision
        FROM compared WHERE decision IS NOT NULL
        """,
        {
            "sync_id": plan.sync_id,
            "is_started": plan.is_started,
            "push_existing": plan.sync.push_existing,
            "on_update": plan.sync.on_update.value,
            "on_remove": plan.sync.on_remove.value,
            "is_remapped": plan.is_remapped,
        },
    )


def record_decisions(connection: duckdb.DuckDBPyConnection, plan: SyncPlan) -> None:
    """Record what was dealt with, so that it is not dealt with again."""
    connection.execute(
        """
        INSERT INTO workflows._records
        SELECT $sync_id, v.record_id, v.version, a.row_id, v.decision = 'skip',
            v.is_backfilled AND v.decision <> 'skip', false
        FROM decisions AS v LEFT JOIN arrivals AS a USING (record_id) WHERE v.is_new
        """,
        {"sync_id": plan.sync_id},
    )
    connection.execute(
        """
        UPDATE workflows._records AS r
        SET version = v.version, row_id = coalesce(v.arrived, r.row_id), is_removed = false,
            is_skipped = r.is_skipped AND v.decision = 'note', is_backfilled = v.is_backfilled
        FROM (
            SELECT v.*, a.row_id AS arrived FROM decisions AS v LEFT JOIN arrivals AS a USING (record_id)
            WHERE NOT v.is_new AND v.decision <> 'remove'
        ) AS v
        WHERE r.sync_id = $sync_id AND r.record_id = v.record_id
        """,
        {"sync_id": plan.sync_id},
    )

"""The sync itself: from the rows of a source to the rows of a workflow, in one transaction.

However it is started, it takes over whatever is not taken over yet, and running it again, after an
interruption or beside another, changes nothing more.
"""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime

import duckdb

from pipedrive_orchestration.sources import Source
from pipedrive_orchestration.warehouse import Warehouse, schema
from pipedrive_orchestration.warehouse.tables import column_types
from pipedrive_orchestration.workflows.diff import decide, record_decisions
from pipedrive_orchestration.workflows.model import Sync, Workflow
from pipedrive_orchestration.workflows.queue import queue_runs
from pipedrive_orchestration.workflows.report import SyncReport
from pipedrive_orchestration.workflows.rows import (
    count_rows,
    find_changes,
    insert_arrivals,
    remove_departed,
    update_changed,
)
from pipedrive_orchestration.workflows.sync_plan import SyncPlan, finish, plan_sync
from pipedrive_orchestration.workflows.tables import prepare, prepare_table
from pipedrive_orchestration.workflows.values import (
    count_normalised,
    record_rejections,
    rejections,
    take_values,
)


def run_sync(warehouse: Warehouse, workflow: Workflow, source: Source) -> SyncReport:
    """Run a workflow's sync of a source.

    Raises:
        LookupError: the workflow has no sync of that source.
        WarehouseError: the database cannot be opened or written; nothing was.
    """
    sync = workflow.sync_of(source.slug)
    if sync is None:
        raise LookupError(f"The workflow {workflow.slug} has no sync of the source {source.slug}.")
    began = time.monotonic()
    with warehouse.writing() as connection:
        schema.prepare(connection)
        prepare(connection)
        prepare_table(connection, workflow)
        types = column_types(connection, sync.source)
        missing = [name for name in ("_id", *sync.field_mapping.values()) if name not in types]
        if missing:
            return _waiting(workflow, sync, missing)
        plan = plan_sync(connection, workflow, sync, source, types, datetime.now(UTC))
        report = _sync(connection, plan)
    return replace(report, seconds=round(time.monotonic() - began, 3))


def _sync(connection: duckdb.DuckDBPyConnection, plan: SyncPlan) -> SyncReport:
    decide(connection, plan)
    take_values(connection, plan)
    record_rejections(connection, plan)
    find_changes(connection, plan)
    inserted = insert_arrivals(connection, plan)
    updated = update_changed(connection, plan)
    removed = remove_departed(connection, plan)
    record_decisions(connection, plan)
    queued = queue_runs(connection, plan)
    finish(connection, plan)
    rejected, shown = rejections(connection, plan)
    return SyncReport(
        workflow=plan.workflow.slug,
        source=plan.sync.source,
        sync_id=plan.sync_id,
        state="synced",
        inserted=inserted,
        updated=updated,
        removed=removed,
        rejected=rejected,
        normalised=count_normalised(connection, plan),
        queued=queued,
        rows=count_rows(connection, plan),
        rejections=shown,
        note=None if plan.is_imported else "The source's first import has not come to its end yet.",
    )


def _waiting(workflow: Workflow, sync: Sync, missing: list[str]) -> SyncReport:
    note = (
        f"The source {sync.source} has not been imported yet."
        if "_id" in missing
        else f"The next import of {sync.source} brings the properties {', '.join(missing)}."
    )
    return SyncReport(workflow.slug, sync.source, workflow.sync_id(sync.source), "waiting", note=note)

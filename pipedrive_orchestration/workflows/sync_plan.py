"""The plan of a sync: the state in which the last one left it, and what the source has by now."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import duckdb

from pipedrive_orchestration.sources import Source
from pipedrive_orchestration.warehouse import ledger
from pipedrive_orchestration.workflows.inputs import Input
from pipedrive_orchestration.workflows.model import Sync, Workflow


@dataclass(frozen=True, slots=True)
class MappedColumn:
    """An input and the column of the source's table that it is filled from."""

    input: Input
    property: str
    sql_type: str


@dataclass(frozen=True, slots=True)
class SyncPlan:
    """One sync, in one transaction.

    Attributes:
        now: when it runs; one instant for all it writes.
        columns: what is mapped, in the order of the inputs.
        is_started: whether an earlier sync found the source completely imported. Until then, records are
            those that were there before.
        is_imported: whether the source has been imported successfully by now.
        is_remapped: whether rejected records get another try, since the mapping is another.
    """

    workflow: Workflow
    sync: Sync
    source: Source
    sync_id: UUID
    now: datetime
    columns: tuple[MappedColumn, ...]
    is_started: bool
    is_imported: bool
    is_remapped: bool


def plan_sync(
    connection: duckdb.DuckDBPyConnection,
    workflow: Workflow,
    sync: Sync,
    source: Source,
    types: Mapping[str, str],
    now: datetime,
) -> SyncPlan:
    """Look up where the sync stands, and mark it as being run.

    Two processes that run the same sync at once both write its one row, so the later one fails where the
    database has no lock that makes it wait.

    Args:
        connection: a transaction.
        workflow: what is fed.
        sync: the link.
        source: what feeds it.
        types: the columns of the source's table, every mapped property among them.
        now: when the sync runs.
    """
    sync_id = workflow.sync_id(sync.source)
    columns = _mapped(workflow, sync, types)
    mapping = json.dumps([[column.input.reference, column.input.type, column.property] for column in columns])
    connection.execute(
        "INSERT INTO workflows._syncs (sync_id, workflow, source, mapping, created_at) "
        "SELECT $sync_id, $workflow, $source, $mapping, $now "
        "WHERE NOT EXISTS (FROM workflows._syncs WHERE sync_id = $sync_id)",
        {
            "sync_id": sync_id,
            "workflow": workflow.slug,
            "source": sync.source,
            "mapping": mapping,
            "now": now,
        },
    )
    row = connection.execute(
        "SELECT started_at IS NOT NULL, mapping <> $mapping FROM workflows._syncs WHERE sync_id = $sync_id",
        {"sync_id": sync_id, "mapping": mapping},
    ).fetchone()
    assert row is not None, "it was just written"
    connection.execute(
        "UPDATE workflows._syncs SET synced_at = $now, mapping = $mapping WHERE sync_id = $sync_id",
        {"sync_id": sync_id, "mapping": mapping, "now": now},
    )
    imported = ledger.last_import(connection, sync.source)
    return SyncPlan(
        workflow=workflow,
        sync=sync,
        source=source,
        sync_id=sync_id,
        now=now,
        columns=columns,
        is_started=row[0],
        is_imported=imported is not None and not imported.is_skipped,
        is_remapped=row[1],
    )


def _mapped(workflow: Workflow, sync: Sync, types: Mapping[str, str]) -> tuple[MappedColumn, ...]:
    return tuple(
        MappedColumn(one, sync.field_mapping[one.reference], types[sync.field_mapping[one.reference]])
        for one in workflow.inputs
        if one.reference in sync.field_mapping
    )


def finish(connection: duckdb.DuckDBPyConnection, plan: SyncPlan) -> None:
    """Note how far the sync has come."""
    connection.execute(
        "UPDATE workflows._syncs SET mark = greatest(mark, (SELECT max(version) FROM decisions)), "
        "started_at = CASE WHEN $is_imported THEN coalesce(started_at, $now) END WHERE sync_id = $sync_id",
        {"is_imported": plan.is_imported, "now": plan.now, "sync_id": plan.sync_id},
    )

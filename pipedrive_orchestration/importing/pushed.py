"""The import of records that came by themselves: what webhooks tell is typed and merged like what is read.

Nothing is asked for what came whole. The fields of the account are those that the last import has read, and
names behind references those that the warehouse knows; the rest is looked up, by 100 ids a request. Windows
and the watermark stay as they are: pulls remain complete without any of this.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import msgspec

from pipedrive_orchestration.importing.commit import (
    import_entry,
    record_names_read,
    record_own_names,
    settled_past,
)
from pipedrive_orchestration.importing.context import ImportContext, ImportRequest
from pipedrive_orchestration.importing.definition import (
    Definition,
    define,
    differ_only_in_values,
    understood_fields,
)
from pipedrive_orchestration.importing.filters.compile import select
from pipedrive_orchestration.importing.merge import merge
from pipedrive_orchestration.importing.references import References, open_references
from pipedrive_orchestration.importing.removals import RemovedId, mark_removed
from pipedrive_orchestration.importing.report import ImportReport, Pull, Reporter, RowCounts, Totals
from pipedrive_orchestration.importing.signals import run_interruptibly
from pipedrive_orchestration.importing.staging import Staging, open_staging
from pipedrive_orchestration.pipedrive.auth import Connection
from pipedrive_orchestration.pipedrive.client import Client
from pipedrive_orchestration.pipedrive.clock import utc_now
from pipedrive_orchestration.pipedrive.fields import FieldList, decoded
from pipedrive_orchestration.pipedrive.lookup import records_by_ids
from pipedrive_orchestration.pipedrive.responses import Page
from pipedrive_orchestration.sources import Source
from pipedrive_orchestration.warehouse import Warehouse, ledger, parents, schema
from pipedrive_orchestration.warehouse.field_history import field_list, last_fields
from pipedrive_orchestration.warehouse.instances import duckdb_instance
from pipedrive_orchestration.warehouse.ledger import Watermark
from pipedrive_orchestration.warehouse.rows import count_current
from pipedrive_orchestration.warehouse.sql import quoted
from pipedrive_orchestration.warehouse.tables import ROWS, Column, column_types

EVENTS = "events"
"""The word of the ledger for such an import, where others have how they have pulled."""


@dataclass(frozen=True, slots=True)
class KnownSource:
    """What the warehouse knows of a source that has been imported.

    Attributes:
        watermark: up to when its changes are loaded, and for what.
        types: of the columns of its table.
        columns: those of them that are fields, with the field they were made for.
        fields: of the account, as they were last read, as text.
    """

    watermark: Watermark
    types: Mapping[str, str]
    columns: dict[str, Column]
    fields: str

    @property
    def offset(self) -> timedelta:
        """How far Pipedrive's clock is ahead of ours, as the last pull had it."""
        return self.watermark.instant - self.watermark.by_our_clock


@dataclass(frozen=True, slots=True)
class RowState:
    """What a source's table says of a record: whether it is current, why not, and of when it is."""

    is_current: bool
    removal: str | None
    update_time: datetime | None


def known_source(warehouse: Warehouse, source: Source) -> KnownSource | None:
    """What is known of a source; None before its first import, and where its fields could not be read.

    Raises:
        WarehouseError: the database cannot be opened.
    """
    if not warehouse.exists:
        return None
    with warehouse.reading() as connection:
        watermark = ledger.watermark_of(connection, source.slug)
        types = column_types(connection, source.slug)
        fields = field_list(connection, source.object_type)
        if watermark is None or not types or fields is None or not _is_imported(connection, source):
            return None
        known = last_fields(connection, source.object_type, list(types))
        columns = {
            key: Column(key, types[key], source.labels.get(key, each.label), each.field_type)
            for key, each in known.items()
        }
        return KnownSource(watermark, types, columns, fields)


def is_imported(warehouse: Warehouse, source: Source) -> bool:
    """Whether a source has been imported, so that what changes of it is to be brought.

    Raises:
        WarehouseError: the database cannot be opened.
    """
    if not warehouse.exists:
        return False
    with warehouse.reading() as connection:
        return bool(column_types(connection, source.slug)) and _is_imported(connection, source)


def let_parents_be_due(
    warehouse: Warehouse, source: Source, parent_ids: Collection[str], child_ids: Collection[str]
) -> bool:
    """Let the next pull of a child source read some parents again.

    Args:
        warehouse: where the source is imported.
        source: its records belong to others.
        parent_ids: of parents.
        child_ids: of records whose parents are meant as well, as far as they are known.

    Returns:
        Whether there is any that is read.

    Raises:
        WarehouseError: the database cannot be opened or written.
    """
    with warehouse.writing() as connection:
        of_children = connection.execute(
            f"SELECT DISTINCT _parent_id::VARCHAR FROM {quoted(ROWS, source.slug)} "
            "WHERE _id::VARCHAR IN (SELECT unnest(?::VARCHAR[]))",
            [list(child_ids)],
        ).fetchall()
        due = {*parent_ids, *(parent_id for (parent_id,) in of_children)}
        schema.prepare(connection)
        parents.forget(connection, source.slug, due)
    return bool(due)


def _is_imported(connection: duckdb.DuckDBPyConnection, source: Source) -> bool:
    """Whether a pull has come to its end; what comes before would hide that the first one has not."""
    row = connection.execute(
        "SELECT EXISTS (FROM import_ledger.imports WHERE source = ? AND status = 'succeeded' AND pull <> ?)",
        [source.slug, EVENTS],
    ).fetchone()
    return bool(row and row[0])


def row_states(warehouse: Warehouse, source: Source, ids: Collection[str]) -> dict[str, RowState]:
    """What the table of an imported source says of some records, by id; those it has no row of are left out.

    Raises:
        WarehouseError: the database cannot be opened.
    """
    with warehouse.reading() as connection:
        rows = connection.execute(
            f"SELECT _id::VARCHAR, _is_current, _removal, _update_time FROM {quoted(ROWS, source.slug)} "
            "WHERE _id::VARCHAR IN (SELECT unnest(?::VARCHAR[]))",
            [list(ids)],
        ).fetchall()
    return {record_id: RowState(*state) for record_id, *state in rows}


def define_known(
    source: Source, known: KnownSource, connection: Connection, clock: Callable[[], datetime] = utc_now
) -> Definition | None:
    """The definition of a source by what is known; None where it is not the one that its rows were read for.

    Asks Pipedrive only where the source's filter names records.

    Raises:
        PipedriveError: the account cannot be read.
        InvalidBodyError: the source does not fit the account.
    """
    return run_interruptibly(_define_known(source, known, connection, clock))


async def _define_known(
    source: Source, known: KnownSource, connection: Connection, clock: Callable[[], datetime]
) -> Definition | None:
    listed = FieldList(decoded(known.fields))
    async with Client(connection, clock=clock) as client:
        fields = understood_fields(source, listed, known.columns)
        selection = await select(client, source, fields, now=clock() + known.offset)
    definition = define(source, listed, known.columns, selection)
    same = differ_only_in_values(known.watermark.definition, definition.fingerprint)
    return definition if same and _fits(definition.table, known.types) else None


def _fits(columns: Sequence[Column], types: Mapping[str, str]) -> bool:
    """Whether a table has columns of these types; another source may have read fields that changed since."""
    with duckdb_instance() as connection:
        named = ", ".join(f"typeof(NULL::{column.sql_type})" for column in columns)
        wanted = connection.execute(f"SELECT {named}").fetchone()
    return wanted is not None and all(
        types.get(column.key) == sql_type for column, sql_type in zip(columns, wanted, strict=True)
    )


@dataclass(frozen=True, slots=True)
class Pushed:
    """What became known of the records of a source.

    Attributes:
        records: as lists of the API show them, each the newest known state of one.
        removed: records that are gone.
        unsure: ids of records of which only is known that something has happened; they are looked up.
        reasons: why those of them are gone that are not found, if not by a deletion.
    """

    records: Sequence[bytes] = ()
    removed: Sequence[RemovedId] = ()
    unsure: Sequence[str] = ()
    reasons: Mapping[str, str] = field(default_factory=dict)


def import_pushed(
    definition: Definition,
    known: KnownSource,
    pushed: Pushed,
    *,
    connection: Connection,
    warehouse: Warehouse,
    staging: Path,
    clock: Callable[[], datetime] = utc_now,
) -> ImportReport:
    """Merge what became known into a source's table.

    Raises:
        PipedriveError: the account cannot be read; nothing was changed.
        StagingError: records cannot be staged.
        WarehouseError: the database cannot be opened or written.
    """
    request = ImportRequest(
        definition.source, connection, warehouse, staging, Pull.CHANGES, (), accept_user=False,
        import_id=uuid.uuid4(), started_at=clock(),
    )  # fmt: skip
    return run_interruptibly(_import_pushed(request, definition, known, pushed, clock))


async def _import_pushed(
    request: ImportRequest,
    definition: Definition,
    known: KnownSource,
    pushed: Pushed,
    clock: Callable[[], datetime],
) -> ImportReport:
    async with Client(request.connection, clock=clock) as client:
        client.clock.offset = known.offset
        reporter = Reporter(lambda _: None, client.usage)
        context = ImportContext(request, client, definition, reporter)
        async with (
            open_staging(context) as staging,
            open_references(client, staging.folder.path, definition.derived, definition.selection) as names,
        ):
            removed = [*pushed.removed, *await _stage(context, staging, pushed)]
            await staging.type_staged()
            files = staging.take_typed()
            await names.recall(request, context.began)
            await names.look_up(files)
            totals = await asyncio.to_thread(_commit, context, known, names, files, removed)
            return reporter.summary(request.source.slug, request.pull, totals)


async def _stage(context: ImportContext, staging: Staging, pushed: Pushed) -> list[RemovedId]:
    """Stage what came and what is looked up. Returns the records that turn out to be gone."""
    if pushed.records:
        await staging.add(Page([msgspec.Raw(record) for record in pushed.records]))
    if not pushed.unsure:
        return []
    found = await records_by_ids(
        context.client, context.object_type, context.definition.query, list(pushed.unsure)
    )
    for page in found.pages:
        await staging.add(page)
    return [(record_id, pushed.reasons.get(record_id, "deleted"), None) for record_id in found.missing]


def _commit(
    context: ImportContext,
    known: KnownSource,
    names: References,
    files: Sequence[Path],
    removed: Sequence[RemovedId],
) -> Totals:
    source, now, totals = context.source, context.clock.now(), Totals()
    with context.warehouse.writing() as connection:
        if not _is_as_known(connection, source, known):
            # A pull has other columns or another filter by now, and reads what came besides.
            return totals
        record_names_read(connection, names.read(), now)
        past = settled_past(connection, context)
        created = ledger.creation_of(connection, source.slug, source.created_at, context.created)
        counts = merge(
            connection, context, files, window_key="NULL::VARCHAR", created=created, now=now, past=past
        )
        record_own_names(connection, context, files, now)
        ended_at = context.clock.at_pipedrive(now) if source.options.history else None
        gone = mark_removed(
            connection, source.slug, removed, now=now, ended_at=ended_at, settled_until=past.until
        )
        totals.by_window = {**counts, "removed": RowCounts(removed=gone)}
        totals.current = count_current(connection, source.slug)
        totals.watermark = known.watermark.instant
        totals.quarantined = ledger.count_quarantined(connection, context.request.import_id)
        ledger.record_import(connection, import_entry(context, totals, now, pull=EVENTS))
    return totals


def _is_as_known(connection: duckdb.DuckDBPyConnection, source: Source, known: KnownSource) -> bool:
    watermark = ledger.watermark_of(connection, source.slug)
    is_same = watermark is not None and watermark.definition == known.watermark.definition
    return is_same and column_types(connection, source.slug) == known.types

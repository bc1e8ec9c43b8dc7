"""Commits: rows, ledger and watermark of the windows that are read, in one transaction each."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import duckdb

from pipedrive_orchestration.importing.casts import ID_TYPES
from pipedrive_orchestration.importing.context import ImportContext
from pipedrive_orchestration.importing.definition import Definition, reference_table
from pipedrive_orchestration.importing.doubt import Reading, reconciles, windows_without_columns
from pipedrive_orchestration.importing.lists import list_views
from pipedrive_orchestration.importing.merge import merge, update_names
from pipedrive_orchestration.importing.parents import Settlement
from pipedrive_orchestration.importing.plan import OVERLAP, PullPlan
from pipedrive_orchestration.importing.references import NamesRead, References, Revisions
from pipedrive_orchestration.importing.removals import RemovedId, correct_removals, mark_removed
from pipedrive_orchestration.importing.report import Pull, RowCounts, Totals
from pipedrive_orchestration.importing.staging import imports_alive
from pipedrive_orchestration.importing.visibility import Visibility
from pipedrive_orchestration.importing.windows import Window, grid_start, windows_until
from pipedrive_orchestration.pipedrive.fields import Field, encoded
from pipedrive_orchestration.pipedrive.references import attributes_of, is_referenced
from pipedrive_orchestration.warehouse import Warehouse, ledger, references, schema
from pipedrive_orchestration.warehouse.account import KnownAccount, record_account
from pipedrive_orchestration.warehouse.connection import MEMORY, MORE_MEMORY
from pipedrive_orchestration.warehouse.field_history import (
    LedgerField,
    record_field_list,
    record_fields,
)
from pipedrive_orchestration.warehouse.ledger import ImportEntry, SettledPast, Watermark
from pipedrive_orchestration.warehouse.lists import prepare_list_views
from pipedrive_orchestration.warehouse.references import ReferenceTable
from pipedrive_orchestration.warehouse.rows import count_current
from pipedrive_orchestration.warehouse.tables import (
    prepare_child_table,
    prepare_history,
    prepare_labeled_view,
    prepare_table,
)
from pipedrive_orchestration.warehouse.users import record_reader, record_user
from pipedrive_orchestration.warehouse.window_readings import (
    WindowEntry,
    doubt_windows,
    record_windows,
    window_states,
)

DOUBT_OF_POORER_CHANGES = "changes came without values that were there before"
"""Why windows are in doubt into which records came while fields of theirs could not be read."""

LAST_WORDS_SECONDS = 5.0
"""Seconds that a failing import waits for the database, to say there why it fails."""


class Committer:
    """Commits what an import has read.

    Attributes:
        totals: what the commits have come to so far.
    """

    def __init__(
        self, context: ImportContext, plan: PullPlan, visibility: Visibility, names: References
    ) -> None:
        self.totals = Totals(notes=[*plan.notes, *visibility.notes, *context.definition.notes])
        self._context = context
        self._plan = plan
        self._visibility = visibility
        self._names = names
        self._created = context.created
        self._doubt: str | None = None
        self._removals_until: datetime | None = None
        context.reporter.noted(self.totals.notes)
        self._grid = windows_until(context.source, context.began)
        self._ends = {window.key: window.end for window in self._grid}

    @property
    def reading(self) -> Reading:
        """How the import reads."""
        return Reading.of(self._context.definition, self._visibility.user)

    def doubt(self, reason: str) -> None:
        """Let the last commit put all windows in doubt."""
        self._doubt = reason

    def leave_removals_at(self, instant: datetime | None) -> None:
        """Let the recents feed be read from an earlier instant than the watermark, if one is given."""
        self._removals_until = instant

    def note(self, sentences: Sequence[str]) -> None:
        """Keep what a reader of the import should know."""
        self.totals.notes += sentences
        self._context.reporter.noted(sentences)

    async def commit(
        self,
        files: Sequence[Path],
        removed: Sequence[RemovedId],
        windows: Sequence[Window],
        parts: Sequence[Window] = (),
    ) -> None:
        """Merge typed files, mark removals, and record that windows are complete.

        Args:
            files: typed files not yet merged.
            removed: records found to be gone.
            windows: windows of which everything has been read.
            parts: of other windows, what has been read of them from their beginnings on.

        Raises:
            WarehouseError: the database cannot be opened or written; nothing of this commit was.
        """
        await asyncio.to_thread(self._commit, files, removed, (*windows, *parts), is_last=False)
        self._report_windows(windows)
        self._context.reporter.noted(self.totals.notes)

    async def settle(self, settlement: Settlement) -> None:
        """Merge the children of some parents, and note these as dealt with.

        Raises:
            WarehouseError: the database cannot be opened or written; nothing of this commit was.
        """
        before = self.totals.rows
        await asyncio.to_thread(self._commit, settlement.files, (), (), settlement, is_last=False)
        self._report(before)

    async def finish(
        self,
        files: Sequence[Path],
        removed: Sequence[RemovedId],
        settlement: Settlement | None = None,
        windows: Sequence[Window] = (),
    ) -> None:
        """Commit what is left and move the watermark.

        Args:
            files: typed files not yet merged.
            removed: records found to be gone.
            settlement: of the parents whose children the files have, where the source is one of children.
            windows: windows that are complete with this.

        Raises:
            WarehouseError: the database cannot be opened or written; nothing of this commit was.
        """
        before = self.totals.rows
        await asyncio.to_thread(self._commit, files, removed, windows, settlement, is_last=True)
        self._report_windows(windows)
        self._report(before)

    def _report_windows(self, windows: Sequence[Window]) -> None:
        for window in windows:
            rows = self.totals.by_window.get(window.key, RowCounts())
            self._context.reporter.committed(window, replace(rows, current=self.totals.current))

    def _report(self, before: RowCounts) -> None:
        """Tell of a commit that completes no window."""
        rows = self.totals.rows.minus(before)
        self._context.reporter.committed(None, replace(rows, current=self.totals.current))
        self._context.reporter.noted(self.totals.notes)

    async def skip(self, reason: str) -> None:
        """Say why nothing is read; rows and watermark stay as they are.

        Raises:
            WarehouseError: the database cannot be opened or written.
        """
        self.note([reason])
        self.totals.skipped = reason
        await asyncio.to_thread(self._skip)

    def _skip(self) -> None:
        context, now = self._context, self._context.clock.now()
        with context.warehouse.writing() as connection:
            self._prepare(connection, now)
            self.totals.current = count_current(connection, context.source.slug)
            known = ledger.watermark_of(connection, context.source.slug)
            self.totals.watermark = known.instant if known else None
            ledger.record_import(connection, self._entry("skipped", now))

    async def fail(self, error: Exception) -> None:
        """Say in the ledger why the import ended, where there is a ledger.

        Raises:
            WarehouseError: the database cannot be opened or written.
        """
        await asyncio.to_thread(self._fail, str(error))

    def _fail(self, reason: str) -> None:
        warehouse = self._context.warehouse
        if not warehouse.exists:
            return
        # Who had to wait for a busy database already should not wait as long again to read the reason.
        with warehouse.with_patience(LAST_WORDS_SECONDS).writing() as connection:
            schema.prepare(connection)
            ledger.record_import(connection, self._entry("failed", self._context.clock.now(), reason))

    def _commit(
        self,
        files: Sequence[Path],
        removed: Sequence[RemovedId],
        windows: Sequence[Window],
        settlement: Settlement | None = None,
        *,
        is_last: bool,
    ) -> None:
        for memory in (MEMORY, *MORE_MEMORY):
            before = self.totals.copy()
            try:
                warehouse = self._context.warehouse.with_memory(memory)
                self._write(warehouse, files, removed, windows, settlement, is_last=is_last)
            except BaseException as error:
                self.totals.return_to(before)
                if not isinstance(error, duckdb.OutOfMemoryException) or memory == MORE_MEMORY[-1]:
                    raise
            else:
                return

    def _write(
        self,
        warehouse: Warehouse,
        files: Sequence[Path],
        removed: Sequence[RemovedId],
        windows: Sequence[Window],
        settlement: Settlement | None,
        *,
        is_last: bool,
    ) -> None:
        slug, now = self._context.source.slug, self._context.clock.now()
        read = self._names.read()
        with warehouse.writing() as connection:
            self._prepare(connection, now)
            revisions = record_names_read(connection, read, now)
            past = settled_past(connection, self._context)
            outdone = settlement.outdone(connection, slug) if settlement else frozenset()
            self._merge(connection, files, past, now, outdone)
            record_own_names(connection, self._context, files, now)
            self._remove(connection, removed, () if is_last else windows, past, now)
            if settlement is not None:
                self._settle(connection, settlement.without(outdone), past, now)
            if is_last:
                self._update_names(connection, revisions, now)
            self.totals.current = count_current(connection, slug)
            record_windows(connection, [self._window_entry(window, now) for window in windows])
            if is_last:
                self._move_watermark(connection, now)
                self._doubt_windows(connection)
                if self._plan.is_complete or self._visibility.is_accepted:
                    record_reader(connection, slug, self._visibility.user, now)
            known = ledger.watermark_of(connection, slug)
            self.totals.watermark = known.instant if known else None
            record_account(connection, self._account(now))
            self.totals.quarantined = ledger.count_quarantined(connection, self._context.request.import_id)
            ledger.record_import(connection, self._entry("succeeded" if is_last else "running", now))
        self._names.wrote(read, revisions)

    def _prepare(self, connection: duckdb.DuckDBPyConnection, now: datetime) -> None:
        if self.totals.is_prepared:
            return
        request, definition = self._context.request, self._context.definition
        source, object_type = request.source, request.source.type
        columns = definition.table
        schema.prepare(connection)
        references.prepare(connection, _reference_tables(definition))
        ledger.record_interruptions(connection, source.slug, alive=imports_alive(request.staging))
        if not definition.field_notes:
            record_field_list(connection, object_type.name, encoded(definition.fields), now)
        notes = record_fields(connection, object_type.name, map(_ledger_field, definition.fields), now)
        prepare = prepare_child_table if object_type.parent else prepare_table
        notes += prepare(connection, source.slug, ID_TYPES[object_type.id_type], columns, now)
        prepare_labeled_view(connection, source.slug, object_type.name, definition.shown)
        prepare_list_views(connection, source.slug, object_type.name, list_views(definition))
        if source.options.history:
            at_pipedrive = self._context.clock.at_pipedrive(now)
            prepare_history(connection, source.slug, ID_TYPES[object_type.id_type], columns, at_pipedrive)
        self._created = ledger.creation_of(connection, source.slug, source.created_at, self._context.created)
        if ledger.watermark_of(connection, source.slug) is None:
            watermark = Watermark(self._created, definition.fingerprint, source.created_at)
            ledger.move_watermark(connection, source.slug, watermark, self._context.clock.at_pipedrive(now))
        record_user(connection, request.connection.signature, self._visibility.user, now)
        if self._visibility.before is None:
            record_reader(connection, source.slug, self._visibility.user, now)
        self.totals.notes += notes
        self.totals.is_prepared = True

    def _merge(
        self,
        connection: duckdb.DuckDBPyConnection,
        files: Sequence[Path],
        past: SettledPast,
        now: datetime,
        outdone: frozenset[str],
    ) -> None:
        counts = merge(
            connection,
            self._context,
            files,
            window_key=self._window_key(),
            created=self._created,
            now=now,
            past=past,
            without_parents=outdone,
        )
        for key, more in counts.items():
            self.totals.by_window[key] = self.totals.by_window.get(key, RowCounts()).plus(more)

    def _update_names(
        self, connection: duckdb.DuckDBPyConnection, revisions: Mapping[str, Revisions], now: datetime
    ) -> None:
        """Show the names of now in all rows, and note by which names the filter has been evaluated."""
        context, plan = self._context, self._plan
        count = update_names(connection, context.source.slug, context.definition.derived, now)
        before = self.totals.by_window.get(None, RowCounts())
        self.totals.by_window[None] = before.plus(RowCounts(updated=count))
        if count:
            self.totals.notes.append(f"{count:,} rows show other names than before behind their references")
        if plan.is_complete or plan.pull is Pull.CHANGES:
            for table, revision in self._names.evaluated(revisions):
                references.record_revision(connection, context.source.slug, table, revision)

    def _remove(
        self,
        connection: duckdb.DuckDBPyConnection,
        removed: Sequence[RemovedId],
        windows: Sequence[Window],
        past: SettledPast,
        now: datetime,
    ) -> None:
        source = self._context.source
        ended_at = self._context.clock.at_pipedrive(now) if source.options.history else None
        count = mark_removed(
            connection, source.slug, removed, now=now, ended_at=ended_at, settled_until=past.until
        )
        # Nothing leaves the segment of a source without a filter: a deviating run has said so.
        guesses = ("deleted", "invisible", *(() if source.filters else ("left_segment",)))
        correct_removals(connection, source.slug, removed, guesses)
        key = windows[0].key if windows else None
        before = self.totals.by_window.get(key, RowCounts())
        self.totals.by_window[key] = before.plus(RowCounts(removed=count))

    def _settle(
        self,
        connection: duckdb.DuckDBPyConnection,
        settlement: Settlement,
        past: SettledPast,
        now: datetime,
    ) -> None:
        ended_at = self._context.clock.at_pipedrive(now) if self._context.source.options.history else None
        count = settlement.write(connection, self._context, now=now, ended_at=ended_at, past=past)
        before = self.totals.by_window.get(None, RowCounts())
        self.totals.by_window[None] = before.plus(RowCounts(removed=count))

    def _move_watermark(self, connection: duckdb.DuckDBPyConnection, now: datetime) -> None:
        if not self._plan.moves_watermark:
            return
        context = self._context
        began = self._plan.began(context)
        ledger.move_watermark(
            connection,
            context.source.slug,
            Watermark(
                began, context.definition.fingerprint, began - context.clock.offset, self._removals_until
            ),
            context.clock.at_pipedrive(now),
        )

    def _doubt_windows(self, connection: duckdb.DuckDBPyConnection) -> None:
        context, slug = self._context, self._context.source.slug
        if not reconciles(context):
            return
        states = window_states(connection, slug)
        poorer = windows_without_columns(states, self._grid, self._plan.changed_since(context), self.reading)
        if poorer:
            doubt_windows(connection, slug, poorer, DOUBT_OF_POORER_CHANGES)
        if self._doubt:
            doubt_windows(connection, slug, None, self._doubt)
        self.totals.window_states = window_states(connection, slug) if poorer or self._doubt else states

    def _window_entry(self, window: Window, now: datetime) -> WindowEntry:
        """The window's row in the ledger."""
        rows = self.totals.by_window.get(window.key, RowCounts())
        context, reading = self._context, self.reading
        end = self._ends.get(window.key, window.end)
        return WindowEntry(
            import_id=context.request.import_id,
            source=context.source.slug,
            window=window.key,
            pull_started_at=window.begun or context.began,
            committed_at=now,
            rows_read=rows.read,
            rows_inserted=rows.inserted,
            rows_updated=rows.updated,
            rows_removed=rows.removed,
            definition=reading.definition,
            columns=reading.columns,
            reader=reading.reader,
            read_until=window.end if window.end < end else None,
        )

    def _account(self, now: datetime) -> KnownAccount:
        client = self._context.client
        return KnownAccount(
            self._visibility.user.domain, client.daily_token_budget, client.daily_tokens_left, now
        )

    def _entry(self, status: str, now: datetime, reason: str | None = None) -> ImportEntry:
        """The import's row in the ledger as of now."""
        return import_entry(
            self._context,
            self.totals,
            now,
            pull=self._context.request.pull.value,
            windows=[window.key for window in self._plan.asked],
            status=status,
            notes=[*self.totals.notes, *([reason] if reason else [])],
        )

    def _window_key(self) -> str:
        """SQL of the key of the window that an incoming row's ``update_time`` lies in."""
        if not self._plan.windows:
            return "NULL::VARCHAR"
        first = f"{grid_start(self._context.source):%Y-%m-%d}"
        instant = "(i._update_time AT TIME ZONE 'UTC')"
        begun = {
            "daily": f"date_trunc('day', {instant})",
            # Weeks begin on Sunday here, as Dagster's do; DuckDB's begin on Monday.
            "weekly": f"date_trunc('week', {instant} + INTERVAL 1 DAY) - INTERVAL 1 DAY",
            "monthly": f"date_trunc('month', {instant})",
        }[self._context.source.options.partitions]
        return f"greatest(coalesce(strftime({begun}, '%Y-%m-%d'), '{first}'), '{first}')"


def import_entry(
    context: ImportContext,
    totals: Totals,
    now: datetime,
    *,
    pull: str,
    windows: Sequence[str] = (),
    status: str = "succeeded",
    notes: Sequence[str] = (),
) -> ImportEntry:
    """The row of an import in the ledger.

    Args:
        context: what was imported.
        totals: what has come of it.
        now: the instant of the commit, by our clock.
        pull: how it was read.
        windows: those that were asked for.
        status: how it ended.
        notes: what a reader of the ledger should know.
    """
    request, usage, rows = context.request, context.client.usage, totals.rows
    return ImportEntry(
        import_id=request.import_id,
        source=request.source.slug,
        object_type=request.source.object_type,
        pull=pull,
        windows=list(windows),
        definition=context.definition.fingerprint,
        started_at=request.started_at,
        finished_at=now,
        status=status,
        requests=usage.requests,
        tokens=usage.tokens,
        bytes=usage.bytes,
        rows_read=rows.read,
        rows_inserted=rows.inserted,
        rows_updated=rows.updated,
        rows_removed=rows.removed,
        seconds=(now - request.started_at).total_seconds(),
        note="; ".join(notes) or None,
        quarantined=totals.quarantined,
        reconciles=request.reconciles,
    )


def settled_past(connection: duckdb.DuckDBPyConnection, context: ImportContext) -> SettledPast:
    """The past that answers may have been given of: changes can become visible a little late."""
    if not context.source.options.history:
        return SettledPast(context.began)
    past = ledger.settled_past(
        connection, context.source.slug, context.request.import_id, context.clock.offset
    )
    # A watermark in the future was set by a wrong clock.
    return replace(past, until=min(past.until, context.clock.now_at_pipedrive()) - OVERLAP)


def _ledger_field(known: Field) -> LedgerField:
    return LedgerField(
        key=known.key,
        label=known.label,
        field_type=known.field_type,
        is_custom=known.is_custom,
        options=tuple((str(option.id), option.label) for option in known.options),
        is_own=known.is_own,
    )


def _reference_tables(definition: Definition) -> list[ReferenceTable]:
    """The tables of names that the source's rows, its filter and its labelled view need."""
    derived = (*definition.derived, *definition.selection.derived)
    needed = {each.derivation.object_type for each in derived}
    needed |= {column.refers_to for column in definition.shown if column.refers_to}
    return [reference_table(object_type) for object_type in sorted(needed)]


def record_own_names(
    connection: duckdb.DuckDBPyConnection, context: ImportContext, files: Sequence[Path], now: datetime
) -> None:
    """Let others see the names that the source's own records have by now, where they are known."""
    read = {column.column.key for column in context.definition.columns}
    if not files or not is_referenced(context.object_type.name):
        return
    if not read.issuperset(attributes_of(context.object_type.name)):
        return
    names = NamesRead(reference_table(context.object_type.name), tuple(files), (), None)
    if references.is_present(connection, names.table):
        references.record_names(connection, names.table, names.query, now, known_only=True)


def record_names_read(
    connection: duckdb.DuckDBPyConnection, read: Sequence[NamesRead], now: datetime
) -> dict[str, Revisions]:
    """Write names that were read; the revisions of their tables before and after."""
    revisions = {}
    for names in read:
        before = references.revision_of(connection, names.table)
        if names.files:
            references.record_names(connection, names.table, names.query, now)
        references.record_missing(connection, names.table, names.missing, now)
        if names.watermark is not None:
            references.move_watermark(connection, names.table, names.watermark)
        revisions[names.table.object_type] = (before, references.revision_of(connection, names.table))
    return revisions

"""One commit: rows, ledger and watermark of the windows that are read, in one transaction."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from pipedrive_orchestration.importing.definition import Definition
from pipedrive_orchestration.importing.merge import Merge, count_current, merge
from pipedrive_orchestration.importing.plan import Plan
from pipedrive_orchestration.importing.removals import RemovedId, mark_removed
from pipedrive_orchestration.importing.report import Pull, RowCounts
from pipedrive_orchestration.importing.staging import imports_alive
from pipedrive_orchestration.importing.transform import ID_TYPES
from pipedrive_orchestration.importing.visibility import Eyesight
from pipedrive_orchestration.importing.windows import Window, grid_start
from pipedrive_orchestration.pipedrive.client import Client
from pipedrive_orchestration.pipedrive.fields import Field
from pipedrive_orchestration.warehouse import Warehouse, ledger
from pipedrive_orchestration.warehouse.connection import MEMORY, MORE_MEMORY
from pipedrive_orchestration.warehouse.field_history import LedgerField, record_fields
from pipedrive_orchestration.warehouse.ledger import ImportEntry, WindowEntry
from pipedrive_orchestration.warehouse.tables import (
    prepare_history,
    prepare_labeled_view,
    prepare_table,
)
from pipedrive_orchestration.warehouse.users import record_reader, record_user

LAST_WORDS_SECONDS = 5.0
"""How long a failing import waits for the database to say why it fails."""


@dataclass(slots=True)
class Committed:
    """What the commits of an import have come to so far.

    Attributes:
        by_window: row counts by window key; None collects what lies in no requested window.
        notes: what changed in fields and columns.
    """

    by_window: dict[str | None, RowCounts] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    current: int = 0
    quarantined: int = 0
    watermark: datetime | None = None
    prepared: bool = False

    def copy(self) -> Committed:
        """What it is now."""
        return replace(self, by_window=dict(self.by_window), notes=list(self.notes))

    def return_to(self, before: Committed) -> None:
        """Forget what came since a copy was made."""
        for attribute in fields(self):
            setattr(self, attribute.name, getattr(before, attribute.name))

    @property
    def rows(self) -> RowCounts:
        """All row counts together."""
        total = RowCounts()
        for counts in self.by_window.values():
            total = total.plus(counts)
        return RowCounts(total.read, total.inserted, total.updated, total.removed, self.current)


@dataclass(frozen=True, slots=True)
class Committer:
    """Commits what an import has read.

    Attributes:
        requested: keys of the windows that were asked for, those of an earlier attempt included.
        started_at: when the pull began.
        staging: the folder that shows which imports are alive.
        eyesight: as whom the account is read.
        signature: of the connection's secret.
        is_complete: whether the import reads everything that the user sees of the source.
    """

    warehouse: Warehouse
    definition: Definition
    plan: Plan
    fields: Sequence[Field]
    import_id: uuid.UUID
    pull: Pull
    requested: Sequence[str]
    started_at: datetime
    client: Client
    staging: Path
    eyesight: Eyesight
    signature: str
    is_complete: bool
    so_far: Committed

    def commit(
        self, files: Sequence[Path], removed: Sequence[RemovedId], windows: Sequence[Window], *, last: bool
    ) -> None:
        """Merge typed files, mark removals, and record that the given windows are complete.

        Args:
            files: typed files not yet merged.
            removed: records found to be gone.
            windows: windows of which everything has been read; empty for other pulls.
            last: whether this ends the import; only then the watermark moves.

        Raises:
            WarehouseError: the database cannot be opened or written; nothing of this commit was.
        """
        for memory in (MEMORY, *MORE_MEMORY):
            before = self.so_far.copy()
            try:
                self._commit(self.warehouse.with_memory(memory), files, removed, windows, last=last)
            except BaseException as error:
                self.so_far.return_to(before)
                if not isinstance(error, duckdb.OutOfMemoryException) or memory == MORE_MEMORY[-1]:
                    raise
            else:
                return

    def _commit(
        self,
        warehouse: Warehouse,
        files: Sequence[Path],
        removed: Sequence[RemovedId],
        windows: Sequence[Window],
        *,
        last: bool,
    ) -> None:
        now = datetime.now(UTC)
        with warehouse.writing() as connection:
            self._prepare(connection, now)
            self._merge(connection, files, now)
            self._remove(connection, removed, windows, now)
            self.so_far.current = count_current(connection, self.definition.source.slug)
            for window in windows:
                self._record_window(connection, window, now)
            if last:
                self._move_watermark(connection, now)
                if self.is_complete or self.eyesight.accepted:
                    record_reader(connection, self.definition.source.slug, self.eyesight.user, now)
            known = ledger.watermark_of(connection, self.definition.source.slug)
            self.so_far.watermark = known[0] if known else None
            self.so_far.quarantined = ledger.count_quarantined(connection, self.import_id)
            ledger.record_import(connection, self.entry("succeeded" if last else "running", now))

    def fail(self, reason: str) -> None:
        """Say in the ledger why the import ended, where there is a ledger."""
        if not self.warehouse.exists:
            return
        # Who had to wait for a busy database already should not wait as long again to read the reason.
        with self.warehouse.with_patience(LAST_WORDS_SECONDS).writing() as connection:
            ledger.prepare(connection)
            ledger.record_import(connection, self.entry("failed", datetime.now(UTC), reason))

    def entry(self, status: str, now: datetime, reason: str | None = None) -> ImportEntry:
        """The import's row in the ledger as of now."""
        rows = self.so_far.rows
        notes = [*self.so_far.notes, *([reason] if reason else [])]
        return ImportEntry(
            import_id=self.import_id,
            source=self.definition.source.slug,
            object_type=self.definition.object_type.name,
            pull=self.pull.value,
            windows=self.requested,
            definition=self.definition.fingerprint,
            started_at=self.started_at,
            finished_at=now,
            status=status,
            requests=self.client.usage.requests,
            tokens=self.client.usage.tokens,
            bytes=self.client.usage.bytes,
            rows_read=rows.read,
            rows_inserted=rows.inserted,
            rows_updated=rows.updated,
            rows_removed=rows.removed,
            seconds=(now - self.started_at).total_seconds(),
            note="; ".join(notes) or None,
        )

    def _prepare(self, connection: duckdb.DuckDBPyConnection, now: datetime) -> None:
        if self.so_far.prepared:
            return
        source, object_type = self.definition.source, self.definition.object_type
        columns = [column.column for column in self.definition.columns]
        ledger.prepare(connection)
        ledger.record_interruptions(connection, source.slug, alive=imports_alive(self.staging))
        notes = record_fields(connection, object_type.name, map(_ledger_field, self.fields), now)
        notes += prepare_table(connection, source.slug, ID_TYPES[object_type.id_type], columns)
        prepare_labeled_view(connection, source.slug, object_type.name, self.definition.shown)
        if source.options.history:
            prepare_history(connection, source.slug, ID_TYPES[object_type.id_type], columns)
        if ledger.watermark_of(connection, source.slug) is None:
            ledger.move_watermark(
                connection, source.slug, source.created_at, self.definition.fingerprint, now
            )
        record_user(connection, self.signature, self.eyesight.user, now)
        if self.eyesight.before is None:
            record_reader(connection, source.slug, self.eyesight.user, now)
        self.so_far.notes += notes
        self.so_far.prepared = True

    def _merge(self, connection: duckdb.DuckDBPyConnection, files: Sequence[Path], now: datetime) -> None:
        source = self.definition.source
        counts = merge(
            connection,
            files,
            Merge(
                slug=source.slug,
                columns=[column.column for column in self.definition.columns],
                bucket=self._bucket(),
                import_id=self.import_id,
                now=now,
                started_at=self.started_at,
                # Pipedrive's times are whole seconds, so the second of the creation counts as after it.
                only_added_since=None if source.pull_existing else source.created_at.replace(microsecond=0),
                include_archived=source.options.include_archived,
                on_leave=source.options.on_leave,
                history=source.options.history,
            ),
        )
        for key, more in counts.items():
            self.so_far.by_window[key] = self.so_far.by_window.get(key, RowCounts()).plus(more)

    def _remove(
        self,
        connection: duckdb.DuckDBPyConnection,
        removed: Sequence[RemovedId],
        windows: Sequence[Window],
        now: datetime,
    ) -> None:
        source = self.definition.source
        count = mark_removed(connection, source.slug, removed, now=now, history=source.options.history)
        key = windows[0].key if windows else None
        before = self.so_far.by_window.get(key, RowCounts())
        self.so_far.by_window[key] = before.plus(RowCounts(removed=count))

    def _move_watermark(self, connection: duckdb.DuckDBPyConnection, now: datetime) -> None:
        if self.plan.watermark is not None:
            ledger.move_watermark(
                connection,
                self.definition.source.slug,
                # Changes carry the time of Pipedrive's clock, not of ours.
                self.plan.watermark + self.client.clock_offset,
                self.definition.fingerprint,
                now + self.client.clock_offset,
            )

    def _record_window(self, connection: duckdb.DuckDBPyConnection, window: Window, now: datetime) -> None:
        rows = self.so_far.by_window.get(window.key, RowCounts())
        ledger.record_window(
            connection,
            WindowEntry(
                import_id=self.import_id,
                source=self.definition.source.slug,
                window=window.key,
                pull_started_at=self.started_at,
                committed_at=now,
                rows_read=rows.read,
                rows_inserted=rows.inserted,
                rows_updated=rows.updated,
                rows_removed=rows.removed,
            ),
        )

    def _bucket(self) -> str:
        """SQL of the key of the window that an incoming row's ``update_time`` lies in."""
        if not self.plan.windows:
            return "NULL::VARCHAR"
        first = f"{grid_start(self.definition.source):%Y-%m-%d}"
        instant = "(i._update_time AT TIME ZONE 'UTC')"
        begun = {
            "daily": f"date_trunc('day', {instant})",
            # Weeks begin on Sunday here, as Dagster's do; DuckDB's begin on Monday.
            "weekly": f"date_trunc('week', {instant} + INTERVAL 1 DAY) - INTERVAL 1 DAY",
            "monthly": f"date_trunc('month', {instant})",
        }[self.definition.source.options.partitions]
        return f"greatest(coalesce(strftime({begun}, '%Y-%m-%d'), '{first}'), '{first}')"


def _ledger_field(known: Field) -> LedgerField:
    return LedgerField(
        key=known.key,
        label=known.label,
        field_type=known.field_type,
        is_custom=known.is_custom,
        options=tuple((str(option.id), option.label) for option in known.options),
    )

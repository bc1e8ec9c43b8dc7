"""The story of one import: read, stage, type and commit, window by window.

Reading goes on while earlier pages are typed and committed. The database is open only while a commit
lasts.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Sequence
from contextlib import aclosing, closing, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from pipedrive_orchestration.importing.committing import Committed, Committer
from pipedrive_orchestration.importing.definition import Definition, define
from pipedrive_orchestration.importing.planning import Plan, Range, make_plan
from pipedrive_orchestration.importing.reading import Reading, Span
from pipedrive_orchestration.importing.report import (
    ImportReport,
    Listener,
    Progress,
    Pull,
    RowCounts,
    WindowReport,
)
from pipedrive_orchestration.importing.staging import stage
from pipedrive_orchestration.importing.typed_pages import TypedPages
from pipedrive_orchestration.importing.windows import Window
from pipedrive_orchestration.pipedrive.client import Client
from pipedrive_orchestration.pipedrive.connection import Connection
from pipedrive_orchestration.pipedrive.fields import read_fields
from pipedrive_orchestration.pipedrive.paging import pages
from pipedrive_orchestration.sources import Source
from pipedrive_orchestration.warehouse import Warehouse, WarehouseError, ledger

PAGES_PER_FILE = 24
"""Staged pages typed together: enough to keep DuckDB busy, few enough to bound memory."""

MAX_CATCH_UPS = 10
"""How often a busy account is asked once more for what changed while it was being read."""


def import_source(
    source: Source,
    *,
    connection: Connection,
    warehouse: Warehouse,
    staging: Path,
    pull: Pull,
    windows: Sequence[Window] = (),
    listener: Listener = lambda _: None,
) -> ImportReport:
    """Import a source once.

    Args:
        source: what to import.
        connection: the account.
        warehouse: where the rows go.
        staging: folder for pages that are not committed yet.
        pull: ``WINDOW`` reads the given windows completely, ``CHANGES`` what changed since the
            watermark. Object types that cannot be bounded by ``update_time`` are read in full either way.
        windows: the windows of a ``WINDOW`` pull, oldest first; ignored otherwise.
        listener: is told about progress and committed windows, in the calling thread.

    Raises:
        PipedriveError: the account cannot be read; what was committed before stays.
        UnknownPropertiesError: the source names properties that the account does not have.
        StagingError: pages cannot be staged.
        WarehouseError: the database cannot be opened or written.
    """
    running = _Import(source, connection, warehouse, pull, listener)
    return asyncio.run(running.run(staging, windows))


class _Import:
    """An import under way: what it has read, typed and committed."""

    def __init__(
        self, source: Source, connection: Connection, warehouse: Warehouse, pull: Pull, listener: Listener
    ) -> None:
        self._source = source
        self._connection = connection
        self._warehouse = warehouse
        self._pull = pull
        self._listener = listener
        self._import_id = uuid.uuid4()
        self._started_at = datetime.now(UTC)
        self._clock = time.monotonic()
        self._pages = 0
        self._records = 0
        self._longest = 0
        self._untyped: list[Path] = []
        self._typed: list[Path] = []
        self._reports: list[WindowReport] = []
        self._spent: tuple[int, int, int, float] = (0, 0, 0, 0.0)

    async def run(self, staging: Path, windows: Sequence[Window]) -> ImportReport:
        known = await asyncio.to_thread(self._known_watermark)
        async with Client(self._connection) as self._client:
            fields = await read_fields(self._client, self._source.type)
            definition = define(self._source, fields)
            plan = make_plan(definition, self._pull, windows, known, self._started_at)
            self._committer = Committer(
                warehouse=self._warehouse,
                definition=definition,
                plan=plan,
                fields=fields,
                import_id=self._import_id,
                pull=self._pull,
                started_at=self._started_at,
                usage=self._client.usage,
                so_far=Committed(notes=list(plan.notes)),
            )
            with (
                stage(staging, self._source.slug, self._import_id) as self._staged,
                closing(TypedPages(definition.object_type, definition.columns)) as self._typing,
            ):
                try:
                    await self._read(definition, plan)
                    return await self._finish(plan)
                except Exception as error:
                    with suppress(WarehouseError):
                        await asyncio.to_thread(self._committer.fail, str(error))
                    raise

    def _known_watermark(self) -> tuple[datetime, str] | None:
        if self._warehouse.path and not self._warehouse.path.exists():
            return None
        with self._warehouse.reading() as connection:
            return ledger.watermark_of(connection, self._source.slug)

    async def _read(self, definition: Definition, plan: Plan) -> None:
        if not definition.object_type.partitioned:
            async for page in pages(self._client, definition.object_type, definition.parameters):
                await self._take(Span.of(page, None))
            return
        splits = await self._read_ranges(definition, plan.ranges, plan.windows)
        if plan.ranges and not _read_to_its_end(plan, splits):
            await self._catch_up(definition)

    async def _read_ranges(
        self, definition: Definition, ranges: Sequence[Range], windows: Sequence[Window]
    ) -> int:
        """Read ranges, committing each window once all of it has been read. Returns the splits made."""
        reading = Reading(self._client, definition.object_type, ranges, definition.parameters)
        pending = list(windows)
        async with aclosing(reading.spans()) as spans:
            async for span in spans:
                await self._take(span)
                pending = await self._commit_covered(reading, pending)
        await self._commit_covered(reading, pending)
        return reading.splits

    async def _commit_covered(self, reading: Reading, pending: list[Window]) -> list[Window]:
        covered = [window for window in pending if reading.covers(window.start, window.end)]
        if covered:
            await self._commit(covered, status="running")
        return [window for window in pending if window not in covered]

    async def _catch_up(self, definition: Definition) -> None:
        """Read what changed while reading: such records have moved ahead of all windows read."""
        since = self._started_at
        for _ in range(MAX_CATCH_UPS):
            began = datetime.now(UTC)
            reading = Reading(self._client, definition.object_type, [(since, None)], definition.parameters)
            newest: datetime | None = None
            async with aclosing(reading.spans()) as spans:
                async for span in spans:
                    await self._take(span)
                    newest = max(filter(None, (newest, span.reached)), default=None)
            if newest is None or newest < began.replace(microsecond=0):
                return
            since = began

    async def _take(self, span: Span) -> None:
        self._pages += 1
        self._records += span.records
        self._longest = max(self._longest, span.longest)
        if span.lines:
            self._untyped.append(self._staged.add(span.lines))
        if len(self._untyped) >= PAGES_PER_FILE:
            await asyncio.to_thread(self._type)
        usage = self._client.usage
        self._listener(Progress(self._pages, self._records, usage.requests, usage.tokens, span.reached))

    def _type(self) -> None:
        if not self._untyped:
            return
        path = self._staged.next_file("parquet")
        self._typing.write(self._untyped, path, longest=self._longest)
        self._typed.append(path)
        for page in self._untyped:
            page.unlink()
        self._untyped.clear()

    async def _commit(
        self, windows: Sequence[Window], *, status: str, watermark: datetime | None = None
    ) -> None:
        await asyncio.to_thread(self._type)
        before = self._committer.so_far.rows
        await asyncio.to_thread(
            self._committer.commit, self._typed, windows, watermark=watermark, status=status
        )
        for path in self._typed:
            path.unlink()
        self._typed.clear()
        self._report(windows, before)

    def _report(self, windows: Sequence[Window], before: RowCounts) -> None:
        so_far = self._committer.so_far
        completed: Sequence[Window | None] = windows or [None]
        for window in completed:
            rows = so_far.by_window.get(window.key, RowCounts()) if window else so_far.rows.minus(before)
            requests, tokens, size, seconds = self._spent_since_last_report()
            report = WindowReport(
                window, replace(rows, current=so_far.current), requests, tokens, size, seconds
            )
            self._reports.append(report)
            self._listener(report)

    def _spent_since_last_report(self) -> tuple[int, int, int, float]:
        usage, seconds = self._client.usage, time.monotonic() - self._clock
        before, self._spent = self._spent, (usage.requests, usage.tokens, usage.bytes, seconds)
        return (
            usage.requests - before[0],
            usage.tokens - before[1],
            usage.bytes - before[2],
            seconds - before[3],
        )

    async def _finish(self, plan: Plan) -> ImportReport:
        await self._commit([], status="succeeded", watermark=plan.watermark)
        usage, so_far = self._client.usage, self._committer.so_far
        return ImportReport(
            source=self._source.slug,
            pull=self._pull,
            windows=tuple(self._reports),
            rows=so_far.rows,
            requests=usage.requests,
            tokens=usage.tokens,
            bytes=usage.bytes,
            seconds=time.monotonic() - self._clock,
            watermark=so_far.watermark,
            quarantined=so_far.quarantined,
            notes=tuple(so_far.notes),
        )


def _read_to_its_end(plan: Plan, splits: int) -> bool:
    # One reader that goes on until nothing is left has met every record that moved ahead of it.
    return len(plan.ranges) == 1 and plan.ranges[0][1] is None and splits == 0

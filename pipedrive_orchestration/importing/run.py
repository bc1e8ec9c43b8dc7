"""The story of one import: look at the account, plan, pull, and report.

The database is open only while something is looked up in it or committed.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from pipedrive_orchestration.importing.commit import Committed, Committer
from pipedrive_orchestration.importing.definition import Definition, define, fingerprint_of
from pipedrive_orchestration.importing.estimate import estimate_tokens
from pipedrive_orchestration.importing.extract import Pulling
from pipedrive_orchestration.importing.filters.compile import select
from pipedrive_orchestration.importing.inbox import Inbox
from pipedrive_orchestration.importing.plan import known_until, make_plan
from pipedrive_orchestration.importing.prior_state import remember
from pipedrive_orchestration.importing.ranges import Span
from pipedrive_orchestration.importing.reconcile import Settler
from pipedrive_orchestration.importing.report import (
    Estimate,
    ImportReport,
    Listener,
    Progress,
    Pull,
    RowCounts,
    WindowReport,
)
from pipedrive_orchestration.importing.signals import run_interruptibly
from pipedrive_orchestration.importing.staging import Stage, stage
from pipedrive_orchestration.importing.transform import TypedPages
from pipedrive_orchestration.importing.visibility import look
from pipedrive_orchestration.importing.windows import Window, windows_until
from pipedrive_orchestration.pipedrive.auth import Connection
from pipedrive_orchestration.pipedrive.client import Client
from pipedrive_orchestration.pipedrive.fields import read_fields
from pipedrive_orchestration.sources import Source
from pipedrive_orchestration.warehouse import Warehouse, WarehouseError


def import_source(
    source: Source,
    *,
    connection: Connection,
    warehouse: Warehouse,
    staging: Path,
    pull: Pull,
    windows: Sequence[Window] = (),
    listener: Listener = lambda _: None,
    accept_user: bool = False,
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
        accept_user: what the connected user does not see is removed, whoever saw it before.

    Raises:
        OtherCompanyError: the source's rows come from another company; nothing was changed.
        HiddenRowsError: another user saw many rows that the connected one does not see; none was marked.
        PipedriveError: the account cannot be read; what was committed before stays.
        UnknownPropertiesError: the source names properties that the account does not have.
        UnfitSourceError: the source's filter does not fit the account.
        StagingError: pages cannot be staged.
        WarehouseError: the database cannot be opened or written.
    """
    running = _Import(source, connection, warehouse, pull, listener, accept_user=accept_user)
    return run_interruptibly(running.run(staging, windows))


class _Import:
    """An import under way: what it has read, typed and committed."""

    def __init__(
        self, source: Source, connection: Connection, warehouse: Warehouse, pull: Pull, listener: Listener,
        *, accept_user: bool,
    ) -> None:  # fmt: skip
        self._source = source
        self._object_type = source.type
        self._connection = connection
        self._warehouse = warehouse
        self._pull = pull
        self._listener = listener
        self._accept_user = accept_user
        self._import_id = uuid.uuid4()
        self._started_at = datetime.now(UTC)
        self._clock = time.monotonic()
        self._reports: list[WindowReport] = []
        self._spent: tuple[int, int, int, float] = (0, 0, 0, 0.0)

    async def run(self, staging: Path, windows: Sequence[Window]) -> ImportReport:
        async with Client(self._connection) as self._client:
            fields = await read_fields(self._client, self._object_type)
            selection = await select(self._client, self._source, fields, self._started_at)
            fingerprint = fingerprint_of(self._source, selection)
            self._memory = await asyncio.to_thread(
                remember,
                self._warehouse,
                self._source,
                self._pull,
                windows,
                fingerprint,
                self._started_at,
                self._connection.signature,
            )
            await self._look()
            self._definition = define(self._source, fields, self._memory.columns, selection)
            self._plan = make_plan(
                self._definition,
                self._pull,
                windows,
                self._memory,
                self._started_at,
                self._client.clock_offset,
            )
            self._committer = Committer(
                warehouse=self._warehouse,
                definition=self._definition,
                plan=self._plan,
                fields=fields,
                import_id=self._import_id,
                pull=self._pull,
                requested=[window.key for window in self._plan.asked],
                started_at=self._started_at,
                client=self._client,
                staging=staging,
                eyesight=self._eyesight,
                signature=self._connection.signature,
                is_complete=self._is_complete(),
                so_far=Committed(
                    notes=[*self._plan.notes, *self._eyesight.notes, *_vanished(self._definition)]
                ),
            )
            with (
                stage(staging, self._source.slug, self._import_id) as staged,
                closing(
                    TypedPages(self._object_type, self._definition.columns, staged.folder, selection)
                ) as typing,
            ):
                async with Inbox(staged, typing) as self._inbox:
                    self._settler = self._new_settler(staged)
                    return await self._run_to_its_end()

    def _new_settler(self, staged: Stage) -> Settler:
        return Settler(
            client=self._client,
            warehouse=self._warehouse,
            definition=self._definition,
            eyesight=self._eyesight,
            staged=staged,
            inbox=self._inbox,
            take=self._take,
            started_at=self._started_at,
            watermark=known_until(self._memory, self._started_at + self._client.clock_offset),
        )

    def _new_pulling(self) -> Pulling:
        return Pulling(
            client=self._client,
            definition=self._definition,
            plan=self._plan,
            eyesight=self._eyesight,
            inbox=self._inbox,
            settler=self._settler,
            take=self._take,
            commit=partial(self._commit, last=False),
        )

    async def _run_to_its_end(self) -> ImportReport:
        try:
            await self._estimate()
            await self._new_pulling().run()
            return await self._finish()
        except Exception as error:
            with suppress(WarehouseError):
                await asyncio.to_thread(self._committer.fail, str(error))
            raise

    async def _look(self) -> None:
        """Find out as whom the account is read, before anything of it counts."""
        self._eyesight = await look(
            self._client,
            self._source.slug,
            self._memory,
            of_windows=self._object_type.partitioned and self._pull is Pull.WINDOW,
            accepted=self._accept_user,
        )
        if self._eyesight.is_other:
            # What was read with other eyes is not gone on with.
            self._memory = replace(self._memory, interrupted=None)

    def _is_complete(self) -> bool:
        """Whether everything that the user sees of the source will have been read."""
        if not self._object_type.partitioned:
            return True
        if self._plan.pull is Pull.CHANGES:
            return self._object_type.recents_item is None
        grid = windows_until(self._source, self._started_at)
        return not self._plan.resumes and len(self._plan.asked) == len(grid)

    async def _estimate(self) -> None:
        spent = self._client.usage.tokens
        more = await estimate_tokens(self._client, self._definition, self._plan, self._memory)
        self._estimated = spent + more
        left = self._client.daily_tokens_left
        self._listener(Estimate(self._estimated, left))
        if left is not None and left < more:
            self._committer.so_far.notes.append(
                f"about {more:,} tokens are needed and {left:,} are left today: the import goes as far as it "
                "can, and the next one goes on from there"
            )

    async def _take(self, span: Span) -> None:
        await self._inbox.add(span)
        usage = self._client.usage
        progress = Progress(
            self._inbox.pages, self._inbox.records, usage.requests, usage.tokens, span.reached
        )
        self._listener(progress)

    async def _commit(self, windows: Sequence[Window], *, last: bool) -> None:
        await self._inbox.type_staged()
        before = self._committer.so_far.rows
        removed = self._settler.take_removed()
        await asyncio.to_thread(self._committer.commit, self._inbox.take_typed(), removed, windows, last=last)
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

    async def _finish(self) -> ImportReport:
        self._committer.so_far.notes += self._saving()
        await self._commit([], last=True)
        usage, so_far = self._client.usage, self._committer.so_far
        return ImportReport(
            source=self._source.slug,
            pull=self._pull,
            windows=tuple(self._reports),
            rows=so_far.rows,
            requests=usage.requests,
            tokens=usage.tokens,
            estimated_tokens=self._estimated,
            bytes=usage.bytes,
            seconds=time.monotonic() - self._clock,
            watermark=so_far.watermark,
            quarantined=so_far.quarantined,
            notes=tuple(so_far.notes),
        )

    def _saving(self) -> list[str]:
        if not self._plan.restrictions:
            return []
        asked = ", ".join(f"{name}={value}" for name, value in self._plan.restrictions.items())
        spent = f"Pipedrive itself filtered by {asked}: {self._client.usage.tokens:,} tokens were spent"
        if self._plan.ranges != ((None, None),):
            return [spent]
        return [f"{spent}, where reading every record would have cost up to {self._estimated:,}"]


def _vanished(definition: Definition) -> list[str]:
    return [
        f"property {column.key} ({column.label}) is gone at Pipedrive; its column keeps its last values"
        for column in definition.vanished
    ]

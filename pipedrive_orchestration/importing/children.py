"""Children: records that Pipedrive lists per parent only, such as the products or the changes of a deal.

A pull reads the parents that our table of them has in another version than the one that was dealt with, and
no parent that cannot have anything. What is read is on disk at once and committed every few seconds together
with the parents' versions. So a pull that takes days of the token budget goes on where it was, however it
ended, and never begins again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

import httpx

from pipedrive_orchestration.importing.commit import Committer
from pipedrive_orchestration.importing.context import ImportContext
from pipedrive_orchestration.importing.doubt import LEAST_DAILY_TOKENS, SHARE_OF_TOKENS
from pipedrive_orchestration.importing.estimate import tell_estimate
from pipedrive_orchestration.importing.kept_answers import Answer, KeptAnswers
from pipedrive_orchestration.importing.parents import Settlement, child_table, missing_children
from pipedrive_orchestration.importing.prior_state import RESUME_DAYS
from pipedrive_orchestration.importing.references import References
from pipedrive_orchestration.importing.report import Pull
from pipedrive_orchestration.importing.staging import PageCounts, Staging
from pipedrive_orchestration.importing.visibility import Visibility
from pipedrive_orchestration.pipedrive.client import Client, Query
from pipedrive_orchestration.pipedrive.errors import PipedriveError, Refused
from pipedrive_orchestration.pipedrive.object_types import ObjectType
from pipedrive_orchestration.pipedrive.pagination import children_pages
from pipedrive_orchestration.pipedrive.responses import Page
from pipedrive_orchestration.warehouse import parents
from pipedrive_orchestration.warehouse.parents import ParentReading, ParentState
from pipedrive_orchestration.warehouse.tables import column_types

SECONDS_BETWEEN_COMMITS = 5.0
"""What is read in between is on disk, so that it need not be read again after an interruption."""

MAX_CHILD_READERS = 8
"""Readers at once. A kill loses what they have under way, and each asks for little, so these are few."""

QUEUED_ANSWERS = 64
"""Answers that wait while a commit is made."""

YOUNG = timedelta(seconds=2)
"""A parent that changed so shortly before it was read may have changed twice in that second: its version does
not tell, and it is read once more."""

RESUMABLE = timedelta(days=RESUME_DAYS)
"""How long ago the last attempt at a pull of everything may have ended for another one to go on with it."""

_FORBIDDEN = (httpx.codes.PAYMENT_REQUIRED, httpx.codes.FORBIDDEN)
_GONE = (httpx.codes.NOT_FOUND, httpx.codes.GONE)


@dataclass(frozen=True, slots=True)
class ParentPlan:
    """The parents that a pull deals with.

    Attributes:
        batches: those to be read, as many together as one request names.
        barren: those that cannot have anything.
        notes: what a reader of the import should know.
    """

    batches: tuple[tuple[ParentState, ...], ...]
    barren: tuple[ParentState, ...]
    notes: tuple[str, ...] = ()

    @property
    def requests(self) -> int:
        """The requests that it takes, if no parent has more than a page of children."""
        return len(self.batches)


class ChildLoader:
    """Loads the children of the parents that have changed."""

    def __init__(
        self,
        context: ImportContext,
        visibility: Visibility,
        staging: Staging,
        names: References,
        committer: Committer,
    ) -> None:
        self._context = context
        self._visibility = visibility
        self._staging = staging
        self._names = names
        self._committer = committer
        self._uncommitted: list[Answer] = []

    async def load(self, *, everything: bool) -> None:
        """Read, and commit what is read.

        Args:
            everything: whether parents are read that have not changed, too.

        Raises:
            PipedriveError: the account cannot be read; what was read is committed.
            StagingError: pages cannot be staged.
            WarehouseError: the database cannot be opened or written.
        """
        context = self._context
        plan = await asyncio.to_thread(self._plan, everything=everything)
        self._committer.note(plan.notes)
        tokens = plan.requests * context.object_type.list_cost
        self._committer.note(tell_estimate(context, tokens))
        with KeptAnswers.of(context) as kept:
            await self._read(plan, kept)
            await self._finish(kept, [_dealt_with(parent, context) for parent in plan.barren])

    async def _read(self, plan: ParentPlan, kept: KeptAnswers) -> None:
        taken = list(kept.leftovers({parent.id: parent for batch in plan.batches for parent in batch}))
        for answer in taken:
            await self._stage(answer)
        known = {reading.id for answer in taken for reading in answer.readings}
        left = [batch for batch in plan.batches if not known.issuperset(parent.id for parent in batch)]
        due = time.monotonic() + SECONDS_BETWEEN_COMMITS
        reader = _ChildReader(self._context, left, kept)
        try:
            async with aclosing(reader.answers()) as answers:
                async for answer in answers:
                    await self._stage(answer)
                    if time.monotonic() >= due:
                        await self._commit(kept)
                        due = time.monotonic() + SECONDS_BETWEEN_COMMITS
        except PipedriveError:
            with suppress(PipedriveError):
                await self._commit(kept)
            raise
        self._committer.note(reader.notes)

    async def _stage(self, answer: Answer) -> None:
        await self._staging.add_lines(answer.lines, answer.counts, answer.parent)
        self._uncommitted.append(answer)
        counts = self._staging.counts
        self._context.reporter.read(counts.pages, counts.records, None)

    async def _commit(self, kept: KeptAnswers) -> None:
        answers = self._take_uncommitted()
        settlement = await self._settlement(answers)
        await self._committer.settle(settlement)
        kept.forget(answers)

    async def _finish(self, kept: KeptAnswers, barren: Sequence[ParentReading]) -> None:
        answers = self._take_uncommitted()
        settlement = await self._settlement(answers, barren)
        await self._names.look_up_to_show(self._context.request, self._staging.seen)
        self._committer.note(self._names.notes)
        await self._committer.finish(settlement.files, (), settlement)
        kept.forget(answers)

    def _take_uncommitted(self) -> list[Answer]:
        answers, self._uncommitted = self._uncommitted, []
        return answers

    async def _settlement(
        self, answers: Sequence[Answer], barren: Sequence[ParentReading] = ()
    ) -> Settlement:
        """What a commit writes: of answers, all of which are staged, and of parents that can have nothing."""
        readings = [reading for answer in answers for reading in answer.readings]
        await self._staging.type_staged()
        files = self._staging.take_typed()
        await self._names.look_up(files)
        settlement = Settlement([*readings, *barren], files)
        if self._visibility.is_other:
            await self._visibility.check(await asyncio.to_thread(self._count_missing, settlement))
        return settlement

    def _count_missing(self, settlement: Settlement) -> int:
        context = self._context
        if not context.warehouse.exists:
            return 0
        ids = [reading.id for reading in settlement.readings]
        with context.warehouse.reading() as connection:
            return len(missing_children(connection, context.source.slug, ids, settlement.files))

    def _plan(self, *, everything: bool) -> ParentPlan:
        context, table = self._context, child_table(self._context)
        if not context.warehouse.exists:
            return ParentPlan((), (), (_unimported(table.parents),))
        notes: list[str] = []
        again: list[ParentState] = []
        with context.warehouse.reading() as connection:
            columns = column_types(connection, table.parents)
            if not columns:
                return ParentPlan((), (), (_unimported(table.parents),))
            if everything or context.request.pull is Pull.WINDOW:
                began = parents.interrupted_since(
                    connection, table, context.request.pull.value, context.started_at, RESUMABLE
                )
                changed = parents.parents_to_read(connection, table, began or context.started_at)
                if began is not None:
                    notes.append(f"goes on with the pull of {began:%Y-%m-%d %H:%M} UTC, which ended early")
            else:
                asked = parents.parents_to_read(connection, table, self._read_long_ago())
                changed = [one for one in asked if one.is_changed]
                again = asked[len(changed) :]
        if table.counted is not None and table.counted not in columns:
            notes.append(
                f"{table.parents} does not have the property {table.counted}, so each of its rows is asked "
                "for children; with it only those would be that can have some"
            )
        return self._planned(changed, again, notes)

    def _planned(
        self, changed: Sequence[ParentState], again: Sequence[ParentState], notes: list[str]
    ) -> ParentPlan:
        object_type = self._context.object_type
        assert object_type.parent is not None
        size = object_type.parent.batch
        batches = _batches([one for one in changed if one.can_have], size)
        left = self._context.client.tokens_free
        allowed = (LEAST_DAILY_TOKENS if left is None else left) // SHARE_OF_TOKENS // object_type.list_cost
        more = _batches([one for one in again if one.can_have], size)[:allowed]
        if more:
            count = sum(map(len, more))
            notes.append(f"reads {count:,} parents again that have not changed since they were read long ago")
        barren = tuple(one for one in (*changed, *again) if not one.can_have)
        return ParentPlan((*batches, *more), barren, tuple(notes))

    def _read_long_ago(self) -> datetime | None:
        """Before when a parent was read that is read again although it has not changed; None for never."""
        parent, after = self._context.object_type.parent, self._context.source.options.reconcile_after
        assert parent is not None
        return None if parent.is_stamped or after is None else self._context.started_at - after


def _batches(asked: Sequence[ParentState], size: int) -> list[tuple[ParentState, ...]]:
    return [tuple(asked[start : start + size]) for start in range(0, len(asked), size)]


def lines_of(object_type: ObjectType, page: Page) -> bytes:
    """The children of a page, one per line; plain values become objects with one property."""
    if not page.records:
        return b""
    if not object_type.plain:
        return page.lines()
    begins = b'{"%b":' % object_type.plain.encode()
    return begins + (b"}\n" + begins).join(page.records) + b"}\n"


def _unimported(slug: str) -> str:
    return f"{slug}, the source of the parents, has not been imported yet, so there is nothing to read"


def _dealt_with(parent: ParentState, context: ImportContext) -> ParentReading:
    return ParentReading(parent.id, parent.version, parent.counted, context.started_at)


class _ChildReader:
    """Reads batches of parents, as many at once as help.

    Attributes:
        notes: what could not be read, and why.
    """

    def __init__(
        self, context: ImportContext, batches: Sequence[tuple[ParentState, ...]], kept: KeptAnswers
    ) -> None:
        self.notes: list[str] = []
        self._context = context
        self._kept = kept
        self._client: Client = context.client
        self._batches: Iterator[tuple[ParentState, ...]] = iter(batches)
        self._queue: asyncio.Queue[Answer | None] = asyncio.Queue(maxsize=QUEUED_ANSWERS)
        self._readers: set[asyncio.Task[None]] = set()
        self._unread: list[str] = []
        self._has_read = False
        self._error: Exception | None = None

    async def answers(self) -> AsyncGenerator[Answer, None]:
        """What was read of every batch, in whatever order it comes.

        Raises:
            PipedriveError: of the reader that failed first, once what others had under way has been read.
        """
        try:
            self._start_readers()
            ended = 0
            while ended < len(self._readers):
                answer = await self._queue.get()
                if answer is None:
                    ended += 1
                else:
                    yield answer
                self._start_readers()
        finally:
            for reader in self._readers:
                reader.cancel()
            await asyncio.gather(*self._readers, return_exceptions=True)
        if self._error is not None:
            raise self._error
        if self._unread:
            shown = ", ".join(self._unread[:5]) + (", ..." if len(self._unread) > 5 else "")
            self.notes.append(f"{len(self._unread):,} parents could not be read: {shown}")

    def _start_readers(self) -> None:
        while len(self._readers) < MAX_CHILD_READERS:
            if self._readers and not self._client.has_room_for(len(self._readers) + 1):
                return
            batch = self._next_batch()
            if batch is None:
                return
            self._readers.add(asyncio.create_task(self._read_on(batch)))

    def _next_batch(self) -> tuple[ParentState, ...] | None:
        return None if self._error is not None else next(self._batches, None)

    async def _read_on(self, first: tuple[ParentState, ...]) -> None:
        batch: tuple[ParentState, ...] | None = first
        try:
            while batch is not None:
                answer = await self._read(batch)
                self._kept.keep(answer)
                self._has_read = True
                await self._queue.put(answer)
                batch = self._next_batch()
        except Exception as error:  # noqa: BLE001 - raised again where the answers are consumed
            self._error = self._error or error
        await self._queue.put(None)

    async def _read(self, batch: tuple[ParentState, ...]) -> Answer:
        object_type, clock = self._context.object_type, self._client.clock
        read_at = clock.now()
        ids = [parent.id for parent in batch]
        listing, query = object_type.children_listing(ids)
        assert object_type.parent is not None
        span = object_type.parent.span(batch[0].counted, clock.now().date())
        asked: Query = {**self._context.definition.query, **query, **span}
        has_rows = any(parent.rows for parent in batch)
        lines, counts = [], PageCounts()
        try:
            async for page in children_pages(self._client, listing, asked, may_be_empty=not has_rows):
                lines.append(lines_of(object_type, page))
                counts.add(PageCounts.of([page]))
        except Refused as refused:
            if not self._concerns_parent(refused, batch):
                raise
            self._unread.append(f"{ids[0]} ({refused.reason})")
            return Answer((), b"", PageCounts(1))
        known_until = clock.at_pipedrive(read_at) - YOUNG
        return Answer(
            readings=tuple(_reading(parent, read_at, known_until) for parent in batch),
            lines=b"".join(lines),
            counts=counts,
            parent=ids[0] if object_type.parent and object_type.parent.property is None else None,
        )

    def _concerns_parent(self, refused: Refused, batch: Sequence[ParentState]) -> bool:
        """Whether a refusal is about this parent alone: it went in between, or is not shown to this user."""
        if len(batch) > 1:
            return False
        return refused.status in _GONE or (refused.status in _FORBIDDEN and self._has_read)


def _reading(parent: ParentState, read_at: datetime, known_until: datetime) -> ParentReading:
    is_young = parent.version is not None and parent.version > known_until
    return ParentReading(parent.id, None if is_young else parent.version, parent.counted, read_at)

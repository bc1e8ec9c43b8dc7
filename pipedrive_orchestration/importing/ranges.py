"""Reading ranges of ``update_time`` with as many readers as help.

Cursor paging is sequential, so a long range is split while it is being read: whenever there is room for
another request, a new reader takes the later half of what the slowest reader has left. Each reader goes
upwards in ``update_time``: a record that changes meanwhile moves ahead of it, comes again and is never
missed by it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from pipedrive_orchestration.importing.windows import Window
from pipedrive_orchestration.pipedrive.client import Client, Parameters
from pipedrive_orchestration.pipedrive.object_type import Bounds, ObjectType, Paging
from pipedrive_orchestration.pipedrive.pagination import ascending_pages, keyset_pages
from pipedrive_orchestration.pipedrive.responses import Page

MAX_READERS = 12
"""Readers at once. Each has one request under way, so this bounds concurrency and memory."""

QUEUED_PAGES = 4
"""Pages read and not yet staged; with those in the readers' hands they bound memory."""

MIN_PAGES_TO_SPLIT = 4
"""A range is split only where about this many pages are left of it: each split costs up to a page."""

SPLIT_SHARE = 0.05
"""Splits may add this share of requests to those of reading without splits, so that no list of less than
20 pages is split: there it would cost a good part of the tokens and save a second."""


@dataclass(frozen=True, slots=True)
class Span:
    """A page that was read.

    Attributes:
        lines: its records, one per line.
        records: how many.
        longest: bytes of the longest of them.
        reached: the ``update_time`` up to which its range has been read.
    """

    lines: bytes
    records: int
    longest: int
    reached: datetime | None

    @classmethod
    def of(cls, page: Page, reached: datetime | None) -> Span:
        """The span of a page."""
        return cls(page.lines(), len(page.records), page.longest(), reached)


@dataclass(slots=True, eq=False)
class _Range:
    """``[since, until)``, read up to ``position``. None means open on that side.

    ``handed_out`` lags behind ``position`` by the pages that wait in the queue.
    """

    since: datetime | None
    until: datetime | None
    position: datetime | None = None
    handed_out: datetime | None = None
    origin: datetime | None = None
    pages: int = 0

    def unread_intersects(self, start: datetime | None, end: datetime) -> bool:
        """Whether records of ``[start, end)`` may still be handed out from this range."""
        low = self.handed_out or self.since
        return (low is None or low < end) and (self.until is None or start is None or start < self.until)

    def take(self, page: Page) -> None:
        """Move on to the end of a page."""
        reached = page.last_update_time()
        if reached is not None:
            self.origin = self.origin or self.since or page.first_update_time()
            self.position = max(reached, self.position or reached)
        self.pages += 1

    @property
    def finished(self) -> bool:
        """Whether the upper bound has been passed."""
        return self.until is not None and self.position is not None and self.position >= self.until

    def pages_left(self, now: datetime) -> float:
        """An estimate from the pace so far, or 0 where there is none yet."""
        if self.position is None or self.origin is None or self.pages == 0:
            return 0.0
        covered = (self.position - self.origin).total_seconds()
        left = ((self.until or now) - self.position).total_seconds()
        return self.pages * left / covered if covered > 0 and left > 0 else 0.0

    def split(self, now: datetime) -> _Range | None:
        """Give away the later half of what is left, at a whole second."""
        assert self.position is not None
        middle = self.position + ((self.until or now) - self.position) / 2
        middle = middle.replace(microsecond=0)
        if middle <= self.position:
            return None
        later = _Range(since=middle, until=self.until)
        self.until = middle
        return later


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A page in the queue, and the range it came from."""

    span: Span
    range_: _Range


@dataclass(frozen=True, slots=True)
class _End:
    """A reader has come to the end of its range, or failed."""

    range_: _Range
    error: Exception | None


class Reading:
    """The reading of one or more ranges. Iterate :meth:`spans` once, to its end.

    Attributes:
        splits: how often a range was split.
    """

    def __init__(
        self,
        client: Client,
        object_type: ObjectType,
        ranges: Sequence[tuple[datetime | None, datetime | None]],
        parameters: Parameters,
        *,
        path: str | None = None,
        cost: int | None = None,
    ) -> None:
        self.splits = 0
        self._path = path or object_type.path
        self._cost = object_type.list_cost if cost is None else cost
        self._client = client
        self._object_type = object_type
        self._parameters = parameters
        self._waiting = [_Range(since, until) for since, until in ranges]
        self._unread: list[_Range] = list(self._waiting)
        self._not_handed_out: list[_Range] = list(self._waiting)
        self._pages = 0
        self._reading = 0
        self._tasks: list[asyncio.Task[None]] = []
        self._queue: asyncio.Queue[_Waiting | _End] = asyncio.Queue(maxsize=QUEUED_PAGES)

    def covered(self, windows: Sequence[Window]) -> list[Window]:
        """The windows of which everything has been handed out by :meth:`spans`."""
        return [
            window
            for window in windows
            if not any(range_.unread_intersects(window.start, window.end) for range_ in self._not_handed_out)
        ]

    async def spans(self) -> AsyncGenerator[Span, None]:
        """Every page of the ranges, in whatever order they come.

        Close it (``contextlib.aclosing``) to stop the readers early.

        Raises:
            PipedriveError: of the reader that failed first; the others are stopped.
        """
        try:
            self._start_readers()
            while self._reading:
                item = await self._queue.get()
                if isinstance(item, _End):
                    self._reading -= 1
                    if item.error:
                        raise item.error
                    self._not_handed_out.remove(item.range_)
                self._start_readers()
                if isinstance(item, _Waiting):
                    item.range_.handed_out = item.span.reached
                    yield item.span
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def _start_readers(self) -> None:
        while self._reading < MAX_READERS and (range_ := self._next_range()):
            self._reading += 1
            self._tasks.append(asyncio.create_task(self._read(range_)))

    def _next_range(self) -> _Range | None:
        if self._reading and not self._client.has_room_for(self._reading + 1):
            return None
        if self._waiting:
            return self._waiting.pop(0)
        now = datetime.now(UTC)
        left = {range_: range_.pages_left(now) for range_ in self._unread}
        slowest = max(left, key=lambda range_: left[range_], default=None)
        if slowest is None or left[slowest] < MIN_PAGES_TO_SPLIT:
            return None
        if self.splits + 1 > SPLIT_SHARE * (self._pages + sum(left.values())):
            return None
        later = slowest.split(now)
        if later is not None:
            self.splits += 1
            self._unread.append(later)
            self._not_handed_out.append(later)
        return later

    async def _read(self, range_: _Range) -> None:
        error: Exception | None = None
        try:
            async for page in self._pages_of(range_):
                range_.take(page)
                self._pages += 1
                await self._queue.put(_Waiting(Span.of(page, range_.position), range_))
                if range_.finished:
                    break
            self._unread.remove(range_)
        except Exception as raised:  # noqa: BLE001 - raised again where the spans are consumed
            error = raised
        await self._queue.put(_End(range_, error))

    def _pages_of(self, range_: _Range) -> AsyncIterator[Page]:
        parameters = dict(self._parameters)
        if range_.since is not None:
            parameters["updated_since"] = stamp(range_.since)
        if self._object_type.paging is Paging.OFFSET:
            return keyset_pages(self._client, self._object_type, parameters | {"sort": "update_time ASC"})
        # Without a lower bound there must be no upper one either: an upper bound hides records that
        # have no update_time, and those come first.
        bounded = self._object_type.bounds is Bounds.BOTH and range_.since is not None
        if bounded and range_.until is not None:
            parameters["updated_until"] = stamp(range_.until)
        return ascending_pages(self._client, self._object_type, parameters, path=self._path, cost=self._cost)


def stamp(instant: datetime) -> str:
    """An instant as ``updated_since`` wants it: whole seconds, UTC (API facts 9)."""
    return f"{instant.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"

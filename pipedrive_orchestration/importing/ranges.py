"""Ranges of ``update_time``, read by as many concurrent readers as help.

Cursor paging is sequential, so a long range is split while it is being read: whenever there is room for
another request, a new reader takes the later half of what the slowest reader has left. Each reader goes
upwards in ``update_time``: a record that changes meanwhile moves ahead of it, comes again and is never
missed by it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from pipedrive_orchestration.importing.windows import Window
from pipedrive_orchestration.pipedrive.client import Client, Query
from pipedrive_orchestration.pipedrive.clock import AccountClock
from pipedrive_orchestration.pipedrive.errors import BudgetSpent
from pipedrive_orchestration.pipedrive.object_types import Listing
from pipedrive_orchestration.pipedrive.pagination import range_pages
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

_EARLIEST = datetime.min.replace(tzinfo=UTC)

Range = tuple[datetime | None, datetime | None]
"""``[since, until)`` of ``update_time``; None is open."""


@dataclass(frozen=True, slots=True)
class SplitPoints:
    """The places at which a range may be split.

    Attributes:
        borders: those at which nothing that is read is lost if reading ends early.
        elsewhere: whether it may be split anywhere else.
    """

    borders: Sequence[datetime] = ()
    elsewhere: bool = True


ANYWHERE = SplitPoints()
"""The split points of a range that has no borders."""


@dataclass(frozen=True, slots=True)
class FetchedPage:
    """A page that was read.

    Attributes:
        page: the records.
        reached: the ``update_time`` up to which its range has been read, where it has one.
    """

    page: Page
    reached: datetime | None = None


@dataclass(slots=True, eq=False)
class _Stretch:
    """``[since, until)`` on its way, read up to ``position``. None means open on that side.

    ``handed_out`` lags behind ``position`` by the pages that wait in the queue.
    """

    since: datetime | None
    until: datetime | None
    position: datetime | None = None
    handed_out: datetime | None = None
    origin: datetime | None = None
    pages: int = 0

    def unread_intersects(self, start: datetime | None, end: datetime) -> bool:
        """Whether records of ``[start, end)`` may still be handed out from this stretch."""
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

    def split(self, now: datetime, borders: Sequence[datetime], *, elsewhere: bool) -> _Stretch | None:
        """Give away the later half of what is left, about.

        Args:
            now: by Pipedrive's clock.
            borders: where it is split if one of them lies in the middle half, since what is read up to a
                border can be kept.
            elsewhere: whether else it is split in the middle, at a whole second; or only at a border.
        """
        assert self.position is not None
        end = self.until or now
        middle = self.position + (end - self.position) / 2
        at = min(
            (border for border in borders if self.position < border < end),
            key=lambda border: abs(border - middle),
            default=None,
        )
        if at is None or (elsewhere and abs(at - middle) > (end - self.position) / 4):
            at = middle.replace(microsecond=0) if elsewhere else None
        if at is None or at <= self.position:
            return None
        later = _Stretch(since=at, until=self.until)
        self.until = at
        return later


class _Stretches:
    """The stretches into which some ranges are cut, and how far each of them is read.

    Attributes:
        splits: how often one was split.
        pages: pages read so far.
    """

    def __init__(self, ranges: Sequence[Range], clock: AccountClock, split_points: SplitPoints) -> None:
        self.splits = 0
        self._clock = clock
        self._split_points = split_points
        self.pages = 0
        self._waiting = [_Stretch(since, until) for since, until in ranges]
        self._unread = list(self._waiting)
        self._not_handed_out = list(self._waiting)
        self._reached: datetime | None = None

    def next(self) -> _Stretch | None:
        """A stretch for another reader: a whole range, or half of what the slowest reader has left."""
        if self._waiting:
            return self._waiting.pop(0)
        now = self._clock.now_at_pipedrive()
        left = {stretch: stretch.pages_left(now) for stretch in self._unread}
        if self.splits + 1 > SPLIT_SHARE * (self.pages + sum(left.values())):
            return None
        for slowest in sorted(left, key=lambda stretch: -left[stretch]):
            if left[slowest] < MIN_PAGES_TO_SPLIT:
                return None
            later = slowest.split(now, self._split_points.borders, elsewhere=self._split_points.elsewhere)
            if later is not None:
                self.splits += 1
                self._unread.append(later)
                self._not_handed_out.append(later)
                return later
            if self._split_points.elsewhere:
                return None
        return None

    def take(self, stretch: _Stretch, page: Page) -> None:
        """Count a page of a stretch."""
        stretch.take(page)
        self.pages += 1

    def read(self, stretch: _Stretch) -> None:
        """Take note that there is nothing more to read of a stretch."""
        self._unread.remove(stretch)

    def advance(self, stretch: _Stretch, reached: datetime | None) -> None:
        """Take note how far a stretch has been handed out."""
        stretch.handed_out = reached
        self._reached = max(filter(None, (self._reached, reached)), default=None)

    def complete(self, stretch: _Stretch) -> None:
        """Take note that every page of a stretch has been handed out."""
        self._not_handed_out.remove(stretch)

    def cover(self, window: Window) -> bool:
        """Whether everything of a window has been handed out."""
        return not any(
            stretch.unread_intersects(window.start, window.end) for stretch in self._not_handed_out
        )

    def begun(self, window: Window) -> Window | None:
        """The part of a window, from its beginning on, that has been handed out.

        It ends no later than the last record that came: who knows what else has changed by then.
        """
        low: list[datetime | None] = [
            stretch.handed_out or stretch.since
            for stretch in self._not_handed_out
            if stretch.unread_intersects(window.start, window.end)
        ]
        ends = [end for end in (*low, self._reached) if end is not None]
        if len(ends) < len(low) + 1:
            return None
        end = min(*ends, window.end).replace(microsecond=0)
        return replace(window, end=end) if window.start is None or window.start < end else None


@dataclass(frozen=True, slots=True)
class _QueuedPage:
    """A page in the queue, and the stretch it came from."""

    fetched: FetchedPage
    stretch: _Stretch


@dataclass(frozen=True, slots=True)
class _End:
    """A reader has come to the end of its stretch, or failed."""

    stretch: _Stretch
    error: Exception | None


class _Reader:
    """A reader of ranges that knows how far they are read."""

    def __init__(self, stretches: _Stretches) -> None:
        self._stretches = stretches

    @property
    def has_split(self) -> bool:
        """Whether a range was read at more than one place."""
        return self._stretches.splits > 0

    def covered(self, windows: Sequence[Window]) -> list[Window]:
        """The windows of which everything has been handed out."""
        return [window for window in windows if self._stretches.cover(window)]

    def begun(self, windows: Sequence[Window]) -> list[Window]:
        """The parts of windows, from their beginnings on, that have been handed out, where there are any."""
        return [part for window in windows if (part := self._stretches.begun(window))]


class RangeReader(_Reader):
    """Reads one or more ranges of a list. Iterate :meth:`pages` once, to its end.

    Args:
        client: the connection in use.
        listing: the list.
        query: filters.
        ranges: what is read of it.
        split_points: where they may be split.
        may_be_empty: see :func:`pagination.range_pages`.
    """

    def __init__(
        self,
        client: Client,
        listing: Listing,
        query: Query,
        ranges: Sequence[Range],
        split_points: SplitPoints = ANYWHERE,
        *,
        may_be_empty: bool = False,
    ) -> None:
        super().__init__(_Stretches(ranges, client.clock, split_points))
        self._client = client
        self._listing = listing
        self._query = query
        self._may_be_empty = may_be_empty
        self._readers: dict[_Stretch, asyncio.Task[None]] = {}
        self._queue: asyncio.Queue[_QueuedPage | _End] = asyncio.Queue(maxsize=QUEUED_PAGES)

    async def pages(self) -> AsyncGenerator[FetchedPage, None]:
        """Every page of the ranges, in whatever order they come.

        Close it (``contextlib.aclosing``) to stop the readers early.

        Raises:
            PipedriveError: of the reader that failed first; the others are stopped. Where the budget is spent
                they end by themselves, after the pages that are paid for already.
        """
        spent: BudgetSpent | None = None
        try:
            self._start_readers()
            while self._readers:
                item = await self._queue.get()
                if isinstance(item, _End):
                    del self._readers[item.stretch]
                    if isinstance(item.error, BudgetSpent):
                        spent = spent or item.error
                    elif item.error:
                        raise spent or item.error
                    else:
                        self._stretches.complete(item.stretch)
                if spent is None:
                    self._start_readers()
                if isinstance(item, _QueuedPage):
                    self._stretches.advance(item.stretch, item.fetched.reached)
                    yield item.fetched
            if spent is not None:
                raise spent
        finally:
            for reader in self._readers.values():
                reader.cancel()
            await asyncio.gather(*self._readers.values(), return_exceptions=True)

    def _start_readers(self) -> None:
        while len(self._readers) < MAX_READERS and (stretch := self._next_stretch()):
            self._readers[stretch] = asyncio.create_task(self._read(stretch))

    def _next_stretch(self) -> _Stretch | None:
        if self._readers and not self._client.has_room_for(len(self._readers) + 1):
            return None
        return self._stretches.next()

    async def _read(self, stretch: _Stretch) -> None:
        error: Exception | None = None
        pages = range_pages(
            self._client,
            self._listing,
            self._query,
            stretch.since,
            stretch.until,
            may_be_empty=self._may_be_empty,
        )
        try:
            async for page in pages:
                self._stretches.take(stretch, page)
                await self._queue.put(_QueuedPage(FetchedPage(page, stretch.position), stretch))
                if stretch.finished:
                    break
            self._stretches.read(stretch)
        except Exception as raised:  # noqa: BLE001 - raised again where the pages are consumed
            error = raised
        await self._queue.put(_End(stretch, error))


class MergedReader(_Reader):
    """Reads ranges of several lists as one: page by page, of the list that is behind first.

    So what is read of all lists together reaches about as far as what is read of each. Iterate :meth:`pages`
    once, to its end.

    Args:
        client: the connection in use.
        lists: the lists, and the filters of each.
        ranges: what is read of them, one range after the other.
        may_be_empty: see :func:`pagination.range_pages`.
    """

    def __init__(
        self,
        client: Client,
        lists: Sequence[tuple[Listing, Query]],
        ranges: Sequence[Range],
        *,
        may_be_empty: bool = False,
    ) -> None:
        super().__init__(_Stretches([each for each in ranges for _ in lists], client.clock, ANYWHERE))
        self._client = client
        self._lists = lists
        self._ranges = ranges
        self._may_be_empty = may_be_empty

    async def pages(self) -> AsyncGenerator[FetchedPage, None]:
        """Every page of the ranges.

        Raises:
            PipedriveError: the account cannot be read.
        """
        for _ in self._ranges:
            left = dict(self._begin(listing, query) for listing, query in self._lists)
            while left:
                behind = min(left, key=lambda stretch: stretch.position or stretch.since or _EARLIEST)
                page = await anext(left[behind], None)
                if page is not None:
                    self._stretches.take(behind, page)
                    self._stretches.advance(behind, behind.position)
                    yield FetchedPage(page, behind.position)
                if page is None or behind.finished:
                    del left[behind]
                    self._stretches.read(behind)
                    self._stretches.complete(behind)

    def _begin(self, listing: Listing, query: Query) -> tuple[_Stretch, AsyncIterator[Page]]:
        stretch = self._stretches.next()
        assert stretch is not None, "there is one for each list in each range"
        since, until = stretch.since, stretch.until
        return stretch, range_pages(
            self._client, listing, query, since, until, may_be_empty=self._may_be_empty
        )

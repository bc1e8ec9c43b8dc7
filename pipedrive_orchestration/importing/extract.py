"""The extraction of a pull: every page that the plan asks for, in the order in which they are read."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from datetime import datetime
from types import MappingProxyType

from pipedrive_orchestration.importing.context import ImportContext
from pipedrive_orchestration.importing.definition import ALWAYS
from pipedrive_orchestration.importing.plan import OVERLAP, PullPlan
from pipedrive_orchestration.importing.ranges import (
    ANYWHERE,
    FetchedPage,
    MergedReader,
    Range,
    RangeReader,
    SplitPoints,
)
from pipedrive_orchestration.importing.report import Pull
from pipedrive_orchestration.importing.windows import Window
from pipedrive_orchestration.pipedrive.lookup import alone
from pipedrive_orchestration.pipedrive.object_types import Bounds, Listing, Paging
from pipedrive_orchestration.pipedrive.pagination import (
    latest_first,
    latest_pages,
    pages,
    shifting_pages,
    whole_list,
)

MAX_CATCH_UPS = 10
"""The number of times that a busy account is asked once more for what changed while it was being read."""


class Extraction:
    """The pages of one pull. Iterate :meth:`pages` to its end, then :meth:`late_pages`.

    Attributes:
        is_affordable: whether the day's tokens suffice for all of it, as far as is known; if they do not, no
            window is read at several places at once, so that what is read of it can be kept.
    """

    def __init__(self, context: ImportContext, plan: PullPlan, *, is_affordable: bool) -> None:
        self._context = context
        self._plan = plan
        self.is_affordable = is_affordable
        self._windows = self._reader_of_windows()

    def _reader_of_windows(self) -> RangeReader | MergedReader:
        plan, listing, archived = self._plan, self._context.object_type.listing, self._archived_beside
        if archived is None:
            split_points = SplitPoints([window.end for window in plan.windows], elsewhere=self.is_affordable)
            return self._reader(listing, plan.ranges, self._restricted(), split_points)
        query = {**self._context.definition.query, **self._restricted()}
        lists = [(archived, query), (listing, query)]
        return MergedReader(self._context.client, lists, plan.ranges, may_be_empty=plan.may_be_empty)

    @property
    def _archived_beside(self) -> Listing | None:
        """The archived list, where it is read beside the other one: if not all of both can be read today."""
        archived = self._context.object_type.archived_listing
        if self.is_affordable or archived is None or not self._context.source.options.include_archived:
            return None
        return archived if archived.bounds is self._context.object_type.bounds else None

    @property
    def _is_newest_first(self) -> bool:
        return self._context.object_type.bounds is Bounds.ORDER

    def covered(self, windows: Sequence[Window]) -> list[Window]:
        """The windows of which everything has been handed out by :meth:`pages`.

        What changes while they are read comes later, so those are left out in which such changes can lie.
        """
        return self._windows.covered(self.ended(windows))

    def ended(self, windows: Sequence[Window]) -> list[Window]:
        """The windows in which nothing lies that changes while they are read."""
        return [window for window in windows if window.end <= self._context.began - OVERLAP]

    def begun(self, windows: Sequence[Window]) -> list[Window]:
        """The parts of the other windows, from their beginnings on, of which that is so."""
        covered, until = self.covered(windows), self._context.began - OVERLAP
        parts = self._windows.begun([window for window in windows if window not in covered])
        cut = (replace(part, end=min(part.end, until)) for part in parts)
        return [part for part in cut if part.start is None or part.start < part.end]

    @property
    def is_proof(self) -> bool:
        """Whether what :meth:`pages` has not handed out by its end is not in the list of live records."""
        plan = self._plan
        return plan.ranges == ((None, None),) and not plan.restrictions and self._has_read_to_its_end()

    def pages(self) -> AsyncGenerator[FetchedPage, None]:
        """Every page of the snapshot, of the plan's windows, or of what changed since the watermark.

        Raises:
            PipedriveError: the account cannot be read.
        """
        return _one_after_another(self._readings())

    def late_pages(self) -> AsyncGenerator[FetchedPage, None]:
        """The pages that a reading of windows may have missed: records without a time, and later changes.

        Raises:
            PipedriveError: the account cannot be read.
        """
        return _one_after_another(self._late_readings())

    def _readings(self) -> Iterator[AsyncGenerator[FetchedPage, None]]:
        object_type, plan = self._context.object_type, self._plan
        if not object_type.partitioned:
            if object_type.archived_listing and self._context.source.options.include_archived:
                yield self._snapshot(object_type.archived_listing)
            yield self._snapshot(object_type.listing)
        elif plan.pull is Pull.WINDOW:
            is_wanted = plan.ranges and self._context.source.options.include_archived
            if object_type.archived_listing and is_wanted and not self._archived_beside:
                yield self._archived(object_type.archived_listing)
            yield self._latest(object_type.listing) if self._is_newest_first else self._windows.pages()
        else:
            if object_type.archived_listing:
                yield self._archived(object_type.archived_listing)
            if self._is_newest_first:
                yield self._latest(object_type.listing)
            else:
                yield self._reader(object_type.listing, plan.ranges, object_type.with_deleted).pages()
            yield from self._rechecks()

    def _rechecks(self) -> Iterator[AsyncGenerator[FetchedPage, None]]:
        """Records that have not changed, and refer to something that has another name."""
        object_type = self._context.object_type
        for recheck in self._plan.rechecks:
            query = {recheck.parameter: recheck.record_id}
            yield self._listed(object_type.listing, query)
            if object_type.archived_listing and self._context.source.options.include_archived:
                yield self._listed(object_type.archived_listing, query)

    def _late_readings(self) -> Iterator[AsyncGenerator[FetchedPage, None]]:
        if not self._context.object_type.partitioned or self._plan.pull is not Pull.WINDOW:
            return
        read_to_its_end = self._has_read_to_its_end()
        if not read_to_its_end:
            yield self._undated()
        # What no longer satisfied a filter of Pipedrive's when its turn came has not been met at all.
        if not read_to_its_end or self._plan.restrictions:
            yield self._caught_up()

    def _has_read_to_its_end(self) -> bool:
        # One reader that goes on until nothing is left has met every record that moved ahead of it; one that
        # began with the latest has met none of these.
        if self._is_newest_first or len(self._plan.ranges) != 1 or self._windows.has_split:
            return False
        return self._plan.ranges[0][1] is None

    def _archived(self, listing: Listing) -> AsyncGenerator[FetchedPage, None]:
        if listing.bounds is Bounds.ORDER:
            return self._latest(listing)
        return self._reader(listing, self._plan.ranges, self._restricted()).pages()

    def _restricted(self) -> dict[str, str]:
        """The plan's restrictions, and the deleted records besides where a list has them.

        A deleted record can be one that was archived here last: its row is not current, so that nobody would
        look for it when it does not come.
        """
        restrictions, with_deleted = dict(self._plan.restrictions), self._context.object_type.with_deleted
        if with_deleted and "status" in restrictions:
            restrictions["status"] += ",deleted"
        return {**with_deleted, **restrictions}

    async def _latest(self, listing: Listing) -> AsyncGenerator[FetchedPage, None]:
        """The part of a list without bounds that lies in the plan's ranges, or is newer than all of them."""
        starts = [since for since, _ in self._plan.ranges if since is not None]
        since = min(starts) if len(starts) == len(self._plan.ranges) else None
        async for page in self._latest_since(listing, since):
            yield page

    async def _latest_since(
        self, listing: Listing, since: datetime | None
    ) -> AsyncGenerator[FetchedPage, None]:
        query = {**self._context.definition.query, **self._plan.restrictions}
        async for page in latest_pages(self._context.client, listing, query, since):
            yield FetchedPage(page, page.first_update_time())

    async def _snapshot(self, listing: Listing) -> AsyncGenerator[FetchedPage, None]:
        """A whole list, by which what it does not have is known to be gone."""
        context = self._context
        may_be_empty = self._plan.may_be_empty or listing != context.object_type.listing
        async for page in whole_list(
            context.client, listing, context.definition.query, may_be_empty=may_be_empty
        ):
            if context.definition.one_by_one:
                page = await alone(context.client, context.object_type, page)  # noqa: PLW2901
            yield FetchedPage(page)

    async def _listed(
        self, listing: Listing, extra: Mapping[str, str] = MappingProxyType({})
    ) -> AsyncGenerator[FetchedPage, None]:
        """The records that a parameter selects."""
        client, query = self._context.client, {**self._context.definition.query, **extra}
        read = (
            shifting_pages(client, listing, query)
            if listing.paging is Paging.OFFSET
            else pages(client, listing, query, may_be_empty=self._plan.may_be_empty)
        )
        async for page in read:
            yield FetchedPage(page)

    async def _undated(self) -> AsyncGenerator[FetchedPage, None]:
        """Records without ``update_time``, in case Pipedrive sorts them last.

        Readers that go upwards meet them where they come first, and where they come last if a reader
        goes on to the very end; after a split, none has.
        """
        listing, asked = self._context.object_type.listing, self._plan.asked
        if not asked or asked[0].start is not None or listing.paging is Paging.OFFSET:
            return
        if self._plan.updated != ALWAYS:
            # A filter that looks at `update_time` has no members without one.
            return
        query = {**self._context.definition.query, **self._plan.restrictions, **latest_first(listing)}
        async for page in pages(self._context.client, listing, query):
            if page.first_update_time() is not None:
                return
            yield FetchedPage(page)

    async def _caught_up(self) -> AsyncGenerator[FetchedPage, None]:
        """Changes made while reading: such records have moved ahead of the windows that were read."""
        clock = self._context.clock
        since = self._plan.changed_since(self._context)
        for _ in range(MAX_CATCH_UPS):
            began = clock.now_at_pipedrive()
            newest: datetime | None = None
            object_type = self._context.object_type
            if self._is_newest_first:
                pages = self._latest_since(object_type.listing, since)
            else:
                reader = self._reader(object_type.listing, [(since, None)], object_type.with_deleted)
                pages = reader.pages()
            async with aclosing(pages) as changed:
                async for page in changed:
                    yield page
                    newest = max(filter(None, (newest, page.reached)), default=None)
            if newest is None or newest < began.replace(microsecond=0):
                return
            since = began

    def _reader(
        self,
        listing: Listing,
        ranges: Sequence[Range],
        extra: Mapping[str, str] = MappingProxyType({}),
        split_points: SplitPoints = ANYWHERE,
    ) -> RangeReader:
        query = {**self._context.definition.query, **extra}
        may_be_empty = self._plan.may_be_empty
        return RangeReader(
            self._context.client, listing, query, ranges, split_points, may_be_empty=may_be_empty
        )


async def _one_after_another(
    readings: Iterable[AsyncGenerator[FetchedPage, None]],
) -> AsyncGenerator[FetchedPage, None]:
    for reading in readings:
        async with aclosing(reading):
            async for page in reading:
                yield page

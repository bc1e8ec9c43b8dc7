"""A pull: every page that the plan asks for, and a commit of each window once all of it has been read.

Reading goes on while earlier pages are typed and earlier windows committed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType

from pipedrive_orchestration.importing.definition import Definition
from pipedrive_orchestration.importing.inbox import Inbox
from pipedrive_orchestration.importing.lookup import EVERY_STATUS
from pipedrive_orchestration.importing.plan import Plan, Range
from pipedrive_orchestration.importing.ranges import Reading, Span
from pipedrive_orchestration.importing.reconcile import Settler
from pipedrive_orchestration.importing.report import Pull
from pipedrive_orchestration.importing.visibility import Eyesight
from pipedrive_orchestration.importing.windows import Window
from pipedrive_orchestration.pipedrive.client import Client
from pipedrive_orchestration.pipedrive.errors import PipedriveError
from pipedrive_orchestration.pipedrive.object_type import Paging
from pipedrive_orchestration.pipedrive.object_types import DEALS
from pipedrive_orchestration.pipedrive.pagination import pages, shifting_pages

SECONDS_BETWEEN_COMMITS = 5.0
"""How much reading an interruption can undo: each commit costs as much time as typing a dozen pages."""

MAX_CATCH_UPS = 10
"""How often a busy account is asked once more for what changed while it was being read."""


@dataclass(frozen=True, slots=True)
class Pulling:
    """One pull of a source.

    Attributes:
        take: receives every page that is read.
        commit: commits windows of which everything has been read and settled.
    """

    client: Client
    definition: Definition
    plan: Plan
    eyesight: Eyesight
    inbox: Inbox
    settler: Settler
    take: Callable[[Span], Awaitable[None]]
    commit: Callable[[Sequence[Window]], Awaitable[None]]

    async def run(self) -> None:
        """Read what the plan asks for, and commit windows as they are complete.

        Raises:
            PipedriveError: the account cannot be read; windows that were complete are committed.
            StagingError: pages cannot be staged.
            WarehouseError: the database cannot be opened or written.
        """
        if not self.definition.object_type.partitioned:
            async for page in pages(self.client, self.definition.object_type, self.definition.parameters):
                await self.take(Span.of(page, None))
            await self.settler.settle(None)
        elif self.plan.pull is Pull.WINDOW:
            await self._read_windows()
        else:
            await self._read_changes()

    async def _read_windows(self) -> None:
        """Everything in the plan's windows, each committed once all of it has been read."""
        if self.definition.source.options.include_archived:
            await self._read_archived(self.plan.ranges)
        reading = self._reading(self.plan.ranges, self.plan.restrictions)
        pending = await self._commit_while_reading(reading)
        committing = asyncio.create_task(self._settle_and_commit(pending))
        try:
            await self._read_what_eluded(reading)
        finally:
            await committing
        if self.plan.resumes and self.definition.object_type.recents_item:
            await self.settler.note_removed_since(self.plan.changed_since)

    async def _read_what_eluded(self, reading: Reading) -> None:
        read_to_its_end = _read_to_its_end(self.plan, reading)
        if not read_to_its_end:
            await self._read_undated()
        # What no longer satisfied a filter of Pipedrive's when its turn came has not been met at all.
        if not read_to_its_end or self.plan.restrictions:
            await self._catch_up()

    async def _commit_while_reading(self, reading: Reading) -> list[Window]:
        """Take a reading to its end. Returns the windows that are left to be committed."""
        pending = list(self.plan.windows)
        committing: asyncio.Task[None] | None = None
        due = time.monotonic() + SECONDS_BETWEEN_COMMITS
        try:
            async with aclosing(reading.spans()) as spans:
                async for span in spans:
                    await self.take(span)
                    # Reading goes on during a commit; the windows that it completes wait for the next.
                    if time.monotonic() < due or (committing and not committing.done()):
                        continue
                    # All or nothing where it is open whether the user may have the last word.
                    if self.eyesight.is_other:
                        continue
                    if covered := reading.covered(pending):
                        await _finished(committing)
                        committing = asyncio.create_task(self._settle_and_commit(covered))
                        pending = [window for window in pending if window not in covered]
                        due = time.monotonic() + SECONDS_BETWEEN_COMMITS
            await self.inbox.type_staged()
        except PipedriveError:
            await _finished(committing)
            if self.eyesight.is_other:
                raise
            # Where rows are missing, finding out why takes requests, which may fail for the same reason.
            with suppress(PipedriveError):
                await self._settle_and_commit(reading.covered(pending))
            raise
        finally:
            await _finished(committing)
        return pending

    async def _settle_and_commit(self, windows: Sequence[Window]) -> None:
        if not windows:
            return
        await self.settler.settle(windows)
        await self.commit(windows)

    async def _read_changes(self) -> None:
        """What changed since the watermark, and what is gone since."""
        (since, _), *_ = self.plan.ranges
        assert since is not None
        if self.definition.object_type.archived_path:
            await self._read_archived(self.plan.ranges)
        if self.definition.object_type.recents_item is None:
            # Nothing tells of its deletions, so they show only in a complete reading.
            await self._read_all(self._reading([(None, None)]))
            await self.settler.settle(None)
            return
        await self._read_all(
            self._reading(self.plan.ranges, EVERY_STATUS if self.definition.object_type is DEALS else {})
        )
        if self.definition.object_type is not DEALS:
            await self.settler.note_removed_since(since)

    async def _read_archived(self, ranges: Sequence[Range]) -> None:
        path, cost = self.definition.object_type.archived_path, self.definition.object_type.archived_cost
        assert path is not None
        restrictions = self.plan.restrictions
        if self.definition.object_type.paging is Paging.OFFSET:
            # The list of archived leads cannot be bounded.
            parameters = {**self.definition.parameters, **restrictions}
            async for page in shifting_pages(self.client, path, parameters, cost=cost):
                await self.take(Span.of(page, None))
            return
        extra = {**(EVERY_STATUS if self.definition.object_type is DEALS else {}), **restrictions}
        await self._read_all(self._reading(ranges, extra, path=path, cost=cost))

    async def _read_undated(self) -> None:
        """Records without ``update_time``, in case Pipedrive sorts them last.

        Readers that go upwards meet them where they come first, and where they come last if a reader
        goes on to the very end; after a split, none has.
        """
        if (
            not self.plan.ranges
            or self.plan.ranges[0][0] is not None
            or self.definition.object_type.paging is Paging.OFFSET
        ):
            return
        order = {"sort_by": "update_time", "sort_direction": "desc"}
        parameters = {**self.definition.parameters, **self.plan.restrictions, **order}
        async for page in pages(self.client, self.definition.object_type, parameters):
            if page.first_update_time() is not None:
                return
            await self.take(Span.of(page, None))

    async def _catch_up(self) -> None:
        """What changed while reading: such records have moved ahead of the windows that were read."""
        since = self.plan.changed_since + self.client.clock_offset
        for _ in range(MAX_CATCH_UPS):
            began = datetime.now(UTC) + self.client.clock_offset
            newest = await self._read_all(self._reading([(since, None)]))
            if newest is None or newest < began.replace(microsecond=0):
                return
            since = began

    def _reading(
        self,
        ranges: Sequence[Range],
        extra: Mapping[str, str] = MappingProxyType({}),
        *,
        path: str | None = None,
        cost: int | None = None,
    ) -> Reading:
        parameters = {**self.definition.parameters, **extra}
        return Reading(self.client, self.definition.object_type, ranges, parameters, path=path, cost=cost)

    async def _read_all(self, reading: Reading) -> datetime | None:
        """Take everything of a reading. Returns the newest ``update_time`` met."""
        newest: datetime | None = None
        async with aclosing(reading.spans()) as spans:
            async for span in spans:
                await self.take(span)
                newest = max(filter(None, (newest, span.reached)), default=None)
        return newest


async def _finished(task: asyncio.Task[None] | None) -> None:
    if task is not None:
        await task


def _read_to_its_end(plan: Plan, reading: Reading) -> bool:
    # One reader that goes on until nothing is left has met every record that moved ahead of it.
    return len(plan.ranges) == 1 and plan.ranges[0][1] is None and reading.splits == 0

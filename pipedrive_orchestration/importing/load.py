"""The load of an import: pages go to disk, and windows are committed as they are complete.

Reading goes on while earlier pages are typed and earlier windows committed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, suppress
from pathlib import Path

from pipedrive_orchestration.importing.commit import Committer
from pipedrive_orchestration.importing.context import ImportContext
from pipedrive_orchestration.importing.extract import Extraction
from pipedrive_orchestration.importing.plan import PullPlan
from pipedrive_orchestration.importing.ranges import FetchedPage
from pipedrive_orchestration.importing.reconcile import Reconciler, Reconciliation
from pipedrive_orchestration.importing.references import References
from pipedrive_orchestration.importing.removals import RemovedId
from pipedrive_orchestration.importing.staging import Staging
from pipedrive_orchestration.importing.visibility import Visibility
from pipedrive_orchestration.importing.windows import Window
from pipedrive_orchestration.pipedrive.errors import BudgetSpent, PipedriveError
from pipedrive_orchestration.warehouse import Warehouse

SECONDS_BETWEEN_COMMITS = 5.0
"""The reading that an interruption can undo; each commit costs as much time as typing a dozen pages."""

SECONDS_BETWEEN_COMMITS_OF_A_LAKE = 120.0
"""The same where each commit makes files, which others read and somebody has to merge."""

SHARE_OF_END = 20
"""The day's tokens, divided by this, are kept for what has to be looked up at the end of a reading for which
they do not suffice; if that is little, what a look-up in all places costs."""

SHARE_OF_NAMES = 2
"""The same where the filter looks at names, each of which may have to be looked up."""


class Loader:
    """Loads what is extracted into the source's table."""

    def __init__(
        self,
        context: ImportContext,
        plan: PullPlan,
        visibility: Visibility,
        staging: Staging,
        reconciler: Reconciler,
        names: References,
        committer: Committer,
    ) -> None:
        self._context = context
        self._plan = plan
        self._visibility = visibility
        self._staging = staging
        self._reconciler = reconciler
        self._names = names
        self._committer = committer
        self._pending = list(plan.windows)

    async def load(self, extraction: Extraction) -> list[RemovedId]:
        """Stage every page, and commit the plan's windows as they are complete.

        Returns:
            The removals that no window tells of, which the last commit has to mark.

        Raises:
            PipedriveError: the account cannot be read; windows that were complete are committed, and the
                beginnings of others.
            StagingError: pages cannot be staged.
            WarehouseError: the database cannot be opened or written.
        """
        try:
            await self._commit_while_reading(extraction)
            committing = asyncio.create_task(self._commit_rest(extraction))
            try:
                async with aclosing(extraction.late_pages()) as late_pages:
                    async for page in late_pages:
                        await self._stage(page)
            finally:
                await committing
        except PipedriveError:
            # Where the user may have the last word it is all or nothing.
            if not self._visibility.is_other:
                with suppress(PipedriveError):
                    await self._commit_remains(extraction)
            raise
        await self._staging.type_staged()
        found = await self._reconciler.conclude(self._plan, self._staging.seen)
        self._committer.note(found.notes)
        if found.doubt:
            self._committer.doubt(found.doubt)
        self._committer.leave_removals_at(self._reconciler.removals_until)
        for record in found.pages:
            await self._stage(FetchedPage(record))
        return found.removed

    async def finish(self, removed: Sequence[RemovedId]) -> None:
        """Commit what is left and move the watermark.

        Raises:
            PipedriveError: the account cannot be read.
            StagingError: pages cannot be typed.
            WarehouseError: the database cannot be opened or written.
        """
        await self._staging.type_staged()
        rows = self._staging.take_typed()
        await self._names.look_up(rows)
        await self._names.look_up_to_show(self._context.request, self._staging.seen)
        self._committer.note(self._names.notes)
        await self._committer.finish(rows, removed, windows=self._pending)

    async def _commit_while_reading(self, extraction: Extraction) -> None:
        """Stage everything that is read first, and commit windows as they are complete."""
        committing: asyncio.Task[None] | None = None
        between = _seconds_between_commits(self._context.warehouse)
        due = time.monotonic() + between
        client = self._context.client
        client.kept = 0 if extraction.is_affordable else self._tokens_of_end
        try:
            async with aclosing(extraction.pages()) as pages:
                async for page in pages:
                    await self._stage(page)
                    # Reading goes on during a commit; the windows that it completes wait for the next.
                    if time.monotonic() < due or (committing and not committing.done()):
                        continue
                    # All or nothing where it is open whether the user may have the last word.
                    if self._visibility.is_other or self._reconciler.needs_everything:
                        continue
                    await _finished(committing)
                    if covered := extraction.covered(self._pending):
                        committing = asyncio.create_task(self._reconcile_and_commit(covered, covered))
                        due = time.monotonic() + between
            await self._staging.type_staged()
        finally:
            client.kept = 0
            await _finished(committing)

    @property
    def _tokens_of_end(self) -> int:
        """The tokens that are kept for look-ups: without them what is read cannot be committed."""
        if not self._reconciler.may_miss and not self._names.are_looked_up:
            return 0
        free = self._context.client.tokens_free or 0
        one = sum(place.cost for place in self._context.object_type.places)
        # Without the names that a filter looks at, no row can be committed.
        share = SHARE_OF_NAMES if self._names.decide else SHARE_OF_END
        return min(free // 2, max(free // share, one))

    async def _commit_rest(self, extraction: Extraction) -> None:
        """Commit what is read, but for windows in which changes can still lie: of these, what has come."""
        read = self._pending
        ended = extraction.ended(read)
        parts = extraction.begun([window for window in read if window not in ended])
        await self._reconcile_and_commit(read, ended, parts, is_proof=extraction.is_proof)

    async def _reconcile_and_commit(
        self,
        read: Sequence[Window],
        windows: Sequence[Window],
        parts: Sequence[Window] = (),
        *,
        is_proof: bool = False,
    ) -> None:
        """Find out about rows missing in what is read, and commit it as windows and parts of others."""
        if not read:
            return
        await self._staging.type_staged()
        found = await self._reconciler.reconcile(read, self._staging.seen, is_proof=is_proof)
        for page in found.pages:
            await self._stage(FetchedPage(page))
        await self._staging.type_staged()
        rows = self._staging.take_typed()
        try:
            await self._names.look_up(rows)
        except PipedriveError:
            self._staging.give_back(rows)
            raise
        await self._commit(rows, found.removed, windows, parts)

    async def _commit_remains(self, extraction: Extraction) -> None:
        """Commit what was read before reading failed: whole windows, and the beginnings of others."""
        whole = extraction.covered(self._pending)
        if not (read := [*whole, *extraction.begun(self._pending)]):
            return
        await self._staging.type_staged()
        removed: list[RemovedId] = []
        settled: list[Window] = []
        async for windows, found in self._settled(read):
            for page in found.pages:
                await self._stage(FetchedPage(page))
            removed += found.removed
            settled += windows
        await self._staging.type_staged()
        if not settled:
            return
        rows = self._staging.take_typed()
        try:
            await self._names.look_up(rows)
        except PipedriveError:
            # What is shown of names comes with the next import; what a filter looks at cannot wait.
            if self._names.decide:
                raise
        complete = [window for window in settled if window in whole]
        parts = [window for window in settled if window not in whole]
        await self._commit(rows, removed, complete, parts)

    async def _settled(
        self, windows: Sequence[Window]
    ) -> AsyncIterator[tuple[Sequence[Window], Reconciliation]]:
        """The windows of which it can be found out what became of rows that did not come, as tokens allow."""
        try:
            yield windows, await self._reconciler.reconcile(windows, self._staging.seen)
        except BudgetSpent:
            for window in windows:
                # Where no row is missing there is nothing to be asked.
                with suppress(BudgetSpent):
                    yield [window], await self._reconciler.reconcile([window], self._staging.seen)

    async def _commit(
        self,
        rows: Sequence[Path],
        removed: Sequence[RemovedId],
        windows: Sequence[Window],
        parts: Sequence[Window] = (),
    ) -> None:
        await self._committer.commit(rows, removed, windows, parts)
        self._pending = [window for window in self._pending if window not in windows]

    async def _stage(self, fetched: FetchedPage) -> None:
        await self._staging.add(fetched.page)
        counts = self._staging.counts
        self._context.reporter.read(counts.pages, counts.records, fetched.reached)


async def _finished(task: asyncio.Task[None] | None) -> None:
    if task is not None:
        await task


def _seconds_between_commits(warehouse: Warehouse) -> float:
    return SECONDS_BETWEEN_COMMITS_OF_A_LAKE if warehouse.lake else SECONDS_BETWEEN_COMMITS

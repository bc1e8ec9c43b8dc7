"""The load of an import: pages go to disk, and windows are committed as they are complete.

Reading goes on while earlier pages are typed and earlier windows committed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import aclosing, suppress

from pipedrive_orchestration.importing.commit import Committer
from pipedrive_orchestration.importing.context import ImportContext
from pipedrive_orchestration.importing.extract import Extraction
from pipedrive_orchestration.importing.plan import PullPlan
from pipedrive_orchestration.importing.ranges import FetchedPage
from pipedrive_orchestration.importing.reconcile import Reconciler
from pipedrive_orchestration.importing.references import References
from pipedrive_orchestration.importing.removals import RemovedId
from pipedrive_orchestration.importing.staging import Staging
from pipedrive_orchestration.importing.visibility import Visibility
from pipedrive_orchestration.importing.windows import Window
from pipedrive_orchestration.pipedrive.errors import PipedriveError
from pipedrive_orchestration.warehouse import Warehouse

SECONDS_BETWEEN_COMMITS = 5.0
"""The reading that an interruption can undo; each commit costs as much time as typing a dozen pages."""

SECONDS_BETWEEN_COMMITS_OF_A_LAKE = 120.0
"""The same where each commit makes files, which others read and somebody has to merge."""


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

    async def load(self, extraction: Extraction) -> list[RemovedId]:
        """Stage every page, and commit the plan's windows as they are complete.

        Returns:
            The removals that no window tells of, which the last commit has to mark.

        Raises:
            PipedriveError: the account cannot be read; windows that were complete are committed.
            StagingError: pages cannot be staged.
            WarehouseError: the database cannot be opened or written.
        """
        pending = await self._commit_while_reading(extraction)
        committing = asyncio.create_task(self._reconcile_and_commit(pending, is_proof=extraction.is_proof))
        try:
            async with aclosing(extraction.late_pages()) as late_pages:
                async for page in late_pages:
                    await self._stage(page)
        finally:
            await committing
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
        await self._committer.finish(rows, removed)

    async def _commit_while_reading(self, extraction: Extraction) -> list[Window]:
        """Stage everything that is read first. Returns the windows that are left to be committed."""
        pending = list(self._plan.windows)
        committing: asyncio.Task[None] | None = None
        between = _seconds_between_commits(self._context.warehouse)
        due = time.monotonic() + between
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
                    if covered := extraction.covered(pending):
                        await _finished(committing)
                        committing = asyncio.create_task(self._reconcile_and_commit(covered))
                        pending = [window for window in pending if window not in covered]
                        due = time.monotonic() + between
            await self._staging.type_staged()
        except PipedriveError:
            await _finished(committing)
            if self._visibility.is_other:
                raise
            # Where rows are missing, finding out why takes requests, which may fail for the same reason.
            with suppress(PipedriveError):
                await self._reconcile_and_commit(extraction.covered(pending))
            raise
        finally:
            await _finished(committing)
        return pending

    async def _reconcile_and_commit(self, windows: Sequence[Window], *, is_proof: bool = False) -> None:
        if not windows:
            return
        await self._staging.type_staged()
        found = await self._reconciler.reconcile(windows, self._staging.seen, is_proof=is_proof)
        for page in found.pages:
            await self._stage(FetchedPage(page))
        await self._staging.type_staged()
        rows = self._staging.take_typed()
        await self._names.look_up(rows)
        await self._committer.commit(rows, found.removed, windows)

    async def _stage(self, fetched: FetchedPage) -> None:
        await self._staging.add(fetched.page)
        counts = self._staging.counts
        self._context.reporter.read(counts.pages, counts.records, fetched.reached)


async def _finished(task: asyncio.Task[None] | None) -> None:
    if task is not None:
        await task


def _seconds_between_commits(warehouse: Warehouse) -> float:
    return SECONDS_BETWEEN_COMMITS_OF_A_LAKE if warehouse.lake else SECONDS_BETWEEN_COMMITS

"""Reconciliation: what became of rows that a complete reading did not bring, and why."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import httpx

from pipedrive_orchestration.importing.context import ImportContext
from pipedrive_orchestration.importing.plan import OVERLAP, PullPlan, known_until
from pipedrive_orchestration.importing.prior_state import PriorState
from pipedrive_orchestration.importing.removals import (
    RecentRemovals,
    RemovedId,
    current_among,
    missing_rows,
    removed_in_recents,
    restorable_rows,
    without_survivors,
)
from pipedrive_orchestration.importing.report import Pull
from pipedrive_orchestration.importing.staging import StagingFolder
from pipedrive_orchestration.importing.visibility import Visibility
from pipedrive_orchestration.importing.windows import Window
from pipedrive_orchestration.pipedrive.catalogue import RECENTS_DAYS
from pipedrive_orchestration.pipedrive.errors import Refused
from pipedrive_orchestration.pipedrive.lookup import archived_by_ids, records_by_ids
from pipedrive_orchestration.pipedrive.object_types import Paging
from pipedrive_orchestration.pipedrive.pagination import recents_pages, whole_list
from pipedrive_orchestration.pipedrive.responses import Page, whole_characters


@dataclass(slots=True)
class Reconciliation:
    """The findings about rows that did not come.

    Attributes:
        pages: records that are still there, to be loaded like others.
        removed: those that are gone.
        notes: what could not be found out, and why.
        doubt: why all windows have to be read again, if they have to.
    """

    pages: list[Page] = field(default_factory=list)
    removed: list[RemovedId] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    doubt: str | None = None


class Reconciler:
    """Finds out about removals."""

    def __init__(
        self,
        context: ImportContext,
        visibility: Visibility,
        folder: StagingFolder,
        prior: PriorState,
    ) -> None:
        self._context = context
        self._visibility = visibility
        self._folder = folder
        self._known_until = known_until(context, prior)
        self._is_behind = prior.removals_until != prior.watermark
        self._rows = prior.rows_in_windows
        self._recent: RecentRemovals | None = None

    @property
    def removals_until(self) -> datetime | None:
        """Up to when the recents feed has been read, where that is not up to the beginning of this import."""
        # Lists tell of removed deals.
        return self._known_until if self._is_behind and not self._context.object_type.with_deleted else None

    @property
    def may_miss(self) -> bool:
        """Whether there are rows that a reading of the windows can miss."""
        return self._rows > 0

    @property
    def needs_everything(self) -> bool:
        """Whether windows are reconciled only when all of the pull has been read.

        So it is where no list takes ids: what moved on to a later window need not be looked for then, and
        whole lists tell of the rest.
        """
        return self._context.object_type.paging is Paging.OFFSET and self._rows > 0

    async def reconcile(
        self, windows: Sequence[Window] | None, seen: Sequence[Path], *, is_proof: bool = False
    ) -> Reconciliation:
        """Find out about rows that should have come with the windows (None: at all) and did not.

        Args:
            windows: those that were read completely.
            seen: typed files of everything that came.
            is_proof: whether what did not come is not in the list of the records that are not archived.

        Raises:
            HiddenRowsError: many are not there for this user, and were for another one.
            PipedriveError: see :meth:`Client.get`.
            StagingError: a page cannot be staged.
            WarehouseError: the database cannot be opened.
        """
        archived = await self._archived_since_deleted(windows)
        missing = await asyncio.to_thread(self._missing, windows, seen)
        if not missing:
            return Reconciliation(archived)
        context = self._context
        if not context.object_type.partitioned:
            pages = await self._archived_of_snapshot()
            archived_ids = {str(each) for page in pages for each in page.ids(context.object_type.id_key)}
            gone = [record_id for record_id in missing if record_id not in archived_ids]
            await self._visibility.check(len(gone))
            return Reconciliation(pages, [(record_id, "deleted", None) for record_id in gone])
        found = await records_by_ids(
            context.client,
            context.object_type,
            context.definition.query,
            missing,
            are_unlisted=is_proof,
        )
        return Reconciliation([*archived, *found.pages], await self._reasons(found.missing))

    async def _archived_of_snapshot(self) -> list[Page]:
        """The archived records of a collection that is read in full, where it has a list of them."""
        context = self._context
        listing = context.object_type.archived_listing
        if listing is None:
            return []
        query = context.definition.query
        return [page async for page in whole_list(context.client, listing, query, may_be_empty=True)]

    async def _archived_since_deleted(self, windows: Sequence[Window] | None) -> list[Page]:
        """Deals that were deleted, restored and archived: no list that windows are read from has them."""
        context = self._context
        object_type = context.object_type
        if windows is None or not object_type.with_deleted or not context.warehouse.exists:
            return []
        ids = await asyncio.to_thread(self._restorable, windows)
        return await archived_by_ids(context.client, object_type, context.definition.query, ids)

    def _restorable(self, windows: Sequence[Window]) -> list[str]:
        context = self._context
        with context.warehouse.reading() as connection:
            since = context.started_at - timedelta(days=RECENTS_DAYS)
            return restorable_rows(connection, context.source.slug, windows, since)

    async def conclude(self, plan: PullPlan, seen: Sequence[Path]) -> Reconciliation:
        """Find out about the removals that no window tells of, once everything has been read.

        Takes and raises what :meth:`reconcile` does.
        """
        object_type = self._context.object_type
        if not object_type.partitioned:
            return await self.reconcile(None, seen)
        if plan.pull is Pull.CHANGES:
            # Of leads nothing tells of deletions: they show when windows are read.
            if object_type.recents_item is None or object_type.with_deleted:
                return Reconciliation()
            return await self._removed_since(plan.changed_since(self._context))
        if plan.resumed_from is not None and object_type.recents_item:
            return await self._removed_since(plan.resumed_from)
        return Reconciliation()

    def _missing(self, windows: Sequence[Window] | None, seen: Sequence[Path]) -> list[str]:
        context = self._context
        if not context.warehouse.exists:
            return []
        with context.warehouse.reading() as connection:
            return missing_rows(
                connection,
                context.source.slug,
                windows,
                seen,
                context.started_at,
                context.clock.now(),
                has_filter=context.source.filters is not None,
            )

    async def _reasons(self, gone: Sequence[str]) -> list[RemovedId]:
        removed = await self._explained(gone)
        # Of what the recents feed tells, the instant is known.
        await self._visibility.check(sum(removed_at is None for _, _, removed_at in removed))
        return removed

    async def _explained(self, gone: Sequence[str]) -> list[RemovedId]:
        known_until = self._known_until
        if not gone or known_until is None or self._context.object_type.recents_item is None:
            return reasons(gone, RecentRemovals(), all_seen_in_recents=False)
        since = self._news_since(known_until - OVERLAP)
        try:
            recent = self._recent or await self._read_recents(since)
            if self._recent is not None and not recent.explains(gone):
                # What was deleted since it was read may have been so after it.
                recent = await self._read_recents(since)
            self._recent = recent
        except Refused as refused:
            if refused.status != httpx.codes.FORBIDDEN:
                raise
            self._is_behind = True
            return reasons(gone, RecentRemovals(), all_seen_in_recents=False)
        return reasons(gone, recent, all_seen_in_recents=since <= known_until and not recent.has_nameless)

    def _news_since(self, since: datetime) -> datetime:
        """From when on the recents feed has to be read: earlier than asked for where it was not before."""
        if self._known_until is not None:
            since = min(since, self._known_until - OVERLAP)
        return max(since, self._context.began - timedelta(days=RECENTS_DAYS))

    async def _removed_since(self, since: datetime) -> Reconciliation:
        """The removals that the recents feed tells of; records that it only names are looked up."""
        context = self._context
        try:
            recent = await self._read_recents(self._news_since(since))
        except Refused as refused:
            if refused.status != httpx.codes.FORBIDDEN:
                raise
            self._is_behind = True
            return Reconciliation(notes=[_no_recents(refused)])
        named = await asyncio.to_thread(self._current_among, recent.unexplained)
        found = await records_by_ids(context.client, context.object_type, context.definition.query, named)
        gone: list[RemovedId] = [(record_id, "deleted", None) for record_id in found.missing]
        doubt = "the recents feed told of a removal without an id" if recent.has_nameless else None
        return Reconciliation(found.pages, [*recent.removed, *gone], doubt=doubt)

    def _current_among(self, ids: Sequence[str]) -> list[str]:
        context = self._context
        if not ids or not context.warehouse.exists:
            return []
        with context.warehouse.reading() as connection:
            return current_among(connection, context.source.slug, ids)

    async def _read_recents(self, since: datetime) -> RecentRemovals:
        files: list[Path] = []
        longest = 0
        async for page in recents_pages(self._context.client, self._context.object_type, since):
            if page.records:
                lines = whole_characters(page.lines())
                files += self._folder.add(lines)
                longest = max(longest, *map(len, lines.split(b"\n")))
        recent = await asyncio.to_thread(removed_in_recents, files, longest)
        # What a feed without ids has not told, it may tell when it is asked again.
        self._is_behind = recent.has_nameless
        return await asyncio.to_thread(self._judged, recent)

    def _judged(self, recent: RecentRemovals) -> RecentRemovals:
        context = self._context
        if not recent.partners or not context.warehouse.exists:
            return recent
        with context.warehouse.reading() as connection:
            source = context.source
            has_all = source.filters is None and source.pull_existing
            return without_survivors(connection, source.slug, recent, has_all=has_all)


def _no_recents(refused: Refused) -> str:
    return (
        f"the recents feed may not be read ({refused.reason}), so removals show only when windows are read "
        "again; an app needs the scope recents:read or search:read for it"
    )


def reasons(gone: Sequence[str], recent: RecentRemovals, *, all_seen_in_recents: bool) -> list[RemovedId]:
    """Why records are gone.

    Args:
        gone: their ids.
        recent: removals that the recents feed tells of.
        all_seen_in_recents: whether every deletion that could explain them would be in the feed; one
            that is not there is then hidden from the token's user rather than deleted.
    """
    known: dict[str, RemovedId] = {
        record_id: (record_id, "deleted", None) for record_id in recent.unexplained
    }
    known |= {removal[0]: removal for removal in recent.removed}
    otherwise = "invisible" if all_seen_in_recents else "deleted"
    return [known.get(record_id, (record_id, otherwise, None)) for record_id in gone]

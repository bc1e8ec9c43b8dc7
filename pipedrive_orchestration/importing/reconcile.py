"""Settling what became of rows that a complete reading did not bring."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from pipedrive_orchestration.importing.definition import Definition
from pipedrive_orchestration.importing.inbox import Inbox
from pipedrive_orchestration.importing.lookup import look_up
from pipedrive_orchestration.importing.plan import OVERLAP
from pipedrive_orchestration.importing.ranges import Span
from pipedrive_orchestration.importing.recents import recent_changes
from pipedrive_orchestration.importing.removals import RemovedId, missing_rows, removed_in_recents
from pipedrive_orchestration.importing.staging import Stage
from pipedrive_orchestration.importing.visibility import Eyesight
from pipedrive_orchestration.importing.windows import Window
from pipedrive_orchestration.pipedrive.client import Client
from pipedrive_orchestration.pipedrive.object_types import RECENTS_DAYS
from pipedrive_orchestration.pipedrive.responses import whole_characters
from pipedrive_orchestration.warehouse import Warehouse


@dataclass(slots=True)
class Settler:
    """Finds out about removals, and keeps them until a commit takes them.

    Attributes:
        eyesight: is told of what is gone without a trace.
        take: receives the pages of records that a look-up finds.
        started_at: when the import began.
        watermark: from when on removals are news.
    """

    client: Client
    warehouse: Warehouse
    definition: Definition
    eyesight: Eyesight
    staged: Stage
    inbox: Inbox
    take: Callable[[Span], Awaitable[None]]
    started_at: datetime
    watermark: datetime | None
    _removed: list[RemovedId] = field(default_factory=list, init=False)
    _recently_removed: list[RemovedId] | None = field(default=None, init=False)

    def take_removed(self) -> list[RemovedId]:
        """The removals found since the last call."""
        removed, self._removed = self._removed, []
        return removed

    async def settle(self, windows: Sequence[Window] | None) -> None:
        """Find out about rows that should have come with the windows (None: at all) and did not.

        Raises:
            HiddenRowsError: many are not there for this user, and were for another one.
            PipedriveError: see :meth:`Client.get`.
            StagingError: a page cannot be staged.
            WarehouseError: the database cannot be opened.
        """
        await self.inbox.type_staged()
        missing = await asyncio.to_thread(self._missing, windows)
        if not missing:
            return
        if not self.definition.object_type.partitioned:
            await self.eyesight.check(len(missing))
            self._removed += [(record_id, "deleted", None) for record_id in missing]
            return
        settled = await look_up(self.client, self.definition, missing)
        for span in settled.spans:
            await self.take(span)
        removed = await self._reasons(settled.gone)
        # Of what the recents feed tells, the instant is known.
        await self.eyesight.check(sum(removed_at is None for _, _, removed_at in removed))
        self._removed += removed

    async def note_removed_since(self, since: datetime) -> None:
        """Keep the removals that the recents feed tells of.

        Raises:
            PipedriveError: see :meth:`Client.get`.
            StagingError: a page cannot be staged.
        """
        self._removed += await self._removed_since(since)

    def _missing(self, windows: Sequence[Window] | None) -> list[str]:
        if not self.warehouse.exists:
            return []
        slug = self.definition.source.slug
        with self.warehouse.reading() as connection:
            return missing_rows(connection, slug, windows, self.inbox.seen, self.started_at)

    async def _reasons(self, gone: Sequence[str]) -> list[RemovedId]:
        if not gone or self.watermark is None or self.definition.object_type.recents_item is None:
            return reasons(gone, [], all_seen_in_recents=False)
        since = max(self.watermark - OVERLAP, self.started_at - timedelta(days=RECENTS_DAYS))
        if self._recently_removed is None:
            self._recently_removed = await self._removed_since(since)
        return reasons(gone, self._recently_removed, all_seen_in_recents=since <= self.watermark)

    async def _removed_since(self, since: datetime) -> list[RemovedId]:
        pages: list[Path] = []
        longest = 0
        async for page in recent_changes(self.client, self.definition.object_type, since):
            if page.records:
                lines = whole_characters(page.lines())
                pages += self.staged.add(lines)
                longest = max(longest, *map(len, lines.split(b"\n")))
        return await asyncio.to_thread(removed_in_recents, pages, longest)


def reasons(
    gone: Sequence[str], recent: Sequence[RemovedId], *, all_seen_in_recents: bool
) -> list[RemovedId]:
    """Why records are gone.

    Args:
        gone: their ids.
        recent: removals that the recents feed shows.
        all_seen_in_recents: whether every deletion that could explain them would be in the feed; one
            that is not there is then hidden from the token's user rather than deleted.
    """
    known = {removal[0]: removal for removal in recent}
    otherwise = "invisible" if all_seen_in_recents else "deleted"
    return [known.get(record_id, (record_id, otherwise, None)) for record_id in gone]

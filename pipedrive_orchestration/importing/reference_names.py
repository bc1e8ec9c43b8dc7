"""The names of one object type's records in an import, and the cheapest way to read those that are needed.

Changes of names are read where names are known already. Others are looked up, by 100 ids a request or one by
one, or the whole list is read where that costs less.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from pipedrive_orchestration.importing.definition import DerivedColumn
from pipedrive_orchestration.importing.ranges import Range, RangeReader
from pipedrive_orchestration.importing.staging import Staging
from pipedrive_orchestration.pipedrive.client import Client
from pipedrive_orchestration.pipedrive.errors import Refused
from pipedrive_orchestration.pipedrive.lookup import newest_id, records_by_ids
from pipedrive_orchestration.pipedrive.object_types import (
    MAX_IDS_PER_REQUEST,
    MAX_PAGE_SIZE,
    ObjectType,
    Paging,
)
from pipedrive_orchestration.pipedrive.pagination import pages
from pipedrive_orchestration.pipedrive.responses import Page
from pipedrive_orchestration.warehouse.instances import duckdb_instance
from pipedrive_orchestration.warehouse.references import ReferenceTable
from pipedrive_orchestration.warehouse.sql import literal
from pipedrive_orchestration.warehouse.tables import Column

OVERLAP = timedelta(minutes=5)
"""The time before the last reading at which changes of names are read again: some become visible late."""

LOOKUPS_AT_ONCE = 6
"""Requests by ids under way at the same time."""

LEAST_WORTH_ASKING = 3
"""Requests by ids from which on it is asked how long the whole list is, which is a request too."""

MAX_TOKENS_ONE_BY_ONE = 200
"""Tokens for look-ups one by one after which a list is read instead that does not say how long it is."""

MAX_REQUESTS_TO_SHOW = 5
"""Requests for names of an object type that an import makes for the labelled view alone; none where each
id takes a request."""


@dataclass(slots=True)
class ReferenceNames:
    """The names of one object type, in one import.

    Attributes:
        client: the connection in use.
        columns: the columns of the import's rows that hold them; none where only the labelled view does.
        shown: the columns of references that the labelled view shows them for.
        known: a file of the names that the warehouse has.
        since: from when on changes have to be read; None where nothing is known yet.
        unknown: ids in the source's table that the warehouse has no names for.
        files: typed files of what was read.
        written: how many of these, and of the ids that are missing, are written.
        missing: ids that were looked for and not found.
        watermark: up to when changes are among what was read, until it is written.
        revision: of the names that the warehouse had, and has after every commit of this import if nobody
            else has changed them; None if that is not known any more.
        recalled: the revision of the names that the warehouse had when the import began.
        used: the revision by which the source's filter was last evaluated.
        refusal: why nothing more of them can be read.
        spent: tokens of look-ups.
        records: how many records there are at most, once it was asked.
        is_listed: whether the whole list was read.
    """

    client: Client
    object_type: ObjectType
    table: ReferenceTable
    staging: Staging
    columns: tuple[DerivedColumn, ...]
    shown: tuple[Column, ...] = ()
    known: Path | None = None
    since: datetime | None = None
    unknown: list[str] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    written: tuple[int, int] = (0, 0)
    watermark: datetime | None = None
    revision: int | None = 0
    recalled: int = 0
    used: int | None = None
    refusal: Refused | None = None
    spent: int = 0
    records: int | None = None
    is_listed: bool = False

    @property
    def is_short(self) -> bool:
        """Whether the whole list is read in each import."""
        return not self.object_type.partitioned

    @property
    def note(self) -> str | None:
        """A sentence on names that may not be read."""
        if self.refusal is None:
            return None
        empty = ", ".join(column.column.key for column in self.columns)
        lost = f"{empty} stay as they are" if empty else "the labelled view shows ids alone"
        return (
            f"the names of {self.object_type.name} may not be read ({self.refusal.reason}), so {lost}; "
            f"an app needs the scope {' or '.join(self.object_type.scopes)} for it"
        )

    async def estimate(self, records: int) -> int:
        """Tokens that they may still cost if so many records come that refer to them.

        Raises:
            PipedriveError: see :meth:`Client.get`.
        """
        if not self.columns or self.is_short or self.known is not None or self.files:
            return 0
        self.records = await newest_id(self.client, self.object_type)
        return tokens_of_names(self.object_type, self.records, records)

    async def refresh(self, began: datetime) -> None:
        """Read what may have changed of them, and those that rows of the source lack.

        Args:
            began: when the import began, by Pipedrive's clock.

        Raises:
            PipedriveError: see :meth:`Client.get`; a refusal is kept as `refusal`.
        """
        if self.is_short:
            await self.read_whole()
            return
        if self.since is not None:
            since = self.since - OVERLAP
            await self._unless_refused(self._read_range((since, None)))
        if self.refusal is None:
            self.watermark = began
        await self.look_up(self.unknown)

    async def look_up_few(self, ids: Sequence[str]) -> None:
        """Read those of some ids, for the labelled view alone, as far as it does not take much.

        Raises:
            PipedriveError: see :meth:`refresh`.
        """
        if not ids or (self.is_short and self.is_listed):
            return
        few = ids[: MAX_REQUESTS_TO_SHOW * MAX_IDS_PER_REQUEST]
        if self.is_short:
            await self.read_whole()
            found = await asyncio.to_thread(self._ids_read)
            self.missing += [record_id for record_id in ids if record_id not in found]
        elif self.object_type.paging is Paging.CURSOR:
            await self._unless_refused(self._read_ids(few))
        # So that it is not tried again with every import.
        if self.refusal is not None and not self.is_short:
            self.missing += few

    async def look_up(self, ids: Sequence[str]) -> None:
        """Read those of some ids, or all where that costs less.

        Raises:
            PipedriveError: see :meth:`refresh`.
        """
        if ids:
            await self._unless_refused(self._look_up_cheaply(ids))

    async def _look_up_cheaply(self, ids: Sequence[str]) -> None:
        if not self.is_listed and await self._is_listing_cheaper(ids):
            self.is_listed = True
            await self._read_range((None, None))
            found = await asyncio.to_thread(self._ids_read)
            ids = [record_id for record_id in ids if record_id not in found]
        self.spent += _tokens_by_ids(self.object_type, len(ids))
        await self._read_ids(ids)

    async def _is_listing_cheaper(self, ids: Sequence[str]) -> bool:
        """Whether the whole list costs less than looking up what is needed, and was until now."""
        object_type = self.object_type
        needed = self.spent + _tokens_by_ids(object_type, len(ids))
        if needed <= LEAST_WORTH_ASKING * object_type.list_cost:
            return False
        if object_type.paging is not Paging.CURSOR:
            return needed > MAX_TOKENS_ONE_BY_ONE
        if self.records is None:
            self.records = await newest_id(self.client, object_type)
        return tokens_of_list(object_type, self.records) < needed

    def _ids_read(self) -> set[str]:
        if not self.files:
            return set()
        with duckdb_instance() as connection:
            rows = connection.execute(
                f"SELECT _id::VARCHAR FROM {rows_of(self.files)} WHERE _id IS NOT NULL"
            ).fetchall()
        return {record_id for (record_id,) in rows}

    async def _read_ids(self, ids: Sequence[str]) -> None:
        chunks = [
            ids[start : start + MAX_IDS_PER_REQUEST] for start in range(0, len(ids), MAX_IDS_PER_REQUEST)
        ]
        for start in range(0, len(chunks), LOOKUPS_AT_ONCE):
            founds = await asyncio.gather(
                *(
                    records_by_ids(self.client, self.object_type, {}, chunk)
                    for chunk in chunks[start : start + LOOKUPS_AT_ONCE]
                )
            )
            for found in founds:
                self.missing += found.missing
                await self._stage(found.pages)

    async def read_whole(self) -> None:
        """Read the whole list.

        Raises:
            PipedriveError: see :meth:`refresh`.
        """
        await self._unless_refused(self._read_whole())

    async def _read_whole(self) -> None:
        self.is_listed = True
        # No name is given up because it does not come, so that an empty list does no harm.
        for listing in filter(None, (self.object_type.listing, self.object_type.archived_listing)):
            listed = pages(self.client, listing, {}, may_be_empty=True)
            await self._stage([page async for page in listed])

    async def _read_range(self, span: Range) -> None:
        reader = RangeReader(self.client, self.object_type.listing, {}, [span], may_be_empty=True)
        async with aclosing(reader.pages()) as fetched:
            async for each in fetched:
                await self.staging.add(each.page)
        await self._stage(())

    async def _stage(self, found: Iterable[Page]) -> None:
        for page in found:
            await self.staging.add(page)
        await self.staging.type_staged()
        self.files += self.staging.take_typed()

    async def _unless_refused(self, reading: Coroutine[Any, Any, None]) -> None:
        try:
            await reading
        except Refused as refused:
            self.refusal = refused


def _tokens_by_ids(object_type: ObjectType, count: int) -> int:
    if object_type.paging is Paging.CURSOR:
        return object_type.list_cost * -(-count // MAX_IDS_PER_REQUEST)
    return (object_type.get_cost or object_type.list_cost) * count


def tokens_of_list(object_type: ObjectType, records: int) -> int:
    """Tokens for reading every record of a collection that has so many at most."""
    return object_type.list_cost * max(1, -(-records // MAX_PAGE_SIZE))


def tokens_of_names(object_type: ObjectType, referenced: int, records: int) -> int:
    """Tokens for the names behind a reference: of all that there are, or of all that are needed.

    Args:
        object_type: what the reference refers to.
        referenced: how many records of that there are at most; 0 where it is not known.
        records: how many records refer to them.
    """
    by_ids = _tokens_by_ids(object_type, records)
    return min(by_ids, tokens_of_list(object_type, referenced)) if referenced else by_ids


def rows_of(files: Iterable[Path]) -> str:
    """SQL of the rows of typed files of names."""
    # A file of what an unfiltered source has lacks columns that typed pages have.
    listed = ", ".join(literal(str(file)) for file in files)
    return f"read_parquet([{listed}], union_by_name = true)"

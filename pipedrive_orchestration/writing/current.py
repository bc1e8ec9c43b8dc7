"""Records as they are at Pipedrive now: by their ids, or made since an instant."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import msgspec

from pipedrive_orchestration.pipedrive.client import Client, Query
from pipedrive_orchestration.pipedrive.errors import Refused
from pipedrive_orchestration.pipedrive.lookup import records_by_ids
from pipedrive_orchestration.pipedrive.object_types import MAX_PAGE_SIZE, Listing, Paging
from pipedrive_orchestration.pipedrive.pagination import page_reader, pages
from pipedrive_orchestration.pipedrive.requests import ADD_TIMES, WritableType
from pipedrive_orchestration.pipedrive.responses import OddBody, Page, data_of, parse_time
from pipedrive_orchestration.writing.changes import Change, above_of

Record = Mapping[str, Any]

TOLERANCE = timedelta(seconds=5)
"""How far the instant of a request and that of the record which it made may lie apart."""

NULLS = 3
"""After how many answers of ``data: null`` it is believed that a list of v1 is empty."""

FOUND_TOGETHER = frozenset(
    {"deals", "persons", "organizations", "activities", "products", "leads", "notes", "files"}
)
"""The collections of which many records can be looked for at once: by their ids, or in a sorted list."""

SORTED = FOUND_TOGETHER | {"pipelines", "stages"}
"""The collections whose lists can be had newest first; others are read whole."""

GONE = (404, 410)
"""Answers that say that a record is not there."""


class CurrentRecords:
    """The records of one collection, read as seldom as it costs least.

    Args:
        client: the connection in use.
        writable: the collection.
    """

    def __init__(self, client: Client, writable: WritableType) -> None:
        self._client = client
        self._writable = writable

    def id_of(self, record: Record, parents: Sequence[str]) -> str | int:
        """The id of a record as it is given: below others, with theirs before it."""
        own: str | int = record[self._writable.id_key]
        return "/".join((*parents, str(own))) if parents else own

    async def read(
        self, ids: Sequence[str | int], keys: Collection[str] | Mapping[str, Any] = ()
    ) -> dict[str, Record]:
        """The records of some ids as they are now, by id as text; those that are deleted are left out.

        Args:
            ids: which; 100 of them are one request where a list takes ids.
            keys: of the properties that are looked at.

        Raises:
            PipedriveError: see :meth:`Client.get`.
        """
        query = self._query(keys)
        object_type = self._writable.object_type
        if self._costs_less_singly(len(ids)):
            read = [await self._read_one(one, query) for one in ids]
            return {str(one): record for one, record in zip(ids, read, strict=True) if record is not None}
        if self._writable.parents:
            return await self._read_below(ids)
        assert object_type is not None, "what is in no list is read singly, or below others"
        if object_type.paging is Paging.NONE or not self._writable.get_cost:
            wanted = {str(one) for one in ids}
            id_key = self._writable.id_key
            records = [one for one in await self._whole(object_type.listing) if str(one[id_key]) in wanted]
            return {str(record[id_key]): record for record in records if not _is_deleted(record)}
        found = await records_by_ids(self._client, object_type, query, [str(one) for one in ids])
        records = [record for page in found.pages for record in _decoded(page)]
        return {str(record["id"]): record for record in records if not _is_deleted(record)}

    async def read_whatever(self, record_id: str | int) -> Record | None:
        """A record by its id as it is now, deleted or not; None where it is not there any more.

        Raises:
            PipedriveError: see :meth:`Client.get`.
        """
        return await self._get(record_id, {})

    async def _get(self, record_id: str | int, query: Query) -> Record | None:
        try:
            return await self._client.get(
                self._writable.place(record_id),
                query,
                cost=self._writable.get_cost,
                read=partial(_one_record, self._writable),
            )
        except Refused as refused:
            if refused.status in GONE:
                return None
            raise

    async def _read_below(self, ids: Sequence[str | int]) -> dict[str, Record]:
        """Records below others, out of the lists of their parents."""
        wanted = {str(one) for one in ids}
        found = {}
        for parents, records in (await self._lists_below({above_of(one) for one in wanted})).items():
            for record in records:
                record_id = str(self.id_of(record, parents))
                if record_id in wanted and not _is_deleted(record):
                    found[record_id] = record
        return found

    async def _lists_below(self, above: Collection[tuple[str, ...]]) -> dict[tuple[str, ...], list[Record]]:
        """The records below each of some parents, of as many at once as one list can name."""
        object_type = self._writable.object_type
        parent = object_type.parent if object_type else None
        if object_type is None or parent is None or parent.batch == 1 or parent.property is None:
            return {parents: await self._below(parents) for parents in sorted(above)}
        found: dict[tuple[str, ...], list[Record]] = {parents: [] for parents in above}
        named = sorted(one for (one,) in above)
        for start in range(0, len(named), parent.batch):
            listing, query = object_type.children_listing(named[start : start + parent.batch])
            async for page in pages(self._client, listing, query, may_be_empty=True):
                for record in _decoded(page):
                    found.setdefault((str(record[parent.property]),), []).append(record)
        return found

    async def _below(self, parents: Sequence[str]) -> list[Record]:
        """The records below some others; none where a parent is gone."""
        object_type = self._writable.object_type
        try:
            if object_type is None:
                # Options of a field come with it.
                above = self._writable.within(list(parents)).rpartition("/")[0]
                field = await self._client.get(above, {}, cost=1, read=_field)
                return list(field["options"] or ())
            listing, query = object_type.children_listing(parents)
            listed = pages(self._client, listing, query, may_be_empty=True)
            return [record async for page in listed for record in _decoded(page)]
        except Refused as refused:
            if refused.status in GONE:
                return []
            raise

    def _costs_less_singly(self, count: int) -> bool:
        """Whether so many records cost less one by one than as a list, or no list takes their ids."""
        object_type, cost = self._writable.object_type, self._writable.get_cost
        if not cost or object_type is None:
            return bool(cost)
        if object_type.paging is not Paging.NONE and object_type.name not in FOUND_TOGETHER:
            return True
        return count * cost < object_type.list_cost

    def _query(self, keys: Collection[str] | Mapping[str, Any]) -> Query:
        object_type = self._writable.object_type
        optional = [key for key in (object_type.include_fields if object_type else ()) if key in keys]
        return {"include_fields": ",".join(optional)} if optional else {}

    async def _read_one(self, record_id: str | int, query: Query) -> Record | None:
        record = await self._get(record_id, query)
        return None if record is None or _is_deleted(record) else record

    async def made_since(
        self, creations: Sequence[Change], since: datetime
    ) -> AsyncIterator[tuple[Sequence[str], Record]]:
        """Records that were made since an instant, newest first, and perhaps some older ones.

        With each come the ids of what it is below.

        Args:
            creations: what is looked for.
            since: by Pipedrive's clock.

        Raises:
            PipedriveError: see :meth:`Client.get`.
        """
        object_type = self._writable.object_type
        dated_by_hand = any("add_time" in change.after for change in creations)
        if self._writable.parents or object_type is None or object_type.parent is not None:
            for parents, record in await self._beside(creations):
                if dated_by_hand or _made_since(record, since):
                    yield parents, record
            return
        listings = [object_type.listing]
        if object_type.archived_listing is not None and any(
            one.after.get("is_archived") for one in creations
        ):
            listings.append(object_type.archived_listing)
        for listing in listings:
            if object_type.name not in SORTED:
                records = await self._whole(listing)
            else:
                newest = self._newest(listing, since, only_one=dated_by_hand)
                records = [record async for page in newest for record in _decoded(page)]
            for record in records:
                if dated_by_hand or _made_since(record, since):
                    yield (), record

    async def _whole(self, listing: Listing) -> list[Record]:
        """The records of a list that comes in one answer; an empty answer is believed once it is repeated."""
        if listing.paging is not Paging.NONE or not listing.is_plain:
            listed = pages(self._client, listing, {}, may_be_empty=True)
            return [record async for page in listed for record in _decoded(page)]
        read = page_reader(listing, nulls=NULLS)
        return _decoded(await self._client.get(listing.path, {}, cost=listing.cost, read=read))

    async def _beside(self, creations: Sequence[Change]) -> list[tuple[Sequence[str], Record]]:
        """All records below the parents of new ones; a relationship is below its owner."""
        owner = "rel_owner_org_id"
        parents = {
            (str(change.after[owner]),) if owner in change.after else change.parents for change in creations
        }
        if not self._writable.parents:
            return [((), record) for one in sorted(parents) for record in await self._below(one)]
        lists = await self._lists_below(parents)
        return [(one, record) for one, records in lists.items() for record in records]

    async def _newest(self, listing: Listing, since: datetime, *, only_one: bool) -> AsyncIterator[Page]:
        """Pages of a list by descending id, or by age where ids have no order, to what is older."""
        if listing.paging is Paging.CURSOR:
            query: dict[str, str | int] = {"sort_by": "id", "sort_direction": "desc"}
        else:
            query = {"sort": "add_time DESC" if self._writable.name == "leads" else "id DESC"}
        size = min(MAX_PAGE_SIZE, listing.page_size)
        query["limit"] = size
        read = partial(page_reader, listing, nulls=NULLS)
        while True:
            page = await self._client.get(listing.path, query, cost=listing.cost, read=read())
            yield page
            records = _decoded(page)
            is_last = page.next is None or not page.goes_on(size)
            if only_one or is_last or not records or not _made_since(records[-1], since):
                return
            assert page.next is not None
            query["cursor" if listing.paging is Paging.CURSOR else "start"] = page.next


def _field(body: bytes) -> Record:
    field = data_of(body)
    if not isinstance(field, Mapping) or "options" not in field:
        raise OddBody("the body has no field")
    return field


def opened(answer: Any, writable: WritableType) -> Any:
    """The record that an answer has, out of what it lies in."""
    if isinstance(answer, list) and len(answer) == 1:
        return answer[0]
    return answer.get(writable.inner) if writable.inner and isinstance(answer, Mapping) else answer


def _one_record(writable: WritableType, body: bytes) -> Record:
    record = opened(data_of(body), writable)
    if not isinstance(record, Mapping) or record.get(writable.id_key) is None:
        # One that is not there is answered with 404.
        raise OddBody("the body has no record")
    return record


def _decoded(page: Page) -> list[Record]:
    return [msgspec.json.decode(record) for record in page.whole_records()]


def _is_deleted(record: Record) -> bool:
    if record.get("is_deleted") or record.get("deleted_flag") or record.get("status") == "deleted":
        return True
    # A user who is not active is still there.
    return record.get("active_flag") is False and "is_you" not in record


def _made_since(record: Record, since: datetime) -> bool:
    written = next((record[key] for key in ADD_TIMES if record.get(key)), None)
    return not written or parse_time(str(written)) >= since - TOLERANCE

"""Look-ups of records: by their ids, by their name, and the newest of all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import partial

import msgspec

from pipedrive_orchestration.pipedrive.client import Client, Query
from pipedrive_orchestration.pipedrive.errors import Refused
from pipedrive_orchestration.pipedrive.object_types import (
    MAX_IDS_PER_REQUEST,
    MAX_PAGE_SIZE,
    Bounds,
    Listing,
    ObjectType,
    Paging,
)
from pipedrive_orchestration.pipedrive.pagination import latest_pages, page_reader, pages, range_pages
from pipedrive_orchestration.pipedrive.responses import BrokenBody, Page, open_page, whole_characters

AT_ONCE = 6
"""Requests for one record each under way at the same time."""

SEARCH_COST = 20
"""Tokens of one search (OpenAPI, ``x-token-cost``)."""

SEARCH_LIMIT = 100
"""Results asked for at once: above that, some accounts answer 400 (docs/pipedrive-api.md#search)."""


@dataclass(slots=True)
class Found:
    """The records found for some ids.

    Attributes:
        pages: records that are still there, in whatever state.
        missing: ids that nothing was found for.
    """

    pages: list[Page] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)


async def records_by_ids(
    client: Client, object_type: ObjectType, query: Query, ids: Sequence[str], *, are_unlisted: bool = False
) -> Found:
    """Look for records by their ids: 100 at a time where a list takes ids, else in the lists or one by one.

    Args:
        client: the connection in use.
        object_type: whose records.
        query: what a list has to be asked for so that the wanted values come.
        ids: as texts.
        are_unlisted: whether the list of the records that are not archived has just been read to its end, and
            has none of them. Where no list takes ids, it is not read again for that.

    Raises:
        PipedriveError: see :meth:`Client.get`.
    """
    found = Found()
    if object_type.paging is Paging.OFFSET:
        places = object_type.places[1:] if are_unlisted else object_type.places
        await _look_up_in_lists(client, object_type, places, query, ids, found)
        return found
    remaining = list(ids)
    for listing in object_type.places:
        remaining = await _look_up_in(
            client, listing, {**query, **object_type.with_deleted}, remaining, found
        )
    found.missing += remaining
    return found


async def _look_up_in_lists(
    client: Client,
    object_type: ObjectType,
    places: Sequence[Listing],
    query: Query,
    ids: Sequence[str],
    found: Found,
) -> None:
    """Look through whole lists, as long as that costs no more than to ask for each record would.

    How long a list is shows only when it has been read. So both ways together cost at most twice what the
    cheaper one does. A list that says with ``data: null`` that it has no records is no proof that the wanted
    ones are gone: each of them is asked for then.
    """
    assert object_type.get_cost is not None
    left = object_type.get_cost * len(ids)
    wanted = dict.fromkeys(ids)
    if left >= sum(listing.cost for listing in places):
        for listing in places:
            is_null = False
            async with aclosing(_whole_list(client, listing, query)) as whole_list:
                async for page in whole_list:
                    left -= listing.cost
                    is_null = page.is_null
                    _take_wanted(page, wanted, found)
                    if left < 0 or not wanted:
                        break
            if left < 0 or not wanted or is_null:
                break
        else:
            found.missing += wanted
            return
    for record_id in wanted:
        await _look_up_one(client, object_type, record_id, found)


async def _whole_list(client: Client, listing: Listing, query: Query) -> AsyncGenerator[Page, None]:
    if listing.bounds is Bounds.ORDER:
        whole_list = latest_pages(client, listing, query, None)
    else:
        whole_list = range_pages(client, listing, query, None, None, may_be_empty=True)
    async for page in whole_list:
        yield page


def _take_wanted(page: Page, wanted: dict[str, None], found: Found) -> None:
    records = []
    for record, record_id in zip(page.records, page.ids(), strict=True):
        if str(record_id).lower() in wanted:
            del wanted[str(record_id).lower()]
            records.append(record)
    if records:
        found.pages.append(Page(records, has_line_feeds=page.has_line_feeds))


async def archived_by_ids(
    client: Client, object_type: ObjectType, query: Query, ids: Sequence[str]
) -> list[Page]:
    """The pages of those records that are archived among some ids.

    Raises:
        PipedriveError: see :meth:`Client.get`.
    """
    found = Found()
    if object_type.archived_listing is not None:
        await _look_up_in(client, object_type.archived_listing, query, ids, found)
    return [page for page in found.pages if page.records]


class _Identified(msgspec.Struct):
    id: int | str


async def _look_up_in(
    client: Client, listing: Listing, query: Query, ids: Sequence[str], found: Found
) -> list[str]:
    """Look into one list. Returns the ids that it does not have."""
    met: set[str] = set()
    for start in range(0, len(ids), MAX_IDS_PER_REQUEST):
        asked = ",".join(ids[start : start + MAX_IDS_PER_REQUEST])
        page = await client.get(
            listing.path,
            {**query, "ids": asked, "limit": MAX_PAGE_SIZE},
            cost=listing.cost,
            read=page_reader(listing, nulls=None),
        )
        met |= {str(msgspec.json.decode(record, type=_Identified).id) for record in page.records}
        found.pages.append(page)
    return [record_id for record_id in ids if record_id not in met]


class _One(msgspec.Struct):
    success: bool
    data: msgspec.Raw


class _State(msgspec.Struct):
    active_flag: bool = True


async def alone(client: Client, object_type: ObjectType, page: Page) -> Page:
    """The records of a page as each is answered by itself, with what no list has.

    Costs ``get_cost`` tokens for each. Those that are gone by now are left out.

    Raises:
        PipedriveError: see :meth:`Client.get`.
    """
    ids = [record_id for record_id in page.ids(object_type.id_key) if record_id is not None]
    records: list[msgspec.Raw] = []
    for start in range(0, len(ids), AT_ONCE):
        some = ids[start : start + AT_ONCE]
        found = await asyncio.gather(*(_alone(client, object_type, record_id) for record_id in some))
        records += [record for record in found if record is not None]
    return Page(records, page.next, page.more)


async def _alone(client: Client, object_type: ObjectType, record_id: int | str) -> msgspec.Raw | None:
    assert object_type.get_cost is not None
    path, query = f"{object_type.path}/{record_id}", dict(object_type.alone_query)
    try:
        return await client.get(path, query, cost=object_type.get_cost, read=_open_one)
    except Refused as refused:
        if refused.status not in (404, 410):
            raise
        return None


async def _look_up_one(client: Client, object_type: ObjectType, record_id: str, found: Found) -> None:
    assert object_type.get_cost is not None
    try:
        record = await client.get(
            f"{object_type.path}/{record_id}", {}, cost=object_type.get_cost, read=_open_one
        )
    except Refused as refused:
        if refused.status not in (404, 410):
            raise
        found.missing.append(record_id)
        return
    # A deleted note is still answered, as inactive (docs/pipedrive-api.md#deletions-merges-and-archiving).
    if msgspec.json.decode(record, type=_State).active_flag:
        found.pages.append(Page([record]))
    else:
        found.missing.append(record_id)


def _open_one(body: bytes) -> msgspec.Raw:
    try:
        one = msgspec.json.decode(whole_characters(body), type=_One)
    except msgspec.DecodeError as error:
        raise BrokenBody(f"the body is not a record ({error})") from None
    if not one.success:
        raise BrokenBody("the body says success: false")
    return one.data.copy()


async def newest_id(client: Client, object_type: ObjectType) -> int:
    """The newest record's id: no list has more records than that. 0 where it cannot be asked for.

    Lists that cannot be bounded are short, and some cannot be sorted.

    Raises:
        PipedriveError: see :meth:`Client.get`.
    """
    if object_type.paging is not Paging.CURSOR or not object_type.partitioned:
        return 0
    page = await client.get(
        object_type.path,
        {"sort_by": "id", "sort_direction": "desc", "limit": 1},
        cost=object_type.list_cost,
        read=partial(open_page, paging=object_type.paging),
    )
    return int(msgspec.json.decode(page.records[0], type=_Identified).id) if page.records else 0


class NamedRecord(msgspec.Struct):
    """A record's id and name."""

    id: int | str
    name: str | None = None


class _Hit(msgspec.Struct):
    item: NamedRecord


class _Hits(msgspec.Struct):
    items: list[_Hit] = []


class _Continuation(msgspec.Struct):
    next_cursor: str | None = None


class _SearchAnswer(msgspec.Struct):
    success: bool
    data: _Hits | None = None
    additional_data: _Continuation | None = None


_named = msgspec.json.Decoder(NamedRecord)
_search_answers = msgspec.json.Decoder(_SearchAnswer)


async def named_records(client: Client, object_type: ObjectType) -> list[NamedRecord]:
    """All records of a short list that have a name.

    Raises:
        PipedriveError: see :meth:`Client.get`.
    """
    records = [
        _named.decode(record)
        async for page in pages(client, object_type.listing, {})
        for record in page.whole_records()
    ]
    return [record for record in records if record.name]


async def records_by_name(client: Client, object_type: ObjectType, name: str) -> list[NamedRecord]:
    """The records of that whole name, in any case; a new record can take some seconds to be found.

    Searches as OpenAPI's ``/organizations/search`` and ``/persons/search`` (docs/pipedrive-api.md#search).

    Raises:
        PipedriveError: see :meth:`Client.get`.
    """
    asked: dict[str, str | int] = {
        "term": name,
        "fields": "name",
        "exact_match": "true",
        "limit": SEARCH_LIMIT,
    }
    records: list[NamedRecord] = []
    while True:
        answer = await client.get(f"{object_type.path}/search", asked, cost=SEARCH_COST, read=_open_search)
        hits = answer.data.items if answer.data else []
        records += [hit.item for hit in hits if hit.item.name]
        following = answer.additional_data.next_cursor if answer.additional_data else None
        if not following or following == asked.get("cursor"):
            return records
        asked["cursor"] = following


def _open_search(body: bytes) -> _SearchAnswer:
    try:
        answer = _search_answers.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BrokenBody(f"the body is not a list of search results ({error})") from None
    if not answer.success:
        raise BrokenBody("the body says success: false")
    return answer

"""Lists page after page, whatever way they are paged, and ranges of ``update_time`` of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import msgspec

from pipedrive_orchestration.pipedrive.catalogue import RECENTS
from pipedrive_orchestration.pipedrive.client import Client, Query
from pipedrive_orchestration.pipedrive.errors import EndlessList, Refused, UnprovenEnd
from pipedrive_orchestration.pipedrive.object_types import (
    MAX_PAGE_SIZE,
    Bounds,
    Listing,
    ObjectType,
    Paging,
    Single,
)
from pipedrive_orchestration.pipedrive.responses import (
    NO_RECORDS,
    NoRecords,
    OddBody,
    Page,
    open_answer,
    parse_time,
    whole_characters,
)

_NEXT_PARAMETER = {Paging.CURSOR: "cursor", Paging.OFFSET: "start"}

MAX_RESTARTS = 3
"""The number of times that a list is begun anew after a lost cursor without getting any further."""

MAX_STEPS_BACK = 50
"""The number of steps back in a list that shifts without getting any further."""

NULLS_FOR_NOTHING = 2
"""Answers of ``data: null`` in a row that say that a whole list has no records, where it may have none."""

Resumption = Callable[[Page], Mapping[str, str]]
"""The parameters that make a list begin where a page ends, as text that grows with it; none where nothing
does."""


def page_size(listing: Listing) -> int:
    """The number of records that a page of a list is asked to have."""
    return min(listing.page_size, MAX_PAGE_SIZE)


def page_reader(listing: Listing, *, nulls: int | None) -> Callable[[bytes], Page]:
    """Opens the answers to one request.

    A full page by cursor that does not say whether there is more is asked for once more: without a cursor
    the list can only be gone on with from a time.

    Args:
        listing: the list.
        nulls: after how many answers of ``data: null``, where v1 may write that, it is believed that there
            are no records (docs/pipedrive-api.md#pagination); None where there must be some.

    Raises:
        BrokenBody: see :func:`open_answer`.
        NoRecords: likewise; also where ``data: null`` is not believed, or not yet.
        OddBody: likewise; also the first answer of that kind.
    """
    doubted = False
    met = 0

    def read(body: bytes) -> Page:
        nonlocal doubted, met
        page = open_answer(body, listing)
        if page.is_null:
            met += 1
            if nulls is None or met < nulls:
                raise NoRecords(NO_RECORDS)
        without_end = page.more is None and page.goes_on(page_size(listing))
        if without_end and listing.paging is Paging.CURSOR and not doubted:
            doubted = True
            raise OddBody("the page is full and does not say whether there is more")
        return page

    return read


def nulls_of_whole(*, may_be_empty: bool) -> int | None:
    """After how many answers of ``data: null`` it is believed that a whole list has no records.

    Such answers were observed where there are none, and what does not come in a reading of everything is
    taken for gone: a list that had records never becomes empty by them.
    """
    return NULLS_FOR_NOTHING if may_be_empty else None


def pages(
    client: Client, listing: Listing, query: Query, *, may_be_empty: bool = False
) -> AsyncIterator[Page]:
    """Every page of a list, in the order Pipedrive gives them; from the first page again if a cursor is lost.

    Args:
        client: the connection in use.
        listing: the list.
        query: filters, bounds and order; ``limit`` is added here.
        may_be_empty: whether an odd way to say that there are no records is believed; v2 has none.

    Raises:
        EndlessList: the list goes round in circles.
        UnprovenEnd: it breaks off without saying that it ends.
        PipedriveError: see :meth:`Client.get`.
    """

    def read(asked: Query) -> AsyncIterator[Page]:
        return _follow(client, listing, asked, nulls=nulls_of_whole(may_be_empty=may_be_empty))

    return read(query) if listing.is_plain else _answers(client, listing, query, read)


def whole_list(
    client: Client, listing: Listing, query: Query, *, may_be_empty: bool = False
) -> AsyncIterator[Page]:
    """Every page of a list that is to be complete, though it may shift while it is read.

    Takes and raises what :func:`pages` does.
    """
    if listing.paging is not Paging.OFFSET:
        return pages(client, listing, query, may_be_empty=may_be_empty)
    nulls = nulls_of_whole(may_be_empty=may_be_empty)

    def read(asked: Query) -> AsyncIterator[Page]:
        return shifting_pages(client, listing, asked, nulls=nulls)

    return read(query) if listing.is_plain else _answers(client, listing, query, read)


async def _answers(
    client: Client, listing: Listing, query: Query, read: Callable[[Query], AsyncIterator[Page]]
) -> AsyncIterator[Page]:
    """The pages of all questions of a list; one that another follows says that there is more."""
    before: Page | None = None
    async for question in _questions(client, listing):
        try:
            async for page in read({**query, **question}):
                if before is not None:
                    yield replace(before, more=True)
                before = page
        except Refused as refused:
            # A parent that was deleted since the list of parents came has no records any more.
            if listing.parents is None or refused.status not in (404, 410):
                raise
    if before is not None:
        yield before


async def _questions(client: Client, listing: Listing) -> AsyncIterator[Query]:
    for question in listing.questions:
        if listing.parents is None:
            yield dict(question)
            continue
        async for page in pages(client, listing.parents, {}, may_be_empty=True):
            for parent in page.ids(listing.parents.id_key):
                yield {**dict(question), listing.parameter: str(parent)}


def children_pages(
    client: Client, listing: Listing, query: Query, *, may_be_empty: bool
) -> AsyncIterator[Page]:
    """The children of a parent or of some; most parents have none, which v1 may say with ``data: null``.

    Takes and raises what :func:`pages` does.
    """
    nulls = 1 if may_be_empty else None
    if listing.paging is Paging.OFFSET:
        return shifting_pages(client, listing, query, nulls=nulls)
    if isinstance(listing.records, Single):
        return _only_child(client, listing, query)
    return _follow(client, listing, query, nulls=nulls)


async def _only_child(client: Client, listing: Listing, query: Query) -> AsyncIterator[Page]:
    """The page of the only child that a parent can have; none where it has none."""
    try:
        async for page in _follow(client, listing, query):
            yield page
    except Refused as refused:
        if refused.status not in (404, 410):
            raise


def latest_first(listing: Listing) -> dict[str, str]:
    """The query that brings the latest changes first, where a list can be sorted so."""
    if listing.bounds is Bounds.NONE:
        return {}
    if listing.paging is Paging.OFFSET:
        return {"sort": "update_time DESC"}
    return {"sort_by": "update_time", "sort_direction": "desc"}


def bounds_of(listing: Listing, since: datetime | None, until: datetime | None) -> dict[str, str]:
    """The query that bounds ``update_time``, as far as a list can be bounded; None is open."""
    bounds: dict[str, str] = {}
    if since is not None and listing.bounds in (Bounds.BOTH, Bounds.BELOW):
        bounds["updated_since"] = timestamp(since)
    if until is not None and listing.bounds is Bounds.BOTH:
        bounds["updated_until"] = timestamp(until)
    return bounds


def range_pages(
    client: Client,
    listing: Listing,
    query: Query,
    since: datetime | None,
    until: datetime | None,
    *,
    may_be_empty: bool = False,
) -> AsyncIterator[Page]:
    """The pages of ``[since, until)`` of ``update_time``, ascending; None is open.

    What is not bounded above goes on past ``until``: the reader stops there. A list with a lower bound may
    always be empty.

    Takes and raises what :func:`pages` does.
    """
    bounded = dict(query)
    if since is not None:
        bounded["updated_since"] = timestamp(since)
    if listing.paging is Paging.OFFSET:
        query = bounded | {"sort": "update_time ASC"}
        nulls = nulls_of_whole(may_be_empty=may_be_empty) if since is None else 1
        return keyset_pages(client, listing, query, nulls=nulls)
    # Without a lower bound there must be no upper one either: an upper bound hides records that
    # have no update_time, and those come first.
    if listing.bounds is Bounds.BOTH and since is not None and until is not None:
        bounded["updated_until"] = timestamp(until)
    return ascending_pages(client, listing, bounded)


def ascending_pages(client: Client, listing: Listing, query: Query) -> AsyncIterator[Page]:
    """A v2 list in ascending ``update_time``; if a cursor is lost, on from the last one that was reached.

    Takes and raises what :func:`pages` does.
    """
    ascending = {**query, "sort_by": "update_time", "sort_direction": "asc"}
    return _follow(client, listing, ascending, from_its_end=_updated_since)


async def _follow(
    client: Client,
    listing: Listing,
    query: Query,
    *,
    from_its_end: Resumption = lambda _: {},
    nulls: int | None = None,
) -> AsyncIterator[Page]:
    path, paging, size = listing.path, listing.paging, page_size(listing)
    asked: dict[str, str | int] = dict(query)
    if paging is not Paging.NONE:
        asked["limit"] = size
    bound: Mapping[str, str] = {}
    seen: set[str | int] = set()
    restarts = walked = furthest = 0
    while True:
        try:
            reader = page_reader(listing, nulls=None if seen else nulls)
            page = await client.get(path, asked, cost=listing.cost, read=reader)
            following = _following(page, paging, asked, size)
            _refuse_circle(path, following, seen)
        except (EndlessList, Refused) as lost:
            # How Pipedrive refuses a cursor that is no longer good is not documented
            # (docs/pipedrive-api.md#pagination).
            if restarts == MAX_RESTARTS or not seen or (isinstance(lost, Refused) and lost.status != 400):
                raise
            restarts, walked = restarts + 1, 0
            seen.clear()
            asked = {**asked, **bound}
            del asked[_NEXT_PARAMETER[paging]]
            continue
        yield page
        if not page.goes_on(size):
            return
        reached = from_its_end(page)
        if following is None:
            if not _is_further(reached, bound):
                raise UnprovenEnd(path)
            bound, restarts, walked, furthest = reached, 0, 0, 0
            seen.clear()
            asked = {**asked, **bound}
            asked.pop(_NEXT_PARAMETER[paging], None)
            continue
        walked += 1
        if _is_further(reached, bound):
            bound, restarts, walked, furthest = reached, 0, 0, 0
        elif walked > furthest:
            restarts, furthest = 0, walked
        seen.add(following)
        asked[_NEXT_PARAMETER[paging]] = following


def _following(page: Page, paging: Paging, asked: Mapping[str, str | int], size: int) -> str | int | None:
    """The value that asks for the next page; by offset, where the body does not say, from what has come."""
    if paging is Paging.OFFSET and page.next is None and page.goes_on(size):
        return int(asked.get("start", 0)) + len(page.records)
    return page.next


def _refuse_circle(path: str, following: str | int | None, seen: AbstractSet[str | int]) -> None:
    if following is not None and following in seen:
        raise EndlessList(path, following)


def _is_further(reached: Mapping[str, str], bound: Mapping[str, str | int]) -> bool:
    return any(value > str(bound.get(name, "")) for name, value in reached.items())


def _updated_since(page: Page) -> Mapping[str, str]:
    reached = page.last_update_time()
    return {"updated_since": timestamp(reached)} if reached else {}


def timestamp(instant: datetime) -> str:
    """An instant as ``updated_since`` wants it: whole seconds, UTC (docs/pipedrive-api.md#times)."""
    return f"{instant.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def keyset_pages(
    client: Client, listing: Listing, query: Query, *, nulls: int | None = 1
) -> AsyncIterator[Page]:
    """A v1 list in ascending ``update_time``, by following ``updated_since`` instead of the offset.

    Takes and raises what :func:`shifting_pages` does.
    """
    return shifting_pages(client, listing, query, from_its_end=_updated_since, nulls=nulls)


async def shifting_pages(
    client: Client,
    listing: Listing,
    query: Query,
    *,
    from_its_end: Resumption = lambda _: {},
    suffices: Callable[[Page], bool] = lambda _: False,
    nulls: int | None = 1,
) -> AsyncIterator[Page]:
    """A v1 list that may shift while it is read.

    Rows that change or go while a list is read by offset pull the rest up, past the reader. So the list
    is followed by a bound where it has one, and by offset only where that bound does not move on. Then
    each page has to begin with a record that has come before; if it does not, the page before it is read
    once more.

    Args:
        client: the connection in use.
        listing: the list.
        query: filters, bounds and order.
        from_its_end: the bound that makes the list begin where a page ends.
        suffices: whether nothing that comes after a page is wanted.
        nulls: see :func:`page_reader`; of the first page.

    Raises:
        EndlessList: a page has nothing new and says that there is more, or the list never stops shifting.
        PipedriveError: see :meth:`Client.get`.
    """
    asked: dict[str, str] = {name: str(value) for name, value in query.items()}
    size = page_size(listing)
    start = furthest = steps_back = 0
    seen: set[int | str | None] = set()
    while True:
        page = await client.get(
            listing.path,
            {**asked, "limit": size, "start": start},
            cost=listing.cost,
            read=page_reader(listing, nulls=1 if start else nulls),
        )
        yield page
        ids = page.ids(listing.id_key)
        if start and (not ids or ids[0] not in seen):
            steps_back = steps_back + 1 if start <= furthest else 0
            if steps_back > MAX_STEPS_BACK:
                raise EndlessList(listing.path, start)
            furthest = max(furthest, start)
            start = max(0, start - size)
            continue
        if not page.goes_on(size) or suffices(page):
            return
        if len(ids) <= bool(start):
            raise EndlessList(listing.path, start + len(ids))
        seen.update(ids)
        bound = from_its_end(page)
        if _is_further(bound, asked):
            asked |= bound
            # The record that gave the bound has to come again at least.
            nulls = None
            start, seen = 0, set()
            furthest = steps_back = 0
        else:
            start += len(ids) - 1


def latest_pages(
    client: Client, listing: Listing, query: Query, since: datetime | None
) -> AsyncIterator[Page]:
    """The pages of a v1 list that cannot be bounded, the latest changes first, down to an instant if given.

    Takes and raises what :func:`shifting_pages` does.
    """

    def is_older(page: Page) -> bool:
        reached = page.last_update_time()
        return since is not None and reached is not None and reached < since

    latest = {**query, **latest_first(listing)}
    return shifting_pages(client, listing, latest, suffices=is_older, nulls=NULLS_FOR_NOTHING)


def recents_pages(client: Client, object_type: ObjectType, since: datetime) -> AsyncIterator[Page]:
    """The recents feed of a collection since an instant: the last state of what changed, deleted or not.

    The feed reaches back 30 days (docs/pipedrive-api.md#recents). It comes in ascending ``update_time``,
    and what changes meanwhile moves to its end.

    Takes and raises what :func:`shifting_pages` does.
    """
    assert object_type.recents_item is not None
    query = {"since_timestamp": _v1_timestamp(since), "items": object_type.recents_item}
    return shifting_pages(client, RECENTS, query, from_its_end=_changed_since)


def _changed_since(page: Page) -> Mapping[str, str]:
    reached = _changed_at(whole_characters(bytes(page.records[-1])))
    # Whether the bound is inclusive is not documented, so the last second is asked for once more.
    return {"since_timestamp": _v1_timestamp(reached - timedelta(seconds=1))} if reached else {}


def _v1_timestamp(instant: datetime) -> str:
    return f"{instant.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


class _Change(msgspec.Struct):
    data: dict[str, object] | None = None


def _changed_at(item: bytes) -> datetime | None:
    changed = (msgspec.json.decode(item, type=_Change).data or {}).get("update_time")
    return parse_time(changed) if isinstance(changed, str) else None

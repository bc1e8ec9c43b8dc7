"""Reading a list page after page, whatever way the collection is paged."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from collections.abc import Set as AbstractSet

from pipedrive_orchestration.pipedrive.client import Client, Parameters
from pipedrive_orchestration.pipedrive.errors import EndlessList, Refused, UnprovenEnd
from pipedrive_orchestration.pipedrive.object_type import ObjectType, Paging
from pipedrive_orchestration.pipedrive.object_types import MAX_PAGE_SIZE
from pipedrive_orchestration.pipedrive.responses import OddBody, Page, open_page

_NEXT_PARAMETER = {Paging.CURSOR: "cursor", Paging.OFFSET: "start"}


MAX_RESTARTS = 3
"""How often a list is begun anew after a lost cursor without getting any further."""

MAX_STEPS_BACK = 50
"""How often a list that shifts is gone back in without getting any further."""

Bound = Callable[[Page], Mapping[str, str]]
"""The parameters that make a list begin where a page ends, as text that grows with it; none where nothing
does."""


def page_reader(paging: Paging) -> Callable[[bytes], Page]:
    """Opens the answers to one request.

    A full page by cursor that does not say whether there is more is asked for once more: without a cursor
    the list can only be gone on with from a time.

    Raises:
        BrokenBody: see :func:`open_page`.
        OddBody: likewise; also the first answer of that kind.
    """
    doubted = False

    def read(body: bytes) -> Page:
        nonlocal doubted
        page = open_page(body, paging)
        without_end = page.more is None and page.goes_on(MAX_PAGE_SIZE)
        if without_end and paging is Paging.CURSOR and not doubted:
            doubted = True
            raise OddBody("the page is full and does not say whether there is more")
        return page

    return read


def pages(
    client: Client,
    object_type: ObjectType,
    parameters: Parameters,
    *,
    path: str | None = None,
    cost: int | None = None,
) -> AsyncIterator[Page]:
    """Every page of a list, in the order Pipedrive gives them; from the first page again if a cursor is lost.

    Args:
        client: the connection in use.
        object_type: the collection.
        parameters: filters, bounds and order; ``limit`` is added here.
        path: another list of the same collection, such as its archived one.
        cost: the price of that list.

    Raises:
        EndlessList: the list goes round in circles.
        PipedriveError: see :meth:`Client.get`.
    """
    return _follow(
        client,
        path or object_type.path,
        parameters,
        paging=object_type.paging,
        cost=object_type.list_cost if cost is None else cost,
    )


def field_pages(client: Client, object_type: ObjectType) -> AsyncIterator[Page]:
    """The pages of the account's list of fields of a collection; v2, however its records are paged.

    Raises:
        EndlessList: the list goes round in circles.
        PipedriveError: see :meth:`Client.get`.
    """
    assert object_type.fields_path is not None
    return _follow(client, object_type.fields_path, {}, paging=Paging.CURSOR, cost=object_type.fields_cost)


def ascending_pages(
    client: Client,
    object_type: ObjectType,
    parameters: Parameters,
    *,
    path: str | None = None,
    cost: int | None = None,
) -> AsyncIterator[Page]:
    """A v2 list in ascending ``update_time``; if a cursor is lost, on from the last one that was reached.

    Takes and raises what :func:`pages` does.
    """
    return _follow(
        client,
        path or object_type.path,
        {**parameters, "sort_by": "update_time", "sort_direction": "asc"},
        paging=Paging.CURSOR,
        cost=object_type.list_cost if cost is None else cost,
        from_its_end=_updated_since,
    )


async def _follow(
    client: Client,
    path: str,
    parameters: Parameters,
    *,
    paging: Paging,
    cost: int,
    from_its_end: Bound = lambda _: {},
) -> AsyncIterator[Page]:
    asked: dict[str, str | int] = dict(parameters)
    if paging is not Paging.NONE:
        asked["limit"] = MAX_PAGE_SIZE
    bound: Mapping[str, str] = {}
    seen: set[str | int] = set()
    restarts = walked = furthest = 0
    while True:
        try:
            page = await client.get(path, asked, cost=cost, read=page_reader(paging))
            following = _following(page, paging, asked)
            _refuse_circle(path, following, seen)
        except (EndlessList, Refused) as lost:
            # How Pipedrive refuses a cursor that is no longer good is not documented (API facts 9).
            if restarts == MAX_RESTARTS or not seen or (isinstance(lost, Refused) and lost.status != 400):
                raise
            restarts, walked = restarts + 1, 0
            seen.clear()
            asked = {**asked, **bound}
            del asked[_NEXT_PARAMETER[paging]]
            continue
        yield page
        if not page.goes_on(MAX_PAGE_SIZE):
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


def _following(page: Page, paging: Paging, asked: Mapping[str, str | int]) -> str | int | None:
    """What asks for the next page; by offset it follows from what has come, where the body does not say."""
    if paging is Paging.OFFSET and page.next is None and page.goes_on(MAX_PAGE_SIZE):
        return int(asked.get("start", 0)) + len(page.records)
    return page.next


def _refuse_circle(path: str, following: str | int | None, seen: AbstractSet[str | int]) -> None:
    if following is not None and following in seen:
        raise EndlessList(path, following)


def _is_further(reached: Mapping[str, str], bound: Mapping[str, str | int]) -> bool:
    return any(value > str(bound.get(name, "")) for name, value in reached.items())


def _updated_since(page: Page) -> Mapping[str, str]:
    reached = page.last_update_time()
    return {"updated_since": f"{reached:%Y-%m-%dT%H:%M:%SZ}"} if reached else {}


async def keyset_pages(
    client: Client, object_type: ObjectType, parameters: Parameters
) -> AsyncIterator[Page]:
    """A v1 list in ascending ``update_time``, by following ``updated_since`` instead of the offset.

    Raises:
        EndlessList: a page has nothing new and says that there is more.
        PipedriveError: see :meth:`Client.get`.
    """
    walk = shifting_pages(
        client, object_type.path, parameters, cost=object_type.list_cost, from_its_end=_updated_since
    )
    async for page in walk:
        yield page


async def shifting_pages(
    client: Client,
    path: str,
    parameters: Parameters,
    *,
    cost: int,
    from_its_end: Bound = lambda _: {},
) -> AsyncIterator[Page]:
    """A v1 list that may shift while it is read.

    Rows that change or go while a list is read by offset pull the rest up, past the reader. So the list
    is followed by a bound where it has one, and by offset only where that bound does not move on. Then
    each page has to begin with a record that has come before; if it does not, the page before it is read
    once more.

    Args:
        client: the connection in use.
        path: of the list.
        parameters: filters, bounds and order.
        cost: of a page, in tokens.
        from_its_end: the bound that makes the list begin where a page ends.

    Raises:
        EndlessList: a page has nothing new and says that there is more, or the list never stops shifting.
        PipedriveError: see :meth:`Client.get`.
    """
    asked: dict[str, str] = {name: str(value) for name, value in parameters.items()}
    start = furthest = steps_back = 0
    seen: set[int | str | None] = set()
    while True:
        page = await client.get(
            path,
            {**asked, "limit": MAX_PAGE_SIZE, "start": start},
            cost=cost,
            read=page_reader(Paging.OFFSET),
        )
        yield page
        ids = page.ids()
        if start and (not ids or ids[0] not in seen):
            steps_back = steps_back + 1 if start <= furthest else 0
            if steps_back > MAX_STEPS_BACK:
                raise EndlessList(path, start)
            furthest = max(furthest, start)
            start = max(0, start - MAX_PAGE_SIZE)
            continue
        if not page.goes_on(MAX_PAGE_SIZE):
            return
        if len(ids) <= bool(start):
            raise EndlessList(path, start + len(ids))
        seen.update(ids)
        bound = from_its_end(page)
        if _is_further(bound, asked):
            asked |= bound
            start, seen = 0, set()
            furthest = steps_back = 0
        else:
            start += len(ids) - 1

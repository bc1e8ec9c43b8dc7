"""Reading a list page after page, whatever way the collection is paged."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from functools import partial

from pipedrive_orchestration.pipedrive.catalogue import MAX_PAGE_SIZE, ObjectType, Paging
from pipedrive_orchestration.pipedrive.client import Client, Parameters
from pipedrive_orchestration.pipedrive.envelope import Page, open_page
from pipedrive_orchestration.pipedrive.errors import EndlessList

_NEXT_PARAMETER = {Paging.CURSOR: "cursor", Paging.OFFSET: "start"}


def pages(
    client: Client,
    object_type: ObjectType,
    parameters: Parameters,
    *,
    path: str | None = None,
    cost: int | None = None,
) -> AsyncIterator[Page]:
    """Every page of a list, in the order Pipedrive gives them.

    Args:
        client: the connection in use.
        object_type: the collection.
        parameters: filters, bounds and order; ``limit`` is added here.
        path: another list of the same collection, such as its archived one.
        cost: the price of that list.

    Raises:
        EndlessList: a page names itself as its successor.
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
        EndlessList: a page names itself as its successor.
        PipedriveError: see :meth:`Client.get`.
    """
    assert object_type.fields_path is not None
    return _follow(client, object_type.fields_path, {}, paging=Paging.CURSOR, cost=object_type.fields_cost)


async def _follow(
    client: Client, path: str, parameters: Parameters, *, paging: Paging, cost: int
) -> AsyncIterator[Page]:
    asked: dict[str, str | int] = dict(parameters)
    if paging is not Paging.NONE:
        asked["limit"] = MAX_PAGE_SIZE
    seen: str | int | None = None
    while True:
        page = await client.get(path, asked, cost=cost, read=partial(open_page, paging=paging))
        yield page
        if page.next is None:
            return
        if page.next == seen:
            raise EndlessList(path, page.next)
        seen = page.next
        asked[_NEXT_PARAMETER[paging]] = page.next


async def keyset_pages(
    client: Client, object_type: ObjectType, parameters: Parameters
) -> AsyncIterator[Page]:
    """A v1 list in ascending ``update_time``, by following ``updated_since`` instead of the offset.

    Raises:
        EndlessList: a page has nothing new and says that there is more.
        PipedriveError: see :meth:`Client.get`.
    """

    def from_its_end(page: Page) -> Mapping[str, str]:
        reached = page.last_update_time()
        return {"updated_since": f"{reached:%Y-%m-%dT%H:%M:%SZ}"} if reached else {}

    walk = shifting_pages(
        client, object_type.path, parameters, cost=object_type.list_cost, from_its_end=from_its_end
    )
    async for page in walk:
        yield page


async def shifting_pages(
    client: Client,
    path: str,
    parameters: Parameters,
    *,
    cost: int,
    from_its_end: Callable[[Page], Mapping[str, str]] = lambda _: {},
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
        from_its_end: the bound that makes the list begin where a page ends, as text that grows with it;
            none where nothing does.

    Raises:
        EndlessList: a page has nothing new and says that there is more.
        PipedriveError: see :meth:`Client.get`.
    """
    asked: dict[str, str] = {name: str(value) for name, value in parameters.items()}
    start = 0
    seen: set[int | str | None] = set()
    while True:
        page = await client.get(
            path,
            {**asked, "limit": MAX_PAGE_SIZE, "start": start},
            cost=cost,
            read=partial(open_page, paging=Paging.OFFSET),
        )
        yield page
        ids = page.ids()
        if start and (not ids or ids[0] not in seen):
            start = max(0, start - MAX_PAGE_SIZE)
            continue
        if page.next is None:
            return
        if len(ids) <= bool(start):
            raise EndlessList(path, page.next)
        seen.update(ids)
        bound = from_its_end(page)
        if any(value > asked.get(name, "") for name, value in bound.items()):
            asked |= bound
            start, seen = 0, set()
        else:
            start += len(ids) - 1

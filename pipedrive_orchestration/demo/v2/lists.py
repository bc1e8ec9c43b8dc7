"""The v2 lists and single reads of records."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from collections.abc import Collection as Ids
from itertools import islice
from typing import Any

from pipedrive_orchestration.demo.account.account import Account
from pipedrive_orchestration.demo.account.collection import (
    Collection,
    Key,
    Record,
    RecordId,
    Shelf,
    sort_key,
)
from pipedrive_orchestration.demo.account.stored_filters import stored_filter
from pipedrive_orchestration.demo.call import Answer, Call, page, success_encoded
from pipedrive_orchestration.demo.parameters import Query, parse
from pipedrive_orchestration.demo.v2.cursor import decode, encode
from pipedrive_orchestration.demo.v2.projection import projection
from pipedrive_orchestration.demo.v2.queries import SortedQuery

Test = Callable[[Record], bool]
Window = tuple[str | None, str | None]

_EQUALITIES = ("owner_id", "person_id", "org_id", "deal_id", "lead_id", "pipeline_id", "stage_id")
"""Parameters that a record's property of the same name has to equal; ``filter_id`` overrides them."""

_SMALL_WINDOW = 8
"""A window with less than this fraction of the records is read and sorted instead of the whole index."""


def list_of(name: str, model: type[SortedQuery], *, archived: bool = False) -> Callable[[Call], Answer]:
    """The endpoint that lists a collection.

    Args:
        name: the collection.
        model: its query parameters.
        archived: list the archived records instead of the others.
    """

    def list_records(call: Call) -> Answer:
        query = parse(call, model)
        collection = call.account[name]
        encode_record = projection(call.account, name, query)
        matching = _matching(call.account, collection, query, archived=archived)
        ids = list(islice(matching, query.limit + 1))
        more = len(ids) > query.limit
        shown = ids[: query.limit]
        last = collection.get(shown[-1]) if more else None
        cursor = encode(last, query.sort_by, query.sort_direction) if last else None
        return page(map(encode_record, shown), {"next_cursor": cursor})

    return list_records


def one_of(name: str, model: type[Query] = Query) -> Callable[[Call], Answer]:
    """The endpoint that answers a single record; a soft-deleted one too, until it is purged."""

    def one_record(call: Call) -> Answer:
        query = parse(call, model)
        record = call.record(name)
        return success_encoded(projection(call.account, name, query)(record["id"]))

    return one_record


def _matching(
    account: Account, collection: Collection, query: SortedQuery, *, archived: bool
) -> Iterator[RecordId]:
    shelves = [Shelf(archived, deleted) for deleted in _deletedness(query)]
    window = _window(collection, query)
    tests = list(_tests(account, collection, query))
    after = decode(query.cursor, query.sort_by, query.sort_direction) if query.cursor is not None else None
    candidates = _candidates(account, collection, query)
    if candidates is None and window != (None, None) and query.sort_by != "update_time":
        few = collection.changed(shelves, window) * _SMALL_WINDOW < len(collection)
        if few:
            candidates = list(collection.walk(shelves, "update_time", window=window))
    descending = query.sort_direction == "desc"
    if candidates is None:
        by_window = query.sort_by == "update_time"
        if not by_window:
            tests.extend(_window_test(window))
        ids = collection.walk(
            shelves,
            query.sort_by,
            descending=descending,
            after=after,
            window=window if by_window else (None, None),
        )
    else:
        tests.extend(_window_test(window))
        tests.append(lambda record: collection.shelf(record) in shelves)
        ids = _in_order(collection, candidates, query.sort_by, after, descending=descending)
    return (record_id for record_id in ids if _passes(collection.get(record_id), tests)) if tests else ids


def _passes(record: Record | None, tests: Iterable[Test]) -> bool:
    return record is not None and all(test(record) for test in tests)


def _in_order(
    collection: Collection, candidates: Iterable[Any], prop: str, after: Key | None, *, descending: bool
) -> Iterator[RecordId]:
    records = filter(None, map(collection.get, set(candidates)))
    keys = sorted((sort_key(record, prop) for record in records), reverse=descending)
    for key in keys:
        if after is None or (key < after if descending else key > after):
            yield key[1]


def _deletedness(query: SortedQuery) -> Iterator[bool]:
    status = () if _filter_id(query) is not None else getattr(query, "status", ())
    if not status or set(status) - {"deleted"}:
        yield False
    if "deleted" in status:
        yield True


def _filter_id(query: SortedQuery) -> int | None:
    return getattr(query, "filter_id", None)


def _window(collection: Collection, query: SortedQuery) -> Window:
    since, until = getattr(query, "updated_since", None), getattr(query, "updated_until", None)
    return (collection.time(since) if since else None, collection.time(until) if until else None)


def _window_test(window: Window) -> Iterator[Test]:
    since, until = window
    if since is None and until is None:
        return
    yield (
        lambda record: (
            (updated := record["update_time"]) is not None
            and (since is None or updated >= since)
            and (until is None or updated < until)
        )
    )


def _tests(account: Account, collection: Collection, query: SortedQuery) -> Iterator[Test]:
    if (done := getattr(query, "done", None)) is not None:
        yield lambda record: record["done"] is done
    if (filter_id := _filter_id(query)) is not None:
        yield stored_filter(account, collection.name, filter_id)
        return
    for prop in _EQUALITIES:
        wanted = getattr(query, prop, None)
        if wanted is not None and not (prop == "deal_id" and collection.name == "persons"):
            yield _equals(prop, wanted)
    if status := frozenset(getattr(query, "status", ())):
        yield lambda record: ("deleted" if record["is_deleted"] else record["status"]) in status


def _equals(prop: str, wanted: Any) -> Test:
    return lambda record: record[prop] == wanted


def _candidates(account: Account, collection: Collection, query: SortedQuery) -> Ids[Any] | None:
    """Ids beside which nothing can match, if the query narrows the list that far."""
    if _filter_id(query) is not None:
        return None
    if (ids := getattr(query, "ids", None)) is not None:
        return frozenset(ids)
    if collection.name == "persons" and (deal_id := getattr(query, "deal_id", None)) is not None:
        deal = account["deals"].get(deal_id)
        return () if deal is None else (deal["person_id"],)
    for prop in collection.layout.links:
        if (target := getattr(query, prop, None)) is not None:
            return collection.linked(prop, target)
    return None

"""The records that a list shows, and their order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from collections.abc import Collection as Ids
from functools import partial
from operator import itemgetter
from typing import Any

from pipedrive_orchestration.demo.account.collection import Collection, Key, State, sort_key
from pipedrive_orchestration.demo.account.filters import stored_filter
from pipedrive_orchestration.demo.call import Call
from pipedrive_orchestration.demo.operations import Paging
from pipedrive_orchestration.demo.parameters import Sorting
from pipedrive_orchestration.demo.records import Record, RecordId

Test = Callable[[Record], bool]
Window = tuple[str | None, str | None]

OPEN: Window = (None, None)
"""The window without bounds."""

_OLDEST_FIRST = {"leads"}
"""Lists that are sorted by ``add_time`` unless asked otherwise; the others are sorted by id."""

_OTHER_THAN_EQUALITY = {
    *("limit", "cursor", "start", "sort_by", "sort_direction", "sort", "order_by", "skip_users"),
    *("include_fields", "custom_fields", "include_option_labels", "include_labels"),
    *("filter_id", "ids", "updated_since", "updated_until", "start_date", "end_date"),
    *("status", "done", "term"),
}
"""Parameters of lists besides those that a record's property of the same name has to equal."""

_SMALL_WINDOW = 8
"""A window with less than this fraction of the records is read and sorted instead of the whole index."""


def sorting_of(call: Call) -> Sorting:
    """The order that a call asks for, or the list's own."""
    if "sort_by" in call.query:
        return ((call.query["sort_by"], call.query["sort_direction"] == "desc"),)
    own: Sorting = (("add_time" if call.name in _OLDEST_FIRST else "id", False),)
    return call.query.get("sort") or own


def selected(call: Call, after: Key | None = None, *, archived: bool = False) -> Iterator[RecordId]:
    """Ids of the records that a call asks for, in order.

    Args:
        call: the call of a list.
        after: the sort key of the last record of the page before.
        archived: archived records instead of the others.

    Raises:
        ApiError: 400 if the stored filter that is asked for is none of this collection.
    """
    collection, window = call.collection, _window(call)
    states = [State(archived, deleted) for deleted in _deletedness(call)]
    tests = list(_tests(call))
    if call.operation.paging is Paging.WHOLE:
        tests.append(lambda record: collection.schema.state(record) in states)
        return (record["id"] for record in collection if _passes(record, tests))
    candidates, sorting = _candidates(call), sorting_of(call)
    prop, descending = sorting[0]
    indexed = len(sorting) == 1 and prop in collection.schema.sortable
    by_window = indexed and prop == "update_time"
    few = window != OPEN and collection.changed(states, window) * _SMALL_WINDOW < len(collection)
    if candidates is None and not by_window and (few or not indexed):
        candidates = list(collection.walk(states, "update_time", window=window))
    if not by_window or candidates is not None:
        tests.extend(_window_test(window))
    if candidates is None:
        walked = window if by_window else OPEN
        ids = collection.walk(states, prop, descending=descending, after=after, window=walked)
    else:
        tests.append(lambda record: collection.schema.state(record) in states)
        ids = _in_order(collection, candidates, sorting, after)
    return (record_id for record_id in ids if _passes(collection.get(record_id), tests)) if tests else ids


def _passes(record: Record | None, tests: Iterable[Test]) -> bool:
    return record is not None and all(test(record) for test in tests)


def _in_order(
    collection: Collection, candidates: Iterable[Any], sorting: Sorting, after: Key | None
) -> Iterator[RecordId]:
    prop, descending = sorting[0]
    records = list(filter(None, map(collection.get, set(candidates))))
    records.sort(key=itemgetter("id"), reverse=descending)
    for other, reverse in reversed(sorting):
        records.sort(key=partial(_value_key, prop=other), reverse=reverse)
    for record in records:
        key = sort_key(record, prop)
        if after is None or (key < after if descending else key > after):
            yield record["id"]


def _value_key(record: Record, prop: str) -> Key:
    return tuple(sort_key(record, prop)[0])


def _deletedness(call: Call) -> Iterator[bool]:
    status = () if call.query.get("filter_id") is not None else call.query.get("status", ())
    if not status or set(status) - {"deleted"}:
        yield False
    if "deleted" in status:
        yield True


def _window(call: Call) -> Window:
    since, until = call.query.get("updated_since"), call.query.get("updated_until")
    time = call.collection.time
    return (time(since) if since else None, time(until) if until else None)


def _window_test(window: Window) -> Iterator[Test]:
    since, until = window
    if window != OPEN:
        yield (
            lambda record: (
                (updated := record["update_time"]) is not None
                and (since is None or updated >= since)
                and (until is None or updated < until)
            )
        )


def _tests(call: Call) -> Iterator[Test]:
    query, name = call.query, call.name
    if query.get("done") is not None:
        yield _equals("done", query["done"])
    if query.get("filter_id") is not None:
        yield stored_filter(call.account, name, query["filter_id"])
        return
    for prop, wanted in query.items():
        if prop not in _OTHER_THAN_EQUALITY and wanted is not None and not _is_of_deal(name, prop):
            yield _equals(prop, wanted)
    if status := query.get("status"):
        yield lambda record: ("deleted" if record.get("is_deleted") else record["status"]) in status
    if query.get("start_date") or query.get("end_date"):
        first, last = query["start_date"] or "", query["end_date"] or "9999"
        yield lambda record: first <= record["add_time"][:10] <= last
    if term := query.get("term"):
        yield lambda record: term.casefold() in f"{record['code']} {record['name']}".casefold()


def _equals(prop: str, wanted: Any) -> Test:
    several = f"{prop}s"
    if prop == "parent_task_id" and wanted == 0:
        wanted = None
    return lambda record: wanted in record[several] if several in record else bool(record.get(prop) == wanted)


def _is_of_deal(name: str, prop: str) -> bool:
    """Whether a parameter names a deal whose person is wanted."""
    return name == "persons" and prop == "deal_id"


def _candidates(call: Call) -> Ids[Any] | None:
    """Ids beside which nothing can match, if the call narrows the list that far."""
    query = call.query
    if query.get("filter_id") is not None:
        return None
    if query.get("ids") is not None:
        return frozenset(query["ids"])
    if _is_of_deal(call.name, "deal_id") and query.get("deal_id") is not None:
        deal = call.account["deals"].get(query["deal_id"])
        return () if deal is None else (deal["person_id"],)
    for prop in call.collection.schema.links:
        if query.get(prop) is not None:
            return call.collection.linked(prop, query[prop])
    return None

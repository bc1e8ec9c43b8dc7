"""Offset paging and sorting of the v1 lists."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from functools import partial
from itertools import islice
from operator import itemgetter
from typing import Any

from pydantic import BeforeValidator

from pipedrive_orchestration.demo.account.collection import Collection, Record, RecordId, Shelf
from pipedrive_orchestration.demo.call import Answer, page
from pipedrive_orchestration.demo.parameters import Integer, Limit, Query, one_of, words

Sorting = tuple[tuple[str, bool], ...]
"""Properties to sort by, first the weightiest, each with whether it descends."""


class OffsetQuery(Query):
    """A list in pages by offset."""

    start: Integer = 0
    limit: Limit = 100


def sorting_by(*known: str, most: int) -> BeforeValidator:
    """Reads ``sort``: ``update_time``, ``update_time DESC`` or several of them with commas."""
    terms = [f"{prop}{suffix}" for prop in known for suffix in ("", " ASC", " DESC")]

    def parse_sorting(text: str) -> Sorting:
        parsed = tuple(one_of(term, terms) for term in words(text))
        if len(parsed) > most:
            one_of(text, terms)
        return tuple((term.split(" ")[0], term.endswith(" DESC")) for term in parsed)

    return BeforeValidator(parse_sorting)


def pagination(start: int, limit: int, *, more: bool) -> dict[str, Any]:
    """The pagination block; ``next_start`` is absent on the last page (docs/pipedrive-api.md#pagination)."""
    block = {"start": start, "limit": limit, "more_items_in_collection": more}
    return {**block, "next_start": start + limit} if more else block


def offset_page(records: Iterable[Record], query: OffsetQuery, encode: Callable[[RecordId], bytes]) -> Answer:
    """One page of records that come in order."""
    found = list(islice(records, query.start, query.start + query.limit + 1))
    more = len(found) > query.limit
    additional_data = {"pagination": pagination(query.start, query.limit, more=more)}
    return page((encode(record["id"]) for record in found[: query.limit]), additional_data)


def in_order(
    collection: Collection, shelf: Shelf, sorting: Sorting, since: datetime | None
) -> Iterator[Record]:
    """The shelf's records in the order asked for; nulls first when ascending.

    Args:
        collection: where they are.
        shelf: which of them.
        sorting: the order; a single indexed property costs no sorting.
        since: lower bound of ``update_time``, inclusive; records without one lie below every bound.
    """
    window = (collection.time(since) if since else None, None)
    prop, descending = sorting[0]
    if len(sorting) == 1 and prop == "update_time":
        ids = collection.walk((shelf,), prop, descending=descending, window=window)
        return filter(None, map(collection.get, ids))
    if len(sorting) == 1 and prop in collection.layout.sortable:
        ids = collection.walk((shelf,), prop, descending=descending)
        records = filter(None, map(collection.get, ids))
        return (record for record in records if _is_since(record, window[0]))
    ids = collection.walk((shelf,), "update_time", window=window)
    return iter(_sorted(filter(None, map(collection.get, ids)), sorting))


def _is_since(record: Record, since: str | None) -> bool:
    return since is None or (record["update_time"] is not None and record["update_time"] >= since)


def _sorted(records: Iterable[Record], sorting: Sorting) -> list[Record]:
    ordered = sorted(records, key=itemgetter("id"))
    for prop, descending in reversed(sorting):
        ordered.sort(key=partial(_sort_value, prop=prop), reverse=descending)
    return ordered


def _sort_value(record: Record, prop: str) -> tuple[Any, ...]:
    value = record.get(prop)
    return () if value is None else (value,)

"""Offset paging and sorting of the v1 lists."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import islice
from operator import itemgetter
from typing import Any

from pydantic import BeforeValidator

from pipedrive_orchestration.demo.account.collection import Record, RecordId
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
    """The pagination block; ``next_start`` is absent on the last page (API facts 3.1)."""
    block = {"start": start, "limit": limit, "more_items_in_collection": more}
    return {**block, "next_start": start + limit} if more else block


def offset_page(ids: Iterable[RecordId], query: OffsetQuery, encode: Callable[[RecordId], bytes]) -> Answer:
    """One page of a list whose ids come in order."""
    found = list(islice(ids, query.start, query.start + query.limit + 1))
    more = len(found) > query.limit
    additional_data = {"pagination": pagination(query.start, query.limit, more=more)}
    return page(map(encode, found[: query.limit]), additional_data)


def in_order(records: Iterable[Record], sorting: Sorting) -> Iterator[RecordId]:
    """Ids of the records in the order asked for; ties by id, nulls first when ascending."""
    ordered = sorted(records, key=itemgetter("id"))
    for prop, descending in reversed(sorting):
        ordered.sort(key=partial(sort_value, prop=prop), reverse=descending)
    return (record["id"] for record in ordered)


def sort_value(record: Record, prop: str) -> tuple[Any, ...]:
    """The value of a property as something that sorts beside a null."""
    value = record.get(prop)
    return () if value is None else (value,)

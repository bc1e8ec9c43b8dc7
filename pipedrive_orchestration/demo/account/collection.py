"""One collection of records, kept sorted so that a page is a walk along an index.

Records are replaced, never changed in place; that keeps indexes, link tables and serialised bytes in
step with them.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Collection as Ids
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import orjson
from sortedcontainers import SortedList

from pipedrive_orchestration.demo.clock import V2_TIME
from pipedrive_orchestration.demo.records import Record, RecordId

Key = tuple[Any, ...]
"""``((value,), id)``, or ``((), id)`` for a null, which therefore sorts first."""


class State(NamedTuple):
    """Whether a record is archived and deleted: lists show records of one state or of two, no others."""

    archived: bool = False
    deleted: bool = False


LIVE = State()
STATES = tuple(State(archived, deleted) for archived in (False, True) for deleted in (False, True))


@dataclass(frozen=True, slots=True)
class Schema:
    """What is known of a collection's records beforehand.

    Attributes:
        sortable: properties by which lists can be sorted; each has an index.
        links: properties that point at other records; each has a table from target to records.
        optional: properties that lists leave out unless asked for.
        time_format: how the collection writes instants.
        uuids: whether ids are UUIDs, or other texts, rather than numbers.
        archived_key: the property by which a record says that it is archived.
        deleted: what a deleted record says of itself; none if a deletion leaves no record.
        lists_deleted: whether lists show what is deleted like anything else.
        deleted_answers: whether a deleted record still answers by its id.
        fields: the collection whose custom fields the records have, if they have any.
        flat: whether custom values lie beside the built-in properties, as v1 has them.
        created: HTTP status of an answer that created a record.
    """

    sortable: tuple[str, ...] = ("id", "update_time", "add_time")
    links: tuple[str, ...] = ()
    optional: frozenset[str] = frozenset()
    time_format: str = V2_TIME
    uuids: bool = False
    archived_key: str = "is_archived"
    deleted: Mapping[str, Any] | None = None
    lists_deleted: bool = False
    deleted_answers: bool = True
    fields: str | None = None
    flat: bool = False
    created: int = 200

    def is_deleted(self, record: Record) -> bool:
        """Whether the record says that it is deleted."""
        return self.deleted is not None and all(record[prop] == value for prop, value in self.deleted.items())

    def shown(self, record: Record) -> Record:
        """The record without its optional properties."""
        if not self.optional:
            return record
        return {prop: value for prop, value in record.items() if prop not in self.optional}

    def state(self, record: Record) -> State:
        """Whether it is archived and deleted."""
        return State(
            bool(record.get(self.archived_key)), deleted=not self.lists_deleted and self.is_deleted(record)
        )


def sort_key(record: Record, prop: str) -> Key:
    """The record's place in the index of a property: value, then id; nulls come first."""
    value = record.get(prop)
    return ((), record["id"]) if value is None else ((value,), record["id"])


class Collection:
    """The records of one kind by id, with an index per sortable property and a table per link.

    Attributes:
        told: is told, before a record is changed, which one it is and how it was.
    """

    def __init__(self, name: str, records: Mapping[Any, Record], schema: Schema) -> None:
        self.name = name
        self.schema = schema
        self.told: Callable[[str, RecordId, Record | None], None] | None = None
        self._records: dict[RecordId, Record] = dict(records)
        self._encoded: dict[RecordId, bytes] = {}
        self._links: dict[str, defaultdict[Any, set[RecordId]]] = {
            prop: defaultdict(set) for prop in schema.links
        }
        keys: dict[tuple[State, str], list[Key]] = {
            (state, prop): [] for state in STATES for prop in schema.sortable
        }
        for record in self._records.values():
            state = schema.state(record)
            for prop in schema.sortable:
                keys[state, prop].append(sort_key(record, prop))
            self._link(record)
        self._indexes: dict[tuple[State, str], SortedList] = {
            place: SortedList(entries) for place, entries in keys.items()
        }

    def __len__(self) -> int:
        return len(self._records)

    def __contains__(self, record_id: object) -> bool:
        return record_id in self._records

    def __iter__(self) -> Iterator[Record]:
        return iter(list(self._records.values()))

    def get(self, record_id: Any) -> Record | None:
        """The record of that id, in whatever state."""
        return self._records.get(record_id)

    def __getitem__(self, record_id: RecordId) -> Record:
        return self._records[record_id]

    def time(self, instant: datetime) -> str:
        """The instant as this collection writes it."""
        return instant.strftime(self.schema.time_format)

    def put(self, record: Record) -> None:
        """Adds the record, or puts it in the place of the one with its id."""
        self._tell(record["id"])
        self._forget(record["id"])
        self._records[record["id"]] = record
        state = self.schema.state(record)
        for prop in self.schema.sortable:
            self._indexes[state, prop].add(sort_key(record, prop))
        self._link(record)

    def remove(self, record_id: RecordId) -> None:
        """Takes the record out for good, if it is there."""
        self._tell(record_id)
        self._forget(record_id)
        self._records.pop(record_id, None)

    def _tell(self, record_id: RecordId) -> None:
        if self.told is not None:
            self.told(self.name, record_id, self._records.get(record_id))

    def _forget(self, record_id: RecordId) -> None:
        """Takes the record out of all that is derived from it."""
        record = self._records.get(record_id)
        if record is None:
            return
        self._encoded.pop(record_id, None)
        state = self.schema.state(record)
        for prop in self.schema.sortable:
            self._indexes[state, prop].remove(sort_key(record, prop))
        for prop, table in self._links.items():
            table[record.get(prop)].discard(record_id)

    def _link(self, record: Record) -> None:
        for prop, table in self._links.items():
            if (target := record.get(prop)) is not None:
                table[target].add(record["id"])

    def linked(self, prop: str, target: RecordId | None) -> Ids[RecordId]:
        """Ids of the records whose link property points at the target."""
        return frozenset(self._links[prop].get(target, ()))

    def encoded(self, record_id: RecordId) -> bytes:
        """The record as JSON without its optional properties; kept until the record changes."""
        if (known := self._encoded.get(record_id)) is not None:
            return known
        self._encoded[record_id] = encoded = orjson.dumps(self.schema.shown(self._records[record_id]))
        return encoded

    def walk(
        self,
        states: Iterable[State],
        prop: str,
        *,
        descending: bool = False,
        after: Key | None = None,
        window: tuple[str | None, str | None] = (None, None),
    ) -> Iterator[RecordId]:
        """Ids along an index, from where a page ended.

        Args:
            states: of the records to read.
            prop: the sortable property that gives the order.
            descending: from the last to the first.
            after: key of the last record already read.
            window: lower (inclusive) and upper (exclusive) bound of the property's values.
        """
        low, high = _bounds(window)
        low_open = high_open = False
        if after is not None and descending and (high is None or after < high):
            high, high_open = after, True
        elif after is not None and not descending and (low is None or after > low):
            low, low_open = after, True
        inclusive = (not low_open, not high_open)
        walks = [
            self._indexes[state, prop].irange(low, high, inclusive, reverse=descending) for state in states
        ]
        keys = walks[0] if len(walks) == 1 else heapq.merge(*walks, reverse=descending)
        return (record_id for _, record_id in keys)

    def changed(self, states: Iterable[State], window: tuple[str | None, str | None]) -> int:
        """How many records have their ``update_time`` in the window."""
        low, high = _bounds(window)
        total = 0
        for state in states:
            index = self._indexes[state, "update_time"]
            end = len(index) if high is None else index.bisect_left(high)
            total += end - (0 if low is None else index.bisect_left(low))
        return total


def _bounds(window: tuple[str | None, str | None]) -> tuple[Key | None, Key | None]:
    since, until = window
    if since is None and until is None:
        return None, None
    # A one-element key lies before every ((value,), id); the empty text lies after every null.
    return ((since or "",),), None if until is None else ((until,),)

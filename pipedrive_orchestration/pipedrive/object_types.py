"""The model of an object type: what an import has to know of a collection of Pipedrive."""

from __future__ import annotations

import enum
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from urllib.parse import quote

from pipedrive_orchestration.pipedrive.builtin_fields import Property

MAX_PAGE_SIZE = 500
"""Largest ``limit`` of a list, unless its row below says less (requests cost the same at any limit)."""

MAX_IDS_PER_REQUEST = 100
"""Largest number of ids in the ``ids`` parameter of a v2 list."""

MAX_CUSTOM_FIELDS_PER_REQUEST = 15
"""Largest number of keys in the ``custom_fields`` parameter of a v2 list."""


_CLOSED = frozenset({402, 403, 404})
"""HTTP statuses of collections that a plan, an add-on or a right does not open
(docs/pipedrive-api.md#errors)."""


class Paging(enum.Enum):
    """The ways in which a list is read page after page."""

    CURSOR = "cursor"
    """v2: ``additional_data.next_cursor`` goes into ``cursor``."""
    OFFSET = "offset"
    """v1: ``additional_data.pagination.next_start`` goes into ``start``."""
    NONE = "none"
    """The whole collection comes in one answer and takes neither ``limit`` nor ``start``."""


class Bounds(enum.Enum):
    """The sides on which ``update_time`` can bound a list; decides whether a source is partitioned."""

    BOTH = "both"
    """``updated_since`` (inclusive) and ``updated_until`` (exclusive)."""
    BELOW = "below"
    """``updated_since`` only, but sortable by ``update_time``: the reader stops at the upper bound."""
    ORDER = "order"
    """Neither, but sortable by ``update_time``: a reader that begins with the latest stops where it likes."""
    NONE = "none"
    """Not at all: a snapshot, read in full each time."""


class CustomFields(enum.Enum):
    """The places where a record keeps the values of its custom fields."""

    NESTED = "nested"
    """v2: under ``custom_fields``, one value or object per 40-hex key."""
    FLAT = "flat"
    """v1 leads: beside the built-in keys, companions as ``<key>_currency``, ``<key>_until``, ..."""
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Entries:
    """An answer whose ``data`` is an object, each entry of which is a record.

    Attributes:
        name: the property that the key of an entry becomes.
        value: the property that its value becomes; an entry that is ``false`` or null is no record.
    """

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Single:
    """An answer whose ``data`` is the one record that there is; where there is none, it is a 404."""


@dataclass(frozen=True, slots=True)
class Linked:
    """A list whose items are objects, each entry of which is a record that links several others.

    Attributes:
        parts: the keys of what is linked; of each the record has the id too, as ``<part>_id``.
    """

    parts: tuple[str, ...]


Records = str | Entries | Single | Linked
"""How records stand in the ``data`` of an answer; a text is the key of it under which the list lies."""

Asked = tuple[tuple[str, str], ...]
"""Names and values of query parameters."""

PLAINLY: tuple[Asked, ...] = ((),)
"""A list that one question brings."""


@dataclass(frozen=True, slots=True)
class Listing:
    """One list of a collection.

    Attributes:
        path: from ``/``.
        cost: tokens per request.
        paging: how it is read page after page.
        bounds: how far ``update_time`` can bound it.
        page_size: its largest ``limit``.
        id_key: the property that tells its records apart.
        records: how they stand in ``data``.
        withheld: properties that nobody may keep, taken out of every answer before anything else sees it.
        questions: the ways in which it is asked for, one after the other; together they bring all records.
        parents: the list of which each record's id is a question of its own, as the value of `parameter`.
        parameter: see `parents`.
    """

    path: str
    cost: int
    paging: Paging
    bounds: Bounds = Bounds.NONE
    page_size: int = MAX_PAGE_SIZE
    id_key: str = "id"
    records: Records = ""
    withheld: frozenset[str] = frozenset()
    questions: tuple[Asked, ...] = PLAINLY
    parents: Listing | None = None
    parameter: str = ""

    @property
    def is_plain(self) -> bool:
        """Whether one question brings all records, as the list that ``data`` is."""
        return not self.records and not self.withheld and self.questions == PLAINLY and self.parents is None


@dataclass(frozen=True, slots=True)
class Parent:
    """The collection along which another one is read, record by record.

    Attributes:
        type: the parents' object type.
        parameter: the query parameter that names a parent; None where the path does, as ``{parent}``.
        batch: how many parents one request can name.
        property: the property of a child that holds its parent's id; None where only the request tells.
        counted: the parent's property that tells whether there can be anything to read: at least ``least``,
            or anything at all where that is None.
        key: the properties that together name a child among those of its parent, where Pipedrive gives it no
            id, or one under which it comes with several parents; ``data.id`` is the id in ``data``.
        period: the query parameters for the first and the last day of the span that the counted property is;
            empty where no span has to be named.
        is_history: whether what has come once stays for ever, so that what does not come is not gone.
        is_stamped: whether the parent's ``update_time`` moves whenever something of its children does.
    """

    type: ObjectType
    parameter: str | None = None
    batch: int = 1
    property: str | None = None
    counted: str | None = None
    least: int | None = None
    key: tuple[str, ...] = ()
    period: tuple[str, ...] = ()
    is_history: bool = False
    is_stamped: bool = False

    def can_have(self, parent: Mapping[str, Any]) -> bool:
        """Whether a parent's record says that there can be anything to read."""
        if self.counted is None or self.counted not in parent:
            return True
        counted = parent[self.counted]
        return counted is not None and (self.least is None or counted >= self.least)

    def span(self, told: str | None, today: date) -> dict[str, str]:
        """The query that names a parent's span.

        Args:
            told: the counted property, as JSON.
            today: ends a span that has no end.
        """
        if not self.period or told is None:
            return {}
        said = json.loads(told)
        return dict(zip(self.period, (said["start"], said["end"] or today.isoformat()), strict=True))


@dataclass(frozen=True, slots=True)
class ObjectType:
    """One collection.

    Paths begin with ``/api/v2`` or with ``/v1``, which every host accepts where ``/api/v1`` is refused
    by some (docs/pipedrive-api.md#addresses-and-versions). Costs are tokens per request.
    """

    name: str
    path: str
    list_cost: int
    properties: tuple[Property, ...]
    paging: Paging = Paging.CURSOR
    bounds: Bounds = Bounds.NONE
    get_cost: int | None = None
    id_type: str = "int"
    """``int``, ``uuid`` or ``text``."""
    id_key: str = "id"
    """Empty for the only child of a parent, which has the parent's id."""
    page_size: int = MAX_PAGE_SIZE
    records: Records = ""
    withheld: frozenset[str] = frozenset()
    questions: tuple[Asked, ...] = PLAINLY
    parents: Listing | None = None
    parameter: str = ""
    alone_query: Asked = ()
    """The query of a request for one record, where it brings what no list has."""
    archived_key: str = "is_archived"
    """The property by which an archived record says so: a flag, or the time at which it was archived."""
    requires: str = ""
    """What an account or its user needs beside a scope; where that is missing, an import is skipped."""
    archived_path: str | None = None
    archived_cost: int = 0
    fields_path: str | None = None
    fields_cost: int = 0
    custom_fields: CustomFields = CustomFields.NONE
    chooses_custom_fields: bool = True
    """Whether lists of nested custom values take the ``custom_fields`` parameter."""
    filters: tuple[str, ...] = ()
    """Parameters by which Pipedrive itself can restrict the list."""
    recents_item: str | None = None
    """The collection's name in ``/v1/recents``, the only feed of its deletions."""
    every_status: str = ""
    """The ``status`` that makes the list give deleted records too, for 30 days; empty where none does."""
    scopes: tuple[str, ...] = ()
    """OAuth scopes of which one suffices to read the list."""
    fields_scopes: tuple[str, ...] = ()
    """OAuth scopes of which one suffices to read the list of fields."""
    parent: Parent | None = None
    """What it is read along, where there is no list of the whole collection."""
    stamp: str = "update_time"
    """The property that says when a record was changed last."""
    active_key: str = ""
    """The property that is false of a record that is deleted, where one can come so."""
    inner: str = ""
    """The key of an answer's item under which the record lies, where it lies in one."""
    content_path: str | None = None
    """Where what a record holds can be read, with its id as ``{id}``, where it holds anything."""
    content_cost: int = 0
    plain: str = ""
    """The property that a record is, where records are plain values and no objects."""

    @property
    def version(self) -> str:
        """``v1`` or ``v2``."""
        return "v2" if self.path.startswith("/api/v2") else "v1"

    @property
    def singular(self) -> str:
        """What one record of a collection whose name ends in ``s`` is called."""
        return self.name.removesuffix("s")

    @property
    def listing(self) -> Listing:
        """The list of the records that are not archived."""
        return Listing(
            self.path,
            self.list_cost,
            self.paging,
            self.bounds,
            page_size=self.page_size,
            id_key=self.id_key,
            records=self.records,
            withheld=self.withheld,
            questions=self.questions,
            parents=self.parents,
            parameter=self.parameter,
        )

    @property
    def archived_listing(self) -> Listing | None:
        """The list of the archived records, if the collection has any; v1 can sort it and not bound it."""
        if self.archived_path is None:
            return None
        bounds = self.bounds if self.paging is Paging.CURSOR else Bounds.ORDER
        return Listing(self.archived_path, self.archived_cost, self.paging, bounds)

    @property
    def places(self) -> tuple[Listing, ...]:
        """The lists in which a record is looked for, one after the other.

        A record can be un-archived after the first was asked and before the second is, so the first comes
        again at the end.
        """
        archived = self.archived_listing
        return (self.listing,) if archived is None else (self.listing, archived, self.listing)

    @property
    def fields_listing(self) -> Listing | None:
        """The account's list of the collection's fields; v2, however its records are paged."""
        return Listing(self.fields_path, self.fields_cost, Paging.CURSOR) if self.fields_path else None

    def is_closed(self, status: int) -> bool:
        """Whether that HTTP status says that the account, or its user, lacks what the collection requires.

        What is read per parent can be missing for one of them alone, so 404 says nothing there.
        """
        if self.parent is not None:
            return status in (402, 403)
        return bool(self.requires) and status in _CLOSED

    @property
    def partitioned(self) -> bool:
        """Whether ``update_time`` windows are possible at all."""
        return self.bounds is not Bounds.NONE

    @property
    def with_deleted(self) -> dict[str, str]:
        """The query that makes the list give deleted records too, where it can."""
        return {"status": self.every_status} if self.every_status else {}

    def children_listing(self, parents: Sequence[str]) -> tuple[Listing, dict[str, str]]:
        """The list of the children of some parents, and the query that names these."""
        assert self.parent is not None
        named = ",".join(parents)
        path = self.path.replace("{parent}", quote(named, safe=""))
        query = dict(self.questions[0])
        if self.parent.parameter:
            query[self.parent.parameter] = named
        listing = Listing(
            path,
            self.list_cost,
            self.paging,
            page_size=self.page_size,
            records=self.records,
            withheld=self.withheld,
        )
        return listing, query

    @property
    def include_fields(self) -> tuple[str, ...]:
        """Properties that come only through the ``include_fields`` parameter."""
        return tuple(prop.key for prop in self.properties if prop.optional)

    def property(self, key: str) -> Property | None:
        """The built-in property of that key."""
        return next((prop for prop in self.properties if prop.key == key), None)


Catalogue = Mapping[str, ObjectType]
"""Object types by name."""

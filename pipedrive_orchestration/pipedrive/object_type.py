"""The model of an object type: what an import has to know about a collection before the first request."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Paging(enum.Enum):
    """How a list is read page after page."""

    CURSOR = "cursor"
    """v2: ``additional_data.next_cursor`` goes into ``cursor``."""
    OFFSET = "offset"
    """v1: ``additional_data.pagination.next_start`` goes into ``start``."""
    NONE = "none"
    """The whole collection comes in one answer and takes neither ``limit`` nor ``start``."""


class Bounds(enum.Enum):
    """How far ``update_time`` can bound a list; decides whether a source is partitioned."""

    BOTH = "both"
    """``updated_since`` (inclusive) and ``updated_until`` (exclusive)."""
    BELOW = "below"
    """``updated_since`` only, but sortable by ``update_time``: the reader stops at the upper bound."""
    NONE = "none"
    """Neither: a snapshot, read in full each time."""


class CustomFields(enum.Enum):
    """Where a record keeps the values of its custom fields."""

    NESTED = "nested"
    """v2: under ``custom_fields``, one value or object per 40-hex key."""
    FLAT = "flat"
    """v1 leads: beside the built-in keys, companions as ``<key>_currency``, ``<key>_until``, ..."""
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Property:
    """A built-in property of a record.

    ``field_type`` is Pipedrive's word where it has one; ``datetime``, ``uuid``, ``contacts`` (emails,
    phones, im), ``ids``, ``uuids`` and ``amount`` (a lead's ``{amount, currency}``) name shapes that
    its field types do not. ``optional`` properties come only when asked for by ``include_fields``.
    """

    key: str
    field_type: str
    optional: bool = False

    @property
    def label(self) -> str:
        """The human name used where Pipedrive's field list does not offer one."""
        return self.key.replace("_", " ").capitalize()


@dataclass(frozen=True, slots=True)
class ObjectType:
    """One collection.

    Paths begin with ``/api/v2`` or with ``/v1``, which every host accepts where ``/api/v1`` is refused
    by some (API facts 1.1). Costs are tokens per request.
    """

    name: str
    path: str
    paging: Paging
    bounds: Bounds
    list_cost: int
    properties: tuple[Property, ...]
    get_cost: int | None = None
    id_type: str = "int"
    archived_path: str | None = None
    archived_cost: int = 0
    fields_path: str | None = None
    fields_cost: int = 0
    custom_fields: CustomFields = CustomFields.NONE
    filters: tuple[str, ...] = ()
    """Parameters by which Pipedrive itself can restrict the list."""
    recents_item: str | None = None
    """The collection's name in ``/v1/recents``, the only feed of its deletions."""
    scopes: tuple[str, ...] = ()
    """OAuth scopes of which one suffices to read the list."""

    @property
    def version(self) -> str:
        """``v1`` or ``v2``."""
        return "v2" if self.path.startswith("/api/v2") else "v1"

    @property
    def partitioned(self) -> bool:
        """Whether ``update_time`` windows are possible at all."""
        return self.bounds is not Bounds.NONE

    @property
    def include_fields(self) -> tuple[str, ...]:
        """Properties that come only through the ``include_fields`` parameter."""
        return tuple(prop.key for prop in self.properties if prop.optional)

    def property(self, key: str) -> Property | None:
        """The built-in property of that key."""
        return next((prop for prop in self.properties if prop.key == key), None)

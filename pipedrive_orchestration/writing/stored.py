"""Values as answers and our tables have them, in the form of bodies, and whether two of them are the same."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipedrive_orchestration.writing.kinds import (
    CHOICES,
    CONTACT,
    EMPTY_LISTS,
    PRICE,
    SEVERAL,
    Property,
    ValueRefusedError,
    from_json,
    number_of,
    several,
)
from pipedrive_orchestration.writing.values import LONGEST, understood


class _Trusting:
    """Takes every id as it is: what an answer or a table has needs no looking up."""

    def id_of(self, _object_type: str, name: Any) -> Any:
        if isinstance(name, Mapping):
            name = name.get("value", name.get("id"))
        return str(name) if isinstance(name, uuid.UUID) else name

    def name_of(self, _object_type: str, _record_id: Any) -> str | None:
        return None


_TRUSTING = _Trusting()


def stored(prop: Property, value: Any) -> Any:
    """The value of a body for what an answer, or a column of our tables, has of a property.

    Whatever cannot be understood is kept as it is, and so differs from every value that is written.
    """
    if value is None or value == "":
        return [] if prop.kind in EMPTY_LISTS or (prop.kind == "options" and not prop.is_custom) else None
    if isinstance(value, str) and prop.kind in ("participants", "prices", "objects", "object"):
        value = from_json(value)
    try:
        return _STORED.get(prop.kind, _stored_alike)(prop, value)
    except (ValueRefusedError, TypeError, AttributeError):
        return value


def _stored_alike(prop: Property, value: Any) -> Any:
    if value == []:
        return []
    return understood(prop, value, _TRUSTING)


def _stored_text(_prop: Property, value: Any) -> Any:
    return value if isinstance(value, str) else str(value)


def _stored_option(_prop: Property, value: Any) -> Any:
    if isinstance(value, Mapping):
        value = value.get("id", value.get("value"))
    number = number_of(value)
    return value if number is None else number


def _stored_options(prop: Property, value: Any) -> Any:
    return [_stored_option(prop, one) for one in several(value)]


def _stored_structs(keys: Sequence[str]) -> Callable[[Property, Any], Any]:
    def parts(_prop: Property, value: Any) -> Any:
        return [{key: one[key] for key in keys if one.get(key) is not None} for one in value]

    return parts


def _stored_parts(prop: Property, value: Any) -> Any:
    if isinstance(value, Mapping):
        # What has no value is not there, however many empty parts it has.
        if value.get("value", value.get("amount")) is None:
            return None
        if prop.kind == "amount" and "amount" not in value:
            value = {"amount": value["value"], "currency": value.get("currency")}
    return understood(prop, value, _TRUSTING)


_STORED: dict[str, Callable[[Property, Any], Any]] = {
    **dict.fromkeys((*LONGEST, *CHOICES, "hex color"), _stored_text),
    "activity type": _stored_text,
    "upload": _stored_text,
    "option": _stored_option,
    "options": _stored_options,
    "contacts": _stored_structs(CONTACT),
    "participants": _stored_structs(("person_id", "primary")),
    "prices": _stored_structs(PRICE),
    **dict.fromkeys(
        ("amount", "money", "date range", "time", "time range", "address"), _stored_parts
    ),
}  # fmt: skip


_SETS = frozenset({"options"}) | SEVERAL


def same(prop: Property, one: Any, other: Any) -> bool:
    """Whether a property with the one value need not be written to have the other.

    Of parts only those count that the other value has: who writes an address as a text does not say which
    country it is in.
    """
    if prop.kind in _SETS and isinstance(one, list) and isinstance(other, list):
        return set(map(str, one)) == set(map(str, other))
    if prop.kind in ("text", "long text", "html") and isinstance(one, str) and isinstance(other, str):
        return one.strip() == other.strip()
    if prop.kind == "upload":
        return Path(str(one)).name == Path(str(other)).name
    if prop.kind == "text instant" and isinstance(one, str) and isinstance(other, str):
        return one[:19] == other[:19]
    return _covers(one, other)


def _covers(one: Any, other: Any) -> bool:
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return all(_covers(one.get(key), value) for key, value in other.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_covers, one, other))
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    return bool(one == other)


def is_empty(value: Any) -> bool:
    """Whether a property with that value has none."""
    return value is None or value in ("", [])

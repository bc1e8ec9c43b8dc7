"""Events of webhooks v2: what happened to which record, and the record as the API's lists would show it.

The payload and how its shapes differ from those of records: docs/pipedrive-api.md#webhooks.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from pipedrive_orchestration.pipedrive.catalogue import BUILT_IN

OBJECTS = {
    "deal": "deals",
    "person": "persons",
    "organization": "organizations",
    "activity": "activities",
    "product": "products",
    "lead": "leads",
    "note": "notes",
    "pipeline": "pipelines",
    "stage": "stages",
    "user": "users",
    "project": "projects",
    "task": "tasks",
    "board": "boards",
    "phase": "phases",
    "deal_product": "deal_products",
    "deal_installment": "deal_installments",
}
"""Pipedrive's word for what an event is about, and the object type."""

WHOLE = frozenset({"deals", "persons", "organizations", "activities", "products"})
"""Object types whose events hold a record that can be merged as it is; of others only the id is believed."""

PARENT_KEYS = {
    object_type: catalogued.parent.property
    for object_type in OBJECTS.values()
    if (catalogued := BUILT_IN[object_type]).parent is not None and catalogued.parent.property is not None
}
"""The key under which events of records that belong to others have the id of these, by object type."""

ACTIONS = ("create", "change", "delete")


class UnusableEventError(ValueError):
    """Something that is no event that we know; the message says why, and holds nothing of it."""


@dataclass(frozen=True, slots=True)
class Event:
    """What happened to a record.

    Attributes:
        object_type: as the catalogue names it.
        action: one of `ACTIONS`.
        record_id: as text.
        at: when it happened, by Pipedrive's clock.
        data: the record as the event has it; None where it was deleted.
        merged_into: the id of the record that one was merged into, if that is why it is gone.
        parent_id: the id, as text, of the record that this one belongs to, if it belongs to one.
    """

    object_type: str
    action: str
    record_id: str
    at: datetime
    data: Mapping[str, Any] | None
    merged_into: str | None = None
    parent_id: str | None = None

    @property
    def is_removal(self) -> bool:
        """Whether the record is gone."""
        return self.action == "delete"

    @property
    def order(self) -> tuple[str, datetime]:
        """By which the newest of several states of a record is known: its own time first."""
        return str((self.data or {}).get("update_time") or ""), self.at


def parse(content: bytes) -> Event:
    """The event that a body holds.

    Raises:
        UnusableEventError: it holds none, or one of an object or version that we do not know.
    """
    try:
        body = orjson.loads(content)
    except orjson.JSONDecodeError:
        raise UnusableEventError("no JSON") from None
    meta = body.get("meta") if isinstance(body, dict) else None
    if not isinstance(meta, dict):
        raise UnusableEventError("no event of webhooks v2: it has no `meta`")
    object_type, action, record_id = (
        OBJECTS.get(str(meta.get("entity"))),
        meta.get("action"),
        meta.get("entity_id"),
    )
    if object_type is None:
        raise UnusableEventError("an event about an object that is not imported")
    if action not in ACTIONS:
        raise UnusableEventError("an event with an action that is not known")
    if not _is_id(record_id):
        raise UnusableEventError("an event that does not say which record it is about")
    at = _instant(meta.get("timestamp"))
    if at is None or at.year not in _YEARS:
        raise UnusableEventError("an event that does not say when it happened")
    data = body.get("data")
    if not isinstance(data, dict) and action != "delete":
        raise UnusableEventError("an event without the record")
    changed_at = data.get("update_time") if isinstance(data, dict) and action != "delete" else None
    if changed_at is not None and not _is_before(changed_at, at + _AHEAD):
        raise UnusableEventError("an event about a record that was changed at no time, or after it")
    merged = meta.get("merged_to_id")
    if merged is not None and not _is_id(merged):
        raise UnusableEventError("an event that does not say into which record this one was merged")
    return Event(
        object_type,
        action,
        str(record_id),
        at,
        data if isinstance(data, dict) and action != "delete" else None,
        None if merged is None else str(merged),
        _parent_id(object_type, data if isinstance(data, dict) else body.get("previous")),
    )


def _parent_id(object_type: str, record: object) -> str | None:
    parent_id = record.get(PARENT_KEYS.get(object_type)) if isinstance(record, dict) else None
    return str(parent_id) if _is_id(parent_id) else None


_ID = re.compile(r"[0-9]{1,18}|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
"""An id as Pipedrive has them; it becomes part of an address and of a question to the database."""

_YEARS = range(2000, 2200)
"""When an event may have happened; one that will never be overtaken would hold its record for ever."""

_AHEAD = timedelta(days=1)
"""How far the time of a record's change may be ahead of the time of the event that tells of it."""


def _is_before(value: object, instant: datetime) -> bool:
    known = _instant(value) if isinstance(value, str) else None
    return known is not None and known <= instant


def _is_id(value: object) -> bool:
    return isinstance(value, str | int) and _ID.fullmatch(str(value)) is not None


def _instant(value: object) -> datetime | None:
    """An instant in ISO 8601, or in seconds or milliseconds since 1970."""
    try:
        if isinstance(value, str) and not value.isdigit():
            instant = datetime.fromisoformat(value)
            return instant if instant.tzinfo else instant.replace(tzinfo=UTC)
        seconds = float(value)  # type: ignore[arg-type]
        return datetime.fromtimestamp(seconds / 1000 if seconds > _MILLISECONDS else seconds, UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        return None


_MILLISECONDS = 100_000_000_000
"""Seconds since 1970 that are none: in the year 5138."""


def record_of(event: Event, wanted: Iterable[str], wanted_custom: Iterable[str]) -> bytes | None:
    """The record of an event as a list of the API would show it; None where it does not hold what is wanted.

    Args:
        event: it holds a record.
        wanted: keys of the record whose values are needed.
        wanted_custom: keys of custom fields whose values are needed.
    """
    data = event.data
    if data is None or event.object_type not in WHOLE or str(data.get("id")) != event.record_id:
        return None
    record = {key: _BUILT_IN[key](value) if key in _BUILT_IN else value for key, value in data.items()}
    for name, older in _OLDER.get(event.object_type, {}).items():
        if name not in record and older in record:
            record[name] = record[older]
    record.setdefault("is_deleted", False)
    if not record.get("update_time") or any(key not in record for key in wanted):
        return None
    custom = data.get("custom_fields") or {}
    values = {}
    for key in wanted_custom:
        if key not in custom:
            return None
        values[key] = plain = _plain(custom[key])
        if plain is _UNKNOWN or not _is_exact(plain["value"] if isinstance(plain, dict) else plain):
            return None
    if not all(_is_exact(record[key]) for key in wanted):
        return None
    return orjson.dumps({**record, "custom_fields": values})


def _number(value: Any) -> Any:
    """The number that a text holds; events have ``visible_to`` as text."""
    return int(value) if isinstance(value, str) and value.isdigit() else value


_BUILT_IN: Mapping[str, Callable[[Any], Any]] = {"visible_to": _number}
_OLDER = {"products": {"is_linkable": "selectable"}}
"""Keys that events still have by an older name."""

_UNKNOWN = object()


def _plain(value: Any) -> Any:
    """The value of a custom field as a list shows it, of the typed object that an event has of it."""
    if value is None:
        return None
    if not isinstance(value, dict) or "type" not in value:
        return _UNKNOWN
    kind = value["type"]
    is_empty = value.get("value") is None and value.get("from") is None
    if kind in _PARTS and not is_empty and _PARTS[kind] not in value:
        return _UNKNOWN
    return _SHAPES.get(kind, _scalar)(value)


def _scalar(value: Mapping[str, Any]) -> Any:
    return value.get("value", _UNKNOWN)


def _id(value: Mapping[str, Any]) -> Any:
    return _number(value.get("id"))


def _ids(value: Mapping[str, Any]) -> Any:
    return [_number(one["id"]) for one in value.get("values") or ()] or None


def _range(value: Mapping[str, Any]) -> Any:
    rest = {key: part for key, part in value.items() if key not in ("type", "from")}
    return None if value.get("from") is None else {"value": value["from"], **rest}


def _parts(value: Mapping[str, Any]) -> Any:
    rest = {key: part for key, part in value.items() if key != "type"}
    return None if rest.get("value") is None else rest


_SHAPES: Mapping[str, Callable[[Mapping[str, Any]], Any]] = {
    "set": _ids,
    **dict.fromkeys(("enum", "user", "org", "people"), _id),
    **dict.fromkeys(("daterange", "timerange"), _range),
    **dict.fromkeys(("monetary", "time", "address"), _parts),
}
"""How events write the values of custom fields, by type; others have them under ``value``."""

_PARTS = {"monetary": "currency", "time": "timezone_name", "timerange": "timezone_name"}
"""Parts of values that lists have and events may lack."""


def _is_exact(value: Any) -> bool:
    """Whether a number is as it was written; others are set aside by who reads what was written."""
    return not isinstance(value, float) or len(repr(value).strip("-").replace(".", "")) <= _EXACT_DIGITS


_EXACT_DIGITS = 15

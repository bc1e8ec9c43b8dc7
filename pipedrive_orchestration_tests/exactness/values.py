"""What a cell must hold, worked out from the account's own record in plain Python.

Nothing here is shared with the importing code, so that both can only agree by being right.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, time
from typing import Any
from uuid import UUID

Record = dict[str, Any]

ADDRESS = (
    "value", "subpremise", "street_number", "route", "sublocality", "locality", "admin_area_level_1",
    "admin_area_level_2", "country", "postal_code", "formatted_address",
)  # fmt: skip


def instant(value: str) -> datetime:
    """An instant however Pipedrive writes it; v1 leaves out the zone, which is UTC."""
    read = datetime.fromisoformat(value)
    return read if read.tzinfo else read.replace(tzinfo=UTC)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _contacts(value: list[Record]) -> list[Record]:
    return [{part: contact.get(part) for part in ("value", "label", "primary")} for contact in value]


def _integers(value: list[Any] | str) -> list[int]:
    return [int(one) for one in (value.split(",") if isinstance(value, str) else value)]


def _clock(value: Record) -> Record:
    return {
        "value": time.fromisoformat(value["value"]),
        "timezone_id": value.get("timezone_id"),
        "timezone_name": value.get("timezone_name"),
    }


def _clock_range(value: Record) -> Record:
    return {**_clock(value), "until": time.fromisoformat(value["until"])}


_READ: dict[str, Callable[[Any], Any]] = {
    **dict.fromkeys(
        ("varchar", "varchar_auto", "text", "phone", "status", "clock", "billing_frequency"), _text
    ),
    **dict.fromkeys(
        (
            "int",
            "user",
            "people",
            "org",
            "pipeline",
            "stage",
            "activity",
            "deal",
            "product",
            "project",
            "enum",
        ),
        int,
    ),
    **dict.fromkeys(("task", "role", "projects_board", "projects_phase"), int),
    "visible_to": int,
    "double": float,
    "boolean": bool,
    "date": date.fromisoformat,
    "datetime": instant,
    "uuid": str,
    "lead": str,
    "uuids": list,
    **dict.fromkeys(("ids", "set", "deals", "persons", "orgs", "users"), _integers),
    "texts": list,
    "contacts": _contacts,
    "json": lambda value: value,
    "amount": lambda value: {"value": float(value["amount"]), "currency": value["currency"]},
    "monetary": lambda value: {"value": float(value["value"]), "currency": value["currency"]},
    "daterange": lambda value: {part: date.fromisoformat(value[part]) for part in ("value", "until")},
    "time": _clock,
    "timerange": _clock_range,
    "address": lambda value: {part: value.get(part) for part in ADDRESS},
}

_PARTS = {
    "monetary": ("currency",),
    "daterange": ("until",),
    "time": ("timezone_id",),
    "timerange": ("until", "timezone_id"),
    "address": ADDRESS[1:],
}


def expected(value: Any, field_type: str) -> Any:
    """The cell of a value, as :func:`found` reads it back."""
    return None if value is None else _READ[field_type](value)


def gathered(record: Record, key: str, field_type: str) -> Any:
    """A lead's custom value, whose parts lie beside each other in the record.

    See docs/pipedrive-api.md#custom-field-values.
    """
    value = record.get(key)
    if value is None or field_type not in _PARTS:
        return value
    return {"value": value, **{part: record.get(f"{key}_{part}") for part in _PARTS[field_type]}}


def found(cell: Any, field_type: str) -> Any:
    """What a cell of the warehouse holds."""
    if cell is None:
        return None
    if field_type == "json":
        return json.loads(cell)
    if isinstance(cell, UUID):
        return str(cell)
    if isinstance(cell, list):
        return [found(one, field_type) for one in cell]
    return cell

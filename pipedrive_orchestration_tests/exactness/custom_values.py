"""Random values for custom fields, as a v2 write takes them (docs/pipedrive-api.md#custom-field-values)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from random import Random
from typing import Any

from pipedrive_orchestration.demo import Account

_LINKED = {"user": "users", "org": "organizations", "people": "persons"}
_TEXTS = ("plain", "Ünïcødé 🌞", 'quote " and \\ back', "line\nbreak\ttab", "a,b;c", "0", "null", "مرحبا")

Make = Callable[[Random, Account, dict[str, Any]], Any]


def custom_value(rng: Random, account: Account, field: dict[str, Any]) -> Any:
    """A value that fits the field, or None to clear it."""
    return None if rng.random() < 0.15 else _MAKE[field["field_type"]](rng, account, field)


def text(rng: Random) -> str:
    """A text with something awkward in it."""
    return f"{rng.choice(_TEXTS)} {rng.randrange(10_000)}"


def day(rng: Random) -> str:
    """A date around this decade."""
    return str(date(2020, 1, 1) + timedelta(days=rng.randrange(4_000)))


def _text(rng: Random, _account: Account, _field: dict[str, Any]) -> str:
    return text(rng)


def _number(rng: Random, _account: Account, _field: dict[str, Any]) -> float:
    return rng.choice((0, -1, 12.5, 1e9, 0.1, rng.randrange(10**6) / 100))


def _monetary(rng: Random, account: Account, field: dict[str, Any]) -> dict[str, Any]:
    return {"value": _number(rng, account, field), "currency": rng.choice(("EUR", "USD", "JPY"))}


def _enum(rng: Random, _account: Account, field: dict[str, Any]) -> Any:
    return rng.choice([option["id"] for option in field["options"]])


def _set(rng: Random, _account: Account, field: dict[str, Any]) -> list[Any]:
    options = [option["id"] for option in field["options"]]
    return rng.sample(options, rng.randint(1, len(options)))


def _link(rng: Random, account: Account, field: dict[str, Any]) -> Any:
    with account.lock:
        return rng.choice([record["id"] for record in account[_LINKED[field["field_type"]]]])


def _day(rng: Random, _account: Account, _field: dict[str, Any]) -> str:
    return day(rng)


def _days(rng: Random, _account: Account, _field: dict[str, Any]) -> dict[str, Any]:
    first, last = sorted((day(rng), day(rng)))
    return {"value": first, "until": last}


def _clock(rng: Random) -> str:
    return f"{rng.randrange(24):02}:{rng.randrange(60):02}:00"


def _time(rng: Random, _account: Account, _field: dict[str, Any]) -> dict[str, Any]:
    return {"value": _clock(rng), "timezone_id": rng.choice((17, 24, None))}


def _times(rng: Random, account: Account, field: dict[str, Any]) -> dict[str, Any]:
    return {**_time(rng, account, field), "until": _clock(rng)}


def _address(rng: Random, _account: Account, _field: dict[str, Any]) -> dict[str, Any]:
    return {"value": text(rng), "locality": rng.choice(("Tallinn", None)), "country": "Estonia"}


_MAKE: dict[str, Make] = {
    **dict.fromkeys(("varchar", "varchar_auto", "text", "phone"), _text),
    "double": _number,
    "monetary": _monetary,
    "enum": _enum,
    "set": _set,
    **dict.fromkeys(_LINKED, _link),
    "date": _day,
    "daterange": _days,
    "time": _time,
    "timerange": _times,
    "address": _address,
}

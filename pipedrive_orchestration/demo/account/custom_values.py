"""Custom values: those that v2 writes, checked type by type, and those of leads, which are flat.

See docs/pipedrive-api.md#custom-field-values.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

from pipedrive_orchestration.demo.account.account import Account
from pipedrive_orchestration.demo.account.fields import Field, Fields
from pipedrive_orchestration.demo.records import Record, flat_custom_values

_CLOCK = re.compile(r"([01]\d|2[0-3]):[0-5]\d:[0-5]\d")
_TIMEZONES = {17: "Europe/London", 24: "Europe/Berlin", 61: "America/New_York", 88: "Asia/Tokyo"}
_LONGEST = {"varchar": 255, "varchar_auto": 255, "phone": 255, "text": 65_535}
_LINKED = {"user": "users", "org": "organizations", "people": "persons"}

ADDRESS_PARTS = (
    "value",
    "country",
    "admin_area_level_1",
    "admin_area_level_2",
    "locality",
    "sublocality",
    "route",
    "street_number",
    "subpremise",
    "postal_code",
    "formatted_address",
)
"""The keys of every address (docs/pipedrive-api.md#records)."""

Check = Callable[[Account, Field, Any], "str | None"]
"""Says what is wrong with a value, if anything is."""


def custom_value_problems(account: Account, name: str, values: Record, prefix: str) -> Iterator[str]:
    """What is wrong with the custom values of a write, one sentence per key.

    Args:
        account: whose fields they are.
        name: the collection whose fields they are.
        values: by field code; null clears a field and fits every type.
        prefix: what stands before the field code.
    """
    for code, value in values.items():
        field = account.fields[name].custom(code)
        if field is None:
            yield f"{prefix}{code}: This key is not allowed."
        elif value is not None and (problem := _CHECKS[field["field_type"]](account, field, value)):
            yield f"{prefix}{code}: {problem}"


def with_custom_fields(fields: Fields, before: Record, changes: Record) -> Record:
    """The record with the written custom values; an empty object clears all of them."""
    if "custom_fields" not in changes:
        return before
    written = changes["custom_fields"]
    kept = before["custom_fields"] or {}
    if not written:
        return {**before, "custom_fields": dict.fromkeys(kept)}
    new = {code: completed(fields.custom(code) or {}, value) for code, value in written.items()}
    return {**before, "custom_fields": {**kept, **new}}


def completed(field: Field, value: Any) -> Any:
    """A checked value as the account keeps it: with every part that answers show."""
    if not isinstance(value, dict):
        return value
    if field["field_type"] == "address":
        return completed_address(value)
    if field["field_type"] in {"time", "timerange"}:
        timezone_id = value.get("timezone_id")
        return {**value, "timezone_id": timezone_id, "timezone_name": _TIMEZONES.get(timezone_id or 0)}
    if field["field_type"] == "monetary":
        return {"value": value["value"], "currency": value.get("currency")}
    return value


def completed_address(value: Record) -> Record:
    """An address with all its parts; those left out are null (docs/pipedrive-api.md#custom-field-values)."""
    parts = {part: value.get(part) for part in ADDRESS_PARTS}
    return {**parts, "formatted_address": parts["formatted_address"] or parts["value"]}


def _text(_account: Account, field: Field, value: Any) -> str | None:
    if not isinstance(value, str):
        return "This value should be of type string."
    if not value.strip():
        return "This value should be a non-empty string; use null to clear it."
    longest = _LONGEST[field["field_type"]]
    return f"This value is longer than {longest} characters." if len(value) > longest else None


def _number(_account: Account, _field: Field, value: Any) -> str | None:
    return None if _is_number(value) else "This value should be of type number."


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _object(value: Any, required: tuple[str, ...], optional: tuple[str, ...] = ()) -> str | None:
    if not isinstance(value, dict):
        return f"This value should be an object with {' and '.join(required)}."
    if missing := [key for key in required if value.get(key) is None]:
        return f"{' and '.join(missing)} should not be missing."
    if unknown := value.keys() - set(required) - set(optional):
        return f"{', '.join(sorted(unknown))} is not allowed."
    return None


def _monetary(account: Account, _field: Field, value: Any) -> str | None:
    if problem := _object(value, ("value",), ("currency",)):
        return problem
    if not _is_number(value["value"]):
        return "value should be of type number."
    return currency_problem(account, value.get("currency"))


def currency_problem(account: Account, code: Any) -> str | None:
    """What is wrong with a currency, which may be null."""
    if code is None or any(one["code"] == code and one["active_flag"] for one in account["currencies"]):
        return None
    return "This currency is not known or not in use."


def _enum(_account: Account, field: Field, value: Any) -> str | None:
    if type(value) is not int:
        return "This value should be the id of an option, a number."
    known = {option["id"] for option in field["options"] or ()}
    return None if value in known else f"There is no option {value}."


def _set(account: Account, field: Field, value: Any) -> str | None:
    if not isinstance(value, list) or not value:
        return "This value should be a non-empty array of option ids; use null to clear it."
    return next((problem for one in value if (problem := _enum(account, field, one))), None)


def _link(account: Account, field: Field, value: Any) -> str | None:
    if type(value) is not int:
        return "This value should be of type integer."
    name = _LINKED[field["field_type"]]
    return None if value in account[name] else f"There is no record {value} among {name}."


def _date(_account: Account, _field: Field, value: Any) -> str | None:
    return None if _is_date(value) else "This value is not a valid date."


def _is_date(value: Any) -> bool:
    if not isinstance(value, str) or len(value) != 10:
        return False
    try:
        date.fromisoformat(value)
    except ValueError:
        return False
    return True


def _date_range(_account: Account, _field: Field, value: Any) -> str | None:
    if problem := _object(value, ("value", "until")):
        return problem
    if not (_is_date(value["value"]) and _is_date(value["until"])):
        return "value and until should be valid dates."
    return "until should not lie before value." if value["until"] < value["value"] else None


def _is_clock(value: Any) -> bool:
    return isinstance(value, str) and _CLOCK.fullmatch(value) is not None


def _time(_account: Account, _field: Field, value: Any) -> str | None:
    if problem := _object(value, ("value",), ("timezone_id", "timezone_name")):
        return problem
    return _clock_problem(value, "value")


def _time_range(_account: Account, _field: Field, value: Any) -> str | None:
    if problem := _object(value, ("value", "until"), ("timezone_id", "timezone_name")):
        return problem
    return _clock_problem(value, "value", "until")


def _clock_problem(value: Record, *parts: str) -> str | None:
    if not all(_is_clock(value[part]) for part in parts):
        return f"{' and '.join(parts)} should be a time such as 09:00:00."
    timezone_id = value.get("timezone_id")
    return None if timezone_id is None or timezone_id in _TIMEZONES else "This timezone_id is not known."


def _address(_account: Account, _field: Field, value: Any) -> str | None:
    if problem := _object(value, ("value",), ADDRESS_PARTS):
        return problem
    wrong = sorted(key for key, part in value.items() if part is not None and not isinstance(part, str))
    return f"{', '.join(wrong)} should be of type string." if wrong else None


_CHECKS: dict[str, Check] = {
    **dict.fromkeys(("varchar", "varchar_auto", "text", "phone"), _text),
    "double": _number,
    "monetary": _monetary,
    "enum": _enum,
    "set": _set,
    **dict.fromkeys(("user", "org", "people"), _link),
    "date": _date,
    "daterange": _date_range,
    "time": _time,
    "timerange": _time_range,
    "address": _address,
}


_CODE_LENGTH = 40


def split_flat(fields: Fields, content: Record) -> tuple[Record, Record]:
    """A body's built-in keys and, in v2 form by field code, its custom ones."""
    custom_keys = {key: field for key in content if (field := _field_of(fields, key)) is not None}
    built_in = {key: value for key, value in content.items() if key not in custom_keys}
    values: Record = {}
    for key, field in custom_keys.items():
        code, part = field["field_code"], key[_CODE_LENGTH + 1 :]
        if not field["subfields"]:
            values[code] = _from_v1(field, content[key])
        elif part or content[key] is not None:
            values[code] = (values.get(code) or {}) | {part or "value": content[key]}
        else:
            values.setdefault(code, None)
    return built_in, values


def _field_of(fields: Fields, key: str) -> Field | None:
    code, part = key[:_CODE_LENGTH], key[_CODE_LENGTH:]
    field = fields.custom(code)
    if field is None or not part:
        return field
    known = {f"_{subfield['field_code']}" for subfield in field["subfields"] or ()} - {"_value"}
    return field if part in known else None


def _from_v1(field: Field, value: Any) -> Any:
    if field["field_type"] == "enum" and isinstance(value, str) and value.isdecimal():
        return int(value)
    if field["field_type"] == "set" and isinstance(value, str):
        parts = [part.strip() for part in value.split(",")]
        return [int(part) for part in parts] if all(part.isdecimal() for part in parts) else value
    return value


def with_flat_values(fields: Fields, lead: Record, values: Record) -> Record:
    """The lead with checked values; unset ones have no key."""
    codes = tuple(values)
    kept = {key: value for key, value in lead.items() if not key.startswith(codes)} if codes else lead
    whole = {
        code: completed(field, value)
        for code, value in values.items()
        if value is not None and (field := fields.custom(code)) is not None
    }
    return {**kept, **flat_custom_values(whole, list(fields))}

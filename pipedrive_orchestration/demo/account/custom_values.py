"""Custom values: those that v2 writes, checked by their field's type, and those of leads, which are flat.

See docs/pipedrive-api.md#custom-field-values.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Annotated, Any

from pydantic import Field as Limits
from pydantic import TypeAdapter, ValidationError

from pipedrive_orchestration.demo.account.account import Account
from pipedrive_orchestration.demo.account.fields import Field, Fields
from pipedrive_orchestration.demo.bodies import TYPES, model_of
from pipedrive_orchestration.demo.generator.fields import ADDRESS_PARTS
from pipedrive_orchestration.demo.parameters import sentences
from pipedrive_orchestration.demo.records import Record, flat_custom_values

_ADDRESS_KEYS = [code for code, _ in ADDRESS_PARTS]
_TIMEZONES = {17: "Europe/London", 24: "Europe/Berlin", 61: "America/New_York", 88: "Asia/Tokyo"}
_LINKED = {"user": "users", "org": "organizations", "people": "persons"}
_OF_A_TIME = "whole?: timezone_id; string?: timezone_name"
_TABLES = {
    "monetary": "number: value!; text?: currency",
    "daterange": "date: value! until!",
    "time": f"time: value!; {_OF_A_TIME}",
    "timerange": f"time: value! until!; {_OF_A_TIME}",
    "address": f"string: value!; string?: {' '.join(_ADDRESS_KEYS[1:])}",
}
"""Types of fields whose values have several parts, by the tables of bodies."""


@cache
def _adapter(field_type: str) -> TypeAdapter[Any]:
    """What tells whether a value has the shape of a type of fields."""
    text, number, date = TYPES["text"], TYPES["number"], TYPES["date"]
    shapes: dict[str, Any] = {
        **dict.fromkeys(("varchar", "varchar_auto", "phone"), Annotated[text, Limits(max_length=255)]),
        "text": Annotated[text, Limits(max_length=65_535)],
        "set": Annotated[list[int], Limits(min_length=1)],
        **dict.fromkeys(("enum", "user", "org", "people"), int),
        "double": number,
        "date": date,
    }
    return TypeAdapter(shapes.get(field_type) or model_of(_TABLES[field_type], new=True))


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
        elif value is not None:
            yield from (f"{prefix}{code}: {problem}" for problem in _problems(account, field, value))


def _problems(account: Account, field: Field, value: Any) -> Iterator[str]:
    field_type = field["field_type"]
    try:
        _adapter(field_type).validate_python(value, strict=True)
    except ValidationError as error:
        yield from sentences(error)
        return
    if field_type == "monetary" and (problem := currency_problem(account, value.get("currency"))):
        yield problem
    if field_type in {"enum", "set"}:
        known = {option["id"] for option in field["options"] or ()}
        wanted = value if isinstance(value, list) else [value]
        yield from (f"There is no option {one}." for one in wanted if one not in known)
    if field_type in _LINKED and value not in account[_LINKED[field_type]]:
        yield f"There is no record {value} among {_LINKED[field_type]}."
    if field_type == "daterange" and value["until"] < value["value"]:
        yield "until should not lie before value."
    if field_type in {"time", "timerange"} and value.get("timezone_id") not in {None, *_TIMEZONES}:
        yield "This timezone_id is not known."


def currency_problem(account: Account, code: Any) -> str | None:
    """What is wrong with a currency, which may be null."""
    if code is None or any(one["code"] == code and one["active_flag"] for one in account["currencies"]):
        return None
    return "This currency is not known or not in use."


def with_custom_fields(fields: Fields, before: Record, changes: Record) -> Record:
    """The record with the written custom values; an empty object clears all of them."""
    if "custom_fields" not in changes:
        return before
    written = changes["custom_fields"]
    kept = before["custom_fields"] or {}
    if not written:
        return {**before, "custom_fields": dict.fromkeys(kept)}
    new = {code: _completed(fields.custom(code) or {}, value) for code, value in written.items()}
    return {**before, "custom_fields": {**kept, **new}}


def _completed(field: Field, value: Any) -> Any:
    """A checked value as the account keeps it: with every part that answers show."""
    if not isinstance(value, dict):
        return value
    match field["field_type"]:
        case "address":
            return completed_address(value)
        case "time" | "timerange":
            timezone_id = value.get("timezone_id")
            return {**value, "timezone_id": timezone_id, "timezone_name": _TIMEZONES.get(timezone_id or 0)}
        case "monetary":
            return {"value": value["value"], "currency": value.get("currency")}
        case _:
            return value


def completed_address(value: Record) -> Record:
    """An address with all its parts; those left out are null (docs/pipedrive-api.md#custom-field-values)."""
    parts = {part: value.get(part) for part in _ADDRESS_KEYS}
    return {**parts, "formatted_address": parts["formatted_address"] or parts["value"]}


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
        code: _completed(field, value)
        for code, value in values.items()
        if value is not None and (field := fields.custom(code)) is not None
    }
    return {**kept, **flat_custom_values(whole, list(fields))}

"""Custom values of leads, which are written and kept flat beside the built-in keys.

See docs/pipedrive-api.md#custom-field-values.
"""

from __future__ import annotations

from typing import Any

from pipedrive_orchestration.demo.account.custom_values import completed
from pipedrive_orchestration.demo.account.fields import Field, Fields
from pipedrive_orchestration.demo.records import Record, flat_custom_values

_CODE_LENGTH = 40


def split(fields: Fields, content: Record) -> tuple[Record, Record]:
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

"""What a record is, before anything is known of the account it belongs to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from pipedrive_orchestration.pipedrive.catalogue import BUILT_IN

Record = dict[str, Any]
"""One Pipedrive object as its JSON has it."""

RecordId = int | str
Records = dict[Any, Record]
"""The records of a collection by their ids."""


def blank(name: str) -> Record:
    """A record of an object type with every built-in property: counts 0, booleans False, the others null."""
    return dict(_blank(name))


@cache
def _blank(name: str) -> Record:
    return {
        prop.key: 0 if prop.key.endswith("_count") else False if prop.field_type == "boolean" else None
        for prop in BUILT_IN[name].properties
    }


def taken(record: Mapping[str, Any], keys: str) -> Record:
    """Some keys of a record, such as ``taken(user, "id name")``."""
    return {key: record[key] for key in _words(keys)}


@cache
def _words(keys: str) -> tuple[str, ...]:
    return tuple(keys.split())


def flat_custom_values(custom_fields: Record, fields: Iterable[Record]) -> Record:
    """Custom values as v1 records carry them beside their own properties, unset ones left out.

    Enum ids become text, sets comma-separated text, and the parts of compound values keys of their own,
    such as ``<key>_currency``. See docs/pipedrive-api.md#custom-field-values.

    Args:
        custom_fields: values in their v2 form, by field code.
        fields: the field objects.
    """
    types = {field["field_code"]: field["field_type"] for field in fields}
    flat: Record = {}
    for code, value in custom_fields.items():
        if value is not None:
            flat |= _flat(code, types[code], value)
    return flat


def _flat(code: str, field_type: str, value: Any) -> Record:
    if field_type == "enum":
        return {code: str(value)}
    if field_type == "set":
        return {code: ",".join(map(str, value))}
    if not isinstance(value, dict):
        return {code: value}
    parts = {f"{code}_{part}": value[part] for part in value if part not in {"value", "timezone_name"}}
    return {code: value["value"], **parts}

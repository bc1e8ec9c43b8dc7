"""One change of one record: what it makes of which properties, and the body that says so to Pipedrive."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from pipedrive_orchestration.pipedrive.client import Form
from pipedrive_orchestration.pipedrive.object_types import CustomFields
from pipedrive_orchestration.pipedrive.requests import BodyForm, WritableType, WriteOperation
from pipedrive_orchestration.writing.properties import Properties
from pipedrive_orchestration.writing.stored import stored

Values = Mapping[str, Any]
"""Values by key, in the form that bodies take."""


class Kind(StrEnum):
    """The kinds of changes."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class Change:
    """One change.

    Attributes:
        record_id: of the record; None of one that is to be created.
        before: the values that the changed properties have as far as we know.
        after: the values that they are to have.
        parents: ids of the records that a new one is below.
    """

    kind: Kind
    record_id: str | int | None = None
    before: Values = field(default_factory=dict)
    after: Values = field(default_factory=dict)
    parents: tuple[str, ...] = ()


def operation_of(writable: WritableType, kind: Kind) -> WriteOperation | None:
    """The request that makes a change of that kind, if Pipedrive has one."""
    return {Kind.CREATE: writable.create, Kind.UPDATE: writable.update, Kind.DELETE: writable.delete}[kind]


def above_of(record_id: str | int) -> tuple[str, ...]:
    """The ids of the parents that stand before a record's own."""
    return tuple(str(record_id).split("/")[:-1])


def parents_of(change: Change) -> tuple[str, ...]:
    """The ids of what the record of a change is below."""
    return change.parents if change.record_id is None else above_of(change.record_id)


def own_id(change: Change) -> str | None:
    """The id of a change's record without those of its parents; None of one that is to be created."""
    return None if change.record_id is None else str(change.record_id).rpartition("/")[2]


def content_of(properties: Properties, operation: WriteOperation, change: Change) -> Any:
    """What a change sends, in the form that its operation takes; None for nothing."""
    own = own_id(change)
    values = {} if change.kind is Kind.DELETE else body_of(properties, change.after)
    match operation.form:
        case BodyForm.NAMED:
            name = properties.writable.id_key
            return {name: int(own) if own is not None and own.isdecimal() else own}
        case BodyForm.LIST:
            return [values if own is None else {"id": int(own), **values}]
        case BodyForm.FORM | BodyForm.UPLOAD:
            file = None
            texts = {}
            for key, value in values.items():
                if properties.by_key(key).kind == "upload":
                    file = (key, Path(value).name, Path(value).read_bytes())
                elif value is not None:
                    texts[key] = str(int(value) if isinstance(value, bool) else value)
            return Form(texts, file)
        case _:
            return None if change.kind is Kind.DELETE else values


def body_of(properties: Properties, values: Values) -> dict[str, Any]:
    """The body that gives properties their values; custom fields stand where the collection has them."""
    custom = {prop.key for prop in properties.known if prop.is_custom}
    body = {key: value for key, value in values.items() if key not in custom}
    own = {key: value for key, value in values.items() if key in custom}
    if not own:
        return body
    if properties.writable.custom_fields is CustomFields.NESTED:
        return {**body, "custom_fields": own}
    for key, value in own.items():
        body |= _flat(key, value)
    return body


def _flat(key: str, value: Any) -> dict[str, Any]:
    """A value as v1 has it: its parts beside each other (docs/pipedrive-api.md#custom-field-values)."""
    if not isinstance(value, dict):
        return {key: value}
    return {key if part == "value" else f"{key}_{part}": content for part, content in value.items()}


def values_of(properties: Properties, record: Mapping[str, Any], keys: Mapping[str, Any]) -> dict[str, Any]:
    """The values that a record, as an answer has it, has for some keys; None for what no answer has."""
    return {key: stored(properties.by_key(key), _raw(properties, record, key)) for key in keys}


_PARTS = {
    "money": ("currency",),
    "date range": ("until",),
    "time": ("timezone_id",),
    "time range": ("until", "timezone_id"),
    "address": (
        "country", "admin_area_level_1", "admin_area_level_2", "locality", "sublocality", "route",
        "street_number", "subpremise", "postal_code",
    ),
}  # fmt: skip


def _raw(properties: Properties, record: Mapping[str, Any], key: str) -> Any:
    prop = properties.by_key(key)
    if not prop.is_custom:
        return record.get(prop.read_key)
    if properties.writable.custom_fields is CustomFields.NESTED:
        return (record.get("custom_fields") or {}).get(key)
    value = record.get(key)
    if prop.kind not in _PARTS or value is None or isinstance(value, Mapping):
        return value
    parts = {part: record.get(f"{key}_{part}") for part in _PARTS[prop.kind]}
    return {"value": value, **{part: content for part, content in parts.items() if content is not None}}

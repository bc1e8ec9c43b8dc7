"""From a property to a typed column: the SQL that reads a value out of a record's JSON.

Records stay bytes until DuckDB opens them. One pass turns a record into a struct of leaves, one leaf per
wanted property; each leaf is then cast (see :mod:`.casting`). A value that does not fit its type
leaves its cell NULL, keeps its record, and is set aside with the raw value. The shapes are those of API
facts 4.3.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipedrive_orchestration.importing.casts import (
    REFERENCES,
    STRUCTS,
    Cast,
    flat_cast,
    nested_cast,
    plain_cast,
)
from pipedrive_orchestration.pipedrive.fields import Field
from pipedrive_orchestration.pipedrive.object_type import CustomFields, ObjectType
from pipedrive_orchestration.warehouse.sql import quoted
from pipedrive_orchestration.warehouse.tables import Column

_TEXTS = frozenset(
    {"varchar", "text", "varchar_auto", "varchar_options", "phone", "status", "clock", "price_list"}
    | {"billing_frequency"}
)
_SCALARS = {
    "int": "BIGINT",
    "visible_to": "BIGINT",
    "double": "DOUBLE",
    "boolean": "BOOLEAN",
    "date": "DATE",
    "datetime": "TIMESTAMPTZ",
    "uuid": "UUID",
    "lead": "UUID",
}
_LISTS = {"set": "BIGINT[]", "ids": "BIGINT[]", "uuids": "UUID[]"}
_CONTACTS = 'STRUCT(value VARCHAR, label VARCHAR, "primary" BOOLEAN)[]'


@dataclass(frozen=True, slots=True)
class TypedColumn:
    """A column and how its value is made.

    Attributes:
        nested: whether the leaves of the cast lie under ``custom_fields``.
    """

    column: Column
    cast: Cast
    nested: bool


def typed_column(field: Field, object_type: ObjectType, label: str | None = None) -> TypedColumn:
    """The typed column of a property.

    Args:
        field: the property as the account has it.
        object_type: decides where custom values lie and how they are written.
        label: the user's own label, if any.
    """
    layout = object_type.custom_fields if field.is_custom else CustomFields.NONE
    sql_type = sql_type_of(field)
    return TypedColumn(
        column=Column(
            key=field.key,
            sql_type=sql_type,
            label=label or field.label,
            field_type=field.field_type,
            has_options=_has_options(field),
        ),
        cast=_CASTS[layout](field.key, field.field_type, sql_type),
        nested=layout is CustomFields.NESTED,
    )


_CASTS = {
    CustomFields.NONE: plain_cast,
    CustomFields.NESTED: nested_cast,
    CustomFields.FLAT: flat_cast,
}

_OPTION_TYPES = frozenset({"status", "visible_to", "ids", "varchar_options", "varchar", "int"})


def _has_options(field: Field) -> bool:
    # Options that are all deleted leave an enum or set without a list; their labels are still known.
    return field.field_type in ("enum", "set") or (bool(field.options) and field.field_type in _OPTION_TYPES)


def sql_type_of(field: Field) -> str:
    """DuckDB's type for a property; whatever has no better one is JSON."""
    kind = field.field_type
    if kind in STRUCTS:
        return "STRUCT(" + ", ".join(f"{quoted(k)} {v}" for k, v in STRUCTS[kind].items()) + ")"
    if kind in _TEXTS:
        return "VARCHAR"
    if kind == "contacts":
        return _CONTACTS
    if kind in ("enum", "set") and any(isinstance(option.id, str) for option in field.options):
        return "VARCHAR" if kind == "enum" else "VARCHAR[]"
    if kind in REFERENCES:
        return "BIGINT"
    return _SCALARS.get(kind) or _LISTS.get(kind) or "JSON"


def structure_of(columns: Sequence[TypedColumn]) -> dict[str, object]:
    """The structure into which DuckDB opens a record: every wanted leaf as text, or as JSON if it has parts.

    ``id``, ``add_time``, ``update_time``, ``is_deleted`` and ``is_archived`` are always wanted.
    """
    wanted: dict[str, object] = dict.fromkeys(
        ("id", "add_time", "update_time", "is_deleted", "is_archived"), "VARCHAR"
    )
    nested: dict[str, object] = {}
    for column in columns:
        (nested if column.nested else wanted).update(column.cast.leaves)
    if nested:
        wanted["custom_fields"] = nested
    return wanted

"""From a property to a typed column: the SQL that reads a value out of a record's JSON.

Records stay bytes until DuckDB opens them. One pass turns a record into a struct of JSON leaves, one
leaf per wanted property; each leaf is then cast with ``TRY_CAST``. A value that does not fit its type
leaves its cell NULL, keeps its record, and is set aside with the raw value. The shapes are those of API
facts 4.3.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipedrive_orchestration.pipedrive.catalogue import CustomFields, ObjectType
from pipedrive_orchestration.pipedrive.fields import Field
from pipedrive_orchestration.warehouse.identifiers import literal, quoted
from pipedrive_orchestration.warehouse.tables import Column

_ADDRESS_PARTS = (
    "value",
    "subpremise",
    "street_number",
    "route",
    "sublocality",
    "locality",
    "admin_area_level_1",
    "admin_area_level_2",
    "country",
    "postal_code",
    "formatted_address",
)

_STRUCTS: dict[str, dict[str, str]] = {
    "monetary": {"value": "DOUBLE", "currency": "VARCHAR"},
    "amount": {"value": "DOUBLE", "currency": "VARCHAR"},
    "daterange": {"value": "DATE", "until": "DATE"},
    "time": {"value": "TIME", "timezone_id": "BIGINT", "timezone_name": "VARCHAR"},
    "timerange": {"value": "TIME", "until": "TIME", "timezone_id": "BIGINT", "timezone_name": "VARCHAR"},
    "address": dict.fromkeys(_ADDRESS_PARTS, "VARCHAR"),
}

_TEXTS = frozenset(
    {"varchar", "text", "varchar_auto", "varchar_options", "phone", "status", "clock", "price_list"}
    | {"billing_frequency"}
)
_REFERENCES = frozenset(
    {"user", "org", "people", "deal", "stage", "pipeline", "project", "product", "activity"}
    | {"projects_board", "projects_phase"}
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
        leaves: keys of the record's JSON that the value is made of, the property's own first.
        nested: whether they lie under ``custom_fields``.
        value: SQL of the value, over the leaves.
        fits: SQL that is true where a leaf that is not null is wholly represented by ``candidate``.
    """

    column: Column
    leaves: tuple[str, ...]
    nested: bool
    value: str
    fits: str


def typed_column(field: Field, object_type: ObjectType, label: str | None = None) -> TypedColumn:
    """The typed column of a property.

    Args:
        field: the property as the account has it.
        object_type: decides where custom values lie and how they are written.
        label: the user's own label, if any.
    """
    flat = field.is_custom and object_type.custom_fields is CustomFields.FLAT
    nested = field.is_custom and object_type.custom_fields is CustomFields.NESTED
    sql_type = sql_type_of(field)
    leaf = leaf_of(field.key, nested=nested)
    companions = tuple(f"{field.key}_{part}" for part in _companions(field.field_type)) if flat else ()
    value = _value(field, sql_type, leaf, flat=flat)
    return TypedColumn(
        column=Column(
            key=field.key,
            sql_type=sql_type,
            label=label or field.label,
            field_type=field.field_type,
            has_options=bool(field.options) and field.field_type in _OPTION_TYPES,
        ),
        leaves=(field.key, *companions),
        nested=nested,
        value=value,
        fits=_fits(field, sql_type, leaf, quoted(field.key), flat=flat),
    )


_OPTION_TYPES = frozenset({"enum", "set", "status", "visible_to", "ids", "varchar_options", "varchar", "int"})


def sql_type_of(field: Field) -> str:
    """DuckDB's type for a property; whatever has no better one is JSON."""
    kind = field.field_type
    if kind in _STRUCTS:
        return "STRUCT(" + ", ".join(f"{quoted(k)} {v}" for k, v in _STRUCTS[kind].items()) + ")"
    if kind in _TEXTS:
        return "VARCHAR"
    if kind == "contacts":
        return _CONTACTS
    if kind in ("enum", "set") and any(isinstance(option.id, str) for option in field.options):
        return "VARCHAR" if kind == "enum" else "VARCHAR[]"
    if kind == "enum" or kind in _REFERENCES:
        return "BIGINT"
    return _SCALARS.get(kind) or _LISTS.get(kind) or "JSON"


def leaf_of(key: str, *, nested: bool) -> str:
    """SQL of a leaf of the staged record."""
    return f"record.custom_fields.{quoted(key)}" if nested else f"record.{quoted(key)}"


def _companions(kind: str) -> tuple[str, ...]:
    parts = [part for part in _STRUCTS.get(kind, {}) if part not in ("value", "timezone_name")]
    return tuple(parts)


def _value(field: Field, sql_type: str, leaf: str, *, flat: bool) -> str:
    kind = field.field_type
    if sql_type == "JSON":
        return leaf
    if sql_type == "VARCHAR":
        return f"({leaf} ->> '$')"
    if kind in _STRUCTS:
        return _struct(field, sql_type, leaf, flat=flat)
    if sql_type == "BIGINT":
        return _integer(leaf, reference=kind == "enum" or kind in _REFERENCES)
    if sql_type.endswith("[]") and kind != "contacts":
        return _list(sql_type, leaf)
    return f"TRY_CAST({leaf} AS {sql_type})"


def _integer(leaf: str, *, reference: bool) -> str:
    # DuckDB rounds 1.5 to 2 when it casts; a fraction is a value that does not fit.
    whole = (
        f"CASE WHEN contains({leaf}::VARCHAR, '.') AND TRY_CAST({leaf} AS DOUBLE) <> "
        f"trunc(TRY_CAST({leaf} AS DOUBLE)) THEN NULL ELSE TRY_CAST({leaf} AS BIGINT) END"
    )
    if not reference:
        return whole
    # Some answers carry the referenced record, or the option, as an object around its id.
    return f"coalesce({whole}, TRY_CAST(coalesce({leaf} ->> '$.value', {leaf} ->> '$.id') AS BIGINT))"


def _list(sql_type: str, leaf: str) -> str:
    element = sql_type.removesuffix("[]")
    # v1 writes a set as a comma-separated text.
    split = f"list_transform(string_split({leaf} ->> '$', ','), lambda x: TRY_CAST(x AS {element}))"
    return f"CASE WHEN starts_with({leaf}::VARCHAR, '[') THEN TRY_CAST({leaf} AS {sql_type}) ELSE {split} END"


def _struct(field: Field, sql_type: str, leaf: str, *, flat: bool) -> str:
    parts = _STRUCTS[field.field_type]
    if field.field_type == "amount":
        return (
            f"CASE WHEN {leaf} IS NOT NULL THEN struct_pack(\"value\" := TRY_CAST({leaf} ->> '$.amount' AS "
            f"DOUBLE), currency := {leaf} ->> '$.currency') END"
        )
    whole = f"TRY_CAST({leaf} AS {sql_type})"
    if not flat:
        return whole
    packed = ", ".join(
        f"{quoted(part)} := {_flat_part(field.key, part, kind)}" for part, kind in parts.items()
    )
    return (
        f"CASE WHEN {leaf} IS NULL THEN NULL WHEN starts_with({leaf}::VARCHAR, '{{') THEN {whole} "
        f"ELSE struct_pack({packed}) END"
    )


def _flat_part(key: str, part: str, sql_type: str) -> str:
    if part == "timezone_name":
        return "NULL::VARCHAR"
    leaf = leaf_of(key if part == "value" else f"{key}_{part}", nested=False)
    return f"TRY_CAST({leaf} ->> '$' AS {sql_type})"


def _fits(field: Field, sql_type: str, leaf: str, candidate: str, *, flat: bool) -> str:
    kind = field.field_type
    if kind in _STRUCTS:
        return _struct_fits(field, leaf, candidate, flat=flat)
    if kind == "contacts":
        return f"({candidate} IS NOT NULL AND starts_with({leaf}::VARCHAR, '['))"
    if sql_type.endswith("[]"):
        return f"(len({candidate}) = list_count({candidate}) OR {_blank(leaf)})"
    if sql_type in ("VARCHAR", "JSON"):
        return "true"
    return f"({candidate} IS NOT NULL OR {_blank(leaf)})"


def _blank(leaf: str) -> str:
    # v1 writes "" where v2 writes null.
    return f"{leaf}::VARCHAR = '\"\"'"


def _struct_fits(field: Field, leaf: str, candidate: str, *, flat: bool) -> str:
    parts = _STRUCTS[field.field_type]
    named = {"value": "amount"} if field.field_type == "amount" else {}
    checks = [
        f"({candidate}.{quoted(part)} IS NOT NULL "
        f"OR ({leaf} ->> {literal('$.' + named.get(part, part))}) IS NULL)"
        for part, kind in parts.items()
        if kind != "VARCHAR"
    ]
    whole = " AND ".join([f"starts_with({leaf}::VARCHAR, '{{')", *checks])
    if not flat:
        return f"({whole} OR {_blank(leaf)})"
    return f'({whole} OR {candidate}."value" IS NOT NULL OR {_blank(leaf)})'


def structure_of(columns: Sequence[TypedColumn]) -> dict[str, object]:
    """The structure into which DuckDB opens a record: every wanted leaf as JSON.

    ``id``, ``add_time``, ``update_time``, ``is_deleted`` and ``is_archived`` are always wanted.
    """
    wanted: dict[str, object] = dict.fromkeys(
        ("id", "add_time", "update_time", "is_deleted", "is_archived"), "JSON"
    )
    nested: dict[str, object] = {}
    for column in columns:
        (nested if column.nested else wanted).update(dict.fromkeys(column.leaves, "JSON"))
    if nested:
        wanted["custom_fields"] = nested
    return wanted

"""The SQL that makes a typed value of a JSON leaf, and says whether the leaf is wholly in it.

DuckDB's own casts are more forgiving than an import may be: they round fractions, take any number for
true and fill what they cannot read with NULL. What they would bend does not fit here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipedrive_orchestration.warehouse.identifiers import literal, quoted

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

STRUCTS: dict[str, dict[str, str]] = {
    "monetary": {"value": "DOUBLE", "currency": "VARCHAR"},
    "amount": {"value": "DOUBLE", "currency": "VARCHAR"},
    "daterange": {"value": "DATE", "until": "DATE"},
    "time": {"value": "TIME", "timezone_id": "BIGINT", "timezone_name": "VARCHAR"},
    "timerange": {"value": "TIME", "until": "TIME", "timezone_id": "BIGINT", "timezone_name": "VARCHAR"},
    "address": dict.fromkeys(_ADDRESS_PARTS, "VARCHAR"),
}
"""Field types of several parts, with the parts' types (API facts 4.3)."""

REFERENCES = frozenset(
    {"enum", "user", "org", "people", "deal", "stage", "pipeline", "project", "product", "activity"}
    | {"projects_board", "projects_phase"}
)
"""Field types whose value is the id of something else."""


@dataclass(frozen=True, slots=True)
class Cast:
    """How the value of a property is made.

    Attributes:
        leaf: SQL of the property's own JSON.
        leaves: keys of the record's JSON that the value is made of, the property's own first.
        value: SQL of the value, over the leaves.
        fits: SQL that is true where a leaf that is not null is wholly represented by the value, which
            it finds in a column named by the property.
        raw: SQL of what is set aside where it is not.
    """

    leaf: str
    leaves: tuple[str, ...]
    value: str
    fits: str
    raw: str


def nested_cast(key: str, field_type: str, sql_type: str) -> Cast:
    """The cast of a property that v2 keeps under ``custom_fields``."""
    return _cast(key, _leaf(key, nested=True), field_type, sql_type)


def plain_cast(key: str, field_type: str, sql_type: str) -> Cast:
    """The cast of a property that stands in the record itself."""
    return _cast(key, _leaf(key), field_type, sql_type)


def flat_cast(key: str, field_type: str, sql_type: str) -> Cast:
    """The cast of a custom field in a v1 record: its parts stand beside it, as ``<key>_until``, ..."""
    if field_type in STRUCTS:
        return _flat_struct(key, STRUCTS[field_type], sql_type)
    return plain_cast(key, field_type, sql_type)


def _cast(key: str, leaf: str, kind: str, sql_type: str) -> Cast:
    candidate = quoted(key)
    if kind == "amount":
        value, fits = _amount(leaf), _parts_fit(leaf, candidate, {"amount": "value"})
    elif kind in STRUCTS:
        value = f"CASE WHEN {_begins(leaf, '{')} THEN TRY_CAST({leaf} AS {sql_type}) END"
        fits = _parts_fit(leaf, candidate, {part: part for part in _typed_parts(STRUCTS[kind])})
    elif kind == "contacts":
        value = f"CASE WHEN {_begins(leaf, '[')} THEN TRY_CAST({leaf} AS {sql_type}) END"
        fits = f"{_begins(leaf, '[')} AND len(list_filter({candidate}, lambda c: {_NO_CONTACT})) = 0"
    elif sql_type.endswith("[]"):
        value, fits = _list(leaf, sql_type), f"len({candidate}) = list_count({candidate})"
    else:
        value, fits = _scalar(leaf, kind, sql_type), f"{candidate} IS NOT NULL"
    anything = sql_type in ("VARCHAR", "JSON")
    return Cast(
        leaf, (key,), value, "true" if anything else f"({fits} OR {_blank(leaf)})", f"{leaf}::VARCHAR"
    )


_NO_CONTACT = 'c."value" IS NULL AND c."label" IS NULL AND c."primary" IS NULL'
"""What becomes of an element that is no contact."""


def _leaf(key: str, *, nested: bool = False) -> str:
    return f"_record.custom_fields.{quoted(key)}" if nested else f"_record.{quoted(key)}"


def _text(leaf: str) -> str:
    return f"({leaf} ->> '$')"


def _begins(leaf: str, character: str) -> str:
    return f"starts_with({leaf}::VARCHAR, '{character}')"


def _blank(leaf: str) -> str:
    # v1 writes "" where v2 writes null.
    return f"{leaf}::VARCHAR = '\"\"'"


def _scalar(leaf: str, kind: str, sql_type: str) -> str:
    if sql_type == "JSON":
        return leaf
    if sql_type == "VARCHAR":
        return _text(leaf)
    if sql_type == "BOOLEAN":
        text = _text(leaf)
        return f"CASE WHEN {text} IN ('true', '1') THEN true WHEN {text} IN ('false', '0') THEN false END"
    if sql_type == "BIGINT":
        return _reference(leaf) if kind in REFERENCES else _whole(leaf)
    value = f"TRY_CAST({leaf} AS {sql_type})"
    if sql_type in _WITH_INFINITY:
        return f"CASE WHEN isfinite({value}) THEN {value} END"
    return value


_WITH_INFINITY = frozenset({"DOUBLE", "DATE", "TIMESTAMPTZ"})


def _whole(leaf: str) -> str:
    number = f"TRY_CAST({leaf} AS BIGINT)"
    return f"CASE WHEN TRY_CAST({leaf} AS DOUBLE) = {number} THEN {number} END"


def _reference(leaf: str) -> str:
    # Some answers carry the referenced record, or the option, as an object around its id.
    inner = f"coalesce({leaf} ->> '$.value', {leaf} ->> '$.id')"
    return f"coalesce({_whole(leaf)}, TRY_CAST({inner} AS BIGINT))"


def _list(leaf: str, sql_type: str) -> str:
    element = sql_type.removesuffix("[]")
    items = f"TRY_CAST({leaf} AS {sql_type})"
    if element == "BIGINT":
        items = f"list_transform(TRY_CAST({leaf} AS JSON[]), lambda x: {_reference('x')})"
    # v1 writes a set as a comma-separated text.
    split = f"list_transform(string_split({_text(leaf)}, ','), lambda x: TRY_CAST(trim(x) AS {element}))"
    return f"CASE WHEN {_begins(leaf, '[')} THEN {items} WHEN {_blank(leaf)} THEN NULL ELSE {split} END"


def _amount(leaf: str) -> str:
    # A lead's value calls its number an amount; everywhere else it is a value.
    parts = f"\"value\" := TRY_CAST({leaf} ->> '$.amount' AS DOUBLE), currency := {leaf} ->> '$.currency'"
    return f"CASE WHEN {_begins(leaf, '{')} THEN struct_pack({parts}) END"


def _typed_parts(parts: dict[str, str]) -> list[str]:
    return [part for part, sql_type in parts.items() if sql_type != "VARCHAR"]


def _parts_fit(leaf: str, candidate: str, parts: dict[str, str]) -> str:
    checks = [
        f"({candidate}.{quoted(part)} IS NOT NULL OR ({leaf} ->> {literal('$.' + name)}) IS NULL)"
        for name, part in parts.items()
    ]
    return " AND ".join([_begins(leaf, "{"), *checks])


def _flat_struct(key: str, parts: dict[str, str], sql_type: str) -> Cast:
    # v1 has no companion for the name of a time zone.
    leaves = {part: key if part == "value" else f"{key}_{part}" for part in parts if part != "timezone_name"}
    main, candidate = _leaf(key), quoted(key)
    packed = ", ".join(
        f"{quoted(part)} := "
        + (f"TRY_CAST({_text(_leaf(leaves[part]))} AS {kind})" if part in leaves else "NULL::VARCHAR")
        for part, kind in parts.items()
    )
    value = (
        f"CASE WHEN {main} IS NULL OR {_blank(main)} OR {_begins(main, '[')} THEN NULL "
        f"WHEN {_begins(main, '{')} THEN TRY_CAST({main} AS {sql_type}) ELSE struct_pack({packed}) END"
    )
    typed = _typed_parts(parts)
    separate = " AND ".join(
        [
            f"NOT {_begins(main, '[')}",
            *(
                f"({candidate}.{quoted(part)} IS NOT NULL OR {_absent(_leaf(leaves[part]))})"
                for part in typed
            ),
        ]
    )
    inside = _parts_fit(main, candidate, {part: part for part in typed})
    fits = f"({_blank(main)} OR CASE WHEN {_begins(main, '{')} THEN {inside} ELSE {separate} END)"
    return Cast(main, tuple(leaves.values()), value, fits, _raw(tuple(leaves.values())))


def _absent(leaf: str) -> str:
    return f"{leaf} IS NULL OR {_blank(leaf)}"


def _raw(keys: Sequence[str]) -> str:
    # What does not fit may be a companion, so all are shown.
    pairs = ", ".join(f"{literal(key)}, {_leaf(key)}" for key in keys)
    return f"json_object({pairs})::VARCHAR"

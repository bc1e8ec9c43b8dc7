"""The type of every field's column, and the SQL that makes a value of that type of a record's leaf.

DuckDB's own casts are more forgiving than an import may be: they round numbers, cut times off dates, take
any number for true, leave out parts that they do not know and fill what they cannot read with NULL. What
they would bend does not fit here.

A leaf with nothing inside is opened as text, for DuckDB parses a leaf of JSON again in every cast. What
looks into ``_raw``, the whole record, costs as much and is for the few records that need it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pipedrive_orchestration.pipedrive.fields import Field
from pipedrive_orchestration.warehouse.sql import literal, quoted

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
"""Field types of several parts, with the parts' types (docs/pipedrive-api.md#custom-field-values)."""

REFERENCES = frozenset(
    {"enum", "user", "org", "people", "deal", "stage", "pipeline", "project", "product", "activity"}
    | {"projects_board", "projects_phase"}
)
"""Field types whose value is the id of something else."""

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


@dataclass(frozen=True, slots=True)
class Cast:
    """The SQL that makes the value of a property.

    Attributes:
        leaf: SQL of the property's own leaf.
        leaves: keys of the record that the value is made of, and what each is opened as: ``VARCHAR`` or
            ``JSON``.
        value: SQL of the value, over the leaves.
        fits: SQL that is true where a leaf that is not null is wholly represented by the value, which
            it finds in a column named by the property.
        raw: SQL of what is set aside where it is not.
    """

    leaf: str
    leaves: Mapping[str, str]
    value: str
    fits: str
    raw: str


def nested_cast(key: str, field_type: str, sql_type: str) -> Cast:
    """The cast of a property that v2 keeps under ``custom_fields``."""
    return _cast(("custom_fields", key), field_type, sql_type)


def plain_cast(key: str, field_type: str, sql_type: str) -> Cast:
    """The cast of a property that stands in the record itself."""
    return _cast((key,), field_type, sql_type)


def flat_cast(key: str, field_type: str, sql_type: str) -> Cast:
    """The cast of a custom field in a v1 record: its parts stand beside it, as ``<key>_until``, ..."""
    if field_type in STRUCTS:
        return _flat_struct(key, STRUCTS[field_type], sql_type)
    return plain_cast(key, field_type, sql_type)


def _cast(path: tuple[str, ...], kind: str, sql_type: str) -> Cast:
    key, leaf, raw = path[-1], _leaf(path), f"{_inside(path)}::VARCHAR"
    candidate = quoted(key)
    if sql_type == "VARCHAR":
        return Cast(leaf, {key: "VARCHAR"}, leaf, "true", raw)
    if sql_type == "JSON":
        return Cast(leaf, {key: "JSON"}, leaf, "true", raw)
    if kind in STRUCTS or kind == "contacts":
        value, fits = _opened(leaf, candidate, kind, sql_type)
        return Cast(leaf, {key: "JSON"}, value, f"({fits} OR {_blank_json(leaf)})", raw)
    if sql_type.endswith("[]"):
        value, fits = _list(leaf, sql_type), f"len({candidate}) = list_count({candidate})"
    else:
        value, fits = _scalar(path, kind, sql_type), f"{candidate} IS NOT NULL"
    return Cast(leaf, {key: "VARCHAR"}, value, f"({fits} OR {_blank(leaf)})", raw)


def _opened(leaf: str, candidate: str, kind: str, sql_type: str) -> tuple[str, str]:
    """Value and fit of a leaf with parts, in JSON."""
    if kind == "amount":
        return _amount(leaf), _parts_fit(leaf, candidate, {"amount": "value"}, STRUCTS[kind])
    begins = _begins(leaf, "{" if kind in STRUCTS else "[")
    value = f"CASE WHEN {begins} THEN TRY_CAST({leaf} AS {sql_type}) END"
    if kind in STRUCTS:
        return value, _struct_fits(leaf, candidate, kind)
    return value, f"{begins} AND len(list_filter({candidate}, lambda c: {_NO_CONTACT})) = 0"


_NO_CONTACT = 'c."value" IS NULL AND c."label" IS NULL AND c."primary" IS NULL'
"""SQL that is true for an element that was no contact."""


def _leaf(path: tuple[str, ...]) -> str:
    return ".".join(["_record", *map(quoted, path)])


def _inside(path: Iterable[str], *, read: str = "->") -> str:
    pointer = "".join("/" + key.replace("~", "~0").replace("/", "~1") for key in path)
    return f"(_raw {read} {literal(pointer)})"


def _begins(leaf: str, character: str) -> str:
    return f"starts_with({leaf}::VARCHAR, '{character}')"


def _blank(leaf: str) -> str:
    # v1 writes "" where v2 writes null.
    return f"{leaf} = ''"


def _blank_json(leaf: str) -> str:
    return f"{leaf}::VARCHAR = '\"\"'"


def _scalar(path: tuple[str, ...], kind: str, sql_type: str) -> str:
    leaf = _leaf(path)
    if sql_type == "BOOLEAN":
        return f"CASE WHEN {leaf} IN ('true', '1') THEN true WHEN {leaf} IN ('false', '0') THEN false END"
    if sql_type == "BIGINT":
        return _reference(path) if kind in REFERENCES else whole_number(leaf)
    value = f"TRY_CAST({leaf} AS {sql_type})"
    if sql_type not in _SHORT:
        return value
    finite = f"isfinite({value}) AND " if sql_type in _WITH_INFINITY else ""
    length, exact = f"strlen({leaf})", _IS_EXACT[sql_type](leaf, value)
    # What costs most comes first, for the rest is asked only of what is left. Hardly any text is long.
    return (
        f"CASE WHEN {finite}{length} <= {_SHORT[sql_type]} THEN {value} "
        f"WHEN {length} > {_SHORT[sql_type]} AND {finite}{exact} THEN {value} END"
    )


_WITH_INFINITY = frozenset({"DOUBLE", "DATE", "TIMESTAMPTZ"})

_SHORT = {"DOUBLE": 15, "DATE": 10, "TIME": 8, "TIMESTAMPTZ": 26}
"""Up to how many bytes a text says no more than a value of that type holds."""


def whole_number(text: str) -> str:
    """SQL of the number that a text writes, NULL where it has a fraction or does not fit into 64 bits."""
    number = f"TRY_CAST({text} AS BIGINT)"
    return f"CASE WHEN TRY_CAST({text} AS DOUBLE) = {number} THEN {number} END"


def _is_exact_double(text: str, value: str) -> str:
    # A long number that JSON writes as a number has been rounded when it gets here: the record, as it came,
    # holds another text then.
    same = f"TRY_CAST({text} AS DECIMAL(38, 18)) = TRY_CAST({value}::VARCHAR AS DECIMAL(38, 18))"
    return f"contains(_raw::VARCHAR, {text}) AND ({value}::VARCHAR = {text} OR {same})"


_IS_EXACT: dict[str, Callable[[str, str], str]] = {
    "DOUBLE": _is_exact_double,
    "DATE": lambda text, _: rf"regexp_full_match({text}, '.{{10}}[T ]00:00(:00(\.0*)?)?Z?')",
    "TIME": lambda text, value: f"{value}::VARCHAR = rtrim({text}, '0')",
    "TIMESTAMPTZ": lambda text, _: rf"NOT regexp_matches({text}, '\.\d{{6}}\d*[1-9]')",
}
"""SQL that is true where a value holds all that its text says, for texts that are not short."""


def _part_is_exact(text: str, value: str, sql_type: str) -> str:
    if sql_type == "BIGINT":
        return f"{whole_number(text)} IS NOT DISTINCT FROM {value}"
    exact = _IS_EXACT[sql_type](text, value)
    return f"CASE WHEN strlen({text}) <= {_SHORT[sql_type]} THEN true ELSE {exact} END"


def _reference(path: tuple[str, ...]) -> str:
    # Some answers carry the referenced record, or the option, as an object around its id.
    leaf = _leaf(path)
    inner = f"coalesce({_inside([*path, 'value'], read='->>')}, {_inside([*path, 'id'], read='->>')})"
    return f"CASE WHEN {_begins(leaf, '{')} THEN {whole_number(inner)} ELSE {whole_number(leaf)} END"


def _list(leaf: str, sql_type: str) -> str:
    element = sql_type.removesuffix("[]")
    opened = f"TRY_CAST({leaf} AS JSON)"
    whole = f"{_begins(leaf, '[')} THEN TRY_CAST({opened} AS {sql_type})"
    if element == "BIGINT":
        texts = "coalesce(x ->> '$.value', x ->> '$.id', x ->> '$')"
        items = f"list_transform(TRY_CAST({opened} AS JSON[]), lambda x: {whole_number(texts)})"
        plain = rf"regexp_full_match({leaf}, '\[[0-9,]*\]') THEN TRY_CAST({leaf} AS BIGINT[])"
        whole = f"{plain} WHEN {_begins(leaf, '[')} THEN {items}"
    # v1 writes a set as a comma-separated text.
    item = whole_number("trim(x)") if element == "BIGINT" else f"TRY_CAST(trim(x) AS {element})"
    split = f"list_transform(string_split({leaf}, ','), lambda x: {item})"
    return f"CASE WHEN {whole} WHEN {_blank(leaf)} THEN NULL ELSE {split} END"


def _amount(leaf: str) -> str:
    # A lead's value calls its number an amount; everywhere else it is a value.
    parts = f"\"value\" := TRY_CAST({leaf} ->> '$.amount' AS DOUBLE), currency := {leaf} ->> '$.currency'"
    return f"CASE WHEN {_begins(leaf, '{')} THEN struct_pack({parts}) END"


def _typed_parts(parts: dict[str, str]) -> list[str]:
    return [part for part, sql_type in parts.items() if sql_type != "VARCHAR"]


def _struct_fits(leaf: str, candidate: str, kind: str) -> str:
    parts = STRUCTS[kind]
    typed = {part: part for part in _typed_parts(parts)}
    known = ", ".join(map(literal, parts))
    unknown = f"len(list_filter(json_keys({leaf}), lambda k: k NOT IN ({known}))) = 0"
    looked_into = f"{_parts_fit(leaf, candidate, typed, parts)} AND {unknown}"
    all_there = " AND ".join(f"{candidate}.{quoted(part)} IS NOT NULL" for part in typed)
    usual = " AND ".join(filter(None, [all_there, _USUAL[kind].format(text=f"{leaf}::VARCHAR")]))
    return f"CASE WHEN {usual} THEN true WHEN {leaf} IS NOT NULL AND {looked_into} THEN true END"


_USUAL = {
    # A value of 15 characters at most, one comma, and a currency.
    "monetary": "strlen({text}) <= 42 AND instr({text}, ',') = strlen({text}) - 17 "
    """AND instr({text}, ',"currency":"') = strlen({text}) - 17""",
    "daterange": "strlen({text}) = 43",
    "time": """instr({text}, ',"timezone_id":') = 20""",
    "timerange": """instr({text}, ',"timezone_id":') = 39""",
    "address": "regexp_full_match({text}, '\\{{(?:\"(?:"
    + "|".join(_ADDRESS_PARTS)
    + """)":(?:"[^"\\\\]*"|null),?)*\\}}')""",
}
"""SQL that is true of the text of nearly every value whose parts are all there: nothing else is in it.

To look at a text costs a tenth of looking into its JSON. Of times of day only the hours are looked at.
"""


def _parts_fit(leaf: str, candidate: str, parts: Mapping[str, str], types: Mapping[str, str]) -> str:
    """Whether every part that is no text is wholly in the value; ``parts`` are named by the leaf's keys."""
    # A CASE looks into the leaf only where it has to; OR would always.
    checks = []
    for name, part in parts.items():
        text, value = f"({leaf} ->> {literal('$.' + name)})", f"{candidate}.{quoted(part)}"
        exact = _part_is_exact(text, value, types[part])
        checks.append(f"CASE WHEN {value} IS NOT NULL THEN {exact} ELSE {text} IS NULL END")
    return " AND ".join([_begins(leaf, "{"), *checks])


def _flat_struct(key: str, parts: dict[str, str], sql_type: str) -> Cast:
    # v1 has no companion for the name of a time zone.
    companions = {part: f"{key}_{part}" for part in parts if part not in ("value", "timezone_name")}
    main, candidate = _leaf((key,)), quoted(key)
    texts = {"value": f"({main} ->> '$')", **{part: _leaf((name,)) for part, name in companions.items()}}
    packed = ", ".join(
        f"{quoted(part)} := " + (f"TRY_CAST({texts[part]} AS {kind})" if part in texts else "NULL::VARCHAR")
        for part, kind in parts.items()
    )
    value = (
        f"CASE WHEN {main} IS NULL OR {_blank_json(main)} OR {_begins(main, '[')} THEN NULL "
        f"WHEN {_begins(main, '{')} THEN TRY_CAST({main} AS {sql_type}) ELSE struct_pack({packed}) END"
    )
    typed = _typed_parts(parts)
    separate = " AND ".join(
        [
            f"NOT {_begins(main, '[')}",
            *(
                f"CASE WHEN {candidate}.{quoted(part)} IS NOT NULL "
                f"THEN {_part_is_exact(texts[part], f'{candidate}.{quoted(part)}', parts[part])} "
                f"ELSE {texts[part]} IS NULL OR {_blank(texts[part])} END"
                for part in typed
            ),
        ]
    )
    inside = _parts_fit(main, candidate, {part: part for part in typed}, parts)
    fits = f"({_blank_json(main)} OR CASE WHEN {_begins(main, '{')} THEN {inside} ELSE {separate} END)"
    leaves = {key: "JSON", **dict.fromkeys(companions.values(), "VARCHAR")}
    return Cast(main, leaves, value, fits, _together(leaves))


def _together(keys: Iterable[str]) -> str:
    # What does not fit may be a companion, so all are shown.
    pairs = ", ".join(f"{literal(key)}, {_inside([key])}" for key in keys)
    return f"json_object({pairs})::VARCHAR"


def readable(value: Any, field: Field) -> str:
    """A typed value as a person reads it: options by their labels, lists joined, nothing for a missing one.

    Args:
        value: as DuckDB gives it; JSON decoded.
        field: the field that it is a value of.
    """
    labels = {str(option.id): option.label for option in field.options}
    return _text(value, lambda one: labels.get(str(one), str(one)))


def _text(value: Any, labeled: Callable[[Any], str]) -> str:
    if isinstance(value, list):
        return ", ".join(filter(None, (_text(one, labeled) for one in value)))
    if isinstance(value, Mapping):
        return _text_of_parts(value)
    return _text_of_one(value, labeled)


def _text_of_one(value: Any, labeled: Callable[[Any], str]) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case datetime():
            return f"{value:%Y-%m-%d %H:%M}"
        case float():
            return f"{value:,.12g}"
        case _:
            return labeled(value)


def _text_of_parts(value: Mapping[str, Any]) -> str:
    main = _text(value.get("value"), str)
    if "value" not in value:
        return json.dumps(value, ensure_ascii=False, default=str)
    if value.get("currency"):
        return f"{main} {value['currency']}".strip()
    if value.get("until"):
        return f"{main} to {_text(value['until'], str)}"
    return main

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
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from pipedrive_orchestration.pipedrive.fields import Field
from pipedrive_orchestration.pipedrive.older_names import OlderName
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
    | {"projects_board", "projects_phase", "task", "role"}
)
"""Field types whose value is the id of something else."""

ID_TYPES = {"int": "BIGINT", "uuid": "UUID", "text": "VARCHAR"}
"""Type of a record's id by the catalogue's ``id_type``."""

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
_LISTS = {
    **dict.fromkeys(("set", "ids", "deals", "persons", "orgs", "users"), "BIGINT[]"),
    "uuids": "UUID[]",
    **dict.fromkeys(("names", "texts"), "VARCHAR[]"),
}
CONTACT_PARTS = {"value": "VARCHAR", "label": "VARCHAR", "primary": "BOOLEAN"}
"""The parts of an email, a phone or an instant messenger."""


def sql_type_of(field: Field) -> str:
    """DuckDB's type for a property; whatever has no better one is JSON."""
    kind = field.field_type
    if kind in STRUCTS:
        return _struct_type(STRUCTS[kind])
    if kind in _TEXTS:
        return "VARCHAR"
    if kind == "contacts":
        return f"{_struct_type(CONTACT_PARTS)}[]"
    if kind in ("enum", "set") and any(isinstance(option.id, str) for option in field.options):
        return "VARCHAR" if kind == "enum" else "VARCHAR[]"
    if kind in REFERENCES:
        return "BIGINT"
    return _SCALARS.get(kind) or _LISTS.get(kind) or "JSON"


def _struct_type(parts: Mapping[str, str]) -> str:
    return "STRUCT(" + ", ".join(f"{quoted(part)} {sql_type}" for part, sql_type in parts.items()) + ")"


@dataclass(frozen=True, slots=True)
class Cast:
    """The SQL that makes the value of a property.

    Attributes:
        leaf: SQL of the property's own leaf.
        leaves: keys of the record that the value is made of, and what each is opened as: ``VARCHAR`` or
            ``JSON``; `leaf_column` names the column in which the SQL finds it.
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


def leaf_column(key: str) -> str:
    """The column that a leaf of a record stands in."""
    return quoted(f"_leaf_{key}")


def nested_cast(field: Field, name: str) -> Cast:
    """The cast of a property that v2 keeps under ``custom_fields``, to a column of that name."""
    return _cast(("custom_fields", field.record_key), name, field)


def plain_cast(field: Field, name: str) -> Cast:
    """The cast of a property that stands in the record itself, to a column of that name."""
    if field.older is None:
        return _cast((field.record_key,), name, field)
    if field.older.part:
        return _part_of_struct(field.older)
    cast = _cast((field.record_key,), name, field)
    return replace(cast, value=f"NOT ({cast.value})") if field.older.is_opposite else cast


def flat_cast(field: Field, name: str) -> Cast:
    """The cast of a custom field in a v1 record: its parts stand beside it, as ``<key>_until``, ..."""
    if field.field_type in STRUCTS:
        return _flat_struct(field.record_key, STRUCTS[field.field_type], sql_type_of(field))
    return _cast((field.record_key,), name, field)


def _cast(path: tuple[str, ...], name: str, field: Field) -> Cast:
    kind, sql_type = field.field_type, sql_type_of(field)
    key, raw = path[-1], f"{_inside(path)}::VARCHAR"
    leaf, candidate = leaf_column(key), quoted(name)
    if sql_type in ("VARCHAR", "JSON"):
        return Cast(leaf, {key: sql_type}, leaf, "true", raw)
    if kind in STRUCTS or kind == "contacts":
        value, fits = _opened(leaf, candidate, kind, sql_type)
        return Cast(leaf, {key: "JSON"}, value, fits, raw)
    if sql_type.endswith("[]"):
        value = _list(leaf, sql_type)
        fits = f"(len({candidate}) = list_count({candidate}) OR {_blank(leaf)})"
    elif kind in REFERENCES:
        value, fits = _reference(path, leaf, candidate)
    else:
        value, fits = _scalar(leaf, candidate, sql_type)
    return Cast(leaf, {key: "VARCHAR"}, value, fits, raw)


def _part_of_struct(older: OlderName) -> Cast:
    # The whole is opened as the property of today is, which may be wanted beside its part.
    leaf = leaf_column(older.key)
    value = f"({leaf} ->> {literal('$.' + older.part)})"
    return Cast(leaf, {older.key: "JSON"}, value, "true", f"{leaf}::VARCHAR")


def _opened(leaf: str, candidate: str, kind: str, sql_type: str) -> tuple[str, str]:
    """Value and fit of a leaf with parts, in JSON."""
    if kind == "amount":
        return _amount(leaf), _struct_fits(leaf, candidate, kind)
    begins = _begins(leaf, "{" if kind in STRUCTS else "[")
    value = f"CASE WHEN {begins} THEN TRY_CAST({leaf} AS {sql_type}) END"
    return value, _struct_fits(leaf, candidate, kind) if kind in STRUCTS else _contacts_fit(leaf, candidate)


def _contacts_fit(leaf: str, candidate: str) -> str:
    # Nearly every contact has all parts, and no key besides: its text has as many keys as there are parts.
    text, is_null = f"{leaf}::VARCHAR", [f"c.{quoted(part)} IS NULL" for part in CONTACT_PARTS]
    all_there = f"len(list_filter({candidate}, lambda c: {' OR '.join(is_null)})) = 0"
    keys = f"strlen({text}) - strlen(replace({text}, '\":', ''))"
    usual = f"{all_there} AND {keys} = {2 * len(CONTACT_PARTS)} * len({candidate})"
    are_contacts = f"len(list_filter({candidate}, lambda c: {' AND '.join(is_null)})) = 0"
    odd_primary = "json_type(c, '$.primary') = 'VARCHAR' AND TRY_CAST(c ->> '$.primary' AS BOOLEAN) IS NULL"
    odd = f"{_unknown_keys('c', CONTACT_PARTS)} > 0 OR coalesce({odd_primary}, false)"
    looked_into = f"{are_contacts} AND len(list_filter(TRY_CAST({leaf} AS JSON[]), lambda c: {odd})) = 0"
    rest = f"{_blank_json(leaf)} OR ({_begins(leaf, '[')} AND {looked_into})"
    return f"CASE WHEN {usual} THEN true WHEN {leaf} IS NOT NULL THEN {rest} END"


def _unknown_keys(leaf: str, known: Iterable[str]) -> str:
    """SQL of the number of keys that a leaf has beside those known."""
    listed = ", ".join(map(literal, known))
    return f"len(list_filter(json_keys({leaf}), lambda k: k NOT IN ({listed})))"


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


def _scalar(leaf: str, candidate: str, sql_type: str) -> tuple[str, str]:
    if sql_type == "BOOLEAN":
        value = f"CASE WHEN {leaf} IN ('true', '1') THEN true WHEN {leaf} IN ('false', '0') THEN false END"
        return value, f"({candidate} IS NOT NULL OR {_blank(leaf)})"
    if sql_type == "UUID":
        fits = f"({candidate} IS NOT NULL OR {_blank(leaf)})"
    else:
        fits = _fits(leaf, candidate, sql_type, unless=_blank(leaf))
    return f"TRY_CAST({leaf} AS {sql_type})", fits


def whole_number(text: str) -> str:
    """SQL of the number that a text writes, NULL where it has a fraction or does not fit into 64 bits."""
    number = f"TRY_CAST({text} AS BIGINT)"
    return f"CASE WHEN TRY_CAST({text} AS DOUBLE) = {number} THEN {number} END"


def _fits(text: str, value: str, sql_type: str, *, unless: str) -> str:
    """SQL that is true where a value holds all that its text says; ``unless`` says it where there is none."""
    usual, exact = _exactness(text, value, sql_type)
    # A CASE looks only into the few that are left of what stands before; OR looks into all.
    return f"CASE WHEN {usual} THEN true WHEN {value} IS NOT NULL THEN {exact} ELSE {unless} END"


def _exactness(text: str, value: str, sql_type: str) -> tuple[str, str]:
    """SQL that is true of nearly every value that is exact, and SQL that is true of all others that are."""
    short, finite = f"strlen({text}) <= {_SHORT[sql_type]}", f"isfinite({value})"
    # A long number that JSON writes as a number has been rounded when it gets here: the record, as it came,
    # holds another text then.
    same_number = f"contains(_raw::VARCHAR, {text}) AND {_digits(text)} = {_digits(f'{value}::VARCHAR')}"
    match sql_type:
        case "BIGINT":
            return f"{short} AND TRY_CAST({text} AS DOUBLE) = {value}", same_number
        case "DOUBLE":
            # Nearer to zero a DOUBLE has fewer digits.
            exact = f"CASE WHEN {text} = '0' THEN true WHEN {finite} THEN {same_number} END"
            return f"{short} AND abs({value}) BETWEEN 1e-307 AND 1.7e308", exact
        case "TIME":
            return f"{short} AND {value} IS NOT NULL", f"{value}::VARCHAR = rtrim({text}, '0')"
        case "DATE":
            midnight = rf"regexp_full_match({text}, '.{{10}}[T ]00:00(:00(\.0*)?)?Z?')"
            return f"{short} AND {finite}", f"{finite} AND {midnight}"
        case _:
            finer = rf"regexp_matches({text}, '\.\d{{6}}\d*[1-9]')"
            return f"{short} AND {finite}", f"{finite} AND NOT {finer}"


_SHORT = {"BIGINT": 15, "DOUBLE": 15, "DATE": 10, "TIME": 8, "TIMESTAMPTZ": 26}
"""Up to how many bytes a text says no more than a value of that type holds."""


def _digits(number: str) -> str:
    # A value is the number that is nearest to its text: it is the same number if it has the same digits.
    return f"trim(replace(regexp_extract({number}, '[0-9.]+'), '.', ''), '0')"


def _reference(path: tuple[str, ...], leaf: str, candidate: str) -> tuple[str, str]:
    # Some answers carry the referenced record, or the option, as an object around its id.
    inner = f"coalesce({_inside([*path, 'value'], read='->>')}, {_inside([*path, 'id'], read='->>')})"
    value = f"CASE WHEN {_begins(leaf, '{')} THEN {whole_number(inner)} ELSE TRY_CAST({leaf} AS BIGINT) END"
    usual, exact = _exactness(leaf, candidate, "BIGINT")
    inside = f"WHEN {candidate} IS NOT NULL THEN {_begins(leaf, '{')} OR {exact}"
    return value, f"CASE WHEN {usual} THEN true {inside} ELSE {_blank(leaf)} END"


def _list(leaf: str, sql_type: str) -> str:
    element = sql_type.removesuffix("[]")
    opened, split = f"TRY_CAST({leaf} AS JSON)", f"string_split({leaf}, ',')"
    if element != "BIGINT":
        # v1 writes a set as a comma-separated text.
        items = f"list_transform({split}, lambda x: TRY_CAST(trim(x) AS {element}))"
        whole = f"{_begins(leaf, '[')} THEN TRY_CAST({opened} AS {sql_type})"
        return f"CASE WHEN {whole} WHEN {_blank(leaf)} THEN NULL ELSE {items} END"
    plain = rf"regexp_full_match({leaf}, '\[[0-9,]*\]') THEN TRY_CAST({leaf} AS BIGINT[])"
    inner = "coalesce(x ->> '$.value', x ->> '$.id', x ->> '$')"
    texts = f"list_transform(TRY_CAST({opened} AS JSON[]), lambda x: {inner})"
    texts = f"CASE WHEN {_begins(leaf, '[')} THEN {texts} ELSE {split} END"
    items = f"list_transform({texts}, lambda x: {whole_number('trim(x)')})"
    return f"CASE WHEN {plain} WHEN {_blank(leaf)} THEN NULL ELSE {items} END"


def _amount(leaf: str) -> str:
    # A lead's value calls its number an amount; everywhere else it is a value.
    parts = f"\"value\" := TRY_CAST({leaf} ->> '$.amount' AS DOUBLE), currency := {leaf} ->> '$.currency'"
    return f"CASE WHEN {_begins(leaf, '{')} THEN struct_pack({parts}) END"


def _typed_parts(parts: Mapping[str, str]) -> list[str]:
    return [part for part, sql_type in parts.items() if sql_type != "VARCHAR"]


def _struct_fits(leaf: str, candidate: str, kind: str) -> str:
    parts = STRUCTS[kind]
    all_there = " AND ".join(f"{candidate}.{quoted(part)} IS NOT NULL" for part in _typed_parts(parts))
    usual = " AND ".join(
        filter(None, [all_there, _USUAL[kind].format(text=f"{leaf}::VARCHAR", value=candidate)])
    )
    rest = f"{_blank_json(leaf)} OR ({_parts_fit(leaf, candidate, parts, _OTHER_NAMES.get(kind, {}))})"
    return f"CASE WHEN {usual} THEN true WHEN {leaf} IS NOT NULL THEN {rest} END"


_OTHER_NAMES = {"amount": {"value": "amount"}}
"""The parts that a field type calls otherwise in JSON."""


def _usual_money(key: str) -> str:
    # A value of 15 characters at most that is not too near to zero, one comma, and a currency.
    return (
        f"""(abs({{value}}."value") >= 1e-307 OR starts_with({{text}}, '{{{{"{key}":0,')) """
        f"""AND strlen({{value}}.currency) = 3 AND starts_with({{text}}, '{{{{"{key}":') """
        f"""AND strlen({{text}}) <= {37 + len(key)} AND instr({{text}}, ',') = strlen({{text}}) - 17"""
    )


_USUAL = {
    "monetary": _usual_money("value"),
    "amount": _usual_money("amount"),
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


def _parts_fit(
    leaf: str, candidate: str, parts: Mapping[str, str], names: Mapping[str, str] | None = None
) -> str:
    """SQL that is true where an object has known parts alone, and those that are no text wholly in the value.

    ``names`` has the keys of the leaf that are not called like the parts.
    """
    keys = {part: (names or {}).get(part, part) for part in parts}
    checks = []
    for part in _typed_parts(parts):
        text = f"({leaf} ->> {literal('$.' + keys[part])})"
        checks.append(_fits(text, f"{candidate}.{quoted(part)}", parts[part], unless=f"{text} IS NULL"))
    return " AND ".join([_begins(leaf, "{"), *checks, f"{_unknown_keys(leaf, keys.values())} = 0"])


def _flat_struct(key: str, parts: dict[str, str], sql_type: str) -> Cast:
    # v1 has no companion for the name of a time zone.
    companions = {part: f"{key}_{part}" for part in parts if part not in ("value", "timezone_name")}
    main, candidate = leaf_column(key), quoted(key)
    texts = {"value": f"({main} ->> '$')"}
    texts |= {part: leaf_column(name) for part, name in companions.items()}
    packed = ", ".join(
        f"{quoted(part)} := " + (f"TRY_CAST({texts[part]} AS {kind})" if part in texts else "NULL::VARCHAR")
        for part, kind in parts.items()
    )
    value = (
        f"CASE WHEN {main} IS NULL OR {_blank_json(main)} OR {_begins(main, '[')} THEN NULL "
        f"WHEN {_begins(main, '{')} THEN TRY_CAST({main} AS {sql_type}) ELSE struct_pack({packed}) END"
    )
    typed = _typed_parts(parts)
    checks = [
        _fits(texts[part], f"{candidate}.{quoted(part)}", parts[part], unless=unless)
        for part in typed
        for unless in [f"{texts[part]} IS NULL OR {_blank(texts[part])}"]
    ]
    separate = " AND ".join([f"NOT {_begins(main, '[')}", *checks])
    inside = _parts_fit(main, candidate, parts)
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

"""The variables of a filter: what a leaf compares, as SQL over a record's typed columns.

A variable is a property, or a part of one after a dot (``address.locality``, ``emails.label``,
``<key>.currency``). A property of several parts stands for its ``value``. Missing values and empty texts
are NULL, missing and empty lists are the empty list.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from pipedrive_orchestration.importing.casts import STRUCTS, sql_type_of
from pipedrive_orchestration.importing.definition import near_fields
from pipedrive_orchestration.importing.filters.names import NAMED_TYPES
from pipedrive_orchestration.pipedrive.fields import Field, Option
from pipedrive_orchestration.sources.conditions import (
    CONTAINMENT,
    EMPTINESS,
    EQUALITY,
    ORDERING,
    TEXTUAL,
    TRUTH,
    Condition,
)
from pipedrive_orchestration.warehouse.sql import literal, quoted


class Kind(StrEnum):
    """The ways in which values are compared."""

    TEXT = "text"
    NUMBER = "number"
    BOOLEAN = "boolean"
    DATE = "date"
    DATETIME = "datetime"
    TIME = "time"
    UUID = "UUID"
    OPTION = "option"
    REFERENCE = "reference"
    JSON = "JSON"


_ORDERED = EQUALITY | ORDERING | EMPTINESS | {Condition.IS_BETWEEN}
_TAKES = {
    Kind.TEXT: EQUALITY | TEXTUAL | EMPTINESS,
    Kind.OPTION: EQUALITY | TEXTUAL | EMPTINESS,
    Kind.NUMBER: _ORDERED,
    Kind.DATE: _ORDERED,
    Kind.DATETIME: _ORDERED,
    Kind.TIME: _ORDERED,
    Kind.BOOLEAN: EQUALITY | TRUTH | EMPTINESS,
    Kind.UUID: EQUALITY | EMPTINESS,
    Kind.REFERENCE: EQUALITY | EMPTINESS,
    Kind.JSON: EMPTINESS,
}


@dataclass(frozen=True, slots=True)
class Variable:
    """The value that a leaf compares.

    Attributes:
        field: whose value it is.
        kind: how it is compared.
        many: whether it is a list, of which one element has to fit.
        value: SQL of the value, or of the list.
        is_empty: SQL of whether there is no value; never NULL.
        options: choices whose labels stand for their ids.
        is_whole: whether it is the property itself, neither a part of it nor converted.
    """

    field: Field
    kind: Kind
    many: bool
    value: str
    is_empty: str
    options: tuple[Option, ...] = ()
    is_whole: bool = True

    def takes(self, condition: Condition) -> bool:
        """Whether the condition makes sense here; a list of anything can contain."""
        return condition in _TAKES[self.kind] or (
            self.many and condition in CONTAINMENT and self.kind is not Kind.JSON
        )

    @property
    def conditions(self) -> list[Condition]:
        """All conditions that it takes."""
        return [condition for condition in Condition if self.takes(condition)]


class UnknownVariableError(ValueError):
    """There is no such field, or it has no such part; the message says what there is."""


def find_variable(name: str, fields: Sequence[Field], object_type: str) -> Variable:
    """The variable of that name.

    Raises:
        UnknownVariableError: see there.
    """
    by_key = {field.key: field for field in fields}
    if name in by_key:
        return _variable(by_key[name], None)
    key, _, part = name.partition(".")
    if key not in by_key:
        near = near_fields(name, fields) or near_fields(key, fields)
        hint = f" Did you mean {' or '.join(f'`{one}`' for one in near)}?" if near else ""
        raise UnknownVariableError(f"The account's {object_type} have no field `{name}`.{hint}")
    parts = _parts(by_key[key])
    if part not in parts:
        has = f"its parts are {', '.join(parts)}" if parts else "it has no parts"
        raise UnknownVariableError(f"`{key}` has no part `{part}`: {has}.")
    return _variable(by_key[key], part)


_CONTACT = {"value": "VARCHAR", "label": "VARCHAR", "primary": "BOOLEAN"}


def _parts(field: Field) -> dict[str, str]:
    return _CONTACT if field.field_type == "contacts" else STRUCTS.get(field.field_type, {})


def _variable(field: Field, part: str | None) -> Variable:
    column, parts = quoted(field.key), _parts(field)
    sql_type = sql_type_of(field)
    whole = part is None
    if field.field_type == "contacts":
        sql_type = f"{parts[part or 'value']}[]"
        column = f"list_transform({column}, lambda x: struct_extract(x, {literal(part or 'value')}))"
    elif parts:
        sql_type = parts[part or "value"]
        column = f"struct_extract({column}, {literal(part or 'value')})"
    many = sql_type.endswith("[]")
    kind = _kind(field, sql_type.removesuffix("[]"), whole=whole)
    value = _clean(column, kind, sql_type)
    is_empty = f"coalesce(len({value}), 0) = 0" if many else f"({value}) IS NULL"
    return Variable(field, kind, many, value, is_empty, field.options if whole else (), whole and not parts)


def _kind(field: Field, sql_type: str, *, whole: bool) -> Kind:
    if whole and field.field_type in NAMED_TYPES:
        return Kind.REFERENCE
    if whole and (field.field_type in ("enum", "set") or (field.options and _is_closed(field))):
        return Kind.OPTION
    if field.field_type == "clock":
        return Kind.TIME
    return _KINDS[sql_type]


def _is_closed(field: Field) -> bool:
    # Texts and numbers with options can hold other values too: a category that was typed, a head count.
    return field.field_type in ("status", "visible_to", "ids")


_KINDS = {
    "VARCHAR": Kind.TEXT,
    "BIGINT": Kind.NUMBER,
    "DOUBLE": Kind.NUMBER,
    "BOOLEAN": Kind.BOOLEAN,
    "DATE": Kind.DATE,
    "TIMESTAMPTZ": Kind.DATETIME,
    "TIME": Kind.TIME,
    "UUID": Kind.UUID,
    "JSON": Kind.JSON,
}


def _clean(column: str, kind: Kind, sql_type: str) -> str:
    if kind is Kind.TIME:
        return f"TRY_CAST({column}::VARCHAR AS INTERVAL)"
    if kind is Kind.JSON:
        return f"CASE WHEN {column}::VARCHAR NOT IN ('null', '[]', '{{}}', '\"\"') THEN {column} END"
    if sql_type == "VARCHAR":
        return f"nullif({column}, '')"
    if sql_type == "VARCHAR[]":
        return f"list_filter({column}, lambda x: x <> '')"
    return column


Converter = Callable[[str], str]


def _as_it_is(value: str) -> str:
    return value


def _text(value: str) -> str:
    return f"({value})::VARCHAR"


def _cast(sql_type: str) -> Converter:
    return lambda value: f"TRY_CAST({value} AS {sql_type})"


_DEFAULTS = {
    "string": {Kind.TEXT, Kind.OPTION, Kind.REFERENCE, Kind.UUID},
    "number": {Kind.NUMBER},
    "date": {Kind.DATE},
    "datetime": {Kind.DATETIME},
    "boolean": {Kind.BOOLEAN},
    "enum": {Kind.OPTION, Kind.REFERENCE, Kind.TEXT, Kind.NUMBER},
}
"""Kinds that are what a variable type says already."""

_CONVERSIONS: dict[tuple[Kind, str], tuple[Kind, Converter]] = {
    # 5.0 is how DuckDB writes the 5 of Pipedrive.
    (Kind.NUMBER, "string"): (Kind.TEXT, lambda value: f"regexp_replace(({value})::VARCHAR, '\\.0$', '')"),
    (Kind.BOOLEAN, "string"): (Kind.TEXT, _text),
    (Kind.DATE, "string"): (Kind.TEXT, _text),
    (Kind.DATETIME, "string"): (Kind.TEXT, lambda value: f"strftime({value}, '%Y-%m-%dT%H:%M:%SZ')"),
    (Kind.TIME, "string"): (Kind.TEXT, _text),
    (Kind.JSON, "string"): (Kind.TEXT, _text),
    (Kind.TEXT, "number"): (
        Kind.NUMBER,
        lambda value: f"CASE WHEN isfinite(TRY_CAST({value} AS DOUBLE)) THEN TRY_CAST({value} AS DOUBLE) END",
    ),
    (Kind.OPTION, "number"): (Kind.NUMBER, _as_it_is),
    (Kind.REFERENCE, "number"): (Kind.NUMBER, _as_it_is),
    (Kind.TEXT, "date"): (Kind.DATE, _cast("DATE")),
    (Kind.DATETIME, "date"): (Kind.DATE, lambda value: f"(({value}) AT TIME ZONE 'UTC')::DATE"),
    (Kind.TEXT, "datetime"): (Kind.DATETIME, _cast("TIMESTAMPTZ")),
    (Kind.DATE, "datetime"): (Kind.DATETIME, lambda value: f"({value})::TIMESTAMPTZ"),
    (Kind.TEXT, "boolean"): (
        Kind.BOOLEAN,
        lambda value: f"CASE lower({value}) WHEN 'true' THEN true WHEN 'false' THEN false END",
    ),
    (Kind.NUMBER, "boolean"): (
        Kind.BOOLEAN,
        lambda value: f"CASE {value} WHEN 1 THEN true WHEN 0 THEN false END",
    ),
}


def compared_as(variable: Variable, variable_type: str) -> Variable | None:
    """The variable as a leaf wants it compared, or None where its values have no such form.

    Its emptiness stays that of the field: a text that is no number is not empty.
    """
    if variable_type == "array":
        return variable if variable.many else None
    if variable.kind in _DEFAULTS[variable_type]:
        return variable
    kind, convert = _CONVERSIONS.get((variable.kind, variable_type), (None, _as_it_is))
    if kind is None or (convert is _as_it_is and "BIGINT" not in sql_type_of(variable.field)):
        return None
    value = variable.value
    if convert is not _as_it_is:
        value = f"list_transform({value}, lambda x: {convert('x')})" if variable.many else convert(value)
    return Variable(variable.field, kind, variable.many, value, variable.is_empty, is_whole=False)

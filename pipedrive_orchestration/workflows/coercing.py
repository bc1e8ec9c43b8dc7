"""The SQL that makes the value of an input of a property's value.

A value becomes a text first (of a composite its primary element or formatted value), and the text
becomes what the input takes. What is null or blank is null; what is something and cannot become a
value is rejected; what comes through changed counts as normalised.
"""

from __future__ import annotations

from dataclasses import dataclass

from pipedrive_orchestration.warehouse.identifiers import literal
from pipedrive_orchestration.workflows.inputs import ColumnType

_BLANKS = literal(" \t\n\r\v\f\u00a0")

_NUMBER = r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?"
_EMAIL = r'[^\s@<>(),;:"]{1,64}@[^\s@<>(),;:".]+(\.[^\s@<>(),;:".]+)*\.[^\s@<>(),;:".]{2,}'
_URL = r"(?i)https?://[^\s/?#]+([/?#]\S*)?"
_URL_WITHOUT_SCHEME = r"(?i)([\pL\pN_-]+\.)+\pL{2,}(:\d+)?([/?#]\S*)?"

REASONS: dict[str, tuple[str, str]] = {
    "number": ("not_a_number", "is not a number"),
    "email": ("not_an_email", "is not an e-mail address"),
    "url": ("not_a_url", "is not a web address"),
    "string": ("not_a_text", "is not a text"),
}
"""Code and reason of a rejection, by the input's type."""


@dataclass(frozen=True, slots=True)
class Text:
    """A property's value as a text.

    Attributes:
        raw: SQL of the text as it came.
        reduced: SQL that tells whether the value had more to it than the text says.
    """

    raw: str
    reduced: str = "false"


def text_of(column: str, sql_type: str, wanted: ColumnType, labels: str | None = None) -> Text:
    """A property's value as a text.

    Args:
        column: SQL of the value.
        sql_type: the column's type, as DuckDB's catalogue spells it.
        wanted: what the text is for; a number is not made of a label or of an amount with its currency.
        labels: SQL of a map of option labels by id, where the property has options.
    """
    if sql_type.startswith("STRUCT") and sql_type.endswith("[]"):
        return _primary(column)
    if sql_type.endswith("[]"):
        return _listed(column, wanted, labels)
    if sql_type.startswith("STRUCT"):
        return Text(_part(column, sql_type, wanted))
    if labels and wanted != "number":
        return Text(f"coalesce({labels}[{column}::VARCHAR], {column}::VARCHAR)")
    return Text(_scalar(column, sql_type))


def _scalar(column: str, sql_type: str) -> str:
    if sql_type == "DOUBLE":
        whole = f"{column} = trunc({column}) AND abs({column}) < 1e15"
        return f"CASE WHEN {whole} THEN {column}::BIGINT::VARCHAR ELSE {column}::VARCHAR END"
    if sql_type.startswith("TIMESTAMP"):
        return f"strftime({column}, '%Y-%m-%dT%H:%M:%SZ')"
    if sql_type == "JSON":
        return _json(column)
    return f"{column}::VARCHAR"


def _json(column: str) -> str:
    parts = ", ".join(f"{column} ->> '$.{part}'" for part in ("formatted_address", "value", "name"))
    return (
        f"CASE json_type({column}) WHEN 'OBJECT' THEN coalesce({parts}, {column}::VARCHAR) "
        f"ELSE {column} ->> '$' END"
    )


def _primary(column: str) -> Text:
    filled = f"list_filter({column}, lambda c: trim(coalesce(c.\"value\", ''), {_BLANKS}) <> '')"
    primary = f'list_filter({filled}, lambda c: c."primary")'
    return Text(f'coalesce({primary}[1]."value", {filled}[1]."value")', f"len({filled}) > 1")


def _listed(column: str, wanted: ColumnType, labels: str | None) -> Text:
    items = f"list_filter({column}::VARCHAR[], lambda x: x IS NOT NULL)"
    if wanted != "string":
        return Text(f"{items}[1]", f"len({items}) > 1")
    if labels:
        items = f"list_transform({items}, lambda x: coalesce({labels}[x], x))"
    return Text(f"array_to_string({items}, ', ')")


def _part(column: str, sql_type: str, wanted: ColumnType) -> str:
    value = f'{column}."value"'
    if "formatted_address" in sql_type:
        return f"coalesce(nullif({column}.formatted_address, ''), {value})"
    if "currency" in sql_type:
        number = _scalar(value, "DOUBLE")
        return number if wanted == "number" else f"concat_ws(' ', {number}, {column}.currency)"
    if "until" in sql_type:
        return f"nullif(concat_ws('/', {value}, {column}.until), '')"
    return f"{value}::VARCHAR"


def value_of(raw: str, wanted: ColumnType) -> str:
    """SQL of an input's value, over the SQL of a text; null where the text is blank or cannot become one."""
    text = f"nullif(trim({raw}, {_BLANKS}), '')"
    if wanted == "number":
        number = f"TRY_CAST({text} AS DOUBLE)"
        written = f"regexp_full_match({text}, {literal(_NUMBER)})"
        return f"CASE WHEN {written} AND isfinite({number}) THEN {number} END"
    if wanted == "email":
        address = f"regexp_replace({text}, '(?i)^mailto:', '')"
        return (
            f"CASE WHEN regexp_full_match({address}, {literal(_EMAIL)}) AND len({address}) <= 254 "
            f"THEN {address} END"
        )
    if wanted == "url":
        return (
            f"CASE WHEN regexp_full_match({text}, {literal(_URL)}) THEN {text} "
            f"WHEN regexp_full_match({text}, {literal(_URL_WITHOUT_SCHEME)}) THEN 'https://' || {text} END"
        )
    return text


def is_rejected(raw: str, value: str) -> str:
    """SQL that tells whether there was something and no value came of it."""
    return f"({value} IS NULL AND trim(coalesce({raw}, ''), {_BLANKS}) <> '')"


def is_normalised(raw: str, value: str, wanted: ColumnType, sql_type: str, reduced: str) -> str:
    """SQL that tells whether the value says something else, or says it otherwise, than the property did."""
    if wanted == "number":
        changed = f"{value} IS NOT NULL" if sql_type == "VARCHAR" else "false"
    else:
        changed = f"{value} <> {raw}"
    blank = f"({value} IS NULL AND {raw} IS NOT NULL)"
    return f"coalesce({reduced} OR {changed} OR {blank}, false)"

"""The SQL that makes the value of an input of a property's value.

A value becomes a text first (of a composite its primary element or formatted value), and the text
becomes what the input takes. What is null or blank is null; what is something and cannot become a
value is rejected; what comes through changed counts as normalised.
"""

from __future__ import annotations

from dataclasses import dataclass

import duckdb

from pipedrive_orchestration.warehouse.sql import literal, quoted
from pipedrive_orchestration.warehouse.tables import ROWS
from pipedrive_orchestration.workflows.inputs import ColumnType
from pipedrive_orchestration.workflows.report import SHOWN_REJECTIONS, Rejection
from pipedrive_orchestration.workflows.sync_plan import MappedColumn, SyncPlan

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
class TextValue:
    """A property's value as a text, in SQL.

    Attributes:
        raw: SQL of the text as it came.
        reduced: SQL that tells whether the value had more to it than the text says.
    """

    raw: str
    reduced: str = "false"


def text_value_of(column: str, sql_type: str, wanted: ColumnType, labels: str | None = None) -> TextValue:
    """A property's value as a text, in SQL.

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
        return TextValue(_part(column, sql_type, wanted))
    if labels and wanted != "number":
        return TextValue(f"coalesce({labels}[{column}::VARCHAR], {column}::VARCHAR)")
    return TextValue(_scalar(column, sql_type))


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


def _primary(column: str) -> TextValue:
    filled = f"list_filter({column}, lambda c: trim(coalesce(c.\"value\", ''), {_BLANKS}) <> '')"
    primary = f'list_filter({filled}, lambda c: c."primary")'
    return TextValue(f'coalesce({primary}[1]."value", {filled}[1]."value")', f"len({filled}) > 1")


def _listed(column: str, wanted: ColumnType, labels: str | None) -> TextValue:
    items = f"list_filter({column}::VARCHAR[], lambda x: x IS NOT NULL)"
    if wanted != "string":
        return TextValue(f"{items}[1]", f"len({items}) > 1")
    if labels:
        items = f"list_transform({items}, lambda x: coalesce({labels}[x], x))"
    return TextValue(f"array_to_string({items}, ', ')")


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
    """SQL of the condition that there was something and no value came of it."""
    return f"({value} IS NULL AND trim(coalesce({raw}, ''), {_BLANKS}) <> '')"


def is_normalised(raw: str, value: str, wanted: ColumnType, sql_type: str, reduced: str) -> str:
    """SQL of the condition that the value says something else than the property, or says it otherwise."""
    if wanted == "number":
        changed = f"{value} IS NOT NULL" if sql_type == "VARCHAR" else "false"
    else:
        changed = f"{value} <> {raw}"
    blank = f"({value} IS NULL AND {raw} IS NOT NULL)"
    return f"coalesce({reduced} OR {changed} OR {blank}, false)"


_LONGEST_VALUE = 200


def take_values(connection: duckdb.DuckDBPyConnection, plan: SyncPlan) -> None:
    """Make the table ``taken``: the values of every record that is to become a row or to change one.

    ``value_<n>`` is the value of the n-th mapped input, ``raw_<n>`` what was rejected in its place.
    """
    labels, labelled = _option_labels(connection, plan)
    texts, values, kept = [], [], []
    for number, column in enumerate(plan.columns):
        wanted, sql_type = column.input.type, column.sql_type
        map_of_labels = f"o.{quoted(column.property)}" if column.property in labelled else None
        text = text_value_of(f"s.{quoted(column.property)}", sql_type, wanted, map_of_labels)
        raw, value, reduced = f"raw_{number}", f"value_{number}", f"reduced_{number}"
        texts.append(f"{text.raw} AS {raw}, {text.reduced} AS {reduced}")
        values.append(f"{value_of(raw, wanted)} AS {value}")
        kept.append(
            f"{value}, CASE WHEN {is_rejected(raw, value)} THEN left({raw}, {_LONGEST_VALUE}) END AS {raw}, "
            f"{is_normalised(raw, value, wanted, sql_type, reduced)} AS normalised_{number}"
        )
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE taken AS
        WITH texts AS (
            SELECT v.record_id, v.source_id, v.row_id, v.decision, v.is_backfilled, {", ".join(texts)}
            FROM decisions AS v JOIN {quoted(ROWS, plan.sync.source)} AS s ON s._id = v.source_id {labels}
            WHERE v.decision IN ('enter', 'change')
        ), "values" AS (SELECT *, {", ".join(values)} FROM texts)
        SELECT record_id, source_id, row_id, decision, is_backfilled, {", ".join(kept)} FROM "values"
        """
    )


def _option_labels(connection: duckdb.DuckDBPyConnection, plan: SyncPlan) -> tuple[str, set[str]]:
    """SQL that joins the labels of options, and the properties whose ids it decodes.

    A text from Pipedrive says something already; an id does not.
    """
    with_ids = [column.property for column in plan.columns if column.sql_type in ("BIGINT", "BIGINT[]")]
    known = connection.execute(
        "SELECT DISTINCT key FROM import_ledger.field_options WHERE object_type = $object_type "
        "AND list_contains($keys, key)",
        {"object_type": plan.source.object_type, "keys": with_ids},
    ).fetchall()
    keys = {row[0] for row in known}
    if not keys:
        return "", keys
    maps = ", ".join(
        f"map_from_entries(list((option_id, label)) FILTER (WHERE key = {literal(key)})) AS {quoted(key)}"
        for key in sorted(keys)
    )
    object_type = literal(plan.source.object_type)
    decoding = f"SELECT {maps} FROM import_ledger.option_labels WHERE object_type = {object_type}"
    return f"CROSS JOIN ({decoding}) AS o", keys


def accepted(plan: SyncPlan) -> str:
    """SQL of the condition that nothing of a record was rejected."""
    return " AND ".join(f"raw_{number} IS NULL" for number in range(len(plan.columns)))


def record_rejections(connection: duckdb.DuckDBPyConnection, plan: SyncPlan) -> None:
    """Bring ``_rejected`` up to date for the records whose values were taken."""
    connection.execute(
        "DELETE FROM workflows._rejected WHERE sync_id = $sync_id "
        "AND record_id IN (SELECT record_id FROM taken)",
        {"sync_id": plan.sync_id},
    )
    found = " UNION ALL ".join(_rejections_of(number, column) for number, column in enumerate(plan.columns))
    connection.execute(
        f"""
        INSERT INTO workflows._rejected
        SELECT $sync_id, $workflow, $source, record_id, field, property, code, reason, value, $now
        FROM ({found})
        """,
        {
            "sync_id": plan.sync_id,
            "workflow": plan.workflow.slug,
            "source": plan.sync.source,
            "now": plan.now,
        },
    )


def _rejections_of(number: int, column: MappedColumn) -> str:
    code, reason = REASONS[column.input.type]
    return (
        f"SELECT record_id, {literal(column.input.reference)} AS field, "
        f"{literal(column.property)} AS property, "
        f"{literal(code)} AS code, {literal('the value ' + reason)} AS reason, raw_{number} AS value "
        f"FROM taken WHERE raw_{number} IS NOT NULL"
    )


def rejections(connection: duckdb.DuckDBPyConnection, plan: SyncPlan) -> tuple[int, tuple[Rejection, ...]]:
    """The number of records rejected just now, and the first few reasons."""
    counted = connection.execute(f"SELECT count(*) FROM taken WHERE NOT ({accepted(plan)})").fetchone()
    shown = connection.execute(
        "SELECT record_id, field, property, code, reason, value FROM workflows._rejected "
        "WHERE sync_id = $sync_id AND record_id IN (SELECT record_id FROM taken) "
        "ORDER BY try_cast(record_id AS BIGINT), record_id, field LIMIT $most",
        {"sync_id": plan.sync_id, "most": SHOWN_REJECTIONS},
    ).fetchall()
    return counted[0] if counted else 0, tuple(Rejection(*row) for row in shown)


def count_normalised(connection: duckdb.DuckDBPyConnection, plan: SyncPlan) -> int:
    """The number of accepted records' values that changed on their way."""
    each = " + ".join(f"count(*) FILTER (WHERE normalised_{number})" for number in range(len(plan.columns)))
    row = connection.execute(f"SELECT {each} FROM taken WHERE {accepted(plan)}").fetchone()
    return row[0] if row else 0

"""Taking values over: what the mapped properties of records become, and what is rejected of them."""

from __future__ import annotations

import duckdb

from pipedrive_orchestration.warehouse.identifiers import literal, quoted
from pipedrive_orchestration.warehouse.tables import ROWS
from pipedrive_orchestration.workflows.coercing import (
    REASONS,
    is_normalised,
    is_rejected,
    text_of,
    value_of,
)
from pipedrive_orchestration.workflows.planning import MappedColumn, Plan
from pipedrive_orchestration.workflows.reports import SHOWN_REJECTIONS, Rejection

_LONGEST_VALUE = 200


def take_values(connection: duckdb.DuckDBPyConnection, plan: Plan) -> None:
    """Make the table ``taken``: the values of every record that is to become a row or to change one.

    ``value_<n>`` is the value of the n-th mapped input, ``raw_<n>`` what was rejected in its place.
    """
    labels, labelled = _option_labels(connection, plan)
    texts, values, judged = [], [], []
    for number, column in enumerate(plan.columns):
        wanted, sql_type = column.input.type, column.sql_type
        map_of_labels = f"o.{quoted(column.property)}" if column.property in labelled else None
        text = text_of(f"s.{quoted(column.property)}", sql_type, wanted, map_of_labels)
        raw, value, reduced = f"raw_{number}", f"value_{number}", f"reduced_{number}"
        texts.append(f"{text.raw} AS {raw}, {text.reduced} AS {reduced}")
        values.append(f"{value_of(raw, wanted)} AS {value}")
        judged.append(
            f"{value}, CASE WHEN {is_rejected(raw, value)} THEN left({raw}, {_LONGEST_VALUE}) END AS {raw}, "
            f"{is_normalised(raw, value, wanted, sql_type, reduced)} AS normalised_{number}"
        )
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE taken AS
        WITH texts AS (
            SELECT v.record_id, v.source_id, v.row_id, v.verdict, v.is_backfilled, {", ".join(texts)}
            FROM verdicts AS v JOIN {quoted(ROWS, plan.sync.source)} AS s ON s._id = v.source_id {labels}
            WHERE v.verdict IN ('enter', 'change')
        ), "values" AS (SELECT *, {", ".join(values)} FROM texts)
        SELECT record_id, source_id, row_id, verdict, is_backfilled, {", ".join(judged)} FROM "values"
        """
    )


def _option_labels(connection: duckdb.DuckDBPyConnection, plan: Plan) -> tuple[str, set[str]]:
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


def accepted(plan: Plan) -> str:
    """SQL of the condition that nothing of a record was rejected."""
    return " AND ".join(f"raw_{number} IS NULL" for number in range(len(plan.columns)))


def record_rejections(connection: duckdb.DuckDBPyConnection, plan: Plan) -> None:
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


def rejections(connection: duckdb.DuckDBPyConnection, plan: Plan) -> tuple[int, tuple[Rejection, ...]]:
    """How many records were rejected just now, and the first few of what was wrong with them."""
    counted = connection.execute(f"SELECT count(*) FROM taken WHERE NOT ({accepted(plan)})").fetchone()
    shown = connection.execute(
        "SELECT record_id, field, property, code, reason, value FROM workflows._rejected "
        "WHERE sync_id = $sync_id AND record_id IN (SELECT record_id FROM taken) "
        "ORDER BY try_cast(record_id AS BIGINT), record_id, field LIMIT $most",
        {"sync_id": plan.sync_id, "most": SHOWN_REJECTIONS},
    ).fetchall()
    return counted[0] if counted else 0, tuple(Rejection(*row) for row in shown)


def count_normalised(connection: duckdb.DuckDBPyConnection, plan: Plan) -> int:
    """How many values of accepted records changed on their way."""
    each = " + ".join(f"count(*) FILTER (WHERE normalised_{number})" for number in range(len(plan.columns)))
    row = connection.execute(f"SELECT {each} FROM taken WHERE {accepted(plan)}").fetchone()
    return row[0] if row else 0

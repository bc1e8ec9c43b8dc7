"""The action ``sql``: an expression over the columns of a row fills another."""

from __future__ import annotations

import duckdb

from pipedrive_orchestration.warehouse.sql import literal, quoted
from pipedrive_orchestration.workflows.model import SqlAction, Workflow
from pipedrive_orchestration.workflows.queue import fail
from pipedrive_orchestration.workflows.tables import SCHEMA


def evaluate(
    connection: duckdb.DuckDBPyConnection, workflow: Workflow, action: SqlAction, claim_id: str
) -> int:
    """Fill the output of every claimed row. A row for which the expression fails fails alone.

    The expression sees inputs and outputs and nothing else: within ``TRY`` it can hold no subquery,
    no aggregate and nothing volatile.

    Returns:
        How many runs failed.

    Raises:
        duckdb.Error: it can be evaluated for no row, as it names a column that is not there.
    """
    table = quoted(SCHEMA, workflow.slug)
    columns = "".join(f", t.{quoted(column.key)}" for column in (*workflow.inputs, *workflow.outputs))
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE evaluated AS
        SELECT _run_id, _row_id, TRY([CAST((\n{action.expression}\n) AS {action.output.sql_type})]) AS _value
        FROM (
            SELECT r.run_id AS _run_id, r.row_id AS _row_id{columns}
            FROM workflows._runs AS r JOIN {table} AS t USING (row_id)
            WHERE r.claimed_by = $claim AND r.status = 'running'
        )
        """,
        {"claim": claim_id},
    )
    connection.execute(
        f"UPDATE {table} AS t SET {quoted(action.output.key)} = e._value[1] FROM evaluated AS e "
        "WHERE t.row_id = e._row_id AND e._value IS NOT NULL"
    )
    error = literal(f"{action.name}: the expression cannot be evaluated for the values of this row.")
    failures = f"SELECT _run_id AS run_id, {error} AS error FROM evaluated WHERE _value IS NULL"
    return fail(connection, workflow, claim_id, failures, "")

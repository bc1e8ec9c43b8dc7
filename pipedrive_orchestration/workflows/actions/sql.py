"""The action ``sql``: an expression over the columns of a row fills another.

Expressions are evaluated in a process of their own, which sees the rows and nothing of the machine, and which
is ended where it takes too long or too much memory. The database is not open meanwhile.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import duckdb

from pipedrive_orchestration.warehouse.sql import literal, quoted
from pipedrive_orchestration.workflows.actions import expression_process
from pipedrive_orchestration.workflows.actions.errors import ActionError
from pipedrive_orchestration.workflows.model import SqlAction, Workflow
from pipedrive_orchestration.workflows.queue import fail
from pipedrive_orchestration.workflows.tables import SCHEMA

LONGEST_SECONDS = 30
"""Seconds that an expression has for a batch of rows."""

MOST_MEMORY = 2**31
"""Bytes that the process of an expression may have, of which the program itself takes a quarter."""


def export_rows(connection: duckdb.DuckDBPyConnection, workflow: Workflow, claim_id: str, rows: Path) -> None:
    """Write the claimed rows of a workflow, inputs and outputs, to a Parquet file."""
    columns = "".join(f", t.{quoted(column.key)}" for column in (*workflow.inputs, *workflow.outputs))
    connection.execute(
        f"""
        COPY (
            SELECT r.run_id AS _run_id, r.row_id AS _row_id{columns}
            FROM workflows._runs AS r JOIN {quoted(SCHEMA, workflow.slug)} AS t USING (row_id)
            WHERE r.claimed_by = {literal(claim_id)} AND r.status = 'running'
        ) TO $rows (FORMAT parquet)
        """,
        {"rows": str(rows)},
    )


def evaluate(action: SqlAction, rows: Path, values: Path) -> None:
    """Write the values of the action's expression for exported rows to a Parquet file.

    Raises:
        ActionError: it can be evaluated for no row, as it names a column that is not there, or takes more
            time or memory than it may.
    """
    request = {
        "expression": action.expression,
        "sql_type": action.output.sql_type,
        "rows": str(rows),
        "values": str(values),
        "memory": MOST_MEMORY,
    }
    try:
        process = subprocess.run(  # noqa: S603 - this Python and a file of ours
            [sys.executable, "-I", expression_process.__file__],
            input=json.dumps(request),
            text=True,
            capture_output=True,
            timeout=LONGEST_SECONDS,
            env={},
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ActionError(
            f"{action.name}: the expression takes longer than {LONGEST_SECONDS} s for these rows."
        ) from None
    if process.returncode == expression_process.REFUSED:
        raise ActionError(f"{action.name}: {process.stdout}")
    if process.returncode:
        most = f"{MOST_MEMORY // 2**30} GB of memory"
        raise ActionError(f"{action.name}: the expression takes more than {most} for these rows.")


def take_values(
    connection: duckdb.DuckDBPyConnection, workflow: Workflow, action: SqlAction, claim_id: str, values: Path
) -> int:
    """Fill the output of every claimed row. A row for which the expression fails fails alone.

    Returns:
        How many runs failed.
    """
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE evaluated AS FROM read_parquet($values)", {"values": str(values)}
    )
    connection.execute(
        f"UPDATE {quoted(SCHEMA, workflow.slug)} AS t SET {quoted(action.output.key)} = e._value[1] "
        "FROM evaluated AS e WHERE t.row_id = e._row_id AND e._value IS NOT NULL "
        "AND e._run_id IN "
        "(SELECT run_id FROM workflows._runs WHERE claimed_by = $claim AND status = 'running')",
        {"claim": claim_id},
    )
    error = literal(f"{action.name}: the expression cannot be evaluated for the values of this row.")
    failures = f"SELECT _run_id AS run_id, {error} AS error FROM evaluated WHERE _value IS NULL"
    return fail(connection, workflow, claim_id, failures, "")

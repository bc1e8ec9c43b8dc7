"""The action ``pipedrive``: rows become records of the account, and a column gets their ids.

What writes them is given by whoever runs the actions, so that workflows need not know how that is done.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import duckdb

from pipedrive_orchestration.warehouse.sql import quoted
from pipedrive_orchestration.workflows.model import PipedriveAction, Workflow
from pipedrive_orchestration.workflows.queue import fail
from pipedrive_orchestration.workflows.tables import SCHEMA


@dataclass(frozen=True, slots=True)
class RecordOutcome:
    """What became of a row.

    Attributes:
        run_id: the run of the row.
        record_id: of its record, where there is one.
        error: why it was not written.
    """

    run_id: str
    record_id: str | None = None
    error: str | None = None


class RecordWriter(Protocol):
    """Writes the rows of a claim to the account, each once however often it is claimed."""

    def __call__(self, workflow: Workflow, action: PipedriveAction, claim_id: str) -> Sequence[RecordOutcome]:
        """What became of every row.

        Raises:
            ActionError: it can be done for no row now.
        """


def take_records(
    connection: duckdb.DuckDBPyConnection,
    workflow: Workflow,
    action: PipedriveAction,
    claim_id: str,
    outcomes: Sequence[RecordOutcome],
) -> int:
    """Fill the output of the rows that were written, and fail the others. Returns how many runs failed."""
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE written AS SELECT unnest($runs::UUID[]) AS run_id, "
        "unnest($ids::VARCHAR[]) AS record_id, unnest($errors::VARCHAR[]) AS error",
        {
            "runs": [one.run_id for one in outcomes],
            "ids": [one.record_id for one in outcomes],
            "errors": [one.error and f"{action.name}: {one.error}"[:500] for one in outcomes],
        },
    )
    if action.output is not None:
        value = "TRY_CAST(w.record_id AS DOUBLE)" if action.output.sql_type == "DOUBLE" else "w.record_id"
        connection.execute(
            f"""
            UPDATE {quoted(SCHEMA, workflow.slug)} AS t SET {quoted(action.output.key)} = {value}
            FROM written AS w JOIN workflows._runs AS r USING (run_id)
            WHERE t.row_id = r.row_id AND r.claimed_by = $claim AND r.status = 'running'
                AND w.record_id IS NOT NULL
            """,
            {"claim": claim_id},
        )
    failures = "SELECT run_id, error FROM written WHERE error IS NOT NULL"
    return fail(connection, workflow, claim_id, failures, "")

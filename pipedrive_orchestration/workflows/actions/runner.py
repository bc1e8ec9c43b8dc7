"""The consumer that comes with the queue: runs the actions of a workflow over its queued rows."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

import duckdb

from pipedrive_orchestration.warehouse import Warehouse
from pipedrive_orchestration.workflows.actions.errors import ActionError
from pipedrive_orchestration.workflows.actions.http import (
    LONGEST_WAIT_SECONDS,
    post,
    request_of,
    take_answer,
)
from pipedrive_orchestration.workflows.actions.pipedrive import take_records
from pipedrive_orchestration.workflows.actions.reach import Reach
from pipedrive_orchestration.workflows.actions.sql import (
    LONGEST_SECONDS,
    evaluate,
    export_rows,
    take_values,
)
from pipedrive_orchestration.workflows.model import Action, HttpAction, PipedriveAction, SqlAction, Workflow
from pipedrive_orchestration.workflows.queue import claim, complete, count_waiting, fail
from pipedrive_orchestration.workflows.tables import prepare, prepare_table

BATCH = 50_000
"""Most rows of a batch, where no action wants fewer."""

SHORTEST_LEASE_SECONDS = 300.0

SECONDS_PER_RECORD = 2.0
"""The longest that a record takes to be written, with what is read before it and after an answer is lost."""


@dataclass(frozen=True, slots=True)
class ActionsReport:
    """The outcome of the runs that were claimed.

    Attributes:
        completed: runs that are done.
        failed: runs that failed, most of them to be tried again.
        waiting: runs that are still to be done.
        error: why the rest was left, if an action could be done for no row.
    """

    workflow: str
    completed: int = 0
    failed: int = 0
    waiting: int = 0
    seconds: float = 0.0
    error: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON has it."""
        return asdict(self)


def run_actions(warehouse: Warehouse, workflow: Workflow, reach: Reach) -> ActionsReport:
    """Run the actions over everything that is queued and due, batch by batch.

    An action that fails for a whole batch ends it: what is still queued keeps its tries for later. A
    workflow without actions leaves its queue to others.

    Args:
        warehouse: where the workflow's table and queue are; open only between the actions' own work.
        workflow: what to do.
        reach: the secrets and private hosts that the actions may use.

    Raises:
        WarehouseError: the database cannot be opened or written; what was claimed is free again when
            its lease ends.
    """
    began = time.monotonic()
    completed = failed = 0
    error = None
    with warehouse.writing() as connection:
        prepare(connection)
        prepare_table(connection, workflow)
    while workflow.actions and error is None:
        claim_id = str(uuid4())
        with warehouse.writing() as connection:
            claimed = claim(
                connection, workflow, claim_id, most=_batch_size(workflow), lease=_lease(workflow)
            )
        if not claimed:
            break
        failures, error = _run_batch(warehouse, workflow, claim_id, reach)
        with warehouse.writing() as connection:
            failures += fail(connection, workflow, claim_id, None, error) if error else 0
            completed += complete(connection, workflow, claim_id)
        failed += failures
    with warehouse.reading() as connection:
        waiting = count_waiting(connection, workflow)
    return ActionsReport(workflow.slug, completed, failed, waiting, round(time.monotonic() - began, 3), error)


def _run_batch(
    warehouse: Warehouse, workflow: Workflow, claim_id: str, reach: Reach
) -> tuple[int, str | None]:
    """Do every action for a claim. Returns how many runs failed by themselves, and why all others did."""
    failed = 0
    for action in workflow.actions:
        try:
            if isinstance(action, SqlAction):
                failed += _evaluate_batch(warehouse, workflow, action, claim_id)
            elif isinstance(action, HttpAction):
                failed += _post_batch(warehouse, workflow, action, claim_id, reach)
            else:
                failed += _write_batch(warehouse, workflow, action, claim_id, reach)
        except ActionError as error:
            return failed, str(error)
        except duckdb.Error as error:
            return failed, f"{action.name}: {str(error).splitlines()[0]}"
    return failed, None


def _evaluate_batch(warehouse: Warehouse, workflow: Workflow, action: SqlAction, claim_id: str) -> int:
    with TemporaryDirectory() as folder:
        rows, values = Path(folder) / "rows.parquet", Path(folder) / "values.parquet"
        with warehouse.reading() as connection:
            export_rows(connection, workflow, claim_id, rows)
        evaluate(action, rows, values)
        with warehouse.writing() as connection:
            return take_values(connection, workflow, action, claim_id, values)


def _post_batch(
    warehouse: Warehouse,
    workflow: Workflow,
    action: HttpAction,
    claim_id: str,
    reach: Reach,
) -> int:
    with warehouse.reading() as connection:
        request = request_of(connection, workflow, action, claim_id)
    if request is None:
        return 0
    answer = post(action, *request, reach)
    with warehouse.writing() as connection:
        return take_answer(connection, workflow, action, claim_id, answer)


def _write_batch(
    warehouse: Warehouse, workflow: Workflow, action: PipedriveAction, claim_id: str, reach: Reach
) -> int:
    if reach.write is None:
        raise ActionError(f"{action.name}: nothing here writes to an account.")
    outcomes = reach.write(workflow, action, claim_id)
    with warehouse.writing() as connection:
        return take_records(connection, workflow, action, claim_id, outcomes)


def _batch_size(workflow: Workflow) -> int:
    sizes = (action.batch_size for action in workflow.actions if not isinstance(action, SqlAction))
    return min([BATCH, *sizes])


def _lease(workflow: Workflow) -> timedelta:
    """A lease that is longer than the actions can take."""
    return timedelta(seconds=SHORTEST_LEASE_SECONDS + sum(map(_longest, workflow.actions)))


def _longest(action: Action) -> float:
    if isinstance(action, SqlAction):
        return LONGEST_SECONDS
    if isinstance(action, HttpAction):
        return action.tries * (action.timeout + LONGEST_WAIT_SECONDS)
    return action.batch_size * SECONDS_PER_RECORD

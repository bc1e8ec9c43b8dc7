"""Rows of workflows as records of the account: planned, applied and kept in the ledger like any write."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pipedrive_orchestration.pipedrive.errors import PipedriveError
from pipedrive_orchestration.sources import InvalidBodyError
from pipedrive_orchestration.warehouse.sql import literal, quoted
from pipedrive_orchestration.workflows.actions.errors import ActionError
from pipedrive_orchestration.workflows.actions.pipedrive import RecordOutcome, RecordWriter
from pipedrive_orchestration.workflows.model import PipedriveAction, Workflow
from pipedrive_orchestration.writing import ledger
from pipedrive_orchestration.writing.apply import NotAppliedError, apply_plan
from pipedrive_orchestration.writing.ledger import LEFT_OUT, Entry, LedgerRow, PlanStatus
from pipedrive_orchestration.writing.match import MatchedRow
from pipedrive_orchestration.writing.model import Write, WriteFile
from pipedrive_orchestration.writing.outcome import Status
from pipedrive_orchestration.writing.permission import WritesNotAllowedError, require_permission
from pipedrive_orchestration.writing.plan import Planning, make_plan

_RUN = "_run_id"

_UNLIMITED = {"changes": 10**9, "deletes": 0, "tokens": 10**9}
"""The day's budget is what bounds an action; its queue says how much there is to do."""


def record_writer(planning: Callable[[], Planning], *, allowed: bool) -> RecordWriter:
    """What writes the rows of workflows to the account.

    Args:
        planning: gives what plans are made and applied with.
        allowed: whether the account may be changed.
    """

    def write(workflow: Workflow, action: PipedriveAction, claim_id: str) -> Sequence[RecordOutcome]:
        try:
            require_permission(allowed=allowed)
            return _written(workflow, action, claim_id, planning())
        except (WritesNotAllowedError, InvalidBodyError, PipedriveError, NotAppliedError) as error:
            raise ActionError(f"{action.name}: {error}") from None

    return write


def _written(
    workflow: Workflow, action: PipedriveAction, claim_id: str, planning: Planning
) -> Sequence[RecordOutcome]:
    """Write the rows of a claim. What an earlier claim has begun is brought to its end before."""
    write = _write_of(workflow, action, claim_id)
    _finish(write, planning)
    return _planned_and_applied(write, planning)


def _write_of(workflow: Workflow, action: PipedriveAction, claim_id: str) -> Write:
    table = quoted("workflows", workflow.slug)
    rows = f"""
        SELECT r.run_id::VARCHAR AS {quoted(_RUN)}, t.*
        FROM workflows._runs AS r JOIN {table} AS t USING (row_id)
        WHERE r.claimed_by = {literal(claim_id)} AND r.status = 'running' ORDER BY r.row_seq, r.run_id
    """
    parsed = WriteFile.parse(
        {
            "name": f"{workflow.name}: {action.name}",
            "object_type": action.object_type,
            "operation": action.operation,
            "rows": rows,
            "source": action.source,
            "match": action.match,
            "fields": action.fields,
            "on_conflict": action.on_conflict,
            "limits": _UNLIMITED,
        }
    )
    # No file of a write can be called like that.
    name = f"({workflow.slug}/{action.name})"
    return Write.of(workflow.slug, parsed).model_copy(update={"slug": name})


def _finish(write: Write, planning: Planning) -> None:
    """Bring to its end what an earlier claim has begun, so that the rows of this one meet its records."""
    with planning.warehouse.reading() as connection:
        last = ledger.last_plan(connection, write.slug)
    if last is not None and last.status in (PlanStatus.APPLYING, PlanStatus.STOPPED):
        _apply(last, planning)


def _apply(plan: ledger.Plan, planning: Planning) -> None:
    report = apply_plan(plan.plan_id, planning, None, above_limits=True)
    if not report.is_complete:
        raise NotAppliedError(report.note or "not everything could be written")


def _planned_and_applied(write: Write, planning: Planning) -> list[RecordOutcome]:
    of_rows: list[tuple[str, str | None, Entry | None]] = []

    def told(row: MatchedRow, entry: Entry | None) -> None:
        known = str(row.ids[0]) if len(row.ids) == 1 else None
        of_rows.append((str(row.values[_RUN]), known, entry))

    plan = make_plan(write, planning, told=told)
    if plan.changes:
        _apply(plan, planning)
    with planning.warehouse.reading() as connection:
        by_seq = {row.entry.seq: row for row in ledger.rows_of(connection, plan.plan_id)}
    return [
        RecordOutcome(run_id, known) if entry is None else _outcome(run_id, entry, by_seq[entry.seq])
        for run_id, known, entry in of_rows
    ]


def _outcome(run_id: str, entry: Entry, row: LedgerRow) -> RecordOutcome:
    if entry.kind in LEFT_OUT or row.status != Status.DONE:
        return RecordOutcome(run_id, None, row.entry.reason or f"The record is {row.status}.")
    return RecordOutcome(run_id, row.entry.record_id)

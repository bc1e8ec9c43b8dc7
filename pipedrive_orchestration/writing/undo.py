"""The undoing of an applied plan: a plan that gives every record back what it had."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import replace
from uuid import UUID

from pipedrive_orchestration.importing.signals import run_interruptibly
from pipedrive_orchestration.pipedrive.account import ConnectedUser
from pipedrive_orchestration.pipedrive.client import Client
from pipedrive_orchestration.pipedrive.requests import WRITABLE
from pipedrive_orchestration.writing import ledger
from pipedrive_orchestration.writing.apply import NotAppliedError
from pipedrive_orchestration.writing.changes import Kind
from pipedrive_orchestration.writing.ledger import Entry, LedgerRow, Plan, PlanStatus
from pipedrive_orchestration.writing.outcome import Status
from pipedrive_orchestration.writing.permission import connected_writer
from pipedrive_orchestration.writing.plan import Planning, tokens_of

_UNDOABLE = (PlanStatus.APPLIED, PlanStatus.STOPPED)


def plan_undo(plan_id: UUID, planning: Planning) -> Plan:
    """Plan to take back what a plan has done. Changes nothing at Pipedrive.

    A new record is deleted, a changed one gets back what it had when it was changed, a deleted one is brought
    back where Pipedrive can do that. What somebody has changed since stays as it is.

    Raises:
        NotAppliedError: there is no such plan, or nothing of it was applied.
        PipedriveError: the account cannot be read, or is another company's.
        WarehouseError: the database cannot be opened or written.
    """
    user = run_interruptibly(_user(planning))
    with planning.warehouse.reading() as connection:
        plan = ledger.plan_of(connection, plan_id)
        if plan is None:
            raise NotAppliedError(f"There is no plan {plan_id}.")
        rows = ledger.rows_of(connection, plan_id, statuses=[Status.DONE])
    if plan.status not in _UNDOABLE or not rows:
        raise NotAppliedError("Nothing of the plan was applied, so there is nothing to take back.")
    # What was done last is taken back first.
    entries = [replace(entry, seq=number) for number, entry in enumerate(_entries(plan, rows[::-1]), 1)]
    undo = _undo_of(plan, entries, user, planning)
    with planning.warehouse.writing() as connection:
        ledger.record_plan(connection, undo, entries)
    return undo


async def _user(planning: Planning) -> ConnectedUser:
    async with Client(planning.connection, clock=planning.clock) as client:
        return await connected_writer(client, planning.warehouse)


def _entries(plan: Plan, rows: list[LedgerRow]) -> Iterator[Entry]:
    writable = WRITABLE[plan.object_type]
    for row in rows:
        entry, result = row.entry, row.result or {}
        base = Entry(0, "reject", entry.record_id, entry.record_name, entry.row)
        if entry.kind not in tuple(Kind):
            yield replace(base, reason=f"Nothing takes a {entry.kind} back.")
        elif entry.kind == Kind.CREATE and writable.delete is None:
            yield replace(base, reason=f"Pipedrive deletes no {plan.object_type} by its API.")
        elif entry.kind == Kind.CREATE:
            # It is deleted only if it is still as it was made.
            yield replace(base, kind=Kind.DELETE, before=result)
        elif entry.kind == Kind.DELETE and writable.can_be_restored:
            yield replace(
                base, kind=Kind.UPDATE, after={"is_deleted": False}, shown=(("Is deleted", "yes", "no"),)
            )
        elif entry.kind == Kind.DELETE:
            yield replace(base, reason=f"Pipedrive brings no deleted {plan.object_type} back by its API.")
        else:
            # Of what was planned, some may have been left as it was.
            seen, made = row.seen or entry.before, result or entry.after
            back = {key: seen.get(key) for key in made}
            told = zip(entry.after, entry.shown, strict=True)
            shown = tuple((label, new, old) for key, (label, old, new) in told if key in made)
            yield replace(base, kind=Kind.UPDATE, before=dict(made), after=back, shown=shown)


def _undo_of(plan: Plan, entries: list[Entry], user: ConnectedUser, planning: Planning) -> Plan:
    count = {kind: sum(entry.kind == kind for entry in entries) for kind in (*Kind, "reject")}
    tokens = tokens_of(WRITABLE[plan.object_type], entries)
    return Plan(
        plan_id=uuid.uuid4(),
        write=plan.write,
        name=plan.name,
        object_type=plan.object_type,
        operation="undo",
        on_conflict="theirs",
        status=PlanStatus.PLANNED,
        made_at=planning.clock(),
        made_by=str(user),
        company_id=user.company_id,
        definition="",
        undo_of=plan.plan_id,
        # Whoever takes a plan back has seen how much it changed.
        limit_changes=len(entries),
        limit_deletes=len(entries),
        limit_tokens=max(plan.limit_tokens, 2 * tokens),
        updates=count[Kind.UPDATE],
        deletes=count[Kind.DELETE],
        rejects=count["reject"],
        estimated_tokens=tokens,
    )

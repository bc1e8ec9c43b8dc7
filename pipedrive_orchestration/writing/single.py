"""Single changes of records in the ledger: each is a plan of its own that is applied as it is made."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from pipedrive_orchestration.pipedrive.account import ConnectedUser
from pipedrive_orchestration.pipedrive.client import Client
from pipedrive_orchestration.warehouse import Warehouse
from pipedrive_orchestration.writing import ledger
from pipedrive_orchestration.writing.changes import Kind
from pipedrive_orchestration.writing.execution import Executor
from pipedrive_orchestration.writing.ledger import Entry, Plan, PlanStatus
from pipedrive_orchestration.writing.outcome import Outcome, Status
from pipedrive_orchestration.writing.permission import connected_writer
from pipedrive_orchestration.writing.records import PreparedChange, UnknownRecordError

BY_HAND = "(record)"
"""The name under which the ledger keeps changes that no file of a write made; no file can be called so."""

Carry = Callable[[Client], Awaitable[Outcome]]
"""Makes a change."""


async def make_change(client: Client, warehouse: Warehouse, prepared: PreparedChange) -> Outcome:
    """Make a prepared change, and keep what it was in the ledger.

    Raises:
        PipedriveError: it was not made, or what became of it is not known; the ledger says which.
        WarehouseError: the ledger cannot be written, in which case nothing was sent.
    """
    change, writable = prepared.change, prepared.properties.writable
    record_id = None if change.record_id is None else str(change.record_id)
    shown = tuple((value.label, value.before, value.text) for value in prepared.values)
    name = None if change.kind is Kind.CREATE else prepared.name
    entry = Entry(1, change.kind, record_id, name, {}, change.before, change.after, shown)
    executor = Executor(client, prepared.properties)
    return await keep(
        client,
        warehouse,
        entry,
        lambda _: executor.carry_out(change),
        object_type=writable.name,
        cost=prepared.cost,
    )


async def keep(
    client: Client, warehouse: Warehouse, entry: Entry, carry: Carry, *, object_type: str, cost: int
) -> Outcome:
    """Make a change of any kind, and keep it in the ledger before and after it is sent.

    Raises:
        PipedriveError: see `make_change`.
        WarehouseError: likewise.
    """
    user = await connected_writer(client, warehouse)
    now = client.clock.now()
    plan = _plan_of(entry, object_type, cost, user, now)
    with warehouse.writing() as connection:
        ledger.record_plan(connection, plan, [entry])
        ledger.mark_sent(connection, plan.plan_id, {1: dict(entry.before)}, now, str(user))
    outcome = Outcome(Status.SENT)
    try:
        outcome = await carry(client)
    finally:
        is_known = outcome.status is not Status.SENT
        with warehouse.writing() as connection:
            if is_known:
                # The row stays that of the record which was changed, whatever became of it.
                kept = replace(outcome, record_id=entry.record_id or outcome.record_id)
                ledger.record_outcomes(connection, plan.plan_id, {1: kept}, client.clock.now(), {1: cost})
            ledger.set_status(
                connection,
                plan.plan_id,
                PlanStatus.APPLIED if is_known else PlanStatus.STOPPED,
                now=client.clock.now(),
                who=str(user),
                tokens=client.usage.tokens,
            )
    return outcome


def _plan_of(entry: Entry, object_type: str, cost: int, user: ConnectedUser, now: datetime) -> Plan:
    return Plan(
        plan_id=uuid.uuid4(),
        write=BY_HAND,
        name=entry.record_name or "a new record",
        object_type=object_type,
        operation=entry.kind,
        on_conflict="theirs",
        status=PlanStatus.APPLYING,
        made_at=now,
        made_by=str(user),
        company_id=user.company_id,
        definition="",
        undo_of=None,
        limit_changes=1,
        limit_deletes=1,
        limit_tokens=1000,
        creates=int(entry.kind == Kind.CREATE),
        updates=int(entry.kind not in (Kind.CREATE, Kind.DELETE)),
        deletes=int(entry.kind == Kind.DELETE),
        estimated_tokens=cost,
    )


def last_change(warehouse: Warehouse, object_type: str, record_id: str) -> UUID:
    """The plan of the last single change of a record that was not taken back.

    Raises:
        UnknownRecordError: there is none.
        WarehouseError: the database cannot be opened.
    """
    found: Sequence[tuple[UUID]] = ()
    if warehouse.exists:
        with warehouse.reading() as connection:
            if ledger.is_present(connection):
                found = connection.execute(
                    """
                    SELECT p.plan_id
                    FROM write_ledger.plans AS p JOIN write_ledger.changes AS c USING (plan_id)
                    WHERE p."write" = $name AND p.object_type = $type AND c.record_id = $id
                        AND c.status = 'done' AND p.undo_of IS NULL
                        AND NOT EXISTS (FROM write_ledger.plans AS u
                            WHERE u.undo_of = p.plan_id AND u.status = 'applied')
                    ORDER BY p.made_at DESC LIMIT 1
                    """,
                    {"name": BY_HAND, "type": object_type, "id": record_id},
                ).fetchall()
    if not found:
        raise UnknownRecordError(object_type, record_id, "No change of it by `record` can be taken back.")
    return found[0][0]

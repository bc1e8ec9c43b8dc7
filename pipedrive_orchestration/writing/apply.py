"""The application of a plan: what it says is done once, recorded before and after, and can be gone on with.

Before a change is sent its record is read again. What has moved since the plan is left as the write's
``on_conflict`` says. A change whose answer is lost, or that was under way when everything ended, is looked up
before it is tried again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from pipedrive_orchestration.importing.signals import run_interruptibly
from pipedrive_orchestration.pipedrive.account import ConnectedUser
from pipedrive_orchestration.pipedrive.client import Client
from pipedrive_orchestration.pipedrive.errors import BudgetSpent, OutcomeUnknown, PipedriveError
from pipedrive_orchestration.pipedrive.requests import WRITABLE
from pipedrive_orchestration.warehouse import Warehouse
from pipedrive_orchestration.writing import ledger
from pipedrive_orchestration.writing.bundles import BATCH, bundles_of
from pipedrive_orchestration.writing.changes import Change, Kind, operation_of, values_of
from pipedrive_orchestration.writing.current import CurrentRecords
from pipedrive_orchestration.writing.execution import SETTLING_SECONDS, Executor
from pipedrive_orchestration.writing.ledger import LedgerRow, Plan, PlanStatus
from pipedrive_orchestration.writing.model import Write
from pipedrive_orchestration.writing.outcome import Outcome, Status
from pipedrive_orchestration.writing.permission import WrongPlanCompanyError, connected_writer
from pipedrive_orchestration.writing.plan import Planning, definition_of
from pipedrive_orchestration.writing.properties import Properties, read_properties
from pipedrive_orchestration.writing.stored import is_empty, same


class NotAppliedError(Exception):
    """A plan that cannot be applied; the message says why."""


@dataclass(frozen=True, slots=True)
class ApplyProgress:
    """How far an application is.

    Attributes:
        settled: changes whose outcome is known.
        changes: all of the plan.
        tokens: spent so far.
        seconds_left: until its end at this pace; None where that is not known yet.
    """

    settled: int
    changes: int
    tokens: int
    seconds_left: float | None


@dataclass(frozen=True, slots=True)
class ApplyReport:
    """The outcome of an application.

    Attributes:
        plan: as it is now.
        counts: changes by state.
        requests, tokens, seconds: of this application.
        note: why it stopped before the end, if it did.
    """

    plan: Plan
    counts: Mapping[str, int]
    requests: int
    tokens: int
    seconds: float
    note: str | None = None

    @property
    def is_complete(self) -> bool:
        """Whether every change has an outcome."""
        return not self.counts.get(Status.PLANNED) and not self.counts.get(Status.SENT)


Listener = Callable[[ApplyProgress], None]


def apply_plan(
    plan_id: UUID,
    planning: Planning,
    write: Write | None,
    *,
    above_limits: bool = False,
    listener: Listener = lambda _: None,
    settling: float = SETTLING_SECONDS,
) -> ApplyReport:
    """Do what a plan says, from where it was left.

    Args:
        plan_id: the plan.
        planning: what it is applied with.
        write: as its file says it now; None for the undoing of a change that no file made.
        above_limits: whether somebody wants more changes than the limits allow.
        listener: is told how far it is.
        settling: seconds to leave a request whose answer did not come.

    Raises:
        NotAppliedError: the plan is not the newest, is done, is above its limits, or its write has changed
            since; or another one is being applied.
        PipedriveError: the account cannot be read or written, or is another company's; what was done is
            recorded, and the plan can be gone on with.
        WarehouseError: the database cannot be opened or written.
    """
    with _alone(planning.warehouse):
        plan = _applicable(plan_id, planning.warehouse, write, above_limits=above_limits)
        return run_interruptibly(_Application(plan, planning, listener, settling).run())


@contextmanager
def _alone(warehouse: Warehouse) -> Iterator[None]:
    """One application at a time; the right to it goes with the process that has it."""
    with warehouse.sole("writes") as has_it:
        if not has_it:
            raise NotAppliedError("Another plan is being applied; try again when that has ended.")
        yield


def _applicable(plan_id: UUID, warehouse: Warehouse, write: Write | None, *, above_limits: bool) -> Plan:
    with warehouse.reading() as connection:
        plan = ledger.plan_of(connection, plan_id)
        if plan is None:
            raise NotAppliedError(f"There is no plan {plan_id}.")
        applied = ledger.last_applied(connection, plan.write)
    if plan.status == PlanStatus.APPLIED:
        raise NotAppliedError("The plan has been applied already. Make a new one.")
    if plan.status == PlanStatus.SUPERSEDED:
        raise NotAppliedError("There is a newer plan of this write: apply that one, or make a new one.")
    since = plan.applied_at or plan.made_at
    if (
        write is not None
        and applied is not None
        and applied.plan_id != plan_id
        and (applied.applied_at or since) > since
    ):
        raise NotAppliedError(
            "Another plan of this write was applied after this one was made. Make a new one."
        )
    if write is not None and plan.undo_of is None and definition_of(write) != plan.definition:
        raise NotAppliedError(
            f"writes/{plan.write}.yaml has changed since the plan was made. Make a new one."
        )
    if plan.above_limits and not above_limits:
        reasons = "; ".join(plan.above_limits)
        raise NotAppliedError(f"The plan is above its limits: {reasons}. Nothing was written.")
    return plan


@dataclass(slots=True)
class _Batch:
    """Changes on their way, with what is known of each.

    Attributes:
        seen: what the record of a change that is to be sent is like now.
        outcomes: of changes that are settled.
    """

    rows: Sequence[LedgerRow]
    changes: dict[int, Change] = field(default_factory=dict)
    seen: dict[int, Mapping[str, Any]] = field(default_factory=dict)
    outcomes: dict[int, Outcome] = field(default_factory=dict)


class _Application:
    """One run over the changes of a plan that are still to be made."""

    def __init__(self, plan: Plan, planning: Planning, listener: Listener, settling: float) -> None:
        self._plan = plan
        self._warehouse = planning.warehouse
        self._planning = planning
        self._listener = listener
        self._settling = settling
        self._writable = WRITABLE[plan.object_type]
        self._began = time.monotonic()
        self._settled = 0
        self._ours: set[str] = set()

    async def run(self) -> ApplyReport:
        async with Client(self._planning.connection, clock=self._planning.clock) as client:
            user = await connected_writer(client, self._warehouse)
            if user.company_id != self._plan.company_id:
                raise WrongPlanCompanyError(self._plan.company_id, user)
            properties = await read_properties(client, self._writable)
            executor = Executor(client, properties, settling=self._settling)
            note = None
            try:
                await self._resume(client, executor, user)
                note = await self._go_on(client, executor, properties, user)
            except PipedriveError as error:
                note = str(error)
                if not isinstance(error, BudgetSpent):
                    raise
            finally:
                report = self._close(client, user, note)
            return report

    async def _resume(self, client: Client, executor: Executor, user: ConnectedUser) -> None:
        """Find out what became of changes that were under way when an earlier application ended."""
        with self._warehouse.writing() as connection:
            now, applying = self._planning.clock(), PlanStatus.APPLYING
            ledger.set_status(connection, self._plan.plan_id, applying, now=now, who=str(user))
            rows = ledger.rows_of(connection, self._plan.plan_id, statuses=[Status.SENT])
            self._ours = ledger.ids_made_by(connection, self._plan.plan_id)
            counts = ledger.counts_of(connection, self._plan.plan_id)
        self._settled = sum(counts.values()) - counts.get(Status.PLANNED, 0) - counts.get(Status.SENT, 0)
        if rows:
            await asyncio.sleep(self._settling)
        batch = _Batch(rows, {row.entry.seq: row.change for row in rows})
        since = [row.sent_at for row in rows if row.sent_at is not None]
        try:
            if since:
                async for seq, outcome in executor.settle_all(batch.changes, min(since), self._ours):
                    batch.outcomes[seq] = outcome
        finally:
            self._record(client, batch)

    async def _go_on(
        self, client: Client, executor: Executor, properties: Properties, user: ConnectedUser
    ) -> str | None:
        """Make changes batch by batch. Returns why it stops before the end, if it does."""
        while True:
            with self._warehouse.reading() as connection:
                rows = ledger.rows_of(
                    connection, self._plan.plan_id, statuses=[Status.PLANNED], most=self._batch_size(client)
                )
            if not rows:
                return None
            if client.usage.tokens >= self._plan.limit_tokens:
                return (
                    f"This application has spent {client.usage.tokens:,} tokens, and the limit is "
                    f"{self._plan.limit_tokens:,}. Apply the plan again to go on."
                )
            batch = _Batch(rows)
            await self._look_again(CurrentRecords(client, self._writable), properties, batch)
            with self._warehouse.writing() as connection:
                now = client.clock.now_at_pipedrive()
                ledger.mark_sent(connection, self._plan.plan_id, batch.seen, now, str(user))
            try:
                await self._send(client, executor, batch)
            finally:
                self._record(client, batch)

    def _batch_size(self, client: Client) -> int:
        """As many changes as the limit of tokens, and the day's budget, can still pay."""
        dearest = max(
            operation.cost
            for operation in (self._writable.create, self._writable.update, self._writable.delete)
            if operation
        )
        left = [self._plan.limit_tokens - client.usage.tokens]
        if client.daily_tokens_left is not None:
            left.append(client.daily_tokens_left)
        return max(1, min(BATCH, *(tokens // dearest for tokens in left)))

    async def _look_again(self, records: CurrentRecords, properties: Properties, batch: _Batch) -> None:
        """Read the records of a batch again, and leave out what has moved."""
        known = [row for row in batch.rows if row.entry.kind != Kind.CREATE]
        keys = {key for row in known for key in (*row.entry.after, *row.entry.before)}
        ids = [str(row.entry.record_id) for row in known if not _is_restoration(row)]
        current = await records.read(ids, keys) if ids else {}
        for row in batch.rows:
            seq, change = row.entry.seq, row.change
            if row.entry.kind == Kind.CREATE or _is_restoration(row):
                batch.changes[seq], batch.seen[seq] = change, {}
                continue
            record = current.get(str(row.entry.record_id))
            if record is None:
                is_gone = change.kind is Kind.DELETE
                reason = "It is gone already." if is_gone else "The record is gone."
                status = Status.DONE if is_gone else Status.MOVED
                batch.outcomes[seq] = Outcome(status, change.record_id, reason=reason)
                continue
            seen = values_of(properties, record, {**change.before, **change.after})
            left = _judged(self._plan.on_conflict, properties, change, seen)
            if isinstance(left, str):
                batch.outcomes[seq] = Outcome(Status.MOVED, change.record_id, seen, reason=left)
            else:
                batch.changes[seq], batch.seen[seq] = left, seen

    async def _send(self, client: Client, executor: Executor, batch: _Batch) -> None:
        """Make the changes of a batch, many at once; what is not answered is settled after the others."""
        sent = {seq: change for seq, change in batch.changes.items() if seq in batch.seen}
        bundles = bundles_of(self._writable, sent)
        since = client.clock.now_at_pipedrive()
        answers = await asyncio.gather(
            *(_made(executor, {seq: sent[seq] for seq in bundle}) for bundle in bundles),
            return_exceptions=True,
        )
        unknown, errors = [], []
        for bundle, answer in zip(bundles, answers, strict=True):
            if isinstance(answer, OutcomeUnknown):
                unknown += bundle
            elif isinstance(answer, BaseException):
                errors.append(answer)
                if isinstance(answer, PipedriveError):
                    batch.outcomes |= {seq: Outcome(Status.PLANNED, sent[seq].record_id) for seq in bundle}
            else:
                batch.outcomes |= answer
                unknown += [seq for seq in bundle if seq not in answer]
        self._ours |= {
            str(outcome.record_id)
            for seq, outcome in batch.outcomes.items()
            if seq in sent and sent[seq].kind is Kind.CREATE and outcome.status is Status.DONE
        }
        if unknown:
            await asyncio.sleep(self._settling)
            left = {seq: sent[seq] for seq in sorted(unknown)}
            async for seq, outcome in executor.settle_all(left, since, self._ours):
                batch.outcomes[seq] = outcome
        if errors:
            raise errors[0]

    def _record(self, client: Client, batch: _Batch) -> None:
        costs = {}
        for seq, outcome in batch.outcomes.items():
            change = batch.changes.get(seq)
            operation = operation_of(self._writable, change.kind) if change else None
            is_sent = outcome.status in (Status.DONE, Status.REFUSED, Status.UNCERTAIN)
            cost = operation.cost if operation and is_sent and seq in batch.changes else 0
            costs[seq] = cost if outcome.cost is None else outcome.cost
        if batch.outcomes:
            now = self._planning.clock()
            with self._warehouse.writing() as connection:
                ledger.record_outcomes(connection, self._plan.plan_id, batch.outcomes, now, costs)
        self._settled += sum(outcome.status is not Status.PLANNED for outcome in batch.outcomes.values())
        spent = time.monotonic() - self._began
        left = self._plan.changes - self._settled
        pace = spent / self._settled if self._settled else None
        self._listener(
            ApplyProgress(
                self._settled,
                self._plan.changes,
                client.usage.tokens,
                None if pace is None else round(pace * left, 1),
            )
        )

    def _close(self, client: Client, user: ConnectedUser, note: str | None) -> ApplyReport:
        usage = client.usage
        with self._warehouse.writing() as connection:
            counts = ledger.counts_of(connection, self._plan.plan_id)
            is_done = not counts.get(Status.PLANNED) and not counts.get(Status.SENT)
            ledger.set_status(
                connection,
                self._plan.plan_id,
                PlanStatus.APPLIED if is_done else PlanStatus.STOPPED,
                now=self._planning.clock(),
                who=str(user),
                tokens=usage.tokens,
                note=note,
            )
            plan = ledger.plan_of(connection, self._plan.plan_id)
        assert plan is not None, "a plan is not deleted"
        seconds = round(time.monotonic() - self._began, 3)
        return ApplyReport(plan, counts, usage.requests, usage.tokens, seconds, note)


async def _made(executor: Executor, changes: Mapping[int, Change]) -> dict[int, Outcome]:
    """The outcomes of changes that one request makes, as far as its answer tells them."""
    if len(changes) > 1:
        return await executor.send_several(changes)
    return {seq: await executor.send(change) for seq, change in changes.items()}


def _is_restoration(row: LedgerRow) -> bool:
    """Whether a change brings a deleted record back, which no list shows."""
    return row.entry.after.get("is_deleted") is False


def _judged(
    on_conflict: str, properties: Properties, change: Change, seen: Mapping[str, Any]
) -> Change | str:
    """The change as it is to be sent to a record that is like this now, or why it is not."""
    if on_conflict == "ours":
        return change
    moved = [
        key for key, value in change.before.items() if not same(properties.by_key(key), seen[key], value)
    ]
    if on_conflict == "fill_empty" and change.kind is Kind.UPDATE:
        after = {key: value for key, value in change.after.items() if is_empty(seen[key])}
        return (
            Change(change.kind, change.record_id, change.before, after) if after else "It is filled by now."
        )
    if moved:
        labels = ", ".join(properties.by_key(key).label for key in moved)
        return f"It was changed since the plan was made: {labels}."
    return change

"""The writes of a project: what Dagster, the HTTP API and the command line do with them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from uuid import UUID

import duckdb

from pipedrive_orchestration.pipedrive.auth import Connection
from pipedrive_orchestration.services.troubles import Trouble, TroubleKind
from pipedrive_orchestration.settings import Settings
from pipedrive_orchestration.sources import InvalidBodyError, SourceStore
from pipedrive_orchestration.warehouse import Warehouse
from pipedrive_orchestration.workflows import WorkflowStore
from pipedrive_orchestration.writing import ledger
from pipedrive_orchestration.writing.apply import ApplyReport, Listener, NotAppliedError, apply_plan
from pipedrive_orchestration.writing.ledger import LedgerRow, Plan, PlanStatus
from pipedrive_orchestration.writing.model import Write
from pipedrive_orchestration.writing.permission import require_permission
from pipedrive_orchestration.writing.plan import Planning, make_plan
from pipedrive_orchestration.writing.report import summary_of
from pipedrive_orchestration.writing.spreadsheets import Proposal, write_of_file
from pipedrive_orchestration.writing.store import LoadedWrites, WriteStore, problems_of_links
from pipedrive_orchestration.writing.undo import plan_undo


def waiting_plans(connection: duckdb.DuckDBPyConnection, writes: Iterable[Write]) -> list[Trouble]:
    """The plans that wait for somebody: made by a schedule or above their limits, or stopped on the way.

    A plan that somebody has made by hand and not applied yet is nobody's trouble.
    """
    newest = ledger.newest_plans(connection)
    found = []
    for write in writes:
        plan = newest.get(write.slug)
        is_ours = write.schedule is not None or write.apply == "automatic"
        if plan is None or not plan.changes:
            continue
        if plan.status == PlanStatus.STOPPED or (plan.status == PlanStatus.PLANNED and is_ours):
            found.append(_waiting(write, plan))
    return found


def _waiting(write: Write, plan: Plan) -> Trouble:
    state = "stopped before its end" if plan.status == PlanStatus.STOPPED else "waits to be applied"
    why = f" It is above its limits: {'; '.join(plan.above_limits)}." if plan.above_limits else ""
    above = " --above-limits" if plan.above_limits else ""
    told = (
        f"A plan of {plan.made_at:%Y-%m-%d %H:%M} {state}: {summary_of(plan)}.{why} "
        f"`write show {write.slug}` shows it, `write apply {write.slug}{above}` applies it."
    )
    return Trouble(write.slug, TroubleKind.PLAN_WAITS, told, told)


@dataclass(frozen=True, slots=True)
class Writes:
    """The writes of a project folder.

    Attributes:
        allowed: whether the account may be changed.
        connection: gives the account.
        warehouse: the database.
        staging: folder for pages that are not committed yet.
        store: the sources of the project.
    """

    allowed: bool
    connection: Callable[[], Connection]
    warehouse: Warehouse
    staging: Path
    store: SourceStore

    @classmethod
    def from_settings(
        cls, settings: Settings, store: SourceStore, warehouse: Warehouse | None = None
    ) -> Writes:
        """The writes of the project that the settings name."""
        warehouse = warehouse or Warehouse.from_settings(settings)
        staging = settings.staging or warehouse.folder / "staging"
        connection = partial(Connection.from_settings, settings)
        return cls(settings.allow_writes, connection, warehouse, staging, store)

    def load(self) -> LoadedWrites:
        """Every write of the folder, and the files that are left out."""
        return WriteStore(self.store.project).load()

    def plan(self, write: Write, *, refresh: bool = True) -> Plan:
        """A new plan of a write; changes nothing at Pipedrive.

        Raises:
            InvalidBodyError: the write does not fit what it refers to, the account or its rows.
            PipedriveError, WarehouseError: see `make_plan`.
        """
        loaded = self.store.load()
        workflows = [workflow.slug for workflow in WorkflowStore(self.store.project).load().workflows]
        unread = [bad.slug for bad in loaded.bad_files]
        problems = problems_of_links(write, self.store.project, loaded.sources, workflows, unread)
        if problems:
            raise InvalidBodyError(problems)
        return make_plan(write, self.planning(), refresh=refresh)

    def plan_of_file(
        self, file: Path, object_type: str, match: Sequence[str], operation: str | None = None
    ) -> tuple[Plan, Proposal]:
        """A plan of a file of rows that no write names, and what its columns are taken to be about.

        Raises:
            InvalidBodyError: the file cannot be read, says too little, or does not fit the account.
            PipedriveError, WarehouseError: see `make_plan`.
        """
        planning = self.planning()
        write, proposal = write_of_file(file, object_type, match, operation, planning)
        return make_plan(write, planning), proposal

    def apply_alone(self, plan_id: UUID, *, listener: Listener = lambda _: None) -> ApplyReport:
        """Do what a plan says that no file of the project has made, or that takes such a one back.

        Raises:
            WritesNotAllowedError: nothing may be changed.
            NotAppliedError, PipedriveError, WarehouseError: see `apply_plan`.
        """
        require_permission(allowed=self.allowed)
        return apply_plan(plan_id, self.planning(), None, above_limits=True, listener=listener)

    def undo_alone(self, plan_id: UUID) -> Plan:
        """A plan that takes such a plan back.

        Raises:
            NotAppliedError, PipedriveError, WarehouseError: see `plan_undo`.
        """
        return plan_undo(plan_id, self.planning())

    def plan_named(self, plan_id: UUID) -> Plan:
        """The plan of an id.

        Raises:
            NotAppliedError: there is none.
            WarehouseError: the database cannot be opened.
        """
        with self.warehouse.reading() as connection:
            plan = ledger.plan_of(connection, plan_id)
        if plan is None:
            raise NotAppliedError(f"There is no plan {plan_id}.")
        return plan

    def apply(
        self,
        write: Write,
        plan_id: UUID | None = None,
        *,
        above_limits: bool = False,
        listener: Listener = lambda _: None,
    ) -> ApplyReport:
        """Do what a plan of a write says, the newest if none is named.

        Raises:
            WritesNotAllowedError: nothing may be changed.
            NotAppliedError, PipedriveError, WarehouseError: see `apply_plan`.
        """
        require_permission(allowed=self.allowed)
        plan = self.find_plan(write, plan_id)
        return apply_plan(plan.plan_id, self.planning(), write, above_limits=above_limits, listener=listener)

    def undo(self, write: Write, plan_id: UUID | None = None) -> Plan:
        """A plan that takes an applied plan back, the one that was applied last if none is named.

        Raises:
            NotAppliedError, PipedriveError, WarehouseError: see `plan_undo`.
        """
        if plan_id is None:
            with self.warehouse.reading() as connection:
                last = ledger.last_applied(connection, write.slug)
            if last is None or last.undo_of is not None:
                raise NotAppliedError(
                    f"No plan of {write.slug} was applied last; name the plan to take back."
                )
            plan_id = last.plan_id
        return plan_undo(self.find_plan(write, plan_id).plan_id, self.planning())

    def find_plan(self, write: Write, plan_id: UUID | None = None) -> Plan:
        """A plan of a write, the newest if none is named.

        Raises:
            NotAppliedError: there is none.
            WarehouseError: the database cannot be opened.
        """
        with self.warehouse.reading() as connection:
            if plan_id is None:
                plan = ledger.last_plan(connection, write.slug)
            else:
                plan = ledger.plan_of(connection, plan_id)
        if plan is None or plan.write != write.slug:
            named = f" {plan_id}" if plan_id else ""
            raise NotAppliedError(
                f"There is no plan{named} of {write.slug}: make one with `write plan {write.slug}`."
            )
        return plan

    def rows(self, plan: Plan, most: int = 10**9, *, statuses: Sequence[str] = ()) -> list[LedgerRow]:
        """The rows of a plan in its order, those in some states alone if states are given."""
        with self.warehouse.reading() as connection:
            return ledger.rows_of(connection, plan.plan_id, statuses=statuses, most=most)

    def counts(self, plan: Plan) -> dict[str, int]:
        """How many changes of a plan are in each state."""
        with self.warehouse.reading() as connection:
            return ledger.counts_of(connection, plan.plan_id)

    def plans(self, write: Write | None = None, most: int = 20) -> list[Plan]:
        """The newest plans, of one write or of all."""
        if not self.warehouse.exists:
            return []
        with self.warehouse.reading() as connection:
            return ledger.plans_of(connection, write.slug if write else None, most)

    def planning(self) -> Planning:
        """What plans are made and applied with."""
        return Planning(
            self.store.project, self.connection(), self.warehouse, self.staging, self.store.load().sources
        )

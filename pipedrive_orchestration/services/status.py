"""The status of a source, by its file, its hold and Dagster's instance."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from uuid import UUID

import dagster as dg

from pipedrive_orchestration.importing import windows_until
from pipedrive_orchestration.services.budget import hold_of
from pipedrive_orchestration.services.deployment import Deployment
from pipedrive_orchestration.services.errors import UnknownSourceIdError
from pipedrive_orchestration.services.run_requests import UNFINISHED
from pipedrive_orchestration.sources import Hold, Source, is_expired, next_ticks


class Status(StrEnum):
    """The status of a source: what it does by itself from now on."""

    ACTIVE = "active"
    """Its first import or its schedule is to come."""
    COMPLETED = "completed"
    """A static source that has been imported."""
    PAUSED = "paused"
    """Its schedule was stopped, in Dagster's UI or elsewhere."""
    PAUSED_OUT_OF_CREDITS = "paused_out_of_credits"
    """Its first import waits for tokens."""
    EXPIRED = "expired"
    """The last day of its schedule has passed."""
    DELETED = "deleted"
    """Its file is in the folder of deleted ones; its rows are kept."""


@dataclass(frozen=True, slots=True)
class SourceState:
    """A source with its status.

    Attributes:
        next_tick: when its schedule fires next (UTC); None where it does not.
        hold: why its first import waits, if it does.
        is_importing: whether a run of it has been launched and not ended.
    """

    source: Source
    status: Status
    next_tick: datetime | None = None
    hold: Hold | None = None
    is_importing: bool = False

    @property
    def sentence(self) -> str:
        """What the source does by itself from now on and why; it stays the same as long as that does."""
        source, slug = self.source, self.source.slug
        if self.status is Status.ACTIVE:
            return _what_comes_next(source)
        if self.status is Status.PAUSED_OUT_OF_CREDITS and self.hold is not None:
            return (
                f"Held: its first import needs {self.hold.estimated_tokens:,} tokens and waits until "
                f"{self.hold.until:%Y-%m-%d %H:%M} UTC. `pipedrive-orchestration import {slug}` starts it "
                "now."
            )
        return {
            Status.COMPLETED: "Completed: it has been imported, and is again only by hand.",
            Status.PAUSED: "Paused: its schedule was stopped. The switch of the schedule, or "
            f"`pipedrive-orchestration status {slug} active`, starts it.",
            Status.EXPIRED: f"Expired: its schedule ended on {source.expiration_date}. A later "
            "expiration_date in its file lets it go on.",
            Status.DELETED: "Deleted: its rows are kept.",
        }[self.status]


def _what_comes_next(source: Source) -> str:
    if source.schedule is None:
        return "Active: its first import is to come."
    until = f", up to {source.expiration_date}" if source.expiration_date else ""
    return f"Active: it follows changes at {source.schedule} (UTC){until}."


@dataclass(frozen=True, slots=True)
class KnownSource:
    """A source of which there is a file, in the folder of sources or in that of deleted ones."""

    source: Source
    deleted: bool


def find_source(deployment: Deployment, source_id: UUID) -> KnownSource:
    """The source of that id, by the project folder alone.

    Raises:
        UnknownSourceIdError: there is none.
    """
    for source in deployment.store.load().sources:
        if source.id == source_id:
            return KnownSource(source, deleted=False)
    for source in deployment.store.deleted():
        if source.id == source_id:
            return KnownSource(source, deleted=True)
    raise UnknownSourceIdError(source_id)


def state_of_known(deployment: Deployment, known: KnownSource) -> SourceState:
    """The state of a source, deleted or not.

    Raises:
        OldFileError: a file of version 0.1 is damaged, which may hold a source back.
    """
    if known.deleted:
        return SourceState(known.source, Status.DELETED)
    return state_of(deployment, known.source)


def all_states(deployment: Deployment) -> list[SourceState]:
    """The states of all sources in the order of their slugs, deleted ones last.

    Raises:
        OldFileError: a file of version 0.1 is damaged, which may hold a source back.
    """
    present = states_of(deployment, deployment.store.load().sources, datetime.now(UTC))
    ids = {state.source.id for state in present}
    deleted = [source for source in deployment.store.deleted() if source.id not in ids]
    return present + [SourceState(source, Status.DELETED) for source in deleted]


def states_of(deployment: Deployment, sources: Sequence[Source], now: datetime) -> list[SourceState]:
    """The states of sources that are there at an instant of our clock, in their order.

    Raises:
        OldFileError: a file of version 0.1 is damaged, which may hold a source back.
    """
    reader = _StateReader(deployment, sources, now)
    return [reader.at(source) for source in sources]


def state_of(deployment: Deployment, source: Source) -> SourceState:
    """The state of a source that is there.

    Raises:
        OldFileError: a file of version 0.1 is damaged, which may hold a source back.
    """
    (state,) = states_of(deployment, [source], datetime.now(UTC))
    return state


class _StateReader:
    """One reading of what some sources share, from which the state of each follows."""

    def __init__(self, deployment: Deployment, sources: Sequence[Source], now: datetime) -> None:
        self._instance = deployment.instance
        self._names = deployment.names
        self._now = now
        self._holds = deployment.store.holds.read([source.id for source in sources])
        self._stopped = deployment.schedules.stopped()
        self._importing = set(_assets_under_way(deployment.instance))

    def at(self, source: Source) -> SourceState:
        hold = hold_of(source, self._holds, self._instance, self._names, self._now)
        status = self._status(source, hold)
        return SourceState(
            source=source,
            status=status,
            next_tick=self._next_tick(source) if status is Status.ACTIVE else None,
            hold=hold,
            is_importing=self._names.asset_key(source.slug) in self._importing,
        )

    def _status(self, source: Source, hold: Hold | None) -> Status:
        if is_expired(source, self._now):
            return Status.EXPIRED
        if source.schedule and self._names.schedule(source.slug) in self._stopped:
            return Status.PAUSED
        if hold:
            return Status.PAUSED_OUT_OF_CREDITS
        if source.pull_mode == "static" and self._is_completed(source):
            return Status.COMPLETED
        return Status.ACTIVE

    def _is_completed(self, source: Source) -> bool:
        key = self._names.asset_key(source.slug)
        if not source.pull_existing:
            return True
        if key in self._importing:
            return False
        if not source.type.partitioned:
            return self._instance.get_latest_materialization_event(key) is not None
        windows = windows_until(source, source.created_at)
        return {window.key for window in windows} <= self._instance.get_materialized_partitions(key)

    def _next_tick(self, source: Source) -> datetime | None:
        if source.schedule is None:
            return None
        ticks = next_ticks(source.schedule, self._now, 1)
        return next((tick for tick in ticks if not is_expired(source, tick)), None)


def _assets_under_way(instance: dg.DagsterInstance) -> Iterable[dg.AssetKey]:
    for record in instance.get_run_records(dg.RunsFilter(statuses=UNFINISHED)):
        yield from record.dagster_run.asset_selection or ()

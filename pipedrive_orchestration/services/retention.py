"""How long Dagster keeps runs: what is old goes, but for the runs that an asset or a window still shows.

A window is green since a run of Dagster's storage says so, and would be white without it. So of the runs that
told of a window the last one stays, whatever its age: there are never more of those than windows.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pipedrive_orchestration.services.dagster_internals import ALL_ASSETS_JOB, OldRun, RunHistory
from pipedrive_orchestration.services.names import DagsterNames

BATCH = 200
"""Runs that are looked at, and deleted, in one transaction; others wait for tenths of a second."""


@dataclass(frozen=True, slots=True)
class Retention:
    """How long the runs of an account are kept.

    Attributes:
        names: tells the account's runs from others of the same instance, which are nobody's to delete.
        jobs: the account's own jobs, by name.
        runs: how long runs are kept.
        ticks: how long those are kept that a schedule has asked for and that succeeded.
    """

    names: DagsterNames
    jobs: frozenset[str]
    runs: timedelta
    ticks: timedelta

    def apply(
        self, history: RunHistory, now: datetime, seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> Deleted:
        """Delete what is old, for so many seconds at most."""
        until, place, deleted, is_done = clock() + seconds, 0, 0, False
        while not is_done and clock() < until:
            batch = history.ended(now - min(self.runs, self.ticks), place, BATCH)
            is_done = len(batch) < BATCH
            place = batch[-1].place if batch else place
            gone = self._gone(history, batch, now)
            if gone:
                history.delete(gone)
            deleted += len(gone)
        events = 0
        if is_done:
            keys = [key for key in history.instance.all_asset_keys() if self.names.owns(key)]
            events = history.delete_events_without_run(keys, now - self.ticks)
        return Deleted(deleted, events, is_done)

    def _gone(self, history: RunHistory, batch: Sequence[OldRun], now: datetime) -> list[str]:
        due = [run for run in batch if now - run.ended > self._kept_for(run)]
        if not due:
            return []
        ids = [run.run_id for run in due]
        shown, assets = history.still_shown(ids), history.assets_of(ids)
        return [
            run.run_id
            for run in due
            if run.run_id not in shown
            and all(map(self.names.owns, assets.get(run.run_id, ())))
            and (run.run_id in assets or run.job in self.jobs)
        ]

    def _kept_for(self, run: OldRun) -> timedelta:
        return min(self.runs, self.ticks) if run.scheduled and run.succeeded else self.runs


@dataclass(frozen=True, slots=True)
class Deleted:
    """What was deleted: runs, events without a run, and whether nothing old is left."""

    runs: int
    events: int
    is_done: bool

    def __str__(self) -> str:
        rest = "" if self.is_done else "; the next tick goes on"
        return f"{self.runs:,} runs and {self.events:,} events that belong to no run were deleted{rest}."


def own_jobs(names: DagsterNames, jobs: Sequence[str]) -> frozenset[str]:
    """The names of the jobs of an account: those given, and Dagster's job of all assets where it is alone."""
    return frozenset([*jobs, *([ALL_ASSETS_JOB] if names.is_default else [])])

"""The stored state of schedules, which the UI's switch, the command line and sensors all change.

Dagster lets a sensor see its instance but has no public way to stop a schedule from there; everything
that goes beyond the public interface is in this module.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import dagster as dg
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.scheduler.instigation import InstigatorState

from pipedrive_orchestration.orchestration.names import LOCATION


@dataclass(frozen=True, slots=True)
class ScheduleStates:
    """The schedules of this code location that have a stored state.

    A schedule has none until the daemon has met it, or somebody has switched it.
    """

    instance: dg.DagsterInstance

    def running(self) -> set[str]:
        """Names of schedules that fire."""
        return {state.name for state in self._states() if state.is_running}

    def stopped(self) -> set[str]:
        """Names of schedules that were stopped, by whomever."""
        return {state.name for state in self._states() if not state.is_running}

    def stop(self, name: str) -> None:
        """Stops a schedule as the UI's switch does; nothing where it has no state yet."""
        for state in self._of(name):
            self.instance.stop_schedule(state.instigator_origin_id, state.selector_id)

    def reset(self, name: str) -> None:
        """Forgets what was stored, so that the schedule is what its definition says: running."""
        for state in self._of(name):
            self.instance.delete_instigator_state(state.instigator_origin_id, state.selector_id)

    def _of(self, name: str) -> Iterable[InstigatorState]:
        return [state for state in self._states() if state.name == name]

    def _states(self) -> Iterable[InstigatorState]:
        states = self.instance.all_instigator_state(instigator_type=InstigatorType.SCHEDULE)
        return [state for state in states if state.origin.location_name == LOCATION]

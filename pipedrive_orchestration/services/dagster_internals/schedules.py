"""The switches of schedules, and the code location that they belong to.

The switch of a schedule in the UI is a row in the instance that names the code location. A sensor sees
its instance, but only the web server can change the row in a public way, and it need not be running when
a command pauses a source. Neither a sensor nor a run is told the name of its code location.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

import dagster as dg
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.remote_origin import (
    InProcessCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import InstigatorState, InstigatorStatus, ScheduleInstigatorData
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin

from pipedrive_orchestration.services.dagster_internals.given_names import REPOSITORY


def location_of(context: dg.SensorEvaluationContext | dg.OpExecutionContext) -> str | None:
    """The name of the code location that evaluates a sensor or has launched a run; None if nobody did."""
    if isinstance(context, dg.SensorEvaluationContext):
        origin = context.code_location_origin
    else:
        job = context.run.remote_job_origin
        origin = job.repository_origin.code_location_origin if job else None
    return origin.location_name if origin else None


_DEFINITIONS = "pipedrive_orchestration.definitions"
_TRIES = 3


@dataclass(frozen=True, slots=True)
class ScheduleStates:
    """The schedules of a code location that have a stored state.

    A schedule has none until the daemon has met it, or somebody has switched it.

    Attributes:
        instance: where states are stored.
        location: name of the code location.
    """

    instance: dg.DagsterInstance
    location: str

    def running(self) -> set[str]:
        """Names of schedules that fire."""
        return {state.name for state in self._states() if state.is_running}

    def stopped(self) -> set[str]:
        """Names of schedules that were stopped, by whomever."""
        return {state.name for state in self._states() if not state.is_running}

    def stop(self, name: str, cron: str) -> None:
        """Stop a schedule as the UI's switch does, also one that the daemon has not met yet."""
        self._switch(name, InstigatorStatus.STOPPED, ScheduleInstigatorData(cron))

    def start(self, name: str, cron: str) -> None:
        """Let a schedule fire again, from now on; nothing where it does already."""
        if name in self.stopped():
            data = ScheduleInstigatorData(cron, start_timestamp=time.time())
            self._switch(name, InstigatorStatus.RUNNING, data)

    def reset(self, name: str) -> None:
        """Forget what was stored, so that the schedule is what its definition says: running."""
        for state in self._of(name):
            self.instance.delete_instigator_state(state.instigator_origin_id, state.selector_id)

    def _switch(self, name: str, status: InstigatorStatus, data: ScheduleInstigatorData) -> None:
        for _ in range(_TRIES):
            # Somebody else may store the first state, or forget it, at the same moment.
            with suppress(dg.DagsterInvariantViolationError):
                self._store(name, status, data)
                return
        self._store(name, status, data)

    def _store(self, name: str, status: InstigatorStatus, data: ScheduleInstigatorData) -> None:
        for state in self._of(name):
            self.instance.update_instigator_state(state.with_status(status).with_data(data))
            return
        self.instance.add_instigator_state(
            InstigatorState(self._origin(name), InstigatorType.SCHEDULE, status, data)
        )

    def _of(self, name: str) -> Iterable[InstigatorState]:
        return [state for state in self._states() if state.name == name]

    def _states(self) -> Iterable[InstigatorState]:
        states = self.instance.all_instigator_state(instigator_type=InstigatorType.SCHEDULE)
        return [state for state in states if state.origin.location_name == self.location]

    def _origin(self, name: str) -> RemoteInstigatorOrigin:
        # Dagster finds a state by location, repository and name; how the location is loaded plays no part.
        target = LoadableTargetOrigin(module_name=_DEFINITIONS)
        location = InProcessCodeLocationOrigin(target, location_name=self.location)
        return RemoteInstigatorOrigin(RemoteRepositoryOrigin(location, REPOSITORY), name)

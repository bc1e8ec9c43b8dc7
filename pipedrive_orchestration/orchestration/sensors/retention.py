"""The sensor that deletes old runs, so that Dagster's storage stays as large as it is after some days."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import dagster as dg

from pipedrive_orchestration.orchestration.context import ALONE, ProjectContext
from pipedrive_orchestration.services.dagster_internals import RunHistory
from pipedrive_orchestration.services.retention import Retention, own_jobs

SENSOR_NAME = "retention_sensor"
_SENSOR_SECONDS = 600

SECONDS_OF_A_TICK = 20.0
"""How long a tick deletes; what is left waits for the next one."""


def build_retention_sensor(
    jobs: Sequence[str],
    project: ProjectContext = ALONE,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> dg.SensorDefinition:
    """Deletes runs of the account that are older than the settings say, with their events, logs and checks.

    Args:
        jobs: names of the account's own jobs.
        project: whose runs they are.
        clock: what tells how old a run is.
    """
    settings, names = project.settings, project.names
    retention = Retention(
        names,
        own_jobs(names, jobs),
        runs=timedelta(days=settings.keep_runs_days),
        ticks=timedelta(days=settings.keep_ticks_days),
    )

    @dg.sensor(
        name=names.own(SENSOR_NAME),
        minimum_interval_seconds=_SENSOR_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Deletes runs that are older than PIPEDRIVE_KEEP_RUNS_DAYS, and what nobody looks at of "
        "schedules after PIPEDRIVE_KEEP_TICKS_DAYS. What an asset or a window shows stays.",
    )
    def retention_sensor(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        history = RunHistory(context.instance)
        if not history.is_known:
            return dg.SkipReason("Dagster's storage is none whose runs can be looked through.")
        return dg.SkipReason(str(retention.apply(history, clock(), SECONDS_OF_A_TICK)))

    return retention_sensor

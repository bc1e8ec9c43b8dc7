"""The end of a source: after its last day its schedule is stopped."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import dagster as dg

from pipedrive_orchestration.orchestration.context import ALONE, ProjectContext
from pipedrive_orchestration.sources import Source, is_expired

SENSOR_NAME = "expiration_sensor"
_SENSOR_SECONDS = 60


def build_expiration_sensor(
    sources: Sequence[Source],
    project: ProjectContext = ALONE,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> dg.SensorDefinition:
    """Stops the schedule of a source that has expired, and records an ``expired`` observation, once.

    Ticks skip on their own from the first instant after the last day; the sensor lets the UI's switch
    show it. A schedule that it stopped runs again when the source is given a later day. Its cursor holds
    the day and whether it stopped the schedule, by slug.
    """
    expiring = [(source, source.schedule) for source in sources if source.schedule]

    @dg.sensor(
        name=project.names.own(SENSOR_NAME),
        minimum_interval_seconds=_SENSOR_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Stops the schedules of sources whose expiration date has passed.",
    )
    def expiration_sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        before: dict[str, dict[str, str | bool]] = json.loads(context.cursor or "{}")
        states, now = project.schedules(context), clock()
        running = states.running()
        after: dict[str, dict[str, str | bool]] = {}
        events = []
        for source, cron in expiring:
            name, known = project.names.schedule(source.slug), before.get(source.slug, {})
            if is_expired(source, now):
                if known.get("last_day") != str(source.expiration_date):
                    events.append(_observation(source, project.names.asset_key(source.slug)))
                if name in running:
                    states.stop(name, cron)
                stopped = name in running or bool(known.get("stopped"))
                after[source.slug] = {"last_day": str(source.expiration_date), "stopped": stopped}
            elif known.get("stopped"):
                states.reset(name)
        return dg.SensorResult(
            asset_events=events,
            skip_reason=None if events else "No further source has expired.",
            cursor=json.dumps(after, sort_keys=True),
        )

    return expiration_sensor


def _observation(source: Source, key: dg.AssetKey) -> dg.AssetObservation:
    return dg.AssetObservation(
        key,
        description=f"expired: {source.expiration_date} was the last day (UTC) of its schedule",
        metadata={"status": "expired", "expiration_date": str(source.expiration_date)},
    )

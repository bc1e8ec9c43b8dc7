"""The check of a source's freshness, and the sensor that sees ticks which do not happen."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

import dagster as dg

from pipedrive_orchestration.orchestration.context import ALONE, ProjectContext
from pipedrive_orchestration.services.freshness import Freshness, Lateness, freshness_of_all
from pipedrive_orchestration.sources import Source
from pipedrive_orchestration.warehouse import WarehouseError

CHECK_NAME = "freshness"
SENSOR_NAME = "freshness_sensor"
_SENSOR_SECONDS = 60


def check_result(freshness: Freshness, key: dg.AssetKey) -> dg.AssetCheckResult:
    """What the check says: late is a warning, a second tick gone by is an error."""
    return dg.AssetCheckResult(
        asset_key=key,
        check_name=CHECK_NAME,
        passed=not freshness.is_late,
        severity=_severity(freshness.lateness),
        description=str(freshness),
        metadata=_metadata(freshness),
    )


def check_evaluation(freshness: Freshness, key: dg.AssetKey) -> dg.AssetCheckEvaluation:
    """The same to be recorded outside a run."""
    result = check_result(freshness, key)
    return dg.AssetCheckEvaluation(
        asset_key=key,
        check_name=CHECK_NAME,
        passed=result.passed,
        severity=result.severity,
        description=result.description,
        metadata=result.metadata,
    )


def _metadata(freshness: Freshness) -> dict[str, dg.MetadataValue]:
    metadata: dict[str, dg.MetadataValue] = {"watermark": dg.MetadataValue.timestamp(freshness.watermark)}
    if freshness.due:
        metadata["due"] = dg.MetadataValue.timestamp(freshness.due)
    return metadata


def _severity(lateness: Lateness) -> dg.AssetCheckSeverity:
    return dg.AssetCheckSeverity.ERROR if lateness is Lateness.VERY_LATE else dg.AssetCheckSeverity.WARN


def build_freshness_sensor(
    sources: Sequence[Source],
    project: ProjectContext = ALONE,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> dg.SensorDefinition:
    """Reports the freshness check of a source when it becomes late, and when it no longer is.

    Imports report the check themselves; the sensor sees what does not happen. Its cursor names the
    sources that are late.
    """
    active = [source for source in sources if source.schedule]

    @dg.sensor(
        name=project.names.own(SENSOR_NAME),
        required_resource_keys={project.warehouse_key},
        minimum_interval_seconds=_SENSOR_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Watches whether every active source keeps up with its own schedule.",
    )
    def freshness_sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        warehouse = project.looked_at(context.resources)
        stopped = project.schedules(context).stopped()
        at_rest = {source.slug for source in active if project.names.schedule(source.slug) in stopped}
        now = clock()
        try:
            with warehouse.reading() as connection:
                states = freshness_of_all(connection, active, now, at_rest)
        except WarehouseError as error:
            return dg.SkipReason(str(error))
        before: Mapping[str, str] = json.loads(context.cursor or "{}")
        changed = {
            slug: state
            for slug, state in states.items()
            if before.get(slug, Lateness.FRESH) != state.lateness
        }
        remembered = {
            slug: state.lateness for slug, state in states.items() if state.lateness is not Lateness.FRESH
        }
        return dg.SensorResult(
            asset_events=[
                check_evaluation(state, project.names.asset_key(slug)) for slug, state in changed.items()
            ],
            skip_reason=None if changed else "Nothing has become late, or ceased to be.",
            cursor=json.dumps(remembered, sort_keys=True),
        )

    return freshness_sensor

"""The sensor that tells people when something ceases to be well, and when it is well again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import dagster as dg

from pipedrive_orchestration.orchestration.context import ALONE, ProjectContext
from pipedrive_orchestration.services.alerts import look, sinks_of
from pipedrive_orchestration.services.dagster_internals import InstanceKeyValues
from pipedrive_orchestration.services.overview import read_overview
from pipedrive_orchestration.warehouse import WarehouseError

SENSOR_NAME = "alert_sensor"
_SENSOR_SECONDS = 60


def build_alert_sensors(
    project: ProjectContext = ALONE, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> list[dg.SensorDefinition]:
    """The sensor, where the settings name addresses.

    It never fails: an address that takes no message is tried again, and Dagster shows its name.
    """
    addresses = project.settings.alerts
    if addresses is None:
        return []

    @dg.sensor(
        name=project.names.own(SENSOR_NAME),
        required_resource_keys={project.warehouse_key},
        minimum_interval_seconds=_SENSOR_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Sends an alert when something ceases to be well, and when it is well again.",
    )
    def alert_sensor(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        sinks, wrong = sinks_of(addresses.get_secret_value())
        now = clock()
        try:
            overview = read_overview(project.deployment(context), project.looked_at(context.resources), now)
        except WarehouseError:
            overview = None
        looked = look(
            overview,
            InstanceKeyValues(context.instance, project.names.prefix),
            sinks,
            now,
            page=project.settings.dagster_url,
            label=project.names.prefix if not project.names.is_default else "",
        )
        return dg.SkipReason(" ".join([str(looked), *map(str, wrong)]))

    return [alert_sensor]

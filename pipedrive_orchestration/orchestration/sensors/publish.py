"""What Dagster shows of the published copy, and the sensor that publishes what runs have held back."""

from __future__ import annotations

import dagster as dg

from pipedrive_orchestration.orchestration.context import ALONE, ProjectContext
from pipedrive_orchestration.warehouse import Warehouse
from pipedrive_orchestration.warehouse.publish import KeptPublished, Publisher

SENSOR_NAME = "publishing_sensor"
_SENSOR_SECONDS = 30

PATIENCE_SECONDS = 10.0
"""How long a tick waits for the database; the next one comes soon."""


def metadata_of_copy(published: KeptPublished) -> dict[str, dg.MetadataValue]:
    """Where the published copy is, since when, and how large; nothing where there is none."""
    copy = published.copy
    if copy is None:
        return {}
    return {
        "published_copy": dg.MetadataValue.path(copy.path),
        "published_at": dg.MetadataValue.timestamp(copy.published_at),
        "published_bytes": dg.MetadataValue.int(copy.bytes),
    }


def build_publishing_sensors(project: ProjectContext = ALONE) -> list[dg.SensorDefinition]:
    """The sensor, where the settings ask for a published copy.

    Runs publish what they merge if a copy is due; the sensor publishes what came too soon for that and had no
    other run after it, whoever wrote it.
    """
    settings = project.settings
    if settings.publish is None:
        return []
    warehouse = Warehouse.from_settings(settings).with_patience(PATIENCE_SECONDS)
    publisher = Publisher(warehouse, settings.publish, settings.publish_every)

    @dg.sensor(
        name=project.names.own(SENSOR_NAME),
        minimum_interval_seconds=_SENSOR_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Publishes a copy of the database when one is due and there is something new.",
    )
    def publish(_context: dg.SensorEvaluationContext) -> dg.SkipReason:
        if not publisher.holds_back:
            return dg.SkipReason("Everything is published.")
        if not publisher.is_due:
            return dg.SkipReason(f"Less than {publisher.every:g} s have passed since the last copy.")
        copy = publisher.publish()
        # What is logged by way of the context is a file for each tick, which Dagster keeps for ever.
        return dg.SkipReason(f"Published {copy.path}, {copy.bytes:,} bytes.")

    return [publish]

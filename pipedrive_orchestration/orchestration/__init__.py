"""Dagster: sources as assets with partitions, schedules and checks."""

from pipedrive_orchestration.orchestration.components import PipedriveProject
from pipedrive_orchestration.orchestration.project_definitions import build_definitions
from pipedrive_orchestration.orchestration.resources import PipedriveResource, WarehouseResource
from pipedrive_orchestration.orchestration.source.asset import build_source_asset
from pipedrive_orchestration.orchestration.source.schedule import build_source_schedule

__all__ = [
    "PipedriveProject",
    "PipedriveResource",
    "WarehouseResource",
    "build_definitions",
    "build_source_asset",
    "build_source_schedule",
]

"""Sources that wait for tokens, as sensors and schedules see them: without network and database."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from uuid import UUID

import dagster as dg

from pipedrive_orchestration.importing import windows_until
from pipedrive_orchestration.services.names import asset_key
from pipedrive_orchestration.settings import Settings
from pipedrive_orchestration.sources import Hold, Source, SourceStore

Holds = Callable[[], Mapping[UUID, Hold]]
"""Tells the holds of a project folder, by source id."""


def holds_of_environment() -> Mapping[UUID, Hold]:
    """The holds of the folder that ``PIPEDRIVE_PROJECT`` names.

    Raises:
        HoldsError: their file is damaged.
    """
    return SourceStore(Settings.read().project).holds.read()


def hold_of(
    source: Source, holds: Mapping[UUID, Hold], instance: dg.DagsterInstance, now: datetime
) -> Hold | None:
    """Why a source is not imported now, if it has to wait.

    What somebody has imported by hand waits for nothing any more.
    """
    hold = holds.get(source.id)
    if hold is None or not hold.lasts(now) or was_imported(instance, source, now):
        return None
    return hold


def was_imported(instance: dg.DagsterInstance, source: Source, now: datetime) -> bool:
    """Whether a source has been imported; of one that reaches back, the oldest window tells."""
    if not source.type.partitioned:
        return instance.get_latest_materialization_event(asset_key(source.slug)) is not None
    materialized = instance.get_materialized_partitions(asset_key(source.slug))
    return (windows_until(source, now)[0].key in materialized) if source.pull_existing else bool(materialized)

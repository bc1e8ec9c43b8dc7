"""Sources that wait for tokens, as sensors and schedules see them: without network and database."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

import dagster as dg

from pipedrive_orchestration.importing import windows_until
from pipedrive_orchestration.services.names import DagsterNames
from pipedrive_orchestration.sources import Hold, Source


def hold_of(
    source: Source,
    holds: Mapping[UUID, Hold],
    instance: dg.DagsterInstance,
    names: DagsterNames,
    now: datetime,
) -> Hold | None:
    """The hold of a source that has to wait now; None where it need not.

    What somebody has imported by hand waits for nothing any more.
    """
    hold = holds.get(source.id)
    if hold is None or not hold.lasts(now) or was_imported(source, instance, names, now):
        return None
    return hold


def was_imported(source: Source, instance: dg.DagsterInstance, names: DagsterNames, now: datetime) -> bool:
    """Whether a source has been imported; of one that reaches back, the oldest window tells."""
    key = names.asset_key(source.slug)
    if not source.type.partitioned:
        return instance.get_latest_materialization_event(key) is not None
    materialized = instance.get_materialized_partitions(key)
    return (windows_until(source, now)[0].key in materialized) if source.pull_existing else bool(materialized)

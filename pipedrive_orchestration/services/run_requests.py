"""Runs of a source, as whoever launches them asks Dagster for them: a first import, or what changed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType

import dagster as dg

from pipedrive_orchestration.importing import Pull, grid_start, windows_between, windows_until
from pipedrive_orchestration.services.names import INITIAL_IMPORT_TAG, PULL_TAG, SOURCE_TAG, DagsterNames
from pipedrive_orchestration.sources import Priority, Source

RANGE_START_TAG = "dagster/asset_partition_range_start"
RANGE_END_TAG = "dagster/asset_partition_range_end"

QUEUE_TAG = "dagster/priority"
"""Dagster's tag by which its queue takes the run with the greatest number first."""

_PLACES: dict[Priority, str] = {"high": "3", "normal": "2", "low": "1"}
"""The places of ticks in the queue; runs that say nothing have 0."""

MANY_WINDOWS = 250
"""The most windows that a run names as partitions.

Before a run begins, Dagster stores an event for each partition that it names, at some 15 ms each.
"""

UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.MANAGED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def request_of_first_import(
    source: Source, now: datetime, instance: dg.DagsterInstance, names: DagsterNames, run_key: str
) -> dg.RunRequest:
    """The run that imports a source for the first time: all windows, or changes from its creation on."""
    tags = {INITIAL_IMPORT_TAG: names.initial_import_tag(source.id)}
    if not source.pull_existing:
        return request_of_changes(source, now, instance, names, run_key, tags)
    if source.type.partitioned:
        windows = windows_until(source, now)
        # A run that names no partitions reads all windows.
        if len(windows) <= MANY_WINDOWS:
            tags |= {RANGE_START_TAG: windows[0].key, RANGE_END_TAG: windows[-1].key}
    return dg.RunRequest(
        run_key=run_key,
        asset_selection=[names.asset_key(source.slug)],
        tags={**tags, SOURCE_TAG: names.source_tag(source.slug), PULL_TAG: Pull.WINDOW.value},
    )


def request_of_changes(
    source: Source,
    now: datetime,
    instance: dg.DagsterInstance,
    names: DagsterNames,
    run_key: str,
    tags: Mapping[str, str] = MappingProxyType({}),
) -> dg.RunRequest:
    """A run that pulls what changed since the watermark, with tags beside those that say so."""
    return dg.RunRequest(
        run_key=run_key,
        asset_selection=[names.asset_key(source.slug)],
        run_config={"ops": {names.op(source.slug): {"config": {"pull": Pull.CHANGES.value}}}},
        tags={
            **tags,
            QUEUE_TAG: _PLACES[source.options.priority],
            SOURCE_TAG: names.source_tag(source.slug),
            PULL_TAG: Pull.CHANGES.value,
            **_partition_range(source, now, instance, names),
        },
    )


def _partition_range(
    source: Source, now: datetime, instance: dg.DagsterInstance, names: DagsterNames
) -> dict[str, str]:
    """The windows a pull of changes reaches over: from the newest materialised one to the current one.

    Before the first materialisation it begins with the window that holds the source's creation, from
    which on changes are followed.
    """
    if not source.type.partitioned:
        return {}
    windows = windows_until(source, max(now, grid_start(source)))
    materialized = instance.get_materialized_partitions(names.asset_key(source.slug))
    done = [window.key for window in windows if window.key in materialized]
    created = f"{source.created_at:%Y-%m-%d}"
    since_creation = [window.key for window in windows if window.key <= created] or [windows[0].key]
    reached = windows_between(windows, done[-1] if done else since_creation[-1], None)
    return {RANGE_START_TAG: reached[0].key, RANGE_END_TAG: reached[-1].key}

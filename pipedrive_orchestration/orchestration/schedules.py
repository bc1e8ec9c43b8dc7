"""The schedule of an active source: at every tick, a pull of what changed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType

import dagster as dg

from pipedrive_orchestration.importing import Pull, grid_start, windows_between, windows_until
from pipedrive_orchestration.orchestration.holding import hold_of, holds_of_environment
from pipedrive_orchestration.orchestration.names import (
    PULL_TAG,
    SOURCE_TAG,
    asset_key,
    op_name,
    schedule_name,
)
from pipedrive_orchestration.sources import Source, is_expired

RANGE_START_TAG = "dagster/asset_partition_range_start"
RANGE_END_TAG = "dagster/asset_partition_range_end"

MAX_OWN_JOBS = 100
"""Up to how many sources each schedule has a job of its own.

A schedule's own job lets the asset's page show the schedule, and costs about 14 ms at every load of the
code location; beyond this number all schedules launch Dagster's job of all assets.
"""

ALL_ASSETS_JOB = "__ASSET_JOB"
"""Dagster's own job that holds every asset."""

UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.MANAGED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def build_source_schedule(
    source: Source, asset: dg.AssetsDefinition, *, own_job: bool = True
) -> dg.ScheduleDefinition | None:
    """The schedule of a source, on by default and in UTC; None for a static source.

    A tick asks the instance for earlier runs and materialisations and the project folder for holds, never
    the network or the database.
    """
    if source.schedule is None:
        return None

    def tick(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        return _run_request(source, context)

    return dg.ScheduleDefinition(
        name=schedule_name(source.slug),
        target=[asset] if own_job else None,
        job_name=None if own_job else ALL_ASSETS_JOB,
        cron_schedule=source.schedule,
        execution_timezone="UTC",
        execution_fn=tick,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=f"Brings the changes of {source.name} into pipedrive.{source.slug}.",
        metadata={"expiration_date": str(source.expiration_date)} if source.expiration_date else None,
    )


def _run_request(source: Source, context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    now = context.scheduled_execution_time
    if is_expired(source, now):
        return dg.SkipReason(f"The source expired: {source.expiration_date} was its last day (UTC).")
    hold = hold_of(source, holds_of_environment(), context.instance, now)
    if hold:
        return dg.SkipReason(str(hold))
    under_way = _run_under_way(source, context.instance)
    if under_way:
        return dg.SkipReason(f"The run {under_way} of this source has not finished yet.")
    return request_of_changes(source, now, context.instance, run_key=now.isoformat())


def _run_under_way(source: Source, instance: dg.DagsterInstance) -> str | None:
    unfinished = dg.RunsFilter(tags={SOURCE_TAG: source.slug}, statuses=UNFINISHED)
    records = instance.get_run_records(unfinished, limit=1)
    return records[0].dagster_run.run_id if records else None


def request_of_changes(
    source: Source,
    now: datetime,
    instance: dg.DagsterInstance,
    run_key: str,
    tags: Mapping[str, str] = MappingProxyType({}),
) -> dg.RunRequest:
    """A run that pulls what changed since the watermark, with tags beside those that say so."""
    return dg.RunRequest(
        run_key=run_key,
        asset_selection=[asset_key(source.slug)],
        run_config={"ops": {op_name(source.slug): {"config": {"pull": Pull.CHANGES.value}}}},
        tags={
            **tags,
            SOURCE_TAG: source.slug,
            PULL_TAG: Pull.CHANGES.value,
            **_partition_range(source, now, instance),
        },
    )


def _partition_range(source: Source, now: datetime, instance: dg.DagsterInstance) -> dict[str, str]:
    """The windows a pull of changes reaches over: from the newest materialised one to the current one.

    Before the first materialisation it begins with the window that holds the source's creation, from
    which on changes are followed.
    """
    if not source.type.partitioned:
        return {}
    windows = windows_until(source, max(now, grid_start(source)))
    materialized = instance.get_materialized_partitions(asset_key(source.slug))
    done = [window.key for window in windows if window.key in materialized]
    created = f"{source.created_at:%Y-%m-%d}"
    since_creation = [window.key for window in windows if window.key <= created] or [windows[0].key]
    reached = windows_between(windows, done[-1] if done else since_creation[-1], None)
    return {RANGE_START_TAG: reached[0].key, RANGE_END_TAG: reached[-1].key}

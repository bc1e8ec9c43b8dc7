"""The schedule of an active source: at every tick, a pull of what changed."""

from __future__ import annotations

import dagster as dg

from pipedrive_orchestration.orchestration.context import ALONE, ProjectContext
from pipedrive_orchestration.services.budget import hold_of
from pipedrive_orchestration.services.dagster_internals import ALL_ASSETS_JOB
from pipedrive_orchestration.services.live import polled_until
from pipedrive_orchestration.services.names import SOURCE_TAG
from pipedrive_orchestration.services.run_requests import UNFINISHED, request_of_changes
from pipedrive_orchestration.sources import Source, is_expired

MAX_OWN_JOBS = 100
"""Up to how many sources of a code location each schedule has a job of its own.

A schedule's own job lets the asset's page show the schedule. Each looks through all assets of the code
location whenever that is loaded: 100 of 100 sources take 1.4 s, 1,000 of 1,000 minutes. Beyond this number
all schedules launch Dagster's job of all assets.
"""


def build_source_schedule(
    source: Source, asset: dg.AssetsDefinition, project: ProjectContext = ALONE, *, own_job: bool = True
) -> dg.ScheduleDefinition | None:
    """The schedule of a source, on by default and in UTC; None for a static source.

    A tick asks the instance for holds, earlier runs and materialisations, never the network or the database.
    """
    if source.schedule is None:
        return None

    def tick(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        return _run_request(source, project, context)

    return dg.ScheduleDefinition(
        name=project.names.schedule(source.slug),
        target=[asset] if own_job else None,
        job_name=None if own_job else ALL_ASSETS_JOB,
        cron_schedule=source.schedule,
        execution_timezone="UTC",
        execution_fn=tick,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=f"Brings the changes of {source.name} into pipedrive.{source.slug}.",
        metadata={"expiration_date": str(source.expiration_date)} if source.expiration_date else None,
    )


def _run_request(
    source: Source, project: ProjectContext, context: dg.ScheduleEvaluationContext
) -> dg.RunRequest | dg.SkipReason:
    now, instance = context.scheduled_execution_time, context.instance
    if is_expired(source, now):
        return dg.SkipReason(f"The source expired: {source.expiration_date} was its last day (UTC).")
    hold = hold_of(source, project.store(instance).holds.read([source.id]), instance, project.names, now)
    if hold:
        return dg.SkipReason(str(hold))
    under_way = _run_under_way(source, project, instance)
    if under_way:
        return dg.SkipReason(f"The run {under_way} of this source has not finished yet.")
    until = polled_until(source, instance, project.names, now)
    if until is not None:
        project.store(instance).left_out_pulls.count(source.id, now)
        return dg.SkipReason(
            f"Webhooks bring the changes; the next pull is due at {until:%Y-%m-%d %H:%M} UTC."
        )
    return request_of_changes(source, now, instance, project.names, run_key=now.isoformat())


def _run_under_way(source: Source, project: ProjectContext, instance: dg.DagsterInstance) -> str | None:
    tags = {SOURCE_TAG: project.names.source_tag(source.slug)}
    unfinished = dg.RunsFilter(tags=tags, statuses=UNFINISHED)
    records = instance.get_run_records(unfinished, limit=1)
    return records[0].dagster_run.run_id if records else None

"""The first import of a source, launched by a sensor soon after the source has come."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta

import dagster as dg

from pipedrive_orchestration.orchestration.context import ALONE, ProjectContext
from pipedrive_orchestration.pipedrive.errors import NotConnected
from pipedrive_orchestration.services.budget import hold_of, was_imported
from pipedrive_orchestration.services.names import INITIAL_IMPORT_TAG
from pipedrive_orchestration.services.run_requests import request_of_first_import
from pipedrive_orchestration.sources import OldFileError, Source, is_expired

SENSOR_NAME = "initial_import_sensor"
_SENSOR_SECONDS = 10

RETRY_AFTER = timedelta(hours=6)
"""How long after a failed first import the next one is tried; a day's tokens are then likely renewed."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


def build_initial_import_sensor(
    sources: Sequence[Source],
    project: ProjectContext = ALONE,
    clock: Callable[[], datetime] = _utc_now,
) -> dg.SensorDefinition:
    """Launches one import of every source that was never imported and need not wait for tokens.

    Children wait for their parents. It asks the instance for runs and materialised windows, never the network
    or the database. Its cursor
    names the sources about which nothing is left to do.
    """

    @dg.sensor(
        name=project.names.own(SENSOR_NAME),
        asset_selection=dg.AssetSelection.assets(*(project.names.asset_key(one.slug) for one in sources)),
        required_resource_keys={project.pipedrive_key},
        minimum_interval_seconds=_SENSOR_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Imports a new source for the first time: all windows, or only changes from its "
        "creation on if pull_existing is false.",
    )
    def initial_import_sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        settled = set(json.loads(context.cursor or "[]"))
        waiting = [source for source in sources if str(source.id) not in settled]
        if not waiting:
            return dg.SkipReason("Every source has had its first import.")
        try:
            project.pipedrive(context.resources).connection()
            return _evaluate(context.instance, sources, waiting, project, clock())
        except (NotConnected, OldFileError) as error:
            return dg.SkipReason(str(error))

    return initial_import_sensor


def _evaluate(
    instance: dg.DagsterInstance,
    sources: Sequence[Source],
    waiting: Sequence[Source],
    project: ProjectContext,
    now: datetime,
) -> dg.SensorResult:
    holds = project.store(instance).holds.read([source.id for source in waiting])
    attempts = _attempts(instance, waiting, project)
    settled = {str(source.id) for source in sources} - {str(source.id) for source in waiting}
    requests = []
    for source in waiting:
        earlier = attempts.get(project.names.initial_import_tag(source.id), [])
        if _is_settled(instance, source, earlier, project, now):
            settled.add(str(source.id))
        elif hold_of(source, holds, instance, project.names, now) or not _has_parents(
            source, sources, instance, project, now
        ):
            continue
        elif not earlier or _is_to_be_retried(earlier[0], now):
            run_key = f"{source.id}/{len(earlier) + 1}"
            requests.append(request_of_first_import(source, now, instance, project.names, run_key))
    return dg.SensorResult(
        run_requests=requests,
        skip_reason=None if requests else "The first imports that are due have been launched.",
        cursor=json.dumps(sorted(settled)),
    )


def _has_parents(
    source: Source,
    sources: Sequence[Source],
    instance: dg.DagsterInstance,
    project: ProjectContext,
    now: datetime,
) -> bool:
    """Whether the records along which a source is read have been imported, where it is one of children."""
    if source.parents is None:
        return True
    parents = next((one for one in sources if one.slug == source.parents), None)
    return parents is not None and was_imported(parents, instance, project.names, now)


def _attempts(
    instance: dg.DagsterInstance, sources: Iterable[Source], project: ProjectContext
) -> dict[str, list[dg.RunRecord]]:
    """The runs that were first imports, by their tag, newest first."""
    ids = [project.names.initial_import_tag(source.id) for source in sources]
    attempts: dict[str, list[dg.RunRecord]] = {}
    for record in instance.get_run_records(dg.RunsFilter(tags={INITIAL_IMPORT_TAG: ids})):
        attempts.setdefault(record.dagster_run.tags[INITIAL_IMPORT_TAG], []).append(record)
    return attempts


def _is_settled(
    instance: dg.DagsterInstance,
    source: Source,
    attempts: Sequence[dg.RunRecord],
    project: ProjectContext,
    now: datetime,
) -> bool:
    if attempts:
        # A run that somebody cancelled is not launched against their will.
        ended_well = {dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.CANCELED}
        return attempts[0].dagster_run.status in ended_well
    nothing_to_do = source.pull_mode == "static" and not source.pull_existing
    return nothing_to_do or is_expired(source, now) or was_imported(source, instance, project.names, now)


def _is_to_be_retried(attempt: dg.RunRecord, now: datetime) -> bool:
    failed = attempt.dagster_run.status is dg.DagsterRunStatus.FAILURE
    return failed and now - attempt.update_timestamp.replace(tzinfo=UTC) >= RETRY_AFTER


def earlier_initial_import(instance: dg.DagsterInstance, run: dg.DagsterRun) -> str | None:
    """The run that has already been the first import of the source whose first import this run is.

    Two sensors can launch the same import at the same time; the run that was there first does the work.
    A run that somebody executes again does it, too.
    """
    source_id = run.tags.get(INITIAL_IMPORT_TAG)
    if source_id is None or run.parent_run_id is not None:
        return None
    worked = [status for status in dg.DagsterRunStatus if status not in _LEFT_UNDONE]
    runs = dg.RunsFilter(tags={INITIAL_IMPORT_TAG: source_id}, statuses=worked)
    first = [record.dagster_run.run_id for record in instance.get_run_records(runs, ascending=True, limit=1)]
    return next((run_id for run_id in first if run_id != run.run_id), None)


_LEFT_UNDONE = {dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED}

"""Everything Dagster knows of a project, made of what its folder holds."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

import dagster as dg
from pydantic import TypeAdapter

from pipedrive_orchestration.orchestration.context import ALONE, ProjectContext
from pipedrive_orchestration.orchestration.jobs import build_jobs
from pipedrive_orchestration.orchestration.maintenance import maintenance_definitions
from pipedrive_orchestration.orchestration.model.asset import GROUP, model_definitions
from pipedrive_orchestration.orchestration.model.automation import build_model_sensor
from pipedrive_orchestration.orchestration.model.loading import LoadedModels, load_models
from pipedrive_orchestration.orchestration.model.report import report_definitions
from pipedrive_orchestration.orchestration.project_files import project_files_definitions
from pipedrive_orchestration.orchestration.sensors.alerts import build_alert_sensors
from pipedrive_orchestration.orchestration.sensors.expiration import build_expiration_sensor
from pipedrive_orchestration.orchestration.sensors.freshness import build_freshness_sensor
from pipedrive_orchestration.orchestration.sensors.initial_import import build_initial_import_sensor
from pipedrive_orchestration.orchestration.sensors.publish import build_publishing_sensors
from pipedrive_orchestration.orchestration.sensors.retention import build_retention_sensor
from pipedrive_orchestration.orchestration.source.asset import build_source_asset
from pipedrive_orchestration.orchestration.source.schedule import MAX_OWN_JOBS, build_source_schedule
from pipedrive_orchestration.orchestration.status import status_definitions
from pipedrive_orchestration.orchestration.webhooks import webhook_definitions
from pipedrive_orchestration.orchestration.workflow.asset import workflow_definitions
from pipedrive_orchestration.orchestration.workflow.automation import build_automation_sensor
from pipedrive_orchestration.orchestration.write.asset import write_definitions
from pipedrive_orchestration.orchestration.write.jobs import build_write_jobs
from pipedrive_orchestration.sources import (
    BadFile,
    InMemoryKeyValues,
    LoadedSources,
    Priority,
    Problem,
    Source,
    SourceStore,
)
from pipedrive_orchestration.sources.model import known_types
from pipedrive_orchestration.sources.object_types import OwnObjectType, catalogue_with
from pipedrive_orchestration.sources.whole import priorities_of, whole_sources
from pipedrive_orchestration.workflows import LoadedWorkflows, WorkflowStore
from pipedrive_orchestration.writing.store import LoadedWrites, WriteStore


@dataclass(frozen=True, slots=True)
class ProjectSnapshot:
    """What the project folder held when it was read."""

    sources: LoadedSources
    workflows: LoadedWorkflows
    models: LoadedModels = field(default_factory=LoadedModels)
    writes: LoadedWrites = field(default_factory=LoadedWrites)

    @classmethod
    def read(cls, project: ProjectContext, instance: dg.DagsterInstance | None) -> ProjectSnapshot:
        """Read the folder.

        Args:
            project: whose folder it is.
            instance: remembers when each source was first seen; None takes those for new of which it would
                have to be asked.
        """
        store = project.store(instance) if instance else SourceStore(project.folder, InMemoryKeyValues())
        sources = store.load()
        models = load_models(
            project.folder,
            sources.sources,
            project.names,
            project.models_folder,
            project.settings.report_zone,
        )
        workflows, writes = WorkflowStore(project.folder).load(), WriteStore(project.folder).load()
        return cls(sources, workflows, models, writes)

    @classmethod
    def parse(cls, content: bytes) -> ProjectSnapshot:
        """The snapshot that `content` gave."""
        own = _OBJECT_TYPES.validate_json(content).sources.object_types
        return _SNAPSHOT.validate_json(content, context=known_types(catalogue_with(own)))

    def content(self) -> bytes:
        """The snapshot as JSON; the same for the same files."""
        return _SNAPSHOT.dump_json(self)


@dataclass(frozen=True, slots=True)
class _ObjectTypesOfSources:
    object_types: tuple[OwnObjectType, ...]


@dataclass(frozen=True, slots=True)
class _ObjectTypesOfSnapshot:
    """The part of a snapshot without which its sources cannot be read."""

    sources: _ObjectTypesOfSources


_SNAPSHOT = TypeAdapter(ProjectSnapshot)
_OBJECT_TYPES = TypeAdapter(_ObjectTypesOfSnapshot)

NO_WORKFLOWS = LoadedWorkflows()
NO_MODELS = LoadedModels()
NO_WRITES = LoadedWrites()


def build_definitions(
    loaded: LoadedSources,
    workflows: LoadedWorkflows = NO_WORKFLOWS,
    project: ProjectContext = ALONE,
    models: LoadedModels = NO_MODELS,
    writes: LoadedWrites = NO_WRITES,
    wanted: Collection[dg.AssetKey] | None = None,
) -> dg.Definitions:
    """Everything Dagster knows of a project.

    There is an asset and, if active, a schedule for every source, an asset for every workflow, model and
    write. What
    Dagster refuses is left out like a file that does not validate.

    Args:
        loaded: the sources.
        workflows: the workflows.
        project: whose they are.
        models: the models.
        writes: the writes.
        wanted: the assets of the one run that the definitions are for; None makes them for everything. The
            run of one of a thousand sources needs no more than that source.
    """
    project = replace(project, catalogue=loaded.catalogue)
    if wanted is not None:
        alone = _definitions_for_run(loaded.sources, project, wanted)
        if alone is not None:
            return alone
    built, refused = [], []
    own_job = _have_own_jobs(loaded.sources, project)
    whole = whole_sources(loaded.sources)
    priorities = priorities_of(loaded.sources)
    for source in loaded.sources:
        try:
            built.append((source, _definitions_of(source, project, whole, priorities, own_job=own_job)))
        except Exception as error:  # noqa: BLE001 - one source must not take all others with it
            problem = Problem("", "refused_by_dagster", str(error))
            refused.append(BadFile(f"sources/{source.slug}", source.slug, (problem,)))
    sources, left_out = tuple(source for source, _ in built), (*loaded.bad_files, *refused)
    accepted = replace(loaded, sources=sources, bad_files=left_out)
    accepted_workflows, definitions_of_workflows = _workflows(workflows, accepted.sources, project)
    accepted_models, definitions_of_models = _models(models, accepted.sources, project)
    accepted_writes, definitions_of_writes = _writes(
        writes, accepted.sources, accepted_workflows, accepted_models, project
    )
    jobs = build_jobs(project)
    return dg.Definitions.merge(
        dg.Definitions(resources=project.resources()),
        project_files_definitions(accepted, accepted_workflows, project, accepted_models, accepted_writes),
        dg.Definitions(sensors=_sensors_of(accepted.sources, project), jobs=jobs),
        dg.Definitions(sensors=[build_retention_sensor([job.name for job in jobs], project)]),
        dg.Definitions(sensors=[*build_publishing_sensors(project), *build_alert_sensors(project)]),
        maintenance_definitions(project),
        status_definitions(accepted.sources, project),
        webhook_definitions(accepted.sources, project),
        *(definitions for _, definitions in built),
        *definitions_of_workflows,
        *definitions_of_models,
        *definitions_of_writes,
    )


def _definitions_for_run(
    sources: Sequence[Source], project: ProjectContext, wanted: Collection[dg.AssetKey]
) -> dg.Definitions | None:
    """What a run of sources alone needs; None where it needs more, or its job is a schedule's own."""
    by_key = {project.names.asset_key(source.slug): source for source in sources}
    if _have_own_jobs(sources, project) or not all(key in by_key for key in wanted):
        return None
    whole, priorities = whole_sources(sources), priorities_of(sources)
    assets = [build_source_asset(by_key[key], project, whole, priorities) for key in wanted]
    return dg.Definitions(assets=assets, resources=project.resources())


def _have_own_jobs(sources: Sequence[Source], project: ProjectContext) -> bool:
    return len(sources) * project.accounts <= MAX_OWN_JOBS


def _definitions_of(
    source: Source,
    project: ProjectContext,
    whole: Mapping[str, Source],
    priorities: Mapping[str, Priority],
    *,
    own_job: bool,
) -> dg.Definitions:
    asset = build_source_asset(source, project, whole, priorities)
    schedule = build_source_schedule(source, asset, project, own_job=own_job)
    return dg.Definitions(assets=[asset], schedules=[schedule] if schedule else [])


def _workflows(
    loaded: LoadedWorkflows, sources: Sequence[Source], project: ProjectContext
) -> tuple[LoadedWorkflows, list[dg.Definitions]]:
    """The workflows that Dagster takes, and their definitions."""
    built, refused = [], []
    for workflow in loaded.workflows:
        try:
            built.append((workflow, workflow_definitions(workflow, sources, project)))
        except Exception as error:  # noqa: BLE001 - one workflow must not take all others with it
            problem = Problem("", "refused_by_dagster", str(error))
            refused.append(BadFile(f"workflows/{workflow.slug}", workflow.slug, (problem,)))
    accepted = LoadedWorkflows(tuple(workflow for workflow, _ in built), (*loaded.bad_files, *refused))
    automation = [dg.Definitions(sensors=[build_automation_sensor(project)])] if built else []
    return accepted, [*automation, *(definitions for _, definitions in built)]


def _models(
    loaded: LoadedModels, sources: Sequence[Source], project: ProjectContext
) -> tuple[LoadedModels, list[dg.Definitions]]:
    """The models that Dagster takes, which are all or none, and their definitions."""
    if not loaded.assets:
        return loaded, []
    try:
        built = model_definitions(loaded, sources, project)
    except Exception as error:  # noqa: BLE001 - models must not take the sources with them
        problem = Problem("", "refused_by_dagster", str(error))
        bad = BadFile("models", "models", (problem,))
        return replace(loaded, assets=(), bad_files=(*loaded.bad_files, bad)), []
    report = report_definitions(loaded.assets, project.group_of(GROUP), project)
    return loaded, [built, report, dg.Definitions(sensors=[build_model_sensor(project)])]


def _writes(
    loaded: LoadedWrites,
    sources: Sequence[Source],
    workflows: LoadedWorkflows,
    models: LoadedModels,
    project: ProjectContext,
) -> tuple[LoadedWrites, list[dg.Definitions]]:
    """The writes that Dagster takes, and their definitions."""
    built, refused = [], []
    known = [asset.name for asset in models.assets]
    for write in loaded.writes:
        try:
            built.append((write, write_definitions(write, sources, workflows.workflows, known, project)))
        except Exception as error:  # noqa: BLE001 - one write must not take all others with it
            problem = Problem("", "refused_by_dagster", str(error))
            refused.append(BadFile(f"writes/{write.slug}", write.slug, (problem,)))
    accepted = LoadedWrites(tuple(write for write, _ in built), (*loaded.bad_files, *refused))
    jobs = [dg.Definitions(jobs=build_write_jobs(project))] if built else []
    return accepted, [*jobs, *(definitions for _, definitions in built)]


def _sensors_of(sources: Sequence[Source], project: ProjectContext) -> list[dg.SensorDefinition]:
    return [
        build_initial_import_sensor(sources, project),
        build_expiration_sensor(sources, project),
        build_freshness_sensor(sources, project),
    ]

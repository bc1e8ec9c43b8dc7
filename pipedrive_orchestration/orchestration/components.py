"""The component that turns a snapshot of the project folder into definitions.

A snapshot is taken whenever the code location is loaded or refreshed. A run loads the snapshot it was
launched with, so that a source which changes or goes while its run is under way does not break it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
from dagster.components import DefsStateConfig, DefsStateConfigArgs
from pydantic import TypeAdapter

from pipedrive_orchestration.orchestration.context import ALONE, ProjectContext
from pipedrive_orchestration.orchestration.jobs import build_jobs
from pipedrive_orchestration.orchestration.project_files import project_files_definitions
from pipedrive_orchestration.orchestration.sensors.expiration import build_expiration_sensor
from pipedrive_orchestration.orchestration.sensors.freshness import build_freshness_sensor
from pipedrive_orchestration.orchestration.sensors.initial_import import build_initial_import_sensor
from pipedrive_orchestration.orchestration.sensors.publish import build_publishing_sensors
from pipedrive_orchestration.orchestration.source.asset import build_source_asset
from pipedrive_orchestration.orchestration.source.schedule import MAX_OWN_JOBS, build_source_schedule
from pipedrive_orchestration.orchestration.workflow.asset import workflow_definitions
from pipedrive_orchestration.orchestration.workflow.automation import build_automation_sensor
from pipedrive_orchestration.services.dagster_internals import (
    instance_of_load,
    is_first_load,
    pin_snapshot,
    stored_snapshot,
)
from pipedrive_orchestration.services.names import DEFAULT_NAMES
from pipedrive_orchestration.settings import Settings
from pipedrive_orchestration.sources import (
    BadFile,
    InMemoryKeyValues,
    LoadedSources,
    Problem,
    Source,
    SourceStore,
)
from pipedrive_orchestration.workflows import LoadedWorkflows, WorkflowStore


@dataclass(frozen=True, slots=True)
class ProjectSnapshot:
    """What a reading of the project folder gave."""

    sources: LoadedSources
    workflows: LoadedWorkflows


_SNAPSHOT = TypeAdapter(ProjectSnapshot)

NO_WORKFLOWS = LoadedWorkflows()


def read_project(project: ProjectContext, instance: dg.DagsterInstance | None) -> ProjectSnapshot:
    """The content of the project folder.

    Args:
        project: whose folder it is.
        instance: remembers when each source was first seen; None takes those that it would have to remember
            for new.
    """
    store = project.store(instance) if instance else SourceStore(project.folder, InMemoryKeyValues())
    return ProjectSnapshot(store.load(), WorkflowStore(project.folder).load())


def build_definitions(
    loaded: LoadedSources, workflows: LoadedWorkflows = NO_WORKFLOWS, project: ProjectContext = ALONE
) -> dg.Definitions:
    """Everything Dagster knows of a project.

    There is an asset and, if active, a schedule for every source, and an asset for every workflow. What
    Dagster refuses is left out like a file that does not validate.

    Args:
        loaded: the sources.
        workflows: the workflows.
        project: whose they are.
    """
    built, refused = [], []
    own_job = len(loaded.sources) <= MAX_OWN_JOBS
    for source in loaded.sources:
        try:
            built.append((source, _definitions_of(source, project, own_job=own_job)))
        except Exception as error:  # noqa: BLE001 - one source must not take all others with it
            problem = Problem("", "refused_by_dagster", str(error))
            refused.append(BadFile(f"sources/{source.slug}", source.slug, (problem,)))
    accepted = LoadedSources(tuple(source for source, _ in built), (*loaded.bad_files, *refused))
    accepted_workflows, definitions_of_workflows = _workflows(workflows, accepted.sources, project)
    return dg.Definitions.merge(
        dg.Definitions(resources=project.resources(), executor=dg.in_process_executor),
        project_files_definitions(accepted, accepted_workflows, project),
        dg.Definitions(sensors=_sensors_of(accepted.sources, project), jobs=build_jobs(project)),
        dg.Definitions(sensors=build_publishing_sensors(project)),
        *(definitions for _, definitions in built),
        *definitions_of_workflows,
    )


def _definitions_of(source: Source, project: ProjectContext, *, own_job: bool) -> dg.Definitions:
    asset = build_source_asset(source, project)
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


def _sensors_of(sources: Sequence[Source], project: ProjectContext) -> list[dg.SensorDefinition]:
    return [
        build_initial_import_sensor(sources, project),
        build_expiration_sensor(sources, project),
        build_freshness_sensor(sources, project),
    ]


class ImportSources(dg.StateBackedComponent):
    """All sources and workflows of the project folder."""

    @property
    def defs_state_config(self) -> DefsStateConfig:
        """Where snapshots are kept: in the instance, each with a version."""
        return DefsStateConfig.from_args(
            DefsStateConfigArgs.versioned_state_storage(), default_key=DEFAULT_NAMES.state_key
        )

    def write_state_to_path(self, state_path: Path) -> None:
        """Takes a snapshot of the project folder."""
        state_path.write_bytes(_SNAPSHOT.dump_json(self._read()))

    def build_defs_from_state(
        self,
        context: dg.ComponentLoadContext,  # noqa: ARG002 - the framework's signature
        state_path: Path | None,
    ) -> dg.Definitions:
        """Builds the definitions of a snapshot, or of the folder where there is none."""
        snapshot = _SNAPSHOT.validate_json(state_path.read_bytes()) if state_path else self._read()
        return build_definitions(snapshot.sources, snapshot.workflows, self._project())

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """Builds the definitions, of a new snapshot unless a run asks for the one it is pinned to.

        Dagster itself takes a new snapshot in its development server only; elsewhere a reload would
        go on showing the last one.
        """
        if instance_of_load() is None:
            return self.build_defs_from_state(context, None)
        if is_first_load():
            pin_snapshot(self.defs_state_config.key, asyncio.run(self.refresh_state(context.project_root)))
        return super().build_defs(context)

    async def refresh_state(self, project_root: Path) -> str:
        """Stores a new snapshot, unless the latest one still tells the truth; returns its version."""
        latest = stored_snapshot(self.defs_state_config.key)
        if latest and latest[1] == _SNAPSHOT.dump_json(self._read()):
            return latest[0]
        return await super().refresh_state(project_root)

    def _read(self) -> ProjectSnapshot:
        return read_project(self._project(), instance_of_load())

    @staticmethod
    def _project() -> ProjectContext:
        return ProjectContext(settings=Settings.read())

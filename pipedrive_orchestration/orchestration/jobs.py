"""What the Launchpad can do: try a body, make or change a source, look up properties, and sync at once.

Each job opens with an example. Those that change a source name one that no project has, so that launching
the example does nothing but list the sources.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from pipedrive_orchestration.importing import Preview, StagingError, preview, property_options
from pipedrive_orchestration.orchestration.config import body_schema, choice_of_object_types, job_of
from pipedrive_orchestration.orchestration.context import ALONE, ProjectContext
from pipedrive_orchestration.orchestration.failures import foreseen
from pipedrive_orchestration.orchestration.source.table_metadata import markdown_table, table_name
from pipedrive_orchestration.pipedrive.errors import PipedriveError
from pipedrive_orchestration.services.deployment import Deployment
from pipedrive_orchestration.services.errors import StatusConflictError
from pipedrive_orchestration.services.lifecycle import (
    add_source,
    edit_source,
    pause_source,
    remains_of,
    remove_source,
    resume_source,
)
from pipedrive_orchestration.services.names import DagsterNames
from pipedrive_orchestration.services.run_requests import request_of_changes
from pipedrive_orchestration.services.status import SourceState
from pipedrive_orchestration.services.web_server import LaunchError, ReloadError, launch, reload_location
from pipedrive_orchestration.sources import (
    InvalidBodyError,
    OldFileError,
    PreviewBody,
    Problem,
    Source,
    SourceBody,
    UnknownSourceError,
)
from pipedrive_orchestration.sources.store import DELETED
from pipedrive_orchestration.workflows import WorkflowStore
from pipedrive_orchestration.workflows.store import UnknownWorkflowError

PREVIEW_ROWS = 20
"""How many rows of a preview the run page shows."""


def build_jobs(project: ProjectContext = ALONE) -> list[dg.JobDefinition]:
    """The jobs of a project, each of which takes a body as its run config."""
    return [
        _create_job(project),
        _preview_job(project),
        _options_job(project),
        _edit_job(project),
        _job_of_state(
            project,
            "pause_source",
            "Stops the schedule of a source, as the switch of its schedule does.",
            pause_source,
        ),
        _job_of_state(
            project,
            "resume_source",
            "Starts the schedule of a source, and its first import if that waits for tokens.",
            resume_source,
        ),
        _delete_job(project),
        _sync_job(project),
    ]


_PREVIEW_EXAMPLE: dict[str, Any] = {
    "object_type": "deals",
    "properties": ["title", "value", "currency", "status", "org_name"],
    "filters": {"conditions": [{"variable": "status", "condition": "equals", "values": ["open"]}]},
}
_BODY_EXAMPLE: dict[str, Any] = {
    "name": "Open deals",
    **_PREVIEW_EXAMPLE,
    "pull_mode": "active",
    "schedule": "*/30 * * * *",
}
_NO_SOURCE = "name-of-a-source"
"""Stands for a slug in examples; no source can be called so."""


_EXPECTED_ERRORS = (
    InvalidBodyError,
    LaunchError,
    OldFileError,
    OSError,
    PipedriveError,
    StagingError,
    StatusConflictError,
    UnknownSourceError,
    UnknownWorkflowError,
)
"""What can go wrong in ways whose message says all there is to know."""


def _body_of(config: Any, project: ProjectContext) -> SourceBody:
    return SourceBody.parse(config, catalogue=project.catalogue, created_on=datetime.now(UTC).date())


def _preview_job(project: ProjectContext) -> dg.JobDefinition:
    schema = body_schema(PreviewBody, project)

    @dg.op(
        name=project.names.own("read_preview"),
        config_schema=schema,
        out=dg.Out(dg.Nothing),
        required_resource_keys={project.pipedrive_key},
    )
    def read_preview(context: dg.OpExecutionContext) -> None:
        with foreseen(*_EXPECTED_ERRORS):
            body = PreviewBody.parse(context.op_config, catalogue=project.catalogue)
            found = preview(body, connection=project.pipedrive(context.resources).connection())
        matching = f"{found.total_results:,} of the records that were read match"
        more = "; there are more than were read" if found.capped else ""
        context.log.info(f"{matching}{more}. An import will cost about {found.estimated_tokens:,} tokens.")
        for note in found.notes:
            context.log.warning(note)
        context.add_output_metadata(_metadata_of_preview(found))

    return job_of(
        read_preview,
        project.names.own("preview_import_source"),
        schema,
        "Shows which records a body would import, and what that would cost. Writes nothing.",
        _PREVIEW_EXAMPLE,
    )


def _metadata_of_preview(found: Preview) -> dict[str, dg.MetadataValue]:
    metadata: dict[str, dg.MetadataValue] = {
        "rows": dg.MetadataValue.md(markdown_table(list(found.labels.values()), found.texts[:PREVIEW_ROWS])),
        "rows_as_json": dg.MetadataValue.json({"rows": _plain(found.rows)}),
        "total_results": dg.MetadataValue.int(found.total_results),
        "capped": dg.MetadataValue.bool(found.capped),
        "estimated_tokens": dg.MetadataValue.int(found.estimated_tokens),
        "labels": dg.MetadataValue.json(found.labels),
    }
    if found.restrictions:
        metadata["filtered_by_pipedrive"] = dg.MetadataValue.json(dict(found.restrictions))
    return metadata


def _plain(value: Any) -> Any:
    """The value as JSON knows it; dates and times as text."""
    if isinstance(value, Mapping):
        return {key: _plain(member) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(member) for member in value]
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def _create_job(project: ProjectContext) -> dg.JobDefinition:
    schema = body_schema(SourceBody, project)

    @dg.op(
        name=project.names.own("write_source_file"),
        config_schema=schema,
        out=dg.Out(dg.Nothing),
        required_resource_keys={project.pipedrive_key},
    )
    def write_source_file(context: dg.OpExecutionContext) -> None:
        with foreseen(*_EXPECTED_ERRORS):
            created = add_source(
                project.deployment(context),
                _body_of(context.op_config, project),
                connection=project.pipedrive(context.resources).connection(),
            )
        source = created.source
        context.log.info(f"Wrote sources/{source.slug}.yaml")
        for warning in filter(None, (created.hold, created.warning)):
            context.log.warning(str(warning))
        shown = _reloaded(context, project, "The code location shows the source.")
        context.add_output_metadata(
            {**_metadata_of_source(source, project.names), "definitions": dg.MetadataValue.text(shown)}
        )

    return job_of(
        write_source_file,
        project.names.own("create_import_source"),
        schema,
        "Writes a source's file and reloads the code location; its first import starts by itself.",
        _BODY_EXAMPLE,
    )


def _reloaded(context: dg.OpExecutionContext, project: ProjectContext, done: str) -> str:
    """What became of the reload of the code location: ``done``, or why it was not reloaded."""
    try:
        reload_location(context.run, context.instance, project.names.state_key)
    except ReloadError as error:
        context.log.warning(str(error))
        return str(error)
    return done


def _metadata_of_source(source: Source, names: DagsterNames) -> dict[str, dg.MetadataValue]:
    return {
        "source": dg.MetadataValue.asset(names.asset_key(source.slug)),
        "id": dg.MetadataValue.text(str(source.id)),
        "created_at": dg.MetadataValue.timestamp(source.created_at),
        "table": dg.MetadataValue.text(table_name(source)),
        "body": dg.MetadataValue.json(source.body),
    }


_SLUG = dg.Field(str, description="The source: its file's name without .yaml.")
_SLUG_SCHEMA = {"source": _SLUG}
_SLUG_EXAMPLE = {"source": _NO_SOURCE}


def _edit_job(project: ProjectContext) -> dg.JobDefinition:
    body = dg.Field(
        body_schema(SourceBody, project), description="The whole body that the source is to have."
    )
    schema = {**_SLUG_SCHEMA, "body": body}

    @dg.op(
        name=project.names.own("replace_body_of_source"),
        config_schema=schema,
        out=dg.Out(dg.Nothing),
        required_resource_keys={project.pipedrive_key},
    )
    def replace_body_of_source(context: dg.OpExecutionContext) -> None:
        with foreseen(*_EXPECTED_ERRORS):
            deployment = project.deployment(context)
            source = deployment.store.load().find(context.op_config["source"])
            connection = project.pipedrive(context.resources).connection()
            body = _body_of(context.op_config["body"], project)
            edited = edit_source(deployment, source, body, connection=connection)
        changed = ", ".join(edited.changed) or "nothing"
        context.log.info(f"Wrote sources/{source.slug}.yaml; changed: {changed}")
        for note in edited.notes:
            context.log.warning(note)
        context.add_output_metadata(
            {
                "changed": dg.MetadataValue.text(changed),
                **_metadata_of_source(edited.source, project.names),
                "definitions": dg.MetadataValue.text(
                    _reloaded(context, project, "The code location shows the source as it is now.")
                ),
            }
        )

    return job_of(
        replace_body_of_source,
        project.names.own("edit_source"),
        schema,
        "Replaces the body of a source after the checks that creating one makes. Id, table and rows stay; "
        "object type and windows cannot change.",
        _SLUG_EXAMPLE | {"body": _BODY_EXAMPLE},
    )


def _job_of_source(
    project: ProjectContext,
    name: str,
    description: str,
    change: Callable[[dg.OpExecutionContext, Deployment, Source], dict[str, dg.MetadataValue]],
) -> dg.JobDefinition:
    """A job that does something to one source, which its config names.

    Args:
        project: whose job it is.
        name: of the job.
        description: what it does.
        change: does it, and gives what the run's page shows.
    """

    @dg.op(name=project.names.own(f"{name}_by_slug"), config_schema=_SLUG_SCHEMA, out=dg.Out(dg.Nothing))
    def change_source(context: dg.OpExecutionContext) -> None:
        with foreseen(*_EXPECTED_ERRORS):
            deployment = project.deployment(context)
            source = deployment.store.load().find(context.op_config["source"])
            metadata = change(context, deployment, source)
        context.add_output_metadata(metadata)

    return job_of(change_source, project.names.own(name), _SLUG_SCHEMA, description, _SLUG_EXAMPLE)


def _job_of_state(
    project: ProjectContext,
    name: str,
    description: str,
    set_state: Callable[[Deployment, Source], SourceState],
) -> dg.JobDefinition:
    """A job that sets the state of one source, and shows what it is then."""

    def change(
        context: dg.OpExecutionContext, deployment: Deployment, source: Source
    ) -> dict[str, dg.MetadataValue]:
        return _metadata_of_state(context, set_state(deployment, source), project.names)

    return _job_of_source(project, name, description, change)


def _metadata_of_state(
    context: dg.OpExecutionContext, state: SourceState, names: DagsterNames
) -> dict[str, dg.MetadataValue]:
    status = state.status.value.replace("_", " ")
    context.log.info(f"{state.source.slug} is {status}")
    metadata: dict[str, dg.MetadataValue] = {
        "source": dg.MetadataValue.asset(names.asset_key(state.source.slug)),
        "status": dg.MetadataValue.text(status),
    }
    if state.next_tick is not None:
        metadata["next_tick"] = dg.MetadataValue.timestamp(state.next_tick)
    return metadata


def _delete_job(project: ProjectContext) -> dg.JobDefinition:
    def delete(
        context: dg.OpExecutionContext, deployment: Deployment, source: Source
    ) -> dict[str, dg.MetadataValue]:
        warning = remove_source(deployment, source)
        context.log.info(f"Moved sources/{source.slug}.yaml to sources/{DELETED}")
        if warning is not None:
            context.log.warning(warning)
        return {
            "deleted": dg.MetadataValue.text(source.slug),
            "what_stays": dg.MetadataValue.text(remains_of(source)),
            "definitions": dg.MetadataValue.text(
                _reloaded(context, project, "The code location does not show the source any more.")
            ),
        }

    return _job_of_source(
        project,
        "delete_source",
        "Stops a source and puts its file aside; its rows stay, and the run says how to remove them.",
        delete,
    )


_SYNC_SCHEMA = {
    "source": dg.Field(
        dg.Noneable(str),
        is_required=False,
        description="Pull what changed of this source; workflows that it is synced to follow by themselves.",
    ),
    "workflow": dg.Field(
        dg.Noneable(str),
        is_required=False,
        description="Bring what is new in the sources of this workflow into its table, without a pull.",
    ),
}


def _sync_job(project: ProjectContext) -> dg.JobDefinition:
    @dg.op(name=project.names.own("launch_sync"), config_schema=_SYNC_SCHEMA, out=dg.Out(dg.Nothing))
    def launch_sync(context: dg.OpExecutionContext) -> None:
        with foreseen(*_EXPECTED_ERRORS):
            deployment = project.deployment(context)
            requests = _requests_of_sync(context.op_config, deployment)
            runs = {
                name: launch(deployment.dagster_url, request, deployment.location)
                for name, request in requests.items()
            }
        context.add_output_metadata({name: dg.MetadataValue.dagster_run(run) for name, run in runs.items()})

    return job_of(
        launch_sync,
        project.names.own("sync_now"),
        _SYNC_SCHEMA,
        "Pulls what changed of a source now, or syncs a workflow now, in a run of its own.",
        {"source": _NO_SOURCE},
    )


def _requests_of_sync(config: Mapping[str, Any], deployment: Deployment) -> dict[str, dg.RunRequest]:
    """The runs that a sync asks for: of a source, of a workflow, or of both.

    Raises:
        InvalidBodyError: it names neither.
        UnknownSourceError: there is no such source.
        UnknownWorkflowError: there is no such workflow.
    """
    names, requests = deployment.names, {}
    if slug := config.get("source"):
        source = deployment.store.load().find(slug)
        requests["run_of_source"] = request_of_changes(
            source, datetime.now(UTC), deployment.instance, names, run_key=""
        )
    if slug := config.get("workflow"):
        workflow = WorkflowStore(deployment.store.project).load().find(slug)
        requests["run_of_workflow"] = dg.RunRequest(asset_selection=[names.workflow_key(workflow.slug)])
    if not requests:
        raise InvalidBodyError([Problem("source", "missing", "Name a source, a workflow, or both.")])
    return requests


def _options_job(project: ProjectContext) -> dg.JobDefinition:
    choice = choice_of_object_types(project)
    schema = {
        "context": dg.Field(
            {"object_type": dg.Field(choice, description="The Pipedrive collection.")},
            description="What the properties are wanted for.",
        )
    }

    @dg.op(
        name=project.names.own("read_property_options"),
        config_schema=schema,
        out=dg.Out(dg.Nothing),
        required_resource_keys={project.pipedrive_key},
    )
    def read_property_options(context: dg.OpExecutionContext) -> None:
        object_type = context.op_config["context"]["object_type"]
        with foreseen(*_EXPECTED_ERRORS):
            connection = project.pipedrive(context.resources).connection()
            options = property_options(object_type, connection=connection, catalogue=project.catalogue)
        context.log.info(f"{len(options)} properties of {object_type}")
        context.add_output_metadata(
            {
                "options": dg.MetadataValue.md(_table_of_options(options)),
                "options_as_json": dg.MetadataValue.json({"options": options}),
                "properties": dg.MetadataValue.int(len(options)),
            }
        )

    return job_of(
        read_property_options,
        project.names.own("resolve_property_options"),
        schema,
        "Lists the properties that an object type has in the account, with their labels and options.",
        {"context": {"object_type": "deals"}},
    )


def _table_of_options(options: Sequence[Mapping[str, Any]]) -> str:
    header = ["value", "label", "field type", "column type", "custom", "options"]
    rows = [
        [
            option["value"],
            option["label"],
            option["extras"]["field_type"],
            option["extras"]["column_type"],
            "yes" if option["extras"]["is_custom"] else "",
            ", ".join(choice["label"] for choice in option["extras"].get("options", [])),
        ]
        for option in options
    ]
    return markdown_table(header, rows)

"""What the Launchpad can do with a body: try it, create a source from it, and look up properties."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from pipedrive_orchestration.importing import Preview, StagingError, preview, property_options
from pipedrive_orchestration.orchestration.config import OBJECT_TYPE, body_schema
from pipedrive_orchestration.orchestration.context import ALONE, ProjectContext
from pipedrive_orchestration.orchestration.failures import foreseen
from pipedrive_orchestration.orchestration.source.table_metadata import markdown_table, table_name
from pipedrive_orchestration.pipedrive.errors import PipedriveError
from pipedrive_orchestration.services.lifecycle import appraise
from pipedrive_orchestration.services.names import DagsterNames
from pipedrive_orchestration.services.web_server import ReloadError, reload_location
from pipedrive_orchestration.sources import InvalidBodyError, OldFileError, Source, SourceBody

PREVIEW_ROWS = 20
"""How many rows of a preview the run page shows."""


def build_jobs(project: ProjectContext = ALONE) -> list[dg.JobDefinition]:
    """The jobs of a project, each of which takes a body as its run config."""
    return [_create_job(project), _preview_job(project), _options_job(project)]


def _job_of(
    op: dg.OpDefinition, name: str, schema: Mapping[str, dg.Field], description: str
) -> dg.JobDefinition:
    """A job of one op whose run config is the op's own, instead of something below its name."""
    mapping = dg.ConfigMapping(
        config_schema=dict(schema), config_fn=lambda body: {"ops": {op.name: {"config": dict(body)}}}
    )
    graph = dg.GraphDefinition(name=name, node_defs=[op])
    return graph.to_job(
        name=name, description=description, config=mapping, executor_def=dg.in_process_executor
    )


_EXPECTED_ERRORS = (InvalidBodyError, OldFileError, OSError, PipedriveError, StagingError)
"""What can go wrong in ways whose message says all there is to know."""


def _body_of(context: dg.OpExecutionContext) -> SourceBody:
    return SourceBody.parse(context.op_config, created_on=datetime.now(UTC).date())


def _preview_job(project: ProjectContext) -> dg.JobDefinition:
    schema = body_schema()

    @dg.op(
        name=project.names.own("read_preview"),
        config_schema=schema,
        out=dg.Out(dg.Nothing),
        required_resource_keys={project.pipedrive_key},
    )
    def read_preview(context: dg.OpExecutionContext) -> None:
        with foreseen(*_EXPECTED_ERRORS):
            body = _body_of(context)
            found = preview(body, connection=project.pipedrive(context.resources).connection())
        matching = f"{found.total_results:,} of the records that were read match"
        more = "; there are more than were read" if found.capped else ""
        context.log.info(f"{matching}{more}. An import will cost about {found.estimated_tokens:,} tokens.")
        context.add_output_metadata(_metadata_of_preview(found))

    return _job_of(
        read_preview,
        project.names.own("preview_import_source"),
        schema,
        "Shows which records a body would import, and what that would cost. Writes nothing.",
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
    schema = body_schema()

    @dg.op(
        name=project.names.own("write_source_file"),
        config_schema=schema,
        out=dg.Out(dg.Nothing),
        required_resource_keys={project.pipedrive_key},
    )
    def write_source_file(context: dg.OpExecutionContext) -> None:
        with foreseen(*_EXPECTED_ERRORS):
            body = _body_of(context)
            appraisal = appraise(body, project.pipedrive(context.resources).connection())
            source = project.store(context.instance).create(body, hold=appraisal.hold)
        # A schedule of the same name that was stopped once must not be stopped now.
        project.schedules(context).reset(project.names.schedule(source.slug))
        context.log.info(f"Wrote sources/{source.slug}.yaml")
        for note in filter(None, (appraisal.hold, *appraisal.notes)):
            context.log.warning(str(note))
        try:
            reload_location(context.run)
            shown = "The code location shows the source."
        except ReloadError as error:
            shown = str(error)
            context.log.warning(shown)
        context.add_output_metadata(_metadata_of_created(source, project.names, shown))

    return _job_of(
        write_source_file,
        project.names.own("create_import_source"),
        schema,
        "Writes a source's file and reloads the code location; its first import starts by itself.",
    )


def _metadata_of_created(source: Source, names: DagsterNames, shown: str) -> dict[str, dg.MetadataValue]:
    return {
        "source": dg.MetadataValue.asset(names.asset_key(source.slug)),
        "id": dg.MetadataValue.text(str(source.id)),
        "created_at": dg.MetadataValue.timestamp(source.created_at),
        "table": dg.MetadataValue.text(table_name(source)),
        "body": dg.MetadataValue.json(source.body),
        "definitions": dg.MetadataValue.text(shown),
    }


_OPTIONS_SCHEMA = {
    "context": dg.Field(
        {"object_type": dg.Field(OBJECT_TYPE, description="The Pipedrive collection.")},
        description="What the properties are wanted for.",
    )
}


def _options_job(project: ProjectContext) -> dg.JobDefinition:
    @dg.op(
        name=project.names.own("read_property_options"),
        config_schema=_OPTIONS_SCHEMA,
        out=dg.Out(dg.Nothing),
        required_resource_keys={project.pipedrive_key},
    )
    def read_property_options(context: dg.OpExecutionContext) -> None:
        object_type = context.op_config["context"]["object_type"]
        with foreseen(*_EXPECTED_ERRORS):
            options = property_options(
                object_type, connection=project.pipedrive(context.resources).connection()
            )
        context.log.info(f"{len(options)} properties of {object_type}")
        context.add_output_metadata(
            {
                "options": dg.MetadataValue.md(_table_of_options(options)),
                "options_as_json": dg.MetadataValue.json({"options": options}),
                "properties": dg.MetadataValue.int(len(options)),
            }
        )

    return _job_of(
        read_property_options,
        project.names.own("resolve_property_options"),
        _OPTIONS_SCHEMA,
        "Lists the properties that an object type has in the account, with their labels and options.",
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

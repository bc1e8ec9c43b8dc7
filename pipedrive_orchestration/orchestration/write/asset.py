"""A write as a Dagster asset below what its rows are read from; materialising it makes a plan."""

import hashlib
from collections.abc import Iterator, Sequence

import dagster as dg

from pipedrive_orchestration.importing import StagingError
from pipedrive_orchestration.orchestration.context import ALONE, ProjectContext
from pipedrive_orchestration.orchestration.failures import foreseen
from pipedrive_orchestration.orchestration.source.table_metadata import plain_markdown
from pipedrive_orchestration.orchestration.write.metadata import (
    SHOWN_ROWS,
    metadata_of_application,
    metadata_of_plan,
)
from pipedrive_orchestration.pipedrive.errors import PipedriveError
from pipedrive_orchestration.services.names import DagsterNames
from pipedrive_orchestration.services.writes import Writes
from pipedrive_orchestration.sources import InvalidBodyError, Source
from pipedrive_orchestration.warehouse import WarehouseError
from pipedrive_orchestration.warehouse.catalog import tables_of
from pipedrive_orchestration.warehouse.tables import AT, HISTORY, LABELED, ROWS
from pipedrive_orchestration.workflows import Workflow
from pipedrive_orchestration.writing.apply import ApplyProgress, NotAppliedError
from pipedrive_orchestration.writing.ledger import Plan
from pipedrive_orchestration.writing.model import Write
from pipedrive_orchestration.writing.permission import WritesNotAllowedError
from pipedrive_orchestration.writing.store import UnknownWriteError

GROUP = "writes"
LIMITS_CHECK = "within_limits"

EXPECTED_ERRORS = (
    InvalidBodyError,
    NotAppliedError,
    PipedriveError,
    StagingError,
    UnknownWriteError,
    WarehouseError,
    WritesNotAllowedError,
)
"""What can go wrong in ways whose message says all there is to know."""


def writes_of(context: dg.AssetExecutionContext | dg.OpExecutionContext, project: ProjectContext) -> Writes:
    """The writes of a project, with the account and the database of a run."""
    warehouse = project.warehouse(context.resources)
    return Writes(
        project.settings.allow_writes,
        project.pipedrive(context.resources).connection,
        warehouse.warehouse(),
        warehouse.staging_folder(),
        project.store(context.instance),
    )


def write_definitions(
    write: Write,
    sources: Sequence[Source],
    workflows: Sequence[Workflow],
    models: Sequence[str],
    project: ProjectContext = ALONE,
) -> dg.Definitions:
    """The asset of a write, and its schedule if it has one; nothing is touched until they run.

    Args:
        write: what to build.
        sources: those there are.
        workflows: those there are.
        models: the names of those there are.
        project: whose write it is.
    """
    asset = _asset(write, _read_by(write, sources, workflows, models, project.names), project)
    if write.schedule is None:
        return dg.Definitions(assets=[asset])
    schedule = dg.ScheduleDefinition(
        name=project.names.write_schedule(write.slug),
        target=[asset],
        cron_schedule=write.schedule,
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=f"Makes a plan of {plain_markdown(write.name)}"
        + (", and applies it within its limits." if write.apply == "automatic" else "."),
    )
    return dg.Definitions(assets=[asset], schedules=[schedule])


def _read_by(
    write: Write,
    sources: Sequence[Source],
    workflows: Sequence[Workflow],
    models: Sequence[str],
    names: DagsterNames,
) -> list[dg.AssetKey]:
    """The assets that a write's rows, and the records that they are about, are read from."""
    slugs = {source.slug for source in sources}
    by_slug = {workflow.slug: workflow for workflow in workflows}
    found = []
    for schema, table in sorted(_tables_of(write)):
        if schema in (ROWS, LABELED, HISTORY, AT) and table in slugs:
            found.append(names.asset_key(table))
        elif schema == "workflows" and table in by_slug:
            has_outputs = bool(by_slug[table].actions)
            found.append(names.outputs_key(table) if has_outputs else names.workflow_key(table))
        elif schema == "models" and table in models:
            found.append(names.model_key(table))
    matched = [
        source.slug
        for source in sources
        if source.slug == write.source
        or (write.source is None and source.object_type == write.object_type and source.filters is None)
    ]
    found += [names.asset_key(slug) for slug in matched]
    return list(dict.fromkeys(found))


def _tables_of(write: Write) -> set[tuple[str, str]]:
    if write.workflow is not None:
        return {("workflows", write.workflow)}
    return tables_of(write.rows) if write.rows is not None else set()


def _asset(write: Write, reads: Sequence[dg.AssetKey], project: ProjectContext) -> dg.AssetsDefinition:
    names = project.names
    key = names.write_key(write.slug)

    @dg.multi_asset(
        name=names.write_op(write.slug),
        specs=[
            project.spec_of(
                dg.AssetSpec(
                    key,
                    deps=reads,
                    description=_description(write),
                    group_name=project.group_of(GROUP),
                    kinds={"pipedrive"},
                    code_version=hashlib.sha256(write.model_dump_json().encode()).hexdigest()[:12],
                    metadata={
                        "body": dg.MetadataValue.json(
                            write.model_dump(mode="json", exclude={"id", "slug"}, exclude_defaults=True)
                        ),
                        "id": dg.MetadataValue.text(str(write.id)),
                    },
                ),
                write,
            )
        ],
        required_resource_keys={project.pipedrive_key, project.warehouse_key},
        check_specs=[
            dg.AssetCheckSpec(
                LIMITS_CHECK,
                asset=key,
                description="The plan is within the limits of the write; one above them waits for somebody.",
            )
        ],
    )
    def plan_asset(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[None]]:
        writes = writes_of(context, project)
        with foreseen(*EXPECTED_ERRORS):
            plan = writes.plan(write)
            rows = writes.rows(plan, SHOWN_ROWS)
        metadata = metadata_of_plan(plan, rows)
        for sentence in plan.above_limits:
            context.log.warning(f"The plan is above its limits: {sentence}.")
        if write.apply == "automatic" and plan.changes and not plan.above_limits:
            metadata |= apply_in(context, writes, write, plan)
        yield dg.MaterializeResult(
            metadata=metadata,
            check_results=[
                dg.AssetCheckResult(
                    check_name=LIMITS_CHECK,
                    passed=not plan.above_limits,
                    severity=dg.AssetCheckSeverity.WARN,
                    description="; ".join(plan.above_limits),
                )
            ],
        )

    return plan_asset


def apply_in(
    context: dg.AssetExecutionContext | dg.OpExecutionContext,
    writes: Writes,
    write: Write,
    plan: Plan | None,
    *,
    above_limits: bool = False,
) -> dict[str, dg.MetadataValue]:
    """Apply a plan within a run, the newest if none is given, and tell how far it is.

    Raises:
        ForeseenFailure: it cannot be applied, or was stopped before its end.
    """

    def tell(progress: ApplyProgress) -> None:
        left = "" if progress.seconds_left is None else f", about {progress.seconds_left:.0f} s left"
        context.log.info(
            f"{progress.settled:,} of {progress.changes:,} changes, {progress.tokens:,} tokens{left}"
        )

    with foreseen(*EXPECTED_ERRORS):
        plan_id = plan.plan_id if plan else None
        report = writes.apply(write, plan_id, above_limits=above_limits, listener=tell)
        if not report.is_complete:
            raise NotAppliedError(f"Stopped before the end: {report.note} Apply the plan again to go on.")
    return metadata_of_application(report)


def _description(write: Write) -> str:
    workflow = f"workflow `{write.workflow}`" if write.workflow else "a query"
    origin = f"`{write.file}`" if write.file else workflow
    written = ", ".join(f"`{name}`" for name in write.fields.values()) or "nothing"
    lines = [
        f"{plain_markdown(write.name)}: {write.operation} {write.object_type} by the rows of {origin}.",
        f"Writes {written}. Materialising it makes a plan"
        + (
            ", which is applied by itself within its limits."
            if write.apply == "automatic"
            else "; the job `apply_write` applies it."
        ),
    ]
    return "\n\n".join(lines)

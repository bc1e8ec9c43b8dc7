"""A workflow as Dagster assets: its table, and what its actions fill."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import dagster as dg

from pipedrive_orchestration.orchestration.context import ALONE, ProjectContext
from pipedrive_orchestration.orchestration.cosmetics import shown_parts
from pipedrive_orchestration.orchestration.failures import foreseen
from pipedrive_orchestration.orchestration.project_files import problems_as_markdown
from pipedrive_orchestration.orchestration.resources import WarehouseResource
from pipedrive_orchestration.orchestration.sensors.publish import metadata_of_copy
from pipedrive_orchestration.orchestration.source.table_metadata import plain_markdown
from pipedrive_orchestration.orchestration.workflow.automation import FOLLOW
from pipedrive_orchestration.orchestration.workflow.metadata import (
    column_lineage,
    metadata_of_actions,
    metadata_of_errors,
    metadata_of_syncs,
    metadata_of_table,
    table_name,
)
from pipedrive_orchestration.orchestration.write.asset import writes_of
from pipedrive_orchestration.services.dagster_internals import ForeseenFailure
from pipedrive_orchestration.services.names import DagsterNames
from pipedrive_orchestration.services.row_records import record_writer
from pipedrive_orchestration.settings import read_variables
from pipedrive_orchestration.sources import Problem, Source
from pipedrive_orchestration.warehouse import Warehouse, WarehouseError
from pipedrive_orchestration.warehouse.publish import KeptPublished
from pipedrive_orchestration.workflows import SyncReport, Workflow, problems_of_syncs
from pipedrive_orchestration.workflows.actions.reach import Reach
from pipedrive_orchestration.workflows.actions.runner import ActionsReport, run_actions
from pipedrive_orchestration.workflows.model import PipedriveAction
from pipedrive_orchestration.workflows.sync import run_sync
from pipedrive_orchestration.workflows.tables import count_rejected

GROUP = "workflows"
SYNCS_CHECK = "syncs_can_run"
REJECTED_CHECK = "nothing_rejected"


def workflow_definitions(
    workflow: Workflow, sources: Sequence[Source], project: ProjectContext = ALONE
) -> dg.Definitions:
    """The assets of a workflow and the job of its actions; nothing is touched until they run.

    Args:
        workflow: what to build.
        sources: those there are; a sync of any other is reported and left out.
        project: whose workflow it is.
    """
    assets = [_table_asset(workflow, sources, project)]
    jobs = []
    if workflow.actions:
        assets.append(_outputs_asset(workflow, project))
        jobs.append(
            dg.define_asset_job(
                project.names.actions_job(workflow.slug),
                selection=dg.AssetSelection.assets(project.names.outputs_key(workflow.slug)),
                description=f"Runs the actions of {plain_markdown(workflow.name)} over its queued rows.",
            )
        )
    return dg.Definitions(assets=assets, jobs=jobs)


def _table_asset(
    workflow: Workflow, sources: Sequence[Source], project: ProjectContext
) -> dg.AssetsDefinition:
    names = project.names
    key = names.workflow_key(workflow.slug)
    by_slug = {source.slug: source for source in sources}
    problems = problems_of_syncs(workflow, sources)
    feeding = [by_slug[sync.source] for sync in workflow.syncs if sync.source not in problems]

    @dg.multi_asset(
        name=names.workflow_op(workflow.slug),
        specs=[
            project.spec_of(
                dg.AssetSpec(
                    key,
                    deps=[names.asset_key(sync.source) for sync in workflow.syncs if sync.source in by_slug],
                    description=_description(workflow, problems),
                    group_name=project.group_of(GROUP),
                    kinds={"duckdb"},
                    automation_condition=FOLLOW,
                    code_version=_version(workflow),
                    metadata=_definition_metadata(workflow, problems, names),
                ),
                workflow,
            )
        ],
        required_resource_keys={project.warehouse_key},
        check_specs=[
            dg.AssetCheckSpec(
                SYNCS_CHECK,
                asset=key,
                description="The source of every sync is there, with the properties it maps.",
            ),
            dg.AssetCheckSpec(
                REJECTED_CHECK,
                asset=key,
                description="Every value that is mapped fits its input.",
            ),
        ],
    )
    def sync_asset(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[None]]:
        warehouse = project.warehouse(context.resources)
        database = warehouse.warehouse()
        reports = _sync(context, workflow, feeding, database)
        published = _publish(context, warehouse)
        yield dg.MaterializeResult(
            metadata=shown_parts(
                context.log,
                {
                    "figures of the syncs": lambda: metadata_of_syncs(reports),
                    "columns and rows of the table": lambda: metadata_of_table(database, workflow),
                    "origins of the columns": lambda: _lineage(workflow, problems, names),
                    "facts of the published copy": lambda: metadata_of_copy(published),
                },
            ),
            check_results=[
                dg.AssetCheckResult(
                    check_name=SYNCS_CHECK,
                    passed=not problems,
                    metadata={"problems": dg.MetadataValue.md(_listed(problems))},
                ),
                _rejected_check(database, workflow),
            ],
        )

    return sync_asset


def _sync(
    context: dg.AssetExecutionContext, workflow: Workflow, sources: Iterable[Source], warehouse: Warehouse
) -> list[SyncReport]:
    reports = []
    for source in sources:
        with foreseen(WarehouseError):
            report = run_sync(warehouse, workflow, source)
        context.log.info(
            f"{source.slug}: {report.inserted:,} rows inserted, {report.updated:,} updated, "
            f"{report.removed:,} removed, {report.rejected:,} records rejected, {report.queued:,} runs "
            f"queued; {report.seconds:.1f} s" + (f". {report.note}" if report.note else "")
        )
        reports.append(report)
    return reports


def _publish(context: dg.AssetExecutionContext, warehouse: WarehouseResource) -> KeptPublished:
    published = warehouse.kept_published()
    published.at_end()
    if published.problem:
        context.log.warning(published.problem)
    return published


def _rejected_check(warehouse: Warehouse, workflow: Workflow) -> dg.AssetCheckResult:
    rejected = 0
    try:
        if warehouse.exists:
            with warehouse.reading() as connection:
                rejected = count_rejected(connection, workflow)
    except WarehouseError as error:
        # The rows are synced; what is rejected of them is not known, which is no reason to pass.
        return dg.AssetCheckResult(
            check_name=REJECTED_CHECK,
            passed=False,
            severity=dg.AssetCheckSeverity.WARN,
            description=str(error),
        )
    return dg.AssetCheckResult(
        check_name=REJECTED_CHECK,
        passed=rejected == 0,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"records": dg.MetadataValue.int(rejected)},
        description=f"{rejected:,} records; workflows._rejected says what is wrong with them."
        if rejected
        else "",
    )


def _outputs_asset(workflow: Workflow, project: ProjectContext) -> dg.AssetsDefinition:
    @dg.multi_asset(
        name=project.names.outputs_op(workflow.slug),
        specs=[project.spec_of(_outputs_spec(workflow, project), workflow)],
        required_resource_keys=_resources_of(workflow, project),
    )
    def run_queued(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
        warehouse = project.warehouse(context.resources)
        report = _run(workflow, warehouse.warehouse(), _reach(workflow, context, project))
        context.log.info(
            f"{report.completed:,} runs complete, {report.failed:,} failed, {report.waiting:,} waiting; "
            f"{report.seconds:.1f} s"
        )
        published = _publish(context, warehouse)
        metadata = shown_parts(
            context.log,
            {
                "figures of the actions": lambda: metadata_of_actions(
                    warehouse.warehouse(), workflow, report
                ),
                "errors of the actions": lambda: metadata_of_errors(warehouse.warehouse(), workflow, report),
                "facts of the published copy": lambda: metadata_of_copy(published),
            },
        )
        if report.error:
            raise ForeseenFailure(report.error, metadata)
        return dg.MaterializeResult(metadata=metadata)

    return run_queued


def _outputs_spec(workflow: Workflow, project: ProjectContext) -> dg.AssetSpec:
    names = project.names
    return dg.AssetSpec(
        names.outputs_key(workflow.slug),
        deps=[names.workflow_key(workflow.slug)],
        description=f"What the actions of {plain_markdown(workflow.name)} fill: "
        + ", ".join(f"{plain_markdown(action.name)} ({action.type})" for action in workflow.actions)
        + ". They run over the rows that are queued.",
        group_name=project.group_of(GROUP),
        kinds={"duckdb"},
        automation_condition=FOLLOW,
        code_version=_version(workflow),
        metadata={"dagster/table_name": dg.MetadataValue.text(table_name(workflow))},
    )


def _writes_records(workflow: Workflow) -> bool:
    return any(isinstance(action, PipedriveAction) for action in workflow.actions)


def _resources_of(workflow: Workflow, project: ProjectContext) -> set[str]:
    """The account only where an action writes to it."""
    return {project.warehouse_key, *([project.pipedrive_key] if _writes_records(workflow) else [])}


def _reach(workflow: Workflow, context: dg.AssetExecutionContext, project: ProjectContext) -> Reach:
    reach = Reach.of(read_variables())
    if not _writes_records(workflow):
        return reach
    writes = writes_of(context, project)
    return replace(reach, write=record_writer(writes.planning, allowed=writes.allowed))


def _run(workflow: Workflow, warehouse: Warehouse, reach: Reach) -> ActionsReport:
    with foreseen(WarehouseError):
        return run_actions(warehouse, workflow, reach)


def _listed(problems: Mapping[str, Sequence[Problem]]) -> str:
    return problems_as_markdown(problem for each in problems.values() for problem in each)


def _version(workflow: Workflow) -> str:
    return hashlib.sha256(workflow.model_dump_json().encode()).hexdigest()[:12]


def _description(workflow: Workflow, problems: Mapping[str, Sequence[Problem]]) -> str:
    fed = ", ".join(f"`{sync.source}`" for sync in workflow.syncs) or "no source yet"
    lines = [f"{plain_markdown(workflow.name)}: {len(workflow.inputs)} inputs, fed by {fed}."]
    lines.append(f"Rows in `{table_name(workflow)}`.")
    if problems:
        lines.append(f"**Syncs that cannot run:**\n\n{_listed(problems)}")
    return "\n\n".join(lines)


def _definition_metadata(
    workflow: Workflow, problems: Mapping[str, Sequence[Problem]], names: DagsterNames
) -> dict[str, dg.MetadataValue]:
    body = workflow.model_dump(mode="json", exclude={"id", "slug"}, exclude_defaults=True)
    return {
        "body": dg.MetadataValue.json(body),
        "id": dg.MetadataValue.text(str(workflow.id)),
        "dagster/table_name": dg.MetadataValue.text(table_name(workflow)),
        **_lineage(workflow, problems, names),
    }


def _lineage(
    workflow: Workflow, problems: Mapping[str, Sequence[Problem]], names: DagsterNames
) -> dict[str, dg.MetadataValue]:
    working = [sync for sync in workflow.syncs if sync.source not in problems]
    return {
        "dagster/column_lineage": dg.MetadataValue.column_lineage(column_lineage(workflow, working, names))
    }

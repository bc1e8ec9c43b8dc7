"""What the demo shows of workflows: a sync, its actions, and the first rows."""

from __future__ import annotations

from collections.abc import Mapping

import dagster as dg
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipedrive_orchestration.cli.environment import Environment
from pipedrive_orchestration.cli.output import cell_text
from pipedrive_orchestration.cli.running import RunFailedError
from pipedrive_orchestration.orchestration.resources import resources_of
from pipedrive_orchestration.orchestration.run_monitoring import running_command
from pipedrive_orchestration.orchestration.workflow.asset import workflow_definitions
from pipedrive_orchestration.services.deployment import Deployment
from pipedrive_orchestration.services.names import DEFAULT_NAMES
from pipedrive_orchestration.sources import LoadedSources
from pipedrive_orchestration.warehouse import quoted
from pipedrive_orchestration.workflows import LoadedWorkflows, Workflow, WorkflowStore
from pipedrive_orchestration.workflows.tables import SCHEMA

_ROWS = 4


def run_workflows(
    environment: Environment, deployment: Deployment, sources: LoadedSources, console: Console
) -> LoadedWorkflows:
    """Sync every workflow of the project and run its actions, as runs that Dagster's UI shows.

    Raises:
        RunFailedError: a run failed.
    """
    loaded = WorkflowStore(environment.project).load()
    instance = deployment.instance
    with running_command(instance, environment.settings.home) as tags, console.status("") as status:
        for workflow in loaded.workflows:
            status.update(workflow.slug)
            _run(_definitions(environment, workflow, sources), instance, workflow, tags)
    for workflow in loaded.workflows:
        _show(environment, workflow, console)
    return loaded


def _definitions(environment: Environment, workflow: Workflow, sources: LoadedSources) -> dg.Definitions:
    """Only what is run, since to build everything would take longer than to run it."""
    return dg.Definitions.merge(
        dg.Definitions(resources=resources_of(environment.settings), executor=dg.in_process_executor),
        workflow_definitions(workflow, sources.sources),
    )


def _run(
    definitions: dg.Definitions, instance: dg.DagsterInstance, workflow: Workflow, tags: Mapping[str, str]
) -> None:
    outputs = [DEFAULT_NAMES.outputs_key(workflow.slug)] if workflow.actions else []
    try:
        definitions.resolve_implicit_global_asset_job_def().execute_in_process(
            instance=instance,
            asset_selection=[DEFAULT_NAMES.workflow_key(workflow.slug), *outputs],
            tags=dict(tags),
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        )
    except Exception as error:
        raise RunFailedError(error) from error


def _show(environment: Environment, workflow: Workflow, console: Console) -> None:
    columns = ["row_seq", "row_status", *(column.key for column in (*workflow.inputs, *workflow.outputs))]
    name = quoted(SCHEMA, workflow.slug)
    with environment.warehouse.reading() as connection:
        rows = connection.execute(
            f"SELECT {', '.join(map(quoted, columns))} FROM {name} ORDER BY row_seq LIMIT {_ROWS}"
        ).fetchall()
        total = connection.execute(f"SELECT count(*) FROM {name}").fetchone()
    table = Table(title=f"{SCHEMA}.{workflow.slug}: {total[0] if total else 0:,} rows", title_justify="left")
    for column in columns:
        table.add_column(column, no_wrap=True)
    for row in rows:
        table.add_row(*(Text(cell_text(value)) for value in row))
    console.print(table)

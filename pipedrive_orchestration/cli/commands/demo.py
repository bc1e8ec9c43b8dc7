"""``demo``: the template project on the embedded demo account, from the first import to its workflow."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Annotated

import dagster as dg
import typer
from rich.table import Table
from rich.text import Text

from pipedrive_orchestration.cli.commands.publish import publish_what_is_new
from pipedrive_orchestration.cli.demo_account import demo_account, on_demo
from pipedrive_orchestration.cli.environment import Environment
from pipedrive_orchestration.cli.errors import exit_code_of_import, explained
from pipedrive_orchestration.cli.exit_codes import FAILED
from pipedrive_orchestration.cli.imports import import_sources
from pipedrive_orchestration.cli.outcomes import Outcome, changed_rows, show_outcomes
from pipedrive_orchestration.cli.output import err, out, this_command
from pipedrive_orchestration.cli.tables import cell_text, sample_table
from pipedrive_orchestration.cli.trouble import show_trouble
from pipedrive_orchestration.demo.working_day import work
from pipedrive_orchestration.importing import Pull
from pipedrive_orchestration.orchestration.in_process import run_workflow
from pipedrive_orchestration.orchestration.resources import resources_of
from pipedrive_orchestration.orchestration.run_monitoring import running_command
from pipedrive_orchestration.orchestration.workflow.asset import workflow_definitions
from pipedrive_orchestration.pipedrive.errors import PipedriveError
from pipedrive_orchestration.services.deployment import Deployment, deployed
from pipedrive_orchestration.services.writes import Writes
from pipedrive_orchestration.sources import InvalidBodyError, LoadedSources
from pipedrive_orchestration.warehouse import quoted
from pipedrive_orchestration.workflows import LoadedWorkflows, Workflow, WorkflowStore
from pipedrive_orchestration.workflows.tables import SCHEMA
from pipedrive_orchestration.writing.apply import NotAppliedError
from pipedrive_orchestration.writing.report import COLUMNS, lines_of, outcome_of, summary_of
from pipedrive_orchestration.writing.store import LoadedWrites

SAMPLED = ("all_persons", "all_deals")
"""Sources of the template project of which the demo shows some rows."""

SHOWN_ROWS = 4


def demo(
    scale: Annotated[float, typer.Option(help="Multiplies the records of a new demo account.")] = 1.0,
    *,
    only_work: Annotated[
        bool,
        typer.Option(
            "--work", help="Only change the account as its people would in a day, and import nothing."
        ),
    ] = False,
    with_trouble: Annotated[
        bool,
        typer.Option(
            "--with-trouble",
            help="Show instead how imports take odd answers, lost rights, kills and hidden changes, on a "
            "small account of their own that leaves nothing behind. Takes about half a minute.",
        ),
    ] = False,
) -> None:
    """Import the project from the embedded demo account; run it again to see changes arrive."""
    if with_trouble:
        raise typer.Exit(0 if show_trouble(out) else FAILED)
    with explained(err), ExitStack() as stack:
        environment = Environment.read()
        account = stack.enter_context(demo_account(scale, environment.settings, out))
        environment = on_demo(environment, account)
        out.print(f"The demo account answers at {account.url}")
        if only_work or not account.is_new:
            out.print(f"Since the last time: {work(account.url, account.token, seed=os.getpid())}")
        if only_work:
            return
        environment.export()
        with deployed(environment.settings) as deployment:
            loaded = deployment.store.load()
            outcomes, failed = import_sources(environment, deployment, loaded.sources, out)
            show_outcomes(out, outcomes, failed, loaded.bad_files)
            _show_samples(environment, outcomes)
            workflows = _run_workflows(environment, deployment, loaded)
            writes = _apply_writes(environment, deployment)
        show_outcomes(out, [], {}, (*workflows.bad_files, *writes.bad_files))
        _say_what_was_done(outcomes)
        out.print(f"Database: {environment.warehouse.database}   UI: {this_command()} dev", highlight=False)
        publish_what_is_new(environment, out)
    bad_files = bool(loaded.bad_files or workflows.bad_files or writes.bad_files)
    raise typer.Exit(exit_code_of_import(failed.values(), bad_files=bad_files))


def _show_samples(environment: Environment, outcomes: Sequence[Outcome]) -> None:
    present = {outcome.slug for outcome in outcomes if outcome.entry}
    with environment.warehouse.reading() as connection:
        for slug in SAMPLED:
            if slug in present:
                out.print(sample_table(connection, slug, rows=SHOWN_ROWS, width=out.width))


def _say_what_was_done(outcomes: Sequence[Outcome]) -> None:
    done = [outcome.entry for outcome in outcomes if outcome.entry and outcome.state == "imported"]
    changed = sum(map(changed_rows, done))
    if done and all(entry.pull == Pull.CHANGES for entry in done):
        out.print(f"Pulled only changes: {changed:,} rows changed.")
    else:
        out.print(f"Imported everything: {changed:,} rows. Run it again to see only changes come.")


def _run_workflows(
    environment: Environment, deployment: Deployment, sources: LoadedSources
) -> LoadedWorkflows:
    """Sync every workflow of the project and run its actions, as runs that Dagster's UI shows.

    Raises:
        RunFailedError: a run failed.
    """
    loaded = WorkflowStore(environment.project).load()
    instance = deployment.instance
    with running_command(instance, environment.settings.state) as tags, out.status("") as status:
        for workflow in loaded.workflows:
            status.update(workflow.slug)
            run_workflow(_definitions(environment, workflow, sources), instance, workflow, tags)
    for workflow in loaded.workflows:
        _show_workflow(environment, workflow)
    return loaded


def _apply_writes(environment: Environment, deployment: Deployment) -> LoadedWrites:
    """Plan every write of the project, show the plan, apply it to the demo account, and plan it once more.

    The account is nobody's, so that its permission need not be asked for.
    """
    writes = replace(Writes.from_settings(environment.settings, deployment.store), allowed=True)
    loaded = writes.load()
    for write in loaded.writes:
        try:
            with out.status(write.slug):
                plan = writes.plan(write)
                table = Table(*COLUMNS, title=f"write {write.slug}: {summary_of(plan)}", title_justify="left")
                for line in lines_of(writes.rows(plan, SHOWN_ROWS)):
                    table.add_row(*map(Text, line))
                outcome = "" if not plan.changes else outcome_of(writes.apply(write).counts)
                again = writes.plan(write) if plan.changes else plan
        except (InvalidBodyError, NotAppliedError, PipedriveError) as error:
            out.print(f"write {write.slug}: {error}", highlight=False)
            continue
        if outcome:
            out.print(table)
            out.print(
                f"Applied: {outcome}; imported, and planned again: {summary_of(again)}.", highlight=False
            )
        else:
            out.print(f"write {write.slug}: {summary_of(plan)}.", highlight=False)
    return loaded


def _definitions(environment: Environment, workflow: Workflow, sources: LoadedSources) -> dg.Definitions:
    """Only what is run, since to build everything would take longer than to run it."""
    return dg.Definitions.merge(
        dg.Definitions(resources=resources_of(environment.settings), executor=dg.in_process_executor),
        workflow_definitions(workflow, sources.sources),
    )


def _show_workflow(environment: Environment, workflow: Workflow) -> None:
    columns = ["row_seq", "row_status", *(column.key for column in (*workflow.inputs, *workflow.outputs))]
    name = quoted(SCHEMA, workflow.slug)
    with environment.warehouse.reading() as connection:
        rows = connection.execute(
            f"SELECT {', '.join(map(quoted, columns))} FROM {name} ORDER BY row_seq LIMIT {SHOWN_ROWS}"
        ).fetchall()
        total = connection.execute(f"SELECT count(*) FROM {name}").fetchone()
    table = Table(title=f"{SCHEMA}.{workflow.slug}: {total[0] if total else 0:,} rows", title_justify="left")
    for column in columns:
        table.add_column(column, no_wrap=True)
    for row in rows:
        table.add_row(*(Text(cell_text(value)) for value in row))
    out.print(table)

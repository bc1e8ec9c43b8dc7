"""``sync``: the link from a source to a workflow, made or run again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer
from rich.table import Table

from pipedrive_orchestration.cli.arguments import AsJson, Slug, known_workflows
from pipedrive_orchestration.cli.commands.publish import publish_what_is_new
from pipedrive_orchestration.cli.environment import Environment
from pipedrive_orchestration.cli.errors import CommandError, explained
from pipedrive_orchestration.cli.exit_codes import BAD_INPUT
from pipedrive_orchestration.cli.output import busy, err, out, print_json, say
from pipedrive_orchestration.sources import Source
from pipedrive_orchestration.workflows import (
    OnRemove,
    OnUpdate,
    RowsToRun,
    SyncReport,
    Workflow,
    WorkflowStore,
    parse_sync,
)
from pipedrive_orchestration.workflows.sync import run_sync


class NoSyncError(CommandError):
    """A sync that is not there; the message says how to make one."""

    exit_code = BAD_INPUT


def sync(
    slug: Slug,
    workflow: Annotated[
        str | None,
        typer.Argument(
            help="The workflow: its file's name without .yaml; all that the source is synced to, if none.",
            autocompletion=known_workflows,
        ),
    ] = None,
    *,
    mapping: Annotated[
        list[str] | None,
        typer.Option("--map", help="input.<name>=<property>; once for each input.", metavar="INPUT=PROPERTY"),
    ] = None,
    push_existing: Annotated[
        bool | None, typer.Option("--push-existing/--no-push-existing", help="Also rows imported before.")
    ] = None,
    run: Annotated[RowsToRun | None, typer.Option(help="Runs to queue for rows imported before.")] = None,
    on_update: Annotated[OnUpdate | None, typer.Option(help="When a record changes.")] = None,
    on_remove: Annotated[OnRemove | None, typer.Option(help="When a record is removed.")] = None,
    json: AsJson = False,
) -> None:
    """Bring the rows of a source into a workflow, and keep the link in the workflow's file.

    With --map the link is made, or replaced. Without, the links that are there are run again, which adds
    nothing that has been added before; the other options change the link and keep its mapping.

    Try:

        pipedrive-orchestration sync all_persons outreach --map input.email=emails --map input.name=name

        pipedrive-orchestration sync all_persons
    """
    changes = {
        "field_mapping": _mapping(mapping) if mapping else None,
        "push_existing": push_existing,
        "run": run and run.value,
        "on_update": on_update and on_update.value,
        "on_remove": on_remove and on_remove.value,
    }
    given = {name: value for name, value in changes.items() if value is not None}
    if given and workflow is None:
        raise typer.BadParameter("name the workflow that these options are about.")
    with explained(err):
        environment = Environment.read()
        loaded = environment.store.load()
        source = loaded.find(slug)
        store = WorkflowStore(environment.project)
        if workflow is None:
            linked = _linked_workflows(store, source)
        else:
            linked = [_with_link(store, store.load().find(workflow), source, loaded.sources, given)]
        with busy("Syncing"):
            reports = [run_sync(environment.warehouse, one, source) for one in linked]
    publish_what_is_new(environment, err)
    if json:
        shown = [report.as_dict() for report in reports]
        print_json(shown[0] if workflow is not None else shown)
        return
    _show(reports)


def _linked_workflows(store: WorkflowStore, source: Source) -> list[Workflow]:
    """The workflows that a source is synced to.

    Raises:
        NoSyncError: there are none.
    """
    workflows = store.load().workflows
    linked = [workflow for workflow in workflows if workflow.sync_of(source.slug)]
    if not linked:
        known = ", ".join(workflow.slug for workflow in workflows) or "none"
        raise NoSyncError(
            f"{source.slug} is not synced to any workflow. Name one, with --map input.<name>=<property> for "
            f"its inputs. Workflows: {known}."
        )
    return linked


def _with_link(
    store: WorkflowStore,
    workflow: Workflow,
    source: Source,
    sources: Sequence[Source],
    changes: Mapping[str, Any],
) -> Workflow:
    """A workflow with its sync of a source, changed as wanted and written to the workflow's file.

    Args:
        store: the workflow files.
        workflow: which of them.
        source: what is synced to it.
        sources: all that the project has.
        changes: keys of the sync that are to be different; a new one needs ``field_mapping``.

    Raises:
        NoSyncError: there is no sync, and no mapping to make one.
        InvalidBodyError: the mapping names inputs or properties that are not there; names all of them.
        OSError: the file cannot be written.
    """
    existing = workflow.sync_of(source.slug)
    if existing is None and "field_mapping" not in changes:
        inputs = ", ".join(each.reference for each in workflow.inputs)
        raise NoSyncError(
            f"{source.slug} is not synced to {workflow.slug} yet: add --map <input>=<property>. "
            f"Inputs: {inputs}."
        )
    if not changes:
        return workflow
    before = existing.model_dump(mode="json") if existing else {}
    return store.save_sync(
        workflow.slug, parse_sync({**before, **changes, "source": source.slug}, workflow, sources)
    )


def _mapping(pairs: Sequence[str]) -> dict[str, str]:
    split = [pair.partition("=") for pair in pairs]
    wrong = [pair for pair, (_, equals, _) in zip(pairs, split, strict=True) if not equals]
    if wrong:
        raise typer.BadParameter(f"write --map input.<name>=<property>, not {', '.join(wrong)}.")
    return {reference.strip(): key.strip() for reference, _, key in split}


def _show(reports: Sequence[SyncReport]) -> None:
    table = Table("workflow", "source", "state")
    for name in ("inserted", "updated", "removed", "rejected", "runs queued", "rows"):
        table.add_column(name, justify="right")
    for report in reports:
        figures = (
            report.inserted,
            report.updated,
            report.removed,
            report.rejected,
            report.queued,
            report.rows,
        )
        table.add_row(report.workflow, report.source, report.state, *(f"{figure:,}" for figure in figures))
    out.print(table)
    for report in reports:
        if report.note:
            say(f"{report.workflow}: {report.note}", style="yellow")
        for rejection in report.rejections:
            out.print(
                f"{report.workflow}: record {rejection.record_id}, {rejection.field}: {rejection.reason}",
                style="yellow",
                markup=False,
                highlight=False,
            )

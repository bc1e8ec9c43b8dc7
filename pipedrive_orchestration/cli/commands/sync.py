"""``sync``: the link from a source to a workflow, made or run again."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated

import typer
from rich.table import Table

from pipedrive_orchestration.cli.arguments import AsJson, Slug, known_workflows
from pipedrive_orchestration.cli.commands.publish import publish_what_is_new
from pipedrive_orchestration.cli.environment import Environment
from pipedrive_orchestration.cli.errors import explained
from pipedrive_orchestration.cli.links import linked_workflow, workflows_of
from pipedrive_orchestration.cli.output import busy, err, out, print_json
from pipedrive_orchestration.workflows import SyncReport, WorkflowStore, run_sync


class Run(StrEnum):
    """For which of the rows that are there already a run of the workflow is queued."""

    ALL = "all"
    FIRST_10 = "first_10"
    NONE = "none"


class OnUpdate(StrEnum):
    """What a changed record does to its row."""

    IGNORE = "ignore"
    UPDATE = "update"
    APPEND = "append"


class OnRemove(StrEnum):
    """What a removed record does to its row."""

    KEEP = "keep"
    FLAG = "flag"
    DELETE = "delete"


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
    run: Annotated[Run | None, typer.Option(help="Runs to queue for rows imported before.")] = None,
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
            linked = workflows_of(store, source)
        else:
            linked = [linked_workflow(store, store.load().find(workflow), source, loaded.sources, given)]
        with busy("Syncing"):
            reports = [run_sync(environment.warehouse, one, source) for one in linked]
    publish_what_is_new(environment, err)
    if json:
        shown = [report.as_dict() for report in reports]
        print_json(shown[0] if workflow is not None else shown)
        return
    _show(reports)


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
            out.print(f"{report.workflow}: {report.note}", style="yellow", markup=False, highlight=False)
        for rejection in report.rejections:
            out.print(
                f"{report.workflow}: record {rejection.record_id}, {rejection.field}: {rejection.reason}",
                style="yellow",
                markup=False,
                highlight=False,
            )

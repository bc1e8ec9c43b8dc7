"""``write``: the writes of the project, planned, applied and taken back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from pipedrive_orchestration.cli.arguments import AsJson, known_writes
from pipedrive_orchestration.cli.commands.publish import publish_what_is_new
from pipedrive_orchestration.cli.environment import Environment
from pipedrive_orchestration.cli.errors import CommandError, explained
from pipedrive_orchestration.cli.output import busy, err, out, print_json, say
from pipedrive_orchestration.pipedrive.requests import PLANNED
from pipedrive_orchestration.services.deployment import deployed
from pipedrive_orchestration.services.writes import Writes
from pipedrive_orchestration.writing.apply import ApplyProgress, ApplyReport, Listener
from pipedrive_orchestration.writing.ledger import LedgerRow, Plan
from pipedrive_orchestration.writing.model import Write
from pipedrive_orchestration.writing.outcome import Status
from pipedrive_orchestration.writing.permission import require_permission
from pipedrive_orchestration.writing.report import (
    COLUMNS,
    lines_of,
    outcome_of,
    plan_as_dict,
    row_as_dict,
    summary_of,
)


class Action(StrEnum):
    """What is done with a write."""

    LIST = "list"
    PLAN = "plan"
    SHOW = "show"
    APPLY = "apply"
    UNDO = "undo"


def known_planned(incomplete: str) -> list[str]:
    """Collections that plans can change, for the shell to complete."""
    return [name for name in PLANNED if name.startswith(incomplete)]


class StoppedError(CommandError):
    """An application that has not come to its end; the message says what is left."""


class NotMadeError(CommandError):
    """An application that came to its end, and changes that Pipedrive would not make."""


SHOWN_ROWS = 50
"""Rows of a plan that are shown unless more are asked for."""


def write(  # noqa: PLR0913 - arguments of the command line
    action: Annotated[Action, typer.Argument(help="What to do.")],
    slug: Annotated[
        str | None,
        typer.Argument(
            metavar="[SLUG]", help="The write: its file's name without .yaml.", autocompletion=known_writes
        ),
    ] = None,
    *,
    file: Annotated[
        Path | None,
        typer.Option(
            "--file",
            help="Rows to plan without a write: a CSV, JSON or Parquet file.",
            dir_okay=False,
        ),
    ] = None,
    object_type: Annotated[
        str | None,
        typer.Option(
            "--type", help="The collection that the file's rows change.", autocompletion=known_planned
        ),
    ] = None,
    match: Annotated[
        str | None,
        typer.Option("--match", help="The properties by which its records are known, with commas; or id."),
    ] = None,
    operation: Annotated[
        str | None,
        typer.Option("--operation", help="create, update, upsert or delete; by default as it matches."),
    ] = None,
    plan: Annotated[
        UUID | None, typer.Option("--plan", help="The plan, by its id; the newest one if not given.")
    ] = None,
    rows: Annotated[int, typer.Option("--rows", help="How many rows of a plan to show.", min=1)] = SHOWN_ROWS,
    refresh: Annotated[
        bool, typer.Option("--refresh/--no-refresh", help="Import what has changed before planning.")
    ] = True,
    above_limits: Annotated[
        bool, typer.Option("--above-limits", help="Apply a plan that is above the limits of its file.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before records are deleted.")] = False,
    json: AsJson = False,
) -> None:
    """Plan what rows change at Pipedrive, apply a plan, and take it back.

    With `--file`, `--type` and `--match`, `plan` needs no write: what the columns of a file are about is
    proposed by their headers, and `apply --plan ID` does what the plan says.

    `plan` changes nothing: it shows what would be created, changed (old and new) and deleted, what is left
    out and why, and the tokens. `apply` does what the newest plan says, once, and goes on where it was
    stopped. `undo` makes a plan that takes the plan applied last back; `apply` it then. Changes need
    PIPEDRIVE_ALLOW_WRITES=true.

    Try:

        pipedrive-orchestration write list

        pipedrive-orchestration write plan lead_scores

        pipedrive-orchestration write apply lead_scores

        pipedrive-orchestration write undo lead_scores

        pipedrive-orchestration write plan --file contacts.csv --type persons --match email
    """
    if file is not None and (action is not Action.PLAN or slug or not object_type or not match):
        raise typer.BadParameter("--file goes with plan, --type and --match, and names no write.")
    if slug is None and action is not Action.LIST and file is None and plan is None:
        raise typer.BadParameter("name the write.")
    with explained(err):
        environment = Environment.read()
        with deployed(environment.settings) as deployment:
            writes = Writes.from_settings(environment.settings, deployment.store)
            if slug is None:
                if file is not None:
                    wanted = (file, str(object_type), str(match).split(","), operation)
                    _plan_file(writes, *wanted, rows=rows, json=json)
                elif plan is not None:
                    _of_no_write(writes, action, plan, rows=rows, yes=yes, json=json)
                else:
                    _list(writes, json=json)
                return
            found = writes.load().find(slug)
            if action is Action.LIST:
                _show_plans(writes.plans(found), json=json)
            elif action is Action.SHOW:
                _show_plan(writes, writes.find_plan(found, plan), rows, json=json)
            elif action is Action.APPLY:
                require_permission(allowed=environment.settings.allow_writes)
                _ask(writes.find_plan(found, plan), yes=yes)
                _apply(writes, found, plan, above_limits=above_limits, json=json)
            else:
                with busy("Planning"):
                    made = (
                        writes.undo(found, plan)
                        if action is Action.UNDO
                        else writes.plan(found, refresh=refresh)
                    )
                _show_plan(writes, made, rows, json=json)
    publish_what_is_new(environment, err)


def _plan_file(
    writes: Writes,
    file: Path,
    object_type: str,
    match: Sequence[str],
    operation: str | None,
    *,
    rows: int,
    json: bool,
) -> None:
    with busy("Planning"):
        plan, proposal = writes.plan_of_file(file, object_type, match, operation)
    if json:
        columns = {"match": proposal.match, "fields": proposal.fields, "left_out": proposal.left_out}
        print_json({**plan_as_dict(plan, writes.rows(plan)), "columns": columns})
        return
    table = Table("column", "is taken for")
    for column, key in proposal.match.items():
        table.add_row(Text(column), Text(f"{key}, by which records are known"))
    for column, key in proposal.fields.items():
        if column not in proposal.match:
            table.add_row(Text(column), Text(key))
    for column, why in proposal.left_out.items():
        table.add_row(Text(column, style="dim"), Text(f"left out: {why}", style="dim"))
    out.print(table)
    _show_plan(writes, plan, rows, json=False)
    if plan.changes:
        say(f"`write apply --plan {plan.plan_id}` does that.")


def _of_no_write(writes: Writes, action: Action, plan_id: UUID, *, rows: int, yes: bool, json: bool) -> None:
    """What is done with a plan that no file of the project has made."""
    plan = writes.plan_named(plan_id)
    if not plan.write.startswith("("):
        raise typer.BadParameter(f"the plan is one of {plan.write}: name that.")
    if action is Action.APPLY:
        require_permission(allowed=writes.allowed)
        _ask(plan, yes=yes)
        with _progress() as listener:
            report = writes.apply_alone(plan_id, listener=listener)
        _report(writes, report, f"--plan {plan_id}", json=json)
    elif action is Action.UNDO:
        with busy("Planning"):
            made = writes.undo_alone(plan_id)
        _show_plan(writes, made, rows, json=json)
    else:
        _show_plan(writes, plan, rows, json=json)


def _ask(plan: Plan, *, yes: bool) -> None:
    if (
        plan.deletes
        and not yes
        and not typer.confirm(f"Delete {plan.deletes:,} {plan.object_type}?", err=True)
    ):
        raise typer.Exit(1)


def _list(writes: Writes, *, json: bool) -> None:
    loaded = writes.load()
    newest = {plan.write: plan for plan in reversed(writes.plans(most=1000))}
    if json:
        print_json(
            {
                "writes": [_write_as_dict(one, newest.get(one.slug)) for one in loaded.writes],
                "bad_files": [
                    {"path": bad.path, "problems": [str(problem) for problem in bad.problems]}
                    for bad in loaded.bad_files
                ],
            }
        )
        return
    table = Table("write", "does", "apply", "schedule", "newest plan")
    for one in loaded.writes:
        plan = newest.get(one.slug)
        state = f"{plan.status}, {plan.made_at:%Y-%m-%d %H:%M}: {summary_of(plan)}" if plan else ""
        does = f"{one.operation} {one.object_type}"
        table.add_row(one.slug, does, one.apply, one.schedule or "", Text(state, overflow="fold"))
    out.print(table)
    for bad in loaded.bad_files:
        say(bad, to=err, style="red")


def _write_as_dict(one: Write, plan: Plan | None) -> dict[str, Any]:
    return {
        "write": one.slug,
        "write_id": str(one.id),
        "name": one.name,
        "object_type": one.object_type,
        "operation": one.operation,
        "apply": one.apply,
        "schedule": one.schedule,
        "newest_plan": None if plan is None else plan_as_dict(plan),
    }


def _show_plans(plans: Sequence[Plan], *, json: bool) -> None:
    if json:
        print_json({"plans": [plan_as_dict(plan) for plan in plans]})
        return
    table = Table("plan", "made", "status", "what", "applied by")
    for plan in plans:
        what = f"{'undo: ' if plan.undo_of else ''}{summary_of(plan)}"
        made = f"{plan.made_at:%Y-%m-%d %H:%M}"
        table.add_row(
            str(plan.plan_id), made, plan.status, Text(what, overflow="fold"), plan.applied_by or ""
        )
    out.print(table)


def _show_plan(writes: Writes, plan: Plan, most: int, *, json: bool) -> None:
    if json:
        print_json(plan_as_dict(plan, writes.rows(plan)))
        return
    entries = writes.rows(plan, most)
    if entries:
        _print_rows(entries)
    total = plan.changes + plan.conflicts + plan.rejects
    if total > len(entries):
        say(f"{total - len(entries):,} more rows; --rows shows more of them, --json all.")
    say(f"Plan {plan.plan_id} of {plan.write}, {plan.status}: {summary_of(plan)}.")
    for sentence in plan.above_limits:
        say(f"Above the limits: {sentence}.", style="yellow")
    if plan.note:
        say(plan.note, style="yellow")


def _apply(writes: Writes, found: Write, plan: UUID | None, *, above_limits: bool, json: bool) -> None:
    with _progress() as listener:
        report = writes.apply(found, plan, above_limits=above_limits, listener=listener)
    _report(writes, report, found.slug, json=json)


_NOT_MADE = (Status.MOVED, Status.REFUSED, Status.UNCERTAIN)
"""States of changes that were not made, or perhaps not."""


def _report(writes: Writes, report: ApplyReport, which: str, *, json: bool) -> None:
    left = writes.rows(report.plan, statuses=_NOT_MADE)
    if json:
        print_json({**_report_as_dict(report), "not_made": [row_as_dict(row) for row in left]})
    else:
        if left:
            _print_rows(left[:SHOWN_ROWS])
            if len(left) > SHOWN_ROWS:
                say(f"{len(left) - SHOWN_ROWS:,} more; `write show {which}` shows all.")
        say(
            f"{report.plan.name}: {outcome_of(report.counts)}; {report.tokens:,} tokens, "
            f"{report.requests:,} requests, {report.seconds:g} s."
        )
    if not report.is_complete:
        raise StoppedError(f"Stopped before the end: {report.note} `write apply {which}` goes on.")
    failed = sum(row.status != Status.MOVED for row in left)
    if failed:
        raise NotMadeError(f"{failed:,} of {report.plan.changes:,} changes were not made, or perhaps not.")


def _print_rows(rows: Sequence[LedgerRow]) -> None:
    table = Table(*COLUMNS)
    for line in lines_of(rows):
        table.add_row(*(Text(cell, overflow="fold") for cell in line))
    out.print(table)


def _report_as_dict(report: ApplyReport) -> dict[str, Any]:
    return {
        "plan": plan_as_dict(report.plan),
        "counts": dict(report.counts),
        "is_complete": report.is_complete,
        "requests": report.requests,
        "tokens": report.tokens,
        "seconds": report.seconds,
        "note": report.note,
    }


@contextmanager
def _progress() -> Iterator[Listener]:
    """Shows how far an application is, to a person who watches."""
    columns = (TextColumn("Writing"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rest]}"))
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as shown:
        task = shown.add_task("", total=None, rest="")

        def show(progress: ApplyProgress) -> None:
            left = "" if progress.seconds_left is None else f", about {progress.seconds_left:.0f} s left"
            rest = f"{progress.tokens:,} tokens{left}"
            shown.update(task, total=progress.changes, completed=progress.settled, rest=rest)

        yield show

"""``record``: one record of the account, shown, created, changed or deleted."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from pipedrive_orchestration.cli.arguments import AsJson
from pipedrive_orchestration.cli.environment import Environment
from pipedrive_orchestration.cli.errors import CommandError, explained
from pipedrive_orchestration.cli.output import busy, err, out, print_json, say
from pipedrive_orchestration.pipedrive.client import Client
from pipedrive_orchestration.pipedrive.requests import MERGE_COST, WRITABLE, WritableType
from pipedrive_orchestration.sources import InvalidBodyError, Problem, read_file
from pipedrive_orchestration.writing.execution import Executor, Outcome, Status
from pipedrive_orchestration.writing.permission import connected_writer, require_permission
from pipedrive_orchestration.writing.records import (
    PreparedChange,
    ShownValue,
    merge,
    prepare_creation,
    prepare_deletion,
    prepare_merge,
    prepare_update,
    show_record,
    writable_type,
)


class Action(StrEnum):
    """What is done with a record."""

    SHOW = "show"
    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    MERGE = "merge"


class RecordRefusedError(CommandError):
    """A change that was not made; the message says why."""


def known_types(incomplete: str) -> list[str]:
    """Collections that can be written, for the shell to complete."""
    return [name for name in WRITABLE if name.startswith(incomplete)]


def record(  # noqa: PLR0913 - arguments of the command line
    action: Annotated[Action, typer.Argument(help="What to do.")],
    object_type: Annotated[
        str,
        typer.Argument(
            metavar="TYPE", help="A Pipedrive collection, such as deals.", autocompletion=known_types
        ),
    ],
    record_id: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="The record's id; none to create one.")
    ] = None,
    *,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="PROPERTY=VALUE", help="A value; nothing after = clears the property."),
    ] = None,
    from_: Annotated[
        Path | None,
        typer.Option(
            "--from", help="A YAML or JSON file of properties and values.", exists=True, dir_okay=False
        ),
    ] = None,
    into: Annotated[
        str | None, typer.Option("--into", metavar="ID", help="The record that a merge leaves.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check and show, and change nothing.")] = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="Do not ask before a record is deleted or merged.")
    ] = False,
    json: AsJson = False,
) -> None:
    """Show, create, change, delete or merge one record of the account.

    A property is named by its key, its name in v1 or its label; an option by its label; users, stages,
    pipelines, labels, persons and organizations by id or name. Everything is checked before anything is
    sent, and all that is wrong is said at once. Changes need PIPEDRIVE_ALLOW_WRITES=true.

    Try:

        pipedrive-orchestration record show deals 7

        pipedrive-orchestration record create persons --set name="Ada Lovelace" --set email=ada@example.com

        pipedrive-orchestration record update deals 7 --set status=won --dry-run

        pipedrive-orchestration record delete activities 12 --yes

        pipedrive-orchestration record merge persons 12 --into 7
    """
    if (record_id is None) != (action is Action.CREATE):
        raise typer.BadParameter("a new record has no id yet." if record_id else "name the record's id.")
    if (into is None) == (action is Action.MERGE):
        raise typer.BadParameter("a merge, and nothing else, names the record that it leaves: --into ID.")
    with explained(err):
        given = _given(set_ or [], from_)
        if given and action in (Action.SHOW, Action.DELETE, Action.MERGE):
            raise typer.BadParameter(f"{action} takes no values.")
        environment = Environment.read()
        writable = writable_type(object_type)
        if action is Action.SHOW:
            assert record_id is not None
            _show(environment, writable, record_id, json=json)
        else:
            if not dry_run:
                require_permission(allowed=environment.settings.allow_writes)
            if record_id is not None and into is not None:
                _merge(environment, writable, record_id, into, ask=not yes, dry_run=dry_run, json=json)
                return
            ask = action is Action.DELETE and not yes and not dry_run
            _change(environment, action, writable, record_id, given, ask=ask, dry_run=dry_run, json=json)


def _given(pairs: Sequence[str], file: Path | None) -> dict[str, Any]:
    split = [pair.partition("=") for pair in pairs]
    wrong = [pair for pair, (_, equals, _) in zip(pairs, split, strict=True) if not equals]
    if wrong:
        raise typer.BadParameter(f"write --set PROPERTY=VALUE, not {', '.join(wrong)}.")
    return {**(read_file(file, _values) if file else {}), **{name.strip(): value for name, _, value in split}}


def _values(content: Any) -> dict[str, Any]:
    if not isinstance(content, Mapping):
        raise InvalidBodyError(
            [Problem("", "not_a_mapping", "The file is a mapping of properties to values.")]
        )
    return {str(name): value for name, value in content.items()}


def _show(environment: Environment, writable: WritableType, record_id: str, *, json: bool) -> None:
    async def showing() -> tuple[ShownValue, ...]:
        async with Client(environment.connection) as client:
            return await show_record(client, writable, record_id)

    with busy("Reading"):
        values = asyncio.run(showing())
    if json:
        shown = [{"key": v.key, "label": v.label, "value": v.value, "text": v.text} for v in values]
        print_json({"type": writable.name, "id": record_id, "values": shown})
        return
    table = Table("key", "property", "value")
    for value in values:
        if value.text:
            table.add_row(Text(value.key), Text(value.label), Text(value.text, overflow="fold"))
    out.print(table)


def _merge(
    environment: Environment,
    writable: WritableType,
    record_id: str,
    into: str,
    *,
    ask: bool,
    dry_run: bool,
    json: bool,
) -> None:
    async def preparing() -> tuple[str, str]:
        async with Client(environment.connection) as client:
            return await prepare_merge(client, writable, record_id, into)

    async def merging() -> Outcome:
        async with Client(environment.connection) as client:
            await connected_writer(client, environment.warehouse)
            return await merge(client, writable, record_id, into)

    with busy("Checking"):
        merged, survivor = asyncio.run(preparing())
    what = f"{writable.name} {record_id}, {merged}, into {into}, {survivor}"
    outcome = None
    if not dry_run:
        if ask and not typer.confirm(f"Merge {what}? It cannot be taken back.", err=True):
            raise typer.Exit(1)
        with busy("Writing"):
            outcome = asyncio.run(merging())
        if outcome.status is not Status.DONE:
            raise RecordRefusedError(f"{writable.name}: not merged: {outcome.reason}")
    status = "done" if outcome else "dry run"
    if json:
        request_id, note = (outcome.request_id, outcome.reason) if outcome else (None, None)
        shown = {"type": writable.name, "id": into, "change": "merge", "status": status, "values": []}
        print_json({**shown, "request_id": request_id, "note": note})
        return
    say(f"Merged {what}." if outcome else f"Would merge {what} for {MERGE_COST} tokens; nothing was sent.")


def _change(
    environment: Environment,
    action: Action,
    writable: WritableType,
    record_id: str | None,
    given: Mapping[str, Any],
    *,
    ask: bool,
    dry_run: bool,
    json: bool,
) -> None:
    with busy("Checking"):
        prepared = asyncio.run(_prepare(environment, action, writable, record_id, given))
    if not json:
        _print_change(prepared)
    if prepared.is_empty or dry_run:
        _report(prepared, None, json=json)
        return
    if ask and not typer.confirm(f"Delete {writable.name} {record_id}, {prepared.name}?", err=True):
        raise typer.Exit(1)
    with busy("Writing"):
        outcome = asyncio.run(_carry_out(environment, prepared))
    _report(prepared, outcome, json=json)


async def _prepare(
    environment: Environment,
    action: Action,
    writable: WritableType,
    record_id: str | None,
    given: Mapping[str, Any],
) -> PreparedChange:
    async with Client(environment.connection) as client:
        if record_id is None:
            return await prepare_creation(client, writable, given)
        if action is Action.DELETE:
            return await prepare_deletion(client, writable, record_id)
        return await prepare_update(client, writable, record_id, given)


async def _carry_out(environment: Environment, prepared: PreparedChange) -> Outcome:
    async with Client(environment.connection) as client:
        await connected_writer(client, environment.warehouse)
        return await Executor(client, prepared.properties).carry_out(prepared.change)


def _print_change(prepared: PreparedChange) -> None:
    if not prepared.values:
        return
    table = Table("property", "old", "new")
    for value in prepared.values:
        table.add_row(Text(value.label), Text(value.before), Text(value.text))
    table.title, table.title_justify = Text(prepared.name), "left"
    out.print(table)


def _report(prepared: PreparedChange, outcome: Outcome | None, *, json: bool) -> None:
    change, name = prepared.change, prepared.properties.writable.name
    if outcome is not None and outcome.status is not Status.DONE:
        raise RecordRefusedError(f"{name}: not {change.kind}d: {outcome.reason}")
    record_id = outcome.record_id if outcome else change.record_id
    status = "unchanged" if prepared.is_empty else "dry run" if outcome is None else "done"
    if json:
        print_json(
            {
                "type": name,
                "id": record_id,
                "change": change.kind.value,
                "status": status,
                "values": [
                    {"key": v.key, "label": v.label, "before": v.before, "text": v.text, "value": v.value}
                    for v in prepared.values
                ],
                "request_id": outcome.request_id if outcome else None,
                "note": outcome.reason if outcome else None,
            }
        )
        return
    what = name if record_id is None else f"{name} {record_id}"
    note = f" Note: {outcome.reason}." if outcome and outcome.reason else ""
    say(
        {
            "unchanged": f"{what} is so already; nothing was sent.",
            "dry run": f"Would {change.kind} {what} for {prepared.cost} tokens; nothing was sent.",
            "done": f"{what} {change.kind}d.{note}",
        }[status]
    )

"""``record``: one record of the account, shown, created, changed or deleted."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import duckdb
import typer
from rich.table import Table
from rich.text import Text

from pipedrive_orchestration.cli.arguments import AsJson
from pipedrive_orchestration.cli.environment import Environment
from pipedrive_orchestration.cli.errors import CommandError, explained
from pipedrive_orchestration.cli.output import busy, err, out, print_json, say
from pipedrive_orchestration.pipedrive.client import Client
from pipedrive_orchestration.pipedrive.requests import (
    ARCHIVE_COST,
    CONVERSION_COST,
    CONVERTED,
    MERGE_COST,
    WRITABLE,
    WritableType,
)
from pipedrive_orchestration.settings import SettingsError
from pipedrive_orchestration.sources import InvalidBodyError, Problem, read_file
from pipedrive_orchestration.warehouse import WarehouseError
from pipedrive_orchestration.warehouse.catalog import has_table
from pipedrive_orchestration.warehouse.field_history import labels_of_fields, labels_of_options
from pipedrive_orchestration.writing.apply import apply_plan
from pipedrive_orchestration.writing.kinds import CHOICES
from pipedrive_orchestration.writing.ledger import Entry, rows_of
from pipedrive_orchestration.writing.outcome import Outcome, Status
from pipedrive_orchestration.writing.permission import require_permission
from pipedrive_orchestration.writing.plan import Planning
from pipedrive_orchestration.writing.records import (
    PreparedChange,
    ShownValue,
    prepare_creation,
    prepare_deletion,
    prepare_restoration,
    prepare_update,
    show_record,
    writable_type,
)
from pipedrive_orchestration.writing.report import COLUMNS, lines_of
from pipedrive_orchestration.writing.single import keep, last_change, make_change
from pipedrive_orchestration.writing.transitions import (
    archive_project,
    convert,
    merge,
    prepare_archiving,
    prepare_conversion,
    prepare_merge,
)
from pipedrive_orchestration.writing.undo import plan_undo


class Action(StrEnum):
    """What is done with a record."""

    SHOW = "show"
    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    MERGE = "merge"
    ARCHIVE = "archive"
    RESTORE = "restore"
    CONVERT = "convert"
    UNDO = "undo"


class RecordRefusedError(CommandError):
    """A change that was not made; the message says why."""


def known_values(context: typer.Context, incomplete: str) -> list[str]:
    """Properties of a collection for the shell to complete, and after ``=`` the words that one takes.

    The account's own fields and options are those that the last imports have met.
    """
    writable = WRITABLE.get(str(context.params.get("object_type")))
    if writable is None:
        return []
    name, is_set, begun = incomplete.partition("=")
    with _known_fields() as connection:
        own = {} if connection is None else labels_of_fields(connection, writable.name)
        if not is_set:
            names = [*(one.key for one in writable.keys), *own.values()]
            return [f"{one}=" for one in dict.fromkeys(names) if one.casefold().startswith(name.casefold())]
        key = next((key for key, label in own.items() if label == name), name)
        found = writable.key(key)
        words = CHOICES.get(found.kind, ("true", "false") if found.kind == "boolean" else ()) if found else ()
        options = [] if connection is None else labels_of_options(connection, writable.name, key)
    choices = [*words, *options]
    return [f"{name}={word}" for word in choices if str(word).casefold().startswith(begun.casefold())]


@contextmanager
def _known_fields() -> Iterator[duckdb.DuckDBPyConnection | None]:
    """The database, where there is one that nobody writes to just now: a completion waits for nothing."""
    with ExitStack() as opened:
        try:
            warehouse = Environment.read().warehouse.with_patience(0)
            connection = opened.enter_context(warehouse.reading())
        except (SettingsError, WarehouseError):
            yield None
            return
        yield connection if has_table(connection, "import_ledger", "fields") else None


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
        typer.Option(
            "--set",
            metavar="PROPERTY=VALUE",
            help="A value; nothing after = clears the property.",
            autocompletion=known_values,
        ),
    ] = None,
    from_: Annotated[
        Path | None,
        typer.Option(
            "--from", help="A YAML or JSON file of properties and values.", exists=True, dir_okay=False
        ),
    ] = None,
    below: Annotated[
        str | None,
        typer.Option(
            "--below", metavar="ID", help="The record that a new one is below, such as the deal of a product."
        ),
    ] = None,
    into: Annotated[
        str | None, typer.Option("--into", metavar="ID", help="The record that a merge leaves.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check and show, and change nothing.")] = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="Do not ask before a record is deleted, merged or converted.")
    ] = False,
    json: AsJson = False,
) -> None:
    """Show, create, change, delete, merge, convert, archive or restore one record of the account.

    A property is named by its key, its name in v1 or its label; an option by its label; users, stages,
    pipelines, labels, persons and organizations by id or name. Everything is checked before anything is
    sent, and all that is wrong is said at once. A record below another one has both ids, such as
    `deal_products 7/21`. `undo` takes back the last change that this command made of a record. Changes need
    PIPEDRIVE_ALLOW_WRITES=true.

    Try:

        pipedrive-orchestration record show deals 7

        pipedrive-orchestration record create persons --set name="Ada Lovelace" --set email=ada@example.com

        pipedrive-orchestration record update deals 7 --set status=won --dry-run

        pipedrive-orchestration record delete activities 12 --yes

        pipedrive-orchestration record merge persons 12 --into 7

        pipedrive-orchestration record create deal_products --below 7 --set product_id=3 --set quantity=2

        pipedrive-orchestration record convert leads 0b9f0a3e-6a52-4f0e-9a58-0f8f3a4f1d11

        pipedrive-orchestration record undo deals 7
    """
    if (record_id is None) != (action is Action.CREATE):
        raise typer.BadParameter("a new record has no id yet." if record_id else "name the record's id.")
    if (into is None) == (action is Action.MERGE):
        raise typer.BadParameter("a merge, and nothing else, names the record that it leaves: --into ID.")
    with explained(err):
        given = _given(set_ or [], from_)
        if given and action not in (Action.CREATE, Action.UPDATE):
            raise typer.BadParameter(f"{action} takes no values.")
        environment = Environment.read()
        writable = writable_type(object_type)
        if action is Action.SHOW:
            assert record_id is not None
            _show(environment, writable, record_id, json=json)
        else:
            if not dry_run:
                require_permission(allowed=environment.settings.allow_writes)
            ask = not yes and not dry_run
            is_project = action is Action.ARCHIVE and not writable.can_be_archived
            if record_id is not None and action is Action.UNDO:
                _undo(environment, writable, record_id, ask=ask, dry_run=dry_run, json=json)
            elif record_id is not None and (action in (Action.MERGE, Action.CONVERT) or is_project):
                if is_project and writable.name != "projects":
                    raise InvalidBodyError([Problem("type", "not_offered", _NOT_ARCHIVED)])
                how = {"ask": ask, "dry_run": dry_run, "json": json}
                _transition(environment, action, writable, record_id, into, **how)
            else:
                if action is Action.ARCHIVE:
                    given = {"is_archived": True}
                wanted = _Wanted(action, writable, record_id, below, given)
                ask = ask and action is Action.DELETE
                _change(environment, wanted, ask=ask, dry_run=dry_run, json=json)


_NOT_ARCHIVED = "Pipedrive archives deals, leads and projects, and nothing else."


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What somebody wants of one record."""

    action: Action
    writable: WritableType
    record_id: str | None
    below: str | None
    given: Mapping[str, Any]


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


def _transition(
    environment: Environment,
    action: Action,
    writable: WritableType,
    record_id: str,
    into: str | None,
    *,
    ask: bool,
    dry_run: bool,
    json: bool,
) -> None:
    """A merge, a conversion, or the archiving of a project."""

    async def preparing() -> tuple[str, str]:
        async with Client(environment.connection) as client:
            if into is not None:
                return await prepare_merge(client, writable, record_id, into)
            prepare = prepare_conversion if action is Action.CONVERT else prepare_archiving
            return await prepare(client, writable, record_id), ""

    async def carrying_out() -> Outcome:
        async with Client(environment.connection) as client:
            entry = Entry(1, action.value, record_id, name, {"into": into} if into else {})
            return await keep(
                client, environment.warehouse, entry, change, object_type=writable.name, cost=cost
            )

    async def change(client: Client) -> Outcome:
        if into is not None:
            return await merge(client, writable, record_id, into)
        carry = convert if action is Action.CONVERT else archive_project
        return await carry(client, writable, record_id)

    cost = {Action.MERGE: MERGE_COST, Action.CONVERT: CONVERSION_COST}.get(action, ARCHIVE_COST)
    with busy("Checking"):
        name, survivor = asyncio.run(preparing())
    what = f"{writable.name} {record_id}, {name}" + (f", into {into}, {survivor}" if into else "")
    outcome = None
    if not dry_run:
        if ask and not typer.confirm(f"{action.capitalize()} {what}? It cannot be taken back.", err=True):
            raise typer.Exit(1)
        with busy("Writing"):
            outcome = asyncio.run(carrying_out())
        if outcome.status is not Status.DONE:
            raise RecordRefusedError(f"{writable.name}: not {_PAST[action]}: {outcome.reason}")
    _report_transition(action, writable, what, into, outcome, cost, json=json)


def _report_transition(
    action: Action,
    writable: WritableType,
    what: str,
    into: str | None,
    outcome: Outcome | None,
    cost: int,
    *,
    json: bool,
) -> None:
    if json:
        left = into if outcome is None or outcome.record_id is None else outcome.record_id
        status = "done" if outcome else "dry run"
        told = {"type": writable.name, "id": left, "change": action.value, "status": status}
        request_id, note = (outcome.request_id, outcome.reason) if outcome else (None, None)
        print_json({**told, "values": [], "request_id": request_id, "note": note})
    elif outcome is None:
        say(f"Would {action.value} {what} for {cost} tokens; nothing was sent.")
    else:
        say(f"{_PAST[action].capitalize()} {what}{_became(action, writable, outcome)}.")


def _became(action: Action, writable: WritableType, outcome: Outcome) -> str:
    if action is not Action.CONVERT:
        return ""
    return f": now one of {CONVERTED[writable.name][1]}, {outcome.record_id or 'whose id is not known'}"


_PAST = {Action.MERGE: "merged", Action.CONVERT: "converted", Action.ARCHIVE: "archived"}


def _undo(
    environment: Environment, writable: WritableType, record_id: str, *, ask: bool, dry_run: bool, json: bool
) -> None:
    warehouse = environment.warehouse
    last = last_change(warehouse, writable.name, record_id)
    planning = Planning(environment.project, environment.connection, warehouse, warehouse.folder, ())
    with busy("Checking"):
        plan = plan_undo(last, planning)
        with warehouse.reading() as connection:
            rows = rows_of(connection, plan.plan_id)
    if not plan.changes:
        raise RecordRefusedError(f"{writable.name} {record_id}: {rows[0].entry.reason}")
    if not json:
        table = Table(*COLUMNS)
        for line in lines_of(rows):
            table.add_row(*(Text(cell, overflow="fold") for cell in line))
        out.print(table)
    if dry_run:
        say(f"Would take that back for {plan.estimated_tokens} tokens; nothing was sent.", to=err)
        return
    if ask and plan.deletes and not typer.confirm(f"Delete {writable.name} {record_id}?", err=True):
        raise typer.Exit(1)
    with busy("Writing"):
        apply_plan(plan.plan_id, planning, None)
        with warehouse.reading() as connection:
            (row, *_) = rows_of(connection, plan.plan_id)
    if row.status != Status.DONE:
        raise RecordRefusedError(f"{writable.name} {record_id}: not taken back: {row.entry.reason}")
    if json:
        told = {"type": writable.name, "id": record_id, "change": "undo", "status": "done"}
        print_json({**told, "values": [], "request_id": row.request_id, "note": row.entry.reason})
        return
    say(f"{writable.name} {record_id}: taken back.")


def _change(environment: Environment, wanted: _Wanted, *, ask: bool, dry_run: bool, json: bool) -> None:
    with busy("Checking"):
        prepared = asyncio.run(_prepare(environment, wanted))
    if not json:
        _print_change(prepared)
    if prepared.is_empty or dry_run:
        _report(prepared, None, json=json)
        return
    if ask and not typer.confirm(
        f"Delete {wanted.writable.name} {wanted.record_id}, {prepared.name}?", err=True
    ):
        raise typer.Exit(1)
    with busy("Writing"):
        outcome = asyncio.run(_carry_out(environment, prepared))
    _report(prepared, outcome, json=json)


async def _prepare(environment: Environment, wanted: _Wanted) -> PreparedChange:
    writable, record_id = wanted.writable, wanted.record_id
    async with Client(environment.connection) as client:
        if record_id is None:
            parents = tuple(wanted.below.split("/")) if wanted.below else ()
            return await prepare_creation(client, writable, wanted.given, parents)
        if wanted.action is Action.DELETE:
            return await prepare_deletion(client, writable, record_id)
        if wanted.action is Action.RESTORE:
            return await prepare_restoration(client, writable, record_id)
        return await prepare_update(client, writable, record_id, wanted.given)


async def _carry_out(environment: Environment, prepared: PreparedChange) -> Outcome:
    async with Client(environment.connection) as client:
        return await make_change(client, environment.warehouse, prepared)


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

"""Commands about the project's sources: ``create``, ``list``, ``show``, ``status``, ``schedule``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from itertools import takewhile
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from pipedrive_orchestration.cli.arguments import AsJson, BodyFile, Slug
from pipedrive_orchestration.cli.environment import Environment
from pipedrive_orchestration.cli.errors import BAD_INPUT, CommandError, explained
from pipedrive_orchestration.cli.output import Outcome, as_json, busy, err, out, outcomes_of, print_json
from pipedrive_orchestration.orchestration.source.table_metadata import table_name
from pipedrive_orchestration.services.deployment import deployed
from pipedrive_orchestration.services.lifecycle import (
    StatusConflictError,
    create_source,
    pause_source,
    resume_source,
)
from pipedrive_orchestration.services.status import SourceState, Status, all_states, state_of
from pipedrive_orchestration.sources import BadFile, Source, is_expired, next_ticks, read_body
from pipedrive_orchestration.warehouse.tables import LABELED

_STYLES = {
    Status.ACTIVE: "green",
    Status.PAUSED: "yellow",
    Status.PAUSED_OUT_OF_CREDITS: "red",
    Status.EXPIRED: "yellow",
    Status.DELETED: "dim",
}


class Switch(StrEnum):
    """What a source can be set to."""

    ACTIVE = "active"
    PAUSED = "paused"


class CannotSwitchError(CommandError):
    """A source cannot take the status that it is given; the message says why and what to do."""

    exit_code = BAD_INPUT


def create(
    file: BodyFile,
    *,
    slug: Annotated[
        str | None,
        typer.Option(help="Name of file, asset and table; made from the body's name if not given."),
    ] = None,
    json: AsJson = False,
) -> None:
    """Create a source from a file: check it against the account, add it to the project, start its import.

    Where the daily token budget, or options.max_tokens, cannot pay for the first import, the source is
    created and its import waits (paused_out_of_credits). Preview the same file first.

    Try:

        pipedrive-orchestration preview draft.yaml

        pipedrive-orchestration create draft.yaml --slug key_deals
    """
    with explained(err):
        environment = Environment.read()
        _refuse_a_file_of_the_project(file, environment)
        body = read_body(file, datetime.now(UTC).date())
        connection = environment.connection
        with deployed(environment.settings) as deployment, busy("Creating"):
            created = create_source(deployment, body, connection=connection, slug=slug)
            state = state_of(deployment, created.source)
    if json:
        print_json(_state_as_json(state) | {"warning": created.warning})
        return
    out.print(f"Created {environment.store.folder / created.source.slug}.yaml", markup=False, highlight=False)
    for note in (created.hold, created.warning):
        if note:
            out.print(str(note), style="yellow", markup=False, highlight=False)


def _refuse_a_file_of_the_project(file: Path, environment: Environment) -> None:
    if file.resolve().parent == environment.store.folder.resolve():
        raise typer.BadParameter(
            f"{file} is in the project, so it is a source already: `import {file.stem}` imports it. "
            "Create from a file that lies elsewhere."
        )


def list_sources(*, json: AsJson = False) -> None:
    """List the sources of the project with status, next tick and rows; also the files that are left out.

    Try:

        pipedrive-orchestration list

        pipedrive-orchestration list --json | jq -r '.sources[] | select(.status == "paused") | .source'
    """
    with explained(err):
        environment = Environment.read()
        with deployed(environment.settings) as deployment:
            states = all_states(deployment)
            bad_files = deployment.store.load().bad_files
        outcomes = outcomes_of(environment.warehouse, {state.source.slug: "" for state in states})
    if json:
        sources = [
            _state_as_json(state) | _rows_as_json(outcome)
            for state, outcome in zip(states, outcomes, strict=True)
        ]
        print_json({"sources": sources, "bad_files": [_bad_file_as_json(bad) for bad in bad_files]})
        return
    out.print(_table_of(states, outcomes))
    for bad in bad_files:
        err.print(str(bad), style="red", markup=False, highlight=False, soft_wrap=True)


def _table_of(states: Sequence[SourceState], outcomes: Sequence[Outcome]) -> Table:
    table = Table("source", "object type", "status", "next tick (UTC)")
    table.add_column("rows", justify="right")
    table.add_column("last import (UTC)")
    for state, outcome in zip(states, outcomes, strict=True):
        entry = outcome.entry
        table.add_row(
            state.source.slug,
            state.source.object_type,
            _status_text(state),
            _minute(state.next_tick),
            f"{outcome.current:,}" if entry else "",
            _minute(entry.finished_at) if entry else "",
        )
    return table


def _status_text(state: SourceState) -> Text:
    importing = ", importing" if state.is_importing else ""
    return Text(f"{state.status}{importing}", style=_STYLES.get(state.status, ""))


def _minute(instant: datetime | None) -> str:
    return f"{instant:%Y-%m-%d %H:%M}" if instant else ""


def show(slug: Slug, *, json: AsJson = False) -> None:
    """Show a source: its status, its tables, its last import, and its body as a file would hold it.

    Try:

        pipedrive-orchestration show all_deals
    """
    with explained(err):
        environment = Environment.read()
        with deployed(environment.settings) as deployment:
            source = deployment.store.load().find(slug)
            state = state_of(deployment, source)
        (outcome,) = outcomes_of(environment.warehouse, {slug: ""})
    if json:
        print_json(
            _state_as_json(state)
            | _rows_as_json(outcome)
            | {"table": table_name(source), "labeled_view": f"{LABELED}.{slug}", "body": source.body}
        )
        return
    facts = Table(show_header=False, box=None)
    for name, value in _facts(state, outcome):
        facts.add_row(Text(name, style="dim"), value)
    out.print(facts)
    body = yaml.safe_dump(source.body, sort_keys=False, allow_unicode=True, width=100)
    out.print(f"\n{escape(body)}", highlight=False, end="")


def _facts(state: SourceState, outcome: Outcome) -> Iterator[tuple[str, Text | str]]:
    source, entry = state.source, outcome.entry
    yield "name", Text(source.name)
    yield "id", str(source.id)
    yield "created", f"{_minute(source.created_at)} UTC"
    yield "status", _status_text(state)
    if state.hold:
        yield "waits", Text(str(state.hold))
    if state.next_tick:
        yield "next tick", f"{_minute(state.next_tick)} UTC"
    yield "table", f"{table_name(source)}, under labels {LABELED}.{source.slug}"
    if entry:
        yield "rows", f"{outcome.current:,} current"
        yield (
            "last import",
            f"{entry.pull}, {_minute(entry.finished_at)} UTC, {entry.tokens:,} tokens, {entry.seconds:.1f} s",
        )
    if outcome.watermark:
        yield "watermark", f"{outcome.watermark:%Y-%m-%d %H:%M:%S} UTC"


def status(
    slug: Slug,
    to: Annotated[Switch, typer.Argument(metavar="active|paused", help="What to set the source to.")],
    *,
    json: AsJson = False,
) -> None:
    """Pause a source's schedule, or set it active again: the same switch as in Dagster's UI.

    Setting a source active also starts a first import that waits for tokens. A static source has nothing
    to pause, and an expired one stays expired until its file has a later date: exit code 2.

    Try:

        pipedrive-orchestration status all_deals paused
    """
    with explained(err):
        environment = Environment.read()
        with deployed(environment.settings) as deployment:
            source = deployment.store.load().find(slug)
            change = pause_source if to is Switch.PAUSED else resume_source
            try:
                state = change(deployment, source)
            except StatusConflictError as conflict:
                raise CannotSwitchError(str(conflict)) from None
    if json:
        print_json(_state_as_json(state))
        return
    tick = f"; next tick {_minute(state.next_tick)} UTC" if state.next_tick else ""
    out.print(f"{slug} is {state.status}{tick}", highlight=False)


def schedule(
    slug: Slug,
    *,
    count: Annotated[int, typer.Option("--count", "-n", help="How many ticks.", min=1, max=1000)] = 10,
    json: AsJson = False,
) -> None:
    """Show when a source is imported next, in UTC.

    A paused source has no ticks until it is set active, a static one never has any.

    Try:

        pipedrive-orchestration schedule all_deals -n 3
    """
    with explained(err):
        environment = Environment.read()
        with deployed(environment.settings) as deployment:
            source = deployment.store.load().find(slug)
            state = state_of(deployment, source)
    ticks = _ticks(state, count)
    if json:
        shown = {"source": slug, "schedule": source.schedule, "status": state.status.value, "ticks": ticks}
        print_json(shown)
        return
    if source.schedule is None:
        out.print(f"{slug} is static: it is imported by hand only.", highlight=False)
        return
    out.print(f"{slug} is {state.status}, at {source.schedule} (UTC)", markup=False, highlight=False)
    for tick in ticks:
        out.print(f"{tick:%a %Y-%m-%d %H:%M}", highlight=False)


def _ticks(state: SourceState, count: int) -> list[datetime]:
    source = state.source
    if source.schedule is None or state.status in (Status.PAUSED, Status.EXPIRED, Status.DELETED):
        return []
    following = next_ticks(source.schedule, datetime.now(UTC), count)
    return list(takewhile(lambda tick: not is_expired(source, tick), following))


def _state_as_json(state: SourceState) -> dict[str, Any]:
    source: Source = state.source
    hold = state.hold
    return {
        "source": source.slug,
        "source_instance_id": str(source.id),
        "name": source.name,
        "object_type": source.object_type,
        "pull_mode": source.pull_mode,
        "created_at": source.created_at,
        "status": state.status.value,
        "next_tick": state.next_tick,
        "is_importing": state.is_importing,
        "hold": hold
        and {"estimated_tokens": hold.estimated_tokens, "budget": hold.budget, "until": hold.until},
    }


def _rows_as_json(outcome: Outcome) -> dict[str, Any]:
    shown: Mapping[str, Any] = as_json(outcome, None)
    imported = {key: value for key, value in shown.items() if key not in ("source", "state", "watermark")}
    if outcome.entry:
        imported["finished_at"] = outcome.entry.finished_at
    return {"rows": outcome.current, "watermark": outcome.watermark, "last_import": imported or None}


def _bad_file_as_json(bad: BadFile) -> dict[str, Any]:
    problems = [
        {"field": problem.field, "code": problem.code, "message": problem.message} for problem in bad.problems
    ]
    return {"path": bad.path, "problems": problems}

"""``object-type``: collections of Pipedrive that a file of the project adds to the built-in ones."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer
from rich.table import Table

from pipedrive_orchestration.cli.arguments import AsJson, known_own_object_types
from pipedrive_orchestration.cli.environment import Environment
from pipedrive_orchestration.cli.errors import explained
from pipedrive_orchestration.cli.output import busy, err, out, print_json, say
from pipedrive_orchestration.services.object_types import Trial, add_properties, try_object_type


class Action(StrEnum):
    """What is done with an object type."""

    TRY = "try"


def object_type(
    action: Annotated[Action, typer.Argument(help="What to do.", show_default=False)],  # noqa: ARG001
    name: Annotated[
        str,
        typer.Argument(
            help="Its file's name without .yaml.", autocompletion=known_own_object_types, show_default=False
        ),
    ],
    *,
    write: Annotated[
        bool, typer.Option("--write", help="Write the properties that are new into the file.")
    ] = False,
    json: AsJson = False,
) -> None:
    """Try a collection that project/object_types/NAME.yaml describes: read one page, propose its properties.

    The file needs path and tokens, and what else docs/collections.md names; properties may be missing.
    Types are guesses from the values on that page: read them before you keep them.

    Try:

        pipedrive-orchestration object-type try meeting_types

        pipedrive-orchestration object-type try meeting_types --write
    """
    with explained(err):
        environment = Environment.read()
        with busy("Reading a page"):
            trial = try_object_type(environment.project, name, connection=environment.connection)
        if write and trial.new:
            add_properties(trial.path, trial.new)
    if json:
        print_json(_as_json(trial))
        return
    if trial.proposal.properties:
        out.print(_table_of(trial))
    out.print(
        f"{trial.proposal.records:,} records read, for {trial.proposal.tokens} tokens; "
        f"{len(trial.new)} properties are new",
        highlight=False,
    )
    if write and trial.new:
        say(f"Wrote {trial.path}")


def _table_of(trial: Trial) -> Table:
    table = Table("property", "type", "")
    for key, field_type in trial.proposal.properties.items():
        remarks = [] if key in trial.new else ["in the file"]
        if key in trial.proposal.unseen:
            remarks.append("no value was seen")
        table.add_row(key, trial.known.get(key, field_type), ", ".join(remarks))
    return table


def _as_json(trial: Trial) -> dict[str, object]:
    return {
        "properties": dict(trial.proposal.properties),
        "new": list(trial.new),
        "unseen": list(trial.proposal.unseen),
        "records": trial.proposal.records,
        "tokens": trial.proposal.tokens,
    }

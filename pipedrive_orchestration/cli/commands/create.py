"""``create``: a new source from a file, checked against the account."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from pipedrive_orchestration.cli.arguments import AsJson, BodyFile
from pipedrive_orchestration.cli.environment import Environment
from pipedrive_orchestration.cli.errors import explained
from pipedrive_orchestration.cli.output import busy, err, print_json, say
from pipedrive_orchestration.cli.states import state_as_json
from pipedrive_orchestration.services.deployment import deployed
from pipedrive_orchestration.services.lifecycle import create_source
from pipedrive_orchestration.services.status import state_of
from pipedrive_orchestration.sources import SourceBody, read_file


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
        today = datetime.now(UTC).date()
        parse = partial(SourceBody.parse, catalogue=environment.store.catalogue, created_on=today)
        body = read_file(file, parse)
        connection = environment.connection
        with deployed(environment.settings) as deployment, busy("Creating"):
            created = create_source(deployment, body, connection=connection, slug=slug)
            state = state_of(deployment, created.source)
    if json:
        print_json(state_as_json(state) | {"warning": created.warning})
        return
    say(f"Created {environment.store.folder / created.source.slug}.yaml")
    for note in (created.hold, created.warning):
        if note:
            say(note, style="yellow")


def _refuse_a_file_of_the_project(file: Path, environment: Environment) -> None:
    if file.resolve().parent == environment.store.folder.resolve():
        raise typer.BadParameter(
            f"{file} is in the project, so it is a source already: `import {file.stem}` imports it. "
            "Create from a file that lies elsewhere."
        )

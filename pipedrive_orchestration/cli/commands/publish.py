"""``publish``, and publishing at the end of commands that write to the database."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from pipedrive_orchestration.cli.arguments import AsJson
from pipedrive_orchestration.cli.environment import Environment
from pipedrive_orchestration.cli.errors import explained
from pipedrive_orchestration.cli.output import busy, err, out, print_json, say
from pipedrive_orchestration.warehouse import WarehouseError
from pipedrive_orchestration.warehouse.publish import PublishedCopy, Publisher


def publish(
    file: Annotated[
        Path | None,
        typer.Argument(help="Where the copy is to be; what PIPEDRIVE_PUBLISH names if not given."),
    ] = None,
    storage_version: Annotated[
        str | None,
        typer.Option(
            help="Write the copy in the format of this version of DuckDB, such as v1.2.0, which later ones "
            "open too; in the format of the database if not given.",
            metavar="VERSION",
        ),
    ] = None,
    json: AsJson = False,
) -> None:
    """Publish a read-only copy of the database, for other programs to open instead of the live file.

    The copy is of the last commit and takes the place of the one before in one step. Programs that have
    that one open go on reading it until they open the file again.

    Try:

        pipedrive-orchestration publish data/published.duckdb

        pipedrive-orchestration publish data/for_reports.duckdb --storage-version v1.2.0
    """
    with explained(err):
        environment = Environment.read()
        if file is not None:
            environment = environment.but(publish=file)
        publisher = Publisher.from_settings(environment.settings, storage_version)
        if publisher is None:
            raise typer.BadParameter("name the file to publish to, or set PIPEDRIVE_PUBLISH.")
        with busy("Publishing"):
            copy = publisher.publish()
    if json:
        database = environment.warehouse.database
        print_json({"database": database, "published_copy": copy.path, "published_at": copy.published_at,
                    "published_bytes": copy.bytes})  # fmt: skip
    else:
        _say(copy, out)


def publish_what_is_new(environment: Environment, console: Console) -> None:
    """Publish what a command has written, where ``PIPEDRIVE_PUBLISH`` asks for it.

    The command has done its work by then: that nothing can be published is only said.
    """
    if not environment.warehouse.exists:
        return
    try:
        publisher = Publisher.from_settings(environment.settings)
        if publisher is not None:
            _say(publisher.publish(), console)
    except WarehouseError as error:
        say(error, to=console, style="yellow")


def _say(copy: PublishedCopy, console: Console) -> None:
    text = f"Published copy: {copy.path}, {copy.bytes / 1e6:,.1f} MB"
    say(text, to=console)

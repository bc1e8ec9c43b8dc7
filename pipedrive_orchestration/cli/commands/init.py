"""``init``: lays out a folder to work in, from the template."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipedrive_orchestration.cli.arguments import AsJson
from pipedrive_orchestration.cli.errors import explained
from pipedrive_orchestration.cli.output import err, out, print_json, say, this_command
from pipedrive_orchestration.template import Layout, lay_out

_PURPOSES = {
    "project": "the sources and workflows: examples to change or delete",
    ".env": "for the token of your account; only you can read it",
    ".env.example": "the same without secrets, to be shared",
    ".gitignore": "keeps secrets, state and data out of version control",
    "dagster.yaml": "Dagster's settings: everything it writes goes into .state/",
    "workspace.yaml": "what Dagster loads",
}


def init(
    folder: Annotated[Path, typer.Argument(help="The folder; it is made if it does not exist.")] = Path(),
    *,
    json: AsJson = False,
) -> None:
    """Lay out a folder to work in, with examples. Changes nothing that is there.

    Try:

        pipedrive-orchestration init crm
    """
    with explained(err):
        laid = lay_out(folder)
    if json:
        print_json({"folder": folder.resolve(), "written": laid.written, "kept": laid.kept})
        return
    show_layout(out, folder, laid)
    go = "" if folder.resolve() == Path.cwd() else f"cd {folder} && "
    say(f"Next: {go}{this_command()} demo, which needs no account;")
    say("or write the token of your account into .env, then: check, import, dev.")


def show_layout(console: Console, folder: Path, laid: Layout) -> None:
    """Print what is new in a folder, and what was left alone."""
    if laid.written:
        say(f"New in {folder.resolve()}:", to=console)
        table = Table(show_header=False, box=None)
        for name in sorted(laid.written, key=list(_PURPOSES).index):
            table.add_row(Text(f"  {name}", style="bold"), _PURPOSES[name])
        console.print(table)
    if laid.kept:
        kept = ", ".join(sorted(laid.kept, key=list(_PURPOSES).index))
        say(f"Left as it was: {kept}", to=console)

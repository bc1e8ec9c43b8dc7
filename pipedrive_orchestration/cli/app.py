"""The commands of ``pipedrive-orchestration``, by name; each is imported when it is called."""

from __future__ import annotations

import os
import resource

import typer

from pipedrive_orchestration.cli.lazy import Outline, group_of
from pipedrive_orchestration.process_exit import run_to_exit

ACCOUNT = "The account"
SOURCES = "The sources of the project"
DATA = "Their data"
API = "For other programs"
START = "To begin"

OUTLINES = (
    Outline(
        "init",
        "init:init",
        "Lay out a folder to work in, with examples. Changes nothing that is there.",
        START,
    ),
    Outline(
        "doctor",
        "doctor:doctor",
        "Look for what is wrong on this machine, and say how to mend it.",
        START,
    ),
    Outline("connect", "connect:connect", "Check the connection and show whose account it is.", ACCOUNT),
    Outline(
        "options",
        "options:options",
        "List the properties that an object type has in your account.",
        ACCOUNT,
    ),
    Outline(
        "preview",
        "preview:preview",
        "Show which records a source would import, and what that would cost. Writes nothing.",
        ACCOUNT,
    ),
    Outline(
        "search",
        "search:search_items",
        "Search the account with Pipedrive's own search, and show what it finds with its address.",
        ACCOUNT,
    ),
    Outline(
        "record",
        "record:record",
        "Show, create, change, delete, merge, convert, archive or restore one record of the account.",
        ACCOUNT,
    ),
    Outline(
        "object-type",
        "object_type:object_type",
        "Try a collection that project/object_types/NAME.yaml describes: read one page, propose its "
        "properties.",
        SOURCES,
    ),
    Outline(
        "check",
        "check:check",
        "Check the files of the project, without account, database or Dagster.",
        SOURCES,
    ),
    Outline(
        "create",
        "create:create",
        "Create a source from a file: check it against the account, add it to the project, start its import.",
        SOURCES,
    ),
    Outline(
        "list",
        "list:list_sources",
        "List the sources of the project with status, next tick and rows; also the files that are left out.",
        SOURCES,
    ),
    Outline(
        "show",
        "show:show",
        "Show a source: its status, its tables, its last import, and its body as a file would hold it.",
        SOURCES,
    ),
    Outline(
        "status",
        "status:status",
        "Show how the sources are, or pause a source's schedule and set it active again.",
        SOURCES,
    ),
    Outline(
        "alerts",
        "alerts:alerts",
        "Send every address a test message, or list what is wrong and was told of.",
        SOURCES,
    ),
    Outline("schedule", "schedule:schedule", "Show when a source is imported next, in UTC.", SOURCES),
    Outline("data", "data:data", "Show the current rows of a source, or write all of them.", DATA),
    Outline(
        "sync",
        "sync:sync",
        "Bring the rows of a source into a workflow, and keep the link in the workflow's file.",
        DATA,
    ),
    Outline(
        "models",
        "models:models",
        "Build the models of the project, test them, and show what is in them.",
        DATA,
    ),
    Outline(
        "write",
        "write:write",
        "Plan what rows change at Pipedrive, apply a plan, and take it back.",
        DATA,
    ),
    Outline(
        "diff",
        "diff:diff",
        "Show which records of a source came, went and changed between two instants, property by property.",
        DATA,
    ),
    Outline(
        "quality",
        "quality:quality",
        "Show what is wrong with the account's data, by rule, and what is new or gone since the day before.",
        DATA,
    ),
    Outline(
        "report",
        "report:report",
        "Write a page with the charts and tables of the models, which needs no network.",
        DATA,
    ),
    Outline(
        "publish",
        "publish:publish",
        "Publish a read-only copy of the database, for other programs to open instead of the live file.",
        DATA,
    ),
    Outline(
        "warehouse",
        "warehouse:warehouse",
        "Show what a lake consists of, merge its files, or move a warehouse to another place.",
        DATA,
    ),
    Outline(
        "webhooks",
        "webhooks:webhooks",
        "Make Pipedrive tell of changes by itself, and look whether it does.",
        ACCOUNT,
    ),
    Outline("serve", "serve:serve", "The HTTP API, with its documentation at /api/v1/docs.", API),
    Outline(
        "mcp",
        "mcp:mcp",
        "Answer programs that speak the Model Context Protocol, from the published copy and read-only.",
        API,
    ),
    Outline(
        "make-key",
        "make_key:make_key",
        "Make a key for the HTTP API: the secret for the caller, and the entry for PIPEDRIVE_API_KEYS.",
        API,
    ),
    Outline(
        "import",
        "import_:import_",
        "Import sources, and record it in Dagster as it would be from its UI.",
        DATA,
    ),
    Outline(
        "demo",
        "demo:demo",
        "Import the project from the embedded demo account; run it again to see changes arrive.",
        START,
    ),
    Outline(
        "dev",
        "dev:dev",
        "Dagster's UI and daemon, on your account if there is a token and on the demo account if not.",
        START,
    ),
)
"""Every command, in the order in which they are listed."""

app = typer.Typer(
    name="pipedrive-orchestration",
    cls=group_of(OUTLINES),
    help="Brings a Pipedrive CRM into DuckDB with Dagster, and keeps it there.",
    epilog="Exit codes: 0 done, 1 failed, 2 bad input, 4 not connected, 130 broken off with Ctrl-C.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_show_locals=False,
)


@app.callback()
def _before_any_command() -> None:
    """Nothing; with this Typer knows a group of commands though none of them is registered here."""


def main() -> None:
    """Entry point of the ``pipedrive-orchestration`` command."""
    # Rows, pages, logs and Dagster's state are for their owner only, whoever makes the file.
    os.umask(0o077)
    # What is in memory, tokens too, would lie in a file where a process ends in a bad way.
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    run_to_exit(app)

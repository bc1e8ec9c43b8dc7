"""Commands that look at the account and change nothing: ``connect``, ``options``, ``preview``."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from pipedrive_orchestration.cli.arguments import AsJson, BodyFile, ObjectTypeName
from pipedrive_orchestration.cli.environment import Environment
from pipedrive_orchestration.cli.errors import explained
from pipedrive_orchestration.cli.output import busy, err, out, print_json, rows_table
from pipedrive_orchestration.importing import Preview, property_options
from pipedrive_orchestration.importing import preview as read_preview
from pipedrive_orchestration.pipedrive.account import Account, read_account
from pipedrive_orchestration.pipedrive.auth import Connection
from pipedrive_orchestration.sources import SourceBody, read_body
from pipedrive_orchestration.sources.model import is_slug
from pipedrive_orchestration.sources.yaml_files import read_source_file

_OPTIONS_SHOWN = 5


def connect(*, json: AsJson = False) -> None:
    """Check the connection and show whose account it is.

    Shows the company, the user whose records are seen, the plan's limits and the tokens left today. Costs
    2 tokens. Exit code 4 if there is no connection.

    Try:

        pipedrive-orchestration connect

        pipedrive-orchestration connect --json | jq .daily_tokens_left
    """
    with explained(err), busy("Asking Pipedrive"):
        connection = Environment.read().connection
        account = asyncio.run(read_account(connection))
    if json:
        print_json({"connected": True, "signed_in_with": _secret_of(connection), **asdict(account)})
        return
    table = Table(show_header=False, box=None)
    for name, value in _account_lines(connection, account):
        table.add_row(Text(name, style="dim"), Text(value))
    out.print(table)


def _secret_of(connection: Connection) -> str:
    return "oauth" if connection.oauth else "api_token"


def _account_lines(connection: Connection, account: Account) -> Iterable[tuple[str, str]]:
    host = f" ({account.domain}.pipedrive.com)" if account.domain else ""
    administrator = ", administrator" if account.is_admin else ""
    yield "company", f"{account.company}{host}"
    yield "user", f"{account.user} <{account.email}>{administrator}"
    yield "signed in with", "an installed app (OAuth)" if connection.oauth else "an API token"
    if account.burst_limit is not None:
        yield "burst limit", f"{account.burst_limit:,} requests in {account.burst_seconds:g} s"
    if account.daily_tokens is not None:
        yield "daily budget", f"{account.daily_tokens:,} tokens, of the company"
    if account.daily_tokens_left is not None:
        yield "left today", f"{account.daily_tokens_left:,} tokens"


def options(object_type: ObjectTypeName, *, json: AsJson = False) -> None:
    """List the properties that an object type has in your account.

    With --json the list is accepted as properties_metadata of a source, as it is.

    Try:

        pipedrive-orchestration options deals

        pipedrive-orchestration options persons --json | jq -r '.[] | select(.extras.is_custom) | .value'
    """
    with explained(err), busy(f"Reading the fields of {object_type}"):
        found = property_options(object_type, connection=Environment.read().connection)
    if json:
        print_json(found)
        return
    table = Table("property", "label", "field type", "column", "options", caption_justify="left")
    for option in found:
        extras = option["extras"]
        label = Text(option["label"], style="bold" if extras["is_custom"] else "")
        names = [label, extras["field_type"], extras["column_type"], _choices(extras.get("options", []))]
        table.add_row(option["value"], *names)
    table.caption = f"{len(found)} properties; bold labels are custom fields"
    out.print(table)


def _choices(choices: Sequence[Mapping[str, Any]]) -> str:
    shown = [str(choice["label"]) for choice in choices[:_OPTIONS_SHOWN]]
    more = len(choices) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


def preview(
    file: BodyFile,
    *,
    rows: Annotated[int, typer.Option(help="How many rows to show.", min=1, max=100)] = 20,
    json: AsJson = False,
) -> None:
    """Show which records a source would import, and what that would cost. Writes nothing.

    Reads at most 10 pages; "capped" says that there are more records than those.

    Try:

        pipedrive-orchestration preview project/sources/open_deals.yaml

        pipedrive-orchestration preview draft.yaml --json | jq .estimated_tokens
    """
    with explained(err):
        body = body_of(file)
        with busy("Reading a few pages"):
            found = read_preview(body, connection=Environment.read().connection)
    if json:
        print_json(_preview_as_json(found, rows))
        return
    out.print(rows_table(list(found.labels.values()), found.texts[:rows], width=out.width))
    read = (
        "of those read; there are more than were read (capped)" if found.capped else "of all that there are"
    )
    out.print(f"{found.total_results:,} records match, {read}.", highlight=False)
    if found.restrictions:
        pushed = ", ".join(f"{name}={value}" for name, value in found.restrictions.items())
        out.print(f"Pipedrive itself filters by {pushed}.", markup=False, highlight=False)
    out.print(f"Importing everything costs about {found.estimated_tokens:,} tokens.", highlight=False)


def body_of(file: Path) -> SourceBody:
    """The body that a file holds: a source of the project, or a draft under any name.

    Raises:
        InvalidBodyError: with every problem of the content.
    """
    return read_source_file(file) if is_slug(file.stem) else read_body(file, datetime.now(UTC).date())


def _preview_as_json(found: Preview, rows: int) -> dict[str, Any]:
    return {
        "total_results": found.total_results,
        "capped": found.capped,
        "estimated_tokens": found.estimated_tokens,
        "pushed_down": dict(found.restrictions),
        "labels": found.labels,
        "rows": list(found.rows[:rows]),
    }

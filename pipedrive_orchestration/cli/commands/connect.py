"""``connect``: whose account it is, and what it may ask."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import asdict

from rich.table import Table
from rich.text import Text

from pipedrive_orchestration.cli.arguments import AsJson
from pipedrive_orchestration.cli.environment import Environment
from pipedrive_orchestration.cli.errors import explained
from pipedrive_orchestration.cli.output import busy, err, out, print_json
from pipedrive_orchestration.pipedrive.account import Account, read_account
from pipedrive_orchestration.pipedrive.auth import Connection


def connect(*, json: AsJson = False) -> None:
    """Check the connection and show whose account it is.

    Shows the company, the user whose records are seen, the plan's limits, the tokens left today, and what an
    installed app has no scope to read, with what that costs each object type. Costs 2 tokens. Exit code 4 if
    there is no connection.

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
    for right in account.missing_rights:
        yield "may not read", str(right)

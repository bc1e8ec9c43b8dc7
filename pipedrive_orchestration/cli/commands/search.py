"""``search``: Pipedrive's own search, with names and links."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from pipedrive_orchestration.cli.arguments import AsJson
from pipedrive_orchestration.cli.environment import Environment
from pipedrive_orchestration.cli.errors import explained
from pipedrive_orchestration.cli.output import busy, err, out, print_json
from pipedrive_orchestration.pipedrive.account import read_domain
from pipedrive_orchestration.pipedrive.auth import Connection
from pipedrive_orchestration.pipedrive.client import Client
from pipedrive_orchestration.pipedrive.search import (
    ITEM_TYPES,
    MAX_PAGE_SIZE,
    SEARCH_FIELDS,
    FoundItem,
    search,
    shortest_term,
)
from pipedrive_orchestration.pipedrive.web_pages import page_of
from pipedrive_orchestration.sources.validation import near_matches

_DETAILS = ("organization", "person", "stage", "status", "value", "currency", "emails", "phones", "address")
"""What is shown of an item beside its name, where the answer has it."""


def search_items(
    term: Annotated[str, typer.Argument(help="What to look for, at least two characters.")],
    *,
    in_: Annotated[
        str, typer.Option("--in", help=f"Only in these, with commas: {', '.join(ITEM_TYPES)}.")
    ] = "",
    fields: Annotated[str, typer.Option(help=f"Only in these: {', '.join(SEARCH_FIELDS)}.")] = "",
    exact: Annotated[bool, typer.Option("--exact", help="Whole values only, whatever their case.")] = False,
    most: Annotated[int, typer.Option(help="How many to show at most.", min=1, max=1000)] = MAX_PAGE_SIZE,
    json: AsJson = False,
) -> None:
    """Search the account with Pipedrive's own search, and show what it finds with its address.

    Costs 20 tokens for every hundred items, and 2 for the company's address. What was written seconds ago
    may not be found yet.

    Try:

        pipedrive-orchestration search "ada lovelace"

        pipedrive-orchestration search ada@example.com --in persons,leads --fields email --exact
    """
    item_types = _chosen(in_, tuple(ITEM_TYPES), "--in")
    searched = _chosen(fields, SEARCH_FIELDS, "--fields")
    if len(term.strip()) < shortest_term(exact=exact):
        raise typer.BadParameter("a term has at least two characters, or one with --exact.")
    with explained(err):
        connection = Environment.read().connection
        with busy("Searching"):
            domain, found, tokens = asyncio.run(
                _search(connection, term.strip(), item_types, searched, exact=exact, most=most)
            )
    if json:
        print_json({"items": [_as_json(item, domain) for item in found], "tokens": tokens})
        return
    if found:
        out.print(_table_of(found, domain))
    out.print(f"{len(found):,} found, for {tokens} tokens", highlight=False)


async def _search(
    connection: Connection,
    term: str,
    item_types: Sequence[str],
    fields: Sequence[str],
    *,
    exact: bool,
    most: int,
) -> tuple[str | None, list[FoundItem], int]:
    async with Client(connection) as client:
        found = await search(client, term, item_types=item_types, fields=fields, exact=exact, most=most)
        domain = await read_domain(client)
        return domain, found, client.usage.tokens


def _chosen(text: str, choices: Sequence[str], option: str) -> list[str]:
    words = [word.strip() for word in text.split(",") if word.strip()]
    for word in words:
        if word not in choices:
            near = near_matches(word, choices)
            hint = f"did you mean {' or '.join(near)}?" if near else f"choose of {', '.join(choices)}."
            raise typer.BadParameter(f"{word!r} is not one of them: {hint}", param_hint=option)
    return words


def _table_of(found: Iterable[FoundItem], domain: str | None) -> Table:
    table = Table("type")
    table.add_column("id", justify="right", no_wrap=True)
    for name in ("name", "what else", "address"):
        table.add_column(name, overflow="fold")
    for item in found:
        address = page_of(domain, item.item_type, item.id) or ""
        table.add_row(
            item.item_type, str(item.id), Text(item.name), Text(_details(item)), Text(address, style="dim")
        )
    return table


def _details(item: FoundItem) -> str:
    return ", ".join(filter(None, (_text(item.item.get(name)) for name in _DETAILS)))


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return str(value.get("name") or "")
    if isinstance(value, list):
        return ", ".join(map(str, value[:2]))
    return "" if value is None else str(value)


def _as_json(item: FoundItem, domain: str | None) -> dict[str, Any]:
    return {
        "type": item.item_type,
        "id": item.id,
        "name": item.name,
        "score": item.score,
        "address": page_of(domain, item.item_type, item.id),
        "item": dict(item.item),
    }

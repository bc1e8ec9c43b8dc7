"""``diff``: what changed in a source between two instants."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.table import Table

from pipedrive_orchestration.cli.arguments import AsJson, Slug
from pipedrive_orchestration.cli.environment import Environment
from pipedrive_orchestration.cli.errors import explained
from pipedrive_orchestration.cli.output import err, out, print_json, say
from pipedrive_orchestration.warehouse.differences import Differences, differences

_FORMATS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"]


def diff(
    slug: Slug,
    since: Annotated[datetime, typer.Option("--from", help="The first instant, UTC.", formats=_FORMATS)],
    until: Annotated[
        datetime | None,
        typer.Option("--to", help="The second one; now if not given.", formats=_FORMATS, show_default=False),
    ] = None,
    rows: Annotated[int, typer.Option(help="How many differences to name.", min=1, max=100_000)] = 50,
    json: AsJson = False,
) -> None:
    """Show which records of a source came, went and changed between two instants, property by property.

    The source has to keep versions (`options: {history: true}`); what was before the first of them is not
    known.

    Try:

        pipedrive-orchestration diff all_deals --from 2026-06-01 --to 2026-07-01

        pipedrive-orchestration diff all_deals --from 2026-06-01T09:00 --json
    """
    with explained(err):
        environment = Environment.read()
        environment.store.load().find(slug)
        first, last = _utc(since), _utc(until) if until else datetime.now(UTC)
        if last < first:
            raise typer.BadParameter("--from has to be before --to.")
        with environment.warehouse.reading() as connection:
            found = differences(connection, slug, first, last, rows)
    if json:
        print_json(found.content(slug, first, last))
    else:
        _show(found, first)


def _utc(instant: datetime) -> datetime:
    return instant.replace(tzinfo=UTC)


def _show(found: Differences, since: datetime) -> None:
    if found.known_from and since < found.known_from:
        say(f"Nothing is known of before {found.known_from:%Y-%m-%d %H:%M} UTC.", to=err, style="yellow")
    say(f"{found.came:,} records came, {found.went:,} went, {found.changed:,} changed.")
    table = Table("id", "", "property", "old", "new")
    for one in found.first:
        table.add_row(str(one.record_id), one.kind, one.property or "", one.old or "", one.new or "")
    if found.first:
        out.print(table)

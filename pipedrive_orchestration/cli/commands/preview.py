"""``preview``: the records that a source would import, and their price."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

import typer

from pipedrive_orchestration.cli.arguments import AsJson, BodyFile
from pipedrive_orchestration.cli.environment import Environment
from pipedrive_orchestration.cli.errors import explained
from pipedrive_orchestration.cli.output import busy, err, out, print_json, say
from pipedrive_orchestration.cli.tables import rows_table
from pipedrive_orchestration.importing import Preview
from pipedrive_orchestration.importing import preview as read_preview
from pipedrive_orchestration.sources import draft_of, read_file


def preview(
    file: BodyFile,
    *,
    rows: Annotated[int, typer.Option(help="How many rows to show.", min=1, max=100)] = 20,
    json: AsJson = False,
) -> None:
    """Show which records a source would import, and what that would cost. Writes nothing.

    Reads at most 10 pages; "capped" says that there are more records than those. Of the file object_type,
    properties, properties_metadata, filters and options count; what only creation needs may be missing.

    Try:

        pipedrive-orchestration preview project/sources/open_deals.yaml

        pipedrive-orchestration preview draft.yaml --json | jq .estimated_tokens
    """
    with explained(err):
        environment = Environment.read()
        body = read_file(file, partial(draft_of, catalogue=environment.store.catalogue))
        with busy("Reading a few pages"):
            found = read_preview(body, connection=environment.connection)
    if json:
        print_json(_preview_as_json(found, rows))
        return
    out.print(rows_table(list(found.labels.values()), found.texts[:rows], width=out.width))
    read = (
        "of those read; there are more than were read (capped)" if found.capped else "of all that there are"
    )
    out.print(f"{found.total_results:,} records match, {read}.", highlight=False)
    for note in found.notes:
        err.print(f"Note: {note}", style="yellow", markup=False, highlight=False)
    if found.restrictions:
        pushed = ", ".join(f"{name}={value}" for name, value in found.restrictions.items())
        say(f"Pipedrive itself filters by {pushed}.")
    out.print(f"Importing everything costs about {found.estimated_tokens:,} tokens.", highlight=False)


def _preview_as_json(found: Preview, rows: int) -> dict[str, Any]:
    return {
        "total_results": found.total_results,
        "capped": found.capped,
        "estimated_tokens": found.estimated_tokens,
        "pushed_down": dict(found.restrictions),
        "notes": list(found.notes),
        "labels": found.labels,
        "rows": list(found.rows[:rows]),
    }

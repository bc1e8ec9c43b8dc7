"""``report``: the models of the project on one page."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from pipedrive_orchestration.cli.arguments import AsJson
from pipedrive_orchestration.cli.environment import Environment
from pipedrive_orchestration.cli.errors import explained
from pipedrive_orchestration.cli.output import busy, err, print_json, say
from pipedrive_orchestration.files import replace_content
from pipedrive_orchestration.models.report import Selection, make_report

_DAY = ["%Y-%m-%d", "%Y-%m"]


def report(
    output: Annotated[
        Path, typer.Option(help="Where the page is to be.", metavar="FILE", dir_okay=False)
    ] = Path("report.html"),
    first: Annotated[
        datetime | None, typer.Option("--from", help="The first day.", formats=_DAY, show_default=False)
    ] = None,
    last: Annotated[
        datetime | None, typer.Option("--to", help="The last day.", formats=_DAY, show_default=False)
    ] = None,
    pipeline: Annotated[str | None, typer.Option(help="Only this pipeline.", metavar="NAME")] = None,
    owner: Annotated[str | None, typer.Option(help="Only this user.", metavar="NAME")] = None,
    json: AsJson = False,
) -> None:
    """Write a page with the charts and tables of the models, which needs no network.

    It shows what the last `models build` made. What cannot be told by pipeline, user or day is shown whole.

    Try:

        pipedrive-orchestration report

        pipedrive-orchestration report --output june.html --from 2026-06-01 --to 2026-06-30

        pipedrive-orchestration report --pipeline Renewals
    """
    with explained(err):
        environment = Environment.read()
        selection = Selection(first and first.date(), last and last.date(), pipeline, owner)
        with busy("Drawing"):
            made = make_report(environment.warehouse, selection, environment.settings.report_zone)
        content = made.html.encode()
        # Names and figures of the account are for whoever made the page.
        replace_content(output.absolute(), content, mode=0o600)
    if json:
        print_json({
            "report": output.absolute(), "bytes": len(content), "as_of": made.as_of, "models": made.models,
            "charts": made.charts, "rows": made.rows,
        })  # fmt: skip
    else:
        say(f"{output}: {len(content) / 1e6:.1f} MB; open it in a browser.")

"""``import``: brings sources into the database, as runs that Dagster's UI shows."""

from __future__ import annotations

from typing import Annotated

import typer

from pipedrive_orchestration.cli.arguments import known_slugs
from pipedrive_orchestration.cli.commands.publish import publish_what_is_new
from pipedrive_orchestration.cli.environment import Environment
from pipedrive_orchestration.cli.errors import exit_code_of_import, explained
from pipedrive_orchestration.cli.imports import chosen_sources, import_sources
from pipedrive_orchestration.cli.outcomes import as_json, say_what_is_set_aside, show_outcomes
from pipedrive_orchestration.cli.output import err, out, print_json
from pipedrive_orchestration.importing import Pull
from pipedrive_orchestration.orchestration.in_process import ImportArguments
from pipedrive_orchestration.services.deployment import deployed


def import_(
    slugs: Annotated[
        list[str] | None,
        typer.Argument(help="Sources; all of the project if none.", autocompletion=known_slugs),
    ] = None,
    pull: Annotated[
        Pull | None,
        typer.Option(help="All windows, or the changes since the watermark; what is due if not given."),
    ] = None,
    first: Annotated[
        str | None, typer.Option("--from", help="First window to pull, YYYY-MM; implies --pull window.")
    ] = None,
    last: Annotated[
        str | None, typer.Option("--to", help="Last window to pull, YYYY-MM; implies --pull window.")
    ] = None,
    accept_user: Annotated[
        bool,
        typer.Option(
            "--accept-user",
            help="Remove rows that the connected user does not see and another one saw; "
            "implies --pull window.",
        ),
    ] = False,
    json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object for a single source, else a list of them.")
    ] = False,
) -> None:
    """Import sources, and record it in Dagster as it would be from its UI.

    Does what is due unless told otherwise: all windows the first time, what changed since then, and a
    static source only once. Ctrl-C leaves the windows that are committed, and says what is left.

    Try:

        pipedrive-orchestration import

        pipedrive-orchestration import all_deals --from 2026-01 --to 2026-06 --json
    """
    with explained(err):
        environment = Environment.read()
        environment.connection  # noqa: B018 - says at once that there is no token
        of_windows = first or last or accept_user
        arguments = ImportArguments(
            Pull.WINDOW if of_windows and pull is None else pull, first, last, accept_user
        )
        environment.export()
        with deployed(environment.settings) as deployment:
            chosen = chosen_sources(deployment.store.load(), slugs)
            outcomes, failed = import_sources(
                environment, deployment, chosen.sources, err if json else out, arguments
            )
    if json:
        shown = [as_json(outcome, failed.get(outcome.slug)) for outcome in outcomes]
        print_json(shown[0] if len(shown) == 1 and slugs else shown)
        say_what_is_set_aside(err, outcomes)
        show_outcomes(err, [], failed, chosen.bad_files)
    else:
        show_outcomes(out, outcomes, failed, chosen.bad_files)
        if environment.warehouse.exists:
            out.print(f"Database: {environment.warehouse.database}", highlight=False)
    publish_what_is_new(environment, err if json else out)
    raise typer.Exit(exit_code_of_import(failed.values(), bad_files=bool(chosen.bad_files)))

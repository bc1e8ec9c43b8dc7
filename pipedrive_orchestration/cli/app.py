"""The commands of ``pipedrive-orchestration``."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from pipedrive_orchestration.cli.arguments import known_slugs
from pipedrive_orchestration.cli.consoles import err, out, print_json
from pipedrive_orchestration.cli.demo_account import demo_account, on_demo
from pipedrive_orchestration.cli.demo_workflows import run_workflows
from pipedrive_orchestration.cli.environment import Environment
from pipedrive_orchestration.cli.exporting import data
from pipedrive_orchestration.cli.failing import FAILED, exit_code_of_import, explained
from pipedrive_orchestration.cli.inspecting import connect, options, preview
from pipedrive_orchestration.cli.managing import create, list_sources, schedule, show, status
from pipedrive_orchestration.cli.running import Request, use_home
from pipedrive_orchestration.cli.serve import make_key, serve
from pipedrive_orchestration.cli.showing import Outcome, as_json, changed_rows, sample_table
from pipedrive_orchestration.cli.sources import chosen_sources, import_sources, show_outcomes
from pipedrive_orchestration.cli.syncing import sync
from pipedrive_orchestration.demo.working_day import work
from pipedrive_orchestration.importing import Pull

ACCOUNT = "The account"
SOURCES = "The sources of the project"
DATA = "Their data"
API = "The HTTP API"

app = typer.Typer(
    name="pipedrive-orchestration",
    help="Brings a Pipedrive CRM into DuckDB with Dagster, and keeps it there.",
    epilog="Exit codes: 0 done, 1 failed, 2 bad input, 4 not connected, 130 broken off with Ctrl-C.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_show_locals=False,
)
app.command(rich_help_panel=ACCOUNT)(connect)
app.command(rich_help_panel=ACCOUNT)(options)
app.command(rich_help_panel=ACCOUNT)(preview)
app.command(rich_help_panel=SOURCES)(create)
app.command("list", rich_help_panel=SOURCES)(list_sources)
app.command(rich_help_panel=SOURCES)(show)
app.command(rich_help_panel=SOURCES)(status)
app.command(rich_help_panel=SOURCES)(schedule)
app.command(rich_help_panel=DATA)(data)
app.command(rich_help_panel=DATA)(sync)
app.command(rich_help_panel=API)(serve)
app.command("make-key", rich_help_panel=API)(make_key)

SAMPLED = ("all_persons", "all_deals")
"""Sources of the template project of which the demo shows some rows."""


def main() -> None:
    """Entry point of the ``pipedrive-orchestration`` command."""
    app()


@app.command("import", rich_help_panel=DATA)
def import_command(
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
    environment = Environment.read()
    with explained(err):
        environment.connection  # noqa: B018 - says at once that there is no token
        chosen = chosen_sources(environment.store.load(), slugs)
        request = Request(Pull.WINDOW if (first or last) and pull is None else pull, first, last)
        outcomes, failed = import_sources(environment, chosen.sources, err if json else out, request)
    if json:
        shown = [as_json(outcome, failed.get(outcome.slug)) for outcome in outcomes]
        print_json(shown[0] if len(shown) == 1 and slugs else shown)
        show_outcomes(err, [], failed, chosen.bad_files)
    else:
        show_outcomes(out, outcomes, failed, chosen.bad_files)
        if environment.warehouse.exists:
            out.print(f"Database: {environment.warehouse.database}", highlight=False)
    raise typer.Exit(exit_code_of_import(failed.values(), bad_files=bool(chosen.bad_files)))


@app.command()
def demo(
    scale: Annotated[float, typer.Option(help="Multiplies the records of a new demo account.")] = 1.0,
) -> None:
    """Import the project from the embedded demo account; run it again to see changes arrive."""
    with explained(err), demo_account(scale) as account:
        environment = on_demo(Environment.read(), account)
        out.print(f"The demo account answers at {account.url}")
        if not account.is_new:
            out.print(f"Since the last time: {work(account.url, account.token, seed=os.getpid())}")
        loaded = environment.store.load()
        outcomes, failed = import_sources(environment, loaded.sources, out)
        show_outcomes(out, outcomes, failed, loaded.bad_files)
        _show_samples(environment, outcomes)
        workflows = run_workflows(environment, loaded, out)
        show_outcomes(out, [], {}, workflows.bad_files)
        _say_what_was_done(outcomes)
        out.print(f"Database: {environment.warehouse.database}   UI: make dev", highlight=False)
    bad_files = bool(loaded.bad_files or workflows.bad_files)
    raise typer.Exit(exit_code_of_import(failed.values(), bad_files=bad_files))


def _show_samples(environment: Environment, outcomes: Sequence[Outcome]) -> None:
    present = {outcome.slug for outcome in outcomes if outcome.entry}
    with environment.warehouse.reading() as connection:
        for slug in SAMPLED:
            if slug in present:
                out.print(sample_table(connection, slug, rows=4, width=out.width))


def _say_what_was_done(outcomes: Sequence[Outcome]) -> None:
    done = [outcome.entry for outcome in outcomes if outcome.entry and outcome.state == "imported"]
    changed = sum(map(changed_rows, done))
    if done and all(entry.pull == Pull.CHANGES for entry in done):
        out.print(f"Pulled only changes: {changed:,} rows changed.")
    else:
        out.print(f"Imported everything: {changed:,} rows. Run it again to see only changes come.")


@app.command(hidden=True)
def dev(
    scale: Annotated[float, typer.Option(help="Multiplies the records of a new demo account.")] = 1.0,
    port: Annotated[int, typer.Option(help="Port of the Dagster UI.")] = 3000,
) -> None:
    """Dagster's UI and daemon, on your account if there is a token and on the demo account if not."""
    environment = Environment.read()
    with explained(err), ExitStack() as stack:
        if not environment.has_account:
            account = stack.enter_context(demo_account(scale))
            environment = on_demo(environment, account)
            out.print(f"No account is configured: the demo account answers at {account.url}")
        os.environ.update(environment.variables)
        use_home(Path.cwd())
        # The command recommends its successor, which reads other configuration, on every start.
        os.environ.setdefault("PYTHONWARNINGS", "ignore:Function `dev_command`:FutureWarning")
        out.print(f"Dagster UI: http://127.0.0.1:{port}   (Ctrl-C ends it)", highlight=False)
        command = [str(Path(sys.executable).with_name("dagster")), "dev", "-w", "workspace.yaml"]
        process = subprocess.Popen([*command, "--host", "127.0.0.1", "--port", str(port)])  # noqa: S603
        # Whoever ends this command with a signal ends Dagster's processes with it.
        signal.signal(signal.SIGTERM, lambda *_: process.terminate())
        try:
            process.wait()
        except KeyboardInterrupt:
            process.wait(timeout=60)
    raise typer.Exit(FAILED if process.returncode not in (0, -2, 130) else 0)

"""``demo``: the template project on the embedded demo account, from the first import to its workflow."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Annotated

import typer

from pipedrive_orchestration.cli.commands.publish import publish_what_is_new
from pipedrive_orchestration.cli.demo_account import demo_account, on_demo
from pipedrive_orchestration.cli.demo_workflows import run_workflows
from pipedrive_orchestration.cli.environment import Environment
from pipedrive_orchestration.cli.errors import exit_code_of_import, explained
from pipedrive_orchestration.cli.output import Outcome, changed_rows, err, out, sample_table
from pipedrive_orchestration.cli.sources import import_sources, show_outcomes
from pipedrive_orchestration.demo.working_day import work
from pipedrive_orchestration.importing import Pull
from pipedrive_orchestration.services.deployment import deployed

SAMPLED = ("all_persons", "all_deals")
"""Sources of the template project of which the demo shows some rows."""


def demo(
    scale: Annotated[float, typer.Option(help="Multiplies the records of a new demo account.")] = 1.0,
) -> None:
    """Import the project from the embedded demo account; run it again to see changes arrive."""
    with explained(err), demo_account(scale) as account:
        environment = on_demo(Environment.read(), account)
        out.print(f"The demo account answers at {account.url}")
        if not account.is_new:
            out.print(f"Since the last time: {work(account.url, account.token, seed=os.getpid())}")
        environment.export()
        with deployed(environment.settings) as deployment:
            loaded = deployment.store.load()
            outcomes, failed = import_sources(environment, deployment, loaded.sources, out)
            show_outcomes(out, outcomes, failed, loaded.bad_files)
            _show_samples(environment, outcomes)
            workflows = run_workflows(environment, deployment, loaded, out)
        show_outcomes(out, [], {}, workflows.bad_files)
        _say_what_was_done(outcomes)
        out.print(f"Database: {environment.warehouse.database}   UI: make dev", highlight=False)
        publish_what_is_new(environment, out)
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

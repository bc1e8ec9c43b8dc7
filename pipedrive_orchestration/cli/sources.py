"""Importing the sources of a project, one after the other, whatever becomes of each."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import dagster as dg
from rich.console import Console

from pipedrive_orchestration.cli.environment import Environment
from pipedrive_orchestration.cli.failing import EXPECTED
from pipedrive_orchestration.cli.running import Request, due_pull, run_import, use_home
from pipedrive_orchestration.cli.showing import Outcome, imports_table, outcome_of
from pipedrive_orchestration.orchestration import build_definitions
from pipedrive_orchestration.pipedrive.errors import NotConnected
from pipedrive_orchestration.sources import BadFile, LoadedSources, Source


def chosen_sources(loaded: LoadedSources, slugs: Sequence[str] | None) -> LoadedSources:
    """What a command works on: the sources and bad files of these slugs, or all of the project.

    Raises:
        UnknownSourceError: there is no file of a slug; names the near matches.
    """
    if not slugs:
        return loaded
    bad_files = tuple(bad for bad in loaded.bad_files if bad.slug in slugs)
    left_out = {bad.slug for bad in bad_files}
    sources = tuple(loaded.find(slug) for slug in dict.fromkeys(slugs) if slug not in left_out)
    return LoadedSources(sources, bad_files)


def import_sources(
    environment: Environment,
    sources: Sequence[Source],
    console: Console,
    request: Request = Request(),
) -> tuple[list[Outcome], dict[str, Exception]]:
    """Import sources through Dagster.

    Args:
        environment: the account, warehouse and project.
        sources: what to import.
        console: shows what is going on.
        request: what to do for each of them.

    Returns:
        What became of every source, and why some failed.

    Raises:
        NotConnected: Pipedrive does not accept the token; the sources that follow are not tried.
    """
    os.environ.update(environment.variables)
    use_home(Path.cwd())
    definitions = build_definitions(environment.store.load())
    outcomes: list[Outcome] = []
    failed: dict[str, Exception] = {}
    with dg.DagsterInstance.get() as instance, console.status("") as status:
        for number, source in enumerate(sources, 1):
            status.update(f"{number}/{len(sources)} {source.slug}")
            due = request.pull or due_pull(environment.warehouse, source)
            state = "kept"
            if due is not None:
                try:
                    run_import(definitions, instance, source, due, request)
                    state = "imported"
                except NotConnected:
                    raise
                except EXPECTED as error:
                    failed[source.slug] = error
                    state = "failed"
            outcomes.append(outcome_of(environment.warehouse, source.slug, state))
    return outcomes, failed


def show_outcomes(
    console: Console,
    outcomes: Sequence[Outcome],
    failed: Mapping[str, Exception],
    bad_files: Sequence[BadFile],
) -> None:
    """The table of what was done, what the imports noted, and what went wrong."""
    if outcomes:
        console.print(imports_table(outcomes))
    for outcome in outcomes:
        if outcome.state == "imported" and outcome.entry and outcome.entry.note:
            console.print(f"{outcome.slug}: {outcome.entry.note}", style="yellow", markup=False)
    for slug, reason in failed.items():
        console.print(f"{slug}: {reason}", style="red", markup=False, highlight=False, soft_wrap=True)
    for bad in bad_files:
        console.print(str(bad), style="red", markup=False, highlight=False, soft_wrap=True)

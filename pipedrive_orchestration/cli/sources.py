"""Importing the sources of a project, one after the other, whatever becomes of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Console

from pipedrive_orchestration.cli.environment import Environment
from pipedrive_orchestration.cli.errors import EXPECTED
from pipedrive_orchestration.cli.output import Outcome, imports_table, outcomes_of
from pipedrive_orchestration.cli.progress import ImportProgress
from pipedrive_orchestration.cli.running import (
    INTERRUPTIONS,
    BrokenOffError,
    Request,
    due_pull,
    run_import,
    windows_left,
)
from pipedrive_orchestration.orchestration import build_definitions
from pipedrive_orchestration.orchestration.context import ProjectContext
from pipedrive_orchestration.orchestration.run_monitoring import running_command
from pipedrive_orchestration.orchestration.watching import watching
from pipedrive_orchestration.pipedrive.errors import NotConnected
from pipedrive_orchestration.services.deployment import Deployment
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
    deployment: Deployment,
    sources: Sequence[Source],
    console: Console,
    request: Request = Request(),
) -> tuple[list[Outcome], dict[str, Exception]]:
    """Import sources through Dagster.

    Args:
        environment: the account and the warehouse.
        deployment: the project, and Dagster.
        sources: what to import.
        console: shows what is going on.
        request: what to do for each of them.

    Returns:
        What became of every source, and why some failed.

    Raises:
        NotConnected: Pipedrive does not accept the token; the sources that follow are not tried.
        BrokenOffError: somebody pressed Ctrl-C; says what is committed and what is left.
    """
    instance = deployment.instance
    definitions = build_definitions(
        deployment.store.load(), project=ProjectContext(settings=environment.settings)
    )
    states: dict[str, str] = {}
    failed: dict[str, Exception] = {}
    with (
        running_command(instance, environment.settings.home) as tags,
        ImportProgress(console) as progress,
        watching(progress),
    ):
        for number, source in enumerate(sources, 1):
            progress.begin(f"{number}/{len(sources)} {source.slug}")
            due = request.pull or due_pull(environment.warehouse, source)
            states[source.slug] = "kept"
            if due is None:
                continue
            try:
                run_import(definitions, instance, source, due, request, tags)
                states[source.slug] = "imported"
            except NotConnected:
                raise
            except EXPECTED as error:
                failed[source.slug] = error
                states[source.slug] = "failed"
            except INTERRUPTIONS:
                left = windows_left(source, due, request, progress.committed)
                raise BrokenOffError(source, left, len(progress.committed), sources[number:]) from None
    return outcomes_of(environment.warehouse, states), failed


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

"""Imports of a command: one source after the other, whatever becomes of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rich.console import Console

from pipedrive_orchestration.cli.environment import Environment
from pipedrive_orchestration.cli.errors import EXPECTED, CommandError
from pipedrive_orchestration.cli.exit_codes import BROKEN_OFF
from pipedrive_orchestration.cli.outcomes import Outcome, outcomes_of
from pipedrive_orchestration.cli.progress import ImportProgress
from pipedrive_orchestration.orchestration import build_definitions
from pipedrive_orchestration.orchestration.context import ProjectContext
from pipedrive_orchestration.orchestration.in_process import (
    INTERRUPTIONS,
    ImportArguments,
    due_pull,
    listening,
    run_import,
    windows_left,
)
from pipedrive_orchestration.orchestration.run_monitoring import running_command
from pipedrive_orchestration.pipedrive.errors import NotConnected
from pipedrive_orchestration.services.deployment import Deployment
from pipedrive_orchestration.sources import LoadedSources, Source


class BrokenOffError(CommandError):
    """An import that somebody ended before its end; says what is left to do."""

    exit_code = BROKEN_OFF

    def __init__(
        self, source: Source, left: Sequence[str], committed: int, following: Sequence[Source]
    ) -> None:
        stay = f"{committed} windows are committed and stay" if committed else "nothing of it is committed"
        rest = f"; {len(left)} are left, {left[0]} to {left[-1]}" if committed and left else ""
        others = f" Not begun: {', '.join(one.slug for one in following)}." if following else ""
        super().__init__(
            f"Broken off at {source.slug}: {stay}{rest}. Run the command again to go on from there.{others}"
        )


def chosen_sources(loaded: LoadedSources, slugs: Sequence[str] | None) -> LoadedSources:
    """The sources and bad files of these slugs, or all of the project.

    Raises:
        UnknownSourceError: there is no file of a slug; names the near matches.
    """
    if not slugs:
        return loaded
    bad_files = tuple(bad for bad in loaded.bad_files if bad.slug in slugs)
    left_out = {bad.slug for bad in bad_files}
    sources = tuple(loaded.find(slug) for slug in dict.fromkeys(slugs) if slug not in left_out)
    return replace(loaded, sources=sources, bad_files=bad_files)


def import_sources(
    environment: Environment,
    deployment: Deployment,
    sources: Sequence[Source],
    console: Console,
    arguments: ImportArguments = ImportArguments(),
) -> tuple[list[Outcome], dict[str, Exception]]:
    """Import sources through Dagster.

    Args:
        environment: the account and the warehouse.
        deployment: the project, and Dagster.
        sources: what to import.
        console: shows what is going on.
        arguments: what to do for each of them.

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
    # Children are read along the rows of their parents.
    sources = sorted(sources, key=lambda source: source.parents is not None)
    states: dict[str, str] = {}
    failed: dict[str, Exception] = {}
    with (
        running_command(instance, environment.settings.state) as tags,
        ImportProgress(console) as progress,
        listening(progress),
    ):
        for number, source in enumerate(sources, 1):
            progress.begin(f"{number}/{len(sources)} {source.slug}")
            due = arguments.pull or due_pull(environment.warehouse, source)
            states[source.slug] = "kept"
            if due is None:
                continue
            try:
                run_import(definitions, instance, source, due, arguments, tags)
                states[source.slug] = "imported"
            except NotConnected:
                raise
            except EXPECTED as error:
                failed[source.slug] = error
                states[source.slug] = "failed"
            except INTERRUPTIONS:
                left = windows_left(source, due, arguments, progress.committed)
                raise BrokenOffError(source, left, len(progress.committed), sources[number:]) from None
    return outcomes_of(environment.warehouse, states), failed

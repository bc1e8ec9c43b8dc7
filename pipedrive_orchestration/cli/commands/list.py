"""``list``: the sources of the project, and the files that are left out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.table import Table

from pipedrive_orchestration.cli.arguments import AsJson
from pipedrive_orchestration.cli.environment import Environment
from pipedrive_orchestration.cli.errors import explained
from pipedrive_orchestration.cli.outcomes import Outcome, outcomes_of
from pipedrive_orchestration.cli.output import err, out, print_json, problem_as_json, say
from pipedrive_orchestration.cli.states import minute, rows_as_json, state_as_json, status_text
from pipedrive_orchestration.services.deployment import deployed
from pipedrive_orchestration.services.status import SourceState, all_states
from pipedrive_orchestration.sources import BadFile


def list_sources(*, json: AsJson = False) -> None:
    """List the sources of the project with status, next tick and rows; also the files that are left out.

    Try:

        pipedrive-orchestration list

        pipedrive-orchestration list --json | jq -r '.sources[] | select(.status == "paused") | .source'
    """
    with explained(err):
        environment = Environment.read()
        with deployed(environment.settings) as deployment:
            states = all_states(deployment)
            bad_files = deployment.store.load().bad_files
        outcomes = outcomes_of(environment.warehouse, {state.source.slug: "" for state in states})
    if json:
        sources = [
            state_as_json(state) | rows_as_json(outcome)
            for state, outcome in zip(states, outcomes, strict=True)
        ]
        print_json({"sources": sources, "bad_files": [_bad_file_as_json(bad) for bad in bad_files]})
        return
    out.print(_table_of(states, outcomes))
    for bad in bad_files:
        say(bad, to=err, style="red")
    if bad_files:
        say(
            "`pipedrive-orchestration check` shows these files alone, and fails until they are right.", to=err
        )


def _table_of(states: Sequence[SourceState], outcomes: Sequence[Outcome]) -> Table:
    table = Table("source", "object type", "status", "next tick (UTC)")
    table.add_column("rows", justify="right")
    table.add_column("last import (UTC)")
    for state, outcome in zip(states, outcomes, strict=True):
        entry = outcome.entry
        table.add_row(
            state.source.slug,
            state.source.object_type,
            status_text(state),
            minute(state.next_tick),
            f"{outcome.current:,}" if entry else "",
            minute(entry.finished_at) if entry else "",
        )
    return table


def _bad_file_as_json(bad: BadFile) -> dict[str, Any]:
    return {"path": bad.path, "problems": [problem_as_json(problem) for problem in bad.problems]}

"""``schedule``: the next ticks of a source."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import takewhile
from typing import Annotated

import typer

from pipedrive_orchestration.cli.arguments import AsJson, Slug
from pipedrive_orchestration.cli.environment import Environment
from pipedrive_orchestration.cli.errors import explained
from pipedrive_orchestration.cli.output import err, out, print_json, say
from pipedrive_orchestration.services.deployment import deployed
from pipedrive_orchestration.services.status import SourceState, Status, state_of
from pipedrive_orchestration.sources import is_expired, next_ticks


def schedule(
    slug: Slug,
    *,
    count: Annotated[int, typer.Option("--count", "-n", help="How many ticks.", min=1, max=1000)] = 10,
    json: AsJson = False,
) -> None:
    """Show when a source is imported next, in UTC.

    A paused source has no ticks until it is set active, a static one never has any.

    Try:

        pipedrive-orchestration schedule all_deals -n 3
    """
    with explained(err):
        environment = Environment.read()
        with deployed(environment.settings) as deployment:
            source = deployment.store.load().find(slug)
            state = state_of(deployment, source)
    ticks = _ticks(state, count)
    if json:
        shown = {"source": slug, "schedule": source.schedule, "status": state.status.value, "ticks": ticks}
        print_json(shown)
        return
    if source.schedule is None:
        out.print(f"{slug} is static: it is imported by hand only.", highlight=False)
        return
    say(f"{slug} is {state.status}, at {source.schedule} (UTC)")
    for tick in ticks:
        out.print(f"{tick:%a %Y-%m-%d %H:%M}", highlight=False)


def _ticks(state: SourceState, count: int) -> list[datetime]:
    source = state.source
    if source.schedule is None or state.status in (Status.PAUSED, Status.EXPIRED, Status.DELETED):
        return []
    following = next_ticks(source.schedule, datetime.now(UTC), count)
    return list(takewhile(lambda tick: not is_expired(source, tick), following))

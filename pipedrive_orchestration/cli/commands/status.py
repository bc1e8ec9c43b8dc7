"""``status``: the switch of a source's schedule."""

from __future__ import annotations

from typing import Annotated

import typer

from pipedrive_orchestration.cli.arguments import AsJson, Slug
from pipedrive_orchestration.cli.environment import Environment
from pipedrive_orchestration.cli.errors import explained
from pipedrive_orchestration.cli.output import err, out, print_json
from pipedrive_orchestration.cli.states import minute, state_as_json
from pipedrive_orchestration.services.deployment import deployed
from pipedrive_orchestration.services.lifecycle import Switch, switch_source


def status(
    slug: Slug,
    to: Annotated[Switch, typer.Argument(metavar="active|paused", help="What to set the source to.")],
    *,
    json: AsJson = False,
) -> None:
    """Pause a source's schedule, or set it active again: the same switch as in Dagster's UI.

    Setting a source active also starts a first import that waits for tokens. A static source has nothing
    to pause, and an expired one stays expired until its file has a later date: exit code 2.

    Try:

        pipedrive-orchestration status all_deals paused
    """
    with explained(err):
        environment = Environment.read()
        with deployed(environment.settings) as deployment:
            source = deployment.store.load().find(slug)
            state = switch_source(deployment, source, to)
    if json:
        print_json(state_as_json(state))
        return
    tick = f"; next tick {minute(state.next_tick)} UTC" if state.next_tick else ""
    out.print(f"{slug} is {state.status}{tick}", highlight=False)

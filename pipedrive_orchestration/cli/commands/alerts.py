"""``alerts``: whether messages reach those who are to be told, and what they were told of."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.table import Table

from pipedrive_orchestration.cli.arguments import AsJson
from pipedrive_orchestration.cli.environment import Environment
from pipedrive_orchestration.cli.errors import explained
from pipedrive_orchestration.cli.exit_codes import BAD_INPUT, FAILED
from pipedrive_orchestration.cli.output import busy, err, out, print_json, say
from pipedrive_orchestration.cli.states import minute
from pipedrive_orchestration.services.alerts import Message, read_state, send_to, sinks_of
from pipedrive_orchestration.services.dagster_internals import InstanceKeyValues
from pipedrive_orchestration.services.deployment import deployed
from pipedrive_orchestration.services.names import DEFAULT_NAMES


class Action(StrEnum):
    """What is done about alerts."""

    TEST = "test"
    LIST = "list"


TEST = Message(
    "Pipedrive: a test",
    "This message is a test of `pipedrive-orchestration alerts test`. Nothing is known to be wrong.",
    is_good=True,
)


def alerts(
    action: Annotated[Action, typer.Argument(help="What to do.", show_default=False)],
    *,
    json: AsJson = False,
) -> None:
    """Send every address a test message, or list what is wrong and was told of.

    The addresses are those of PIPEDRIVE_ALERTS. `test` exits with 1 where one of them took no message. See
    docs/alerts.md.

    Try:

        pipedrive-orchestration alerts test
    """
    with explained(err):
        environment = Environment.read()
        if action is Action.TEST:
            _test(environment, as_json=json)
        else:
            _list(environment, as_json=json)


def _test(environment: Environment, *, as_json: bool) -> None:
    setting = environment.settings.alerts
    sinks, wrong = sinks_of(setting.get_secret_value() if setting else "")
    if not sinks and not wrong:
        say("PIPEDRIVE_ALERTS is not set: docs/alerts.md shows addresses.", to=err, style="red")
        raise typer.Exit(BAD_INPUT)
    with busy("Sending"):
        taken = set(send_to({sink.sink_id: (sink, TEST) for sink in sinks}))
    if as_json:
        print_json({
            "addresses": [{"address": sink.name, "taken": sink.sink_id in taken} for sink in sinks],
            "problems": list(map(str, wrong)),
        })  # fmt: skip
    else:
        for sink in sinks:
            if sink.sink_id in taken:
                say(f"{sink.name} took the message.")
            else:
                say(f"{sink.name} took no message.", to=err, style="red")
        for problem in wrong:
            say(problem, to=err, style="red")
    if wrong or len(taken) < len(sinks):
        raise typer.Exit(FAILED)


def _list(environment: Environment, *, as_json: bool) -> None:
    with deployed(environment.settings) as deployment:
        state = read_state(InstanceKeyValues(deployment.instance, DEFAULT_NAMES.prefix))
    rows: list[dict[str, Any]] = [
        {
            "subject": one.subject,
            "kind": one.key.partition("/")[0],
            "since": one.since,
            "text": one.brief,
            "addresses_told": len(one.told),
        }
        for one in state.open
    ]
    if as_json:
        print_json(rows)
        return
    if not rows:
        say("Nothing is open.")
        return
    table = Table()
    for name in ("subject", "since (UTC)", "told", "what"):
        table.add_column(name)
    for row in rows:
        table.add_row(row["subject"], minute(row["since"]), str(row["addresses_told"]), row["text"])
    out.print(table)

"""``webhooks``: the subscriptions that make changes come by themselves."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from pipedrive_orchestration.cli.arguments import AsJson
from pipedrive_orchestration.cli.environment import Environment
from pipedrive_orchestration.cli.errors import explained
from pipedrive_orchestration.cli.exit_codes import BAD_INPUT, FAILED
from pipedrive_orchestration.cli.output import busy, err, out, print_json, say
from pipedrive_orchestration.cli.states import minute
from pipedrive_orchestration.pipedrive.webhooks import Subscription
from pipedrive_orchestration.webhooks.inbox import Inbox, inbox_folder
from pipedrive_orchestration.webhooks.subscriptions import (
    NoCredentialsError,
    TooManySubscriptionsError,
    health_of,
    is_ours,
    listed,
    register,
    remove,
)


class Action(StrEnum):
    """What is done with subscriptions."""

    REGISTER = "register"
    LIST = "list"
    HEALTH = "health"
    REMOVE = "remove"


def webhooks(
    action: Annotated[Action, typer.Argument(help="What to do.", show_default=False)],
    url: Annotated[
        str,
        typer.Option(help="Where Pipedrive reaches `serve`: its public address and /webhooks/pipedrive."),
    ] = "",
    all_: Annotated[
        bool, typer.Option("--all", help="With `list`: those too that somebody else has made.")
    ] = False,
    json: AsJson = False,
) -> None:
    """Make Pipedrive tell of changes by itself, and look whether it does.

    `register` subscribes to what the sources of the project need and is not subscribed to yet, and removes
    what it has made before for another address. `health` says what is wrong, with exit code 1.
    PIPEDRIVE_WEBHOOK_USER and PIPEDRIVE_WEBHOOK_PASSWORD are what Pipedrive signs in with at `serve`. See
    docs/webhooks.md.

    Try:

        pipedrive-orchestration webhooks register --url https://crm.example.com/webhooks/pipedrive

        pipedrive-orchestration webhooks health
    """
    with explained(err):
        environment = Environment.read()
        match action:
            case Action.REGISTER:
                _register(environment, url, as_json=json)
            case Action.LIST:
                found = [one for one in _read(environment) if all_ or is_ours(one)]
                print_json({"webhooks": list(map(_as_json, found))}) if json else _show(found)
            case Action.HEALTH:
                _say_health(environment, as_json=json)
            case Action.REMOVE:
                with busy("Removing"):
                    ended = asyncio.run(remove(environment.connection))
                if json:
                    print_json({"removed": list(map(_as_json, ended))})
                else:
                    say(f"{len(ended)} webhooks removed.")


def _register(environment: Environment, url: str, *, as_json: bool) -> None:
    if not url.startswith(("https://", "http://")):
        raise typer.BadParameter(
            "say where Pipedrive reaches `serve`, such as https://crm.example.com/webhooks/pipedrive.",
            param_hint="--url",
        )
    sources = environment.store.load().sources
    try:
        with busy("Registering"):
            done = asyncio.run(register(environment.connection, environment.settings, sources, url))
    except (NoCredentialsError, TooManySubscriptionsError) as error:
        say(error, to=err, style="red")
        raise typer.Exit(BAD_INPUT) from None
    if as_json:
        shown = {name: list(map(_as_json, getattr(done, name))) for name in ("made", "kept", "ended")}
        print_json({**shown, "refused": done.refused})
        return
    say(f"{len(done.made)} webhooks made, {len(done.kept)} were there, {len(done.ended)} removed.")
    _show([*done.kept, *done.made])
    for word, reason in done.refused.items():
        say(f"None for {word}s, whose changes come with ticks: {reason}", to=err, style="yellow")


def _say_health(environment: Environment, *, as_json: bool) -> None:
    health = health_of(_read(environment), environment.store.load().sources)
    inbox = Inbox(inbox_folder(environment.settings))
    waiting, set_aside = len(inbox.files()), inbox.count_set_aside()
    if as_json:
        print_json({
            "problems": list(health.problems), "files_waiting": waiting, "events_set_aside": set_aside,
            "webhooks": list(map(_as_json, health.subscriptions)),
        })  # fmt: skip
    else:
        _show(health.subscriptions)
        say(f"{waiting:,} files wait in the inbox, {set_aside:,} events are set aside: {inbox.folder}")
        for problem in health.problems:
            say(problem, style="yellow")
        if health.is_well:
            say("Nothing is known to be wrong with what the sources need.")
    if not health.is_well:
        raise typer.Exit(FAILED)


def _read(environment: Environment) -> list[Subscription]:
    with busy("Asking"):
        return asyncio.run(listed(environment.connection))


def _show(subscriptions: Sequence[Subscription]) -> None:
    if not subscriptions:
        say("There are no webhooks.")
        return
    rows = [
        [
            str(one.id),
            one.event_object,
            one.event_action,
            "yes" if one.is_active else f"no: {one.remove_reason or 'ended'}",
            minute(one.last_delivery_time),
            str(one.last_http_status or ""),
            one.subscription_url,
        ]
        for one in subscriptions
    ]
    table = Table()
    for name in ("id", "object", "action", "active", "last delivery (UTC)", "answered", "address"):
        table.add_column(name)
    for row in rows:
        table.add_row(*map(Text, row))
    out.print(table)


def _as_json(one: Subscription) -> dict[str, Any]:
    return {
        "id": one.id,
        "event_object": one.event_object,
        "event_action": one.event_action,
        "is_active": bool(one.is_active),
        "remove_reason": one.remove_reason,
        "last_delivery_time": one.last_delivery_time,
        "last_http_status": one.last_http_status,
        "subscription_url": one.subscription_url,
    }

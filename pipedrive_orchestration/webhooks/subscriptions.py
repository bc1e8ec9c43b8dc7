"""The subscriptions that a project needs, and whether Pipedrive still delivers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from pipedrive_orchestration.pipedrive.auth import Connection
from pipedrive_orchestration.pipedrive.client import Client
from pipedrive_orchestration.pipedrive.clock import utc_now
from pipedrive_orchestration.pipedrive.errors import Refused
from pipedrive_orchestration.pipedrive.webhooks import (
    MAX_SUBSCRIPTIONS,
    Subscription,
    Wish,
    read_subscriptions,
    subscribe,
    unsubscribe,
)
from pipedrive_orchestration.settings import Settings
from pipedrive_orchestration.sources import Source
from pipedrive_orchestration.webhooks.events import OBJECTS

SUCCESS = range(200, 300)


class NoCredentialsError(Exception):
    """There is nothing by which Pipedrive could sign in."""

    def __init__(self) -> None:
        super().__init__(
            "PIPEDRIVE_WEBHOOK_USER and PIPEDRIVE_WEBHOOK_PASSWORD are not set: choose a name and a long "
            "random password, for this command and for `serve` alike."
        )


class TooManySubscriptionsError(Exception):
    """The user would have more subscriptions than Pipedrive allows."""

    def __init__(self, active: int, more: int) -> None:
        super().__init__(
            f"{active} webhooks are there already and {more} more are needed; a user can have "
            f"{MAX_SUBSCRIPTIONS}. Remove some that nobody needs (`webhooks list --all`)."
        )


@dataclass(frozen=True, slots=True)
class Registration:
    """What registering has come to.

    Attributes:
        made: new subscriptions.
        kept: those that were there and deliver.
        ended: those of ours that Pipedrive had ended, or that led elsewhere, and that are removed.
        refused: why there is none for an object, by Pipedrive's word for it.
    """

    made: Sequence[Subscription]
    kept: Sequence[Subscription]
    ended: Sequence[Subscription]
    refused: Mapping[str, str] = field(default_factory=dict)


def objects_of(sources: Iterable[Source]) -> list[str]:
    """Pipedrive's words for what has to be subscribed to for some sources."""
    wanted = {source.object_type for source in sources}
    return [word for word, object_type in OBJECTS.items() if object_type in wanted]


def is_ours(subscription: Subscription) -> bool:
    """Whether a subscription was made by `register`."""
    return (subscription.name or "").startswith("pipedrive-orchestration: ")


async def register(
    connection: Connection, settings: Settings, sources: Iterable[Source], url: str
) -> Registration:
    """Make what some sources need and is not there; what is ours and leads elsewhere is removed.

    Raises:
        NoCredentialsError: no name and password are set.
        TooManySubscriptionsError: Pipedrive would not take as many.
        PipedriveError: the account cannot be read, or Pipedrive refuses all of them; what was made stays.
    """
    user, password = settings.webhook_user, settings.webhook_password
    if user is None or password is None:
        raise NoCredentialsError
    async with Client(connection) as client:
        there = await read_subscriptions(client)
        wanted = objects_of(sources)
        kept = [one for one in there if is_ours(one) and one.is_understood and one.subscription_url == url]
        useless = [one for one in there if is_ours(one) and one not in kept]
        covered = {one.event_object for one in kept}
        missing = [word for word in wanted if word not in covered and "*" not in covered]
        active = sum(bool(one.is_active) for one in there) - sum(bool(one.is_active) for one in useless)
        if active + len(missing) > MAX_SUBSCRIPTIONS:
            raise TooManySubscriptionsError(active, len(missing))
        for one in useless:
            await unsubscribe(client, one.id)
        made, refused = [], {}
        for word in missing:
            try:
                made.append(await subscribe(client, Wish(word, url, user, password.get_secret_value())))
            except Refused as error:
                # An add-on or a plan that the company does not have closes some objects.
                if not made and not kept and word == missing[-1]:
                    raise
                refused[word] = str(error)
        return Registration(made, kept, useless, refused)


async def listed(connection: Connection) -> list[Subscription]:
    """All subscriptions; 10 tokens.

    Raises:
        PipedriveError: the account cannot be read.
    """
    async with Client(connection) as client:
        return await read_subscriptions(client)


async def remove(connection: Connection) -> list[Subscription]:
    """End all subscriptions that are ours.

    Raises:
        PipedriveError: Pipedrive refuses; what was ended stays so.
    """
    async with Client(connection) as client:
        ours = [one for one in await read_subscriptions(client) if is_ours(one)]
        for one in ours:
            await unsubscribe(client, one.id)
        return ours


QUIET = timedelta(minutes=30)
"""A pause after which it is not known any more that events come; a ban lasts as long."""


@dataclass(frozen=True, slots=True)
class Health:
    """Whether Pipedrive delivers what some sources need.

    Attributes:
        problems: a sentence on each thing that is wrong; none where all is well.
        subscriptions: those that are ours.
    """

    problems: Sequence[str]
    subscriptions: Sequence[Subscription]

    @property
    def is_well(self) -> bool:
        """Whether nothing is known to be wrong."""
        return not self.problems


def health_of(
    subscriptions: Iterable[Subscription], sources: Iterable[Source], now: datetime | None = None
) -> Health:
    """What subscriptions say of themselves, beside what sources need."""
    now = now or utc_now()
    ours = [one for one in subscriptions if is_ours(one)]
    delivering = {one.event_object for one in ours if one.is_understood}
    problems = [
        f"Nothing is subscribed to for {word}s: `webhooks register --url ...` makes what is missing."
        for word in objects_of(sources)
        if word not in delivering and "*" not in delivering
    ]
    for one in ours:
        if not one.is_active:
            reason = f" ({one.remove_reason})" if one.remove_reason else ""
            problems.append(f"Pipedrive has ended the webhook {one.id} for {one.event_object}s{reason}.")
        elif one.last_http_status is not None and one.last_http_status not in SUCCESS:
            problems.append(
                f"The last delivery of the webhook {one.id} for {one.event_object}s was answered "
                f"{one.last_http_status}: after ten that fail Pipedrive pauses for half an hour, after three "
                "days without success it ends the webhook."
            )
    return Health(problems, ours)

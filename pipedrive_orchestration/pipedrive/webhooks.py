"""Subscriptions to Pipedrive's webhooks v2 (docs/pipedrive-api.md#webhooks)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec

from pipedrive_orchestration.pipedrive.client import Client
from pipedrive_orchestration.pipedrive.responses import BrokenBody, whole_characters

PATH = "/v1/webhooks"
LIST_COST = 10
CREATE_COST = 10
DELETE_COST = 6

MAX_SUBSCRIPTIONS = 40
"""The most that a user can have."""

VERSION = "2.0"


class Subscription(msgspec.Struct):
    """A subscription as Pipedrive shows it (OpenAPI v1 ``/webhooks``).

    Attributes:
        event_action: ``create``, ``change``, ``delete`` or ``*``.
        event_object: ``deal``, ``person``, ... or ``*``.
        is_active: whether events are delivered.
        remove_reason: why not, where Pipedrive has ended it.
        last_delivery_time: when an event was last delivered.
        last_http_status: what was last answered.
    """

    id: int
    event_action: str
    event_object: str
    subscription_url: str
    version: str | None = None
    name: str | None = None
    is_active: int | bool = 1
    add_time: datetime | None = None
    remove_time: datetime | None = None
    remove_reason: str | None = None
    last_delivery_time: datetime | None = None
    last_http_status: int | None = None

    @property
    def is_understood(self) -> bool:
        """Whether it delivers what the receiver knows."""
        return bool(self.is_active) and self.version in (None, VERSION) and self.event_action == "*"


class _List(msgspec.Struct):
    data: list[Subscription] | None = None


@dataclass(frozen=True, slots=True)
class Wish:
    """A subscription to be made: of all that happens to one kind of object.

    Attributes:
        event_object: Pipedrive's word for it.
        url: where events are sent.
        user, password: by which Pipedrive signs in there.
    """

    event_object: str
    url: str
    user: str
    password: str = field(repr=False)

    @property
    def body(self) -> Mapping[str, Any]:
        """The body of the request that makes it."""
        return {
            "subscription_url": self.url,
            "event_action": "*",
            "event_object": self.event_object,
            "name": f"pipedrive-orchestration: {self.event_object}",
            "version": VERSION,
            "http_auth_user": self.user,
            "http_auth_password": self.password,
        }


async def read_subscriptions(client: Client) -> list[Subscription]:
    """All subscriptions that the token may see; 10 tokens.

    Raises:
        PipedriveError: see :meth:`Client.get`.
    """
    return (await client.get(PATH, {}, cost=LIST_COST, read=_read)).data or []


async def subscribe(client: Client, wish: Wish) -> Subscription:
    """Make a subscription; 10 tokens.

    Raises:
        PipedriveError: see :meth:`Client.send`.
    """
    written = await client.send("POST", PATH, wish.body, cost=CREATE_COST)
    return msgspec.convert(written.data, Subscription)


async def unsubscribe(client: Client, subscription_id: int) -> None:
    """End a subscription; 6 tokens.

    Raises:
        PipedriveError: see :meth:`Client.send`.
    """
    path = f"{PATH}/{subscription_id}"
    await client.send("DELETE", path, None, cost=DELETE_COST)


def _read(body: bytes) -> _List:
    try:
        return msgspec.json.decode(whole_characters(body), type=_List)
    except msgspec.DecodeError as error:
        raise BrokenBody(f"the body holds no webhooks ({error})") from None

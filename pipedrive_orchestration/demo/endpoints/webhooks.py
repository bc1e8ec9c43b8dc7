"""Subscriptions to events: made and ended; none is changed."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

import orjson

from pipedrive_orchestration.demo.account.webhooks import ENTITIES, MAX_SUBSCRIPTIONS
from pipedrive_orchestration.demo.bodies import read
from pipedrive_orchestration.demo.call import Answer, Call
from pipedrive_orchestration.demo.errors import ApiError, not_open

_OK = {"status": "ok", "success": True}


def created(call: Call) -> Answer:
    """A subscription is made."""
    webhooks = call.account.webhooks
    body = read(call)
    if not _is_taken(body["subscription_url"]):
        errors = {"subscription_url": ["invalid or non-reachable URL"]}
        raise ApiError(400, {"status": "error", "success": False, "errors": errors})
    if any(ENTITIES[name] == body["event_object"] for name in ENTITIES.keys() & call.account.closed):
        raise not_open()
    if sum(bool(one["is_active"]) for one in call.collection) >= MAX_SUBSCRIPTIONS:
        error = f"a user can have {MAX_SUBSCRIPTIONS} webhooks at most"
        raise ApiError(422, {"status": "error", "success": False, "error": error})
    subscription = webhooks.add(body, call.account.clock.now())
    return Answer(orjson.dumps({**_OK, "data": subscription}), 201)


def deleted(call: Call) -> Answer:
    """A subscription is ended."""
    call.account.webhooks.remove(call.record()["id"])
    return Answer(orjson.dumps(_OK))


def _is_taken(url: str) -> bool:
    """Whether events can be sent there: to this machine by HTTP as well, where Pipedrive wants HTTPS."""
    split = urlsplit(url)
    if split.scheme == "https":
        return bool(split.hostname)
    try:
        return split.scheme == "http" and ip_address(split.hostname or "").is_loopback
    except ValueError:
        return split.hostname == "localhost"

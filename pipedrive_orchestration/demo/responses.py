"""Responses of the account as a whole, and what can be made of one on its way."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from email.utils import format_datetime, parsedate_to_datetime
from typing import Any

import orjson
from starlette.types import ASGIApp, Message, Receive, Scope, Send


@dataclass(frozen=True, slots=True)
class FullResponse:
    """A response as a whole; header names in lower case."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @classmethod
    async def of(cls, app: ASGIApp, scope: Scope, receive: Receive) -> FullResponse:
        """What an application answers."""
        status, headers, body = 200, {}, b""

        async def keep(message: Message) -> None:
            nonlocal status, headers, body
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = {name.decode(): value.decode() for name, value in message["headers"]}
            else:
                body += message.get("body", b"")

        await app(scope, receive, keep)
        return cls(status, headers, body)

    def json(self) -> dict[str, Any]:
        """The envelope."""
        envelope: dict[str, Any] = orjson.loads(self.body)
        return envelope

    def start(self) -> Message:
        """The message that sends status and headers."""
        headers = {**self.headers, "content-length": str(len(self.body))}
        encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
        return {"type": "http.response.start", "status": self.status, "headers": encoded}

    async def deliver(self, send: Send) -> None:
        """Send it as responses are sent."""
        await send(self.start())
        await send({"type": "http.response.body", "body": self.body})


Change = Callable[[FullResponse], FullResponse]
"""What becomes of a response."""


def answer(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Change:
    """Another body and status, under the response's own headers and these.

    Args:
        body: bytes as they are; anything else is written as JSON.
        status: HTTP status.
        headers: by name in lower case.
    """
    content = body if isinstance(body, bytes) else orjson.dumps(body)
    return lambda response: FullResponse(status, {**response.headers, **(headers or {})}, content)


def of_envelope(change: Callable[[dict[str, Any]], dict[str, Any]]) -> Change:
    """A change of the envelope of responses that are right; refusals and web pages stay as they are."""

    def of_response(response: FullResponse) -> FullResponse:
        if response.status != 200 or "json" not in response.headers.get("content-type", ""):
            return response
        return FullResponse(200, response.headers, orjson.dumps(change(response.json())))

    return of_response


def envelope_with(**keys: Any) -> Change:
    """Other values of some keys of the envelope, such as ``data=None``."""
    return of_envelope(lambda envelope: {**envelope, **keys})


def envelope_without(key: str) -> Change:
    """The envelope without one of its keys."""
    return of_envelope(lambda envelope: {name: envelope[name] for name in envelope if name != key})


def of_each_record(change: Callable[[dict[str, Any]], dict[str, Any] | None]) -> Change:
    """A change of each record of a list; one of which nothing is made is left out."""

    def of_list(envelope: dict[str, Any]) -> dict[str, Any]:
        records = envelope.get("data")
        if not isinstance(records, list):
            return envelope
        changed = (change(record) for record in records)
        return {**envelope, "data": [record for record in changed if record is not None]}

    return of_envelope(of_list)


def record_with(key: str, value: Any, **keys: Any) -> Change:
    """Other values of some keys of one record, such as ``record_with("field_code", code, options={})``."""
    return of_each_record(lambda record: {**record, **keys} if record.get(key) == value else record)


def with_headers(**headers: str) -> Change:
    """Other values of some headers; ``_`` stands for ``-``."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda response: FullResponse(response.status, {**response.headers, **named}, response.body)


def without_headers(*beginnings: str) -> Change:
    """No headers whose names begin so."""

    def of_response(response: FullResponse) -> FullResponse:
        kept = {name: value for name, value in response.headers.items() if not name.startswith(beginnings)}
        return FullResponse(response.status, kept, response.body)

    return of_response


def dated(ahead: timedelta) -> Change:
    """A ``Date`` that is ahead of the account's, or behind it."""

    def of_response(response: FullResponse) -> FullResponse:
        date = format_datetime(parsedate_to_datetime(response.headers["date"]) + ahead, usegmt=True)
        return FullResponse(response.status, {**response.headers, "date": date}, response.body)

    return of_response


def both(first: Change, second: Change) -> Change:
    """One change after the other."""
    return lambda response: second(first(response))

"""The guard before Dagster's web server, which asks nobody who they are and listens on this machine.

A page of any web site that a person has open can send requests to this machine, and a name of its own can be
made to lead here. Both are refused: a request has to name this machine, and one that a browser sends has to
come from Dagster's own pages. What is no browser, such as the command line, says nothing of pages.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, MutableMapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]
"""An ASGI application."""

LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
"""The names by which this machine may be asked."""

OWN_SITES = frozenset({"same-origin", "none"})
"""What a browser says of requests that come from the page itself, or from what a person typed."""

POLICY_VIOLATION = 1008
"""The code with which a WebSocket is closed that may not be opened."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is refused."""

    status: HTTPStatus
    sentence: str


class WebGuard:
    """An application before another one, to which it passes on what may come in.

    Args:
        application: what is guarded.
        hosts: names by which it may be asked beside those of this machine.
    """

    def __init__(self, application: Application, hosts: Collection[str] = ()) -> None:
        self._application = application
        self._hosts = LOCAL_HOSTS | {host.lower() for host in hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or let the application do it."""
        refusal = refusal_of(scope, self._hosts) if scope["type"] in {"http", "websocket"} else None
        if refusal is None:
            await self._application(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": POLICY_VIOLATION, "reason": refusal.sentence})
        else:
            await _answer(refusal, send)


def refusal_of(scope: Scope, hosts: Collection[str] = LOCAL_HOSTS) -> Refusal | None:
    """Why a request may not come in; None if it may."""
    headers: dict[bytes, str] = {}
    for name, value in scope["headers"]:
        told, before = value.decode("latin-1"), headers.get(name.lower())
        # No browser sends two of these, and no value that is made of two passes for one of them.
        headers[name.lower()] = told if before is None else f"{before}, {told}"
    host = headers.get(b"host", "")
    if _name_of(f"//{host}") not in hosts:
        return Refusal(
            HTTPStatus.MISDIRECTED_REQUEST,
            "This Dagster answers on this machine only: open it as http://127.0.0.1 or http://localhost, or "
            "name this host in PIPEDRIVE_DAGSTER_HOSTS.",
        )
    if not _is_from_here(scope, headers, host):
        return Refusal(HTTPStatus.FORBIDDEN, "Another web page has sent this request, so it is refused.")
    if scope["type"] == "http" and scope["method"] in {"GET", "HEAD"} and _asks_graphql(scope):
        return Refusal(
            HTTPStatus.METHOD_NOT_ALLOWED, "GraphQL is asked by POST here, since a link can launch runs."
        )
    return None


def _is_from_here(scope: Scope, headers: dict[bytes, str], host: str) -> bool:
    origin = headers.get(b"origin")
    if origin is not None and _netloc_of(origin) != host:
        return False
    if headers.get(b"sec-fetch-site", "none") in OWN_SITES:
        return True
    # A link on another page may open one of Dagster's, which changes nothing and which that page cannot read.
    is_link = headers.get(b"sec-fetch-mode") == "navigate" and headers.get(b"sec-fetch-dest") == "document"
    return scope["type"] == "http" and scope["method"] == "GET" and is_link


def _asks_graphql(scope: Scope) -> bool:
    return bool(scope["path"].rstrip("/").endswith("/graphql")) and bool(scope["query_string"])


def _name_of(address: str) -> str | None:
    try:
        return urlsplit(address).hostname
    except ValueError:
        return None


def _netloc_of(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return None


async def _answer(refusal: Refusal, send: Send) -> None:
    body = f"{refusal.sentence}\n".encode()
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
    ]
    if refusal.status is HTTPStatus.METHOD_NOT_ALLOWED:
        headers.append((b"allow", b"POST"))
    await send({"type": "http.response.start", "status": int(refusal.status), "headers": headers})
    await send({"type": "http.response.body", "body": body})

"""Faults on the way to the account: responses that are lost, late, cut, wrong or refused, as a seed has it.

What the account logs and holds stays true. A response that was faulty is right when it is asked for once
more: trouble here passes.
"""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from random import Random
from typing import Any
from urllib.parse import parse_qs

import orjson
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from pipedrive_orchestration.demo.errors import over_limit
from pipedrive_orchestration.demo.faults import Fault, Faults
from pipedrive_orchestration.demo.responses import (
    Change,
    FullResponse,
    answer,
    dated,
    envelope_with,
    envelope_without,
)

_REPEATED_ROWS = 3
_DRIPS = 10
_SKEW = timedelta(hours=6)
_ABORT = "abort"
"""Key of ``scope["state"]`` under which a request finds how to abort its connection."""

_OF_A_CURSOR = frozenset({Fault.LOST_CURSOR, Fault.CURSOR_CYCLE})

_UNSEEN = frozenset({Fault.BURST, Fault.DAILY, Fault.BLOCKED})
"""Faults that mean that the account has not looked at the request."""

_HTML = {"content-type": "text/html"}
_BLOCKED = b"<!DOCTYPE html><html><title>Attention Required! | Cloudflare</title><h1>Blocked</h1></html>"
_OVER_LIMIT = over_limit().body
_LOST = "Validation failed: cursor: This value is not a valid cursor."


_CHANGES: dict[Fault, Change] = {
    Fault.BURST: answer(_OVER_LIMIT, 429, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1"}),
    Fault.DAILY: answer(_OVER_LIMIT, 429, {"x-daily-ratelimit-token-remaining": "0"}),
    **{
        Fault(str(status)): answer(b"<html>Try again later</html>", status, _HTML)
        for status in (500, 502, 503, 504)
    },
    Fault.BLOCKED: answer(_BLOCKED, 403, _HTML),
    Fault.HTML: answer(_BLOCKED, 200, _HTML),
    Fault.TRUNCATED: lambda response: replace(response, body=response.body[: len(response.body) // 2]),
    Fault.CONTENT_TYPE: lambda response: replace(response, headers={**response.headers, **_HTML}),
    Fault.NO_SUCCESS: envelope_with(success=False, error="Something went wrong", data=None),
    Fault.NULL_DATA: envelope_with(data=None, additional_data=None),
    Fault.NO_ADDITIONAL_DATA: envelope_without("additional_data"),
    Fault.CLOCK_AHEAD: dated(_SKEW),
    Fault.CLOCK_BEHIND: dated(-_SKEW),
    # No error of an old cursor is documented (docs/pipedrive-api.md#pagination): refused like any parameter.
    Fault.LOST_CURSOR: answer(
        {"success": False, "error": _LOST, "code": "ERR_SCHEMA_VALIDATION_FAILED"},
        400,
        {"content-type": "application/json"},
    ),
}
"""What becomes of a good response, of the faults that lie in it alone."""


class AbortableProtocol(H11Protocol):
    """uvicorn's protocol, except that a request can abort the connection it came by."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        """Gives every request of the connection the way to abort it."""
        super().connection_made(transport)
        self.app_state = {**self.app_state, _ABORT: partial(_abort, transport)}


def _abort(transport: asyncio.Transport) -> None:
    # Closed without lingering, the other end sees a reset and not an orderly end.
    transport.get_extra_info("socket").setsockopt(
        socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00"
    )
    transport.abort()


@dataclass(frozen=True, slots=True)
class _Exchange:
    """A request and the way back to its client."""

    scope: Scope
    receive: Receive
    send: Send

    @property
    def target(self) -> str:
        return f"{self.scope['path']}?{self.scope['query_string'].decode()}"

    @property
    def cursor(self) -> str | None:
        return next(iter(parse_qs(self.scope["query_string"].decode()).get("cursor", [])), None)

    async def abort_after(self, seconds: float) -> None:
        """Abort the connection once the client has gone, or after so many seconds."""
        await self._gone(seconds)
        self.scope["state"][_ABORT]()
        await self._gone(60)

    async def _gone(self, seconds: float) -> None:
        async def until_gone() -> None:
            while (await self.receive())["type"] != "http.disconnect":
                pass

        if seconds:
            try:
                await asyncio.wait_for(until_gone(), seconds)
            except TimeoutError:
                return

    async def deliver_half(self, response: FullResponse) -> None:
        """Send the headers and half of the body."""
        await self.send(response.start())
        half = response.body[: len(response.body) // 2]
        await self.send({"type": "http.response.body", "body": half, "more_body": True})


async def _reset_during(exchange: _Exchange, response: FullResponse, _faults: Faults) -> None:
    await exchange.deliver_half(response)
    await exchange.abort_after(0)


async def _reset_after(exchange: _Exchange, response: FullResponse, _faults: Faults) -> None:
    await response.deliver(exchange.send)
    exchange.scope["state"][_ABORT]()


async def _stall_during(exchange: _Exchange, response: FullResponse, faults: Faults) -> None:
    await exchange.deliver_half(response)
    await exchange.abort_after(faults.stall_seconds)


async def _drip(exchange: _Exchange, response: FullResponse, faults: Faults) -> None:
    await exchange.send(response.start())
    size = len(response.body) // _DRIPS + 1
    for at in range(0, len(response.body), size):
        chunk = response.body[at : at + size]
        await exchange.send({"type": "http.response.body", "body": chunk, "more_body": True})
        await asyncio.sleep(faults.drip_seconds / _DRIPS)
    await exchange.send({"type": "http.response.body", "body": b""})


_DELIVERIES: dict[Fault, Callable[[_Exchange, FullResponse, Faults], Awaitable[None]]] = {
    Fault.RESET_DURING: _reset_during,
    Fault.RESET_AFTER: _reset_after,
    Fault.STALL_DURING: _stall_during,
    Fault.DRIP: _drip,
}
"""How a response goes out that is not sent as responses are."""


class FaultInjector:
    """The application with faults in front of it.

    Args:
        app: the application.
        faults: which of them come how often.
        injected: counts them.
    """

    def __init__(self, app: ASGIApp, faults: Faults, injected: Counter[Fault]) -> None:
        self._app = app
        self._faults = faults
        self._injected = injected
        self._random = Random(faults.seed)
        self._spared: set[str] = set()
        self._first_cursors: dict[str, str] = {}
        self._last_rows: dict[str, list[Any]] = {}
        self._lost_cursors: set[str] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request, rightly or not."""
        exchange = _Exchange(scope, receive, send)
        fault = self._drawn(exchange) if self._may_fail(scope) else None
        if exchange.cursor in self._lost_cursors and scope["path"].startswith("/api/v2"):
            await _CHANGES[Fault.LOST_CURSOR](FullResponse()).deliver(send)
        elif fault is not None:
            self._injected[fault] += 1
            await self._inject(exchange, fault)
        elif not self._lost_cursors:
            await self._app(scope, receive, send)
        else:
            response = await FullResponse.of(self._app, exchange.scope, exchange.receive)
            # One that is given out anew is good again.
            self._lost_cursors = {lost for lost in self._lost_cursors if lost.encode() not in response.body}
            await response.deliver(exchange.send)

    def _may_fail(self, scope: Scope) -> bool:
        return scope["type"] == "http" and (scope["method"] == "GET" or self._faults.of_writes)

    def _drawn(self, exchange: _Exchange) -> Fault | None:
        if exchange.target in self._spared:
            self._spared.remove(exchange.target)
            return None
        kinds = [kind for kind in self._faults.kinds if kind not in _OF_A_CURSOR or exchange.cursor]
        if not kinds or self._random.random() >= self._faults.share:
            return None
        self._spared.add(exchange.target)
        return self._random.choice(kinds)

    async def _inject(self, exchange: _Exchange, fault: Fault) -> None:
        if fault in {Fault.RESET_BEFORE, Fault.STALL_BEFORE}:
            await exchange.abort_after(0 if fault is Fault.RESET_BEFORE else self._faults.stall_seconds)
            return
        if fault in _UNSEEN and exchange.scope["method"] != "GET":
            await _CHANGES[fault](FullResponse()).deliver(exchange.send)
            return
        response = await FullResponse.of(self._app, exchange.scope, exchange.receive)
        if response.status in (200, 201):
            response = self._changed(exchange, fault, response)
        if fault in _DELIVERIES:
            await _DELIVERIES[fault](exchange, response, self._faults)
        else:
            await response.deliver(exchange.send)

    def _changed(self, exchange: _Exchange, fault: Fault, response: FullResponse) -> FullResponse:
        if fault is Fault.LOST_CURSOR:
            self._lost_cursors.add(exchange.cursor or "")
        if fault in _CHANGES:
            return _CHANGES[fault](response)
        match fault:
            case Fault.REDIRECT:
                return answer(b"", 302, {"location": f"{self._faults.elsewhere}{exchange.target}"})(response)
            case Fault.CURSOR_CYCLE:
                return self._in_a_cycle(exchange, response)
            case Fault.DUPLICATES:
                return self._with_rows_of_before(exchange, response)
            case _:
                return response

    def _in_a_cycle(self, exchange: _Exchange, response: FullResponse) -> FullResponse:
        """The list goes on where a request for it has been before: at this page, or at one long gone."""
        assert exchange.cursor, "drawn only for requests with one"
        first = self._first_cursors.setdefault(exchange.scope["path"], exchange.cursor)
        envelope = response.json()
        if envelope["additional_data"]["next_cursor"] is not None:
            envelope["additional_data"]["next_cursor"] = self._random.choice((first, exchange.cursor))
        return replace(response, body=orjson.dumps(envelope))

    def _with_rows_of_before(self, exchange: _Exchange, response: FullResponse) -> FullResponse:
        """The page with some of its rows twice, and with rows of the page that had this fault before."""
        envelope = response.json()
        rows = envelope.get("data")
        if isinstance(rows, list):
            before = self._last_rows.get(exchange.scope["path"], [])
            self._last_rows[exchange.scope["path"]] = rows[-_REPEATED_ROWS:]
            envelope["data"] = [*before, *rows[:_REPEATED_ROWS], *rows]
        return replace(response, body=orjson.dumps(envelope))

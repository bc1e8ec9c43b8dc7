"""A bad way to the account: answers that are lost, late, cut, wrong or refused, as the seed has it.

The faults lie between the client and the account, so what the account logs and holds stays true. An answer
that was spoilt is given rightly when it is asked for once more: trouble here passes.
"""

from __future__ import annotations

import argparse
import asyncio
import socket
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from email.utils import format_datetime, parsedate_to_datetime
from enum import StrEnum
from functools import partial
from random import Random
from typing import Any
from urllib.parse import parse_qs

import orjson
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

HANG_UP = "hang_up"
"""Key of ``scope["state"]`` under which a request finds how to cut its connection."""

STATUSES = (500, 502, 503, 504)
SKEW = timedelta(hours=6)
DRIPS = 10
REPEATED_ROWS = 3

_BLOCKED = b"<!DOCTYPE html><html><title>Attention Required! | Cloudflare</title><h1>Blocked</h1></html>"


class Fault(StrEnum):
    """What can happen to an answer; the value is its name for ``--faults``."""

    BURST = "burst-429"
    DAILY = "daily-429"
    ERROR_500 = "500"
    ERROR_502 = "502"
    ERROR_503 = "503"
    ERROR_504 = "504"
    BLOCKED = "html-403"
    RESET_BEFORE = "reset-before"
    RESET_DURING = "reset-during"
    RESET_AFTER = "reset-after"
    TRUNCATED = "truncated-json"
    HTML = "html-200"
    CONTENT_TYPE = "content-type"
    NO_SUCCESS = "success-false"
    NULL_DATA = "null-data"
    NO_ADDITIONAL_DATA = "no-additional-data"
    DUPLICATES = "duplicate-rows"
    LOST_CURSOR = "lost-cursor"
    CURSOR_CYCLE = "cursor-cycle"
    STALL_BEFORE = "stall-before"
    STALL_DURING = "stall-during"
    DRIP = "drip"
    CLOCK_AHEAD = "clock-ahead"
    CLOCK_BEHIND = "clock-behind"
    REDIRECT = "redirect"


_OF_A_CURSOR = frozenset({Fault.LOST_CURSOR, Fault.CURSOR_CYCLE})


@dataclass(frozen=True, slots=True)
class Faults:
    """Which faults come how often.

    Attributes:
        share: of the requests, between 0 and 1; a request that repeats a spoilt one is spared.
        kinds: those that come, equally often.
        seed: the same seed and the same requests give the same faults.
        stall_seconds: how long a stalled answer is kept back before its connection is cut.
        drip_seconds: how long a dripping body takes.
        elsewhere: the address that redirects lead to.
    """

    share: float
    kinds: tuple[Fault, ...] = tuple(Fault)
    seed: int = 1
    stall_seconds: float = 60.0
    drip_seconds: float = 2.0
    elsewhere: str = "http://elsewhere.invalid"

    @classmethod
    def parse(cls, text: str) -> Faults:
        """Read ``SHARE`` or ``SHARE:NAME,NAME,...``, such as ``0.05`` or ``0.2:500,drip``.

        Raises:
            argparse.ArgumentTypeError: it is neither.
        """
        share, _, names = text.partition(":")
        try:
            kinds = tuple(Fault(name.strip()) for name in names.split(",")) if names else tuple(Fault)
            chosen = cls(float(share), kinds)
        except ValueError:
            chosen = None
        if chosen is None or not 0 <= chosen.share <= 1:
            raise argparse.ArgumentTypeError(
                f"must be a share between 0 and 1, and names after a colon if not all faults are wanted: "
                f"{', '.join(Fault)}; not {text}"
            )
        return chosen


class FaultyProtocol(H11Protocol):
    """uvicorn's protocol, except that a request can cut the connection it came by."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        """Gives every request of the connection the way to cut it."""
        super().connection_made(transport)
        self.app_state = {**self.app_state, HANG_UP: partial(_reset, transport)}


def _reset(transport: asyncio.Transport) -> None:
    # Closed without lingering, the other end sees a reset and not an orderly end.
    transport.get_extra_info("socket").setsockopt(
        socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00"
    )
    transport.abort()


@dataclass(slots=True)
class _Answer:
    """An answer that can still be changed; header names in lower case."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    def json(self) -> dict[str, Any]:
        """The envelope."""
        envelope: dict[str, Any] = orjson.loads(self.body)
        return envelope

    def start(self) -> Message:
        """The message that sends status and headers."""
        headers = {**self.headers, "content-length": str(len(self.body))}
        encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
        return {"type": "http.response.start", "status": self.status, "headers": encoded}


@dataclass(frozen=True, slots=True)
class _Request:
    """A request on its way through the faults."""

    scope: Scope
    receive: Receive
    send: Send

    @property
    def target(self) -> str:
        """Path and query."""
        return f"{self.scope['path']}?{self.scope['query_string'].decode()}"

    @property
    def cursor(self) -> str | None:
        """The cursor asked for."""
        return next(iter(parse_qs(self.scope["query_string"].decode()).get("cursor", [])), None)

    async def hang_up(self) -> None:
        """Cut the connection."""
        self.scope["state"][HANG_UP]()
        await self.gone(60)

    async def gone(self, seconds: float) -> None:
        """Wait until the client has gone, or for so many seconds."""

        async def until_gone() -> None:
            while (await self.receive())["type"] != "http.disconnect":
                pass

        try:
            await asyncio.wait_for(until_gone(), seconds)
        except TimeoutError:
            return


class Injector:
    """The application with faults in front of it.

    Attributes:
        injected: how often each fault has come.
    """

    def __init__(self, app: ASGIApp, faults: Faults, injected: Counter[Fault]) -> None:
        self.injected = injected
        self._app = app
        self._faults = faults
        self._random = Random(faults.seed)
        self._spared: set[str] = set()
        self._first_cursors: dict[str, str] = {}
        self._last_rows: dict[str, list[Any]] = {}
        self._lost_cursors: set[str] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request, rightly or not."""
        request = _Request(scope, receive, send)
        fault = self._drawn(request) if scope["type"] == "http" and scope["method"] == "GET" else None
        if request.cursor in self._lost_cursors and scope["path"].startswith("/api/v2"):
            await _send_whole(request, _without_cursor())
        elif fault is None and not self._lost_cursors:
            await self._app(scope, receive, send)
        elif fault is None:
            answer = await self._answer_of(request)
            # One that is given out anew is good again.
            self._lost_cursors = {lost for lost in self._lost_cursors if lost.encode() not in answer.body}
            await _send_whole(request, answer)
        else:
            self.injected[fault] += 1
            await self._spoil(request, fault)

    def _drawn(self, request: _Request) -> Fault | None:
        if request.target in self._spared:
            self._spared.remove(request.target)
            return None
        kinds = [kind for kind in self._faults.kinds if kind not in _OF_A_CURSOR or request.cursor]
        if not kinds or self._random.random() >= self._faults.share:
            return None
        self._spared.add(request.target)
        return self._random.choice(kinds)

    async def _spoil(self, request: _Request, fault: Fault) -> None:
        if fault is Fault.RESET_BEFORE:
            await request.hang_up()
            return
        if fault is Fault.STALL_BEFORE:
            await request.gone(self._faults.stall_seconds)
            await request.hang_up()
            return
        answer = await self._answer_of(request)
        if answer.status == 200:
            answer = self._changed(request, fault, answer)
        await _SENDING.get(fault, _send_whole_of)(request, answer, self._faults)

    async def _answer_of(self, request: _Request) -> _Answer:
        answer = _Answer()

        async def keep(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer.status = message["status"]
                answer.headers = {name.decode(): value.decode() for name, value in message["headers"]}
            else:
                answer.body += message.get("body", b"")

        await self._app(request.scope, request.receive, keep)
        return answer

    def _changed(self, request: _Request, fault: Fault, answer: _Answer) -> _Answer:
        if fault in _CHANGES:
            return _CHANGES[fault](answer)
        if fault is Fault.REDIRECT:
            location = {"location": f"{self._faults.elsewhere}{request.target}"}
            return _Answer(302, {**answer.headers, **location})
        if fault is Fault.LOST_CURSOR:
            assert request.cursor, "drawn only for requests with one"
            self._lost_cursors.add(request.cursor)
            return _without_cursor()
        if fault is Fault.CURSOR_CYCLE:
            return self._in_a_cycle(request, answer)
        return self._with_rows_of_before(request, answer) if fault is Fault.DUPLICATES else answer

    def _in_a_cycle(self, request: _Request, answer: _Answer) -> _Answer:
        """The list goes on where a request for it has been before: at this page, or at one long gone."""
        assert request.cursor, "drawn only for requests with one"
        first = self._first_cursors.setdefault(request.scope["path"], request.cursor)
        envelope = answer.json()
        if envelope["additional_data"]["next_cursor"] is not None:
            envelope["additional_data"]["next_cursor"] = self._random.choice((first, request.cursor))
        answer.body = orjson.dumps(envelope)
        return answer

    def _with_rows_of_before(self, request: _Request, answer: _Answer) -> _Answer:
        """The page with some of its rows twice, and with rows of the page that had this fault before."""
        envelope = answer.json()
        rows = envelope.get("data")
        if isinstance(rows, list):
            before = self._last_rows.get(request.scope["path"], [])
            self._last_rows[request.scope["path"]] = rows[-REPEATED_ROWS:]
            envelope["data"] = [*before, *rows[:REPEATED_ROWS], *rows]
        answer.body = orjson.dumps(envelope)
        return answer


def _refusing(status: int, more: Mapping[str, str], body: bytes) -> Callable[[_Answer], _Answer]:
    return lambda answer: _Answer(status, {**answer.headers, **more}, body)


def _cut(answer: _Answer) -> _Answer:
    return _Answer(200, answer.headers, answer.body[: len(answer.body) // 2])


def _enveloped(**more: Any) -> Callable[[_Answer], _Answer]:
    return lambda answer: _Answer(200, answer.headers, orjson.dumps({**answer.json(), **more}))


def _without_additional_data(answer: _Answer) -> _Answer:
    envelope = answer.json()
    envelope.pop("additional_data", None)
    return _Answer(200, answer.headers, orjson.dumps(envelope))


def _skewed(skew: timedelta) -> Callable[[_Answer], _Answer]:
    def change(answer: _Answer) -> _Answer:
        date = format_datetime(parsedate_to_datetime(answer.headers["date"]) + skew, usegmt=True)
        return _Answer(200, {**answer.headers, "date": date}, answer.body)

    return change


def _without_cursor() -> _Answer:
    # No error of an old cursor is documented (API facts 9); this is how v2 refuses a parameter.
    body = {"success": False, "error": "Validation failed: cursor: This value is not a valid cursor."}
    return _Answer(
        400,
        {"content-type": "application/json"},
        orjson.dumps(body | {"code": "ERR_SCHEMA_VALIDATION_FAILED"}),
    )


_TEXT = {"content-type": "text/html"}
_OVER_LIMIT = b'{"success":false,"error":"request over limit","errorCode":429}'

_CHANGES: dict[Fault, Callable[[_Answer], _Answer]] = {
    Fault.BURST: _refusing(429, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1"}, _OVER_LIMIT),
    Fault.DAILY: _refusing(429, {"x-daily-ratelimit-token-remaining": "0"}, _OVER_LIMIT),
    **{Fault(str(status)): _refusing(status, _TEXT, b"<html>Try again later</html>") for status in STATUSES},
    Fault.BLOCKED: _refusing(403, _TEXT, _BLOCKED),
    Fault.TRUNCATED: _cut,
    Fault.HTML: _refusing(200, _TEXT, _BLOCKED),
    Fault.CONTENT_TYPE: lambda answer: _Answer(200, {**answer.headers, **_TEXT}, answer.body),
    Fault.NO_SUCCESS: _enveloped(success=False, error="Something went wrong", data=None),
    Fault.NULL_DATA: _enveloped(data=None, additional_data=None),
    Fault.NO_ADDITIONAL_DATA: _without_additional_data,
    Fault.CLOCK_AHEAD: _skewed(SKEW),
    Fault.CLOCK_BEHIND: _skewed(-SKEW),
}
"""What becomes of a good answer."""


async def _send_whole(request: _Request, answer: _Answer) -> None:
    await request.send(answer.start())
    await request.send({"type": "http.response.body", "body": answer.body})


async def _send_whole_of(request: _Request, answer: _Answer, _faults: Faults) -> None:
    await _send_whole(request, answer)


async def _send_half(request: _Request, answer: _Answer) -> None:
    await request.send(answer.start())
    half = answer.body[: len(answer.body) // 2]
    await request.send({"type": "http.response.body", "body": half, "more_body": True})


async def _reset_during(request: _Request, answer: _Answer, _faults: Faults) -> None:
    await _send_half(request, answer)
    await request.hang_up()


async def _reset_after(request: _Request, answer: _Answer, _faults: Faults) -> None:
    await _send_whole(request, answer)
    request.scope["state"][HANG_UP]()


async def _stall_during(request: _Request, answer: _Answer, faults: Faults) -> None:
    await _send_half(request, answer)
    await request.gone(faults.stall_seconds)
    await request.hang_up()


async def _drip(request: _Request, answer: _Answer, faults: Faults) -> None:
    await request.send(answer.start())
    size = len(answer.body) // DRIPS + 1
    for at in range(0, len(answer.body), size):
        chunk = answer.body[at : at + size]
        await request.send({"type": "http.response.body", "body": chunk, "more_body": True})
        await asyncio.sleep(faults.drip_seconds / DRIPS)
    await request.send({"type": "http.response.body", "body": b""})


_SENDING: dict[Fault, Callable[[_Request, _Answer, Faults], Awaitable[None]]] = {
    Fault.RESET_DURING: _reset_during,
    Fault.RESET_AFTER: _reset_after,
    Fault.STALL_DURING: _stall_during,
    Fault.DRIP: _drip,
}
"""How an answer goes out, where it does not simply."""

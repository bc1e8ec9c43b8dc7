"""How a spoilt answer goes out: late, in drips, cut short, or not at all."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from urllib.parse import parse_qs

from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from pipedrive_orchestration.demo.faults import Fault, Faults
from pipedrive_orchestration.demo.spoilt_answers import Answer

HANG_UP = "hang_up"
"""Key of ``scope["state"]`` under which a request finds how to cut its connection."""

_DRIPS = 10


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


@dataclass(frozen=True, slots=True)
class Request:
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


async def deliver(request: Request, answer: Answer) -> None:
    """Send an answer as answers are sent."""
    await request.send(answer.start())
    await request.send({"type": "http.response.body", "body": answer.body})


async def deliver_with(fault: Fault, request: Request, answer: Answer, faults: Faults) -> None:
    """Send an answer as the fault has it, which is as answers are sent if it lies in the answer alone."""
    if fault in _DELIVERIES:
        await _DELIVERIES[fault](request, answer, faults)
    else:
        await deliver(request, answer)


async def _send_half(request: Request, answer: Answer) -> None:
    await request.send(answer.start())
    half = answer.body[: len(answer.body) // 2]
    await request.send({"type": "http.response.body", "body": half, "more_body": True})


async def _reset_during(request: Request, answer: Answer, _faults: Faults) -> None:
    await _send_half(request, answer)
    await request.hang_up()


async def _reset_after(request: Request, answer: Answer, _faults: Faults) -> None:
    await deliver(request, answer)
    request.scope["state"][HANG_UP]()


async def _stall_during(request: Request, answer: Answer, faults: Faults) -> None:
    await _send_half(request, answer)
    await request.gone(faults.stall_seconds)
    await request.hang_up()


async def _drip(request: Request, answer: Answer, faults: Faults) -> None:
    await request.send(answer.start())
    size = len(answer.body) // _DRIPS + 1
    for at in range(0, len(answer.body), size):
        chunk = answer.body[at : at + size]
        await request.send({"type": "http.response.body", "body": chunk, "more_body": True})
        await asyncio.sleep(faults.drip_seconds / _DRIPS)
    await request.send({"type": "http.response.body", "body": b""})


_DELIVERIES: dict[Fault, Callable[[Request, Answer, Faults], Awaitable[None]]] = {
    Fault.RESET_DURING: _reset_during,
    Fault.RESET_AFTER: _reset_after,
    Fault.STALL_DURING: _stall_during,
    Fault.DRIP: _drip,
}

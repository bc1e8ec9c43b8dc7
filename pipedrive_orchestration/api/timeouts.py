"""Timeouts of a request: how long its head and its body may take to come.

A server has so many connections and no more. Who opens some and sends a byte a minute would keep them all.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from starlette.types import Message, Receive
from uvicorn.protocols.http.auto import AutoHTTPProtocol

if TYPE_CHECKING:
    from uvicorn.protocols.http.h11_impl import H11Protocol as Protocol
else:
    Protocol = AutoHTTPProtocol

HEAD_SECONDS = 10.0
"""How long the head of a request may take, from the connection or from its first byte."""

BODY_SECONDS = 60.0
"""How long the body of a request may take; a megabyte at the speed of a modem does."""


class HeadTimeoutProtocol(Protocol):
    """The protocol of a connection that ends where the head of a request does not come."""

    _waits_for_head: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begins to wait."""
        super().connection_made(transport)  # type: ignore[arg-type]
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Takes what came, and waits on where that was not all of a head."""
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Ceases to wait."""
        super().connection_lost(exc)
        self._cease()

    def _watch(self) -> None:
        if self.cycle is not None and not self.cycle.response_complete:
            self._cease()
        elif self._waits_for_head is None:
            self._waits_for_head = self.loop.call_later(HEAD_SECONDS, self._close)

    def _close(self) -> None:
        self._waits_for_head = None
        if (self.cycle is None or self.cycle.response_complete) and not self.transport.is_closing():
            self.transport.close()

    def _cease(self) -> None:
        if self._waits_for_head is not None:
            self._waits_for_head.cancel()
            self._waits_for_head = None


def with_body_timeout(receive: Receive) -> Receive:
    """A receiver of a request's body that takes a caller who is too slow for one who has gone."""
    until = time.monotonic() + BODY_SECONDS
    is_whole = False

    async def receive_in_time() -> Message:
        nonlocal is_whole
        if is_whole:
            return await receive()
        try:
            message = await asyncio.wait_for(receive(), max(0.0, until - time.monotonic()))
        except TimeoutError:
            return {"type": "http.disconnect"}
        is_whole = message["type"] != "http.request" or not message.get("more_body", False)
        return message

    return receive_in_time

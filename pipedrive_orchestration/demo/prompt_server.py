"""A web server that ends as soon as it is told to."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress

import uvicorn

_LOOK_SECONDS = 0.005
_TICK_SECONDS = 1.0


class PromptServer(uvicorn.Server):
    """A uvicorn server whose end takes milliseconds.

    uvicorn's own looks ten times a second whether it is told to end, and then sleeps for a tenth of a second
    more; tests start and end accounts by the thousand.

    It may be told by ``should_exit`` from any thread, and by a signal.
    """

    def __init__(self, config: uvicorn.Config) -> None:
        self._told = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        super().__init__(config)

    @property
    def should_exit(self) -> bool:
        """Whether it is told to end."""
        return self._should_exit

    @should_exit.setter
    def should_exit(self, should_exit: bool) -> None:
        self._should_exit = should_exit
        if should_exit and self._loop is not None:
            with suppress(RuntimeError):  # it has ended already
                self._loop.call_soon_threadsafe(self._told.set)

    async def main_loop(self) -> None:
        """Serves until it is told to end."""
        self._loop = asyncio.get_running_loop()
        while not await self.on_tick(0):
            with suppress(TimeoutError):
                async with asyncio.timeout(_TICK_SECONDS):
                    await self._told.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Ends what is under way, and cancels it where that takes too long."""
        for server in self.servers:
            server.close()
        for listener in sockets or []:
            listener.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        with suppress(TimeoutError):
            async with asyncio.timeout(self.config.timeout_graceful_shutdown):
                while self._is_answering:  # noqa: ASYNC110 - uvicorn has no event for it
                    await asyncio.sleep(_LOOK_SECONDS)
        for task in self.server_state.tasks:
            task.cancel()
        if not self.force_exit:
            await self.lifespan.shutdown()

    @property
    def _is_answering(self) -> bool:
        under_way = self.server_state.connections or self.server_state.tasks
        return bool(under_way) and not self.force_exit

"""An event loop whose clock jumps over every wait, so that minutes of waiting take no time."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class VirtualLoop(asyncio.SelectorEventLoop):
    """Nothing but timers runs in it: a wait without an end is an error."""

    def __init__(self) -> None:
        self.now = 0.0
        super().__init__(_Jumping(self))

    def time(self) -> float:
        return self.now


class _Jumping(selectors.DefaultSelector):
    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("everything waits for something that cannot come")
        self._loop.now += timeout
        return super().select(0)


def run_virtually(main: Coroutine[Any, Any, T]) -> tuple[T, float]:
    """What a coroutine returns, and how many virtual seconds it took."""
    loop = VirtualLoop()
    try:
        return loop.run_until_complete(main), loop.now
    finally:
        loop.close()

"""Signals that end an event loop, wherever they find it."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def run_interruptibly(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in an event loop of its own, to its end or to a signal that ends the process's work.

    A handler that raises does so wherever Python happens to be. In a callback of the loop the error is
    logged and lost, in a task that others wait for it ends that task alone, and the loop may wait for ever.
    So while the loop runs, a signal cancels the coroutine, and the handler is called once the loop is closed.

    Raises:
        BaseException: what the handler of the signal raises: ``KeyboardInterrupt``, or what a scheduler has
            put in its place.
    """
    if threading.current_thread() is not threading.main_thread():
        return asyncio.run(main)
    handlers = {number: signal.getsignal(number) for number in _SIGNALS}
    received: list[signal.Signals] = []
    try:
        return asyncio.run(_cancelled_by_signals(main, received))
    except asyncio.CancelledError:
        if not received:
            raise
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        if received:
            signal.raise_signal(received[0])
    raise KeyboardInterrupt


async def _cancelled_by_signals(main: Coroutine[Any, Any, T], received: list[signal.Signals]) -> T:
    loop, task = asyncio.get_running_loop(), asyncio.ensure_future(main)

    def end(number: signal.Signals) -> None:
        received.append(number)
        task.cancel()

    for number in _SIGNALS:
        loop.add_signal_handler(number, end, number)
    return await task

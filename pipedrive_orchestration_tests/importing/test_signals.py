"""A signal ends an event loop wherever it finds it."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import pytest

from pipedrive_orchestration.importing.signals import run_interruptibly


class Ended(BaseException):
    """What a scheduler raises for a signal."""


def _end(_number: int, _frame: FrameType | None) -> None:
    raise Ended


@pytest.fixture(params=[signal.SIGINT, signal.SIGTERM])
def number(request: pytest.FixtureRequest) -> Iterator[signal.Signals]:
    """A signal whose handler raises."""
    before = signal.signal(request.param, _end)
    yield request.param
    signal.signal(request.param, before)


Sending = Callable[[signal.Signals], Any]


async def _in_a_callback(number: signal.Signals) -> None:
    asyncio.get_running_loop().call_soon(signal.raise_signal, number)
    await asyncio.sleep(5)


async def _in_a_task(number: signal.Signals) -> None:
    async def send() -> None:
        signal.raise_signal(number)

    task = asyncio.create_task(send())
    await asyncio.sleep(5)
    await task


async def _in_the_coroutine(number: signal.Signals) -> None:
    signal.raise_signal(number)
    await asyncio.sleep(5)


async def _while_it_waits(number: signal.Signals) -> None:
    threading.Timer(0.05, signal.raise_signal, [number]).start()
    await asyncio.sleep(5)


@pytest.mark.parametrize("main", [_in_a_callback, _in_a_task, _in_the_coroutine, _while_it_waits])
def test_the_handler_is_heard_after_the_loop(main: Sending, number: signal.Signals) -> None:
    cleaned = []

    async def watched() -> None:
        try:
            await main(number)
        finally:
            cleaned.append(main)

    with pytest.raises(Ended):
        run_interruptibly(watched())
    assert cleaned == [main]
    assert signal.getsignal(number) is _end


def test_ctrl_c_without_a_scheduler_is_a_keyboard_interrupt() -> None:
    with pytest.raises(KeyboardInterrupt):
        run_interruptibly(_in_a_callback(signal.SIGINT))


def test_without_a_signal_results_and_errors_come_through() -> None:
    async def answer() -> int:
        return 42

    async def fail() -> None:
        raise asyncio.CancelledError

    assert run_interruptibly(answer()) == 42
    with pytest.raises(asyncio.CancelledError):
        run_interruptibly(fail())
    found: list[int] = []
    thread = threading.Thread(target=lambda: found.append(run_interruptibly(answer())))
    thread.start()
    thread.join()
    assert found == [42]

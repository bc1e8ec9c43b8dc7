"""What Python does first in the processes that the tests start: their clock is that of the tests.

They look for garbage rarely, since they end soon.

Nothing of the project is imported here: what a process loads, and when, is for the tests to see.
"""

# ruff: noqa: PLC0415  # each process imports what it needs of this and no more

from __future__ import annotations

import gc
import os
import sys
import time

AHEAD = "TEST_CLOCK_AHEAD"
"""The variable that holds by how many seconds the tests' clock is ahead of the machine's."""

QUICK_DAEMON = "TEST_QUICK_DAEMON"
"""The variable that lets a backfill daemon look every 2 s; Dagster has no setting for its 30 s."""


QUICK_STORAGE = "TEST_QUICK_STORAGE"
"""The variable that lets Dagster's processes keep the engines of their storage."""


def _runs(program: str) -> bool:
    return any(program in argument for argument in sys.orig_argv)


def _is_of_dagster() -> bool:
    """Whether it is a server, a daemon or a run."""
    return _runs("dagster") or _runs("multiprocessing.spawn")


def _set_clock(seconds: float) -> None:
    sys.modules["pytest"] = None  # type: ignore[assignment]  # time-machine has a fixture, which is not for here
    try:
        from datetime import timedelta

        import time_machine
    finally:
        del sys.modules["pytest"]
    time_machine.travel(timedelta(seconds=seconds)).start()
    time.time()  # from which on it ticks


def _leave_deadlines_alone() -> None:
    """Lets gRPC's deadlines be instants of the machine's clock, by which its compiled part goes."""
    from importlib import import_module
    from types import SimpleNamespace
    from typing import Any

    from time_machine import escape_hatch

    machine_time = SimpleNamespace(**vars(time) | {"time": escape_hatch.time.time})
    for name in ("_channel", "_common", "_server", "_utilities", "aio._utils"):
        module: Any = import_module(f"grpc.{name}")
        module.time = machine_time


# A quarter of what the tests' short-lived processes did was to search the modules they import for garbage.
gc.set_threshold(100_000, 20, 20)

if AHEAD in os.environ:
    _set_clock(float(os.environ[AHEAD]))
    if _is_of_dagster():
        _leave_deadlines_alone()

if QUICK_STORAGE in os.environ and _is_of_dagster():
    from pipedrive_orchestration_tests.instances import keep_engines

    keep_engines()

if QUICK_DAEMON in os.environ and _runs("dagster._daemon"):
    from dagster._daemon import controller

    controller.DEFAULT_DAEMON_INTERVAL_SECONDS = 2

"""What Python does first in the processes that the tests start: their clock is that of the tests.

Nothing of the project is imported here: what a process loads, and when, is for the tests to see.
"""

from __future__ import annotations

import os
import sys
import time

AHEAD = "TEST_CLOCK_AHEAD"
"""The variable that holds by how many seconds the tests' clock is ahead of the machine's."""

QUICK_DAEMON = "TEST_QUICK_DAEMON"
"""The variable that lets a backfill daemon look every 2 s; Dagster has no setting for its 30 s."""


def _set_clock(seconds: float) -> None:
    sys.modules["pytest"] = None  # type: ignore[assignment]  # time-machine has a fixture, which is not for here
    try:
        from datetime import timedelta  # noqa: PLC0415

        import time_machine  # noqa: PLC0415
    finally:
        del sys.modules["pytest"]
    time_machine.travel(timedelta(seconds=seconds)).start()
    time.time()  # from which on it ticks


if AHEAD in os.environ:
    _set_clock(float(os.environ[AHEAD]))

if QUICK_DAEMON in os.environ and any("dagster._daemon" in argument for argument in sys.orig_argv):
    from dagster._daemon import controller

    controller.DEFAULT_DAEMON_INTERVAL_SECONDS = 2

"""The time of the tests, which has nothing to do with the clock of the machine that they run on."""

from __future__ import annotations

import itertools
import os
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import time_machine

INSTANT = "TEST_INSTANT"
"""The variable that chooses `PRESENT`: an instant such as ``2028-02-29T23:59:30`` (UTC), or ``random``."""

AHEAD = "TEST_CLOCK_AHEAD"
"""The variable by which the processes that tests start learn how far the tests' clock is ahead."""

STARTUP = Path(__file__).with_name("startup")
"""The folder on the ``PYTHONPATH`` of the processes that tests start, in which their clock is set."""

USUAL = datetime(2026, 5, 20, 10, tzinfo=UTC)

_LONGEST_RUN = timedelta(hours=1)
_EARLIEST, _LATEST = datetime(2022, 1, 1, tzinfo=UTC), datetime(2034, 12, 31, tzinfo=UTC)


def _chosen(text: str) -> datetime:
    if text == "random":
        span = (_LATEST - _EARLIEST).total_seconds()
        instant = _EARLIEST + timedelta(seconds=int(random.SystemRandom().uniform(0, span)))
        # A month that ended during the run would bring every source a window that no test has asked for.
        return instant if (instant + _LONGEST_RUN).month == instant.month else instant - _LONGEST_RUN
    instant = datetime.fromisoformat(text)
    return instant.replace(tzinfo=instant.tzinfo or UTC)


PRESENT = _chosen(os.environ.get(INSTANT) or USUAL.isoformat())
"""The instant at which a run of the tests begins, and at which the accounts of the tests stand.

An account's clock stands still until it is moved; that of the processes ticks.
"""


def set_clock() -> None:
    """Lets it be `PRESENT` in this process and in all that it starts, and the time pass from then on."""
    if time_machine.escape_hatch.is_travelling():
        return  # one of the processes of the tests: its clock was set as it started
    os.environ[INSTANT] = PRESENT.isoformat()
    ahead = os.environ.setdefault(AHEAD, str(PRESENT.timestamp() - time.time()))
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(STARTUP), os.environ.get("PYTHONPATH")]))
    time_machine.travel(timedelta(seconds=float(ahead))).start()
    time.time()  # from which on it ticks


@contextmanager
def machine_clock() -> Iterator[None]:
    """The machine's own time, for as long as the block runs: that which its files bear."""
    with time_machine.travel(time_machine.escape_hatch.time.time()):
        time.time()  # from which on it ticks
        yield


class Ticks:
    """A clock that tells no two instants alike, though the one behind it may stand still."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._asked = itertools.count()

    def __call__(self) -> datetime:
        """The time, a microsecond later for every time it was asked for."""
        return self._clock() + timedelta(microseconds=next(self._asked))


present_time = Ticks(lambda: PRESENT)
"""A clock for the importer that stands at `PRESENT`."""

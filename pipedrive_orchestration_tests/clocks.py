"""The time of the tests, which has nothing to do with the clock of the machine that they run on."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

PRESENT = datetime(2026, 5, 20, 10, tzinfo=UTC)
"""The instant at which the accounts of the tests begin; their clocks stand there until they are moved."""


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

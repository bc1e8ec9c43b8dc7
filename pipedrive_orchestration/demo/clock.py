"""The account's clock and the three ways in which Pipedrive writes an instant.

v2 records use RFC 3339 in whole seconds, v1 records a blank instead of the ``T`` and no zone, leads
and lead labels RFC 3339 with milliseconds (docs/pipedrive-api.md#times). All are UTC.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta

V2_TIME = "%Y-%m-%dT%H:%M:%SZ"
V1_TIME = "%Y-%m-%d %H:%M:%S"
LEAD_TIME = "%Y-%m-%dT%H:%M:%S.000Z"


class Clock:
    """The account's time: that of this machine, or one of its own that begins at a chosen instant.

    Args:
        start: what the clock shows at first; it follows this machine's clock if not given.
        rate: how many of its seconds pass in a second; at 0 it stands still until it is moved.
    """

    def __init__(self, start: datetime | None = None, rate: float = 1.0) -> None:
        self._start = start
        self._rate = rate
        self._began = time.monotonic()
        self._ahead = timedelta(0)
        self._held: datetime | None = None

    def now(self) -> datetime:
        """The account's present instant, UTC, in whole seconds."""
        return self.exactly_now().replace(microsecond=0)

    def exactly_now(self) -> datetime:
        """The account's present instant, UTC, with fractions of its second."""
        if self._held is not None:
            return self._held
        if self._start is None:
            return datetime.now(UTC) + self._ahead
        passed = timedelta(seconds=self._rate * (time.monotonic() - self._began))
        return self._start + passed + self._ahead

    def advance(self, by: timedelta) -> None:
        """Moves the clock on by ``by``, so that days pass without waiting for them."""
        self._ahead += by
        if self._held is not None:
            self._held += by

    def held(self) -> AbstractContextManager[None]:
        """Holds the clock at the present instant for as long as the block runs."""
        return self.at(self.exactly_now())

    @contextmanager
    def at(self, instant: datetime) -> Iterator[None]:
        """Holds the clock at one instant for as long as the block runs."""
        outer, self._held = self._held, instant
        try:
            yield
        finally:
            self._held = outer

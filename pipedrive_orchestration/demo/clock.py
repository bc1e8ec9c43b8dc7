"""The account's clock and the three ways in which Pipedrive writes an instant.

v2 records use RFC 3339 in whole seconds, v1 records a blank instead of the ``T`` and no zone, leads
and lead labels RFC 3339 with milliseconds (docs/pipedrive-api.md#times). All are UTC.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

V2_TIME = "%Y-%m-%dT%H:%M:%SZ"
V1_TIME = "%Y-%m-%d %H:%M:%S"
LEAD_TIME = "%Y-%m-%dT%H:%M:%S.000Z"


class Clock:
    """Tells the account's time: the real one, moved by as much as it was told to.

    Args:
        start: what the clock shows at first; the real time if not given.
    """

    def __init__(self, start: datetime | None = None) -> None:
        self._ahead = timedelta(0) if start is None else start - datetime.now(UTC)
        self._held: datetime | None = None

    def now(self) -> datetime:
        """The account's present instant, UTC, in whole seconds."""
        return (self._held or datetime.now(UTC) + self._ahead).replace(microsecond=0)

    def advance(self, by: timedelta) -> None:
        """Moves the clock on by ``by``, so that days pass without waiting for them."""
        self._ahead += by
        if self._held is not None:
            self._held += by

    @contextmanager
    def at(self, instant: datetime) -> Iterator[None]:
        """Holds the clock at one instant for as long as the block runs."""
        outer, self._held = self._held, instant
        try:
            yield
        finally:
            self._held = outer

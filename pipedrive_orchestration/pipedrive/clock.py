"""The clock of an account, as its answers tell it, beside that of this machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime


def utc_now() -> datetime:
    """The present instant by this machine's clock."""
    return datetime.now(UTC)


class AccountClock:
    """Our clock, and what Pipedrive's shows at the same moment.

    Instants of the two are never compared with each other: what an account says of itself, such as when a
    record changed, is in Pipedrive's time.

    Args:
        ours: tells our time.

    Attributes:
        offset: how far Pipedrive's clock is ahead of ours, by the ``Date`` of its answers; of several offsets
            the lowest counts, for what begins too early misses nothing, whoever's clock is wrong.
        is_told: whether an answer has told it.
    """

    def __init__(self, ours: Callable[[], datetime] = utc_now) -> None:
        self.offset = timedelta()
        self.is_told = False
        self._ours = ours

    def now(self) -> datetime:
        """The present instant by our clock."""
        return self._ours()

    def now_at_pipedrive(self) -> datetime:
        """The present instant by Pipedrive's clock, as far as its answers have told."""
        return self.at_pipedrive(self.now())

    def at_pipedrive(self, instant: datetime) -> datetime:
        """What Pipedrive's clock shows at an instant of ours, as far as its answers have told."""
        return instant + self.offset

    def by_our_clock(self, instant: datetime) -> datetime:
        """What our clock shows at an instant of Pipedrive's, as far as its answers have told."""
        return instant - self.offset

    def learn(self, headers: Mapping[str, str]) -> None:
        """Take note of the ``Date`` of an answer, if it has one."""
        try:
            offset = parsedate_to_datetime(headers.get("date", "")) - self.now()
        except (TypeError, ValueError):
            return
        self.offset = min(self.offset, offset) if self.is_told else offset
        self.is_told = True

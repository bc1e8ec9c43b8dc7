"""The account's calendar: when things happened, and how Pipedrive writes it down.

Instants are whole seconds since 1970-01-01 UTC (``int``) until they become text.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from random import Random
from typing import Any, Generic, TypeVar

DAY = 86_400
HOUR = 3_600
DELETED_DAYS = 29
"""Deleted records are at most this old, safely within the 30 days Pipedrive keeps them."""

Season = Callable[[Random, int], bool]

_EPOCH = date(1970, 1, 1)


@cache
def _date(day: int) -> str:
    return (_EPOCH + timedelta(days=day)).isoformat()


@cache
def _time_of_day(second: int) -> str:
    return f"{second // HOUR:02}:{second // 60 % 60:02}:{second % 60:02}"


def date_text(instant: int) -> str:
    """``2026-05-15``."""
    return _date(instant // DAY)


def clock_text(second: int) -> str:
    """``14:30:00`` for a second of the day."""
    return _time_of_day(second)


def v2_time(instant: int) -> str:
    """``2026-05-15T09:58:01Z``, the form of every v2 time (docs/pipedrive-api.md#times)."""
    return f"{_date(instant // DAY)}T{_time_of_day(instant % DAY)}Z"


def v1_time(instant: int) -> str:
    """``2026-05-15 09:58:01``, the form of most v1 times (docs/pipedrive-api.md#times)."""
    return f"{_date(instant // DAY)} {_time_of_day(instant % DAY)}"


def millisecond_time(instant: int, milliseconds: int = 0) -> str:
    """``2026-05-15T09:58:01.250Z``, the form of lead and lead label times (docs/pipedrive-api.md#times)."""
    return f"{_date(instant // DAY)}T{_time_of_day(instant % DAY)}.{milliseconds:03}Z"


def seconds_of(time: str) -> int:
    """The instant that an RFC 3339 time writes, without its fractions."""
    return int(datetime.fromisoformat(time).timestamp())


@dataclass(frozen=True, slots=True)
class Calendar:
    """The 24 months that the account has existed.

    Attributes:
        opened: the instant of the account's first record.
        now: the instant of generation; nothing happened after it.
    """

    opened: int
    now: int

    @classmethod
    def until(cls, now: datetime) -> Calendar:
        """The calendar of an account that turns two years old at ``now``.

        Raises:
            ValueError: ``now`` has no time zone.
        """
        if now.tzinfo is None:
            raise ValueError("now must carry a time zone, such as datetime.now(UTC)")
        second = int(now.astimezone(UTC).timestamp())
        return cls(opened=second - 730 * DAY, now=second)

    def add_times(
        self, rng: Random, count: int, imported: int = 0, season: Season = lambda _rng, _month: True
    ) -> tuple[list[int], range]:
        """Ascending instants at which records were added: office hours, and more of them every month.

        Args:
            rng: where chance comes from.
            count: how many records.
            imported: how many of them, at most, came from a spreadsheet, all in one second; never more
                than a fifth of all.
            season: tells by chance whether something is begun in a month, from 1.

        Returns:
            The instants, and the positions of the imported records.
        """
        size = min(imported, count // 5)
        single = sorted(self._seasonal_instant(rng, season) for _ in range(count - size))
        start = len(single) // 3
        return single[:start] + single[start : start + 1] * size + single[start:], range(start, start + size)

    def _seasonal_instant(self, rng: Random, season: Season) -> int:
        while True:
            instant = self._office_instant(rng)
            if season(rng, int(date_text(instant)[5:7])):
                return instant

    def _office_instant(self, rng: Random) -> int:
        days = (self.now - self.opened) // DAY
        day = self.opened // DAY + int(days * rng.random() ** 0.75)
        weekday = (day + 3) % 7
        if weekday > 4 and rng.random() < 0.85:
            day -= weekday - 4
        instant = day * DAY + 6 * HOUR + int(rng.random() * 12 * HOUR)
        return max(self.opened, instant if instant < self.now else instant - 3 * DAY)

    def later(self, rng: Random, instant: int) -> int:
        """An instant between the given one and now; one time in three the given one itself."""
        chance = rng.random()
        if chance < 1 / 3:
            return instant
        return instant + int((self.now - instant) * (chance * 1.5 - 0.5))

    def deletion(self, rng: Random, added: int) -> int:
        """When a record added at ``added`` was deleted: lately enough not to be purged yet."""
        return max(added, self.now - int(rng.random() * DELETED_DAYS * DAY))


K = TypeVar("K", int, str)


class Timeline(Generic[K]):
    """Records in the order they were added, to find one that existed at a given time."""

    def __init__(self, records: Mapping[K, Mapping[str, Any]]) -> None:
        self._ids: list[K] = list(records)
        self._add_times = [record["add_time"] for record in records.values()]

    def one_before(self, rng: Random, time: str) -> K | None:
        """The id of a record added by then, rather a recent one, or None when there was none.

        Args:
            rng: where chance comes from.
            time: an instant in the form that the records' own ``add_time`` has.
        """
        known = bisect_right(self._add_times, time)
        return self._ids[known - 1 - int(known * rng.random() ** 2)] if known else None

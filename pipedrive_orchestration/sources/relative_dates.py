"""Dates that are relative to now, under Pipedrive's own names, and what any date of a filter covers.

A date covers an interval: a day, a week, an instant. So one rule serves all comparisons: what equals a
date lies in its interval, what is greater lies at or after the interval's end, what is less before its
start. Everything is UTC; weeks begin on Monday.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from pipedrive_orchestration.sources.conditions import plain

_INSTANT = timedelta(microseconds=1)
_DAY = timedelta(days=1)
_WEEK = timedelta(weeks=1)


@dataclass(frozen=True, slots=True)
class Interval:
    """``[low, high)`` in UTC; None is open on that side."""

    low: datetime | None
    high: datetime | None

    def days(self) -> tuple[date | None, date | None]:
        """The days that it touches, as ``[first, last)``."""
        low, high = self.low and self.low.date(), self.high
        if high is None or high == _midnight(high):
            return low, high and high.date()
        return low, None if high.date() == date.max else high.date() + _DAY


def _midnight(instant: datetime) -> datetime:
    return datetime.combine(instant.date(), time.min, UTC)


def _between(low: datetime, length: timedelta) -> Interval:
    try:
        return Interval(low, low + length)
    except OverflowError:
        return Interval(low, None)


def _months_on(day: datetime, months: int) -> datetime:
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    last = calendar.monthrange(year, month + 1)[1]
    return day.replace(year=year, month=month + 1, day=min(day.day, last))


def _week(today: datetime, later: int) -> Interval:
    return _between(today - timedelta(days=today.weekday()) + later * _WEEK, _WEEK)


def _months(today: datetime, later: int, length: int = 1) -> Interval:
    first = today.replace(day=1, month=(today.month - 1) // length * length + 1)
    return Interval(_months_on(first, later * length), _months_on(first, (later + 1) * length))


_NAMED: dict[str, Callable[[datetime], Interval]] = {
    "today": lambda today: _between(today, _DAY),
    "yesterday": lambda today: _between(today - _DAY, _DAY),
    "tomorrow": lambda today: _between(today + _DAY, _DAY),
    "before today": lambda today: Interval(None, today),
    "later or today": lambda today: Interval(today, None),
    "before tomorrow": lambda today: Interval(None, today + _DAY),
    "later or tomorrow": lambda today: Interval(today + _DAY, None),
    "last week": lambda today: _week(today, -1),
    "this week": lambda today: _week(today, 0),
    "next week": lambda today: _week(today, 1),
    "last month": lambda today: _months(today, -1),
    "this month": lambda today: _months(today, 0),
    "next month": lambda today: _months(today, 1),
    "last quarter": lambda today: _months(today, -1, 3),
    "this quarter": lambda today: _months(today, 0, 3),
}

_COUNTED = re.compile(
    r"(?P<ago>[1-9]\d?) (?P<past>week|month)s? ago|in (?P<on>[1-9]\d?) (?P<future>week|month)s?"
)

RELATIVE_DATES = (
    "now",
    *(name.replace(" ", "_") for name in _NAMED),
    "1_week_ago",
    "3_months_ago",
    "in_2_weeks",
    "in_6_months",
)
"""The names to choose from (docs/pipedrive-api.md#filters); other numbers of weeks and months work alike."""

_WRITTEN = re.compile(
    r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?(?:Z|[+-]\d{2}:?\d{2})?)?", re.ASCII
)


def interval_of(text: str, now: datetime) -> Interval | None:
    """What a date covers, or None where the text is none.

    Args:
        text: a relative date, ``YYYY-MM-DD``, or an ISO 8601 instant (UTC unless it says otherwise).
        now: what relative dates start from.
    """
    name, now = plain(text), now.astimezone(UTC)
    if name == "now":
        return _between(now, _INSTANT)
    if name in _NAMED:
        return _NAMED[name](_midnight(now))
    if counted := _COUNTED.fullmatch(name):
        return _between(_day_counted(counted, _midnight(now)), _DAY)
    return _interval_written(text.strip())


def _day_counted(counted: re.Match[str], today: datetime) -> datetime:
    count = int(counted["on"] or 0) - int(counted["ago"] or 0)
    unit = counted["past"] or counted["future"]
    return today + count * _WEEK if unit == "week" else _months_on(today, count)


def _interval_written(text: str) -> Interval | None:
    if not _WRITTEN.fullmatch(text):
        return None
    with suppress(ValueError, OverflowError):
        instant = datetime.fromisoformat(text)
        if len(text) == len("2026-01-31"):
            return _between(instant.replace(tzinfo=UTC), _DAY)
        return _between(instant.astimezone(UTC) if instant.tzinfo else instant.replace(tzinfo=UTC), _INSTANT)
    return None

"""What relative and written dates cover."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from pipedrive_orchestration.sources.relative_dates import interval_of

SUNDAY = datetime(2026, 5, 31, 13, 45, 30, tzinfo=UTC)

DAYS = {
    "today": ("2026-05-31", "2026-06-01"),
    "yesterday": ("2026-05-30", "2026-05-31"),
    "tomorrow": ("2026-06-01", "2026-06-02"),
    "before_today": (None, "2026-05-31"),
    "later_or_today": ("2026-05-31", None),
    "before_tomorrow": (None, "2026-06-01"),
    "later_or_tomorrow": ("2026-06-01", None),
    "last_week": ("2026-05-18", "2026-05-25"),
    "this_week": ("2026-05-25", "2026-06-01"),
    "next_week": ("2026-06-01", "2026-06-08"),
    "last_month": ("2026-04-01", "2026-05-01"),
    "this_month": ("2026-05-01", "2026-06-01"),
    "next_month": ("2026-06-01", "2026-07-01"),
    "last_quarter": ("2026-01-01", "2026-04-01"),
    "this_quarter": ("2026-04-01", "2026-07-01"),
    "1_week_ago": ("2026-05-24", "2026-05-25"),
    "3_weeks_ago": ("2026-05-10", "2026-05-11"),
    "1_month_ago": ("2026-04-30", "2026-05-01"),
    "3_months_ago": ("2026-02-28", "2026-03-01"),
    "6_months_ago": ("2025-11-30", "2025-12-01"),
    "in_1_week": ("2026-06-07", "2026-06-08"),
    "in_1_month": ("2026-06-30", "2026-07-01"),
    "in_6_months": ("2026-11-30", "2026-12-01"),
    "Last Week": ("2026-05-18", "2026-05-25"),
    "3 months ago": ("2026-02-28", "2026-03-01"),
    "2026-02-28": ("2026-02-28", "2026-03-01"),
    "9999-12-31": ("9999-12-31", None),
}


@pytest.mark.parametrize("text", DAYS)
def test_days(text: str) -> None:
    interval = interval_of(text, SUNDAY)
    assert interval is not None
    assert tuple(None if day is None else str(day) for day in interval.days()) == DAYS[text]
    bounds = [bound for bound in (interval.low, interval.high) if bound is not None]
    assert {f"{bound:%H:%M:%S.%f}" for bound in bounds} == {"00:00:00.000000"}


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("now", "2026-05-31T13:45:30+00:00"),
        ("2026-05-31T10:00:00Z", "2026-05-31T10:00:00+00:00"),
        ("2026-05-31T01:00+02:00", "2026-05-30T23:00:00+00:00"),
        ("2026-05-31 10:00:00.250", "2026-05-31T10:00:00.250000+00:00"),
    ],
)
def test_instants(text: str, instant: str) -> None:
    interval = interval_of(text, SUNDAY)
    assert interval is not None
    assert interval.low is not None
    assert interval.low.isoformat() == instant
    assert interval.high == interval.low + timedelta(microseconds=1)


def test_today_is_a_day_of_utc() -> None:
    evening = datetime(2026, 5, 31, 23, 30, tzinfo=timezone(timedelta(hours=-3)))
    interval = interval_of("today", evening)
    assert interval is not None
    assert interval.low == datetime(2026, 6, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    ["", "2026-13-01", "2026-02-30", "20260531", "2026-W05-1", "31.05.2026", "0_weeks_ago", "100_weeks_ago",
     "week_ago", "next_quarter", "2026-05-31T25:00", "2026-05-31T10", "0000-01-01", "soon"],
)  # fmt: skip
def test_what_is_no_date(text: str) -> None:
    assert interval_of(text, SUNDAY) is None

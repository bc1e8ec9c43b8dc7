"""At any instant: what depends on the calendar holds, and the demo's business has what the tests look for.

More than a hundred instants at which calendars break, the one at which this run begins, and some that
hypothesis chooses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipedrive_orchestration.demo.generator import Business, generate
from pipedrive_orchestration.importing import windows_until
from pipedrive_orchestration.pipedrive.client import next_budget
from pipedrive_orchestration.pipedrive.clock import AccountClock
from pipedrive_orchestration.sources import Source, is_expired, next_ticks
from pipedrive_orchestration.sources.relative_dates import Interval, interval_of
from pipedrive_orchestration_tests.chaos.sizes import FULL
from pipedrive_orchestration_tests.clocks import PRESENT
from pipedrive_orchestration_tests.conftest import SMALL

SECOND, HOUR, DAY = timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)


def _instants() -> Iterator[datetime]:
    yield PRESENT
    for year in (2026, 2027, 2028):
        for month in range(1, 13):
            begin = datetime(year, month, 1, tzinfo=UTC)
            yield from (begin - SECOND, begin, begin + 10 * SECOND)
    for year in (2024, 2028):
        leap_day = datetime(year, 2, 29, tzinfo=UTC)
        yield from (leap_day, leap_day + 12 * HOUR, leap_day + DAY - 30 * SECOND, leap_day + 366 * DAY)
    # Where Berlin, Lisbon and New York put their clocks forward and back, and what a week begins with.
    for change in ("2026-03-29T01", "2026-10-25T01", "2026-03-08T07", "2026-11-01T06", "2027-03-28T01"):
        turn = datetime.fromisoformat(f"{change}:00+00:00")
        yield from (turn - SECOND, turn, turn + HOUR)
    for day in range(4, 11):
        yield datetime(2027, 1, day, 23, 59, 59, 999_999, tzinfo=UTC)


INSTANTS = sorted(set(_instants()))
ANY_INSTANT = st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
SCHEDULES = ("*/15 * * * *", "0 6 * * 1-5", "@daily", "@monthly", "0 0 L * *", "0 0 29 2 *", "59 23 31 12 *")
CADENCES = ("daily", "weekly", "monthly")

Check = Callable[[datetime], None]


def test_there_are_more_than_a_hundred_instants() -> None:
    assert len(INSTANTS) > 100


def source(created_at: datetime, **changes: Any) -> Source:
    body = {
        "name": "Deals",
        "object_type": "deals",
        "properties": ["id"],
        "pull_mode": "active",
        "schedule": "@daily",
        "slug": "deals",
        "id": UUID(int=1),
        "created_at": created_at,
    }
    return Source.parse(body | changes)


def windows_cover_two_years_without_a_gap(now: datetime) -> None:
    for cadence in CADENCES:
        configured = source(now, options={"partitions": cadence})
        windows = windows_until(configured, now)
        assert windows[0].start is None
        assert [window.end for window in windows[:-1]] == [window.start for window in windows[1:]]
        newest = windows[-1]
        assert newest.start is not None
        assert newest.start <= now < newest.end
        keys = [window.key for window in windows]
        assert keys == sorted(set(keys))
        assert (
            timedelta(days=728) < now - datetime.fromisoformat(f"{keys[0]}T00:00:00Z") < timedelta(days=770)
        )
        # Time brings windows, one at each end of the newest, and changes none.
        assert windows_until(configured, newest.end - SECOND) == windows
        assert windows_until(configured, newest.end)[:-1] == windows


def ticks_are_ahead_and_in_order(now: datetime) -> None:
    for schedule in SCHEDULES:
        ticks = next_ticks(schedule, now, 3)
        assert now < ticks[0] < ticks[1] < ticks[2]
        assert next_ticks(schedule, ticks[0] - SECOND, 3) == ticks
        assert next_ticks(schedule, ticks[0], 2) == ticks[1:]
    assert next_ticks("@daily", now, 1) == [now.replace(hour=0, minute=0, second=0, microsecond=0) + DAY]
    assert next_ticks("*/15 * * * *", now, 1)[0] - now <= timedelta(minutes=15)


def a_last_day_lasts_until_midnight(now: datetime) -> None:
    last_day = source(now, expiration_date=now.date())
    midnight = next_budget(AccountClock(lambda: now))
    assert not is_expired(last_day, now)
    assert not is_expired(last_day, midnight - timedelta(microseconds=1))
    assert is_expired(last_day, midnight)


def a_budget_comes_at_the_next_midnight(now: datetime) -> None:
    midnight = next_budget(AccountClock(lambda: now))
    assert now < midnight <= now + DAY
    assert midnight == midnight.replace(hour=0, minute=0, second=0, microsecond=0)


def relative_dates_adjoin(now: datetime) -> None:
    def named(text: str) -> Interval:
        interval = interval_of(text, now)
        assert interval is not None
        return interval

    for before, present, after in (
        ("yesterday", "today", "tomorrow"),
        ("last week", "this week", "next week"),
        ("last month", "this month", "next month"),
        ("last quarter", "this quarter", "later or tomorrow"),
        ("before today", "today", "later or tomorrow"),
    ):
        low, high = named(present).low, named(present).high
        assert low is not None
        assert high is not None
        assert low <= now < high
        assert named(before).high == low
        assert present == "this quarter" or named(after).low == high
    week = named("this week").low
    assert week is not None
    assert week.weekday() == 0
    for count in (1, 2, 12, 25):
        ago, to_come = named(f"{count} months ago").low, named(f"in {count} months").low
        assert ago is not None
        assert to_come is not None
        months = [instant.year * 12 + instant.month for instant in (ago, now, to_come)]
        assert months == [months[1] - count, months[1], months[1] + count]
        assert max(ago.day, to_come.day) <= now.day


CHECKS: tuple[Check, ...] = (
    windows_cover_two_years_without_a_gap,
    ticks_are_ahead_and_in_order,
    a_last_day_lasts_until_midnight,
    a_budget_comes_at_the_next_midnight,
    relative_dates_adjoin,
)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_calendar_holds_where_calendars_break(check: Check) -> None:
    for now in INSTANTS:
        check(now)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@settings(max_examples=30, deadline=None)
@given(now=ANY_INSTANT)
def test_the_calendar_holds_at_any_instant(check: Check, now: datetime) -> None:
    check(now)


def _missing(business: Business, now: datetime) -> list[str]:
    """What tests look for in the small account and would not find."""
    records = {
        name: list(business[name].values())
        for name in ("deals", "persons", "organizations", "activities", "products", "leads", "notes")
    }
    live = {
        name: [one for one in all_ if not one.get("is_deleted") and not one.get("is_archived")]
        for name, all_ in records.items()
    }
    alive = {person["id"] for person in live["persons"]}
    deals, persons = live["deals"], records["persons"]
    notes = [note for note in records["notes"] if note["active_flag"]]
    latest = f"{now:%Y-%m-%dT%H:%M:%SZ}"
    facts = {
        **{
            f"a live deal with {key}": any(deal[key] is not None for deal in deals)
            for key in ("owner_id", "person_id", "org_id", "pipeline_id", "stage_id")
        },
        "a live deal of a live person": any(deal["person_id"] in alive for deal in deals),
        "an orphan": any(deal["person_id"] is not None and deal["person_id"] not in alive for deal in deals),
        "deals of every status": {"open", "won", "lost", "deleted"}
        <= {deal["status"] for deal in records["deals"] if not deal["is_archived"]},
        "an archived deal": any(deal["is_archived"] and not deal["is_deleted"] for deal in records["deals"]),
        "done activities and others": {one["done"] for one in live["activities"]} == {True, False},
        "calls and others": len({one["type"] == "call" for one in live["activities"]}) == 2,
        "deleted persons and others": {person["is_deleted"] for person in persons} == {True, False},
        "persons without organization and others": len({one["org_id"] is None for one in live["persons"]})
        == 2,
        "a limited company": any("ltd" in one["name"].lower() for one in live["organizations"]),
        "a product from T": any(one["name"].lower().startswith("t") for one in live["products"]),
        "a lead with a closing date": any(lead["expected_close_date"] for lead in live["leads"]),
        "a lead with a person": any(lead["person_id"] for lead in records["leads"]),
        "a note of a live person": any(note["person_id"] in alive for note in notes),
        "a note of a deal": any(note["deal_id"] for note in notes),
        "a deleted note": len(notes) < len(records["notes"]),
        "nothing of the future": all(
            one["add_time"] <= (one["update_time"] or latest) <= latest
            for name in ("deals", "persons", "organizations", "activities")
            for one in records[name]
        ),
    }
    return [fact for fact, holds in facts.items() if not holds]


def test_the_small_account_has_what_tests_look_for() -> None:
    instants = INSTANTS if FULL else INSTANTS[::5]
    missing = {now.isoformat(): _missing(generate(1, SMALL, now), now) for now in instants}
    assert {instant: facts for instant, facts in missing.items() if facts} == {}

from __future__ import annotations

import itertools
import warnings
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest
from dagster._utils.schedules import cron_string_iterator
from hypothesis import given, settings
from hypothesis import strategies as st

from pipedrive_orchestration.sources import InvalidCronError, longest_gap, next_ticks, parse_cron

START = datetime(2027, 1, 1, tzinfo=UTC)

ACCEPTED = [
    "*/15 * * * *",
    "0 6 * * MON-FRI",
    "0 6 * jan-mar sun",
    "@hourly",
    "@daily",
    "@weekly",
    "@monthly",
    "@yearly",
    "0 0 L * *",
    "0 0 * * L5",
    "0 0 * * 5#2",
    "0 0 ? * *",
    "0 0 29 2 *",
    "0 22-2 * * *",
    "5/10 * * * *",
    "*/59 * * * *",
    "0 */12 * * *",
    "0 0 * * */7",
    "0 0 13 * 5",
]

REFUSED = {
    "": "empty",
    "* * * *": "4 fields",
    "*": "1 field;",
    "0 0 * * * *": "6 fields",
    "0 0 * * * * 2027": "7 fields",
    "@reboot": "not one of",
    "@midnight": "not one of",
    "@every 5m": "not one of",
    "60 * * * *": "not a valid",
    "0 24 * * *": "not a valid",
    "*/0 * * * *": "not a valid",
    "a b c d e": "not a valid",
    "٣ * * * *": "not a valid",
    "0 0 30 2 *": "day that",
    "0 0 31 2 *": "day that",
    "0 0 31 4,6 *": "day that",
    "r * * * *": "random",
    "R(0-30) * * * *": "random",
    "H * * * *": "random",
    "h/5 * * * *": "random",
    "0 0 1W * *": "nearest weekday",
    "*/90 * * * *": "larger than",
    "*/60 * * * *": "larger than",
    "0 */24 * * *": "larger than",
    "3-1/2 * * * *": "larger than",
    "0-0 * * * *": "larger than",
    "0 0 L * 5#2": "only one",
    "0 0 1 * L5": "only one",
    "59/2 * * * *": "single hit",
    "0 0 * * 6/2": "single hit",
    "0,59/2 * * * *": "single hit",
    "0 0 1 DEC/1 *": "single hit",
    "0 0 * * sat/3": "single hit",
    "0 0 1 jan-feb/3 *": "end of its range",
}


@pytest.mark.parametrize("expression", ACCEPTED)
def test_accepted_expressions_stay_as_they_are(expression: str) -> None:
    assert parse_cron(expression) == expression


@pytest.mark.parametrize(("expression", "reason"), REFUSED.items())
def test_refused_expressions_give_the_reason(expression: str, reason: str) -> None:
    with pytest.raises(InvalidCronError, match=reason):
        parse_cron(expression)


def test_blanks_are_normalised() -> None:
    assert parse_cron("  */5\t* *  * *\n") == "*/5 * * * *"
    assert parse_cron(" @daily ") == "@daily"


def test_next_ticks_are_in_utc_and_strictly_after() -> None:
    noon_in_tallinn = datetime.fromisoformat("2027-10-31T02:00:00+02:00")
    ticks = next_ticks("0 * * * *", noon_in_tallinn, 3)
    assert [tick.isoformat() for tick in ticks] == [
        "2027-10-31T01:00:00+00:00",
        "2027-10-31T02:00:00+00:00",
        "2027-10-31T03:00:00+00:00",
    ]
    assert next_ticks("0 0 29 2 *", START, 2) == [
        datetime(2028, 2, 29, tzinfo=UTC),
        datetime(2032, 2, 29, tzinfo=UTC),
    ]


def dagsters_ticks(expression: str, count: int) -> list[datetime]:
    just_after = (START + timedelta(seconds=1)).timestamp()
    return list(itertools.islice(cron_string_iterator(just_after, expression, "UTC"), count))


def accepted_by_dagster(expression: str) -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        dg.ScheduleDefinition(name="x", target="*", cron_schedule=expression, execution_timezone="UTC")
    return True


@pytest.mark.parametrize("expression", ACCEPTED)
def test_dagster_fires_when_the_preview_says(expression: str) -> None:
    assert accepted_by_dagster(expression)
    assert dagsters_ticks(expression, 40) == next_ticks(expression, START, 40)


def items(first: int, last: int, names: tuple[str, ...] = ()) -> st.SearchStrategy[str]:
    values = st.integers(first, last).map(str) | (st.sampled_from(names) if names else st.nothing())
    ranges = st.tuples(values, values).map("-".join)
    stepped = st.tuples(st.just("*") | ranges | values, st.integers(0, 70).map(str)).map("/".join)
    item = st.sampled_from(["*", "?", "L", "r", "1#2", "L3", "3W", "99", ""]) | values | ranges | stepped
    return st.lists(item, min_size=1, max_size=2).map(",".join)


EXPRESSIONS = st.tuples(
    items(0, 59), items(0, 23), items(1, 31), items(1, 12, ("jan", "DEC")), items(0, 7, ("mon", "SUN"))
).map(" ".join)


@settings(max_examples=300, deadline=None)
@given(EXPRESSIONS)
def test_whatever_is_accepted_dagster_accepts_and_reads_alike(expression: str) -> None:
    try:
        parsed = parse_cron(expression)
    except InvalidCronError:
        return
    assert accepted_by_dagster(parsed)
    assert dagsters_ticks(parsed, 5) == next_ticks(parsed, START, 5)


@given(st.text())
def test_any_text_is_accepted_or_refused(text: str) -> None:
    try:
        parsed = parse_cron(text)
    except InvalidCronError:
        return
    assert next_ticks(parsed, START, 1)[0] > START


@pytest.mark.parametrize(
    ("schedule", "hours"),
    [("*/15 * * * *", 0.25), ("@hourly", 1), ("0 9-17 * * 1-5", 64), ("@weekly", 168), ("0 0 1 1 *", 8760)],
)
def test_the_longest_gap_of_a_schedule(schedule: str, hours: float) -> None:
    assert longest_gap(schedule) == timedelta(hours=hours)

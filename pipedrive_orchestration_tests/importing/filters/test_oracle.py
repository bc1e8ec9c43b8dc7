"""Any filter over any records: the SQL finds what a plain evaluation finds."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipedrive_orchestration_tests.chaos.sizes import FILTERS as SIZE
from pipedrive_orchestration_tests.importing.filters.account import (
    FIELDS,
    NOW,
    OPTIONS,
    STATUSES,
    VISIBILITY,
    found,
)
from pipedrive_orchestration_tests.importing.filters.evaluation import CONDITIONS, Evaluation, Known

EVALUATION = Evaluation(
    {
        field.key: Known(
            field.field_type,
            {
                int(option.id) if field.field_type == "visible_to" else option.id: option.label
                for option in field.options
            },
        )
        for field in FIELDS
    },
    NOW,
)

TEXTS = st.text(st.sampled_from("aAbBéÉжЖ%_'\"\\$;- 7"), min_size=1, max_size=4).filter(str.strip)
WHOLE = st.integers(-20, 20)
NUMBERS = WHOLE | st.sampled_from([0.5, -2.25, 1e10])
BOUNDARIES = [NOW.date() + timedelta(days=days) for days in (-28, -7, -6, -1, 0, 1, 7, 14)]
BOUNDARIES += [date(2026, month, day) for month in (2, 4, 5, 6, 7) for day in (1, 28)]
DAYS = st.sampled_from(BOUNDARIES) | st.dates(date(2026, 1, 1), date(2026, 8, 31))
MOMENTS = st.sampled_from([time(0), time(0, 0, 1), time(23, 59, 59), NOW.time()])
CLOCKS = st.times().map(lambda t: t.replace(microsecond=0))
UUIDS = st.sampled_from(["adf21080-0e10-11eb-879b-05d71fb426ec", "00000000-0000-4000-8000-000000000000"])
RELATIVE = st.sampled_from(
    [
        *("today", "yesterday", "tomorrow", "before_today", "later_or_today", "before_tomorrow"),
        *("later_or_tomorrow", "last_week", "this_week", "next_week", "last_month", "this_month"),
        *("next_month", "last_quarter", "this_quarter", "1_week_ago", "3_weeks_ago", "1_month_ago"),
        *("3_months_ago", "6_months_ago", "in_1_week", "in_2_weeks", "in_1_month", "in_3_months"),
    ]
)


def _stamp(instant: datetime) -> str:
    return f"{instant:%Y-%m-%dT%H:%M:%SZ}"


def _clock(value: time) -> str:
    return f"{value:%H:%M:%S}"


DATES = DAYS.map(str)
TIMES = st.tuples(DAYS, MOMENTS).map(lambda parts: _stamp(datetime.combine(*parts)))
CLOCK_TEXTS = CLOCKS.map(_clock)
ADDRESSES = st.fixed_dictionaries({"value": TEXTS | st.none()}, optional={"locality": TEXTS | st.none()})
CONTACTS = st.lists(
    st.fixed_dictionaries(
        {"value": TEXTS | st.just(""), "label": st.sampled_from(["work", "Home"]), "primary": st.booleans()}
    ),
    max_size=3,
)


def _parts(**parts: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(parts)


VALUES: dict[str, st.SearchStrategy[Any]] = {
    **dict.fromkeys(("varchar", "varchar_auto", "text", "phone", "varchar_options"), TEXTS | st.just("")),
    **dict.fromkeys(("int", "user", "org", "people", "stage", "pipeline", "deal"), WHOLE),
    "double": NUMBERS,
    "boolean": st.booleans(),
    "date": DATES,
    "datetime": TIMES,
    "enum": st.sampled_from([*OPTIONS, 99]),
    "set": st.lists(st.sampled_from([*OPTIONS, 99]), max_size=3, unique=True),
    "ids": st.lists(st.sampled_from([*OPTIONS, 99]), max_size=3, unique=True),
    "status": st.sampled_from([*STATUSES, "unheard-of"]),
    "visible_to": st.sampled_from([1, 3, 5]),
    "monetary": _parts(value=NUMBERS | st.none(), currency=st.sampled_from(["EUR", "usd", None])),
    "daterange": _parts(value=DATES, until=DATES | st.none()),
    "time": _parts(value=CLOCK_TEXTS, timezone_id=WHOLE, timezone_name=TEXTS),
    "timerange": _parts(value=CLOCK_TEXTS, until=CLOCK_TEXTS, timezone_id=WHOLE, timezone_name=TEXTS),
    "address": ADDRESSES,
    "contacts": CONTACTS,
    "clock": CLOCK_TEXTS | CLOCKS.map(lambda t: f"{t:%H:%M}"),
    "uuid": UUIDS,
}
RECORDS = st.fixed_dictionaries({f"k_{kind}": st.none() | values for kind, values in VALUES.items()})

_LABELS = st.sampled_from([*map(str, OPTIONS), *OPTIONS.values(), "hot", "COLD", 8])
_FILTER_NUMBERS = NUMBERS | NUMBERS.map(str)
_FILTER_DATES = DATES | TIMES | RELATIVE | st.just("now")

EMPTINESS = ["is empty", "is not empty"]
EQUALITY = ["equals", "not equals", "in", "not in"]
ORDERING = ["greater than", "greater than or equal", "less than", "less than or equal", "is between"]
TEXTUAL = ["contains", "does not contain", "starts with", "ends with"]
TEXT = (TEXTS, EQUALITY + TEXTUAL)
NUMBER = (_FILTER_NUMBERS, EQUALITY + ORDERING)
IDS = (st.integers(0, 20) | st.integers(0, 20).map(str), EQUALITY)
DATE = (_FILTER_DATES, EQUALITY + ORDERING)
CLOCK = (CLOCK_TEXTS | CLOCKS.map(lambda t: f"{t:%H:%M}"), EQUALITY + ORDERING)
OPTION = (_LABELS, EQUALITY + TEXTUAL)
STATUS = (st.sampled_from([*STATUSES, *STATUSES.values(), "OPEN"]), EQUALITY + TEXTUAL)
TRUTH = (st.sampled_from([True, False, "true", "False", 1, 0]), [*EQUALITY, "is true", "is false"])

VARIABLES: dict[str, tuple[st.SearchStrategy[Any], list[str]]] = {
    **dict.fromkeys(("varchar", "varchar_auto", "text", "phone", "varchar_options"), TEXT),
    **dict.fromkeys(("address", "address.locality", "monetary.currency", "time.timezone_name"), TEXT),
    **dict.fromkeys(("contacts", "contacts.value", "contacts.label"), TEXT),
    **dict.fromkeys(("int", "double", "deal", "monetary", "monetary.value", "time.timezone_id"), NUMBER),
    **dict.fromkeys(("user", "org", "people", "stage", "pipeline"), IDS),
    **dict.fromkeys(("date", "datetime", "daterange", "daterange.value", "daterange.until"), DATE),
    **dict.fromkeys(("time", "timerange", "timerange.until", "clock"), CLOCK),
    **dict.fromkeys(("enum", "set", "ids"), OPTION),
    "status": STATUS,
    "visible_to": (st.sampled_from([*VISIBILITY, *VISIBILITY.values(), 3]), EQUALITY + TEXTUAL),
    "boolean": TRUTH,
    "contacts.primary": TRUTH,
    "uuid": (UUIDS | UUIDS.map(str.upper), EQUALITY),
}
COUNTS = {"is between": (2, 2), **dict.fromkeys(ORDERING[:4], (1, 1))}


@st.composite
def leaves(draw: st.DrawFn, variable: str) -> dict[str, Any]:
    values, conditions = VARIABLES[variable]
    condition = draw(st.sampled_from(conditions + EMPTINESS))
    word = draw(st.sampled_from(CONDITIONS[condition]))
    leaf: dict[str, Any] = {
        "variable": f"k_{variable}",
        draw(st.sampled_from(["condition", "operator"])): word,
    }
    if condition in EMPTINESS or condition in ("is true", "is false"):
        return leaf
    least, most = COUNTS.get(condition, (1, 3))
    leaf["values"] = draw(st.lists(values, min_size=least, max_size=most))
    if most == 1 and draw(st.booleans()):
        leaf["value"] = leaf.pop("values")[0]
    # An option is none under a label in another case where case matters.
    if values not in (OPTION[0], STATUS[0]) and draw(st.booleans()):
        leaf["case_sensitive"] = draw(st.booleans())
    return leaf


ANY_LEAF = st.sampled_from(sorted(VARIABLES)).flatmap(leaves)
JOINERS = st.sampled_from(["AND", "OR"])
GROUPS = st.fixed_dictionaries({"conditions": st.lists(ANY_LEAF, max_size=3)}, optional={"operator": JOINERS})
FILTERS = st.fixed_dictionaries(
    {"conditions": st.lists(GROUPS | ANY_LEAF, min_size=1, max_size=4)}, optional={"operator": JOINERS}
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("oracle")


@given(FILTERS, st.lists(RECORDS, min_size=1, max_size=4))
@settings(max_examples=SIZE, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_filter_finds_what_a_plain_evaluation_finds(
    folder: Path, filters: dict[str, Any], records: list[dict[str, Any]]
) -> None:
    assert found(filters, records, folder) == [EVALUATION.matches(filters, record) for record in records]


@pytest.mark.parametrize("variable", VARIABLES)
@given(st.data())
@settings(max_examples=max(4, SIZE // 10), deadline=None, suppress_health_check=list(HealthCheck))
def test_any_leaf_finds_what_a_plain_evaluation_finds(
    folder: Path, variable: str, data: st.DataObject
) -> None:
    key = f"k_{variable}".partition(".")[0]
    values = st.none() | VALUES[key.removeprefix("k_")]
    records = data.draw(st.lists(st.fixed_dictionaries({key: values}), min_size=8, max_size=16))
    filters = {"conditions": data.draw(st.lists(leaves(variable), min_size=1, max_size=2))}
    assert found(filters, records, folder) == [EVALUATION.matches(filters, record) for record in records]

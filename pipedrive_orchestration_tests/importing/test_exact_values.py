"""Values that a type would round, cut or shorten are set aside with the raw value; ordinary ones are kept."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipedrive_orchestration_tests.importing.accounts import UPDATED, account, deal, field
from pipedrive_orchestration_tests.importing.canned import Answer, serving
from pipedrive_orchestration_tests.importing.imports import quarantine, rows, run, source

TIME = {"timezone_id": 17, "timezone_name": "Europe/London"}

KEPT: dict[str, list[Any]] = {
    "int": [9007199254740993, -9223372036854775808, "12", 3.0, "3.00000000000000000"],
    "double": [
        0.1,
        1234.56,
        0.30000000000000004,
        "9007199254740992",
        -1e-7,
        123456789012345.25,
        10**15,
        0,
        "0.00",
        "-000000000000000001.50",
        "156250000000000000000.00",
        "1E-300",
        "5e-324",
        "0." + "0" * 40 + "25",
    ],
    "monetary": [
        {"value": 1234567.89, "currency": "EUR"},
        {"value": "99.95", "currency": None},
        {"currency": "EUR", "value": 0.30000000000000004},
        {"value": None, "currency": "USD"},
    ],
    "date": ["2026-01-01", "2026-01-01 00:00:00"],
    "daterange": [{"value": "2026-01-01", "until": None}],
    "time": [{"value": "09:00:00", **TIME}, {"value": "09:00", **TIME}],
    "user": [7, "7", {"id": 7, "name": "Ada"}],
    "set": [[1, 2], "1,2", [{"id": 1, "label": "one"}]],
    "address": [{"value": "1 Main St", "locality": "Riga"}],
}
SET_ASIDE: dict[str, list[Any]] = {
    "int": [1.5, 12345678901234567890, "9007199254740993.5"],
    "double": [
        9007199254740993,
        12345678901234567890,
        "12345678901234567.89",
        "0.12345678901234567891",
        "1e-400",
        "1.23456789e-320",
        "1e400",
        "0." + "0" * 40 + "12345678901234567891",
    ],
    "monetary": [
        {"value": "12345678901234567.89", "currency": "EUR"},
        {"value": 9007199254740993, "currency": "EUR"},
        {"value": 5, "currency": "EUR", "rate": 1.1},
    ],
    "date": ["2026-01-01 10:00:00", "2026-01-01T00:00:00+02:00", "infinity"],
    "daterange": [{"value": "2026-01-01 10:00:00", "until": None}, {"value": None, "until": None, "x": 1}],
    "time": [{"value": "2026-01-01 09:00:00", **TIME}, {"value": "09:00", "timezone_id": 1.5}],
    "user": [1.5, {"id": 1.5}],
    "set": [[1.5], "1,2.5", [{"id": 1.5}]],
    "address": [{"value": "1 Main St", "planet": "Earth"}],
}
CASES = [(kind, value, True) for kind, values in KEPT.items() for value in values] + [
    (kind, value, False) for kind, values in SET_ASIDE.items() for value in values
]


@pytest.fixture(scope="module")
def deals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A deal for each case, with that one value."""
    folder = tmp_path_factory.mktemp("exact")
    fields = [field(kind, kind) for kind in KEPT]
    found = [deal(number, {kind: value}) for number, (kind, value, _) in enumerate(CASES)]
    with serving(account("deals", found, fields)) as served:
        report = run(source("deals", list(KEPT)), served.connection, folder)
    assert report.quarantined == sum(not kept for *_, kept in CASES)
    return folder


@pytest.mark.parametrize("number", range(len(CASES)), ids=lambda n: f"{CASES[n][0]} {CASES[n][1]!r}")
def test_a_value_is_kept_whole_or_set_aside(deals: Path, number: int) -> None:
    kind, value, kept = CASES[number]
    landed = rows(deals, "deals")[number][kind]
    set_aside = {key: json.loads(raw) for record, key, raw in quarantine(deals) if record == str(number)}
    assert set_aside == ({} if kept else {kind: value})
    assert (landed is not None) is kept


CONTACTS: list[tuple[Any, bool]] = [
    ([{"value": "a@b.c", "primary": True, "label": "work"}], True),
    ([{"value": 'a "b', "label": None}, {"primary": 0, "value": "d@e.f"}], True),
    ([], True),
    ([{"value": "a@b.c", "verified": True}], False),
    ([{"value": "a@b.c"}, {"value": "d@e.f", "primary": "perhaps"}], False),
    ([{"value": '":', "label": '"}":', "primary": False}], True),
    ([{"value": "a@b.c", "primary": True, "label": "work", "verified": None}], False),
    ([{"value": "a@b.c"}, "d@e.f"], False),
]
AMOUNTS: list[tuple[Any, bool]] = [
    ({"amount": 9.5, "currency": "EUR"}, True),
    ({"currency": "EUR", "amount": 0}, True),
    ({"amount": None, "currency": "EUR"}, True),
    ({"amount": 9007199254740993, "currency": "EUR"}, False),
    ({"amount": 9.5, "currency": "EUR", "rate": 1.1}, False),
]
BUILT_IN = [("persons", "emails", *case) for case in CONTACTS] + [
    ("leads", "value", *case) for case in AMOUNTS
]


@pytest.mark.parametrize("object_type", ["persons", "leads"])
def test_a_built_in_value_of_several_parts_is_kept_whole_or_set_aside(
    tmp_path: Path, object_type: str
) -> None:
    cases = {
        number if object_type == "persons" else UUID(int=number): case[1:]
        for number, case in enumerate(BUILT_IN)
        if case[0] == object_type
    }
    found = [
        {"id": id_ if isinstance(id_, int) else str(id_), "update_time": UPDATED, key: value}
        for id_, (key, value, _) in cases.items()
    ]
    (key,) = {key for key, *_ in cases.values()}
    with serving(account(object_type, found)) as served:
        run(source(object_type, [key]), served.connection, tmp_path)
    landed = {id_: row[key] for id_, row in rows(tmp_path, object_type).items()}
    assert {id_: value is not None for id_, value in landed.items()} == {
        id_: kept for id_, (_, _, kept) in cases.items()
    }
    assert {record: json.loads(raw) for record, _, raw in quarantine(tmp_path)} == {
        str(id_): value for id_, (_, value, kept) in cases.items() if not kept
    }


def test_a_decimal_that_json_writes_as_a_number_is_set_aside_if_it_would_be_rounded(
    tmp_path: Path,
) -> None:
    written = {1: "12345678901234567.89", 2: "0.30000000000000004", 3: "-98765432109876543.21e0"}
    found = [
        f'{{"id":{number},"update_time":"{UPDATED}","custom_fields":{{"rate":{text}}}}}'
        for number, text in written.items()
    ]
    body = f'{{"success":true,"data":[{",".join(found)}],"additional_data":{{"next_cursor":null}}}}'
    replies = account("deals", [], [field("rate", "double")]) | {"/api/v2/deals": lambda _: Answer(body)}
    with serving(replies) as served:
        report = run(source("deals", ["rate"]), served.connection, tmp_path)
    assert {number: row["rate"] for number, row in rows(tmp_path, "deals").items()} == {
        1: None,
        2: 0.30000000000000004,
        3: None,
    }
    assert report.quarantined == 2


@given(
    st.lists(
        st.decimals(allow_nan=False, allow_infinity=False, places=6, min_value=-(10**22), max_value=10**22)
        | st.integers(-(2**70), 2**70).map(Decimal)
        | st.floats(allow_nan=False, allow_infinity=False).map(lambda number: Decimal(repr(number)))
        | st.decimals(allow_nan=False, allow_infinity=False, min_value=-1, max_value=1),
        min_size=50,
        max_size=200,
    )
)
@settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))
def test_a_number_lands_exactly_or_not_at_all(
    tmp_path_factory: pytest.TempPathFactory, numbers: list[Decimal]
) -> None:
    folder = tmp_path_factory.mktemp("numbers")
    found = [deal(n, {"rate": f"{number:f}"}) for n, number in enumerate(numbers)]
    with serving(account("deals", found, [field("rate", "double")])) as served:
        run(source("deals", ["rate"]), served.connection, folder)
    for n, row in rows(folder, "deals").items():
        fits = Decimal(repr(float(numbers[n]))) == numbers[n]
        assert row["rate"] == (float(numbers[n]) if fits else None), numbers[n]


def test_ids_may_be_texts_and_may_not_be_rounded(tmp_path: Path) -> None:
    found = [
        {"id": "7", "name": "Text", "update_time": UPDATED},
        {"id": 1.5, "name": "Half", "update_time": UPDATED},
    ]
    with serving(account("persons", found)) as served:
        report = run(source("persons", ["name"]), served.connection, tmp_path)
        run(source("persons", ["name"]), served.connection, tmp_path)
    assert {number: row["name"] for number, row in rows(tmp_path, "persons").items()} == {7: "Text"}
    assert report.quarantined == 1
    ((_, key, raw),) = quarantine(tmp_path)
    assert (key, json.loads(raw)["name"]) == ("id", "Half")

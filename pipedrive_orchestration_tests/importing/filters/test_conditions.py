"""Every condition by every field type: which of a few values it finds, and what the type does not take."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipedrive_orchestration_tests.importing.filters.account import TYPES, Typed, compiled, found

LEAD = "adf21080-0e10-11eb-879b-05d71fb426ec"
OTHER = "bbbbbbbb-0e10-11eb-879b-05d71fb426ec"
ZONE = {"timezone_id": 17, "timezone_name": "Europe/Tallinn"}

Cases = dict[str, list[tuple[Any, str]]]
"""Values of a leaf and the positions of what it finds among the type's values, by condition."""

EMPTY: Cases = {"is empty": [(None, "0")], "is not empty": [(None, "123")]}

TEXTS = ([None, "Solar Panel", "solar_park 100%", "Wind"], {
    **EMPTY,
    "equals": [(["SOLAR PANEL"], "1"), (["wind", "Solar Panel"], "13"), (["Solar"], "")],
    "in": [(["wind", "none"], "3")],
    "not equals": [(["SOLAR PANEL"], "023"), (["wind", "Solar Panel"], "02")],
    "not in": [(["wind"], "012")],
    "contains": [(["PA"], "12"), (["%"], "2"), (["_"], "2"), (["x", "ind"], "3")],
    "does not contain": [(["PA"], "03"), (["x", "ind"], "012")],
    "starts with": [(["sOl"], "12"), (["olar"], "")],
    "ends with": [(["L"], "1"), (["100%"], "2"), (["Solar"], "")],
})  # fmt: skip


def _ordered(low: Any, middle: Any, high: Any) -> Cases:
    """What a type with an order takes, over the values ``[None, low, middle, high]``."""
    return {
        **EMPTY,
        "equals": [([middle], "2"), ([low, high], "13")],
        "in": [([low, middle], "12")],
        "not equals": [([middle], "013"), ([low, high], "02")],
        "not in": [([high], "012")],
        "greater than": [([middle], "3"), ([high], "")],
        "greater than or equal": [([middle], "23"), ([low], "123")],
        "less than": [([middle], "1"), ([low], "")],
        "less than or equal": [([middle], "12")],
        "is between": [([low, middle], "12"), ([high, low], "")],
    }


def _ordered_values(low: Any, middle: Any, high: Any) -> tuple[list[Any], Cases]:
    return [None, low, middle, high], _ordered(low, middle, high)


def _equality(values: list[Any], one: Any, other: Any) -> tuple[list[Any], Cases]:
    return values, {
        **EMPTY,
        "equals": [([one], "1"), ([one, other], "12")],
        "in": [([other], "2")],
        "not equals": [([one], "023"), ([one, other], "03")],
        "not in": [([other], "013")],
    }


OPTIONS = ([None, 7, 8, 99], {
    **EMPTY,
    "equals": [([8], "2"), (["8"], "2"), (["cold"], "2"), (["Hot", 8], "12"), (["Not so hot"], "")],
    "in": [(["HOT", "cold"], "12")],
    "not equals": [(["cold"], "013")],
    "not in": [([7, "cold"], "03")],
    "contains": [(["OL"], "2"), (["o"], "12"), (["zzz"], "")],
    "does not contain": [(["OL"], "013"), (["zzz"], "0123")],
    "starts with": [(["h"], "1")],
    "ends with": [(["T"], "1"), (["d"], "2")],
})  # fmt: skip

LISTS = ([[], [7], [8, 12], [7, 99]], {
    **EMPTY,
    "equals": [(["hot"], "13"), ([12, "12"], "2"), (["Cold", 7], "123")],
    "in": [([8, 12], "2")],
    "not equals": [(["hot"], "02")],
    "not in": [(["Hot", "Cold"], "0")],
    "contains": [(["so"], "2"), ([7], "13")],
    "does not contain": [(["so"], "013")],
    "starts with": [(["not"], "2")],
    "ends with": [(["HOT"], "123")],
})  # fmt: skip

STATUSES = (["", "open", "won", "lost"], {
    **EMPTY,
    "equals": [(["Open"], "1"), (["WON", "lost"], "23")],
    "in": [(["open", "won"], "12")],
    "not equals": [(["open"], "023")],
    "not in": [(["open", "won"], "03")],
    "contains": [(["O"], "123")],
    "does not contain": [(["o"], "0")],
    "starts with": [(["wo"], "2")],
    "ends with": [(["st"], "3")],
})  # fmt: skip

LOOSE_LISTS = ([None, [1], [2, 3], [1, 3]], {
    **EMPTY,
    "equals": [([1], "13"), (["2", 9], "2")],
    "in": [([3], "23")],
    "not equals": [([3], "01")],
    "not in": [([1, 2], "0")],
    "contains": [([2], "2")],
    "does not contain": [(["3"], "01")],
    "greater than": [([2], "23")],
    "greater than or equal": [([2], "23")],
    "less than": [([2], "13")],
    "less than or equal": [([1], "13")],
    "is between": [([2, 2], "2")],
})  # fmt: skip

WARM = "f08b42a0-4e75-11ea-9643-03698ef1cfd6"
LEAD_LABELS = ([[], [LEAD], [WARM], [LEAD, WARM]], {
    **EMPTY,
    "equals": [(["warm"], "23"), ([LEAD, "Warm"], "123")],
    "in": [([WARM], "23")],
    "not equals": [(["warm"], "01")],
    "not in": [([LEAD], "02")],
    "contains": [(["Warm"], "23")],
    "does not contain": [([LEAD], "02")],
})  # fmt: skip

VISIBILITIES = ([None, 1, 3, 5], {
    **EMPTY,
    "equals": [([3], "2"), (["Everyone, always"], "2")],
    "in": [(["1", 3], "12")],
    "not equals": [(["owner"], "023")],
    "not in": [([1, 3], "03")],
    "contains": [(["every"], "2")],
    "does not contain": [(["every"], "013")],
    "starts with": [(["own"], "1")],
    "ends with": [(["always"], "2")],
})  # fmt: skip

CONTACTS = ([
    [{"value": "", "label": "work", "primary": True}],
    [{"value": "Ann@a.example", "label": "work", "primary": True}],
    [{"value": "bob@b.example", "label": "home", "primary": False}, {"value": "ann@a.example"}],
    [{"value": "eve@e.example", "label": "work", "primary": False}],
], {
    **EMPTY,
    "equals": [(["ann@A.example"], "12")],
    "in": [(["eve@e.example", "bob@b.example"], "23")],
    "not equals": [(["ann@A.example"], "03")],
    "not in": [(["eve@e.example", "bob@b.example"], "01")],
    "contains": [(["@b."], "2"), (["EXAMPLE"], "123")],
    "does not contain": [(["@b."], "013")],
    "starts with": [(["eve", "bob"], "23")],
    "ends with": [(["a.example"], "12")],
})  # fmt: skip

BOOLEANS = ([None, True, True, False], {
    **EMPTY,
    "equals": [([True], "12"), (["false"], "3"), ([1, 0], "123")],
    "in": [(["TRUE"], "12")],
    "not equals": [([True], "03")],
    "not in": [([False], "012")],
    "is true": [(None, "12")],
    "is false": [(None, "3")],
})  # fmt: skip


def _inside(part: str, values: list[Any], **more: Any) -> list[Any]:
    return [None if value is None else {part: value, **more} for value in values]


MONEY = _inside("value", [None, 5, 7.5, 12], currency="EUR")
ADDRESSES = _inside("value", TEXTS[0], locality="Tallinn")
RANGES = _inside("value", [None, "2026-01-31", "2026-02-01", "2026-03-01"], until="2026-12-24")
CLOCKS = ("08:00:00", "08:30:00", "17:00:00")
TIMES = _inside("value", [None, *CLOCKS], **ZONE)

EXAMPLES: dict[str, tuple[list[Any], Cases]] = {
    **dict.fromkeys(("varchar", "varchar_auto", "text", "phone", "varchar_options"), TEXTS),
    "int": _ordered_values(-3, 0, 9007199254740993),
    "double": _ordered_values(-3.5, 0, 2.25),
    "deal": _ordered_values(3, 4, 5),
    "monetary": (MONEY, _ordered(5, "7.5", 12.0)),
    "date": _ordered_values("2026-01-31", "2026-02-01", "2026-03-01"),
    "daterange": (RANGES, _ordered("2026-01-31", "2026-02-01", "2026-03-01")),
    "datetime": _ordered_values("2026-01-31T23:59:59Z", "2026-02-01T00:00:00Z", "2026-02-01T00:00:01Z"),
    "time": (TIMES, _ordered(*CLOCKS)),
    "timerange": (_inside("value", [None, *CLOCKS], until="18:00:00", **ZONE), _ordered(*CLOCKS)),
    "clock": ([None, "08:00", "08:30:00", "17:00"], _ordered("08:00:00", "08:30", "17:00")),
    "boolean": BOOLEANS,
    "enum": OPTIONS,
    **dict.fromkeys(("set", "ids"), LISTS),
    "loose": LOOSE_LISTS,
    "uuids": LEAD_LABELS,
    "status": STATUSES,
    "visible_to": VISIBILITIES,
    "address": (ADDRESSES, TEXTS[1]),
    "contacts": CONTACTS,
    "uuid": _equality([None, LEAD, OTHER, LEAD[:-1] + "0"], LEAD.upper(), OTHER),
    "user": _equality([None, 2, 4, 5], "john roe", 4),
    "org": _equality([None, 6, 4, 5], "ACME, Inc.", 4),
    "people": _equality([None, 7, 4, 5], "Ann", "4"),
    "stage": _equality([None, 5, 4, 6], "5", "Qualified"),
    "pipeline": _equality([None, 5, 4, 6], "sales", 4),
    "json": ([[], [1], {"a": 1}, "x"], EMPTY),
}

ALL_CONDITIONS = sorted({condition for _, cases in EXAMPLES.values() for condition in cases})


def leaf(field_type: str, condition: str, values: Any, **more: Any) -> dict[str, Any]:
    given = {} if values is None else {"values": values}
    return {"conditions": [{"variable": f"k_{field_type}", "condition": condition, **given, **more}]}


def test_every_field_type_has_examples() -> None:
    assert set(EXAMPLES) == {*TYPES, "loose", "uuids"}
    assert len(ALL_CONDITIONS) == 17


@pytest.mark.parametrize("field_type", EXAMPLES)
def test_each_condition_finds_what_it_should(tmp_path: Path, field_type: str) -> None:
    values, cases = EXAMPLES[field_type]
    typed = Typed([{f"k_{field_type}": value} for value in values], tmp_path)
    for condition, examples in cases.items():
        for given, expected in examples:
            matches = typed.found(leaf(field_type, condition, given))
            positions = "".join(str(position) for position, one in enumerate(matches) if one)
            assert positions == expected, f"{condition} {given}"


@pytest.mark.parametrize("field_type", EXAMPLES)
def test_other_conditions_are_refused_with_those_that_are_taken(field_type: str) -> None:
    taken = set(EXAMPLES[field_type][1])
    for condition in set(ALL_CONDITIONS) - taken:
        count = {"is between": 2, "is true": 0, "is false": 0}.get(condition, 1)
        (problem,) = compiled(leaf(field_type, condition, ["1"] * count or None)).problems
        assert (problem.field, problem.code) == ("filters.conditions[0].condition", "condition_not_supported")
        assert all(f"`{one}`" in problem.message for one in taken)


def test_a_missing_key_is_a_missing_value(tmp_path: Path) -> None:
    assert found(leaf("varchar", "is empty", None), [{}], tmp_path) == [True]
    assert found(leaf("set", "not in", ["Hot"]), [{}], tmp_path) == [True]
    assert found(leaf("boolean", "is false", None), [{}], tmp_path) == [False]


def test_case_matters_only_where_it_is_said(tmp_path: Path) -> None:
    records = [{"k_varchar": "Ärger"}, {"k_varchar": "ÄRGER"}]
    assert found(leaf("varchar", "equals", ["äRGER"]), records, tmp_path) == [True, True]
    assert found(leaf("varchar", "equals", ["ÄRGER"], case_sensitive=True), records, tmp_path) == [
        False,
        True,
    ]
    assert found(leaf("varchar", "contains", ["rge"], case_sensitive=True), records, tmp_path) == [
        True,
        False,
    ]
    sensitive = leaf("enum", "equals", ["hot"], case_sensitive=True)
    assert [problem.code for problem in compiled(sensitive).problems] == ["unknown_option"]
    several = leaf("user", "equals", ["Jane Doe"])
    users = [{"k_user": 1}, {"k_user": 3}]
    assert found(several, users, tmp_path) == [True, True]
    several["conditions"][0]["case_sensitive"] = True
    assert found(several, users, tmp_path) == [True, False]


PARTS: list[tuple[str, Any, str, list[Any]]] = [
    ("address.locality", {"value": "x", "locality": "Tallinn"}, "equals", ["tallinn"]),
    ("address.country", {"value": "x", "locality": "Tallinn"}, "is empty", []),
    ("monetary.currency", {"value": 5, "currency": "EUR"}, "is", ["eur"]),
    ("monetary.value", {"value": 5, "currency": "EUR"}, "<=", [5]),
    ("daterange.until", {"value": "2026-01-01", "until": "2026-02-01"}, "after", ["2026-01-31"]),
    ("timerange.until", {"value": "08:00:00", "until": "17:00:00", **ZONE}, ">=", ["17:00"]),
    ("time.timezone_name", {"value": "08:00:00", **ZONE}, "starts with", ["europe/"]),
    ("time.timezone_id", {"value": "08:00:00", **ZONE}, "is between", [17, 17]),
    ("contacts.label", [{"value": "a", "label": "Work", "primary": True}], "equals", ["work"]),
    ("contacts.primary", [{"value": "a", "label": "Work", "primary": True}], "is true", []),
    ("contacts.primary", [{"value": "a", "label": "Work", "primary": True}], "contains", ["true"]),
    ("contacts.value", [{"value": "a", "label": "Work", "primary": True}], "ends with", ["A"]),
]


@pytest.mark.parametrize(("variable", "value", "condition", "given"), PARTS)
def test_parts_of_values(tmp_path: Path, variable: str, value: Any, condition: str, given: list[Any]) -> None:
    key = "k_" + variable.partition(".")[0]
    records = [{key: value}, {key: None}]
    matches = found(leaf(variable, condition, given), records, tmp_path)
    assert matches == [True, condition == "is empty"]


AS_TYPES: list[tuple[str, str, Any, str, list[Any], bool]] = [
    ("varchar", "number", "10", ">", [9], True),
    ("varchar", "number", "ten", "not equals", [10], True),
    ("varchar", "number", "ten", "is empty", [], False),
    ("varchar", "date", "2026-05-31", "is", ["today"], True),
    ("varchar", "datetime", "2026-05-31T10:00:00Z", "before", ["now"], True),
    ("varchar", "boolean", "True", "is true", [], True),
    ("varchar", "string", "x", "is", ["X"], True),
    ("int", "string", 42, "starts with", ["4"], True),
    ("double", "string", 42.0, "equals", ["42"], True),
    ("int", "boolean", 1, "is true", [], True),
    ("int", "enum", 5, "in", [5, 6], True),
    ("date", "string", "2026-05-31", "starts with", ["2026-05"], True),
    ("date", "datetime", "2026-05-31", "<", ["2026-05-31T00:00:01Z"], True),
    ("datetime", "date", "2026-05-31T23:59:59Z", "is", ["2026-05-31"], True),
    ("datetime", "string", "2026-05-31T23:59:59Z", "contains", ["T23:"], True),
    ("boolean", "string", True, "is", ["true"], True),
    ("enum", "number", 12, ">", [8], True),
    ("enum", "string", 8, "contains", ["old"], True),
    ("user", "number", 12, "is between", [11, 13], True),
    ("user", "string", 2, "is", ["John Roe"], True),
    ("set", "array", [7], "contains", ["hot"], True),
    ("set", "number", [7, 12], ">", [11], True),
    ("contacts", "array", [{"value": "a"}], "is", ["A"], True),
    ("json", "string", [{"person_id": 5}], "contains", ['"person_id":5'], True),
    ("clock", "string", "08:30", "starts with", ["08:3"], True),
]  # fmt: skip


@pytest.mark.parametrize(("field_type", "variable_type", "value", "condition", "given", "expected"), AS_TYPES)
def test_variable_types(
    tmp_path: Path,
    field_type: str,
    variable_type: str,
    value: Any,
    condition: str,
    given: list[Any],
    expected: bool,
) -> None:
    filters = leaf(field_type, condition, given, variable_type=variable_type)
    assert found(filters, [{f"k_{field_type}": value}], tmp_path) == [expected]


@pytest.mark.parametrize(
    ("field_type", "variable_type"),
    [
        ("date", "number"),
        ("int", "date"),
        ("varchar", "array"),
        ("uuid", "number"),
        ("json", "enum"),
        ("status", "number"),
    ],
)
def test_variable_types_that_a_field_cannot_have(field_type: str, variable_type: str) -> None:
    (problem,) = compiled(leaf(field_type, "is empty", None, variable_type=variable_type)).problems
    assert (problem.field, problem.code) == (
        "filters.conditions[0].variable_type",
        "variable_type_not_supported",
    )


GROUPS: list[tuple[dict[str, Any], str]] = [
    ({"conditions": []}, "0123"),
    ({"conditions": [{"conditions": []}, {"operator": "OR", "conditions": []}]}, "0123"),
    ({"conditions": ["a", "b"]}, "3"),
    ({"operator": "OR", "conditions": ["a", "b"]}, "123"),
    ({"conditions": ["a or", "b or"]}, "123"),
    ({"operator": "AND", "conditions": ["a or", "b or"]}, "3"),
    ({"operator": "or", "conditions": [{"conditions": ["a", "b"]}, "none"]}, "03"),
    ({"conditions": [{"operator": "OR", "conditions": ["a", "b"]}, "b"]}, "23"),
    ({"operator": "OR", "conditions": ["a", {"conditions": []}]}, "13"),
]


@pytest.mark.parametrize(("written", "expected"), GROUPS)
def test_groups(tmp_path: Path, written: dict[str, Any], expected: str) -> None:
    leaves = {
        "a": {"variable": "k_varchar", "value": "a"},
        "b": {"variable": "k_text", "value": "b"},
        "none": {"variable": "k_varchar", "condition": "is empty"},
    }

    def spelled(node: Any) -> Any:
        if isinstance(node, str):
            name, _, hint = node.partition(" ")
            return {**leaves[name], **({"operator": hint} if hint else {})}
        return {**node, "conditions": [spelled(member) for member in node["conditions"]]}

    records: list[dict[str, Any]] = [{}, {"k_varchar": "a"}, {"k_varchar": "x", "k_text": "b"}]
    records.append({"k_varchar": "a", "k_text": "b"})
    matches = found(spelled(written), records, tmp_path)
    assert "".join(str(position) for position, one in enumerate(matches) if one) == expected

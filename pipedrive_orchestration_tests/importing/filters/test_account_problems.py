"""A filter that does not fit the account: all that is wrong with it, at once, before a record is read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipedrive_orchestration.demo import DemoServer
from pipedrive_orchestration.importing import preview
from pipedrive_orchestration.pipedrive.auth import Connection
from pipedrive_orchestration.sources import InvalidBodyError
from pipedrive_orchestration_tests.importing.filters.account import body_of, compiled
from pipedrive_orchestration_tests.importing.imports import run, source

WRONG = {
    "conditions": [
        {"variable": "tittle", "value": "x"},
        {"variable": "value", "condition": "contains", "value": "1"},
        {"variable": "value", "operator": "ends with", "value": "1"},
        {"variable": "value", "condition": ">", "value": "much"},
        {"variable": "status", "condition": "in", "values": ["open", "opn", "wonn"]},
        {"variable": "add_time", "condition": "after", "value": "someday"},
        {"variable": "title", "condition": "is", "value": "x", "variable_type": "array"},
        {"operator": "OR", "conditions": [
            {"variable": "owner_id", "value": "Nobody at all"},
            {"variable": "title.first", "value": "x"},
            {"variable": "stage_id", "values": ["Qualifed"]},
            {"variable": "org_id", "values": ["No such organization"]},
        ]},
    ]
}  # fmt: skip

PROBLEMS = {
    "filters.conditions[0].variable": "unknown_variable",
    "filters.conditions[1].condition": "condition_not_supported",
    "filters.conditions[2].operator": "condition_not_supported",
    "filters.conditions[3].value": "invalid_value",
    "filters.conditions[4].values[1]": "unknown_option",
    "filters.conditions[4].values[2]": "unknown_option",
    "filters.conditions[5].value": "invalid_value",
    "filters.conditions[6].variable_type": "variable_type_not_supported",
    "filters.conditions[7].conditions[0].value": "unknown_name",
    "filters.conditions[7].conditions[1].variable": "unknown_variable",
    "filters.conditions[7].conditions[2].values[0]": "unknown_name",
    "filters.conditions[7].conditions[3].values[0]": "unknown_name",
}


def told(problem: Callable[[], object]) -> InvalidBodyError:
    with pytest.raises(InvalidBodyError) as caught:
        problem()
    return caught.value


def test_an_import_names_everything_and_writes_nothing(demo: DemoServer, tmp_path: Path) -> None:
    connection = Connection.of(demo.url, demo.token)
    wrong = source("deals", ["title", "amount"], filters=WRONG)
    asked = len(demo.account.requests)
    error = told(lambda: run(wrong, connection, tmp_path))
    expected = {"properties[1]": "unknown_property"} | PROBLEMS
    assert {problem.field: problem.code for problem in error.problems} == expected
    assert all(line.startswith("sources/deals.yaml: ") for line in str(error).splitlines())
    assert len(str(error).splitlines()) == len(expected)
    assert "/api/v2/deals" not in {request.path for request in demo.account.requests[asked:]}
    assert not list(tmp_path.glob("**/*.duckdb"))


def test_a_preview_names_the_same(demo: DemoServer) -> None:
    body = body_of(WRONG, properties=["title", "amount"])
    error = told(lambda: preview(body, connection=Connection.of(demo.url, demo.token)))
    assert {problem.field for problem in error.problems} == {"properties[1]", *PROBLEMS}


HINTS: list[tuple[dict[str, Any], str]] = [
    ({"variable": "k_varchr", "value": "x"}, "Did you mean `k_varchar`"),
    ({"variable": "the enum", "value": "x"}, "Did you mean `k_enum`"),
    ({"variable": "k_address.town", "value": "x"}, "its parts are value, subpremise"),
    ({"variable": "k_int.value", "value": "x"}, "it has no parts"),
    ({"variable": "k_enum", "value": "Hott"}, "Did you mean `Hot`"),
    ({"variable": "k_stage", "value": "Qualifid"}, "Did you mean `Qualified`"),
    (
        {"variable": "k_date", "value": "31.05.2026"},
        "an ISO 8601 instant, or a relative date",
    ),
    ({"variable": "k_boolean", "value": "yes"}, "write true or false"),
    ({"variable": "k_clock", "value": "noon"}, "write HH:MM"),
    ({"variable": "k_uuid", "value": "x"}, "`x` is not a UUID"),
]


@pytest.mark.parametrize(("leaf", "hint"), HINTS)
def test_a_problem_says_what_would_be_right(leaf: dict[str, Any], hint: str) -> None:
    (problem,) = compiled({"conditions": [leaf]}).problems
    assert hint in problem.message


@pytest.mark.parametrize("value", [True, "1e400", "1_000", "nan", "0x10", 10**400, "9" * 301])
def test_what_is_no_number(value: Any) -> None:
    (problem,) = compiled({"conditions": [{"variable": "k_double", "value": value}]}).problems
    assert problem.code == "invalid_value"

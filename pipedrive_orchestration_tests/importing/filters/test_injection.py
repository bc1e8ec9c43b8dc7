"""Nothing that stands in a body is ever read as SQL, or as a pattern."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipedrive_orchestration.sources import InvalidBodyError
from pipedrive_orchestration_tests.importing.accounts import account, deal, field, options
from pipedrive_orchestration_tests.importing.canned import serving
from pipedrive_orchestration_tests.importing.filters.account import body_of, compiled, found
from pipedrive_orchestration_tests.importing.imports import query, rows, run, source

CORPUS = [
    "'; DROP TABLE pipedrive.deals; --",
    '"; DROP TABLE pipedrive.deals; --',
    "' OR '1'='1",
    '" OR ""="',
    "') OR true --",
    ") OR true) --",
    "$filter_0",
    "$structure",
    "$1 ? :name",
    "%",
    "_",
    "\\",
    "\\'",
    "{0} {x!r} {{",
    "'||(SELECT 1)||'",
    "/* */ UNION SELECT 1",
    "read_csv('/etc/passwd')",
    "COPY (SELECT 1) TO '/tmp/injected'",
    "record.id",
    "x -> 1",
    "true",
    "NULL",
    "; ATTACH '/tmp/other.duckdb'",
    "\u202e'\u2028;",
    "ünïcödé '; --",
]

CONDITIONS = ["equals", "not in", "contains", "does not contain", "starts with", "ends with"]


@pytest.mark.parametrize("text", CORPUS)
def test_a_value_is_only_ever_itself(tmp_path: Path, text: str) -> None:
    records: list[dict[str, Any]] = [{"k_varchar": text}, {"k_varchar": "x"}, {"k_varchar": None}]
    for condition in CONDITIONS:
        for variable in ("k_varchar", "k_contacts", "k_address.locality"):
            leaf = {"variable": variable, "condition": condition, "case_sensitive": True}
            injected, harmless = (
                compiled({"conditions": [leaf | {"value": one}]}) for one in (text, "harmless")
            )
            assert injected.predicate == harmless.predicate
            assert list(injected.values.values()) == [text]
    leaf = {"variable": "k_varchar", "value": text}
    assert found({"conditions": [leaf]}, records, tmp_path) == [True, False, False]
    leaf["condition"] = "does not contain"
    assert found({"conditions": [leaf]}, records, tmp_path) == [False, True, True]


@pytest.mark.parametrize("text", CORPUS)
@pytest.mark.parametrize("place", ["variable", "condition", "operator", "variable_type", "value", "values"])
def test_any_text_of_a_leaf_is_refused_or_harmless(tmp_path: Path, place: str, text: str) -> None:
    for kind in ("varchar", "enum", "user", "date", "int", "json"):
        leaf: dict[str, Any] = {"variable": f"k_{kind}", "value": "7"} | {place: text}
        if place == "values":
            leaf = {"variable": f"k_{kind}", "values": [text]}
        try:
            problems = compiled({"conditions": [leaf]}).problems
        except InvalidBodyError as error:
            problems = error.problems
        if not problems:
            assert found({"conditions": [leaf]}, [{f"k_{kind}": None}], tmp_path) == [False]
        assert all(problem.field.startswith("filters.conditions[0].") for problem in problems)


@pytest.mark.parametrize("text", CORPUS)
def test_a_group_says_only_and_or_or(text: str) -> None:
    with pytest.raises(InvalidBodyError):
        body_of({"operator": text, "conditions": []})


KEY = "f\"; DROP TABLE x; --'.$1"
LABEL = "' OR true; DROP TABLE x --"


def test_names_that_the_account_gives_are_quoted(tmp_path: Path) -> None:
    fields = [field(KEY, "enum", LABEL, options=[*options(_7="Hot"), {"id": 8, "label": LABEL}])]
    records = [deal(1, {KEY: 7}), deal(2, {KEY: 8}), deal(3, {KEY: None})]
    leaf = {"variable": KEY, "value": LABEL}
    with serving(account("deals", records, fields)) as served:
        wanted = source("deals", [KEY, "title"], filters={"conditions": [leaf]}, name=LABEL)
        run(wanted, served.connection, tmp_path)
        assert set(rows(tmp_path, "deals")) == {2}
    tables = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'pipedrive'"
    assert query(tmp_path, tables) == [("deals",)]

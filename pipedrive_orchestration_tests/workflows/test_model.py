from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipedrive_orchestration.sources import InvalidBodyError
from pipedrive_orchestration.workflows.inputs import key_of
from pipedrive_orchestration.workflows.model import WorkflowFile
from pipedrive_orchestration_tests.workflows.bodies import INPUTS, body, sync, workflow


def problems(data: Any) -> list[tuple[str, str]]:
    with pytest.raises(InvalidBodyError) as raised:
        WorkflowFile.parse(data)
    return [(problem.field, problem.code) for problem in raised.value.problems]


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("email", "email"),
        ("First name", "first_name"),
        ("firstName", "first_name"),
        ("URL of page", "url_of_page"),
        ("companyURL", "company_url"),
        ("E-Mail (work)", "e_mail_work"),
        ("  Société  ", "societe"),
        ("Line 2", "line_2"),
    ],
)
def test_a_reference_is_computed_of_the_name(name: str, key: str) -> None:
    (made,) = workflow(inputs=[{"name": name, "type": "string"}], syncs=[]).inputs
    assert made.reference == f"input.{key}"
    assert made.braced_reference == "{{" + made.reference + "}}"


@given(st.text(max_size=40))
def test_a_key_is_its_own_key(name: str) -> None:
    assert key_of(key_of(name)) == key_of(name)


def test_what_is_left_out_has_its_default() -> None:
    made = workflow(syncs=[sync()])
    (link,) = made.syncs
    assert (made.auto_run, made.actions) == (True, ())
    assert (link.push_existing, link.run, link.on_update, link.on_remove) == (True, "all", "ignore", "keep")


def test_the_id_is_the_files_or_follows_from_the_slug() -> None:
    assert workflow("a").id == workflow("a").id != workflow("b").id
    chosen = "0f8fad5b-d9cb-469f-a165-70867728950e"
    assert str(workflow(id=chosen).id) == chosen
    assert workflow("a", id=chosen).sync_id("people") == workflow("b", id=chosen).sync_id("people")
    assert workflow().sync_id("people") != workflow().sync_id("others")


def test_every_problem_is_found_at_once() -> None:
    data = {
        "nme": "x",
        "inputs": [
            {"name": "email", "type": "e-mail"},
            {"name": "row id", "type": "string"},
            {"name": "日本", "type": "string"},
            {"name": "first name", "type": "string"},
            {"name": "firstName", "type": "string"},
        ],
        "auto_run": "yes",
        "syncs": [
            {"source": "People", "field_mapping": {}},
            {"source": "deals", "field_mapping": {"input.first_name": 1}, "run": "some"},
            {"source": "deals", "field_mapping": {"input.First_Name": "name", "input.nothing": "x"}},
        ],
        "actions": [
            {"type": "sql", "name": "a", "expression": "1 +", "output": {"name": "one"}},
            {"type": "http", "name": "a", "url": "ftp://x", "outputs": [{"name": "one"}, {"name": "id_"}]},
            {"type": "shell"},
        ],
    }
    assert sorted(problems(data)) == sorted(
        [
            ("nme", "unknown_field"),
            ("name", "missing"),
            ("inputs[0].type", "literal_error"),
            ("inputs[1].name", "reserved_name"),
            ("inputs[2].name", "invalid_name"),
            ("inputs[4]", "duplicate_input"),
            ("auto_run", "bool_type"),
            ("syncs[0].source", "invalid_slug"),
            ("syncs[0].field_mapping", "empty"),
            ("syncs[1].field_mapping.input.first_name", "string_type"),
            ("syncs[1].run", "literal_error"),
            ("syncs[2].field_mapping.input.First_Name", "unknown_input"),
            ("syncs[2].field_mapping.input.nothing", "unknown_input"),
            ("syncs[2].source", "duplicate_source"),
            ("actions[0].expression", "invalid_expression"),
            ("actions[1].url", "invalid_url"),
            ("actions[2]", "unknown_action"),
            ("actions[1].name", "duplicate_action"),
            ("actions[1].outputs[0]", "duplicate_column"),
        ]
    )


@pytest.mark.parametrize("data", [None, [], "text", 1])
def test_a_workflow_is_a_mapping(data: Any) -> None:
    assert problems(data) == [("", "not_a_mapping")]


@pytest.mark.parametrize(
    ("action", "code"),
    [
        ({"type": "sql", "expression": "1; DROP TABLE x", "output": {"name": "o"}}, "invalid_expression"),
        ({"type": "sql", "expression": "email", "output": {"name": "row_status"}}, "reserved_name"),
        ({"type": "sql", "expression": "email"}, "missing"),
        ({"type": "http", "url": "https://user:pass@host/x"}, "secret_in_url"),
        ({"type": "http", "url": "https://host", "secret": "Bearer abc"}, "invalid_variable"),
        ({"type": "http", "url": "https://host", "timeout": 0}, "greater_than_equal"),
        ({"type": "http", "url": "https://host", "batch_size": 1001}, "less_than_equal"),
        ({"type": "http", "url": "https://host", "headers": {}}, "unknown_field"),
    ],
)
def test_actions_are_strict(action: dict[str, Any], code: str) -> None:
    ((_, found),) = problems(body(actions=[{"name": "a", **action}]))
    assert found == code


def test_an_output_does_not_take_the_column_of_an_input() -> None:
    action = {"type": "sql", "name": "a", "expression": "1", "output": {"name": "Email"}}
    assert problems(body(inputs=INPUTS, actions=[action])) == [("actions[0].output", "duplicate_column")]

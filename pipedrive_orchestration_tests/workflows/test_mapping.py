from __future__ import annotations

from typing import Any

import pytest

from pipedrive_orchestration.sources import InvalidBodyError, Problem
from pipedrive_orchestration.workflows import parse_sync, problems_of_syncs
from pipedrive_orchestration_tests.workflows.bodies import MAPPING, source, sync, workflow

SOURCE = source(properties_metadata=[{"name": "emails", "label": "Work mail"}])


def problems(data: Any) -> list[Problem]:
    with pytest.raises(InvalidBodyError) as raised:
        parse_sync(data, workflow(), [SOURCE])
    return list(raised.value.problems)


@pytest.mark.parametrize(
    "key", ["input.email", "{{input.email}}", "{{ input.email }}", " {{  input.email}} ", "input.email "]
)
def test_braces_around_a_reference_are_tolerated(key: str) -> None:
    parsed = parse_sync(sync(field_mapping={key: "emails"}), workflow(), [SOURCE])
    assert parsed.field_mapping == {"input.email": "emails"}


def test_everything_wrong_with_a_sync_is_said_at_once() -> None:
    mapping = {
        "input.emial": "emails",
        "Input.Email": "Emails",
        "first_name": "work mail",
        "input.first_name": "nmae",
        "{{ input.first_name }}": "name",
        "input.email": 3,
    }
    found = problems(sync(field_mapping=mapping, run="first", extra=1))
    assert [(problem.field, problem.code) for problem in found] == [
        ("field_mapping.input.email", "string_type"),
        ("run", "literal_error"),
        ("extra", "unknown_field"),
        ("field_mapping.Input.Email", "unknown_source_field"),
        ("field_mapping.first_name", "unknown_source_field"),
        ("field_mapping.input.first_name", "unknown_source_field"),
        ("field_mapping.input.first_name", "duplicate_input"),
        ("field_mapping.input.emial", "unknown_input"),
        ("field_mapping.Input.Email", "unknown_input"),
        ("field_mapping.first_name", "unknown_input"),
    ]
    messages = "\n".join(problem.message for problem in found)
    assert "Did you mean `input.email`?" in messages
    assert "Upper and lower case count: did you mean `input.email`?" in messages
    assert "Did you mean `input.first_name`?" in messages
    assert "Upper and lower case count: did you mean `emails`?" in messages
    assert "That is the label of `emails`." in messages
    assert "Did you mean `name`?" in messages


def test_a_deleted_source_does_not_hide_other_problems() -> None:
    found = problems(sync("peple", field_mapping={"input.x": "name"}))
    assert [(problem.field, problem.code) for problem in found] == [
        ("source", "unknown_source"),
        ("field_mapping.input.x", "unknown_input"),
    ]
    assert "Did you mean `people`?" in found[0].message


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (sync(field_mapping={}), "empty"),
        ({"source": "people"}, "missing"),
        (sync(field_mapping=None), "missing"),
        (sync(field_mapping=["input.email"]), "mapping_type"),
        (sync(field_mapping={"input.email": " "}), "blank"),
        (sync(push_existing=1), "bool_type"),
        ([], "not_a_mapping"),
    ],
)
def test_the_form_of_a_sync_is_strict(data: Any, code: str) -> None:
    assert [problem.code for problem in problems(data)] == [code]


def test_syncs_that_cannot_run_are_told_apart_from_those_that_can() -> None:
    made = workflow(syncs=[sync(), sync("gone"), sync("narrow")])
    found = problems_of_syncs(made, [SOURCE, source("narrow", properties=["name"])])
    assert {slug: [(one.field, one.code) for one in each] for slug, each in found.items()} == {
        "gone": [("syncs[1].source", "unknown_source")],
        "narrow": [("syncs[2].field_mapping.input.email", "unknown_source_field")],
    }


def test_a_right_sync_is_what_was_written() -> None:
    data = sync(push_existing=False, run="first_10", on_update="append", on_remove="flag")
    parsed = parse_sync(data, workflow(), [SOURCE])
    assert parsed.model_dump() == data | {"field_mapping": MAPPING}

"""Pipedrive's own example answers, imported and compared value by value with what they say."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from pipedrive_orchestration.pipedrive.catalogue import BUILT_IN
from pipedrive_orchestration.pipedrive.object_types import CustomFields, ObjectType
from pipedrive_orchestration_tests.chaos.sizes import FULL
from pipedrive_orchestration_tests.importing.canned import serving
from pipedrive_orchestration_tests.importing.imports import quarantine, rows, run, source
from pipedrive_orchestration_tests.importing.official import (
    FOLDER,
    Example,
    examples,
    examples_of,
    fields_example,
)

LISTED = [name for name, one in BUILT_IN.items() if one.parent is None]

pytestmark = pytest.mark.skipif(
    not FOLDER.is_dir(),
    reason=f"Pipedrive's OpenAPI files are not in {FOLDER}; set PIPEDRIVE_OPENAPI to their folder",
)

NOT_OF_THE_LIST = {
    (
        "organizations",
        "org_id",
    ): "no property of an organization: the schema beside the example has no org_id",
    ("permission_sets", "contents"): "only the answer for one set has it",
}
"""Properties in examples that no list gives."""

UNFIT = {
    ("activities", "lead_id", "abc-def"): "a lead's id is a UUID (OpenAPI /leads), this one is made up",
}
"""Values in examples that are not what Pipedrive says of the property."""

STREET = ["subpremise", "street_number", "route", "sublocality", "locality"]
AREA = ["admin_area_level_1", "admin_area_level_2", "country", "postal_code"]
PARTS = ["value", *STREET, *AREA, "formatted_address"]
NUMBERS_OF_TEXT = {"visible_to", "assignment_count", "sub_role_count", "duration"}
FLAGS = {"is_active"}
FRACTIONAL = {"value", "probability", "acv", "arr", "mrr", "tax", "annual_revenue"}

INSTANT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?Z?")
DAY = re.compile(r"\d{4}-\d\d-\d\d")
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def expected(key: str, value: Any) -> Any:
    """What a value of an example is in Python, judged by its form alone."""
    if isinstance(value, str):
        return text_value(key, value)
    if isinstance(value, list) and value and all(isinstance(item, str) for item in value):
        return [text_value(key, item) for item in value]
    if isinstance(value, dict) and set(value) == {"amount", "currency"}:
        return {"value": value["amount"], "currency": value["currency"]}
    if isinstance(value, dict) and "street_number" in value:
        return {part: value.get(part) for part in PARTS}
    return value


def text_value(key: str, value: str) -> Any:
    if key in NUMBERS_OF_TEXT and value.isdigit():
        return int(value)
    if INSTANT.fullmatch(value):
        instant = datetime.fromisoformat(value)
        return instant if instant.tzinfo else instant.replace(tzinfo=UTC)
    if DAY.fullmatch(value):
        return date.fromisoformat(value)
    return uuid.UUID(value) if UUID.fullmatch(value) else value


def landed(value: Any, wanted: Any) -> Any:
    """A cell; JSON opened where the example has something that no other type holds."""
    return json.loads(value) if isinstance(wanted, dict | list) and isinstance(value, str) else value


def wanted_properties(object_type: ObjectType) -> list[str]:
    keys = [prop.key for prop in object_type.properties if not prop.alone]
    if object_type.custom_fields is not CustomFields.NONE:
        fields = fields_example(object_type)["data"]
        keys += [field["field_code"] for field in fields if field["is_custom_field"]]
    return keys


def imported(example: Example, folder: Path) -> dict[Any, dict[str, Any]]:
    object_type = example.object_type
    options = {"include_archived": example.archived}
    with serving(example.replies()) as account:
        run(
            source(object_type.name, wanted_properties(object_type), options=options),
            account.connection,
            folder,
        )
    return rows(folder, object_type.name)


@pytest.mark.parametrize("name", LISTED)
def test_every_value_of_an_example_lands_as_what_it_is(name: str, tmp_path: Path) -> None:
    for number, example in enumerate(chosen(examples_of(BUILT_IN[name]))):
        folder = tmp_path / str(number)
        folder.mkdir()
        check_cells(example, folder)


def chosen(every: Sequence[Example]) -> Sequence[Example]:
    """All examples with `make chaos`, else the one that says most, and one of archived records."""
    richest = sorted(every, key=lambda one: len({key for record in one.records for key in record}))[-1:]
    return every if FULL else [*richest, *(one for one in every if one.archived and one not in richest)][:2]


def check_cells(example: Example, folder: Path) -> None:
    name = example.object_type.name
    found = imported(example, folder)
    unfit = {
        (str(record["id"]), key, json.dumps(value))
        for record in example.records
        for key, value in record.items()
        if (name, key, str(value)) in UNFIT
    }
    assert set(quarantine(folder)) == unfit
    id_key, is_text = example.object_type.id_key, example.object_type.id_type == "text"
    ids = [record[id_key] if is_text else expected("id", record["id"]) for record in example.records]
    assert set(found) == set(ids)
    for record_id, record in zip(ids, example.records, strict=True):
        row = found[record_id]
        for key in wanted_properties(example.object_type):
            value = record.get(key)
            wanted = None if (name, key, str(value)) in UNFIT else expected(key, value)
            wanted = record_id if key == id_key else wanted
            assert landed(row[key], wanted) == wanted, key
            if isinstance(wanted, int) and key not in FRACTIONAL | FLAGS and not key.endswith("_flag"):
                assert type(row[key]) is type(wanted), key
        assert row["_update_time"] == expected("update_time", record.get("update_time"))
        assert row["_is_archived"] is bool(record.get("is_archived"))
        assert row["_is_current"]


@pytest.mark.parametrize("name", LISTED)
def test_the_catalogue_knows_every_property_of_an_example(name: str) -> None:
    object_type = BUILT_IN[name]
    known = {prop.key for prop in object_type.properties} | {"custom_fields"} | object_type.withheld
    records = [record for example in examples_of(object_type) for record in example.records]
    unknown = {(name, key) for record in records for key in record if key not in known}
    assert unknown <= set(NOT_OF_THE_LIST)


def test_every_collection_has_examples_of_reading() -> None:
    read = {example.object_type.name for example in examples()
            if any(operation.startswith("GET") for operation in example.operations)}  # fmt: skip
    assert read == {name for name, one in BUILT_IN.items() if one.parent is None}


def test_the_exceptions_are_still_needed() -> None:
    found = {
        (example.object_type.name, key)
        for example in examples()
        for record in example.records
        for key in record
    }
    values = {(example.object_type.name, key, value) for example in examples() for record in example.records
              for key, value in record.items() if isinstance(value, str)}  # fmt: skip
    assert set(NOT_OF_THE_LIST) <= found
    assert set(UNFIT) <= values

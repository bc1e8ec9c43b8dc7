"""The built-in properties of every object type, held against the records of Pipedrive's OpenAPI files.

The files are not part of this project: the tests look for them in ``../shared/pipedrive/openapi``, or where
``PIPEDRIVE_OPENAPI`` says.
"""

from __future__ import annotations

from typing import Any

import pytest

from pipedrive_orchestration.pipedrive.builtin_fields import Property
from pipedrive_orchestration.pipedrive.catalogue import BUILT_IN
from pipedrive_orchestration.pipedrive.object_types import Entries, Linked, Single
from pipedrive_orchestration_tests.importing.official import FOLDER, operations

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason=f"Pipedrive's OpenAPI files are not in {FOLDER}")

UNDOCUMENTED = {
    # In the examples of the same operation, or of its siblings.
    **{name: {"description"} for name in ("person_fields", "organization_fields", "activity_fields")},
    "deals": {"archive_time", "creator_user_id", "local_won_date", "local_lost_date", "local_close_date"},
    "files": {"file_type", "log_id"},
    # Observed only: newer than the files.
    "activities": {"outcome"},
    # Observed only: the files have it for deals.
    "leads": {"archive_time"},
    # The flag is a parameter of the same list; the record is embedded like those of deals and persons.
    "notes": {"lead", "pinned_to_lead_flag"},
    # Observed only.
    "users": {"is_admin"},
}
"""Properties that records have and their schema has not, and where they are known from."""

CONTAINERS = {"custom_fields"}
"""What holds properties and is none."""

OTHERWISE = {
    # Amounts of money, which other answers of Pipedrive's give with a fraction.
    ("organizations", "annual_revenue"): "integer",
    # Ids and places, which are whole.
    ("project_plan", "item_id"): "number",
    ("project_plan", "phase_id"): "number",
    ("project_plan", "group_id"): "number",
    ("project_groups", "id"): "number",
    ("project_groups", "order_nr"): "number",
    ("mail_threads", "version"): "number",
    # Flags that are 0 or 1.
    ("webhooks", "is_active"): "number",
    ("legacy_teams", "active_flag"): "number",
    ("legacy_teams", "deleted_flag"): "number",
    # Numbers in quotation marks, which the cast of a whole number reads.
    ("roles", "assignment_count"): "string",
    ("roles", "sub_role_count"): "string",
    ("call_logs", "duration"): "string",
    ("leads", "visible_to"): "string",
    ("filters", "visible_to"): "string",
    # A flag in quotation marks, in the example too.
    ("organization_relationships", "active_flag"): "string",
    # v1 puts the record that is referred to around its id.
    ("organization_relationships", "rel_owner_org_id"): "object",
    ("organization_relationships", "rel_linked_org_id"): "object",
    ("deal_participants", "person_id"): "object",
    ("deal_participants", "added_by_user_id"): "object",
    **{("product_deals", key): "object" for key in ("creator_user_id", "user_id", "person_id", "org_id")},
    ("product_deals", "visible_to"): "string",
    # A number of deals, or a sum of money.
    ("goal_results", "progress"): "integer",
}
"""JSON types of the files for properties that are not read as what they say."""

OTHERWISE |= {
    (name, prop.key): "number"
    for name in BUILT_IN
    if name.endswith("mail_messages") or name == "mail_threads"
    for prop in BUILT_IN[name].properties
    # Flags that are 0 or 1; one alone is called a boolean.
    if prop.field_type == "boolean" and (prop.key != "external_deleted_flag" or name == "mail_threads")
}

READERS = {
    "string": ("varchar", "text", "status", "clock", "date", "datetime", "uuid", "lead", "billing_frequency"),
    "integer": (
        "int",
        "visible_to",
        "user",
        "org",
        "people",
        "deal",
        "product",
        "stage",
        "pipeline",
        "project",
        "activity",
        "task",
        "role",
        "projects_board",
        "projects_phase",
    ),
    # A schema may call a whole number a number.
    "number": ("double", "visible_to"),
    "boolean": ("boolean",),
    "object": ("address", "amount", "json"),
    "array": ("ids", "uuids", "texts", "deals", "persons", "orgs", "users", "contacts", "json"),
}
"""The field types that read a JSON type."""


def _properties(schema: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The properties of an object, those of its parts and alternatives included."""
    found: dict[str, dict[str, Any]] = dict(schema.get("properties", {}))
    for keyword in ("allOf", "oneOf", "anyOf"):
        for part in schema.get(keyword, ()):
            found |= _properties(part)
    return found


def _type(schema: dict[str, Any]) -> str:
    return str(schema.get("type") or _type(schema["allOf"][0]))


def _listing(name: str) -> dict[str, Any]:
    described = BUILT_IN[name]
    path = described.path.removeprefix("/api/v2").removeprefix("/v1").replace("{parent}", "{id}")
    return dict(operations(described.version, path)["get"])


def _documented(name: str) -> dict[str, dict[str, Any]]:
    """The schema of every property of the collection's records."""
    (answer,) = [answer for status, answer in _listing(name)["responses"].items() if str(status) == "200"]
    if BUILT_IN[name].plain:
        return {BUILT_IN[name].plain: {"type": "integer"}}
    data = _properties(answer["content"]["application/json"]["schema"])["data"]
    records = BUILT_IN[name].records
    if isinstance(records, Entries):
        value, *_ = _properties(data).values()
        return {records.name: {"type": "string"}, records.value: value}
    if isinstance(records, Linked):
        (link,) = _properties(data["items"]).values()
        parts = {part: _properties(link)[part] for part in records.parts}
        return {f"{part}_id": {"type": "integer"} for part in parts} | parts
    if isinstance(records, Single):
        return _properties(data)
    if isinstance(records, Linked):
        (link,) = _properties(data["items"]).values()
        parts = {part: _properties(link)[part] for part in records.parts}
        return {f"{part}_id": {"type": "integer"} for part in parts} | parts
    if isinstance(records, Single):
        return _properties(data)
    if records:
        data = _properties(data)[records]
    if BUILT_IN[name].inner:
        data = {"items": _properties(data["items"])[BUILT_IN[name].inner]}
    left_out = CONTAINERS | BUILT_IN[name].withheld
    return {key: of for key, of in _properties(data["items"]).items() if key not in left_out}


def _includable(name: str) -> set[str]:
    parameters = {entry["name"]: entry for entry in _listing(name).get("parameters", ())}
    if "include_fields" not in parameters:
        return set()
    # Some name every combination of the properties.
    return {one for words in parameters["include_fields"]["schema"]["enum"] for one in words.split(",")}


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_record_has_the_properties_that_its_schema_has(name: str) -> None:
    ours = {prop.key for prop in BUILT_IN[name].properties if not (prop.optional or prop.alone)}
    assert ours - UNDOCUMENTED.get(name, set()) == _documented(name).keys() - _includable(name)


@pytest.mark.parametrize("name", BUILT_IN)
def test_optional_properties_are_those_that_can_be_asked_for(name: str) -> None:
    assert set(BUILT_IN[name].include_fields) == _includable(name)


def _written(name: str) -> list[tuple[Property, dict[str, Any]]]:
    documented = _documented(name)
    return [(prop, documented[prop.key]) for prop in BUILT_IN[name].properties if prop.key in documented]


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_property_is_read_as_what_its_schema_says(name: str) -> None:
    wrong = [
        (prop.key, prop.field_type, _type(schema))
        for prop, schema in _written(name)
        if prop.field_type not in READERS[_type(schema)] and _type(schema) != OTHERWISE.get((name, prop.key))
    ]
    assert wrong == []


FORMATS = {"date-time": {"datetime"}, "date": {"date"}, "uuid": {"uuid", "lead"}}
"""The field types that read a text of a format."""


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_text_is_read_as_the_format_that_its_schema_says(name: str) -> None:
    wrong = [
        (prop.key, prop.field_type, schema["format"])
        for prop, schema in _written(name)
        if prop.field_type not in FORMATS.get(schema.get("format", ""), {prop.field_type})
    ]
    assert wrong == []


def test_no_exception_is_out_of_date() -> None:
    for name, keys in UNDOCUMENTED.items():
        assert keys.isdisjoint(_documented(name)), name
        assert keys <= {prop.key for prop in BUILT_IN[name].properties}, name
    for (name, key), json_type in OTHERWISE.items():
        assert _type(_documented(name)[key]) == json_type, (name, key)

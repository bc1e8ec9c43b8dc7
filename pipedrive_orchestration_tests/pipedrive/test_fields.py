"""The fields of an account: built-in ones as records have them, the account's own as it names them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from pipedrive_orchestration.pipedrive.auth import Connection
from pipedrive_orchestration.pipedrive.catalogue import ACTIVITIES, DEALS, LEADS, NOTES, PERSONS
from pipedrive_orchestration.pipedrive.client import Client
from pipedrive_orchestration.pipedrive.errors import EndlessList, Unavailable
from pipedrive_orchestration.pipedrive.fields import Field, FieldList, Option, read_fields
from pipedrive_orchestration.pipedrive.object_types import ObjectType
from pipedrive_orchestration_tests.importing.accounts import field, options
from pipedrive_orchestration_tests.importing.canned import DENIED, Answer, Asked, Reply, records, serving
from pipedrive_orchestration_tests.pipedrive.asking import SOON

KEY = "f" * 40


def read(connection: Connection, object_type: ObjectType) -> FieldList:
    async def reading() -> FieldList:
        async with Client(connection, patience=SOON) as client:
            return await read_fields(client, object_type)

    return asyncio.run(reading())


def fields_of(connection: Connection, object_type: ObjectType) -> dict[str, Field]:
    found = read(connection, object_type).fields
    by_key = {found_field.key: found_field for found_field in found}
    assert len(by_key) == len(found)
    return by_key


def listed(object_type: ObjectType, *fields: Any, reply: Reply | None = None) -> dict[str, Field]:
    assert object_type.fields_path is not None
    with serving({object_type.fields_path: reply or records(*fields)}) as served:
        return fields_of(served.connection, object_type)


def test_built_in_fields_take_their_label_and_options_from_the_account() -> None:
    found = listed(
        DEALS,
        field("title", "varchar", "Deal Title", is_custom_field=False),
        field("value", "monetary", "Value", is_custom_field=False),
        field("label", "set", "Label", is_custom_field=False, options=options(_9="VIP")),
        field("status", "status", "State", is_custom_field=False, options=[{"id": "open", "label": "Open"}]),
    )
    assert found["title"] == Field("title", "Deal Title", "varchar")
    assert found["value"].field_type == "double"
    assert (found["label_ids"].label, found["label_ids"].options) == ("Label", (Option(9, "VIP"),))
    assert found["status"].options == (Option("open", "Open"),)
    assert found["probability"].label == "Probability"
    assert "label" not in found


def test_emails_and_phones_are_listed_under_their_older_names() -> None:
    found = listed(PERSONS, field("email", "varchar", "E-mail", is_custom_field=False))
    assert (found["emails"].label, found["emails"].field_type) == ("E-mail", "contacts")
    assert "email" not in found


def test_custom_fields_and_newer_built_in_ones_follow_as_the_account_lists_them() -> None:
    found = listed(
        DEALS,
        field("sentiment", "varchar", "Sentiment", is_custom_field=False),
        field(KEY, "enum", "Größe 👕", options=[*options(_1="S"), {"id": 2, "label": None}, {"id": None}]),
        field("forecast", "double", None, is_custom_field=False, is_optional_response_field=True),
        {"field_code": "bare"},
    )
    assert list(found)[-4:] == ["sentiment", KEY, "forecast", "bare"]
    assert found[KEY] == Field(KEY, "Größe 👕", "enum", (Option(1, "S"), Option(2, "2")), is_custom=True)
    assert found["forecast"].optional
    assert found["bare"] == Field("bare", "bare", "varchar")


def test_leads_have_the_custom_fields_of_deals_and_none_of_their_built_in_ones() -> None:
    found = listed(LEADS, field("pipeline_id", "pipeline", is_custom_field=False), field(KEY, "date"))
    assert set(found) == {prop.key for prop in LEADS.properties} | {KEY}


def test_activities_carry_no_custom_fields() -> None:
    assert KEY not in listed(ACTIVITIES, field(KEY, "date"))


def test_collections_without_a_field_list_cost_nothing() -> None:
    with serving({}) as served:
        assert set(fields_of(served.connection, NOTES)) == {prop.key for prop in NOTES.properties}
        assert served.asked == []


def test_every_page_of_fields_is_read_and_a_field_that_comes_twice_counts_once() -> None:
    def reply(asked: Asked) -> Answer:
        first = asked.query.get("cursor") is None
        fields = [field("a" * 40, "date"), field("b" * 40, "date")] if first else [field("b" * 40, "text")]
        return Answer(
            {"success": True, "data": fields, "additional_data": {"next_cursor": "n" if first else None}}
        )

    found = listed(DEALS, reply=reply)
    assert (found["a" * 40].field_type, found["b" * 40].field_type) == ("date", "text")


def test_a_field_list_without_end_is_an_error() -> None:
    body = {"success": True, "data": [field(KEY, "date")], "additional_data": {"next_cursor": "again"}}
    with pytest.raises(EndlessList, match="/api/v2/dealFields"):
        listed(DEALS, reply=lambda _: Answer(body))


def test_a_field_list_that_failed_is_not_an_empty_one() -> None:
    with pytest.raises(Unavailable, match="success: False"):
        listed(DEALS, reply=lambda _: Answer({"success": False, "error": "later"}))


ODD: dict[str, dict[str, Any]] = {
    "no type": {"field_type": None},
    "neither custom nor not": {"is_custom_field": None},
    "an option whose id is true": {"options": [{"id": True, "label": "yes"}]},
    "an option whose label is a number": {"options": [{"id": 1, "label": 5}]},
    "options that are no list": {"options": {}},
    "a name that is a number": {"field_name": 7},
    "a type that is a number": {"field_type": 3},
}


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
def test_an_odd_definition_makes_that_field_json_and_nothing_else(odd: dict[str, Any]) -> None:
    other = field("e" * 40, "date", "Due")
    replies = {"/api/v2/dealFields": records(field(KEY, "enum", "Size") | odd, other)}
    with serving(replies) as served:
        found = read(served.connection, DEALS)
    by_key = {one.key: one for one in found.fields}
    assert by_key["e" * 40] == Field("e" * 40, "Due", "date", is_custom=True)
    assert (by_key[KEY].field_type, by_key[KEY].is_custom, by_key[KEY].is_understood) == ("json", True, False)
    (note,) = found.notes
    assert KEY in note


def test_a_definition_without_a_key_is_left_out_and_said() -> None:
    with serving({"/api/v2/dealFields": records({"field_name": "no code"}, field(KEY, "date"))}) as served:
        found = read(served.connection, DEALS)
    assert KEY in {one.key for one in found.fields}
    assert found.notes[0].startswith("a field of /api/v2/dealFields is left out, for it has no key")


def test_an_odd_definition_of_a_built_in_field_keeps_its_type() -> None:
    odd = field("title", "varchar", "Name", is_custom_field=False) | {"field_type": None}
    with serving({"/api/v2/dealFields": records(odd)}) as served:
        found = read(served.connection, DEALS)
    (title,) = [one for one in found.fields if one.key == "title"]
    assert (title.label, title.field_type) == ("Name", "varchar")


def test_a_list_of_fields_that_may_not_be_read_leaves_the_built_in_ones() -> None:
    with serving({"/api/v2/activityFields": lambda _: DENIED}) as served:
        found = read(served.connection, ACTIVITIES)
    assert [one.key for one in found.fields] == [prop.key for prop in ACTIVITIES.properties]
    assert found.is_denied
    (note,) = found.notes
    assert "Scope and URL mismatch" in note
    assert "scope admin" in note

"""The property options of every object type, and that they are accepted as they are."""

from __future__ import annotations

import pytest

from pipedrive_orchestration.demo import DemoServer
from pipedrive_orchestration.importing import property_options
from pipedrive_orchestration.pipedrive.auth import Connection
from pipedrive_orchestration.pipedrive.catalogue import BUILT_IN
from pipedrive_orchestration.sources import InvalidBodyError
from pipedrive_orchestration_tests.importing.accounts import account, field
from pipedrive_orchestration_tests.importing.canned import serving
from pipedrive_orchestration_tests.importing.filters.account import body_of


@pytest.mark.parametrize("object_type", BUILT_IN)
def test_all_fields_are_offered_and_accepted_as_they_are(demo: DemoServer, object_type: str) -> None:
    offered = property_options(object_type, connection=Connection.of(demo.url, demo.token))
    keys = [option["value"] for option in offered]
    assert len(keys) == len(set(keys))
    assert {prop.key for prop in BUILT_IN[object_type].properties} <= set(keys)
    fields = [field for field in demo.account.fields.get(object_type) or () if field["is_custom_field"]]
    assert {field["field_code"] for field in fields} <= set(keys)
    body = body_of(None, object_type=object_type, properties=keys, properties_metadata=offered)
    assert body.labels == {option["value"]: option["label"] for option in offered}


def test_extras_say_what_a_property_is(demo: DemoServer) -> None:
    offered = property_options("deals", connection=Connection.of(demo.url, demo.token))
    by_label = {option["label"]: option for option in offered}
    status = next(option for option in offered if option["value"] == "status")
    assert status["extras"]["options"][0] == {"id": "open", "label": "Open"}
    assert status["extras"] | {"options": []} == {
        "field_type": "status",
        "is_custom": False,
        "is_optional": False,
        "column_type": "VARCHAR",
        "options": [],
    }
    assert by_label["Hardware cost"]["extras"] == {
        "field_type": "monetary",
        "is_custom": True,
        "is_optional": False,
        "column_type": 'STRUCT("value" DOUBLE, "currency" VARCHAR)',
    }
    optional = {option["value"] for option in offered if option["extras"]["is_optional"]}
    assert optional == set(BUILT_IN["deals"].include_fields)
    assert [option["label"] for option in by_label["Equipment"]["extras"]["options"]][:2] == [
        "Panels",
        "Inverter",
    ]


def test_a_field_without_a_name_goes_by_its_key() -> None:
    with serving(
        account("deals", [], [field("abc", "varchar", "  "), field("def", "varchar", " Two ")])
    ) as served:
        offered = {
            one["value"]: one["label"] for one in property_options("deals", connection=served.connection)
        }
    assert (offered["abc"], offered["def"]) == ("abc", "Two")


def test_an_unknown_object_type_lists_near_matches(demo: DemoServer) -> None:
    with pytest.raises(InvalidBodyError, match="Did you mean `deals`") as caught:
        property_options("dealz", connection=Connection.of(demo.url, demo.token))
    assert [problem.code for problem in caught.value.problems] == ["unknown_object_type"]

"""v2 writes: what they change, and whose update_time they move."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pipedrive_orchestration_tests.demo.conftest import Fresh

LATER = datetime(2027, 1, 2, 3, 4, 5, tzinfo=UTC)
STAMP = "2027-01-02T03:04:05Z"


def any_id(account: Fresh, name: str, **wanted: Any) -> int:
    return next(
        int(record["id"])
        for record in account.account.records(name)
        if not record.get("is_deleted")
        and not record.get("is_archived")
        and all(record[key] == value for key, value in wanted.items())
    )


def test_a_deal_lives_through_its_states(fresh: Callable[..., Fresh]) -> None:
    account = fresh()
    person, organization = any_id(account, "persons"), any_id(account, "organizations")
    with account.account.clock.at(LATER):
        deal = account.data(
            "POST",
            "/api/v2/deals",
            {"title": "Roof", "value": 10.5, "person_id": person, "org_id": organization},
        )
    assert (deal["status"], deal["value"], deal["add_time"], deal["update_time"]) == (
        "open",
        10.5,
        STAMP,
        STAMP,
    )
    assert deal["stage_id"] in account.account["stages"]
    assert set(deal["custom_fields"]) == set(account.account.fields["deals"].custom_codes())
    path = f"/api/v2/deals/{deal['id']}"
    with account.account.clock.at(LATER + timedelta(days=1)):
        won = account.data("PATCH", path, {"status": "won"})
    assert won["won_time"] == won["close_time"] == won["update_time"] == "2027-01-03T03:04:05Z"
    assert won["local_won_date"] == "2027-01-03"
    reopened = account.data("PATCH", path, {"status": "open"})
    assert (reopened["won_time"], reopened["close_time"]) == (None, None)
    assert account.data("GET", path, include_fields="first_won_time")["first_won_time"] == won["won_time"]
    lost = account.data("PATCH", path, {"status": "lost", "lost_reason": "Price"})
    assert (lost["lost_reason"], lost["won_time"]) == ("Price", None)
    other = next(
        one for one in account.data("GET", "/api/v2/stages") if one["pipeline_id"] != deal["pipeline_id"]
    )
    moved = account.data("PATCH", path, {"stage_id": other["id"]})
    assert moved["pipeline_id"] == other["pipeline_id"]
    assert moved["stage_change_time"] == moved["update_time"]
    status, error = account.refusal(
        "PATCH", path, {"stage_id": other["id"], "pipeline_id": deal["pipeline_id"]}
    )
    assert (status, "stage_id" in error) == (400, True)


def test_deals_are_archived_read_only_and_brought_back(fresh: Callable[..., Fresh]) -> None:
    account = fresh()
    deal_id = any_id(account, "deals", status="open")
    path = f"/api/v2/deals/{deal_id}"
    with account.account.clock.at(LATER):
        archived = account.data("PATCH", path, {"is_archived": True})
    assert (archived["archive_time"], archived["update_time"]) == (STAMP, STAMP)
    assert account.data("GET", "/api/v2/deals", ids=deal_id) == []
    assert [one["id"] for one in account.data("GET", "/api/v2/deals/archived", ids=deal_id)] == [deal_id]
    assert account.refusal("PATCH", path, {"title": "No"})[0] == 400
    assert account.refusal("PUT", f"/v1/deals/{deal_id}/merge", {"merge_with_id": 1})[0] in {400, 404}
    with account.account.clock.at(LATER + timedelta(seconds=1)):
        back = account.data("PATCH", path, {"is_archived": False})
    assert (back["archive_time"], back["update_time"]) == (None, "2027-01-02T03:04:06Z")
    assert [one["id"] for one in account.data("GET", "/api/v2/deals", ids=deal_id)] == [deal_id]


@pytest.mark.parametrize("name", ["deals", "persons", "organizations", "activities", "products"])
def test_deleted_records_leave_the_lists_and_are_purged_after_30_days(
    fresh: Callable[..., Fresh], name: str
) -> None:
    account = fresh()
    record_id = any_id(account, name)
    path = f"/api/v2/{name}/{record_id}"
    with account.account.clock.at(LATER):
        assert account.data("DELETE", path) == {"id": record_id}
        assert account.refusal("DELETE", path)[0] == 404
    with account.account.clock.at(LATER + timedelta(days=30)):
        deleted = account.data("GET", path)
        assert (deleted["is_deleted"], deleted["update_time"]) == (True, STAMP)
        assert account.data("GET", f"/api/v2/{name}", ids=record_id) == []
        assert account.refusal("PATCH", path, {})[0] == (400 if name == "deals" else 404)
    with account.account.clock.at(LATER + timedelta(days=30, seconds=1)):
        assert account.refusal("GET", path)[0] == 404
        assert account.account.record(name, record_id) is None
        if name == "deals":
            assert account.data("GET", "/api/v2/deals", status="deleted", ids=record_id) == []
    highest = max(record["id"] for record in account.account.records(name))
    body = (
        {"title": "New"}
        if name == "deals"
        else {"subject": "New"}
        if name == "activities"
        else {"name": "New"}
    )
    assert account.data("POST", f"/api/v2/{name}", body)["id"] == highest + 1


def test_a_deleted_deal_shows_by_status_and_can_be_restored(fresh: Callable[..., Fresh]) -> None:
    account = fresh()
    deal_id = any_id(account, "deals", status="won")
    path = f"/api/v2/deals/{deal_id}"
    account.data("DELETE", path)
    (deleted,) = account.data("GET", "/api/v2/deals", status="deleted", ids=deal_id)
    assert (deleted["status"], deleted["is_deleted"]) == ("deleted", True)
    assert account.refusal("PATCH", path, {"title": "No"})[0] == 400
    restored = account.data("PATCH", path, {"is_deleted": False})
    assert (restored["status"], restored["is_deleted"]) == ("won", False)
    assert account.data("PATCH", path, {"is_deleted": True})["status"] == "deleted"


def test_the_highest_id_never_returns_after_its_purge(fresh: Callable[..., Fresh]) -> None:
    account = fresh()
    person = account.data("POST", "/api/v2/persons", {"name": "Short Lived"})
    account.data("DELETE", f"/api/v2/persons/{person['id']}")
    account.account.clock.advance(timedelta(days=31))
    assert account.data("POST", "/api/v2/persons", {"name": "Next One"})["id"] == person["id"] + 1


def test_persons_and_organizations(fresh: Callable[..., Fresh]) -> None:
    account = fresh()
    organization = account.data(
        "POST", "/api/v2/organizations", {"name": "Sunny", "address": {"value": "Main Street 1"}}
    )
    assert organization["address"]["value"] == "Main Street 1"
    assert organization["address"]["country"] is None
    person = account.data(
        "POST",
        "/api/v2/persons",
        {
            "name": "Ada Lovelace King",
            "org_id": organization["id"],
            "emails": [{"value": "ada@example.com"}, {"value": "a@example.com", "label": "home"}],
        },
    )
    assert (person["first_name"], person["last_name"]) == ("Ada", "Lovelace King")
    assert person["emails"] == [
        {"value": "ada@example.com", "primary": True, "label": "work"},
        {"value": "a@example.com", "primary": False, "label": "home"},
    ]
    path = f"/api/v2/persons/{person['id']}"
    assert account.data("PATCH", path, {"org_id": None})["org_id"] is None
    listed = account.data("GET", "/api/v2/persons", ids=person["id"])
    assert listed == [account.data("GET", path)]
    renamed = account.data("PATCH", path, {"name": "Ada"})
    assert (renamed["first_name"], renamed["last_name"], renamed["emails"]) == ("Ada", None, person["emails"])


def test_activities_products_pipelines_and_stages(fresh: Callable[..., Fresh]) -> None:
    account = fresh()
    person_id = any_id(account, "persons")
    activity = account.data(
        "POST", "/api/v2/activities", {"participants": [{"person_id": person_id}], "due_time": "09:30"}
    )
    assert (activity["person_id"], activity["done"]) == (person_id, False)
    assert activity["subject"]
    done = account.data("PATCH", f"/api/v2/activities/{activity['id']}", {"done": True})
    assert done["marked_as_done_time"] == done["update_time"]
    answer = account.http.post(
        "/api/v2/products",
        json={"name": "Panel", "category": 262, "prices": [{"price": 5, "currency": "EUR"}]},
    )
    assert answer.status_code == 201
    product = answer.json()["data"]
    assert product["category"] == "262"
    assert product["prices"] == [
        {
            "product_id": product["id"],
            "price": 5,
            "currency": "EUR",
            "cost": 0,
            "direct_cost": None,
            "notes": "",
        }
    ]
    pipeline = account.data("POST", "/api/v2/pipelines", {"name": "New"})
    assert account.refusal("POST", "/api/v2/deals", {"title": "X", "pipeline_id": pipeline["id"]})[0] == 400
    first = account.data("POST", "/api/v2/stages", {"name": "First", "pipeline_id": pipeline["id"]})
    second = account.data("POST", "/api/v2/stages", {"name": "Second", "pipeline_id": pipeline["id"]})
    assert second["order_nr"] > first["order_nr"]
    assert (first["deal_probability"], first["add_time"]) == (100, first["update_time"])
    account.data("DELETE", f"/api/v2/stages/{first['id']}")
    stages = account.data("GET", "/api/v2/stages", pipeline_id=pipeline["id"])
    assert [stage["id"] for stage in stages] == [second["id"]]


VALUES: list[tuple[str, Any, Any]] = [
    ("varchar", "text", "text"),
    ("text", "long\ntext", "long\ntext"),
    ("double", 1.25, 1.25),
    ("monetary", {"value": 5, "currency": "USD"}, {"value": 5, "currency": "USD"}),
    ("monetary", {"value": 5}, {"value": 5, "currency": None}),
    ("date", "2026-02-28", "2026-02-28"),
    (
        "daterange",
        {"value": "2026-02-01", "until": "2026-02-28"},
        {"value": "2026-02-01", "until": "2026-02-28"},
    ),
    (
        "time",
        {"value": "09:00:00", "timezone_id": 17},
        {"value": "09:00:00", "timezone_id": 17, "timezone_name": "Europe/London"},
    ),
    (
        "timerange",
        {"value": "09:00:00", "until": "10:00:00"},
        {"value": "09:00:00", "until": "10:00:00", "timezone_id": None, "timezone_name": None},
    ),
    ("phone", "+1 555 0100", "+1 555 0100"),
]


@pytest.mark.parametrize(("field_type", "value", "kept"), VALUES)
def test_custom_values_are_written_in_the_shape_they_are_read(
    fresh: Callable[..., Fresh], field_type: str, value: Any, kept: Any
) -> None:
    account = fresh()
    code = next(
        field["field_code"]
        for field in account.account.fields["deals"]
        if field["is_custom_field"] and field["field_type"] == field_type
    )
    deal = account.data("POST", "/api/v2/deals", {"title": "X", "custom_fields": {code: value}})
    assert deal["custom_fields"][code] == kept
    path = f"/api/v2/deals/{deal['id']}"
    assert account.data("PATCH", path, {"custom_fields": {code: None}})["custom_fields"][code] is None
    account.data("PATCH", path, {"custom_fields": {code: value}})
    assert set(account.data("PATCH", path, {"custom_fields": {}})["custom_fields"].values()) == {None}


BAD_VALUES: list[tuple[str, Any]] = [
    ("varchar", ""),
    ("varchar", 5),
    ("varchar", "x" * 256),
    ("double", "5"),
    ("double", True),
    ("monetary", 5),
    ("monetary", {"value": "5", "currency": "EUR"}),
    ("monetary", {"value": 5, "currency": "XXX"}),
    ("enum", "1"),
    ("enum", 999_999),
    ("set", []),
    ("set", [999_999]),
    ("set", "1,2"),
    ("user", 1),
    ("people", "1"),
    ("date", "28.02.2026"),
    ("date", "2026-02-30"),
    ("daterange", "2026-02-01"),
    ("daterange", {"value": "2026-02-02", "until": "2026-02-01"}),
    ("time", "09:00:00"),
    ("time", {"value": "9"}),
    ("timerange", {"value": "09:00:00"}),
    ("address", "Main Street 1"),
    ("address", {"value": "Main Street 1", "planet": "Earth"}),
]


def test_custom_values_of_the_wrong_shape_are_refused(fresh: Callable[..., Fresh]) -> None:
    account = fresh()
    codes = {field["field_type"]: field["field_code"] for field in account.account.fields["deals"]}
    for field_type, value in BAD_VALUES:
        code = codes[field_type]
        status, error = account.refusal(
            "POST", "/api/v2/deals", {"title": "X", "custom_fields": {code: value}}
        )
        assert (status, code in error) == (400, True), (field_type, value, error)


@pytest.mark.parametrize("path", ["dealFields", "personFields", "organizationFields", "productFields"])
def test_custom_fields_come_and_go(fresh: Callable[..., Fresh], path: str) -> None:
    account = fresh()
    name = path.removesuffix("Fields") + "s"
    field = account.data(
        "POST",
        f"/api/v2/{path}",
        {"field_name": "Mood", "field_type": "enum", "options": [{"label": "Good"}, {"label": "Bad"}]},
    )
    code, (good, bad) = field["field_code"], [option["id"] for option in field["options"]]
    first = account.data("GET", f"/api/v2/{name}", limit=1)[0]
    assert first["custom_fields"][code] is None
    record = f"/api/v2/{name}/{first['id']}"
    account.data("PATCH", record, {"custom_fields": {code: bad}})
    options = f"/api/v2/{path}/{code}/options"
    (added,) = account.data("POST", options, [{"label": "So so"}])
    assert added["id"] > bad
    assert account.data("PATCH", options, [{"id": good, "label": "Great"}]) == [
        {"id": good, "label": "Great"}
    ]
    assert account.data("DELETE", options, [{"id": bad}]) == [{"id": bad, "label": "Bad"}]
    assert account.refusal("DELETE", options, [{"id": bad}])[0] == 400
    assert account.data("GET", record)["custom_fields"][code] == bad
    shown = account.data("GET", f"/api/v2/{path}/{code}")["options"]
    assert shown == [{"id": good, "label": "Great"}, {"id": added["id"], "label": "So so"}]
    assert account.data("PATCH", f"/api/v2/{path}/{code}", {"field_name": "Temper"})["field_name"] == "Temper"
    account.data("DELETE", f"/api/v2/{path}/{code}")
    assert account.refusal("GET", f"/api/v2/{path}/{code}")[0] == 404
    assert code not in account.data("GET", record)["custom_fields"]
    assert account.refusal("PATCH", record, {"custom_fields": {code: good}})[0] == 400


def test_counts_follow_links_without_moving_update_time(fresh: Callable[..., Fresh]) -> None:
    account = fresh()
    organization = account.data("POST", "/api/v2/organizations", {"name": "Sunny"})
    person = account.data("POST", "/api/v2/persons", {"name": "Ada", "org_id": organization["id"]})
    body = {"title": "Roof", "person_id": person["id"], "org_id": organization["id"]}
    deal = account.data("POST", "/api/v2/deals", body)
    account.data("POST", "/api/v2/activities", {"deal_id": deal["id"], "org_id": organization["id"]})
    other = account.data("POST", "/api/v2/organizations", {"name": "Shady"})
    body = {"title": "Barn", "person_id": person["id"], "org_id": other["id"]}
    account.data("POST", "/api/v2/deals", body)
    with account.account.clock.at(LATER):
        account.data("PATCH", f"/api/v2/deals/{deal['id']}", {"status": "won"})
    counts = account.data(
        "GET",
        f"/api/v2/organizations/{organization['id']}",
        include_fields="people_count,open_deals_count,won_deals_count,related_open_deals_count,"
        "related_won_deals_count,activities_count",
    )
    assert counts == organization | {
        "people_count": 1,
        "open_deals_count": 0,
        "won_deals_count": 1,
        "related_open_deals_count": 1,
        "related_won_deals_count": 0,
        "activities_count": 1,
    }
    assert account.data("GET", f"/api/v2/persons/{person['id']}")["update_time"] == person["update_time"]


def test_counting_anew_comes_to_what_the_account_began_with(fresh: Callable[..., Fresh]) -> None:
    account = fresh()
    parents = ("persons", "organizations", "deals", "leads")
    times = {"update_time", "archive_time"}

    def counts() -> dict[str, list[dict[str, Any]]]:
        return {
            name: [
                {key: one[key] for key in one if key not in times} for one in account.account.records(name)
            ]
            for name in parents
        }

    before = {name: sorted(records, key=lambda one: str(one["id"])) for name, records in counts().items()}
    for name in ("deals", "persons", "activities"):
        for record in account.account.records(name):
            if not (record["is_deleted"] or record.get("is_archived")):
                account.server.write("PATCH", f"/api/v2/{name}/{record['id']}", {})
    after = {name: sorted(records, key=lambda one: str(one["id"])) for name, records in counts().items()}
    assert any(one["won_deals_count"] for one in before["organizations"])
    assert any(one["next_activity_id"] for one in before["deals"])
    assert after == before


def test_a_deal_field_has_a_description_until_it_is_cleared(fresh: Callable[..., Fresh]) -> None:
    account = fresh()
    body = {"field_name": "Mood", "field_type": "varchar", "description": "How it feels"}
    field = account.data("POST", "/api/v2/dealFields", body)
    assert field["description"] == "How it feels"
    cleared = account.data("PATCH", f"/api/v2/dealFields/{field['field_code']}", {"description": None})
    assert "description" not in cleared

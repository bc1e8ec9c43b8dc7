"""v1 writes: leads, notes, labels, types, filters, merges; and what recents makes of all changes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pipedrive_orchestration_tests.demo.conftest import Fresh

LATER = datetime(2027, 1, 2, 3, 4, 5, tzinfo=UTC)
STAMP = "2027-01-02T03:04:05Z"
V1_STAMP = "2027-01-02 03:04:05"


def people(account: Fresh) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    organization = account.data("POST", "/api/v2/organizations", {"name": "Sunny"})
    person = account.data("POST", "/api/v2/persons", {"name": "Ada", "org_id": organization["id"]})
    body = {"title": "Roof", "person_id": person["id"], "org_id": organization["id"]}
    return organization, person, account.data("POST", "/api/v2/deals", body)


def test_deleting_a_note_bumps_its_deal_person_and_organization(fresh: Callable[..., Fresh]) -> None:
    account = fresh()
    organization, person, deal = people(account)
    links = {"deal_id": deal["id"], "person_id": person["id"], "org_id": organization["id"]}
    note = account.data("POST", "/v1/notes", {"content": "<p>Hi</p>", "pinned_to_deal_flag": 1, **links})
    assert note["deal"] == {"title": "Roof"}
    assert note["pinned_to_deal_flag"] is True
    paths = [f"/api/v2/deals/{deal['id']}", f"/api/v2/persons/{person['id']}"]
    paths.append(f"/api/v2/organizations/{organization['id']}")
    assert [account.data("GET", path, include_fields="notes_count")["notes_count"] for path in paths] == [
        1
    ] * 3
    account.data("PATCH", paths[0], {"title": "Barn"})
    assert account.data("GET", f"/v1/notes/{note['id']}")["deal"] == {"title": "Barn"}
    with account.account.clock.at(LATER):
        assert account.data("DELETE", f"/v1/notes/{note['id']}") is True
    for path in paths:
        record = account.data("GET", path, include_fields="notes_count")
        assert (record["update_time"], record["notes_count"]) == (STAMP, 0)
    gone = account.data("GET", f"/v1/notes/{note['id']}")
    assert (gone["active_flag"], gone["update_time"]) == (False, V1_STAMP)
    assert account.data("GET", "/v1/notes", deal_id=deal["id"]) == []
    changed = account.data("PUT", f"/v1/notes/{note['id']}", {"content": "again"})
    assert (changed["content"], changed["active_flag"]) == ("again", False)


def test_leads_are_written_archived_and_deleted(fresh: Callable[..., Fresh]) -> None:
    account = fresh()
    _, person, _ = people(account)
    codes = {field["field_type"]: field for field in account.account.fields["deals"]}
    money, choice = codes["monetary"]["field_code"], codes["enum"]
    option = choice["options"][0]["id"]
    answer = account.http.post(
        "/v1/leads",
        json={
            "title": "Maybe",
            "person_id": person["id"],
            "value": {"amount": 5, "currency": "EUR"},
            money: 7,
            f"{money}_currency": "USD",
            choice["field_code"]: option,
        },
    )
    assert answer.status_code == 201
    lead = answer.json()["data"]
    assert (lead[money], lead[f"{money}_currency"]) == (7, "USD")
    assert lead[choice["field_code"]] == str(option)
    assert lead["source_name"] == "API"
    path = f"/v1/leads/{lead['id']}"
    assert account.data("GET", path) == lead
    assert account.data("GET", f"/api/v2/persons/{person['id']}")["update_time"] == person["update_time"]
    cleared = account.data("PATCH", path, {money: None})
    assert not any(key.startswith(money) for key in cleared)
    with account.account.clock.at(LATER):
        archived = account.data("PATCH", path, {"is_archived": True})
    assert archived["archive_time"] == archived["update_time"] == "2027-01-02T03:04:05.000Z"
    assert account.refusal("PATCH", path, {"title": "No"})[0] == 400
    assert account.data("GET", "/v1/leads", person_id=person["id"]) == []
    assert [one["id"] for one in account.data("GET", "/v1/leads/archived", person_id=person["id"])] == [
        lead["id"]
    ]
    assert account.data("PATCH", path, {"is_archived": False})["archive_time"] is None
    assert account.refusal("PATCH", path, {"person_id": None})[0] == 400
    assert account.data("DELETE", path) == {"id": lead["id"]}
    assert account.refusal("GET", path) == (404, "requested lead not found")


def test_a_leads_next_activity_follows_its_activities(fresh: Callable[..., Fresh]) -> None:
    account = fresh()
    _, person, _ = people(account)
    lead = account.data("POST", "/v1/leads", {"title": "Maybe", "person_id": person["id"]})
    activity = account.data("POST", "/api/v2/activities", {"lead_id": lead["id"]})
    path = f"/v1/leads/{lead['id']}"
    assert account.data("GET", path) == lead | {"next_activity_id": activity["id"]}
    account.data("PATCH", f"/api/v2/activities/{activity['id']}", {"done": True})
    assert account.data("GET", path)["next_activity_id"] is None


def test_a_deleted_person_leaves_dangling_leads_untouched(fresh: Callable[..., Fresh]) -> None:
    account = fresh()
    _, person, deal = people(account)
    lead = account.data("POST", "/v1/leads", {"title": "Maybe", "person_id": person["id"]})
    with account.account.clock.at(LATER):
        account.data("DELETE", f"/api/v2/persons/{person['id']}")
    assert account.data("GET", f"/v1/leads/{lead['id']}") == lead
    assert account.data("GET", f"/api/v2/deals/{deal['id']}") == deal


def test_lead_labels_and_activity_types(fresh: Callable[..., Fresh]) -> None:
    account = fresh()
    _, person, _ = people(account)
    label = account.data("POST", "/v1/leadLabels", {"name": "Cool", "color": "blue"})
    body = {"title": "Maybe", "person_id": person["id"], "label_ids": [label["id"]]}
    lead = account.data("POST", "/v1/leads", body)
    renamed = account.data("PATCH", f"/v1/leadLabels/{label['id']}", {"name": "Icy"})
    assert (renamed["name"], renamed["color"]) == ("Icy", "blue")
    account.data("DELETE", f"/v1/leadLabels/{label['id']}")
    assert account.data("GET", f"/v1/leads/{lead['id']}")["label_ids"] == []
    assert account.refusal("DELETE", f"/v1/leadLabels/{label['id']}")[0] == 404
    kind = account.data("POST", "/v1/activityTypes", {"name": "Video call", "icon_key": "camera"})
    assert kind["key_string"] == "video_call"
    assert account.data("POST", "/api/v2/activities", {"type": "video_call"})["subject"] == "Video call"
    account.data("PUT", f"/v1/activityTypes/{kind['id']}", {"name": "Film"})
    account.data("DELETE", f"/v1/activityTypes/{kind['id']}")
    listed = next(one for one in account.data("GET", "/v1/activityTypes") if one["id"] == kind["id"])
    assert (listed["name"], listed["active_flag"]) == ("Film", False)
    assert account.refusal("POST", "/api/v2/activities", {"type": "video_call"})[0] == 400


def conditions(
    *every: dict[str, Any], some: tuple[dict[str, Any], ...] = (), glue: str = "or"
) -> dict[str, Any]:
    return {
        "glue": "and",
        "conditions": [
            {"glue": "and", "conditions": list(every)},
            {"glue": glue, "conditions": list(some)},
        ],
    }


def test_filters_are_stored_evaluated_and_checked(fresh: Callable[..., Fresh]) -> None:
    account = fresh()
    ids = {field["field_code"]: str(field["_id"]) for field in account.account.fields["deals"]}
    enum = next(one for one in account.account.fields["deals"] if one["is_custom_field"] and one["options"])
    person_ids = {field["field_code"]: str(field["_id"]) for field in account.account.fields["persons"]}

    def deals(*every: dict[str, Any], some: tuple[dict[str, Any], ...] = ()) -> set[int]:
        body = {"name": "Mine", "type": "deals", "conditions": conditions(*every, some=some)}
        filter_id = account.data("POST", "/v1/filters", body)["id"]
        return {deal["id"] for deal in account.data("GET", "/api/v2/deals", filter_id=filter_id, limit=500)}

    def condition(code: str, operator: str, value: Any = None) -> dict[str, Any]:
        return {"object": "deal", "field_id": ids[code], "operator": operator, "value": value}

    live = {deal["id"]: deal for deal in account.data("GET", "/api/v2/deals", limit=500)}
    option = enum["options"][0]["id"]
    expected: list[tuple[dict[str, Any], Callable[[dict[str, Any]], bool]]] = [
        (condition("status", "!=", "open"), lambda deal: deal["status"] != "open"),
        (condition("value", ">", "20000"), lambda deal: deal["value"] > 20_000),
        (condition("value", "<=", "20000"), lambda deal: deal["value"] <= 20_000),
        (condition("add_time", ">", "2026-01-01"), lambda deal: deal["add_time"][:10] > "2026-01-01"),
        (condition("add_time", "<", "6_months_ago"), lambda deal: deal["add_time"][:10] < "2026-07-01"),
        (condition("org_id", "IS NULL"), lambda deal: deal["org_id"] is None),
        (condition("title", "LIKE '%$%'", "a"), lambda deal: "a" in deal["title"].lower()),
        (condition("title", "NOT LIKE '$%'", "e"), lambda deal: not deal["title"].lower().startswith("e")),
        (
            condition(enum["field_code"], "=", str(option)),
            lambda deal: (deal["custom_fields"] or {}).get(enum["field_code"]) == option,
        ),
    ]
    for one, test in expected:
        with account.account.clock.at(LATER.replace(day=1)):
            found = deals(one)
        assert found == {deal["id"] for deal in live.values() if test(deal)}, one
    both = deals(some=(condition("status", "=", "won"), condition("status", "=", "lost")))
    assert both == {deal["id"] for deal in live.values() if deal["status"] in {"won", "lost"}}
    name = {"object": "person", "field_id": person_ids["name"], "operator": "LIKE '%$%'", "value": "a"}
    named = {
        person["id"] for person in account.account.records("persons") if "a" in (person["name"] or "").lower()
    }
    assert deals(name) == {deal["id"] for deal in live.values() if deal["person_id"] in named}

    for bad in (
        conditions(),
        conditions(condition("status", "~", "x")),
        conditions(condition("status", "=")),
        conditions(condition("add_time", ">", "last_summer")),
        conditions({"object": "deal", "field_id": "424242", "operator": "IS NULL"}),
        conditions({"object": "boat", "field_id": "1", "operator": "IS NULL"}),
        conditions(*[condition("org_id", "IS NULL")] * 17),
        conditions(condition("org_id", "IS NULL"), glue="and"),
    ):
        body = {"name": "Bad", "type": "deals", "conditions": bad}
        assert account.refusal("POST", "/v1/filters", body)[0] == 400, bad

    stored = account.data("GET", "/v1/filters", type="deals")[-1]
    path = f"/v1/filters/{stored['id']}"
    changed = {"name": "Yours", "conditions": conditions(condition("status", "=", "won"))}
    assert account.data("PUT", path, changed)["name"] == "Yours"
    assert account.data("DELETE", path) == {"id": stored["id"]}
    assert account.refusal("GET", path)[0] == 404
    assert account.refusal("GET", "/api/v2/deals", filter_id=stored["id"])[0] == 400
    assert account.data("DELETE", "/v1/filters", ids=f"1,{stored['id']}") == {"id": [1]}


def test_merging_persons_moves_links_and_keeps_the_survivors_values(fresh: Callable[..., Fresh]) -> None:
    account = fresh()
    organization, loser, deal = people(account)
    survivor = account.data(
        "POST", "/api/v2/persons", {"name": "Ada Lovelace", "emails": [{"value": "a@example.com"}]}
    )
    account.data("PATCH", f"/api/v2/persons/{loser['id']}", {"emails": [{"value": "old@example.com"}]})
    note = account.data("POST", "/v1/notes", {"content": "x", "person_id": loser["id"]})
    participants = [{"person_id": loser["id"]}]
    activity = account.data("POST", "/api/v2/activities", {"participants": participants})
    lead = account.data("POST", "/v1/leads", {"title": "Maybe", "person_id": loser["id"]})
    with account.account.clock.at(LATER):
        merged = account.data("PUT", f"/v1/persons/{loser['id']}/merge", {"merge_with_id": survivor["id"]})
    assert (merged["id"], merged["merge_what_id"]) == (survivor["id"], loser["id"])
    kept = account.data(
        "GET", f"/api/v2/persons/{survivor['id']}", include_fields="open_deals_count,notes_count"
    )
    assert (kept["name"], kept["org_id"], kept["update_time"]) == ("Ada Lovelace", organization["id"], STAMP)
    assert [one["value"] for one in kept["emails"]] == ["a@example.com", "old@example.com"]
    assert (kept["open_deals_count"], kept["notes_count"]) == (1, 1)
    gone = account.data("GET", f"/api/v2/persons/{loser['id']}")
    assert (gone["is_deleted"], gone["update_time"]) == (True, STAMP)
    assert account.data("GET", f"/api/v2/deals/{deal['id']}")["person_id"] == survivor["id"]
    moved = account.data("GET", f"/api/v2/activities/{activity['id']}")
    assert moved["participants"] == [{"person_id": survivor["id"], "primary": True}]
    assert account.data("GET", f"/v1/notes/{note['id']}")["person"] == {"name": "Ada Lovelace"}
    assert account.data("GET", f"/v1/leads/{lead['id']}")["person_id"] == survivor["id"]
    recent = {
        item["id"]: item["data"]
        for item in account.data("GET", "/v1/recents", since_timestamp=V1_STAMP, items="person")
    }
    assert recent[loser["id"]]["active_flag"] is False
    assert recent[loser["id"]]["merge_what_id"] == survivor["id"]
    assert recent[survivor["id"]]["merge_what_id"] == loser["id"]
    assert account.refusal("PUT", f"/v1/persons/{loser['id']}/merge", {"merge_with_id": 1})[0] == 404


@pytest.mark.parametrize("name", ["deals", "organizations"])
def test_merging_deals_and_organizations(fresh: Callable[..., Fresh], name: str) -> None:
    account = fresh()
    organization, _, deal = people(account)
    loser = deal if name == "deals" else organization
    body = {"title": "Other"} if name == "deals" else {"name": "Other"}
    survivor = account.data("POST", f"/api/v2/{name}", body)
    merged = account.data("PUT", f"/v1/{name}/{loser['id']}/merge", {"merge_with_id": survivor["id"]})
    assert merged["id"] == survivor["id"]
    assert account.data("GET", f"/api/v2/{name}/{loser['id']}")["is_deleted"] is True
    if name == "deals":
        assert account.data("GET", f"/api/v2/deals/{survivor['id']}")["org_id"] == organization["id"]
        (deleted,) = account.data("GET", "/api/v2/deals", status="deleted", ids=loser["id"])
        assert deleted["status"] == "deleted"
    else:
        assert account.data("GET", f"/api/v2/deals/{deal['id']}")["org_id"] == survivor["id"]


def test_recents_tell_changes_and_deletions_oldest_first(fresh: Callable[..., Fresh]) -> None:
    account = fresh()
    organization, person, deal = people(account)
    code = next(
        field["field_code"]
        for field in account.account.fields["deals"]
        if field["is_custom_field"] and field["field_type"] == "monetary"
    )
    steps: list[tuple[str, str, Any]] = [
        ("PATCH", f"/api/v2/deals/{deal['id']}", {"custom_fields": {code: {"value": 5, "currency": "EUR"}}}),
        ("DELETE", f"/api/v2/persons/{person['id']}", None),
        ("PATCH", f"/api/v2/organizations/{organization['id']}", {"name": "Shady"}),
        ("PATCH", "/api/v2/stages/1", {"name": "Start"}),
    ]
    for number, (method, path, body) in enumerate(steps):
        with account.account.clock.at(LATER + timedelta(seconds=number)):
            account.data(method, path, body)
    with account.account.clock.at(LATER + timedelta(days=1)):
        answer = account.http.get("/v1/recents", params={"since_timestamp": V1_STAMP, "limit": 3}).json()
        rest = account.http.get(
            "/v1/recents", params={"since_timestamp": V1_STAMP, "limit": 3, "start": 3}
        ).json()
        empty = account.http.get("/v1/recents", params={"since_timestamp": "2027-01-02 12:00:00"}).json()
    assert [(item["item"], item["id"]) for item in answer["data"]] == [
        ("deal", deal["id"]),
        ("person", person["id"]),
        ("organization", organization["id"]),
    ]
    assert answer["additional_data"] == {
        "since_timestamp": V1_STAMP,
        "last_timestamp_on_page": "2027-01-02 03:04:07",
        "pagination": {"start": 0, "limit": 3, "more_items_in_collection": True, "next_start": 3},
    }
    changed, gone, firm = (item["data"] for item in answer["data"])
    assert (changed[code], changed[f"{code}_currency"], changed["update_time"]) == (5, "EUR", V1_STAMP)
    assert (changed["user_id"], changed["person_id"]) == (deal["owner_id"], person["id"])
    assert (gone["active_flag"], gone["email"]) == (False, [{"value": "", "primary": True}])
    assert firm["owner_id"]["id"] == organization["owner_id"]
    assert [(item["item"], item["id"]) for item in rest["data"]] == [("stage", 1)]
    assert rest["additional_data"]["pagination"] == {
        "start": 3,
        "limit": 3,
        "more_items_in_collection": False,
    }
    assert (empty["success"], empty["data"]) == (True, None)


def test_recents_reach_30_days_back_and_no_further(fresh: Callable[..., Fresh]) -> None:
    account = fresh()
    _, person, _ = people(account)
    path = f"/api/v2/persons/{person['id']}"
    with account.account.clock.at(LATER):
        account.data("PATCH", path, {"name": "Ada B"})
    query: dict[str, str | int] = {"since_timestamp": "2000-01-01 00:00:00", "items": "person", "limit": 500}
    with account.account.clock.at(LATER + timedelta(days=30)):
        data = account.http.get("/v1/recents", params=query).json()["data"]
        assert person["id"] in {item["id"] for item in data}
    with account.account.clock.at(LATER + timedelta(days=30, seconds=1)):
        assert account.http.get("/v1/recents", params=query).json()["data"] is None


def test_every_kind_of_record_can_be_recent(fresh: Callable[..., Fresh]) -> None:
    account = fresh()
    items = account.http.get(
        "/v1/recents", params={"since_timestamp": "2000-01-01 00:00:00", "limit": 500}
    ).json()["data"]
    assert items == sorted(
        items, key=lambda item: item["data"].get("modified" if item["item"] == "user" else "update_time")
    )
    assert {"deal", "person", "organization", "activity", "note"} <= {item["item"] for item in items}
    gone = {person["id"] for person in account.account.records("persons") if person["is_deleted"]}
    assert gone <= {item["id"] for item in items if item["item"] == "person"}

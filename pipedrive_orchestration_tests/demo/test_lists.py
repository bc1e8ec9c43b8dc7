"""Lists and single reads of both versions."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipedrive_orchestration.demo import DemoServer
from pipedrive_orchestration.pipedrive.catalogue import BUILT_IN, FIELD_TABLES
from pipedrive_orchestration.pipedrive.object_types import Paging
from pipedrive_orchestration_tests.demo.conftest import Fresh
from pipedrive_orchestration_tests.exactness.truth import is_archived, is_deleted

LISTED = {name: one for name, one in BUILT_IN.items() if one.parent is None and one not in FIELD_TABLES}
V2 = [name for name, one in LISTED.items() if one.paging is Paging.CURSOR]
FIELDS = ["dealFields", "personFields", "organizationFields", "productFields", "activityFields"]


def pages(http: httpx.Client, path: str, **params: Any) -> Iterator[list[dict[str, Any]]]:
    while True:
        answer = http.get(path, params=params)
        assert answer.status_code == 200, answer.text
        body = answer.json()
        yield body["data"]
        params["cursor"] = body["additional_data"]["next_cursor"]
        if params["cursor"] is None:
            return


def everything(http: httpx.Client, path: str, **params: Any) -> list[dict[str, Any]]:
    return [record for page in pages(http, path, **params) for record in page]


def offset_pages(http: httpx.Client, path: str, **params: Any) -> list[dict[str, Any]]:
    records: list[dict[str, Any]] = []
    while True:
        body = http.get(path, params=params).json()
        records.extend(body["data"])
        pagination = body["additional_data"]["pagination"]
        assert pagination["more_items_in_collection"] is ("next_start" in pagination)
        if "next_start" not in pagination:
            return records
        params["start"] = pagination["next_start"]


def live(demo: DemoServer, name: str) -> list[dict[str, Any]]:
    return [
        record
        for record in demo.account.records(name)
        if not is_deleted(name, record) and not is_archived(record) and record.get("active_flag", True)
    ]


@pytest.mark.parametrize("name", V2)
def test_cursor_lists_give_every_live_record_once_by_id(
    demo: DemoServer, http: httpx.Client, name: str
) -> None:
    found = everything(http, BUILT_IN[name].path, limit=7)
    assert [record["id"] for record in found] == sorted(record["id"] for record in live(demo, name))


@pytest.mark.parametrize("name", V2)
def test_lists_leave_out_what_only_include_fields_brings(http: httpx.Client, name: str) -> None:
    object_type = BUILT_IN[name]
    record = http.get(object_type.path, params={"limit": 1}).json()["data"][0]
    assert not set(record) & set(object_type.include_fields)
    assert {prop.key for prop in object_type.properties if not prop.optional} - {"source_lead_id"} <= set(
        record
    )
    if object_type.include_fields:
        names = ",".join(object_type.include_fields)
        path = f"{object_type.path}/{record['id']}"
        more = http.get(path, params={"include_fields": names}).json()["data"]
        assert set(more) == set(record) | set(object_type.include_fields)


@pytest.mark.parametrize("name", V2)
def test_a_single_read_equals_the_record_of_the_list(http: httpx.Client, name: str) -> None:
    path = BUILT_IN[name].path
    record = http.get(path, params={"limit": 1}).json()["data"][0]
    answer = http.get(f"{path}/{record['id']}").json()
    assert answer == {"success": True, "data": record}
    missing = http.get(f"{path}/99999999")
    assert missing.status_code == 404
    assert missing.json()["error_info"] == "Object was not found."


SORTS = [
    ("deals", "update_time"),
    ("persons", "add_time"),
    ("organizations", "update_time"),
    ("activities", "due_date"),
    ("activities", "update_time"),
    ("products", "name"),
    ("stages", "order_nr"),
    ("stages", "update_time"),
]


@pytest.mark.parametrize("direction", ["asc", "desc"])
@pytest.mark.parametrize(("name", "prop"), SORTS)
def test_sorted_lists_put_nulls_first_and_break_ties_by_id(
    demo: DemoServer, http: httpx.Client, name: str, prop: str, direction: str
) -> None:
    found = everything(http, BUILT_IN[name].path, sort_by=prop, sort_direction=direction, limit=23)

    def key(record: dict[str, Any]) -> tuple[Any, ...]:
        value = record[prop]
        return (value is not None, value if value is not None else "", record["id"])

    expected = sorted(live(demo, name), key=key, reverse=direction == "desc")
    assert [record["id"] for record in found] == [record["id"] for record in expected]


def test_there_are_records_without_update_time_and_only_an_unbounded_list_gives_them(
    demo: DemoServer, http: httpx.Client
) -> None:
    without = {record["id"] for record in live(demo, "persons") if record["update_time"] is None}
    assert without
    assert without <= {record["id"] for record in everything(http, "/api/v2/persons", limit=500)}
    bounds: dict[str, str]
    for bounds in ({"updated_since": "2000-01-01T00:00:00Z"}, {"updated_until": "2100-01-01T00:00:00Z"}):
        for sort_by in ("id", "update_time"):
            found = everything(http, "/api/v2/persons", limit=500, sort_by=sort_by, **bounds)
            assert found
            assert not without & {record["id"] for record in found}


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_windows_are_closed_below_and_open_above(
    demo: DemoServer, http: httpx.Client, data: st.DataObject
) -> None:
    name = data.draw(st.sampled_from(["deals", "persons", "organizations", "activities"]))
    records = [record for record in live(demo, name) if record["update_time"] is not None]
    times = sorted({record["update_time"] for record in records})
    since = data.draw(st.none() | st.sampled_from(times))
    until = data.draw(st.none() | st.sampled_from(times))
    sort_by = data.draw(st.sampled_from(["id", "update_time", "add_time"]))
    params = {"updated_since": since, "updated_until": until}
    given_params = {key: value for key, value in params.items() if value is not None}
    expected = [
        record["id"]
        for record in (records if given_params else live(demo, name))
        if (since is None or record["update_time"] >= since)
        and (until is None or record["update_time"] < until)
    ]
    limit = data.draw(st.integers(1, 60))
    found = everything(http, BUILT_IN[name].path, limit=limit, sort_by=sort_by, **given_params)
    assert sorted(record["id"] for record in found) == sorted(expected)


def test_the_cursor_is_the_keyset_marker_of_the_openapi_examples(http: httpx.Client) -> None:
    body = http.get("/api/v2/persons", params={"limit": 3, "sort_by": "update_time"}).json()
    cursor = body["additional_data"]["next_cursor"]
    assert "=" not in cursor
    marker = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    last = body["data"][-1]
    assert marker == {
        "field": "update_time",
        "fieldValue": last["update_time"],
        "sortDirection": "asc",
        "id": last["id"],
    }


def test_filters_of_the_lists(demo: DemoServer, http: httpx.Client) -> None:
    deals = live(demo, "deals")
    for prop in ("owner_id", "person_id", "org_id", "pipeline_id", "stage_id"):
        value = next(deal[prop] for deal in deals if deal[prop] is not None)
        found = everything(http, "/api/v2/deals", limit=500, **{prop: value})
        assert [deal["id"] for deal in found] == [deal["id"] for deal in deals if deal[prop] == value]
    done = everything(http, "/api/v2/activities", done="true", limit=500)
    assert done
    assert [one["id"] for one in done] == [one["id"] for one in live(demo, "activities") if one["done"]]
    alive = {person["id"] for person in live(demo, "persons")}
    deal = next(deal for deal in deals if deal["person_id"] in alive)
    persons = everything(http, "/api/v2/persons", deal_id=deal["id"])
    assert [person["id"] for person in persons] == [deal["person_id"]]
    orphan = next(deal for deal in deals if deal["person_id"] is not None and deal["person_id"] not in alive)
    assert everything(http, "/api/v2/persons", deal_id=orphan["id"]) == []


def test_status_picks_deals_and_alone_shows_deleted_ones(demo: DemoServer, http: httpx.Client) -> None:
    deals = [deal for deal in demo.account.records("deals") if not deal["is_archived"]]
    for status in (["open"], ["won", "lost"], ["deleted"], ["open", "won", "lost", "deleted"]):
        found = everything(http, "/api/v2/deals", status=",".join(status), limit=50)
        expected = [deal["id"] for deal in deals if deal["status"] in status]
        assert expected
        assert [deal["id"] for deal in found] == expected
        assert all(deal["is_deleted"] is (deal["status"] == "deleted") for deal in found)


def test_archived_deals_are_in_the_archived_list_only(demo: DemoServer, http: httpx.Client) -> None:
    archived = [
        deal["id"] for deal in demo.account.records("deals") if deal["is_archived"] and not deal["is_deleted"]
    ]
    assert archived
    assert [deal["id"] for deal in everything(http, "/api/v2/deals/archived", limit=3)] == archived
    assert everything(http, "/api/v2/deals", ids=",".join(map(str, archived[:100]))) == []
    assert http.get(f"/api/v2/deals/{archived[0]}").json()["data"]["is_archived"] is True


def test_unknown_and_deleted_ids_are_left_out_silently(demo: DemoServer, http: httpx.Client) -> None:
    persons = demo.account.records("persons")
    alive = [person["id"] for person in persons if not person["is_deleted"]][:3]
    deleted = next(person["id"] for person in persons if person["is_deleted"])
    ids = ",".join(map(str, [*reversed(alive), deleted, 99_999_999, alive[0]]))
    assert [one["id"] for one in everything(http, "/api/v2/persons", ids=ids)] == alive
    assert http.get(f"/api/v2/persons/{deleted}").json()["data"]["is_deleted"] is True


def test_chosen_custom_fields_and_labels(demo: DemoServer, http: httpx.Client) -> None:
    fields = [field for field in demo.account.fields["persons"] if field["is_custom_field"]]
    enum = next(field for field in fields if field["field_type"] == "enum")
    several = next(field for field in fields if field["field_type"] == "set")
    codes = f"{enum['field_code']},{several['field_code']}"
    labels = {option["id"]: option["label"] for option in [*enum["options"], *several["options"]]}
    deleted = {option["id"] for option in [*enum["_options_deleted"], *several["_options_deleted"]]}
    plain = everything(http, "/api/v2/persons", custom_fields=codes, limit=500)
    decoded = everything(
        http,
        "/api/v2/persons",
        custom_fields=codes,
        include_option_labels="true",
        include_labels="true",
        limit=500,
    )
    assert any(person["label_ids"] for person in plain)
    for bare, named in zip(plain, decoded, strict=True):
        assert set(bare["custom_fields"]) == {enum["field_code"], several["field_code"]}
        assert [label["id"] for label in named["labels"]] == bare["label_ids"]
        value, shown = bare["custom_fields"][enum["field_code"]], named["custom_fields"][enum["field_code"]]
        assert shown == (None if value is None else {"id": value, "label": labels.get(value)})
        assert value in {None, *labels, *deleted}
        values = bare["custom_fields"][several["field_code"]] or []
        expected = [{"id": value, "label": labels.get(value)} for value in values]
        assert (named["custom_fields"][several["field_code"]] or []) == expected


@pytest.mark.parametrize("path", FIELDS)
def test_field_lists_show_active_fields_without_private_keys(
    demo: DemoServer, http: httpx.Client, path: str
) -> None:
    name = {"activityFields": "activities"}.get(path, path.removesuffix("Fields") + "s")
    found = everything(http, f"/api/v2/{path}", limit=4)
    every = list(demo.account.fields[name].every())
    assert {field["field_code"] for field in found} == {
        field["field_code"] for field in every if field["_active"]
    }
    assert not any(key.startswith("_") or key == "ui_visibility" for field in found for key in field)
    code = found[0]["field_code"]
    one = http.get(f"/api/v2/{path}/{code}", params={"include_fields": "ui_visibility"}).json()["data"]
    assert {key: value for key, value in one.items() if key != "ui_visibility"} == found[0]
    assert one["ui_visibility"]
    gone = next((field["field_code"] for field in every if not field["_active"]), "nothing")
    assert http.get(f"/api/v2/{path}/{gone}").status_code == 404


@pytest.mark.parametrize("prefix", ["/v1", "/api/v1"])
def test_v1_is_served_under_both_prefixes(http: httpx.Client, prefix: str) -> None:
    assert http.get(f"{prefix}/users/me").json()["data"]["company_domain"]
    assert http.get(f"{prefix}/currencies").status_code == 200


def test_v2_is_served_under_api_only(http: httpx.Client) -> None:
    assert http.get("/v2/deals").status_code == 404


@pytest.mark.parametrize("name", ["leads", "notes"])
def test_offset_lists_give_every_live_record_once(demo: DemoServer, http: httpx.Client, name: str) -> None:
    found = offset_pages(http, BUILT_IN[name].path, limit=7)
    assert sorted(record["id"] for record in found) == sorted(record["id"] for record in live(demo, name))
    since = sorted(record["update_time"] for record in found)[len(found) // 2]
    bound = f"{since[:10]}T{since[11:19]}Z"
    changed = offset_pages(http, BUILT_IN[name].path, limit=7, updated_since=bound, sort="update_time ASC")
    assert [record["update_time"] for record in changed] == sorted(
        record["update_time"] for record in found if record["update_time"][:19] >= since[:19]
    )
    first = http.get(f"{BUILT_IN[name].path}/{found[0]['id']}").json()["data"]
    assert first == found[0]


def test_leads_come_oldest_first_and_archived_ones_apart(demo: DemoServer, http: httpx.Client) -> None:
    found = offset_pages(http, "/v1/leads", limit=500)
    assert [lead["add_time"] for lead in found] == sorted(lead["add_time"] for lead in found)
    archived = offset_pages(http, "/v1/leads/archived", limit=2)
    assert {lead["id"] for lead in archived} == {
        lead["id"] for lead in demo.account.records("leads") if lead["is_archived"]
    }
    newest = http.get("/v1/leads", params={"sort": "add_time DESC", "limit": 1}).json()["data"][0]
    assert newest["add_time"] == found[-1]["add_time"]


def test_filters_of_leads_and_notes(demo: DemoServer, http: httpx.Client) -> None:
    leads, notes = live(demo, "leads"), live(demo, "notes")
    person_id = next(lead["person_id"] for lead in leads if lead["person_id"])
    found = offset_pages(http, "/v1/leads", person_id=person_id)
    assert {lead["id"] for lead in found} == {lead["id"] for lead in leads if lead["person_id"] == person_id}
    deal_id = next(note["deal_id"] for note in notes if note["deal_id"])
    noted = offset_pages(http, "/v1/notes", deal_id=deal_id)
    assert {note["id"] for note in noted} == {note["id"] for note in notes if note["deal_id"] == deal_id}
    day = notes[0]["add_time"][:10]
    dated = offset_pages(http, "/v1/notes", start_date=day, end_date=day)
    assert {note["id"] for note in dated} == {note["id"] for note in notes if note["add_time"][:10] == day}


def test_a_deleted_note_still_answers_by_id(demo: DemoServer, http: httpx.Client) -> None:
    deleted = next(note for note in demo.account.records("notes") if not note["active_flag"])
    assert http.get(f"/v1/notes/{deleted['id']}").json()["data"]["active_flag"] is False


@pytest.mark.parametrize(
    "name", [name for name, one in LISTED.items() if one.paging is Paging.NONE and one.listing.is_plain]
)
def test_collections_without_paging_come_whole(demo: DemoServer, http: httpx.Client, name: str) -> None:
    found, key = http.get(BUILT_IN[name].path).json()["data"], BUILT_IN[name].id_key
    assert {record[key] for record in found} == {record["id"] for record in demo.account.records(name)}


def test_users_and_fields_of_v1(demo: DemoServer, http: httpx.Client) -> None:
    user = demo.account.records("users")[-1]
    answer = http.get(f"/v1/users/{user['id']}").json()
    assert answer["data"] == user
    assert answer["additional_data"] == {"company_id": demo.account.me["company_id"]}
    missing = http.get("/v1/users/1")
    assert (missing.status_code, missing.json()) == (
        404,
        {"success": False, "error": "User not found or not accessible."},
    )
    keys = {field["key"] for field in offset_pages(http, "/v1/leadFields", limit=10)}
    assert keys > set(demo.account.fields["deals"].custom_codes())
    assert {"content"} <= {field["key"] for field in http.get("/v1/noteFields").json()["data"]}
    assert [one["code"] for one in http.get("/v1/currencies", params={"term": "usd"}).json()["data"]] == [
        "USD"
    ]


def test_stored_filters_select_and_override_the_other_parameters(
    demo: DemoServer, http: httpx.Client
) -> None:
    by_name = {stored["name"]: stored for stored in http.get("/v1/filters").json()["data"]}
    assert "conditions" not in by_name["All open deals"]
    open_deals = [deal["id"] for deal in live(demo, "deals") if deal["status"] == "open"]
    filter_id = by_name["All open deals"]["id"]
    found = everything(http, "/api/v2/deals", filter_id=filter_id, status="won", owner_id=1, ids="1")
    assert [deal["id"] for deal in found] == open_deals
    expected: dict[str, tuple[str, Callable[[dict[str, Any]], bool]]] = {
        "People without organization": ("persons", lambda one: one["org_id"] is None),
        "Limited companies": ("organizations", lambda one: "ltd" in one["name"].lower()),
        "Calls": ("activities", lambda one: one["type"] == "call"),
        "Products from T": ("products", lambda one: one["name"].lower().startswith("t")),
    }
    for title, (name, test) in expected.items():
        records = everything(http, BUILT_IN[name].path, filter_id=by_name[title]["id"], limit=500)
        assert records, title
        assert [one["id"] for one in records] == [one["id"] for one in live(demo, name) if test(one)]
    leads = offset_pages(http, "/v1/leads", filter_id=by_name["Leads with a closing date"]["id"])
    assert leads
    assert all(lead["expected_close_date"] for lead in leads)
    one = http.get(f"/v1/filters/{filter_id}", params={"include_field_code": "true"}).json()["data"]
    assert one["conditions"]["conditions"][0]["conditions"][0]["field_code"] == "status"


def test_no_record_is_lost_while_others_change(fresh: Callable[..., Fresh]) -> None:
    account = fresh()
    for sort_by in ("id", "update_time"):
        before = {person["id"] for person in live(account.server, "persons")}
        seen: set[int] = set()
        for number, page in enumerate(pages(account.http, "/api/v2/persons", sort_by=sort_by, limit=5)):
            seen.update(person["id"] for person in page)
            unread, read = sorted(before - seen), sorted(before & seen)
            if unread and number < 20:
                account.server.write("PATCH", f"/api/v2/persons/{unread[-1]}", {"job_title": f"{number}"})
                account.server.write("PATCH", f"/api/v2/persons/{read[0]}", {"job_title": f"{number}"})
                account.server.write("DELETE", f"/api/v2/persons/{read[-1]}")
                before.discard(read[-1])
                account.server.write("POST", "/api/v2/persons", {"name": f"New {number}"})
        assert before <= seen


@pytest.mark.parametrize(
    ("asked", "count"),
    [
        ({}, 1),
        ({"is_active": "false"}, 0),
        ({"assignee.type": "company"}, 1),
        ({"expected_outcome.tracking_metric": "quantity"}, 3),
        ({"expected_outcome.tracking_metric": "quantity", "is_active": "false"}, 1),
        ({"type.params.pipeline_id": "2"}, 1),
        ({"period.start": "1990-01-01", "period.end": "1990-12-31"}, 0),
    ],
)
def test_goals_are_the_users_own_unless_somebody_asks_for_more(
    http: httpx.Client, asked: dict[str, str], count: int
) -> None:
    assert len(http.get("/v1/goals/find", params=asked).json()["data"]["goals"]) == count


def test_phases_are_those_of_a_board_and_tasks_those_of_a_project(http: httpx.Client) -> None:
    assert http.get("/api/v2/phases").status_code == 400
    phases = http.get("/api/v2/phases", params={"board_id": 2}).json()["data"]
    assert {phase["board_id"] for phase in phases} == {2}
    tasks = everything(http, "/api/v2/tasks", limit=500)
    below = everything(http, "/api/v2/tasks", limit=500, parent_task_id="null")
    assert {task["id"] for task in below} == {task["id"] for task in tasks if task["parent_task_id"] is None}
    mine = everything(http, "/api/v2/tasks", limit=500, assignee_id=tasks[0]["assignee_ids"][0])
    assert {task["id"] for task in mine} == {
        task["id"] for task in tasks if tasks[0]["assignee_ids"][0] in task["assignee_ids"]
    }


def test_call_logs_come_by_fifty_at_most(http: httpx.Client) -> None:
    assert http.get("/v1/callLogs", params={"limit": 51}).status_code == 400
    assert len(offset_pages(http, "/v1/callLogs", limit=7)) > 7

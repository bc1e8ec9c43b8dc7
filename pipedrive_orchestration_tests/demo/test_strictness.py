"""What the account refuses, and how it says so."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from pipedrive_orchestration.demo import DemoServer
from pipedrive_orchestration.demo.operations import OPERATIONS, RETIRED
from pipedrive_orchestration_tests.demo.conftest import Fresh

CURSOR = {"field": "id", "fieldValue": 3, "sortDirection": "asc", "id": 3}


def encoded(marker: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(marker).encode()).decode().rstrip("=")


BAD_V2: list[tuple[str, dict[str, str], str]] = [
    ("/api/v2/deals", {"nonsense": "1"}, "nonsense"),
    ("/api/v2/deals", {"api_token": "x"}, "api_token"),
    ("/api/v2/pipelines", {"updated_since": "2026-01-01T00:00:00Z"}, "updated_since"),
    ("/api/v2/stages", {"updated_since": "2026-01-01T00:00:00Z"}, "updated_since"),
    ("/api/v2/products", {"updated_until": "2026-01-01T00:00:00Z"}, "updated_until"),
    ("/api/v2/activities", {"custom_fields": "a"}, "custom_fields"),
    ("/api/v2/deals/archived", {"include_labels": "true"}, "include_labels"),
    ("/api/v2/products/1", {"include_fields": "prices"}, "include_fields"),
    *[
        (f"/api/v2/{path}", {bound: text}, f"{bound}: This value is not a valid datetime.")
        for path in ("deals", "persons", "organizations", "activities")
        for bound in ("updated_since", "updated_until")
        for text in ("2026-01-01T00:00:00.000Z", "2026-01-01 00:00:00")
    ],
    *[
        ("/api/v2/products", {"updated_since": text}, "updated_since: This value is not a valid datetime.")
        for text in (
            "2026-01-01",
            "2026-1-1T00:00:00Z",
            "2026-01-01T00:00:00",
            "2026-01-01T00:00:00+00:00",
            "2026-02-30T00:00:00Z",
            "1767225600",
            "",
        )
    ],
    *[("/api/v2/persons", {"limit": text}, "limit") for text in ("0", "501", "-1", "1.5", "many", "")],
    ("/api/v2/persons", {"ids": ",".join(map(str, range(1, 102)))}, "ids"),
    ("/api/v2/persons", {"ids": "1,two"}, "ids"),
    ("/api/v2/persons", {"ids": ""}, "ids"),
    ("/api/v2/persons", {"custom_fields": ",".join(f"{n:040x}" for n in range(16))}, "custom_fields"),
    ("/api/v2/persons", {"custom_fields": f"{1:040x}"}, "custom_fields"),
    ("/api/v2/persons", {"include_fields": "notes_count,nonsense"}, "include_fields"),
    ("/api/v2/activities", {"include_fields": "notes_count"}, "include_fields"),
    ("/api/v2/productFields", {"include_fields": "required_fields"}, "include_fields"),
    ("/api/v2/persons", {"include_labels": "1"}, "include_labels"),
    ("/api/v2/deals", {"status": "open,gone"}, "status"),
    ("/api/v2/deals", {"owner_id": "me"}, "owner_id"),
    ("/api/v2/deals", {"filter_id": "424242"}, "filter_id"),
    ("/api/v2/persons", {"filter_id": "1"}, "filter_id"),
    ("/api/v2/activities", {"lead_id": "17"}, "lead_id"),
    ("/api/v2/activities", {"done": "yes"}, "done"),
    ("/api/v2/deals", {"sort_by": "title"}, "sort_by"),
    ("/api/v2/deals", {"sort_direction": "up"}, "sort_direction"),
    ("/api/v2/deals/abc", {}, "id"),
    *[
        ("/api/v2/deals", {"cursor": cursor}, "cursor")
        for cursor in (
            "",
            "!!!",
            "äöü",
            encoded([1]),
            encoded({**CURSOR, "id": "3"}),
            encoded({**CURSOR, "fieldValue": "3"}),
            encoded({**CURSOR, "more": 1}),
            encoded({**CURSOR, "sortDirection": "desc"}),
            encoded({**CURSOR, "field": "update_time"}),
        )
    ],
]


@pytest.mark.parametrize(("path", "params", "about"), BAD_V2)
def test_v2_refuses_with_the_envelope_of_a_schema_validation(
    http: httpx.Client, path: str, params: dict[str, str], about: str
) -> None:
    answer = http.get(path, params=params)
    body = answer.json()
    assert (answer.status_code, body["code"]) == (400, "ERR_SCHEMA_VALIDATION_FAILED"), body
    assert body["error"].startswith("Validation failed: ")
    assert about in body["error"]
    assert (body["success"], body["data"], body["additional_data"]) == (False, None, None)


def test_all_problems_are_named_at_once(http: httpx.Client) -> None:
    answer = http.get(
        "/api/v2/deals", params={"limit": "0", "sort_by": "x", "updated_since": "now", "y": "1"}
    )
    for name in ("limit", "sort_by", "updated_since", "y"):
        assert f"{name}: " in answer.json()["error"]


def test_a_repeated_parameter_is_refused(http: httpx.Client) -> None:
    assert http.get("/api/v2/deals?limit=1&limit=2").status_code == 400


BAD_V1: list[tuple[str, dict[str, str], str]] = [
    ("/v1/leads", {"cursor": "x"}, "cursor"),
    ("/v1/leads/archived", {"updated_since": "2026-01-01T00:00:00Z"}, "updated_since"),
    ("/v1/leads", {"updated_since": "2026-01-01T00:00:00.000Z"}, "updated_since"),
    ("/v1/notes", {"updated_since": "2026-01-01 00:00:00"}, "updated_since"),
    ("/v1/leads", {"sort": "value"}, "sort"),
    ("/v1/leads", {"sort": "add_time,id"}, "sort"),
    ("/v1/notes", {"limit": "501"}, "limit"),
    ("/v1/notes", {"start": "-1"}, "start"),
    ("/v1/notes", {"pinned_to_deal_flag": "true"}, "pinned_to_deal_flag"),
    ("/v1/notes", {"start_date": "2026-13-01"}, "start_date"),
    ("/v1/users", {"limit": "100"}, "limit"),
    ("/v1/recents", {}, "since_timestamp"),
    ("/v1/recents", {"since_timestamp": "2026-11-01T00:00:00Z"}, "since_timestamp"),
    ("/v1/recents", {"since_timestamp": "2026-11-01 00:00:00", "items": "lead"}, "items"),
    ("/v1/filters", {"type": "boxes"}, "type"),
]


@pytest.mark.parametrize(("path", "params", "about"), BAD_V1)
def test_v1_refuses_with_its_own_envelope(
    http: httpx.Client, path: str, params: dict[str, str], about: str
) -> None:
    answer = http.get(path, params=params)
    assert answer.status_code == 400
    body = answer.json()
    assert body["error"].startswith("Bad request")
    assert about in body["error"]
    assert "code" not in body
    assert (body["success"], body["data"], body["additional_data"]) == (False, None, None)


@pytest.mark.parametrize("path", ["/api/v2/deals", "/v1/users/me", "/api/v2/nothing", "/v1/deals"])
@pytest.mark.parametrize(
    "headers", [{}, {"x-api-token": "wrong"}, {"authorization": "Bearer wrong"}, {"authorization": "x"}]
)
def test_a_missing_or_wrong_token_is_refused_as_by_the_gateway(
    demo: DemoServer, path: str, headers: dict[str, str]
) -> None:
    answer = httpx.get(demo.url + path, headers=headers, verify=False)
    assert answer.status_code == 401
    assert answer.content == (
        b'{"success":false,"error":"unauthorized access","errorCode":401,'
        b'"error_info":"Please check developers.pipedrive.com"}'
    )
    assert answer.headers["x-401-by-gw"] == "true"
    assert len(answer.headers["x-correlation-id"]) == 36


def test_the_token_counts_in_headers_only(demo: DemoServer) -> None:
    assert (
        httpx.get(f"{demo.url}/v1/users/me", params={"api_token": demo.token}, verify=False).status_code
        == 401
    )
    bearer = {"authorization": f"Bearer {demo.token}"}
    assert httpx.get(f"{demo.url}/v1/users/me", headers=bearer, verify=False).status_code == 200


def test_unknown_paths_and_methods(http: httpx.Client) -> None:
    for path in ("/", "/api/v2/deals/1/2/3", "/api/v2/leads", "/api/v3/deals", "/api/v2/deals/"):
        answer = http.get(path)
        assert (answer.status_code, answer.json()["success"]) == (404, False), path
    answer = http.put("/api/v2/deals/1", json={})
    assert (answer.status_code, answer.json()["success"]) == (405, False)
    assert answer.headers["allow"]
    assert http.post("/api/v2/activityFields", json={}).status_code == 405


@pytest.mark.parametrize(("method", "template"), RETIRED)
def test_retired_routes_are_gone(http: httpx.Client, method: str, template: str) -> None:
    path = template.replace("{id}", "1").replace("{attachment_id}", "1")
    for prefix in ("/v1", "/api/v1"):
        answer = http.request(method, prefix + path)
        assert (answer.status_code, answer.json()["success"]) == (410, False)


def test_no_operation_is_both_alive_and_retired() -> None:
    alive = {(one.method, one.path) for one in OPERATIONS if one.version == "v1"}
    assert not alive & set(RETIRED)
    assert len({(one.version, one.method, one.path) for one in OPERATIONS}) == len(OPERATIONS)


DEAL: dict[str, Any] = {"title": "A deal"}
BAD_BODIES: list[tuple[str, str, Any, str]] = [
    ("POST", "/api/v2/deals", {}, "title"),
    ("POST", "/api/v2/deals", [], "object"),
    ("POST", "/api/v2/deals", {"title": ""}, "title: This value should be a non-empty string"),
    ("POST", "/api/v2/deals", {**DEAL, "nonsense": 1}, "nonsense"),
    ("POST", "/api/v2/deals", {**DEAL, "value": "100"}, "value"),
    ("POST", "/api/v2/deals", {**DEAL, "owner_id": "1"}, "owner_id"),
    ("POST", "/api/v2/deals", {**DEAL, "owner_id": 1}, "owner_id: There is no record 1"),
    ("POST", "/api/v2/deals", {**DEAL, "person_id": 99_999_999}, "person_id"),
    ("POST", "/api/v2/deals", {**DEAL, "stage_id": 9_999}, "stage_id"),
    ("POST", "/api/v2/deals", {**DEAL, "currency": "XXX"}, "currency"),
    ("POST", "/api/v2/deals", {**DEAL, "label_ids": [9_999]}, "label_ids"),
    ("POST", "/api/v2/deals", {**DEAL, "status": "deleted"}, "status"),
    ("POST", "/api/v2/deals", {**DEAL, "lost_reason": "price"}, "lost_reason"),
    ("POST", "/api/v2/deals", {**DEAL, "won_time": "2026-01-01 00:00:00"}, "won_time"),
    ("POST", "/api/v2/deals", {**DEAL, "expected_close_date": "soon"}, "expected_close_date"),
    ("POST", "/api/v2/deals", {**DEAL, "visible_to": "3"}, "visible_to"),
    ("POST", "/api/v2/deals", {**DEAL, "is_archived": 1}, "is_archived"),
    ("POST", "/api/v2/deals", {**DEAL, "custom_fields": {"a" * 40: 1}}, "a" * 40),
    ("POST", "/api/v2/deals", {**DEAL, "update_time": "2026-01-01T00:00:00Z"}, "update_time"),
    ("PATCH", "/api/v2/persons/1", {"emails": "me@example.com"}, "emails"),
    ("PATCH", "/api/v2/persons/1", {"emails": [{"value": ""}]}, "emails.0.value"),
    ("PATCH", "/api/v2/persons/1", {"first_name": "Jo"}, "first_name"),
    ("POST", "/api/v2/organizations", {"name": "X", "address": "Here 1"}, "address"),
    ("POST", "/api/v2/activities", {"subject": "X", "person_id": 1}, "person_id"),
    ("POST", "/api/v2/activities", {"type": "nonsense"}, "type"),
    ("POST", "/api/v2/activities", {"due_time": "25:00"}, "due_time"),
    ("POST", "/api/v2/products", {"name": "X", "category": "1"}, "category"),
    ("POST", "/api/v2/products", {"name": "X", "prices": [{"price": 1, "currency": "XXX"}]}, "currency"),
    ("POST", "/api/v2/pipelines", {"name": "X", "order_nr": 1}, "order_nr"),
    ("POST", "/api/v2/stages", {"name": "X"}, "pipeline_id"),
    ("POST", "/api/v2/dealFields", {"field_name": "X", "field_type": "url"}, "field_type"),
    ("POST", "/api/v2/dealFields", {"field_name": "X", "field_type": "enum"}, "options"),
    (
        "POST",
        "/api/v2/productFields",
        {"field_name": "X", "field_type": "text", "description": ""},
        "description",
    ),
    ("DELETE", "/api/v2/dealFields/title", None, "built-in"),
    ("POST", "/v1/leads", {"title": "X"}, "person_id"),
    ("POST", "/v1/leads", {"title": "X", "person_id": "1"}, "person_id"),
    ("POST", "/v1/leads", {"title": "X", "person_id": 1, "is_archived": True}, "is_archived"),
    ("POST", "/v1/leads", {"title": "X", "person_id": 1, "value": 5}, "value"),
    ("POST", "/v1/leads", {"title": "X", "person_id": 1, "b" * 40: 5}, "b" * 40),
    ("POST", "/v1/leadLabels", {"name": "X", "color": "black"}, "color"),
    ("POST", "/v1/notes", {"content": "X"}, "linked"),
    ("POST", "/v1/notes", {"content": "", "deal_id": 1}, "content"),
    ("POST", "/v1/activityTypes", {"name": "X", "icon_key": "skull"}, "icon_key"),
    ("POST", "/v1/filters", {"name": "X", "type": "deals", "conditions": {}}, "conditions"),
    ("PUT", "/v1/persons/1/merge", {"merge_with_id": 1}, "itself"),
]


@pytest.mark.parametrize(("method", "path", "body", "about"), BAD_BODIES)
def test_bodies_are_strict_and_a_refused_write_changes_nothing(
    demo: DemoServer, http: httpx.Client, method: str, path: str, body: Any, about: str
) -> None:
    before = {name: demo.account.records(name) for name in demo.account.collections}
    answer = http.request(method, path, json=body)
    assert answer.status_code == 400, answer.text
    assert about in answer.json()["error"]
    assert {name: demo.account.records(name) for name in demo.account.collections} == before


def test_a_body_that_is_no_json_is_refused(http: httpx.Client) -> None:
    for content in (b"", b"{", b"title=X"):
        answer = http.post("/api/v2/deals", content=content)
        assert (answer.status_code, answer.json()["success"]) == (400, False)


def test_an_app_is_let_to_what_its_scopes_name_and_no_further(fresh: Callable[..., Fresh]) -> None:
    account = fresh()
    app = account.server.oauth
    app.scopes = frozenset({"base", "deals:read"})
    answer = httpx.post(
        f"{account.server.url}/oauth/token",
        data={"grant_type": "refresh_token", "refresh_token": app.refresh_token},
        auth=(app.client_id, app.client_secret),
    ).json()
    assert answer["scope"] == "base,deals:read"
    bearer = {"authorization": f"Bearer {answer['access_token']}"}
    statuses = {
        path: httpx.get(account.server.url + path, headers=bearer, verify=False).status_code
        for path in ("/v1/users/me", "/api/v2/deals", "/v1/notes", "/api/v2/persons", "/v1/deals")
    }
    assert statuses == {
        "/v1/users/me": 200,
        "/api/v2/deals": 200,
        "/v1/notes": 200,
        "/api/v2/persons": 403,
        "/v1/deals": 410,
    }
    refused = httpx.post(
        f"{account.server.url}/api/v2/deals", headers=bearer, json={"title": "X"}, verify=False
    )
    assert (refused.status_code, refused.json()) == (
        403,
        {
            "success": False,
            "error": "Scope and URL mismatch",
            "errorCode": 403,
            "error_info": "Please check developers.pipedrive.com",
        },
    )
    assert account.server.limits.tokens_used == 2 + 10 + 20

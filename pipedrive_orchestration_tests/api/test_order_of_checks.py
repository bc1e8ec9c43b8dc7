"""Every way in which a call is refused, and which one comes first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import httpx
import pytest

from pipedrive_orchestration.demo import DemoServer
from pipedrive_orchestration_tests.api.conftest import StartApi
from pipedrive_orchestration_tests.api.serving import DEALS, NOBODY, STAGES, Api

IMPORT = "/sources/import_from_pipedrive"
UNKNOWN = "695a3cf5-4886-4d5d-8586-b83472fa1c92"
NOT_CONNECTED = "User is not connected to 'pipedrive'."


def refused(answer: httpx.Response, status: int) -> dict[str, Any]:
    """The envelope of a failure."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    content: dict[str, Any] = answer.json()
    assert content["status"] == status
    assert content["error"]
    assert content["message"]
    assert set(content) <= {"status", "error", "message", "errors", "data"}
    return content


def problems(answer: httpx.Response) -> set[tuple[str, str]]:
    return {(problem["field"], problem["code"]) for problem in refused(answer, 400)["errors"]}


@pytest.mark.parametrize("sent", [{}, {"headers": {"Authorization": "Basic abc"}},
                                  {"headers": {"Authorization": "Bearer"}},
                                  {"headers": {"Authorization": "Bearer pok_wrong"}},
                                  {"headers": {"Authorization": b"Bearer \xff\xfe"}}])  # fmt: skip
@pytest.mark.parametrize(
    "path", ["/sources", "/sources/695a3cf5-4886-4d5d-8586-b83472fa1c92/data", "/nothing", "/sources/abc?x=1"]
)
def test_without_a_key_everything_is_401(api: Api, path: str, sent: Any) -> None:
    answer = api.get(path, key=None, **sent)
    assert "API key" in refused(answer, 401)["message"]
    assert answer.headers["www-authenticate"] == "Bearer"


CALLS: list[tuple[str, str, str]] = [
    ("POST", f"{IMPORT}/preview", "sources:read"),
    ("POST", IMPORT, "sources:write"),
    ("POST", f"{IMPORT}/options/properties", "sources:read"),
    ("GET", "/sources", "sources:read"),
    ("GET", "/sources/not-an-id", "sources:read"),
    ("GET", "/sources/not-an-id/data", "sources:read"),
    ("PATCH", "/sources/not-an-id/status", "sources:write"),
    ("DELETE", "/sources/not-an-id", "sources:write"),
    ("POST", "/sources/not-an-id/sync", "sources:write"),
    ("GET", "/workflows", "workflows:read"),
    ("GET", "/workflows/not-an-id/sheets/not-an-id/inputs", "workflows:read"),
]


@pytest.mark.parametrize(("method", "path", "scope"), CALLS)
def test_only_the_scope_of_a_call_opens_it(api: Api, method: str, path: str, scope: str) -> None:
    # The query is wrong, so that a key with the scope is let through to the next check and no further.
    for key in ("sources:read", "sources:write", "workflows:read", "workflows:write"):
        status = api.call(method, f"{path}?wrong=1", key=key, content=b"{").status_code
        assert status == (400 if key == scope else 403), key


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", ""), ("GET", "/data"), ("PATCH", "/status"), ("POST", "/sync"), ("DELETE", "")],
)
def test_an_unknown_id_comes_before_what_else_is_wrong(api: Api, method: str, path: str) -> None:
    unknown = uuid4()
    answer = api.call(method, f"/sources/{unknown}{path}?wrong=1", content=b"{")
    assert str(unknown) in refused(answer, 404)["message"]


def test_a_malformed_id_is_400(api: Api) -> None:
    assert problems(api.get("/sources/12345")) == {("source_id", "invalid_id")}
    assert problems(api.call("DELETE", "/sources/%00")) == {("source_id", "invalid_id")}


def test_an_unknown_address_and_an_unknown_method(api: Api) -> None:
    refused(api.get("/sauces"), 404)
    answer = api.call("PUT", "/sources")
    refused(answer, 405)
    assert answer.headers["allow"] == "GET"
    refused(api.call("OPTIONS", "/sources", headers={"Origin": "https://evil.example",
                     "Access-Control-Request-Method": "GET"}), 405)  # fmt: skip


def test_no_answer_lets_other_sites_read_it(api: Api) -> None:
    answer = api.get("/sources", headers={"Origin": "https://evil.example"})
    assert answer.status_code == 200
    assert not [name for name in answer.headers if name.startswith("access-control")]


def test_a_trailing_slash_changes_nothing(api: Api) -> None:
    assert api.get("/sources/").json() == api.get("/sources").json()
    refused(api.get(f"/sources/{uuid4()}/data/"), 404)


def test_unknown_and_wrong_parameters_are_named_at_once(api: Api) -> None:
    source = api.add(**STAGES)
    answer = api.get(f"/sources/{source.id}/data?page_no=zero&page_size=201&format=xml&pages=3")
    assert problems(answer) == {
        ("page_no", "int_parsing"),
        ("page_size", "less_than_equal"),
        ("format", "literal_error"),
        ("pages", "unknown_parameter"),
    }
    for page in ("0", "-1", "1.5", "", str(2**53), "9" * 5000):
        assert {field for field, _ in problems(api.get(f"/sources/{source.id}/data?page_no={page}"))} == {
            "page_no"
        }
    for path in ("", f"/{source.id}"):
        assert problems(api.get(f"/sources{path}?name=x&name=y")) == {("name", "unknown_parameter")}


def test_bodies_that_are_no_bodies(api: Api) -> None:
    def post(content: bytes, content_type: str = "application/json") -> set[tuple[str, str]]:
        return problems(api.post(IMPORT, content=content, headers={"Content-Type": content_type}))

    assert post(b"{") == {("", "invalid_json")}
    assert post(b"") == {("", "invalid_json")}
    assert post(b'{"name": NaN}') == {("", "invalid_json")}
    assert post(b'"\\ud800"') == {("", "invalid_json")}
    assert post(b"[" * 100_000 + b"]" * 100_000) == {("", "invalid_json")}
    assert post(b"[]") == {("", "not_a_mapping")}
    assert post(b"name=x", "application/x-www-form-urlencoded") == {("", "content_type")}
    assert post(b"{}", "text/plain") == {("", "content_type")}


def test_everything_wrong_with_a_body_is_said_at_once_with_its_path(api: Api) -> None:
    body = DEALS | {
        "name": "  ",
        "propertis": ["title"],
        "schedule": "61 * * * *",
        "expiration_date": "2020-02-30",
        "filters": {
            "conditions": [{"conditions": [{"variable": "status", "condition": "equls", "values": [1]}]}]
        },
        "options": {"max_tokens": 0},
    }
    for path in (IMPORT, f"{IMPORT}/preview"):
        assert {field for field, _ in problems(api.post(path, json=body))} == {
            "name",
            "propertis",
            "schedule",
            "expiration_date",
            "filters.conditions[0].conditions[0].condition",
            "options.max_tokens",
        }


def test_what_the_account_does_not_have_is_400_too(api: Api) -> None:
    body = DEALS | {"properties": ["title", "colour"]}
    for path in (IMPORT, f"{IMPORT}/preview"):
        assert ("properties[1]", "unknown_property") in problems(api.post(path, json=body))
    assert not api.store.load().sources or all(
        "colour" not in source.properties for source in api.store.load().sources
    )


def test_an_unknown_object_type_lists_the_near_ones(api: Api) -> None:
    answer = api.post(f"{IMPORT}/options/properties", json={"context": {"object_type": "dealz"}})
    (problem,) = refused(answer, 400)["errors"]
    assert "Did you mean `deals`?" in problem["message"]
    assert problems(api.post(f"{IMPORT}/options/properties", json={"context": {"objecttype": "deals"}})) == {
        ("context.object_type", "missing"),
        ("context.objecttype", "unknown_field"),
    }


def test_a_body_has_a_largest_size(start_api: StartApi) -> None:
    api = start_api(max_body_bytes=2_000)
    large = b'{"name": "' + b"x" * 2_000 + b'"}'
    headers = {"Content-Type": "application/json"}
    refused(api.post(IMPORT, content=large, headers=headers), 413)

    def chunks() -> Any:
        yield from (large[start : start + 100] for start in range(0, len(large), 100))

    refused(api.post(IMPORT, content=chunks(), headers=headers), 413)


@pytest.mark.parametrize(
    "call",
    [
        lambda api: api.post(IMPORT, json=DEALS),
        lambda api: api.post(f"{IMPORT}/preview", json=DEALS),
        lambda api: api.post(f"{IMPORT}/options/properties", json={"context": {"object_type": "deals"}}),
    ],
)
def test_without_an_account_calls_that_need_one_are_424_after_400(
    start_api: StartApi, call: Callable[[Api], httpx.Response]
) -> None:
    api = start_api()
    message = refused(call(api), 424)["message"]
    assert message.startswith(NOT_CONNECTED)
    assert "PIPEDRIVE_API_TOKEN" in message
    assert problems(api.post(IMPORT, json={"name": "x"}))
    assert api.get("/sources").json()["data"] == []


def test_a_token_that_pipedrive_refuses_is_424_and_told_to_nobody(
    start_api: StartApi, demo: DemoServer
) -> None:
    secret = "f" * 40
    api = start_api(variables={"PIPEDRIVE_API_URL": demo.url, "PIPEDRIVE_API_TOKEN": secret})
    answer = api.post(f"{IMPORT}/preview", json=DEALS)
    assert refused(answer, 424)["message"].startswith(NOT_CONNECTED)
    assert secret not in answer.text


def test_a_pipedrive_that_does_not_answer_is_502(start_api: StartApi) -> None:
    api = start_api(variables={"PIPEDRIVE_API_URL": NOBODY, "PIPEDRIVE_API_TOKEN": "f" * 40})
    assert "PIPEDRIVE_API_URL" in refused(api.post(f"{IMPORT}/preview", json=DEALS), 502)["message"]


def test_a_warehouse_that_is_none_is_503(start_api: StartApi) -> None:
    api = start_api()
    source = api.add(**STAGES)
    api.context.warehouse.folder.joinpath("warehouse.duckdb").write_bytes(b"no database" * 1000)
    answer = api.get(f"/sources/{source.id}/data")
    assert "cannot be opened as a DuckDB database" in refused(answer, 503)["message"]
    assert answer.headers["retry-after"]


def test_a_damaged_file_of_an_old_version_is_503(start_api: StartApi) -> None:
    api = start_api()
    api.add(**STAGES)
    (api.store.project / ".holds.json").write_text("{")
    assert ".holds.json" in refused(api.get("/sources"), 503)["message"]

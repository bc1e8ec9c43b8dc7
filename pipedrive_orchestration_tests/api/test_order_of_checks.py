"""Every way in which a call is refused, and which one comes first."""

from __future__ import annotations

import re
from typing import Any
from uuid import uuid4

import httpx
import pytest

from pipedrive_orchestration.demo import DemoServer
from pipedrive_orchestration.pipedrive import client
from pipedrive_orchestration_tests.api.conftest import StartApi
from pipedrive_orchestration_tests.api.serving import DEALS, NOBODY, STAGES, Api, previewed
from pipedrive_orchestration_tests.conftest import FreshDemo
from pipedrive_orchestration_tests.pipedrive.asking import SHORT

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
    assert set(content) <= {"status", "error", "message", "hint", "errors", "data"}
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


WRITES = ("plan", "apply", "undo")
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
    ("GET", "/writes", "writes:write"),
    *((method, f"/writes/not-an-id/{what}", "writes:write") for method in ("GET", "POST") for what in WRITES),
]


@pytest.mark.parametrize(("method", "path", "scope"), CALLS)
def test_only_the_scope_of_a_call_opens_it(api: Api, method: str, path: str, scope: str) -> None:
    # The query is wrong, so that a key with the scope is let through to the next check and no further.
    for key in ("sources:read", "sources:write", "workflows:read", "workflows:write", "writes:write"):
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


def test_an_unknown_address_is_404(api: Api) -> None:
    refused(api.get("/sauces"), 404)
    refused(api.get(f"{IMPORT}/data"), 404)
    refused(api.post(f"{IMPORT}/sync"), 404)


METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
ADDRESSES = {
    IMPORT: {"POST"},
    f"{IMPORT}/preview": {"POST"},
    f"{IMPORT}/options/properties": {"POST"},
    "/sources": {"GET"},
    f"/sources/{UNKNOWN}": {"GET", "DELETE"},
    "/sources/not-an-id": {"GET", "DELETE"},
    f"/sources/{UNKNOWN}/data": {"GET"},
    f"/sources/{UNKNOWN}/diff": {"GET"},
    f"/sources/{UNKNOWN}/status": {"PATCH"},
    f"/sources/{UNKNOWN}/sync": {"POST"},
    "/workflows": {"GET"},
    f"/workflows/{UNKNOWN}/sheets/{UNKNOWN}/inputs": {"GET"},
    "/writes": {"GET"},
    **{f"/writes/{UNKNOWN}/{what}": {"GET", "POST"} for what in WRITES},
    "/openapi.json": {"GET", "HEAD"},
    "/static/swagger-ui.css": {"GET", "HEAD"},
    "/docs": {"GET"},
}


@pytest.mark.parametrize(("path", "taken"), ADDRESSES.items())
def test_a_method_that_an_address_does_not_take_is_405_with_all_that_it_does(
    api: Api, path: str, taken: set[str]
) -> None:
    for method in METHODS:
        answer = api.call(method, path)
        assert (answer.status_code != 405) is (method in taken), method
        if method not in taken:
            assert set(answer.headers["allow"].split(", ")) == taken
            assert method == "HEAD" or refused(answer, 405)


def test_the_addresses_are_all_that_there_are(api: Api) -> None:
    documented = api.get("/openapi.json").json()["paths"]
    known = {
        path.replace("not-an-id", UNKNOWN): taken for path, taken in ADDRESSES.items() if "." not in path
    }
    for path, operations in documented.items():
        address = re.sub(r"\{\w+\}", UNKNOWN, path.removeprefix("/api/v1"))
        assert {method.upper() for method in operations} == known[address]


def test_no_other_site_is_asked_for_its_leave(api: Api) -> None:
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
    assert {field for field, _ in problems(api.post(IMPORT, json=body))} == {
        "name",
        "propertis",
        "schedule",
        "expiration_date",
        "filters.conditions[0].conditions[0].condition",
        "options.max_tokens",
    }


def test_a_preview_takes_four_keys_and_names_every_other(api: Api) -> None:
    path = f"{IMPORT}/preview"
    assert api.post(path, json={"object_type": "deals", "properties": ["title"]}).status_code == 200
    assert api.post(path, json=previewed(DEALS) | {"properties_metadata": []}).status_code == 200
    body = DEALS | {
        "expiration_date": None,
        "pull_existing": True,
        "options": {},
        "id": UNKNOWN,
        "propertis": None,
        "filters": {"conditions": [{"variable": "status", "condition": "equls"}]},
    }
    others = {
        "name",
        "pull_mode",
        "schedule",
        "expiration_date",
        "pull_existing",
        "options",
        "id",
        "propertis",
    }
    assert problems(api.post(path, json=body)) == {
        *((field, "unknown_field") for field in others),
        ("filters.conditions[0].condition", "unknown_condition"),
    }
    assert problems(api.post(path, json={})) == {("object_type", "missing"), ("properties", "missing")}
    assert problems(api.post(path, json={"object_type": "deals", "properties": []})) == {
        ("properties", "empty")
    }
    assert problems(api.post(IMPORT, json=STAGES | {"colour": None})) == {("colour", "unknown_field")}


def test_what_the_account_does_not_have_is_400_too(api: Api) -> None:
    body = DEALS | {"properties": ["title", "colour"]}
    for path, sent in ((IMPORT, body), (f"{IMPORT}/preview", previewed(body))):
        assert ("properties[1]", "unknown_property") in problems(api.post(path, json=sent))
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


def test_a_body_has_a_largest_size(start_api: StartApi, demo: DemoServer) -> None:
    api = start_api(demo, max_body_bytes=2_000)
    large = b'{"name": "' + b"x" * 2_000 + b'"}'
    headers = {"Content-Type": "application/json"}
    refused(api.post(IMPORT, content=large, headers=headers), 413)

    def chunks() -> Any:
        yield from (large[start : start + 100] for start in range(0, len(large), 100))

    refused(api.post(IMPORT, content=chunks(), headers=headers), 413)


NEED_AN_ACCOUNT: dict[str, dict[str, Any]] = {
    IMPORT: DEALS,
    f"{IMPORT}/preview": previewed(DEALS),
    f"{IMPORT}/options/properties": {"context": {"object_type": "deals"}},
}


def not_connected(answer: httpx.Response) -> str:
    """The hint of a call that is refused because there is no account."""
    content = refused(answer, 424)
    assert content["message"] == NOT_CONNECTED
    assert content.keys() == {"status", "error", "message", "hint"}
    assert "PIPEDRIVE_API_TOKEN" in content["hint"]
    return str(content["hint"])


@pytest.mark.parametrize(("path", "body"), NEED_AN_ACCOUNT.items())
@pytest.mark.parametrize("token", [None, "f" * 40, "a b"])
def test_no_account_comes_before_everything_that_is_wrong_with_a_call_that_needs_one(
    start_api: StartApi, demo: DemoServer, token: str | None, path: str, body: dict[str, Any]
) -> None:
    known = {"PIPEDRIVE_API_TOKEN": token} if token else {}
    api = start_api(variables={"PIPEDRIVE_API_URL": demo.url} | known)
    wrong: list[dict[str, Any]] = [{"json": body}, {"json": {"x": 1}}, {"content": b"{"},
                                   {"json": body, "params": {"x": 1}}]  # fmt: skip
    for sent in wrong:
        answer = api.post(path, **sent)
        assert not_connected(answer)
        assert not token or token not in answer.text
    refused(api.post(path, key="workflows:read", json={"x": 1}), 403)
    refused(api.post(path, key=None, json={"x": 1}), 401)
    assert api.get("/sources").json()["data"] == []


def test_calls_that_need_no_account_ask_none(start_api: StartApi) -> None:
    api = start_api()
    source = api.add(**STAGES)
    assert api.get(f"/sources/{source.id}/data").status_code == 200
    assert problems(api.post(f"/sources/{source.id}/sync", json={}))
    assert problems(api.call("PATCH", f"/sources/{source.id}/status", json={}))


def test_finding_out_whether_a_token_is_accepted_is_asked_once_in_a_while(
    start_api: StartApi, fresh_demo: FreshDemo
) -> None:
    account = fresh_demo()
    api = start_api(account)
    for path in NEED_AN_ACCOUNT:
        assert problems(api.post(path, json={}))
    assert [request.path for request in account.account.requests] == ["/v1/users/me"]


def test_a_wrong_body_is_400_where_pipedrive_does_not_answer(start_api: StartApi) -> None:
    api = start_api(variables={"PIPEDRIVE_API_URL": NOBODY, "PIPEDRIVE_API_TOKEN": "f" * 40})
    assert problems(api.post(f"{IMPORT}/preview", json={}))


def test_a_pipedrive_that_does_not_answer_is_502(
    start_api: StartApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "USUAL_PATIENCE", SHORT)
    api = start_api(variables={"PIPEDRIVE_API_URL": NOBODY, "PIPEDRIVE_API_TOKEN": "f" * 40})
    answer = api.post(f"{IMPORT}/preview", json=previewed(DEALS))
    assert "PIPEDRIVE_API_URL" in refused(answer, 502)["message"]


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

"""What stands before every call: keys, the rate limit, the access log."""

from __future__ import annotations

import json
import logging
import re
import socket
from typing import Any

import httpx
import pytest

from pipedrive_orchestration.api.app import CLIENT_GONE
from pipedrive_orchestration.api.keys import ApiKeys, InvalidKeysError, Scope, new_key
from pipedrive_orchestration.demo import DemoServer
from pipedrive_orchestration_tests.api.conftest import StartApi
from pipedrive_orchestration_tests.api.serving import DEALS, Api, previewed
from pipedrive_orchestration_tests.api.test_order_of_checks import IMPORT, refused
from pipedrive_orchestration_tests.orchestration.live import wait_for

LIMIT_HEADERS = {"x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"}


def test_a_key_opens_what_its_entry_says_and_the_entry_does_not_hold_it() -> None:
    secret, key = new_key("reporting", [Scope.SOURCES_READ, Scope.WORKFLOWS_READ])
    entry = str(key)
    assert re.fullmatch(r"reporting/sources:read\+workflows:read/[0-9a-f]{32}/[0-9a-f]{64}", entry)
    assert secret not in entry
    assert secret not in repr(key)
    other_secret, other = new_key("other", [Scope.SOURCES_WRITE])
    keys = ApiKeys.parse(f" {entry},\n{other} ")
    found = keys.find(secret)
    assert found is not None
    assert (found.name, set(found.scopes)) == ("reporting", {Scope.SOURCES_READ, Scope.WORKFLOWS_READ})
    for wrong in ("", secret[:-1], secret + "x", secret.upper(), key.digest.hex(), entry):
        assert keys.find(wrong) is None
    assert keys.find(other_secret) == other
    assert new_key("reporting", [Scope.SOURCES_READ])[1].salt != key.salt


def test_entries_that_are_wrong_are_named_by_number_and_never_shown() -> None:
    _, key = new_key("good", [Scope.SOURCES_READ])
    wrong = "crm/sources:reed/" + "a" * 32 + "/" + "b" * 64
    with pytest.raises(InvalidKeysError) as error:
        ApiKeys.parse(f"{key}, just-a-secret, {wrong}, {key}")
    assert "entry 2: is not name/scopes/salt/hash" in str(error.value)
    assert "entry 3: sources:reed is none of sources:read" in str(error.value)
    assert "the name good stands twice" in str(error.value)
    assert "just-a-secret" not in str(error.value)
    assert key.digest.hex() not in str(error.value)


@pytest.mark.parametrize(("name", "scopes"), [("a b", list(Scope)), ("", list(Scope)), ("good", [])])
def test_what_no_entry_could_hold_is_no_key(name: str, scopes: list[Scope]) -> None:
    with pytest.raises(InvalidKeysError):
        new_key(name, scopes)


def test_every_answer_tells_the_limit_and_what_is_too_much_is_429(start_api: StartApi) -> None:
    api = start_api(requests_per_minute=5)
    seen = []
    for path in ("/sources", "/sources/abc", "/nothing", "/sources?x=1", f"{IMPORT}/preview"):
        answer = api.get(path)
        assert answer.status_code in (200, 400, 404, 405)
        assert answer.headers.keys() >= LIMIT_HEADERS
        assert answer.headers["x-ratelimit-limit"] == "5"
        seen.append(int(answer.headers["x-ratelimit-remaining"]))
    assert seen == [4, 3, 2, 1, 0]
    for _ in range(2):
        answer = api.get("/sources")
        assert "Too many requests" in refused(answer, 429)["message"]
        assert 0 < int(answer.headers["retry-after"]) <= 60
        assert answer.headers["retry-after"] == answer.headers["x-ratelimit-reset"]
        assert answer.headers["x-ratelimit-remaining"] == "0"
    # Every key has its own limit, and so have those who have none.
    assert api.get("/sources", key="sources:read").status_code == 200
    assert [api.get("/sources", key=None).status_code for _ in range(6)] == [401] * 5 + [429]
    assert api.get("/docs", key=None).status_code == 429


def test_without_keys_only_this_machine_may_call(start_api: StartApi) -> None:
    api = start_api(keys=None)
    assert api.get("/sources", key=None).status_code == 200
    for host in ("localhost", "[::1]:8000", "127.0.0.1:1"):
        assert api.get("/sources", key=None, headers={"Host": host}).status_code == 200
    for host in ("evil.example", "127.0.0.1.evil.example:80", "["):
        answer = api.get("/sources", key=None, headers={"Host": host})
        assert "only programs on this machine" in refused(answer, 401)["message"]


def test_the_description_needs_no_key_and_nobody_elses_server(api: Api) -> None:
    page = api.get("/docs", key=None)
    assert page.status_code == 200
    addresses = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert addresses
    for address in addresses:
        assert address.startswith("/api/v1/static/")
        assert api.get(address.removeprefix("/api/v1"), key=None).status_code == 200


def test_the_access_log_is_json_without_secrets(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="pipedrive_orchestration.api.access"):
        api.get("/sources?token=hunter2")
        api.get("/sources/%0a%22forged", key=None)
        labels = {"properties_metadata": [{"name": "title", "label": "hunter2"}]}
        api.post(f"{IMPORT}/preview", json=previewed(DEALS) | labels)
    everything = [json.loads(record.message) for record in caplog.records]
    # A call is logged after its answer, so the last one of another test may stand here too.
    entries = [entry for entry in everything if "/static/" not in entry["path"]]
    assert [(entry["method"], entry["status"]) for entry in entries] == [
        ("GET", 400),
        ("GET", 401),
        ("POST", 200),
    ]
    assert [entry["caller"] for entry in entries] == ["key all", "address 127.0.0.1", "key all"]
    assert entries[1]["path"] == '/api/v1/sources/\n"forged'
    assert entries[0].keys() == {"time", "method", "path", "status", "milliseconds", "caller", "address"}
    assert not any("\n" in record.message for record in caplog.records)
    written = caplog.text
    token = api.context.settings.api_token
    assert token is not None
    for secret in ("hunter2", *api.secrets.values(), token.get_secret_value()):
        assert secret not in written


def logged(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    return [
        json.loads(record.message)
        for record in caplog.records
        if record.name == "pipedrive_orchestration.api.access"
    ]


@pytest.mark.parametrize(
    "whole", [b"Content-Length: 100\r\n\r\n{", b"Transfer-Encoding: chunked\r\n\r\n5\r\n{"]
)
def test_a_client_that_goes_away_while_it_sends_is_one_line(
    start_api: StartApi, demo: DemoServer, caplog: pytest.LogCaptureFixture, whole: bytes
) -> None:
    api = start_api(demo)
    address = httpx.URL(api.url)
    head = (
        f"POST /api/v1{IMPORT}/preview HTTP/1.1\r\nHost: {address.host}\r\n"
        f"Authorization: Bearer {api.secrets['all']}\r\nContent-Type: application/json\r\n"
    )
    with caplog.at_level(logging.INFO):
        with socket.create_connection((address.host, address.port or 80)) as client:
            client.sendall(head.encode() + whole)
        wait_for("line in the log", lambda: logged(caplog), seconds=10, pause=0.01)
        # What is answered later is logged later.
        assert api.get("/sources").status_code == 200
    assert logged(caplog)[0]["status"] == CLIENT_GONE
    assert not [record for record in caplog.records if record.exc_info or record.levelno > logging.INFO]


@pytest.mark.parametrize(
    ("proxies", "forwarded", "address"),
    [
        ("", "203.0.113.7", "127.0.0.1"),
        ("10.0.0.0/8", "203.0.113.7", "127.0.0.1"),
        ("127.0.0.1", "203.0.113.7", "203.0.113.7"),
        ("10.0.0.0/8, 127.0.0.1", "198.51.100.1, 203.0.113.7, 10.1.2.3", "203.0.113.7"),
        ("127.0.0.1", "", "127.0.0.1"),
    ],
)
def test_only_a_proxy_that_is_named_says_who_calls(
    start_api: StartApi, caplog: pytest.LogCaptureFixture, proxies: str, forwarded: str, address: str
) -> None:
    api = start_api(variables={"PIPEDRIVE_API_PROXIES": proxies})
    with caplog.at_level(logging.INFO, logger="pipedrive_orchestration.api.access"):
        api.get("/sources", key=None, headers={"X-Forwarded-For": forwarded})
    (entry,) = logged(caplog)
    assert (entry["address"], entry["caller"]) == (address, f"address {address}")


def test_a_caller_that_is_no_proxy_has_one_limit_whatever_it_says(start_api: StartApi) -> None:
    api = start_api(requests_per_minute=2)
    statuses = [
        api.get("/sources", key=None, headers={"X-Forwarded-For": f"203.0.113.{number}"}).status_code
        for number in range(3)
    ]
    assert statuses == [401, 401, 429]

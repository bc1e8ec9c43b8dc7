"""The HTTP API under attack: pages of other sites, bodies, paths, headers, logs, webhooks, slow callers."""

from __future__ import annotations

import json
import logging
import socket
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from pipedrive_orchestration.api import timeouts
from pipedrive_orchestration.api.timeouts import HeadTimeoutProtocol
from pipedrive_orchestration_tests.api.serving import STAGES, Api, listening
from pipedrive_orchestration_tests.attack.conftest import PASSWORD, USER

PREVIEW = "/sources/import_from_pipedrive/preview"


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:1"},
        {"host": "evil.example"},
        {"host": "127.0.0.1.evil.example"},
        {"host": "evil.example", "origin": "http://evil.example"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_a_page_of_another_site_is_nobody_where_there_are_no_keys(
    open_api: Api, headers: dict[str, str]
) -> None:
    for method, path in (("GET", "/sources"), ("POST", "/sources/import_from_pipedrive")):
        sent = {"content-type": "text/plain", **headers}
        answer = open_api.call(method, path, key=None, headers=sent, content=json.dumps(STAGES))
        assert answer.status_code == 401
    assert open_api.store.load().sources == ()
    assert open_api.call("GET", "/sources", key=None).status_code == 200


def test_no_page_of_another_site_may_read_an_answer(api: Api) -> None:
    answer = api.call("OPTIONS", "/sources", headers={"origin": "http://evil.example",
                                                      "access-control-request-method": "GET"})  # fmt: skip
    assert not [name for name in answer.headers if name.startswith("access-control-")]


@pytest.mark.parametrize(
    "content",
    [
        b"[" * 100_000,
        b'{"filters":' * 50_000,
        b'{"object_type": "deals", "properties": ' + b"[" * 400_000 + b"]" * 400_000 + b"}",
        b'{"name": "' + b"x" * 5_000_000 + b'"}',
        b"\x00" * 1000,
        b'{"a": 1e999999999}',
        b'{"properties": [' + b"1," * 400_000 + b"1]}",
        '{"name": "\ud800"}'.encode("utf-8", "surrogatepass"),
    ],
    ids=["deep", "deep objects", "deep properties", "long", "nul", "huge number", "many", "half a letter"],
)  # fmt: skip
def test_bodies_that_are_huge_or_deep_are_refused_at_once(api: Api, content: bytes) -> None:
    for path in (PREVIEW, "/sources/import_from_pipedrive"):
        answer = api.post(path, content=content, headers={"content-type": "application/json"})
        assert answer.status_code in (400, 413), answer.text[:200]
        assert len(answer.content) < 100_000


@pytest.mark.parametrize(
    "path",
    [
        "/sources/..%2f..%2f..%2fetc%2fpasswd",
        "/sources/../../../../etc/passwd",
        "/sources/%2e%2e/%2e%2e/.env",
        "/static/..%2f..%2f..%2f..%2fetc/passwd",
        "/static/%2e%2e/%2e%2e/middleware.py",
        "/docs/..%2f..%2f.env",
        "/writes/..%2f..%2fetc%2fpasswd",
        "/workflows/%00/sheets/%00/inputs",
    ],
)
def test_no_path_leads_out_of_its_place(api: Api, path: str) -> None:
    answer = api.get(path)
    assert answer.status_code in (400, 404, 405)
    assert "root:" not in answer.text
    assert "import " not in answer.text


@pytest.mark.parametrize("name", ["../../escaped", "/etc/escaped", "..", "a/b", "a\x00b", "con:"])
def test_no_name_of_a_source_leads_out_of_the_folder(api: Api, name: str) -> None:
    before = {path for path in api.store.project.parent.rglob("*") if path.is_file()}
    answer = api.post("/sources/import_from_pipedrive", json={**STAGES, "name": name})
    made = {path for path in api.store.project.parent.rglob("*") if path.is_file()} - before
    sources = [path for path in made if path.suffix == ".yaml"]
    assert all(path.parent == api.store.project / "sources" for path in sources)
    assert answer.status_code in (201, 400)


def test_a_line_of_the_log_is_one_line_whatever_is_asked_for(
    api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="pipedrive_orchestration.api.access"):
        forged = '%0a{"status": 200, "caller": "key all"}%0d%0a'
        api.call(
            "GET",
            f"/sources/{forged}?token=s3cr3t",
            headers={"x-forwarded-for": "6.6.6.6"},
        )
    lines = [record.getMessage() for record in caplog.records if "sources/" in record.getMessage()]
    assert lines
    for line in lines:
        assert "\n" not in line
        assert "s3cr3t" not in line
        assert json.loads(line)["address"] == "127.0.0.1"


@pytest.mark.parametrize(
    "auth", [None, (USER, ""), (USER, "wrong"), ("", PASSWORD), (USER, PASSWORD + " "), (USER, "x" * 100_000)]
)
def test_webhooks_that_do_not_sign_in_leave_nothing(api: Api, auth: tuple[str, str] | None) -> None:
    signed = httpx.Auth() if auth is None else httpx.BasicAuth(*auth)
    answer = api.client.post("/webhooks/pipedrive", content=b'{"data": {}}', auth=signed)
    assert answer.status_code in (401, 400, 431)
    inbox = api.context.settings.inbox
    assert inbox is not None
    assert not [path for path in inbox.rglob("*") if path.is_file() and path.stat().st_size]


# --- Headers, pages ---------------------------------------------------------------------------------------


def raw_request(api: Api, *lines: str) -> tuple[int, bytes]:
    """The status of an answer to a head that is sent as it is, and all of the answer."""
    where = urlsplit(str(api.client.base_url))
    with socket.create_connection(("127.0.0.1", where.port or 0), timeout=20) as connection:
        connection.sendall("\r\n".join([*lines, "Connection: close", "", ""]).encode("latin-1"))
        answer = b""
        while part := connection.recv(65536):
            answer += part
    return int(answer.split(b" ", 2)[1]) if answer else 0, answer


SOURCES = "GET /api/v1/sources HTTP/1.1"
HERE = "Host: 127.0.0.1"


@pytest.mark.parametrize(
    "lines",
    [
        (HERE, "Host: evil.example"),
        ("Host: evil.example", HERE),
        ("Host: 127.0.0.1, evil.example",),
        ("Host: [",),
        ("Host: evil.example@127.0.0.1.",),
        (HERE, "Origin: http://["),
        (HERE, "Origin: http://127.0.0.1", "Origin: http://evil.example"),
        (HERE, "Sec-Fetch-Site: none", "Sec-Fetch-Site: cross-site"),
        ("Host: evil.example", "X-Forwarded-Host: 127.0.0.1"),
        ("Host: evil.example", "X-Forwarded-For: 127.0.0.1", "Forwarded: for=127.0.0.1;host=127.0.0.1"),
    ],
)
def test_no_header_makes_a_stranger_one_of_this_machine(open_api: Api, lines: tuple[str, ...]) -> None:
    status, answer = raw_request(open_api, SOURCES, *lines)
    assert status in (400, 401), answer[:200]
    assert raw_request(open_api, SOURCES, HERE)[0] == 200


def test_of_two_keys_none_is_taken(api: Api) -> None:
    good = f"Authorization: Bearer {api.secrets['all']}"
    assert raw_request(api, SOURCES, HERE, good)[0] == 200
    for lines in ((good, "Authorization: Bearer x"), ("Authorization: Bearer x", good), (good, good)):
        assert raw_request(api, SOURCES, HERE, *lines)[0] == 401
    signed = httpx.BasicAuth(USER, PASSWORD)
    request = next(signed.auth_flow(httpx.Request("POST", "http://127.0.0.1")))
    basic = f"Authorization: {request.headers['authorization']}"
    hook = "POST /webhooks/pipedrive HTTP/1.1"
    assert raw_request(api, hook, HERE, basic, basic, "Content-Length: 0")[0] == 401


@pytest.mark.parametrize(
    "head",
    [
        ("Content-Length: 5", "Transfer-Encoding: chunked"),
        ("Content-Length: 5", "Content-Length: 6"),
        ("Content-Length: -1",),
        ("Content-Length: 99999999999999999999999999",),
        ("Transfer-Encoding: chunked, identity",),
    ],
)
def test_a_request_of_which_two_servers_would_see_different_ends_is_refused(
    api: Api, head: tuple[str, ...]
) -> None:
    good = f"Authorization: Bearer {api.secrets['all']}"
    kind = "Content-Type: application/json"
    hidden = "0\r\n\r\nGET /api/v1/sources HTTP/1.1\r\nHost: 127.0.0.1\r\n" + good
    status, answer = raw_request(api, f"POST /api/v1{PREVIEW} HTTP/1.1", HERE, good, kind, *head, "", hidden)
    assert status in (0, 400, 413, 501)
    assert b"HTTP/1.1 200" not in answer


NO_PAGES = (
    "0",
    "-1",
    "1e3",
    "9" * 5000,
    "1.5",
    "NaN",
    "1 OR 1=1",
    "1;--",
    "\u0661",
    "0x10",
    str(2**64),
    "%00",
)


def test_no_page_number_is_more_than_a_number(api: Api) -> None:
    source = api.add(**STAGES)
    try:
        for value in NO_PAGES:
            for name in ("page_no", "page_size"):
                answer = api.get(f"/sources/{source.id}/data", params={name: value})
                assert answer.status_code == 400, (name, value)
                assert len(answer.content) < 20_000
            for name in ("start", "limit"):
                if (name, value) == ("start", "0"):
                    continue
                answer = api.client.get(
                    "/v1/e/pipedrive/export/persons",
                    params={name: value},
                    headers={"authorization": f"Bearer {api.secrets['all']}"},
                )
                assert answer.status_code == 400, (name, value)
        last = api.get(f"/sources/{source.id}/data", params={"page_no": 2**53 - 1, "page_size": 100})
        assert (last.status_code, last.json()["data"]["rows"]) == (200, [])
    finally:
        api.call("DELETE", f"/sources/{source.id}")


# --- Slow callers -----------------------------------------------------------------------------------------


@pytest.fixture
def slow(api: Api, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The address of an API that waits for tenths of a second."""
    monkeypatch.setattr(timeouts, "HEAD_SECONDS", 0.3)
    monkeypatch.setattr(timeouts, "BODY_SECONDS", 0.3)
    from pipedrive_orchestration.api.app import create_app  # noqa: PLC0415

    with listening(create_app(api.context), http=HeadTimeoutProtocol, timeout_keep_alive=1) as url:
        yield urlsplit(url)


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"GET /api/v1/sources HTTP/1.1\r\nHost: 127.0.0.1\r\nX-A: ",
        b"GET /api/v1/docs HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\nGET /api/v1/docs HTTP/1.1\r\nX-B: ",
        b"POST /webhooks/pipedrive HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\n{",
        b"POST /api/v1/sources/import_from_pipedrive/preview HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        b"Authorization: Bearer KEY\r\nContent-Length: 100\r\n\r\n{",
    ],
    ids=["nothing", "half a head", "a second half head", "half a webhook", "half a body"],
)
def test_who_sends_a_byte_a_minute_is_let_go(api: Api, slow: Any, sent: bytes) -> None:
    sent = sent.replace(b"KEY", api.secrets["all"].encode())
    with socket.create_connection((slow.hostname, slow.port), timeout=20) as connection:
        connection.sendall(sent)
        # It ends by itself, whatever was answered before.
        while connection.recv(65536):
            pass

"""What the guard lets through to Dagster's web server, and what a web page of somebody else's cannot do."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pipedrive_orchestration.services.web_guard import LOCAL_HOSTS, WebGuard

HOST = "127.0.0.1:3000"
MUTATION = "/graphql?query=mutation{launchMultipleRuns}"


async def application(scope: Any, receive: Any, send: Any) -> None:
    """What is guarded: answers everything."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.accept"})
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"in"})


def ask(method: str, path: str, **headers: str) -> httpx.Response:
    async def request() -> httpx.Response:
        transport = httpx.ASGITransport(WebGuard(application))
        async with httpx.AsyncClient(transport=transport, base_url=f"http://{HOST}") as client:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            return await client.request(method, path, headers=named)

    return asyncio.run(request())


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("GET", "/", {}),
        ("POST", "/graphql", {}),
        ("GET", "/", {"host": "localhost:3000"}),
        ("GET", "/", {"host": "[::1]:3000"}),
        ("GET", "/server_info", {"sec_fetch_site": "none", "sec_fetch_mode": "navigate"}),
        ("POST", "/graphql", {"origin": f"http://{HOST}", "sec_fetch_site": "same-origin"}),
        ("POST", "/graphql", {"host": "LOCALHOST:3000", "origin": "http://LOCALHOST:3000"}),
        ("GET", "/graphql", {"sec_fetch_site": "same-origin"}),
        (
            "GET", "/assets",
            {"sec_fetch_site": "cross-site", "sec_fetch_mode": "navigate", "sec_fetch_dest": "document"},
        ),
    ],
)  # fmt: skip
def test_dagsters_own_pages_links_and_programs_come_in(
    method: str, path: str, headers: dict[str, str]
) -> None:
    assert ask(method, path, **headers).text == "in"


@pytest.mark.parametrize(
    ("status", "method", "path", "headers"),
    [
        (421, "GET", "/", {"host": "evil.example"}),
        (421, "POST", "/graphql", {"host": "evil.example:3000", "origin": "http://evil.example:3000"}),
        (421, "GET", "/", {"host": "127.0.0.1.evil.example:3000"}),
        (421, "GET", "/", {"host": "localhost@evil.example"}),
        (421, "GET", "/", {"host": "[::1"}),
        (403, "POST", "/graphql", {"origin": "https://evil.example"}),
        (403, "POST", "/graphql", {"origin": "null"}),
        (403, "POST", "/graphql", {"origin": "http://127.0.0.1:8000"}),
        (403, "POST", "/graphql", {"origin": f"http://{HOST}.evil.example"}),
        (403, "POST", "/report_asset_materialization/x", {"sec_fetch_site": "same-site"}),
        (403, "GET", MUTATION, {"sec_fetch_site": "cross-site", "sec_fetch_mode": "no-cors"}),
        (
            403, "GET", "/",
            {"sec_fetch_site": "cross-site", "sec_fetch_mode": "navigate", "sec_fetch_dest": "iframe"},
        ),
        (
            403, "POST", "/graphql",
            {"sec_fetch_site": "cross-site", "sec_fetch_mode": "navigate", "sec_fetch_dest": "document"},
        ),
        (
            405, "GET", MUTATION,
            {"sec_fetch_site": "cross-site", "sec_fetch_mode": "navigate", "sec_fetch_dest": "document"},
        ),
        (405, "GET", MUTATION, {}),
        (405, "HEAD", MUTATION, {}),
        (405, "GET", "/graphql/?variables={}&query={version}", {}),
    ],
)  # fmt: skip
def test_what_another_page_could_send_is_refused_with_a_sentence(
    status: int, method: str, path: str, headers: dict[str, str]
) -> None:
    answer = ask(method, path, **headers)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert method == "HEAD" or answer.text.endswith(".\n")
    assert status != httpx.codes.METHOD_NOT_ALLOWED or answer.headers["allow"] == "POST"


@given(st.from_regex(r"[a-z0-9.@-]{1,20}(:[0-9]{1,5})?", fullmatch=True))
def test_no_other_name_of_a_host_comes_in(host: str) -> None:
    assume(host.partition(":")[0].rpartition("@")[2] not in LOCAL_HOSTS)
    assert ask("GET", "/", host=host).status_code == httpx.codes.MISDIRECTED_REQUEST


@pytest.mark.parametrize(("origin", "opened"), [(f"http://{HOST}", True), ("https://evil.example", False)])
def test_subscriptions_are_opened_by_dagsters_own_pages_alone(origin: str, opened: bool) -> None:
    sent: list[str] = []

    async def send(message: Any) -> None:
        sent.append(message["type"])

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    headers = [(b"host", HOST.encode()), (b"origin", origin.encode())]
    scope = {"type": "websocket", "path": "/graphql", "query_string": b"", "headers": headers}
    asyncio.run(WebGuard(application)(scope, receive, send))
    assert sent == ["websocket.accept" if opened else "websocket.close"]


def test_the_life_of_the_application_is_none_of_its_business() -> None:
    reached: list[str] = []

    async def living(scope: Any, receive: Any, send: Any) -> None:
        reached.append(scope["type"])

    asyncio.run(WebGuard(living)({"type": "lifespan"}, None, None))  # type: ignore[arg-type]
    assert reached == ["lifespan"]

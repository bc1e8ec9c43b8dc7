"""The guard before Dagster's UI against a real browser that has a page of another site open."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import pytest

from pipedrive_orchestration.services.web_guard import WebGuard
from pipedrive_orchestration_tests.api.serving import listening

pytestmark = pytest.mark.ui

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

ATTACKS = {
    "image": "put(`<img src='${url}/graphql?query=mutation{launchRun}'>`)",
    "script": "const script = document.createElement('script'); script.src = `${url}/graphql?query=m`; "
    "document.head.append(script)",
    "fetch": "fetch(`${url}/graphql`, {method: 'POST', body: 'mutation'}).catch(() => 0)",
    "no cors": "fetch(`${url}/graphql`, {method: 'POST', mode: 'no-cors', body: 'mutation'}).catch(() => 0)",
    "beacon": "navigator.sendBeacon(`${url}/graphql`, 'mutation')",
    "read": "fetch(`${url}/logs`).then(r => r.text()).then(t => { window.stolen = t }).catch(() => 0)",
    "form": "put(`<iframe name=f></iframe><form target=f method=post enctype=text/plain "
    "action='${url}/graphql'><input name='{' value='}'></form>`); document.forms[0].submit()",
    "frame": "put(`<iframe src='${url}/'></iframe>`)",
    "link to a mutation": "location = `${url}/graphql?query=mutation{launchRun}`",
    "socket": "new WebSocket(`${url.replace('http', 'ws')}/graphql`, 'graphql-ws')",
    "stylesheet": "put(`<link rel=stylesheet href='${url}/x.css'>`)",
}
PAGE = (
    "(() => {{ const put = html => document.body.insertAdjacentHTML('beforeend', html); "
    "const url = '{url}'; {attack} }})()"
)
"""What a page runs."""


@dataclass
class Guarded:
    """What stands behind the guard, and what came in."""

    url: str = ""
    came: list[str] = field(default_factory=list)
    came_in: list[str] = field(default_factory=list)

    async def door(self, scope: Any, receive: Any, send: Any) -> None:
        """What the browser reaches."""
        if scope["type"] != "lifespan":
            self.came.append(scope["path"])
        await WebGuard(self)(scope, receive, send)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            while (message := await receive())["type"] != "lifespan.shutdown":
                await send({"type": f"{message['type']}.complete"})
            await send({"type": "lifespan.shutdown.complete"})
            return
        if scope["path"] != "/favicon.ico":  # which the browser asks of its own accord
            self.came_in.append(f"{scope.get('method', 'socket')} {scope['path']}")
        if scope["type"] == "websocket":
            await send({"type": "websocket.accept"})
            return
        headers = [(b"content-type", b"text/html"), (b"content-length", b"6")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"inside"})


@pytest.fixture(scope="module")
def guarded() -> Iterator[Guarded]:
    application = Guarded()
    with listening(application.door, ws="auto", interface="asgi3") as url:
        application.url = url
        yield application


@pytest.fixture(scope="module")
def evil() -> Iterator[str]:
    """The address of a site that answers any path with an empty page."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.end_headers()
            self.wfile.write(b"<!doctype html><body>")

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield f"http://evil.example:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("there is no chromium; on Debian: apt-get install chromium")
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - it takes a while, and others need it not

    with sync_playwright() as playwright:
        # A name of somebody else's that leads to this machine, as their name server can make it.
        rebound = "--host-resolver-rules=MAP evil.example 127.0.0.1"
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", rebound])
        yield browser
        browser.close()


@pytest.mark.parametrize("host", ["evil.example", "localhost"])
def test_no_page_of_another_site_gets_anything_in(
    browser: Any, guarded: Guarded, evil: str, host: str
) -> None:
    """Neither one of another name nor one of this machine's on another port, which is the same site."""
    address, reached = evil.replace("evil.example", host), 0
    for name, attack in ATTACKS.items():
        page = browser.new_page()
        page.goto(address)
        guarded.came.clear()
        guarded.came_in.clear()
        page.evaluate(PAGE.format(url=guarded.url, attack=attack))
        for _ in range(50):
            if guarded.came:
                break
            page.wait_for_timeout(20)  # the browser itself holds some of them back
        if name == "read":
            assert page.evaluate("window.stolen") is None
        page.close()
        assert guarded.came_in == [], name
        reached += bool(guarded.came)
    assert reached > len(ATTACKS) / 2


def test_a_name_that_is_made_to_lead_here_opens_nothing(browser: Any, guarded: Guarded) -> None:
    port = urlsplit(guarded.url).port
    page = browser.new_page()
    guarded.came_in.clear()
    answer = page.goto(f"http://evil.example:{port}/")
    assert answer.status == 421
    # From the page that the rebound name gave, requests to that name are of the same origin.
    assert page.evaluate("fetch('/graphql', {method: 'POST', body: 'x'}).then(r => r.status)") == 421
    assert guarded.came_in == []
    page.close()


def test_dagsters_own_page_is_let_in(browser: Any, guarded: Guarded) -> None:
    page = browser.new_page()
    guarded.came_in.clear()
    page.goto(guarded.url)
    assert page.evaluate("fetch('/graphql', {method: 'POST', body: 'x'}).then(r => r.text())") == "inside"
    opened = (
        "new Promise(done => { const s = new WebSocket(location.origin.replace('http', 'ws') + '/graphql');"
        " s.onopen = () => done(true); s.onerror = () => done(false) })"
    )
    assert page.evaluate(opened)
    assert "POST /graphql" in guarded.came_in
    assert "socket /graphql" in guarded.came_in
    page.close()

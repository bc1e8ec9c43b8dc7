"""A loopback server that gives prepared answers, for what no demo account would ever say."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from pipedrive_orchestration.pipedrive.auth import Connection
from pipedrive_orchestration_tests.clocks import PRESENT

TOKEN = "c0ffee" * 6 + "c0de"

LIMITS = {
    "x-ratelimit-limit": "1000000",
    "x-ratelimit-remaining": "999999",
    "x-ratelimit-reset": "2",
}


@dataclass(frozen=True)
class Asked:
    """A request: path, query, and headers with lower-case names."""

    path: str
    query: dict[str, str]
    headers: dict[str, str]
    target: str

    @property
    def goes_on(self) -> bool:
        """Whether it asks for more than the first page of everything."""
        return (
            bool({"cursor", "updated_since", "ids"} & set(self.query)) or self.query.get("start", "0") != "0"
        )


@dataclass(frozen=True)
class Answer:
    """A response.

    Attributes:
        body: text or bytes as they are; anything else is written as JSON.
        missing: how many bytes of the body are announced and never sent.
    """

    body: Any = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    missing: int = 0

    def content(self) -> bytes:
        if isinstance(self.body, bytes):
            return self.body
        return (self.body if isinstance(self.body, str) else json.dumps(self.body)).encode()


Reply = Callable[[Asked], Answer]

ME_PATH = "/v1/users/me"
ME = {
    "id": 1,
    "name": "Ada",
    "email": "ada@example.com",
    "is_admin": 1,
    "company_id": 1,
    "company_name": "Acme",
}
"""Who every account says that the token belongs to."""


@dataclass
class Canned:
    """A running server: its address, and what it was asked so far."""

    url: str
    asked: list[Asked] = field(default_factory=list)

    @property
    def connection(self) -> Connection:
        return Connection.of(self.url, TOKEN)


def page(body: Any) -> Reply:
    """A list whose first page has that body and where nothing follows, whatever the body says."""
    empty = {"success": True, "data": [], "additional_data": {"next_cursor": None}}
    return lambda asked: Answer(empty if asked.goes_on else body)


def records(*found: Any) -> Reply:
    """A list of one page with these records."""
    return page({"success": True, "data": list(found), "additional_data": None})


def found_by_ids(*found: Mapping[str, Any]) -> Reply:
    """One page with these records, or with those of them that are looked up by their ids."""

    def reply(asked: Asked) -> Answer:
        wanted = asked.query.get("ids")
        shown = [one for one in found if wanted is None or str(one["id"]) in wanted.split(",")]
        return Answer({"success": True, "data": shown, "additional_data": {"next_cursor": None}})

    return reply


DENIED = Answer({"success": False, "error": "Scope and URL mismatch", "errorCode": 403}, 403)
"""What an app without the scope for a list is told."""


def in_turn(answers: Sequence[Answer]) -> Reply:
    """One answer after the other; the last one again and again."""
    left = list(answers)
    lock = threading.Lock()

    def reply(asked: Asked) -> Answer:
        with lock:
            return left.pop(0) if len(left) > 1 else left[0]

    return reply


@contextmanager
def serving(replies: Mapping[str, Reply], *, now: datetime = PRESENT) -> Iterator[Canned]:
    """Serve replies by path; any other list is empty. That the token's user is asked for is not noted.

    Args:
        replies: what is answered.
        now: what the answers' ``Date`` says.
    """

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            target = urlsplit(self.path)
            headers = {name.lower(): value for name, value in self.headers.items()}
            asked = Asked(target.path, dict(parse_qsl(target.query)), headers, self.path)
            if asked.path == ME_PATH:
                answer = Answer({"success": True, "data": ME})
            else:
                canned.asked.append(asked)
                answer = replies.get(asked.path, records())(asked)
            content = answer.content()
            self.send_response_only(answer.status)
            plain = {
                "date": format_datetime(now, usegmt=True),
                "content-type": "application/json",
                "content-length": str(len(content) + answer.missing),
            }
            for name, value in (plain | LIMITS | dict(answer.headers)).items():
                if value:
                    self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)
            if answer.missing:
                self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        canned = Canned(f"http://127.0.0.1:{server.server_address[1]}")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield canned
        finally:
            server.shutdown()
            thread.join()

"""HTTP clients of demo accounts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest

from pipedrive_orchestration.demo import DemoServer


def client_of(server: DemoServer) -> httpx.Client:
    """A client that sends the account's token."""
    return httpx.Client(base_url=server.url, headers={"x-api-token": server.token}, timeout=20, verify=False)


class Fresh:
    """An account of a test's own, with a client."""

    def __init__(self, server: DemoServer, http: httpx.Client) -> None:
        self.server = server
        self.http = http
        self.account = server.account

    def data(self, method: str, path: str, body: Any = None, **params: Any) -> Any:
        """The data of an answer that has to be a success."""
        answer = self.http.request(method, path, json=body, params=params or None)
        assert answer.status_code in {200, 201}, answer.text
        return answer.json()["data"]

    def refusal(self, method: str, path: str, body: Any = None, **params: Any) -> tuple[int, str]:
        """Status and error of an answer that has to be a refusal."""
        answer = self.http.request(method, path, json=body, params=params or None)
        assert answer.json()["success"] is False, answer.text
        return answer.status_code, answer.json()["error"]


@pytest.fixture(scope="module")
def http(demo: DemoServer) -> Iterator[httpx.Client]:
    """A client of the shared account."""
    with client_of(demo) as client:
        yield client


@pytest.fixture
def fresh(fresh_demo: Callable[..., DemoServer]) -> Iterator[Callable[..., Fresh]]:
    """Starts an account for one test with a client of it."""
    with ExitStack() as clients:

        def start(**choices: Any) -> Fresh:
            server = fresh_demo(**choices)
            return Fresh(server, clients.enter_context(client_of(server)))

        yield start

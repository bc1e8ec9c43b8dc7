"""Rules of the demo account: which requests are answered oddly, how often and how long."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from pipedrive_orchestration.demo import ODD_ANSWERS, DemoServer, Rule, odd
from pipedrive_orchestration.demo.responses import answer, both, dated, record_with, with_headers
from pipedrive_orchestration_tests.conftest import FreshDemo

PERSONS = "/api/v2/persons"


class Asking:
    """An account and a client of it."""

    def __init__(self, demo: DemoServer, client: httpx.Client) -> None:
        self.demo = demo
        self._client = client

    def __call__(self, path: str = PERSONS, **query: Any) -> httpx.Response:
        return self._client.get(path, params=query)


@pytest.fixture(scope="module")
def account(demo: DemoServer) -> Iterator[Asking]:
    with httpx.Client(base_url=demo.url, headers={"x-api-token": demo.token}, verify=False) as client:
        yield Asking(demo, client)


@pytest.fixture(autouse=True)
def right_again(account: Asking) -> Iterator[None]:
    """The account is that of other tests, too."""
    yield
    account.demo.odd.follow()


TEAPOT = answer({"success": False, "error": "tea"}, 418)


def test_the_nth_requests_that_fit_are_answered_oddly_and_no_others(account: Asking) -> None:
    account.demo.odd.follow(Rule("tea", TEAPOT, path="/api/v2/p*", query={"limit": "5"}, after=1, times=2))
    asked = [
        ("/api/v2/deals", 5),
        (PERSONS, 4),
        (PERSONS, 5),
        ("/api/v2/products", 5),
        (PERSONS, 5),
        (PERSONS, 5),
    ]
    assert [account(path, limit=limit).status_code for path, limit in asked] == [200, 200, 200, 418, 418, 200]
    account.demo.odd.follow(Rule("later pages", TEAPOT, query={"cursor": "*"}))
    first = account(limit=2)
    assert first.status_code == 200
    assert account(limit=2, cursor=first.json()["additional_data"]["next_cursor"]).status_code == 418
    account.demo.odd.follow(Rule("first pages", TEAPOT, query={"cursor": None}))
    assert account(limit=2).status_code == 418


def test_a_rule_has_a_time_and_a_share(fresh_demo: FreshDemo) -> None:
    demo = fresh_demo(scale=0.005)
    clock = demo.account.clock
    began = clock.now()
    with httpx.Client(base_url=demo.url, headers={"x-api-token": demo.token}, verify=False) as client:
        soon, later = began + timedelta(minutes=1), began + timedelta(minutes=2)
        demo.odd.follow(Rule("tea", TEAPOT, since=soon, until=later))
        found = []
        for _ in range(3):
            found.append(client.get("/api/v2/stages").status_code)
            clock.advance(timedelta(minutes=1))
        assert found == [200, 418, 200]
        demo.odd.follow(Rule("tea", TEAPOT, share=0.5))
        found = [client.get("/api/v2/stages").status_code for _ in range(40)]
        assert set(found) == {200, 418}
        demo.odd.follow(Rule("tea", TEAPOT, share=0.5))
        assert [client.get("/api/v2/stages").status_code for _ in range(40)] == found


def test_rules_that_fit_the_same_request_follow_one_another(account: Asking) -> None:
    ahead = both(dated(timedelta(days=2)), with_headers(x_ratelimit_remaining="7"))
    account.demo.odd.follow(Rule("text", record_with("id", 3, name="Three")), Rule("ahead", ahead))
    answered = account(limit=50)
    named = {one["id"]: one["name"] for one in answered.json()["data"]}
    assert [number for number, name in named.items() if name == "Three"] == [3]
    assert answered.headers["date"].startswith("Fri, 22 May 2026")
    assert answered.headers["x-ratelimit-remaining"] == "7"
    assert account.demo.odd.given["text"] == account.demo.odd.given["ahead"] > 0


@pytest.mark.parametrize("name", ODD_ANSWERS)
def test_every_odd_answer_differs_from_the_right_one(account: Asking, name: str) -> None:
    path, _ = ODD_ANSWERS[name]
    asked = {
        "*": PERSONS,
        "/api/v2/*": PERSONS,
        "/api/v2/*Fields": "/api/v2/personFields",
        "/v1/*": "/v1/leads",
    }
    query: dict[str, Any] = {"limit": 3} if path == "/v1/*" else {}
    if path == "/v1/recents":
        since = account.demo.account.clock.now() - timedelta(days=29)
        query = {"since_timestamp": f"{since:%Y-%m-%d %H:%M:%S}", "items": "person"}
    right = account(asked.get(path, path), **query)
    account.demo.odd.follow(odd(name))
    other = account(asked.get(path, path), **query)
    assert right.status_code == 200
    told = [(one.status_code, one.content, set(one.headers)) for one in (right, other)]
    assert told[0] != told[1]

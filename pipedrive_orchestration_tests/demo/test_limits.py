"""Burst window, daily budget, their headers, and what happens to clients that do not listen."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import httpx
import pytest

from pipedrive_orchestration.demo import Limits
from pipedrive_orchestration.demo.limits import Verdict
from pipedrive_orchestration_tests.demo.conftest import Fresh

HEADERS = {
    "x-ratelimit-limit",
    "x-ratelimit-remaining",
    "x-ratelimit-reset",
    "x-daily-ratelimit-token-limit",
    "x-daily-ratelimit-token-remaining",
    "x-correlation-id",
}
DAY = date(2026, 11, 21)


def test_every_answer_tells_the_limits(fresh: Callable[..., Fresh]) -> None:
    account = fresh(burst=40, daily_tokens=150_000)
    used = 0
    for number, (path, status, tokens) in enumerate(
        [
            ("/api/v2/deals", 200, 10),
            ("/api/v2/deals/archived", 200, 20),
            ("/api/v2/deals/99999999", 404, 1),
            ("/api/v2/pipelines", 200, 5),
            ("/api/v2/deals?limit=0", 400, 10),
            ("/v1/leads", 200, 20),
            ("/v1/leads/archived", 200, 40),
            ("/v1/users/me", 200, 2),
            ("/v1/deals", 410, 0),
            ("/nowhere", 404, 0),
        ],
        start=1,
    ):
        answer = account.http.get(path)
        used += tokens
        assert answer.status_code == status, path
        assert set(answer.headers) >= HEADERS
        assert answer.headers["x-ratelimit-limit"] == "40"
        assert answer.headers["x-ratelimit-remaining"] == str(40 - number)
        assert answer.headers["x-ratelimit-reset"] in {"1", "2"}
        assert answer.headers["x-daily-ratelimit-token-limit"] == "150000"
        assert answer.headers["x-daily-ratelimit-token-remaining"] == str(150_000 - used)
        assert answer.headers["content-type"] == "application/json"
    assert account.server.limits.tokens_used == used
    logged = account.account.requests
    assert [request.tokens for request in logged] == [10, 20, 1, 5, 10, 20, 40, 2, 0, 0]
    assert (logged[4].path, logged[4].query, logged[4].status) == ("/api/v2/deals", {"limit": "0"}, 400)


def test_the_burst_window_refuses_and_opens_after_the_reset(fresh: Callable[..., Fresh]) -> None:
    account = fresh(burst=5)
    statuses = [account.http.get("/v1/users/me").status_code for _ in range(6)]
    assert statuses == [200] * 5 + [429]
    refused = account.http.get("/v1/users/me")
    assert refused.json() == {"success": False, "error": "request over limit", "errorCode": 429}
    assert refused.headers["x-ratelimit-remaining"] == "0"
    assert "retry-after" not in refused.headers
    assert account.server.limits.tokens_used == 10
    time.sleep(int(refused.headers["x-ratelimit-reset"]))
    assert account.http.get("/v1/users/me").status_code == 200


def test_a_spent_budget_refuses_until_midnight_of_the_account(fresh: Callable[..., Fresh]) -> None:
    account = fresh(daily_tokens=25, born=datetime(2026, 11, 20, 23, 0, tzinfo=UTC))
    statuses = [account.http.get("/api/v2/deals").status_code for _ in range(4)]
    assert statuses == [200, 200, 200, 429]
    refused = account.http.get("/v1/users/me")
    assert refused.status_code == 429
    assert refused.headers["x-daily-ratelimit-token-remaining"] == "0"
    assert int(refused.headers["x-ratelimit-remaining"]) > 0
    account.account.clock.advance(timedelta(hours=2))
    answer = account.http.get("/api/v2/deals")
    assert (answer.status_code, answer.headers["x-daily-ratelimit-token-remaining"]) == (200, "15")


def test_who_keeps_hammering_is_shut_out_with_html(fresh: Callable[..., Fresh]) -> None:
    account = fresh(burst=1, hammering=10, shut_out_seconds=1.0)
    statuses = [account.http.get("/v1/users/me").status_code for _ in range(13)]
    assert statuses == [200] + [429] * 10 + [403] * 2
    blocked = account.http.get("/v1/users/me")
    assert blocked.status_code == 403
    assert blocked.headers["content-type"].startswith("text/html")
    bearer = {"authorization": f"Bearer {account.server.token}"}
    assert httpx.get(f"{account.server.url}/v1/users/me", headers=bearer, verify=False).status_code == 429
    deadline = time.monotonic() + 10
    while account.http.get("/v1/users/me").status_code == 403:
        assert time.monotonic() < deadline
    assert {request.tokens for request in account.account.requests if request.status != 200} == {0}


def test_without_limits_nothing_is_refused(fresh: Callable[..., Fresh]) -> None:
    account = fresh()
    for _ in range(150):
        answer = account.http.get("/v1/users/me")
        assert answer.status_code == 200
    assert int(answer.headers["x-ratelimit-remaining"]) > 100_000
    assert int(answer.headers["x-daily-ratelimit-token-remaining"]) > 1_000_000


def test_answers_can_be_held_back(fresh: Callable[..., Fresh]) -> None:
    account = fresh(latency_ms=80)
    started = time.monotonic()
    account.http.get("/v1/users/me")
    assert time.monotonic() - started >= 0.08


@pytest.mark.parametrize("burst", [1, 3])
def test_the_window_rolls(burst: int) -> None:
    limits = Limits(burst, 0, hammering=100, shut_out_seconds=1)
    for second in range(burst):
        assert limits.admit(1, second / 10, DAY, api_token=True) is Verdict.ADMITTED
    assert limits.admit(1, 1.99, DAY, api_token=True) is Verdict.OVER_BURST
    assert limits.headers(1.99)["x-ratelimit-reset"] == "1"
    assert limits.admit(1, 2.0, DAY, api_token=True) is Verdict.ADMITTED

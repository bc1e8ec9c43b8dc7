"""The limiter, measured by a server that counts requests in rolling windows of two seconds."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipedrive_orchestration.pipedrive.auth import Connection
from pipedrive_orchestration.pipedrive.client import Client
from pipedrive_orchestration.pipedrive.rate_limit import (
    MAX_IN_FLIGHT,
    WINDOW_SECONDS,
    Limiter,
    burst_left,
    daily_tokens_left,
    seconds_to_reset,
)
from pipedrive_orchestration_tests.conftest import FreshDemo
from pipedrive_orchestration_tests.pipedrive.virtual_time import run_virtually


def now() -> float:
    return asyncio.get_running_loop().time()


@dataclass
class Server:
    """Counts what arrives in rolling windows, and says so in its headers unless it is ``silent``."""

    limit: int
    silent: bool = False
    admitted: list[float] = field(default_factory=list)
    refused: int = 0
    in_flight: int = 0
    most_in_flight: int = 0

    def arrive(self) -> tuple[bool, dict[str, str]]:
        # Sums of binary fractions are not exact, and a nanosecond is none of the limiter's business.
        recent = [instant for instant in self.admitted if instant > now() - WINDOW_SECONDS + 1e-9]
        admit = len(recent) < self.limit
        if admit:
            self.admitted.append(now())
            recent.append(now())
        else:
            self.refused += 1
        reset = max(1, math.ceil(recent[0] + WINDOW_SECONDS - now()))
        left = max(0, self.limit - len(recent))
        headers = {"limit": self.limit, "remaining": left, "reset": reset}
        told = {} if self.silent else headers
        return admit, {f"x-ratelimit-{name}": str(value) for name, value in told.items()}


async def request(limiter: Limiter, server: Server, there: float, back: float) -> None:
    """One request, tried until it is admitted, as a client does it."""
    while True:
        async with limiter:
            server.in_flight += 1
            server.most_in_flight = max(server.most_in_flight, server.in_flight)
            await asyncio.sleep(there)
            admitted, headers = server.arrive()
            await asyncio.sleep(back)
            limiter.learn(headers)
            server.in_flight -= 1
            if not admitted:
                limiter.pause(seconds_to_reset(headers))
        if admitted:
            return


async def through(limiters: Sequence[Limiter], server: Server, delays: Sequence[tuple[float, float]]) -> None:
    """All requests at once, dealt out to the limiters in turn."""
    await asyncio.gather(
        *(
            request(limiters[index % len(limiters)], server, there, back)
            for index, (there, back) in enumerate(delays)
        )
    )


def virtual_limiter() -> Limiter:
    return Limiter(clock=now)


delays = st.lists(st.tuples(st.floats(0, 3), st.floats(0, 3)), min_size=1, max_size=80)


@given(st.integers(1, 40), delays)
@settings(max_examples=60, deadline=None)
def test_one_client_is_never_refused(limit: int, waits: list[tuple[float, float]]) -> None:
    server = Server(limit)
    run_virtually(through([virtual_limiter()], server, waits))
    assert len(server.admitted) == len(waits)
    assert server.refused == 0


@given(st.integers(1, 40), st.integers(2, 4), delays)
@settings(max_examples=40, deadline=None)
def test_several_clients_on_one_token_all_get_through(
    limit: int, clients: int, waits: list[tuple[float, float]]
) -> None:
    server = Server(limit)
    run_virtually(through([virtual_limiter() for _ in range(clients)], server, waits))
    assert len(server.admitted) == len(waits)


def test_several_clients_give_way_to_each_other() -> None:
    server = Server(20)
    run_virtually(through([virtual_limiter() for _ in range(3)], server, [(0.05, 0.05)] * 300))
    assert server.refused < len(server.admitted) / 3


def test_where_no_answer_tells_the_limit_the_smallest_documented_one_is_used() -> None:
    server = Server(20, silent=True)
    _, seconds = run_virtually(through([virtual_limiter()], server, [(0.05, 0.05)] * 200))
    assert server.refused == 0
    assert seconds <= WINDOW_SECONDS * (200 / 20 + 2)


@pytest.mark.parametrize("limit", [10, 40, 120])
def test_what_the_plan_allows_is_used(limit: int) -> None:
    server, count = Server(limit), 10 * limit
    _, seconds = run_virtually(through([virtual_limiter()], server, [(0.05, 0.05)] * count))
    assert server.refused == 0
    assert seconds <= WINDOW_SECONDS * (count / limit + 2)


def test_no_more_than_a_bounded_number_is_in_flight() -> None:
    server = Server(480)
    run_virtually(through([virtual_limiter()], server, [(1.0, 1.0)] * 200))
    assert server.most_in_flight == MAX_IN_FLIGHT


def test_the_first_request_goes_alone() -> None:
    server = Server(480)

    async def first() -> int:
        limiter = virtual_limiter()
        tasks = [asyncio.create_task(request(limiter, server, 1, 1)) for _ in range(10)]
        await asyncio.sleep(1.5)
        early = server.in_flight
        await asyncio.gather(*tasks)
        return early

    assert run_virtually(first())[0] == 1


def test_the_limit_is_learned_from_the_headers() -> None:
    async def learned() -> list[int | None]:
        limiter = virtual_limiter()
        seen = [limiter.limit]
        for limit in ("40", "20", "", "none"):
            async with limiter:
                limiter.learn({"x-ratelimit-limit": limit})
            seen.append(limiter.limit)
        return seen

    assert run_virtually(learned())[0] == [None, 40, 20, 20, 20]


def test_a_pause_holds_everything_back() -> None:
    async def paused() -> float:
        limiter = virtual_limiter()
        limiter.pause(30)
        limiter.pause(5)
        async with limiter:
            return now()

    assert run_virtually(paused())[0] == pytest.approx(30)


def test_saturation_is_told() -> None:
    async def told() -> list[bool]:
        limiter = virtual_limiter()
        fresh = limiter.is_saturated
        async with limiter:
            limiter.learn({"x-ratelimit-limit": "1", "x-ratelimit-remaining": "0"})
            busy = limiter.is_saturated
        await asyncio.sleep(WINDOW_SECONDS + 0.1)
        return [fresh, busy, limiter.is_saturated]

    assert run_virtually(told())[0] == [False, True, False]


@pytest.mark.parametrize(
    ("written", "seconds"), [("1", 1), ("2", 2), ("0", 2), ("", 2), ("1795252800", 2), ("soon", 2), ("-1", 2)]
)
def test_the_reset_is_relative_and_never_an_epoch(written: str, seconds: float) -> None:
    assert seconds_to_reset({"x-ratelimit-reset": written}) == seconds


def test_headers_can_be_missing() -> None:
    assert (daily_tokens_left({}), burst_left({})) == (None, None)
    assert daily_tokens_left({"x-daily-ratelimit-token-remaining": "147690"}) == 147690


def test_two_clients_share_the_burst_of_a_real_server(fresh_demo: FreshDemo) -> None:
    demo = fresh_demo(burst=40)
    connection = Connection.of(demo.url, demo.token)

    async def reading(count: int) -> None:
        async with Client(connection) as client:
            await asyncio.gather(*(client.get("/v1/users/me", {}, cost=2, read=bytes) for _ in range(count)))

    async def both() -> None:
        await asyncio.gather(reading(35), reading(35))

    asyncio.run(both())
    statuses = [request.status for request in demo.account.requests]
    assert statuses.count(200) == 70
    assert set(statuses) <= {200, 429}
    assert statuses.count(429) < 60

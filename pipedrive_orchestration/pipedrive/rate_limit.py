"""The rate limiter: it learns the burst limit from the answers and keeps within it.

Pipedrive allows ``x-ratelimit-limit`` requests in any two seconds per token and says in every answer
how many are left (docs/pipedrive-api.md#rate-limits). The limiter keeps its own account of the last two
seconds and lowers it to what the headers say. Where several processes on one token are refused all the
same, each halves its share and takes it back slowly, as the ends of a network do that share a line.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from email.utils import parsedate_to_datetime
from types import TracebackType

WINDOW_SECONDS = 2.0
"""Length of the rolling window of the burst limit."""

REGAINED_PER_WINDOW = 0.05
"""The share of the limit that a refused client takes back in every window without a refusal."""

LEAST_LIMIT = 20
"""Requests in two seconds on the smallest plan: the limit where answers do not tell theirs."""

MAX_IN_FLIGHT = 32
"""Requests under way at once, whatever the plan allows: bounds memory, not speed."""


class Limiter:
    """Lets a request through when the burst limit has room for it; used as an async context manager.

    A slot comes back two seconds after the answer has begun, which is never before the server forgets the
    request. Until the first answer has told the limit, requests go one by one.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._limit: int | None = None
        self._returning: deque[float] = deque()
        self._in_flight = 0
        self._others = 0
        self._others_until = 0.0
        self._paused_until = 0.0
        self._share = math.inf
        self._share_fixed_until = 0.0
        self._turn = asyncio.Lock()
        self._changed = asyncio.Event()

    async def __aenter__(self) -> None:
        async with self._turn:
            while wait := self._seconds_to_wait():
                self._changed.clear()
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._changed.wait(), None if wait == float("inf") else wait)
            self._in_flight += 1

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._in_flight -= 1
        self._returning.append(self._clock() + WINDOW_SECONDS)
        self._changed.set()

    @property
    def limit(self) -> int | None:
        """Requests allowed in two seconds, as last told by Pipedrive."""
        return self._limit

    @property
    def is_saturated(self) -> bool:
        """Whether a request would have to wait: more readers would not read faster."""
        return self._turn.locked() or self._seconds_to_wait() > 0

    def helpful_readers(self, seconds_per_answer: float) -> int:
        """The number of tasks, each asking one request after the other, that it takes to use the limit.

        Args:
            seconds_per_answer: how long an answer takes from asking to its last byte.
        """
        return 1 + math.ceil((self._limit or 1) / WINDOW_SECONDS * seconds_per_answer)

    def learn(self, headers: Mapping[str, str]) -> None:
        """Take over what an answer says about the limit. Call it before the slot is given back."""
        limit, remaining = _number(headers, "x-ratelimit-limit"), _number(headers, "x-ratelimit-remaining")
        if limit is None or limit < 1:
            self._limit = self._limit or LEAST_LIMIT
            return
        self._limit = limit
        if self._share < limit:
            self._share += REGAINED_PER_WINDOW * limit / self._share
        if remaining is not None:
            self._forget_returned()
            self._others = max(0, limit - remaining - self._in_flight - len(self._returning))
            self._others_until = self._clock() + seconds_to_reset(headers)

    def pause(self, seconds: float) -> None:
        """Let nothing through for that long: Pipedrive said that the limit was exceeded."""
        now = self._clock()
        self._paused_until = max(self._paused_until, now + seconds)
        if now >= self._share_fixed_until:
            # Refusals come in groups; one group halves the share once.
            self._share = max(1.0, min(self._share, self._limit or 1) / 2)
            self._share_fixed_until = self._paused_until + WINDOW_SECONDS

    def _seconds_to_wait(self) -> float:
        now = self._clock()
        if self._paused_until > now:
            return self._paused_until - now
        self._forget_returned()
        others = self._others if self._others_until > now else 0
        allowed = min((self._limit or 1) - others, self._share)
        room = min(allowed - len(self._returning), MAX_IN_FLIGHT) - self._in_flight
        if self._limit is None:
            return float("inf") if self._in_flight else 0.0
        if room >= 1:
            return 0.0
        events = [*list(self._returning)[:1], *([self._others_until] if others else [])]
        return max(min(events) - now, 0.001) if events else float("inf")

    def _forget_returned(self) -> None:
        now = self._clock()
        while self._returning and self._returning[0] <= now:
            self._returning.popleft()


def seconds_to_reset(headers: Mapping[str, str]) -> float:
    """``x-ratelimit-reset`` is relative seconds, not an epoch (docs/pipedrive-api.md#rate-limits)."""
    reset = _number(headers, "x-ratelimit-reset")
    return float(reset) if reset is not None and 0 < reset <= 60 else WINDOW_SECONDS


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that ``Retry-After`` asks to wait, a date counted from the answer's own; None without one."""
    value = headers.get("retry-after", "").strip()
    if value.isdecimal():
        return float(value)
    try:
        return max(
            0.0, (parsedate_to_datetime(value) - parsedate_to_datetime(headers["date"])).total_seconds()
        )
    except (KeyError, TypeError, ValueError):
        return None


def daily_tokens_left(headers: Mapping[str, str]) -> int | None:
    """The rest of the account's daily budget; the header can be missing."""
    return _number(headers, "x-daily-ratelimit-token-remaining")


def daily_token_budget(headers: Mapping[str, str]) -> int | None:
    """The company's budget for a day, all its users and apps together; the header can be missing."""
    return _number(headers, "x-daily-ratelimit-token-limit")


def burst_left(headers: Mapping[str, str]) -> int | None:
    """The rest of the burst window; tells the two kinds of 429 apart."""
    return _number(headers, "x-ratelimit-remaining")


def _number(headers: Mapping[str, str], name: str) -> int | None:
    try:
        return int(headers.get(name, ""))
    except ValueError:
        return None

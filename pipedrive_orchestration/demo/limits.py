"""Pipedrive's limits: the burst window, the daily token budget and the wall behind them.

See docs/pipedrive-api.md#rate-limits.
"""

from __future__ import annotations

import enum
import math
from collections import deque
from datetime import date

WINDOW_SECONDS = 2.0
HAMMERING_SECONDS = 10.0

NO_BURST_LIMIT = 1_000_000
"""What ``x-ratelimit-limit`` says where there is no limit."""

NO_DAILY_LIMIT = 30_000 * 7 * 100
"""What the daily header says where there is no limit: 100 seats on the largest plan."""


class Verdict(enum.Enum):
    """What becomes of a request."""

    ADMITTED = "admitted"
    OVER_BURST = "over burst"
    OVER_BUDGET = "over budget"
    SHUT_OUT = "shut out"


class Limits:
    """Counts requests and tokens.

    The burst window rolls in real time, because clients wait in real time; the budget begins anew at
    midnight UTC of the account's clock.

    Args:
        burst: requests per rolling window; 0 for no limit.
        daily_tokens: tokens per day; 0 for no limit. The request that crosses the line is still
            answered, the next one is not.
        hammering: refusals within 10 s that lead to being shut out.
        shut_out_seconds: for how long.
    """

    def __init__(self, burst: int, daily_tokens: int, hammering: int, shut_out_seconds: float) -> None:
        self._burst = burst or NO_BURST_LIMIT
        self._daily_tokens = daily_tokens or NO_DAILY_LIMIT
        self._budgeted = daily_tokens > 0
        self._hammering = hammering
        self._shut_out_seconds = shut_out_seconds
        self._admitted: deque[float] = deque()
        self._refused: deque[float] = deque()
        self._shut_out_until = -math.inf
        self._day: date | None = None
        self._used = 0

    @property
    def tokens_used(self) -> int:
        """Tokens spent today."""
        return self._used

    def admit(self, tokens: int, seconds: float, today: date, *, api_token: bool) -> Verdict:
        """Decides on a request and counts it.

        Args:
            tokens: its price.
            seconds: a monotonic clock.
            today: the account's day.
            api_token: whether an API token was sent; OAuth traffic is never shut out.
        """
        self._roll(seconds, today)
        if api_token and seconds < self._shut_out_until:
            return Verdict.SHUT_OUT
        verdict = self._judge()
        if verdict is Verdict.ADMITTED:
            self._admitted.append(seconds)
            self._used += tokens
            return verdict
        self._refused.append(seconds)
        if api_token and len(self._refused) > self._hammering:
            self._refused.clear()
            self._shut_out_until = seconds + self._shut_out_seconds
            return Verdict.SHUT_OUT
        return verdict

    def _judge(self) -> Verdict:
        if len(self._admitted) >= self._burst:
            return Verdict.OVER_BURST
        if self._budgeted and self._used >= self._daily_tokens:
            return Verdict.OVER_BUDGET
        return Verdict.ADMITTED

    def _roll(self, seconds: float, today: date) -> None:
        while self._admitted and self._admitted[0] <= seconds - WINDOW_SECONDS:
            self._admitted.popleft()
        while self._refused and self._refused[0] <= seconds - HAMMERING_SECONDS:
            self._refused.popleft()
        if today != self._day:
            self._day, self._used = today, 0

    def headers(self, seconds: float) -> dict[str, str]:
        """The limit headers of an answer; the reset is relative, in whole seconds."""
        oldest = self._admitted[0] if self._admitted else seconds
        reset = max(1, math.ceil(oldest + WINDOW_SECONDS - seconds))
        return {
            "x-ratelimit-limit": str(self._burst),
            "x-ratelimit-remaining": str(max(0, self._burst - len(self._admitted))),
            "x-ratelimit-reset": str(reset),
            "x-daily-ratelimit-token-limit": str(self._daily_tokens),
            "x-daily-ratelimit-token-remaining": str(max(0, self._daily_tokens - self._used)),
        }

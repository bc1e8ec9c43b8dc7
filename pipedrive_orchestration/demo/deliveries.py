"""The delivery of events: retries, bans and the end of subscriptions (docs/pipedrive-api.md#webhooks)."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from heapq import heappop, heappush
from itertools import count
from time import monotonic
from typing import Any

import httpx
import orjson

from pipedrive_orchestration.demo.account.account import Account
from pipedrive_orchestration.demo.account.webhooks import EVENT_TIME
from pipedrive_orchestration.demo.records import Record

RETRIES = (3.0, 30.0, 150.0)
"""Seconds after which a delivery that failed is tried again."""

FAILURES_TO_BAN = 10
BAN = timedelta(minutes=30)
DAYS_TO_END = timedelta(days=3)
TIMEOUT_SECONDS = 10.0
AT_ONCE = 16
"""Deliveries under way at the same time, so that they overtake each other."""

_LOOK_SECONDS = 0.05


@dataclass(order=True, slots=True)
class _Attempt:
    due: float
    number: int
    subscription: int = field(compare=False)
    body: Mapping[str, Any] = field(compare=False)
    tries: int = field(compare=False, default=0)


class Deliveries:
    """A thread that delivers what happens in an account to those who have subscribed.

    Args:
        account: whose events.
        pace: by which the pauses before retries are shortened.
    """

    def __init__(self, account: Account, pace: float = 1.0) -> None:
        self._account = account
        self._pace = pace
        self._queue: list[_Attempt] = []
        self._numbers = count()
        self._failures: Counter[int] = Counter()
        self._banned_until: dict[int, datetime] = {}
        self._last_success: dict[int, datetime] = {}
        self._under_way = 0
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="webhook deliveries", daemon=True)

    def start(self) -> None:
        """Begin to deliver."""
        self._thread.start()

    def stop(self) -> None:
        """Deliver nothing more."""
        self._stopped.set()
        self._account.webhooks.began.set()
        self._thread.join()

    @property
    def are_done(self) -> bool:
        """Whether all that has happened is delivered, or given up."""
        with self._account.lock:
            return not (self._account.webhooks.occurred or self._queue or self._under_way)

    def _run(self) -> None:
        self._account.webhooks.began.wait()
        if self._stopped.is_set():
            return
        with (
            httpx.Client(timeout=TIMEOUT_SECONDS, follow_redirects=False, verify=False) as client,  # noqa: S501
            ThreadPoolExecutor(AT_ONCE, thread_name_prefix="webhook delivery") as pool,
        ):
            while not self._stopped.wait(_LOOK_SECONDS):
                self._take()
                for attempt in self._due():
                    pool.submit(self._deliver, client, attempt)

    def _due(self) -> list[_Attempt]:
        with self._account.lock:
            due = []
            while self._queue and self._queue[0].due <= monotonic():
                due.append(heappop(self._queue))
            self._under_way += len(due)
            return due

    def _take(self) -> None:
        account, webhooks = self._account, self._account.webhooks
        with account.lock:
            now = account.clock.now()
            self._end_unreachable(now)
            if webhooks.is_watched or not webhooks.active:
                return
            for occurrence in webhooks.take():
                for subscription in webhooks.active:
                    if not _wants(subscription, occurrence.entity, occurrence.action):
                        continue
                    number = subscription["id"]
                    if self._banned_until.get(number, now) > now:
                        continue
                    attempt = _Attempt(monotonic(), next(self._numbers), number, occurrence.body)
                    heappush(self._queue, attempt)

    def _end_unreachable(self, now: datetime) -> None:
        for subscription in self._account.webhooks.active:
            number = subscription["id"]
            since = self._last_success.setdefault(number, now)
            if self._failures[number] and now - since >= DAYS_TO_END:
                self._account.webhooks.end(subscription, "no successful delivery in three days", now)

    def _deliver(self, client: httpx.Client, attempt: _Attempt) -> None:
        try:
            self._try(client, attempt)
        finally:
            with self._account.lock:
                self._under_way -= 1

    def _try(self, client: httpx.Client, attempt: _Attempt) -> None:
        account = self._account
        with account.lock:
            subscription = account["webhooks"].get(attempt.subscription)
            if subscription is None or not subscription["is_active"]:
                return
        if self._stopped.is_set():
            return
        attempt.tries += 1
        status = self._post(client, subscription, attempt)
        with account.lock:
            now, number = account.clock.now(), attempt.subscription
            is_delivered = status is not None and 200 <= status < 300
            told: Record = {"last_http_status": status}
            if is_delivered:
                told["last_delivery_time"] = f"{now:{EVENT_TIME}}.000Z"
                self._last_success[number] = now
            if number in account["webhooks"]:
                account["webhooks"].put((account["webhooks"].get(number) or {}) | told)
            if is_delivered:
                return
            if attempt.tries == 1:
                self._failures[number] += 1
                if self._failures[number] >= FAILURES_TO_BAN:
                    self._failures[number] = 0
                    self._banned_until[number] = now + BAN
            if attempt.tries <= len(RETRIES):
                attempt.due = monotonic() + RETRIES[attempt.tries - 1] / self._pace
                heappush(self._queue, attempt)

    def _post(self, client: httpx.Client, subscription: Record, attempt: _Attempt) -> int | None:
        meta = attempt.body["meta"] | {"webhook_id": str(subscription["id"]), "attempt": attempt.tries}
        user, password = subscription["http_auth_user"], subscription["http_auth_password"]
        try:
            answer = client.post(
                subscription["subscription_url"],
                content=orjson.dumps({**attempt.body, "meta": meta}),
                headers={"content-type": "application/json"},
                auth=httpx.BasicAuth(user, password or "") if user else httpx.USE_CLIENT_DEFAULT,
            )
        except httpx.HTTPError:
            return None
        return answer.status_code


def _wants(subscription: Record, entity: str, action: str) -> bool:
    return subscription["event_object"] in ("*", entity) and subscription["event_action"] in ("*", action)

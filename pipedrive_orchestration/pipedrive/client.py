"""The client: one request until its answer, many at once across tasks.

Every request goes through the limiter, is retried while another try may help, and ends either in
what ``read`` made of the body or in one of the errors of :mod:`~pipedrive_orchestration.pipedrive.errors`.
"""

from __future__ import annotations

import asyncio
import math
import random
import ssl
import time
from collections.abc import Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from itertools import count
from types import TracebackType
from typing import Any, NamedTuple, Protocol, Self, TypeVar
from urllib.parse import urlencode, urlsplit

import httpcore
import httpx
import msgspec

from pipedrive_orchestration.pipedrive.auth import Connection
from pipedrive_orchestration.pipedrive.clock import AccountClock, utc_now
from pipedrive_orchestration.pipedrive.errors import (
    BudgetSpent,
    OutcomeUnknown,
    Refused,
    Unavailable,
)
from pipedrive_orchestration.pipedrive.oauth import OAuthUnavailable
from pipedrive_orchestration.pipedrive.proxies import stand_before
from pipedrive_orchestration.pipedrive.rate_limit import (
    Limiter,
    burst_left,
    daily_token_budget,
    daily_tokens_left,
    retry_after,
    seconds_to_reset,
)
from pipedrive_orchestration.pipedrive.responses import BrokenBody, OddBody, data_of, failure_of

T = TypeVar("T")
Query = Mapping[str, str | int]
"""The query of a request: names and values, never a secret."""


@dataclass(frozen=True, slots=True)
class Patience:
    """The patience of a client: seconds to wait for what.

    Attributes:
        deadline: how long one request may be retried once the account has answered at all.
        first_deadline: the same before the first answer that could be read, or that was an error of
            Pipedrive's own: what never worked is a wrong address, not an outage.
        attempt: how long one try may take, bodies that drip included.
        blocked: pause after the HTML 403 that follows ignored 429s (docs/pipedrive-api.md#rate-limits).
        odd: how long an answer that leaves out its records is asked for again.
        refused: how long refusals are waited out that leave room in the burst window and say nothing of the
            daily budget; a burst limit does not last longer.
    """

    deadline: float = 300.0
    first_deadline: float = 10.0
    attempt: float = 120.0
    blocked: float = 15.0
    odd: float = 30.0
    refused: float = 60.0


@dataclass(slots=True)
class Usage:
    """The requests and tokens spent so far; tokens by the catalogue's prices of what was answered."""

    requests: int = 0
    tokens: int = 0
    bytes: int = 0
    retries: int = 0


@dataclass(frozen=True, slots=True)
class _Request:
    """A request; one with a body, or that is no GET, changes the account."""

    method: str
    path: str
    query: Query
    cost: int
    body: bytes | None = None
    sink: Sink | None = None
    content_type: str = "application/json"

    @property
    def is_write(self) -> bool:
        return self.method != "GET"

    def __str__(self) -> str:
        target = f"{self.path}?{urlencode(self.query)}" if self.query else self.path
        return f"{self.method} {target}"


@dataclass(frozen=True, slots=True)
class Form:
    """The body of a form.

    Attributes:
        values: texts by key.
        file: key, name and content of a file that goes with them.
    """

    values: Mapping[str, str]
    file: tuple[str, str, bytes] | None = None

    def encoded(self) -> tuple[str, bytes]:
        """The content type and the body."""
        files = {self.file[0]: self.file[1:]} if self.file else None
        # httpx knows how both kinds of forms are written.
        request = httpx.Request("POST", "http://form.invalid", data=dict(self.values), files=files)
        return request.headers["content-type"], request.read()


class Sink(Protocol):
    """A taker of an answer that is too long for memory."""

    def begin(self) -> None:
        """Forget what was taken, if anything was."""

    def take(self, part: bytes) -> None:
        """Take the next part."""


@dataclass(frozen=True, slots=True)
class Written:
    """The answer to a write.

    Attributes:
        data: what the answer holds, usually the record as it is now.
        request_id: Pipedrive's name for the request, where it gives one.
    """

    data: Any
    request_id: str | None


class _Answer(NamedTuple):
    """An answer and its body.

    The body is not kept in the response: that and its stream refer to each other, and a page would stay in
    memory until Python looks for such circles.
    """

    response: httpx.Response
    body: bytes


class _TryAgain(Exception):
    """Another try may help.

    Attributes:
        wait: seconds to leave it, None for the usual backoff.
        longest: seconds for which tries of this kind make sense.
        is_undone: whether the request was certainly not carried out, so that a write may be sent again.
    """

    def __init__(
        self,
        reason: str,
        wait: float | None = None,
        longest: float = math.inf,
        *,
        is_undone: bool = False,
    ) -> None:
        super().__init__(reason)
        self.wait = wait
        self.longest = longest
        self.is_undone = is_undone


class _OverLimit(_TryAgain):
    """A 429 that is not certainly that of the daily budget; ``has_room`` if the burst window had some."""

    def __init__(self, wait: float | None, *, has_room: bool) -> None:
        super().__init__("the burst limit is exceeded (429)", wait, is_undone=True)
        self.has_room = has_room


_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, OAuthUnavailable)
"""Errors after which the request itself has certainly not reached Pipedrive."""

USUAL_PATIENCE = Patience()
"""That of a client that is told of no other."""

# A page of 500 records is more than a megabyte, and every read of a part of it costs as much as 30 KB do.
httpcore.AsyncHTTP11Connection.READ_NUM_BYTES = 256 * 1024

PAUSE_SECONDS = 0.5
"""Before a request is sent for the second time; twice as long before each further time."""

LONGEST_PAUSE_SECONDS = 20.0

PACE_SHARE = 0.2
"""The share of the last answer in the average of how long answers take."""


class Client:
    """A connection in use. An async context manager; one per import.

    Attributes:
        usage: requests, tokens and bytes so far.
        daily_tokens_left: the account's remaining budget as last told, or None.
        daily_token_budget: the budget of a whole day as last told, or None.
        reserve: tokens of the day that are left to others; none unless it is set.
        kept: tokens besides that what is under way leaves to its own end; likewise.
        limiter: the burst limiter that all requests of this client share.
        seconds_per_answer: how long an answer takes from asking to its last byte, of late.
        clock: our clock, and Pipedrive's.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        patience: Patience | None = None,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self.usage = Usage()
        self.daily_tokens_left: int | None = None
        self.daily_token_budget: int | None = None
        self.reserve = 0
        self.kept = 0
        self._asked_for = 0
        self._budget_of: date | None = None
        self.limiter = Limiter()
        self.seconds_per_answer = 0.0
        self.clock = AccountClock(clock)
        self._patience = patience or USUAL_PATIENCE
        self._understood = False
        self._connection = connection
        self._http = httpx.AsyncClient(
            base_url=connection.url,
            auth=connection.auth(),
            headers={"accept": "application/json", "user-agent": "pipedrive-orchestration"},
            timeout=httpx.Timeout(30, connect=10, pool=None),
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=40),
            follow_redirects=False,
            verify=_verification(connection.url),
            trust_env=stand_before(connection.url),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def get(self, path: str, query: Query, *, cost: int, read: Callable[[bytes], T]) -> T:
        """Ask until there is an answer that ``read`` can read.

        Args:
            path: as in the catalogue, from ``/``.
            query: never a secret.
            cost: price in tokens (``x-token-cost``).
            read: makes the result of the body and raises ``BrokenBody`` where it cannot.

        Raises:
            NotConnected: 401, also with a fresh access token.
            Refused: any other answer that asking again would not change.
            BudgetSpent: the daily tokens cannot pay this request.
            Unavailable: nothing usable came before the deadline.
        """
        request = _Request("GET", path, query, cost)
        result, _ = await self._ask(request, read)
        return result

    async def save(self, path: str, sink: Sink, *, cost: int) -> None:
        """Write an answer down as it comes, however long it is.

        Where the answer leads to another address, such as a storage's, that is asked once, without anything
        that says who asks.

        Args:
            path: as in the catalogue, from ``/``.
            sink: takes the parts of the answer; begun anew where it has to be asked for again.
            cost: price in tokens (``x-token-cost``).

        Raises:
            OSError, PipedriveError: of the sink.
            NotConnected, Refused, BudgetSpent, Unavailable: as of `get`.
        """
        await self._ask(_Request("GET", path, {}, cost, sink=sink), lambda _: None)

    async def send(
        self, method: str, path: str, body: Any, *, cost: int, query: Query | None = None
    ) -> Written:
        """Change the account once.

        A request that was certainly not carried out, such as one over the burst limit, is sent again. One
        whose answer is lost, late or broken is not: whoever sent it has to look for what became of it.

        Args:
            method: ``POST``, ``PUT``, ``PATCH`` or ``DELETE``.
            path: as in the table of writes, from ``/``.
            body: goes as JSON, unless it is a form; None for none.
            cost: price in tokens (``x-token-cost``).
            query: never a secret.

        Raises:
            OutcomeUnknown: it may have been carried out and may not.
            NotConnected, Refused, BudgetSpent, Unavailable: as of `get`; nothing was changed.
        """
        if isinstance(body, Form):
            content_type, form = body.encoded()
            request = _Request(method, path, query or {}, cost, form, content_type=content_type)
        else:
            content = None if body is None else msgspec.json.encode(body)
            request = _Request(method, path, query or {}, cost, content)
        data, request_id = await self._ask(request, data_of)
        if data is None and method != "DELETE":
            raise OutcomeUnknown(f"{method} {path}", "the answer has no record (data: null)")
        return Written(data, request_id)

    async def _ask(self, request: _Request, read: Callable[[bytes], T]) -> tuple[T, str | None]:
        """What ``read`` makes of the answer, and Pipedrive's name for the request."""
        cost = request.cost
        began = time.monotonic()
        refused_since: float | None = None
        for tries in count(1):
            free = self.tokens_free
            if free is not None and free < cost:
                raise BudgetSpent(
                    str(request),
                    cost,
                    self.daily_tokens_left,
                    next_budget(self.clock),
                    self.reserve,
                    self.kept,
                )
            self._asked_for += cost
            try:
                return await self._attempt(request, read)
            except _TryAgain as failed:
                again = failed
            finally:
                self._asked_for -= cost
            if request.is_write and not again.is_undone:
                raise OutcomeUnknown(str(request), str(again))
            now = time.monotonic()
            if isinstance(again, _OverLimit) and again.has_room:
                refused_since = now if refused_since is None else refused_since
                if now - refused_since > self._patience.refused:
                    raise BudgetSpent(str(request), cost, None, next_budget(self.clock))
            else:
                refused_since = None
            wait = again.wait if again.wait is not None else _backoff(tries)
            if now - began + wait > min(self._deadline(), again.longest):
                raise Unavailable(str(request), str(again), now - began)
            self.usage.retries += 1
            await asyncio.sleep(wait)
        raise AssertionError  # the loop has no end of its own

    async def _attempt(self, request: _Request, read: Callable[[bytes], T]) -> tuple[T, str | None]:
        answer = await self._answer(request)
        try:
            result = read(self._usable(request, answer))
        except OddBody as odd:
            raise _TryAgain(str(odd), longest=self._patience.odd) from None
        except BrokenBody as broken:
            raise _TryAgain(str(broken)) from None
        self._understood = True
        return result, answer.response.headers.get("x-correlation-id")

    @property
    def tokens_free(self) -> int | None:
        """The account's remaining budget, without what is left to others or kept; None where it is not told.

        What requests under way cost is not part of it either.
        """
        left = self.daily_tokens_left
        return None if left is None else max(0, left - self.reserve - self.kept - self._asked_for)

    def has_room_for(self, readers: int) -> bool:
        """Whether that many tasks that ask one request after the other get more than fewer would."""
        useful = self.limiter.helpful_readers(self.seconds_per_answer)
        return readers <= useful and not self.limiter.is_saturated

    def _deadline(self) -> float:
        return self._patience.deadline if self._understood else self._patience.first_deadline

    async def _answer(self, request: _Request) -> _Answer:
        try:
            response, body = answer = await self._whole_answer(request)
        except TimeoutError:
            raise _TryAgain(f"no complete answer in {self._patience.attempt:g} s") from None
        except httpx.RequestError as error:
            is_undone = isinstance(error, _NOT_SENT)
            raise _TryAgain(f"{type(error).__name__} {error}".strip(), is_undone=is_undone) from None
        self.clock.learn(response.headers)
        self._learn_budget(response.headers)
        self.daily_token_budget = daily_token_budget(response.headers)
        self.usage.bytes += len(body)
        self.usage.tokens += request.cost if response.status_code != httpx.codes.TOO_MANY_REQUESTS else 0
        return answer

    def _learn_budget(self, headers: Mapping[str, str]) -> None:
        """Take note of what is left of the day; answers do not come in the order in which they were made."""
        left, day = daily_tokens_left(headers), self.clock.now_at_pipedrive().date()
        if left is not None and self.daily_tokens_left is not None and day == self._budget_of:
            left = min(left, self.daily_tokens_left)
        self.daily_tokens_left, self._budget_of = left, day

    async def _whole_answer(self, asked: _Request) -> _Answer:
        request = self._http.build_request(
            asked.method,
            asked.path,
            params=asked.query,
            content=asked.body,
            headers={"content-type": asked.content_type} if asked.body is not None else None,
        )
        async with self.limiter:
            self.usage.requests += 1
            began = time.monotonic()
            async with asyncio.timeout(self._patience.attempt) as patience:
                response = await self._http.send(request, stream=True)
            self.limiter.learn(response.headers)
        # Pipedrive has counted the request by now, so its slot need not wait for the body.
        async with aclosing(response), asyncio.timeout_at(patience.when()):
            if asked.sink is not None and (response.is_success or response.is_redirect):
                response = await self._poured(response, asked.sink)
                body = b""
            else:
                body = b"".join([part async for part in response.aiter_bytes()])
        self.seconds_per_answer += PACE_SHARE * (time.monotonic() - began - self.seconds_per_answer)
        return _Answer(response, body)

    async def _poured(self, response: httpx.Response, sink: Sink) -> httpx.Response:
        """The answer whose body the sink has taken: the given one, or the one that it leads to."""
        if not response.is_redirect:
            await _pour(response, sink)
            return response
        address = response.url.join(response.headers.get("location", ""))
        async with (
            httpx.AsyncClient(
                verify=_verification(str(address)),
                follow_redirects=True,
                timeout=30,
                trust_env=stand_before(str(address)),
            ) as storage,
            storage.stream("GET", address) as elsewhere,
        ):
            if not elsewhere.is_success:
                raise _TryAgain(f"the storage that it leads to answered {elsewhere.status_code}")
            await _pour(elsewhere, sink)
        return httpx.Response(httpx.codes.OK, headers=response.headers)

    def _usable(self, asked: _Request, answer: _Answer) -> bytes:
        response, body = answer
        request, status = str(asked), response.status_code
        if status == httpx.codes.OK or (asked.is_write and status == httpx.codes.CREATED):
            return body
        self._understood = True
        if status == httpx.codes.UNAUTHORIZED:
            raise self._connection.refusal()
        if status == httpx.codes.TOO_MANY_REQUESTS:
            raise self._over_limit(request, response, asked.cost)
        if response.is_redirect:
            elsewhere = f"it leads to {_host_of(response.headers.get('location', ''))}"
            raise _TryAgain(elsewhere) if asked.is_write else Refused(request, status, elsewhere)
        if status >= httpx.codes.INTERNAL_SERVER_ERROR:
            raise _TryAgain(f"it answered {status}", retry_after(response.headers))
        if status == httpx.codes.FORBIDDEN and "json" not in response.headers.get("content-type", ""):
            self.limiter.pause(self._patience.blocked)
            raise _TryAgain(
                "it is blocked for a while after too many requests (403)",
                self._patience.blocked,
                is_undone=True,
            )
        raise Refused(request, status, *failure_of(body))

    def _over_limit(self, request: str, response: httpx.Response, cost: int) -> Exception:
        left, room = daily_tokens_left(response.headers), burst_left(response.headers)
        told = retry_after(response.headers)
        if left is not None and left < cost:
            return BudgetSpent(request, cost, left, next_budget(self.clock))
        if told is not None and told > self._patience.deadline:
            return BudgetSpent(request, cost, left, self.clock.now() + timedelta(seconds=told))
        wait = told if told is not None or room is None else seconds_to_reset(response.headers)
        if wait is not None:
            self.limiter.pause(wait)
        return _OverLimit(None if wait is None else wait + _jitter(0.2), has_room=left is None and bool(room))


def next_budget(clock: AccountClock) -> datetime:
    """When the daily budget is full again, by our clock: at Pipedrive's next midnight.

    That it is midnight in UTC is not documented. Headers tell that clock to the second, so this is late by
    one or two rather than early.
    """
    now = clock.now_at_pipedrive().astimezone(UTC)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    second = timedelta(seconds=1)
    return (clock.by_our_clock(midnight) + second - timedelta(microseconds=1)).replace(microsecond=0)


async def _pour(response: httpx.Response, sink: Sink) -> None:
    sink.begin()
    async for part in response.aiter_bytes():
        sink.take(part)


def _verification(address: str) -> ssl.SSLContext | bool:
    return _certificates() if address.startswith("https:") else False


@cache
def _certificates() -> ssl.SSLContext:
    # Reading them takes longer than a request does.
    return httpx.create_ssl_context()


def _host_of(location: str) -> str:
    # No more than the host: whatever else an address holds may be a secret.
    try:
        return urlsplit(location).hostname or "another address"
    except ValueError:
        return "another address"


def _backoff(tries: int) -> float:
    return _jitter(min(PAUSE_SECONDS * 2 ** (tries - 1), LONGEST_PAUSE_SECONDS))


def _jitter(seconds: float) -> float:
    return seconds * random.uniform(0.5, 1.0)  # noqa: S311 - spreads retries, guards nothing

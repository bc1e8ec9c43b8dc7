"""An account of persons for benchmarks, served from memory so that it is never the bottleneck.

The records lie in one buffer in the order of ``update_time``; a page is a slice of it. Answers are
shaped like those of ``/api/v2/persons`` (OpenAPI v2), with burst limit, latency and daily headers.
Run as a process: ``python -m benchmarks.account --persons 200000``; the first line is its address.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import time
from bisect import bisect_left
from collections import deque
from datetime import UTC, datetime, timedelta
from email.utils import formatdate
from itertools import accumulate
from urllib.parse import parse_qsl, urlsplit

CUSTOM_FIELDS = 40
MONTHS = 36
_KINDS = (
    ["varchar"] * 10 + ["double"] * 5 + ["enum"] * 6 + ["set"] * 4 + ["monetary"] * 4
    + ["date"] * 4 + ["daterange"] * 2 + ["time"] * 2 + ["address"] + ["user"] * 2
)  # fmt: skip
KEYS = [hashlib.sha1(f"field {number}".encode(), usedforsecurity=False).hexdigest() for number in range(40)]


def custom_value(kind: str, number: int) -> object:
    """A value of a field type; a third of them are unset."""
    if (number * 7919) % 3 == 0:
        return None
    values: dict[str, object] = {
        "varchar": f"some text that a person typed {number % 977}",
        "double": number % 1009 * 1.5,
        "enum": number % 30,
        "set": [number % 10, number % 7 + 20],
        "monetary": {"value": number % 5003 * 10, "currency": "EUR"},
        "date": f"2025-{number % 12 + 1:02d}-{number % 28 + 1:02d}",
        "daterange": {"value": "2025-01-01", "until": "2025-02-01"},
        "time": {"value": "09:00:00", "timezone_id": 17, "timezone_name": "Europe/London"},
        "address": {"value": "Mustamäe tee 3, Tallinn", "country": "Estonia", "locality": "Tallinn"},
        "user": number % 12 + 1,
    }
    return values[kind]


def first_month(now: datetime) -> datetime:
    """The beginning of the first of the months that the persons are spread over."""
    year, month = divmod(now.year * 12 + now.month - MONTHS, 12)
    return datetime(year, month + 1, 1, tzinfo=UTC)


class Account:
    """Persons, evenly spread over the months before ``now``, and the rules of a limited API."""

    def __init__(self, persons: int, burst: int, latency: float) -> None:
        now = datetime.now(UTC).replace(microsecond=0)
        begun = first_month(now)
        step = (now - timedelta(hours=1) - begun) / persons
        tails = [_tail(number) for number in range(997)]
        self.times = [_stamp(begun + step * index) for index in range(persons)]
        self.records = [
            b'{"id":%d,"name":"Person %d","add_time":"2022-01-01T00:00:00Z","update_time":"%s",%s'
            % (index + 1, index + 1, stamp.encode(), tails[index % 997])
            for index, stamp in enumerate(self.times)
        ]
        self.arrange()
        self.burst, self.latency = burst, latency
        self.arrivals: deque[float] = deque()

    def arrange(self) -> None:
        """Lay the records out for slicing."""
        self.offsets = [0, *accumulate(len(record) + 1 for record in self.records)]
        self.buffer = b",".join(self.records) + b","

    def change(self, share: float) -> None:
        """Update that share of the persons, the ones that have not been for longest, just now."""
        count, now = int(len(self.records) * share), _stamp(datetime.now(UTC))
        for _ in range(count):
            record, stamp = self.records.pop(0), self.times.pop(0)
            self.records.append(record.replace(stamp.encode(), now.encode(), 1))
            self.times.append(now)
        self.arrange()

    def page(self, query: dict[str, str]) -> bytes:
        """A page of ``/api/v2/persons``."""
        limit = int(query.get("limit", "100"))
        first = bisect_left(self.times, query["updated_since"]) if "updated_since" in query else 0
        end = bisect_left(self.times, query["updated_until"]) if "updated_until" in query else len(self.times)
        if "cursor" in query:
            first = int(query["cursor"])
        last = min(first + limit, end)
        body = self.buffer[self.offsets[first] : self.offsets[last] - 1] if last > first else b""
        cursor = b'"%d"' % last if last < end else b"null"
        return b'{"success":true,"data":[%s],"additional_data":{"next_cursor":%s}}' % (body, cursor)

    def admit(self) -> int | None:
        """How many requests are left in the window, or None where the limit is exceeded."""
        now = time.monotonic()
        while self.arrivals and self.arrivals[0] <= now - 2:
            self.arrivals.popleft()
        if self.burst and len(self.arrivals) >= self.burst:
            return None
        self.arrivals.append(now)
        return (self.burst or 10_000) - len(self.arrivals)


def _tail(number: int) -> bytes:
    custom = {
        key: custom_value(kind, number + place)
        for place, (key, kind) in enumerate(zip(KEYS, _KINDS, strict=True))
    }
    rest = {
        "first_name": "Person", "last_name": str(number), "owner_id": number % 12 + 1, "org_id": number,
        "emails": [{"value": f"person{number}@example.com", "primary": True, "label": "work"}],
        "phones": [], "is_deleted": False, "visible_to": 3, "label_ids": [1, 2], "picture_id": None,
        "custom_fields": custom,
    }  # fmt: skip
    return json.dumps(rest, separators=(",", ":")).encode()[1:]


_ME = (
    b'{"success":true,"data":{"id":1,"name":"Ann Admin","email":"ann@a.example","is_admin":1,"company_id":1,'
    b'"company_name":"Benchmark","company_domain":"benchmark"},"additional_data":{}}'
)

_NOTHING_RECENT = (
    b'{"success":true,"data":null,"additional_data":{"pagination":'
    b'{"start":0,"limit":500,"more_items_in_collection":false}}}'
)
"""An empty page of v1, as Pipedrive writes it (docs/pipedrive-api.md#pagination)."""


def _stamp(instant: datetime) -> str:
    return f"{instant:%Y-%m-%dT%H:%M:%SZ}"


def _fields() -> bytes:
    fields = [
        {"field_code": key, "field_name": f"{kind} {place}", "field_type": kind, "options": None,
         "is_custom_field": True, "is_optional_response_field": False}
        for place, (key, kind) in enumerate(zip(KEYS, _KINDS, strict=True))
    ]  # fmt: skip
    return json.dumps({"success": True, "data": fields, "additional_data": {"next_cursor": None}}).encode()


_FIXED = {"/api/v2/personFields": _fields(), "/v1/users/me": _ME, "/v1/recents": _NOTHING_RECENT}
"""Answers by path that do not depend on the query."""


class _Surface(asyncio.Protocol):
    """Just enough HTTP/1.1 for keep-alive GET requests."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self.received = b""
        self.queue: asyncio.Queue[bytes] = asyncio.Queue()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.answering = asyncio.ensure_future(self.answer_all())

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self.answering.cancel()

    def data_received(self, data: bytes) -> None:
        self.received += data
        while b"\r\n\r\n" in self.received:
            head, self.received = self.received.split(b"\r\n\r\n", 1)
            self.queue.put_nowait(head)

    async def answer_all(self) -> None:
        while True:
            head = await self.queue.get()
            left = self.account.admit()
            if self.account.latency:
                await asyncio.sleep(self.account.latency)
            status, body = self.answer(head, left)
            limit = self.account.burst or 10_000
            self.transport.write(
                b"HTTP/1.1 %s\r\ncontent-type: application/json\r\ndate: %s\r\nx-ratelimit-limit: %d\r\n"
                b"x-ratelimit-remaining: %d\r\nx-ratelimit-reset: 2\r\ncontent-length: %d\r\n\r\n"
                % (status, formatdate(usegmt=True).encode(), limit, left or 0, len(body))
            )
            self.transport.write(body)

    def answer(self, head: bytes, left: int | None) -> tuple[bytes, bytes]:
        target = urlsplit(head.split(b" ", 2)[1].decode())
        if left is None:
            return b"429 Too Many Requests", b'{"success":false,"error":"request over limit"}'
        if target.path in _FIXED:
            return b"200 OK", _FIXED[target.path]
        if target.path == "/api/v2/persons":
            query = dict(parse_qsl(target.query))
            if query.get("sort_direction") == "desc":
                # Asked only for records without update_time, of which there are none.
                query = {"updated_since": self.account.times[-1], "limit": "1"}
            return b"200 OK", self.account.page(query)
        if target.path == "/change":
            self.account.change(float(dict(parse_qsl(target.query))["share"]))
            return b"200 OK", b"{}"
        return b"404 Not Found", b'{"success":false,"error":"not here"}'


async def serve(account: Account) -> None:
    """Answer for ever on a free port of the loopback interface."""
    server = await asyncio.get_running_loop().create_server(lambda: _Surface(account), "127.0.0.1", 0)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--persons", type=int, default=200_000)
    parser.add_argument("--burst", type=int, default=0)
    parser.add_argument("--latency-ms", type=float, default=0)
    chosen = parser.parse_args()
    asyncio.run(serve(Account(chosen.persons, chosen.burst, chosen.latency_ms / 1000)))

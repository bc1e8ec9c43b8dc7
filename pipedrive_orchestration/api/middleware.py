"""Middleware before every call: the key, the rate limit and the access log."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

import orjson
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipedrive_orchestration.api.errors import EXPORT_PATH, ApiError, answer_to, export_failure
from pipedrive_orchestration.api.keys import ApiKeys
from pipedrive_orchestration.api.keys import Scope as KeyScope
from pipedrive_orchestration.api.timeouts import with_body_timeout

API_PATH = "/api/v1"

PUBLIC = (f"{API_PATH}/docs", f"{API_PATH}/openapi.json", f"{API_PATH}/static")
"""Paths that need no key: the description of the API."""

LOOPBACK = ("127.0.0.1", "localhost", "::1")
"""Names of this machine."""

access_log = logging.getLogger("pipedrive_orchestration.api.access")


@dataclass(frozen=True, slots=True)
class Caller:
    """The caller: the name of the key, or the address where there is none."""

    name: str
    scopes: frozenset[KeyScope]


class AccessControl:
    """The control of keys and rates around the API, an ASGI application.

    Args:
        app: the API.
        keys: who may call; None lets everybody on this machine do everything.
        requests_per_minute: for each key, and for each address without one.
        own: applications by path that know their callers themselves.
    """

    def __init__(
        self,
        app: ASGIApp,
        keys: ApiKeys | None,
        requests_per_minute: int,
        own: Mapping[str, ASGIApp] = MappingProxyType({}),
    ) -> None:
        self._app = app
        self._own = own
        self._keys = keys
        self._limit = RateLimitItemPerMinute(requests_per_minute)
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        call = _Call(scope, send)
        try:
            await self._answer(call, with_body_timeout(receive))
        finally:
            call.log()

    async def _answer(self, call: _Call, receive: Receive) -> None:
        scope = call.scope
        scope["path"] = scope["path"].rstrip("/") or "/"
        if scope["path"] in self._own:
            call.caller = scope["path"]
            await self._own[scope["path"]](scope, receive, call.send)
            return
        caller = self._caller(scope)
        call.caller = caller.name if caller else f"address {_address(scope)}"
        allowed = self._limiter.hit(self._limit, call.caller)
        reset, remaining = self._limiter.get_window_stats(self._limit, call.caller)
        wait = max(0, math.ceil(reset - time.time()))
        call.headers = {
            "X-RateLimit-Limit": str(self._limit.amount),
            "X-RateLimit-Remaining": str(max(0, remaining)),
            "X-RateLimit-Reset": str(wait),
        }
        app = self._app
        is_export = scope["path"].startswith(EXPORT_PATH)
        if not allowed:
            app = (_too_many_exports if is_export else _too_many)(max(1, wait))
        elif caller is None and not scope["path"].startswith(PUBLIC):
            message = _NO_KEY if self._keys else _NOT_LOCAL
            app = (_unauthorized_export if is_export else _unauthorized)(message)
        else:
            scope.setdefault("state", {})["caller"] = caller
        await app(scope, receive, call.send)

    def _caller(self, scope: Scope) -> Caller | None:
        headers = Headers(scope=scope)
        if self._keys is None:
            # Neither a page of another site, nor one whose name is made to point at this machine, gets in.
            is_local = _host(headers) in LOOPBACK and not _is_from_elsewhere(headers)
            return Caller("demo", frozenset(KeyScope)) if is_local else None
        scheme, _, secret = (_only(headers, "authorization") or "").partition(" ")
        if scheme.lower() != "bearer" or not secret.strip():
            return None
        key = self._keys.find(secret.strip())
        return Caller(f"key {key.name}", key.scopes) if key else None


def _only(headers: Headers, name: str) -> str | None:
    """The value of a header that stands there once; of several, a proxy may have looked at another one."""
    values = headers.getlist(name)
    return values[0] if len(values) == 1 else None


def _host(headers: Headers) -> str | None:
    try:
        return urlsplit(f"//{_only(headers, 'host') or ''}").hostname
    except ValueError:
        return None


def _is_from_elsewhere(headers: Headers) -> bool:
    """Whether a browser says that a page of another origin has sent it; what is no browser says nothing."""
    if any(_netloc(origin) != headers.get("host") for origin in headers.getlist("origin")):
        return True
    return any(site not in ("same-origin", "none") for site in headers.getlist("sec-fetch-site"))


def _netloc(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return None


def _address(scope: Scope) -> str:
    client = scope.get("client")
    return str(client[0]) if client else "unknown"


_NO_KEY = "No valid API key: send `Authorization: Bearer <key>` with a key that PIPEDRIVE_API_KEYS knows."
_NOT_LOCAL = (
    "Without API keys only programs on this machine may call, by an address such as 127.0.0.1, and no page "
    "of another site."
)


def _unauthorized(message: str) -> ASGIApp:
    return answer_to(ApiError(401, message, headers={"WWW-Authenticate": "Bearer"}))


def _too_many(seconds: int) -> ASGIApp:
    message = f"Too many requests; the next one is taken in {seconds} s."
    return answer_to(ApiError(429, message, headers={"Retry-After": str(seconds)}))


def _unauthorized_export(message: str) -> ASGIApp:
    return export_failure(401, "UNAUTHORIZED", message, {"WWW-Authenticate": "Bearer"})


def _too_many_exports(seconds: int) -> ASGIApp:
    message = "Rate limit exceeded. Please try again later."
    return export_failure(429, "RATE_LIMIT_EXCEEDED", message, {"Retry-After": str(seconds)})


class _Call:
    """One call: what is added to its answer and written to the log."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self.scope = scope
        self.caller = ""
        self.headers: dict[str, str] = {}
        self._path = scope["path"]
        self._send = send
        self._status = 500
        self._began = time.perf_counter()

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            headers = MutableHeaders(scope=message)
            for name, value in self.headers.items():
                headers[name] = value
        await self._send(message)

    def log(self) -> None:
        """One line of JSON without query, headers and body: none of them is free of secrets for sure."""
        entry: dict[str, Any] = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "method": self.scope["method"],
            "path": self._path[:500],
            "status": self._status,
            "milliseconds": round((time.perf_counter() - self._began) * 1000, 1),
            "caller": self.caller,
            "address": _address(self.scope),
        }
        access_log.info(orjson.dumps(entry).decode())

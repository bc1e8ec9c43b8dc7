"""The HTTP surface: authentication, limits and envelopes around the endpoints."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from email.utils import format_datetime

import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route as Path

from pipedrive_orchestration.demo.account.account import Account, LoggedRequest
from pipedrive_orchestration.demo.call import Answer, Call
from pipedrive_orchestration.demo.errors import (
    ApiError,
    method_not_allowed,
    not_found,
    over_limit,
    retired,
    unauthorized,
)
from pipedrive_orchestration.demo.journal import Journal
from pipedrive_orchestration.demo.limits import Limits, Verdict
from pipedrive_orchestration.demo.oauth import InstalledApp
from pipedrive_orchestration.demo.perform import PREFIXES, perform
from pipedrive_orchestration.demo.routes import RETIRED, ROUTES, Route
from pipedrive_orchestration.demo.settings import Settings

_HTML_BLOCK = b"""<!DOCTYPE html>
<html><head><title>Access denied</title></head>
<body><h1>Sorry, you have been blocked</h1><p>You are unable to access this account.</p></body></html>
"""

_COMMON_HEADERS = {
    "cache-control": "no-cache",
    "access-control-expose-headers": "X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset, "
    "X-Daily-RateLimit-Token-Limit, X-Daily-RateLimit-Token-Remaining",
}

Handler = Callable[[Request], Awaitable[Response]]
Work = Callable[[Request], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class Surface:
    """Answers requests on behalf of one account.

    Attributes:
        account: the account.
        settings: how it was started.
        limits: its limits.
        journal: where writes are kept, if anywhere.
        oauth: the app that is installed in it.
    """

    account: Account
    settings: Settings
    limits: Limits
    journal: Journal | None
    oauth: InstalledApp

    def app(self) -> Starlette:
        """The ASGI application."""
        paths = [
            Path(prefix + route.path, self._endpoint(route), methods=[route.method])
            for route in ROUTES
            for prefix in PREFIXES[route.version]
        ]
        paths.extend(
            Path(prefix + path, self._retired(), methods=[method])
            for method, path in RETIRED
            for prefix in PREFIXES["v1"]
        )
        paths.append(Path("/oauth/token", self._oauth_token, methods=["POST"]))
        app = Starlette(routes=paths, exception_handlers={HTTPException: self._unrouted})
        app.router.redirect_slashes = False
        return app

    def _endpoint(self, route: Route) -> Handler:
        async def work(request: Request) -> Answer:
            content = b"" if route.method == "GET" else await request.body()
            query = tuple(request.query_params.multi_items())
            call = Call(self.account, route.version, request.path_params, query, content)
            return perform(route, call, _target(request), self.journal)

        async def endpoint(request: Request) -> Response:
            return await self._admitted(request, route.tokens, work)

        return endpoint

    def _retired(self) -> Handler:
        async def work(_request: Request) -> Answer:
            raise retired(self.settings.retired)

        async def endpoint(request: Request) -> Response:
            return await self._admitted(request, 0, work)

        return endpoint

    async def _oauth_token(self, request: Request) -> Response:
        address = str(request.base_url).rstrip("/")
        now = self.account.clock.now()
        answer = self.oauth.token(request.headers, await request.body(), now, address)
        self._log(request, answer.status, 0)
        return Response(answer.body, answer.status, media_type="application/json")

    async def _unrouted(self, request: Request, error: Exception) -> Response:
        async def work(_request: Request) -> Answer:
            assert isinstance(error, HTTPException), "registered for nothing else"
            if error.status_code == 405:
                raise method_not_allowed((error.headers or {}).get("Allow", ""))
            raise not_found()

        return await self._admitted(request, 0, work)

    async def _admitted(self, request: Request, tokens: int, work: Work) -> Response:
        """The work's answer, if the request is let through to it."""
        correlation_id = str(uuid.uuid4())
        now = self.account.clock.now()
        date = format_datetime(now, usegmt=True)
        headers = {**_COMMON_HEADERS, "x-correlation-id": correlation_id, "date": date}
        try:
            api_token = self._authenticate(request, correlation_id)
        except ApiError as error:
            # The gateway answers before it knows an account, so that no limit is told.
            return self._refused(request, error, headers)
        seconds = time.monotonic()
        verdict = self.limits.admit(tokens, seconds, now.date(), api_token=api_token)
        headers |= self.limits.headers(seconds)
        if self.settings.latency_ms:
            await asyncio.sleep(self.settings.latency_ms / 1000)
        if verdict is Verdict.SHUT_OUT:
            self._log(request, 403, 0)
            return Response(_HTML_BLOCK, 403, headers, media_type="text/html")
        if verdict is not Verdict.ADMITTED:
            return self._refused(request, over_limit(), headers)
        try:
            answer = await work(request)
        except ApiError as error:
            return self._refused(request, error, headers, tokens)
        self._log(request, answer.status, tokens)
        return Response(answer.body, answer.status, headers, media_type="application/json")

    def _authenticate(self, request: Request, correlation_id: str) -> bool:
        """Whether the request came with the API token, rather than with an OAuth bearer."""
        if (token := request.headers.get("x-api-token")) is not None:
            if token == self.settings.token:
                return True
        elif (sent := request.headers.get("authorization")) is not None:
            bearer = sent.removeprefix("Bearer ")
            if bearer == self.settings.token or self.oauth.accepts(bearer, self.account.clock.now()):
                return False
        raise unauthorized(correlation_id)

    def _refused(
        self, request: Request, error: ApiError, headers: dict[str, str], tokens: int = 0
    ) -> Response:
        self._log(request, error.status, tokens)
        return Response(
            orjson.dumps(error.body),
            error.status,
            {**headers, **error.headers},
            media_type="application/json",
        )

    def _log(self, request: Request, status: int, tokens: int) -> None:
        query = dict(request.query_params)
        self.account.log(LoggedRequest(request.method, request.url.path, query, status, tokens))


def _target(request: Request) -> str:
    query = request.url.query
    return f"{request.url.path}?{query}" if query else request.url.path

"""The HTTP API of an account: authentication, limits and envelopes around the endpoints."""

from __future__ import annotations

import asyncio
import base64
import time
import uuid
from dataclasses import dataclass
from email.utils import format_datetime

import orjson
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from pipedrive_orchestration.demo.account.account import Account, LoggedRequest
from pipedrive_orchestration.demo.bodies import FORMS
from pipedrive_orchestration.demo.dispatch import find, perform
from pipedrive_orchestration.demo.errors import (
    ApiError,
    bad_request,
    over_limit,
    unauthorized,
    wrong_scope,
)
from pipedrive_orchestration.demo.journal import Journal
from pipedrive_orchestration.demo.limits import Limits, Verdict
from pipedrive_orchestration.demo.oauth import InstalledApp
from pipedrive_orchestration.demo.operations import Operation
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


@dataclass(frozen=True, slots=True)
class _Caller:
    """Who sent a request: by the API token's header or as a bearer, and with which scopes if not all."""

    by_api_token: bool
    scopes: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class DemoApi:
    """Answers requests on behalf of one account; an ASGI application.

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

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        request = Request(scope, receive)
        is_token = (request.method, request.url.path) == ("POST", "/oauth/token")
        response = await (self._oauth_token(request) if is_token else self._answered(request))
        await response(scope, receive, send)

    async def _oauth_token(self, request: Request) -> Response:
        address = str(request.base_url).rstrip("/")
        now = self.account.clock.now()
        answer = self.oauth.token(request.headers, await request.body(), now, address)
        self._log(request, answer.status, 0)
        return Response(answer.body, answer.status, media_type="application/json")

    async def _answered(self, request: Request) -> Response:
        """The account's answer, if the request is let through to it."""
        correlation_id = str(uuid.uuid4())
        now = self.account.clock.now()
        date = format_datetime(now, usegmt=True)
        headers = {**_COMMON_HEADERS, "x-correlation-id": correlation_id, "date": date}
        try:
            caller = self._authenticate(request, correlation_id)
        except ApiError as error:
            # The gateway answers before it knows an account, so that no limit is told.
            return self._refused(request, error, headers)
        operation, refusal = self._meant(request, caller)
        tokens = 0 if operation is None else operation.tokens
        seconds = time.monotonic()
        verdict = self.limits.admit(tokens, seconds, now.date(), api_token=caller.by_api_token)
        headers |= self.limits.headers(seconds)
        if self.settings.latency_ms:
            await asyncio.sleep(self.settings.latency_ms / 1000)
        if verdict is Verdict.SHUT_OUT:
            self._log(request, 403, 0)
            return Response(_HTML_BLOCK, 403, headers, media_type="text/html")
        if verdict is not Verdict.ADMITTED:
            return self._refused(request, over_limit(), headers)
        try:
            if refusal is not None:
                raise refusal
            assert operation is not None, "what there is none for was refused"
            content = b"" if request.method == "GET" else await _content(request, operation)
            answer = perform(self.account, request.method, _target(request), content, self.journal)
        except ApiError as error:
            return self._refused(request, error, headers, tokens)
        self._log(request, answer.status, tokens)
        return Response(answer.body, answer.status, headers, media_type="application/json")

    def _meant(self, request: Request, caller: _Caller) -> tuple[Operation | None, ApiError | None]:
        """The operation that is asked for, or why there is none."""
        try:
            operation, _ = find(request.method, request.url.path)
        except ApiError as error:
            return None, error
        if caller.scopes is not None and caller.scopes.isdisjoint(operation.scopes):
            return None, wrong_scope()
        return operation, None

    def _authenticate(self, request: Request, correlation_id: str) -> _Caller:
        """Who sent the request.

        Raises:
            ApiError: 401 if nobody is known by what it was sent with.
        """
        if (token := request.headers.get("x-api-token")) is not None:
            if token == self.settings.token:
                return _Caller(by_api_token=True)
        elif (sent := request.headers.get("authorization")) is not None:
            bearer = sent.removeprefix("Bearer ")
            if bearer == self.settings.token:
                return _Caller(by_api_token=False)
            if self.oauth.accepts(bearer, self.account.clock.now()):
                return _Caller(by_api_token=False, scopes=self.oauth.scopes)
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


async def _content(request: Request, operation: Operation) -> bytes:
    """The body as JSON, which that of a form becomes.

    Raises:
        ApiError: 400 for a form where there has to be JSON, or the other way round.
    """
    wanted = FORMS.get((operation.method, operation.path), "application/json")
    kind = request.headers.get("content-type", "application/json").partition(";")[0].strip()
    body = await request.body()
    if body and kind != wanted:
        raise bad_request(operation.version, [f"The request body has to be {wanted}, not {kind}."])
    if wanted == "application/json":
        return body
    async with request.form() as form:
        values = {
            key: value if isinstance(value, str) else await _uploaded(value) for key, value in form.items()
        }
    return orjson.dumps(values)


async def _uploaded(file: UploadFile) -> dict[str, str]:
    content = base64.b64encode(await file.read()).decode()
    return {"name": file.filename or "", "content": content}


def _target(request: Request) -> str:
    query = request.url.query
    return f"{request.url.path}?{query}" if query else request.url.path

"""The API as an ASGI application."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from http import HTTPStatus
from importlib.metadata import version
from typing import Any, cast

from anyio import to_thread
from fastapi import FastAPI, Request
from fastapi_offline import FastAPIOffline
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import ASGIApp, Scope
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from pipedrive_orchestration.api.connection import SharedReading
from pipedrive_orchestration.api.dependencies import AccountCheck, ApiContext
from pipedrive_orchestration.api.errors import FORESEEN, answer_to, error_of
from pipedrive_orchestration.api.middleware import API_PATH, AccessControl
from pipedrive_orchestration.api.openapi import document
from pipedrive_orchestration.api.routes import exports, imports, report, sources, workflows, writes
from pipedrive_orchestration.api.routes.webhooks import PATH as WEBHOOKS_PATH
from pipedrive_orchestration.api.routes.webhooks import WebhookReceiver
from pipedrive_orchestration.services.reloads import Reloads
from pipedrive_orchestration.webhooks.inbox import Inbox, inbox_folder

_DESCRIPTION = """
Brings a Pipedrive CRM into DuckDB with Dagster, and keeps it there.

Send `Authorization: Bearer <key>` with every call. An answer is `{status, data}`, a failure `{status, error,
message}`, and a request that is wrong lists everything that is wrong with it in `errors`. Times are UTC.
"""


RELOAD_SECONDS = 10.0
"""Seconds for which the end of the process waits for a reload that was asked for."""


def create_app(context: ApiContext) -> ASGIApp:
    """The API, behind the control of keys and rates."""
    context = replace(context, warehouse=context.warehouse.with_patience(context.patience))
    reloads = Reloads(context.deployment)
    receiver = WebhookReceiver(Inbox(inbox_folder(context.settings)), context.settings)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        with suppress(OSError):
            # What is left is taken over by who looks next.
            receiver.close()
        await to_thread.run_sync(reloads.close, RELOAD_SECONDS)

    app: FastAPI = FastAPIOffline(
        lifespan=lifespan,
        docs_url=f"{API_PATH}/docs",
        redoc_url=None,
        static_url=f"{API_PATH}/static",
        openapi_url=f"{API_PATH}/openapi.json",
        swagger_ui_oauth2_redirect_url=f"{API_PATH}/docs/oauth2-redirect",
        title="pipedrive_orchestration",
        generate_unique_id_function=lambda route: route.name,
        version=version("pipedrive-orchestration"),
        description=_DESCRIPTION,
        redirect_slashes=False,
        # Nothing that happens here is told to anyone else.
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    app.state.context = context
    app.state.reading = SharedReading(context.warehouse)
    app.state.reloads = reloads
    app.state.account_calls = imports.AccountCalls()
    app.include_router(imports.router)
    app.include_router(sources.router)
    app.include_router(workflows.router)
    app.include_router(report.router)
    app.include_router(writes.router)
    app.include_router(exports.router)
    account = app.state.account_check = AccountCheck()

    async def answer_to_any(request: Request, error: Exception) -> Response:
        answer = error_of(error)
        if answer.status == HTTPStatus.BAD_REQUEST:
            answer = error_of(await account.refusal(request) or answer)
        elif answer.status == HTTPStatus.METHOD_NOT_ALLOWED:
            answer.headers = {"Allow": ", ".join(_methods_at(app, request.scope))}
        return answer_to(answer)

    for kind in (*FORESEEN, Exception):
        app.add_exception_handler(kind, answer_to_any)
    app.add_exception_handler(ClientDisconnect, answer_to_nobody)
    document(app, lambda: context.deployment.store.catalogue)
    controlled = AccessControl(app, context.keys, context.requests_per_minute, {WEBHOOKS_PATH: receiver})
    believed = list(context.settings.api_proxies or ())
    return cast(ASGIApp, ProxyHeadersMiddleware(cast(Any, controlled), believed))


CLIENT_GONE = 499
"""The status in the log of a call whose client went away while it was sending."""


def answer_to_nobody(_request: Request, _error: Exception) -> Response:
    """What ends a call whose client has gone."""
    return Response(status_code=CLIENT_GONE)


_READING = ("GET", "HEAD")
"""The methods of a folder of files, which is asked for all of them."""

_METHODS = (*_READING, "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


def _methods_at(app: FastAPI, scope: Scope) -> list[str]:
    """The methods that an address takes, whichever routes take them."""
    # Within a mounted folder the scope is that of the folder.
    asked = {**scope, "root_path": scope.get("app_root_path", "")}
    taken = [
        method
        for method in _METHODS
        if any(route.matches({**asked, "method": method})[0] is Match.FULL for route in app.routes)
    ]
    return [method for method in taken if method in _READING] if len(taken) == len(_METHODS) else taken

"""The API as an ASGI application."""

from __future__ import annotations

from dataclasses import replace
from importlib.metadata import version

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline
from starlette.types import ASGIApp

from pipedrive_orchestration.api.connection import SharedReading
from pipedrive_orchestration.api.dependencies import ApiContext
from pipedrive_orchestration.api.errors import FORESEEN, answer_to_any
from pipedrive_orchestration.api.middleware import API_PATH, AccessControl
from pipedrive_orchestration.api.openapi import document
from pipedrive_orchestration.api.routes import imports, sources, workflows

_DESCRIPTION = """
Brings a Pipedrive CRM into DuckDB with Dagster, and keeps it there.

Send `Authorization: Bearer <key>` with every call. An answer is `{status, data}`, a failure `{status, error,
message}`, and a request that is wrong lists everything that is wrong with it in `errors`. Times are UTC.
"""


def create_app(context: ApiContext) -> ASGIApp:
    """The API, behind the control of keys and rates."""
    app: FastAPI = FastAPIOffline(
        docs_url=f"{API_PATH}/docs",
        redoc_url=None,
        static_url=f"{API_PATH}/static",
        openapi_url=f"{API_PATH}/openapi.json",
        swagger_ui_oauth2_redirect_url=f"{API_PATH}/docs/oauth2-redirect",
        title="pipedrive_orchestration",
        version=version("pipedrive-orchestration"),
        description=_DESCRIPTION,
        redirect_slashes=False,
        # Nothing that happens here is told to anyone else.
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    context = replace(context, warehouse=context.warehouse.with_patience(context.patience))
    app.state.context = context
    app.state.reading = SharedReading(context.warehouse)
    app.state.account_calls = imports.account_calls()
    app.include_router(imports.router)
    app.include_router(sources.router)
    app.include_router(workflows.router)
    for kind in (*FORESEEN, Exception):
        app.add_exception_handler(kind, answer_to_any)
    document(app)
    return AccessControl(app, context.keys, context.requests_per_minute)

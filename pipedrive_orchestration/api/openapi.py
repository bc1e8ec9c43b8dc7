"""The OpenAPI page beside what follows from the code: answers, bodies and examples.

The demo account takes the bodies of the examples as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from pipedrive_orchestration.api.schemas import (
    ApplyBody,
    Failure,
    Held,
    Invalid,
    OptionsBody,
    OptionsContext,
    PlanBody,
    SourceItem,
    StatusBody,
    SyncBody,
    UndoBody,
)
from pipedrive_orchestration.pipedrive.errors import NOT_CONNECTED, USUAL_REMEDY
from pipedrive_orchestration.sources import PreviewBody, SourceBody

_REFERENCE = "#/components/schemas/{model}"

BODIES: tuple[type[BaseModel], ...] = (
    PreviewBody,
    SourceBody,
    OptionsBody,
    StatusBody,
    SyncBody,
    PlanBody,
    ApplyBody,
    UndoBody,
)
"""The models of request bodies. They are read by hand, after everything that can refuse a call earlier."""

PREVIEW_EXAMPLE: dict[str, Any] = {
    "object_type": "deals",
    "properties": ["title", "value", "currency", "status", "stage_id"],
    "properties_metadata": [{"name": "title", "label": "Deal"}],
    "filters": {
        "operator": "AND",
        "conditions": [{"variable": "status", "condition": "equals", "values": ["open"]}],
    },
}

SOURCE_EXAMPLE: dict[str, Any] = {
    **PREVIEW_EXAMPLE,
    "name": "Open deals",
    "pull_mode": "active",
    "schedule": "*/30 * * * *",
    "expiration_date": "2098-12-31",
}

STATIC_SOURCE_EXAMPLE: dict[str, Any] = {
    "name": "Organizations, imported once",
    "object_type": "organizations",
    "properties": ["name", "owner_id"],
    "pull_mode": "static",
}

OPTIONS_EXAMPLE: dict[str, Any] = {"context": {"object_type": "deals"}}

SYNC_EXAMPLE: dict[str, Any] = {
    "workflow_id": "0e5f3c5e-5f0e-5d0b-9d2f-6f1d5a3c7b11",
    "field_mapping": {"input.email": "emails", "{{input.first_name}}": "first_name"},
    "push_existing": True,
    "run": "first_10",
}

_RATE_HEADERS = {
    "X-RateLimit-Limit": ("Requests that the key may send in a minute.", 200),
    "X-RateLimit-Remaining": ("Requests that it may still send now.", 187),
    "X-RateLimit-Reset": ("Seconds until the oldest of its requests is forgotten.", 42),
}
_HEADERS = {
    name: {"description": description, "schema": {"type": "integer"}, "example": example}
    for name, (description, example) in _RATE_HEADERS.items()
}
_RETRY = {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}, "example": 5}}


def _failure(
    status: int, error: str, message: str, model: type[BaseModel] = Failure, **more: Any
) -> dict[str, Any]:
    example = {"status": status, "error": error, "message": message, **more}
    return {"model": model, "description": error, "content": {"application/json": {"example": example}}}


_ID = "50f2de20-c9dc-5dbb-b41b-2cff29c164f0"

_FAILURES: dict[int, dict[str, Any]] = {
    400: _failure(
        400,
        "Bad Request",
        "One thing is wrong with the request.",
        Invalid,
        errors=[
            {
                "field": "object_type",
                "code": "unknown_object_type",
                "message": "`dealz` is not an object type. Did you mean `deals`?",
            }
        ],
    ),
    401: _failure(401, "Unauthorized", "No valid API key: send `Authorization: Bearer <key>` ..."),
    402: _failure(
        402,
        "Payment Required",
        "The first import costs up to 410 tokens and 120 may be spent. It starts by itself after "
        "2026-11-22 00:00 UTC, or when the source is set active.",
        Held,
        data={"source_instance_id": _ID, "name": "Open deals", "created_at": "2026-11-21T12:00:00Z"},
    ),
    403: _failure(403, "Forbidden", "The key does not have the scope sources:write."),
    404: _failure(404, "Not Found", f"There is no source {_ID}."),
    405: _failure(405, "Method Not Allowed", "This address does not take that method; ..."),
    409: _failure(409, "Conflict", "leads_once is static: it has no schedule to pause or resume. ..."),
    413: _failure(413, "Request Entity Too Large", "The body is larger than 1,000,000 bytes."),
    424: _failure(424, "Failed Dependency", NOT_CONNECTED, hint=f"There is no API token. {USUAL_REMEDY}"),
    429: _failure(429, "Too Many Requests", "Too many requests; the next one is taken in 12 s."),
    500: _failure(500, "Internal Server Error", "Something went wrong here that nobody foresaw; ..."),
    502: _failure(502, "Bad Gateway", "GET /api/v2/deals got no usable answer within 10 s: ..."),
    503: _failure(503, "Service Unavailable", "data/warehouse.duckdb has been in use by another program ..."),
}

_ALWAYS = (401, 403, 400, 429, 500, 503)

Links = dict[str, dict[str, Any]]
"""The calls that can follow an answer, each with what it takes of it."""


def answers(
    *statuses: int, links: Links | None = None, linked: tuple[int, ...] = (200,)
) -> dict[int | str, dict[str, Any]]:
    """The failures of a call: those that every call has, and the given ones; and the calls that can follow.

    Args:
        statuses: of failures.
        links: the calls that can follow.
        linked: the statuses of the answers that they follow.
    """
    described: dict[int | str, dict[str, Any]] = {
        status: _FAILURES[status] for status in sorted({*_ALWAYS, *statuses})
    }
    for status in linked if links else ():
        described[status] = described.get(status, {}) | {"links": links}
    return described


def _link(operation: str, description: str, body: Any = None, **parameters: str) -> dict[str, Any]:
    given = {"parameters": parameters} if parameters else {}
    return {"operationId": operation, "description": description, **given} | (
        {"requestBody": body} if body else {}
    )


def source_links(pointer: str) -> Links:
    """The calls about a source whose id stands somewhere in an answer.

    Args:
        pointer: where, as a JSON pointer such as ``/data/source_instance_id``.
    """
    source_id = f"$response.body#{pointer}"
    return {
        "show": _link("show_source", "The source and what has become of it.", source_id=source_id),
        "data": _link("read_data", "Its rows, which grow while it is imported.", source_id=source_id),
        "sync": _link("sync_source", "Sends its rows to a workflow.", source_id=source_id),
        "status": _link("set_status", "Pauses it.", {"status": "paused"}, source_id=source_id),
        "delete": _link("delete_source", "Deletes it.", source_id=source_id),
    }


AFTER_OPTIONS: Links = {
    "preview": _link(
        "preview_import",
        "Shows what some of the properties bring; the options are its labels.",
        {
            "object_type": "$request.body#/context/object_type",
            "properties_metadata": "$response.body#/data/options",
        },
    )
}

AFTER_PREVIEW: Links = {
    "create": _link(
        "create_import", "The same body, with a name and how often it is pulled.", "$request.body"
    )
}

AFTER_WORKFLOWS: Links = {
    "inputs": _link(
        "list_inputs",
        "What a sync to the first of them fills.",
        workflow_id="$response.body#/data/0/workflow_id",
        sheet_id="$response.body#/data/0/sheets/0/sheet_id",
    )
}

AFTER_INPUTS: Links = {
    "sync": _link(
        "sync_source",
        "Fills them from a source, whose id the creation has told.",
        {"workflow_id": "$request.path.workflow_id"},
    )
}


def body_of(model: type[BaseModel], **examples: Any) -> dict[str, Any]:
    """The documentation of a body, with examples by name."""
    content = {
        "schema": {"$ref": _REFERENCE.format(model=model.__name__)},
        "examples": {name: {"value": value} for name, value in examples.items()},
    }
    return {"requestBody": {"required": True, "content": {"application/json": content}}}


def document(app: FastAPI, object_types: Callable[[], Iterable[str]]) -> None:
    """Let the OpenAPI page name the bodies, the keys and the headers of every answer.

    Args:
        app: whose page it is.
        object_types: gives those that sources can have now.
    """
    written = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            page = written()
            _complete(page)
            app.openapi_schema = page
        _name_object_types(app.openapi_schema, list(object_types()))
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign] # FastAPI's documented way to extend the page


_TYPED = (PreviewBody, SourceBody, OptionsContext, SourceItem)
"""The models whose ``object_type`` is one of the project's."""


def _name_object_types(page: dict[str, Any], object_types: list[str]) -> None:
    for model in _TYPED:
        schema = page["components"]["schemas"][model.__name__]
        schema["properties"]["object_type"]["enum"] = object_types


def _complete(page: dict[str, Any]) -> None:
    _, definitions = models_json_schema([(model, "validation") for model in BODIES], ref_template=_REFERENCE)
    components = page.setdefault("components", {})
    components.setdefault("schemas", {}).update(definitions["$defs"])
    components["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    page["security"] = [{"key": []}]
    for operations in page["paths"].values():
        for operation in operations.values():
            # Refused requests are answered with 400 here, never with FastAPI's 422.
            operation["responses"].pop("422", None)
            for status, described in operation["responses"].items():
                retry = _RETRY if status in {"429", "503"} else {}
                described["headers"] = {**_HEADERS, **retry}
    for name in ("HTTPValidationError", "ValidationError"):
        components["schemas"].pop(name, None)

"""What a call brings along: its key's scopes, its source, its parameters and its body, checked in order.

A call is refused for the first of these reasons that applies: no key (401), a key without the scope
(403), an unknown id (404), a request that is wrong (400), no account (424), no tokens (402).
"""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

import orjson
from fastapi import Depends, Path, Request

from pipedrive_orchestration.api.errors import ApiError, invalid
from pipedrive_orchestration.api.keys import Scope
from pipedrive_orchestration.api.middleware import Caller
from pipedrive_orchestration.api.settings import ApiSettings
from pipedrive_orchestration.pipedrive.auth import Connection
from pipedrive_orchestration.services.status import KnownSource, find_source
from pipedrive_orchestration.sources import Problem


def needs(scope: Scope) -> Any:
    """A dependency that refuses keys without a scope."""

    def check(request: Request) -> None:
        caller: Caller = request.state.caller
        if scope not in caller.scopes:
            raise ApiError(403, f"The key does not have the scope {scope}.")

    return Depends(check)


def settings_of(request: Request) -> ApiSettings:
    """The surroundings of the API."""
    settings: ApiSettings = request.app.state.settings
    return settings


Settings = Annotated[ApiSettings, Depends(settings_of)]


def connection_of(settings: ApiSettings) -> Connection:
    """The account.

    Raises:
        NotConnected: there is none.
    """
    return Connection.from_settings(settings.settings)


def _found(
    source_id: Annotated[UUID, Path(description="The source's id.")], settings: Settings
) -> KnownSource:
    return find_source(settings.deployment, source_id)


FoundSource = Annotated[KnownSource, Depends(_found)]
"""The source that the path names, deleted or not."""


def _no_query(request: Request) -> None:
    unknown = dict.fromkeys(request.query_params.keys())
    if unknown:
        raise invalid([Problem(name, "unknown_parameter", "Unknown query parameter.") for name in unknown])


NoQuery = Annotated[None, Depends(_no_query)]
"""Refuses every query parameter."""


async def _json_body(request: Request, settings: Settings) -> Any:
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    # A form of another site can send anything but this without asking the browser's leave.
    if content_type != "application/json":
        raise invalid([Problem("", "content_type", "The Content-Type must be application/json.")])
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > settings.max_body_bytes:
            raise ApiError(413, f"The body is larger than {settings.max_body_bytes:,} bytes.")
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise invalid([Problem("", "invalid_json", f"The body is not JSON: {error}.")]) from None


JsonBody = Annotated[Any, Depends(_json_body)]
"""The body, whatever JSON it is."""

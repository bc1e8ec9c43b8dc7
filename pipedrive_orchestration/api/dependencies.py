"""Dependencies of calls: what the API works on, and what a call brings along, checked in order.

A call is refused for the first of these reasons that applies: no key (401), a key without the scope
(403), an unknown id (404), no account (424), a request that is wrong (400), no tokens (402).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import orjson
from fastapi import Depends, Path, Request
from starlette.convertors import StringConvertor, register_url_convertor

from pipedrive_orchestration.api.errors import ApiError, invalid
from pipedrive_orchestration.api.keys import ApiKeys, Scope
from pipedrive_orchestration.api.middleware import Caller
from pipedrive_orchestration.pipedrive.account import read_user
from pipedrive_orchestration.pipedrive.auth import Connection
from pipedrive_orchestration.pipedrive.client import Client, Patience
from pipedrive_orchestration.pipedrive.clock import utc_now
from pipedrive_orchestration.pipedrive.errors import NotConnected, PipedriveError
from pipedrive_orchestration.services.deployment import Deployment
from pipedrive_orchestration.services.reloads import Reloads
from pipedrive_orchestration.services.status import KnownSource, find_source
from pipedrive_orchestration.settings import Settings
from pipedrive_orchestration.sources import Problem
from pipedrive_orchestration.warehouse import Warehouse

REQUESTS_PER_MINUTE = 200
MAX_BODY_BYTES = 1_000_000

PATIENCE_SECONDS = 10.0
"""Seconds that a caller is kept waiting for the database; imports wait longer."""


@dataclass(frozen=True, slots=True)
class ApiContext:
    """The project, database and account of an API, its keys and its bounds.

    Attributes:
        deployment: the project folder and Dagster.
        warehouse: the database that is read.
        settings: name the account.
        keys: who may call; None lets everybody on this machine do everything, for demonstrations.
        requests_per_minute: how many requests a key, or an address without one, may send.
        max_body_bytes: how large the body of a request may be.
        patience: seconds after which a call that needs the database is answered without it.
        clock: gives the current instant in UTC.
    """

    deployment: Deployment
    warehouse: Warehouse
    settings: Settings
    keys: ApiKeys | None
    requests_per_minute: int = REQUESTS_PER_MINUTE
    max_body_bytes: int = MAX_BODY_BYTES
    patience: float = PATIENCE_SECONDS
    clock: Callable[[], datetime] = utc_now

    @property
    def connection(self) -> Connection:
        """The account.

        Raises:
            NotConnected: there is none.
        """
        return Connection.from_settings(self.settings)


def needs(scope: Scope) -> Any:
    """A dependency that refuses keys without a scope."""

    def check(request: Request) -> None:
        caller: Caller = request.state.caller
        if scope not in caller.scopes:
            raise ApiError(403, f"The key does not have the scope {scope}.")

    return Depends(check)


def _context(request: Request) -> ApiContext:
    context: ApiContext = request.app.state.context
    return context


Context = Annotated[ApiContext, Depends(_context)]
"""The context of the API that is called."""


def _connected(request: Request, context: Context) -> None:
    request.state.connection = context.connection


needs_connection: Any = Depends(_connected)
"""A dependency that refuses calls while there is no account.

Whether Pipedrive accepts the token, a call finds out by asking for what it needs, and `AccountCheck` where
the call is refused before that.
"""

CHECK_PATIENCE = Patience(deadline=1, first_deadline=1, attempt=3)
"""The patience for finding out whether Pipedrive accepts a token, while a caller waits for an error."""

CHECKED_SECONDS = 60.0
"""Seconds for which a token that was accepted counts as such."""


class AccountCheck:
    """The check of an account before a call that needs one is refused for another reason."""

    def __init__(self) -> None:
        self._accepted_until = -math.inf

    async def refusal(self, request: Request) -> NotConnected | None:
        """Pipedrive's refusal of the token, if the call needs an account and there is one."""
        connection: Connection | None = getattr(request.state, "connection", None)
        if connection is None or time.monotonic() < self._accepted_until:
            return None
        try:
            async with Client(connection, patience=CHECK_PATIENCE) as client:
                await read_user(client)
        except NotConnected as refusal:
            return refusal
        except PipedriveError:
            return None
        self._accepted_until = time.monotonic() + CHECKED_SECONDS
        return None


class _SourceIdConvertor(StringConvertor):
    """A part of a path that stands for a source, which `import_from_pipedrive` never does."""

    regex = "(?!import_from_pipedrive(?:/|$))[^/]+"


register_url_convertor("source", _SourceIdConvertor())
"""Paths write a source's id as ``{source_id:source}``."""


def _reloads(request: Request) -> Reloads:
    reloads: Reloads = request.app.state.reloads
    return reloads


CodeLocation = Annotated[Reloads, Depends(_reloads)]
"""The reloads of the code location that a call asks for."""


def _found(source_id: Annotated[UUID, Path(description="The source's id.")], context: Context) -> KnownSource:
    return find_source(context.deployment, source_id)


FoundSource = Annotated[KnownSource, Depends(_found)]
"""The source that the path names, deleted or not."""


def _no_query(request: Request) -> None:
    unknown = dict.fromkeys(request.query_params.keys())
    if unknown:
        raise invalid([Problem(name, "unknown_parameter", "Unknown query parameter.") for name in unknown])


NoQuery = Annotated[None, Depends(_no_query)]
"""Refuses every query parameter."""


async def _json_body(request: Request, context: Context) -> Any:
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    # A form of another site can send anything but this without asking the browser's leave.
    if content_type != "application/json":
        raise invalid([Problem("", "content_type", "The Content-Type must be application/json.")])
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > context.max_body_bytes:
            raise ApiError(413, f"The body is larger than {context.max_body_bytes:,} bytes.")
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise invalid([Problem("", "invalid_json", f"The body is not JSON: {error}.")]) from None


JsonBody = Annotated[Any, Depends(_json_body)]
"""The body, whatever JSON it is."""

"""The server by HTTP, for programs on this machine alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mcp.server.mcpserver import MCPServer
from mcp.server.transport_security import TransportSecuritySettings
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from pipedrive_orchestration.api.keys import ApiKeys
from pipedrive_orchestration.api.keys import Scope as KeyScope
from pipedrive_orchestration.api.timeouts import with_body_timeout

PATH = "/mcp"

MOST_REQUEST_BYTES = 100_000
"""How large a request may be."""

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
"""Names of this machine, as they stand in addresses."""


def http_app(server: MCPServer[Any], keys: ApiKeys | None = None) -> ASGIApp:
    """An ASGI application that answers at `PATH` by an address of this machine.

    A page of another site that has its name point at this machine is refused by its Host, and every page by
    its Origin: clients that are programs send none.

    Args:
        server: what answers.
        keys: of which a caller needs one that may read sources; None lets every program of this machine call.
    """
    security = TransportSecuritySettings(
        allowed_hosts=[*LOOPBACK, *(f"{host}:*" for host in LOOPBACK)], allowed_origins=[]
    )
    app = server.streamable_http_app(
        streamable_http_path=PATH,
        json_response=True,
        stateless_http=True,
        max_request_body_size=MOST_REQUEST_BYTES,
        transport_security=security,
    )
    return _Control(app, keys)


class _Control:
    """The control of keys, methods and slow callers around the server, an ASGI application.

    Nothing is ever sent that was not asked for, so a stream to wait on (GET) would be a connection that is
    taken for nothing; and there is no session that could be ended (DELETE).
    """

    def __init__(self, app: ASGIApp, keys: ApiKeys | None) -> None:
        self._app = app
        self._keys = keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif not self._is_known(Headers(scope=scope).getlist("authorization")):
            answer = Response(_NO_KEY, 401, headers={"WWW-Authenticate": "Bearer"})
            await answer(scope, receive, send)
        elif scope["method"] != "POST":
            await Response(status_code=405, headers={"Allow": "POST"})(scope, receive, send)
        else:
            await self._app(scope, with_body_timeout(receive), send)

    def _is_known(self, authorizations: Sequence[str]) -> bool:
        if self._keys is None:
            return True
        # Of several, a proxy may have looked at another one than is taken here.
        scheme, _, secret = authorizations[0].partition(" ") if len(authorizations) == 1 else ("", "", "")
        key = self._keys.find(secret.strip()) if scheme.lower() == "bearer" else None
        return key is not None and KeyScope.SOURCES_READ in key.scopes


_NO_KEY = "Send `Authorization: Bearer <key>` with a key of PIPEDRIVE_API_KEYS for sources:read.\n"

"""The page of the report, beside Dagster's own pages and under the same address."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pipedrive_orchestration.services.web_guard import Application, Receive, Scope, Send

PATH = "/report"
"""Where it is."""

_MISSING = "There is no report yet: materialize the asset models/report.\n"


class ReportPage:
    """An application before another one, which answers one address itself.

    Args:
        application: answers all others.
        file: tells where the page is.
    """

    def __init__(self, application: Application, file: Callable[[], Path]) -> None:
        self._application = application
        self._file = file

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or let the application do it."""
        if scope["type"] == "http" and scope["path"] == PATH and scope["method"] in {"GET", "HEAD"}:
            await self._answer(scope, send)
        else:
            await self._application(scope, receive, send)

    async def _answer(self, scope: Scope, send: Send) -> None:
        try:
            status, kind, body = 200, b"text/html; charset=utf-8", self._file().read_bytes()
        except FileNotFoundError:
            status, kind, body = 404, b"text/plain; charset=utf-8", _MISSING.encode()
        headers = [
            (b"content-type", kind),
            (b"content-length", str(len(body)).encode()),
            (b"cache-control", b"no-store"),
        ]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

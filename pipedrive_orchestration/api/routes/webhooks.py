"""The receiver of Pipedrive's webhooks: an event is on disk before it is answered (docs/webhooks.md)."""

from __future__ import annotations

import asyncio
import hmac
from base64 import b64encode
from contextlib import suppress

from anyio import CapacityLimiter, to_thread
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from pipedrive_orchestration.settings import Settings
from pipedrive_orchestration.webhooks.events import UnusableEventError, parse
from pipedrive_orchestration.webhooks.inbox import Inbox, OpenFile

PATH = "/webhooks/pipedrive"

MAX_EVENT_BYTES = 2_000_000
"""How large an event may be; a larger one is answered and set aside, without what it says."""

TOO_LARGE = b'{"set_aside": "an event that is larger than the receiver takes"}'


class WebhookReceiver:
    """An ASGI application that keeps events.

    What is no event that we know is set aside and answered like any other: Pipedrive stops delivering to whom
    refuses. Only what cannot be written is answered 503, so that it comes again.

    Args:
        inbox: where events are kept.
        settings: name and password that Pipedrive sends along.
    """

    def __init__(self, inbox: Inbox, settings: Settings) -> None:
        self._inbox = inbox
        self._secret = _secret_of(settings)
        self._writer = _Writer(inbox)

    def close(self) -> None:
        """Let the inbox show what was kept last; nothing is received any more.

        Raises:
            OSError: the inbox cannot be written.
        """
        self._writer.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        request = Request(scope, receive)
        try:
            answer = await self._answer(request)
        except ClientDisconnect:
            return
        await answer(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        if self._secret is None:
            return Response("PIPEDRIVE_WEBHOOK_USER and PIPEDRIVE_WEBHOOK_PASSWORD are not set.\n", 404)
        sent = request.headers.getlist("authorization")
        if len(sent) != 1 or not hmac.compare_digest(sent[0].encode(), self._secret):
            return Response(status_code=401, headers={"WWW-Authenticate": "Basic"})
        if request.method != "POST":
            return Response(status_code=405, headers={"Allow": "POST"})
        body = await _bounded(request)
        try:
            if body is None:
                await to_thread.run_sync(self._inbox.set_aside, TOO_LARGE)
            else:
                await self._keep(body)
        except OSError as error:
            return Response(f"The event cannot be kept: {error.strerror}.\n", 503)
        return Response(status_code=200)

    async def _keep(self, body: bytes) -> None:
        try:
            parse(body)
        except UnusableEventError:
            await to_thread.run_sync(self._inbox.set_aside, body)
            return
        # A line break within JSON is blank space.
        await self._writer.keep(body.replace(b"\n", b" ").replace(b"\r", b" "))


OPEN_SECONDS = 0.3
"""How long a file is added to before the inbox shows it."""


class _Writer:
    """Writes events: those that come at the same time at once, and those of a moment to one file.

    A file is there before it is needed, since a new one takes longest to bring to disk.
    """

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox
        self._file: OpenFile | None = None
        self._waiting: list[tuple[bytes, asyncio.Future[None]]] = []
        self._writing: asyncio.Task[None] | None = None
        self._showing: asyncio.Task[None] | None = None
        self._limiter: CapacityLimiter | None = None

    async def keep(self, event: bytes) -> None:
        """Keep an event; it is on disk on return.

        Raises:
            OSError: it cannot be written.
        """
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((event, written))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write())
        await written

    def close(self) -> None:
        """Let the inbox show what is written.

        Raises:
            OSError: the inbox cannot be written.
        """
        file, self._file = self._file, None
        if file is not None:
            file.close()

    async def _write(self) -> None:
        self._limiter = self._limiter or CapacityLimiter(1)
        while self._waiting:
            taken, self._waiting = self._waiting, []
            error: OSError | None = None
            try:
                events = [event for event, _ in taken]
                await to_thread.run_sync(self._add, events, limiter=self._limiter)
            except OSError as refused:
                error = refused
            for _, written in taken:
                if written.done():
                    continue
                if error is None:
                    written.set_result(None)
                else:
                    written.set_exception(error)
        if self._showing is None or self._showing.done():
            self._showing = asyncio.create_task(self._show(self._limiter))

    async def _show(self, limiter: CapacityLimiter) -> None:
        await asyncio.sleep(OPEN_SECONDS)
        # What cannot be shown or made now is tried again with the next event.
        with suppress(OSError):
            await to_thread.run_sync(self._next_file, limiter=limiter)

    # These two are called one after the other, by the limiter.

    def _add(self, events: list[bytes]) -> None:
        if self._file is None:
            self._file = self._inbox.open_file()
        self._file.add(events)

    def _next_file(self) -> None:
        self.close()
        self._file = self._inbox.open_file()


async def _bounded(request: Request) -> bytes | None:
    """The body of a request; None where it is too large."""
    body = bytearray()
    async for chunk in request.stream():
        if len(body) <= MAX_EVENT_BYTES:
            body += chunk
    return bytes(body) if len(body) <= MAX_EVENT_BYTES else None


def _secret_of(settings: Settings) -> bytes | None:
    """The header that Pipedrive has to send; None where none is agreed on."""
    user, password = settings.webhook_user, settings.webhook_password
    if user is None or password is None:
        return None
    pair = f"{user}:{password.get_secret_value()}".encode()
    return b"Basic " + b64encode(pair)

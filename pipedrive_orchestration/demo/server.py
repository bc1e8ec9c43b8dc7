"""Starting a demo account: as a process of its own or in a thread of this one."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson
import uvicorn
from starlette.types import ASGIApp

from pipedrive_orchestration.demo.account.account import Account
from pipedrive_orchestration.demo.app import DemoApi
from pipedrive_orchestration.demo.clock import Clock
from pipedrive_orchestration.demo.deliveries import Deliveries
from pipedrive_orchestration.demo.dispatch import perform
from pipedrive_orchestration.demo.errors import ApiError
from pipedrive_orchestration.demo.fault_injection import AbortableProtocol, FaultInjector
from pipedrive_orchestration.demo.faults import Fault
from pipedrive_orchestration.demo.generator import generate
from pipedrive_orchestration.demo.journal import Birth, Journal, JournalError
from pipedrive_orchestration.demo.limits import Limits
from pipedrive_orchestration.demo.oauth import InstalledApp
from pipedrive_orchestration.demo.odd_answers import OddAnswers
from pipedrive_orchestration.demo.prompt_server import PromptServer
from pipedrive_orchestration.demo.settings import Settings

HOST = "127.0.0.1"
_GRACE_SECONDS = 2


@dataclass(frozen=True, slots=True)
class DemoServer:
    """A demo account that answers on a loopback port.

    Attributes:
        url: base address, without ``/api/v2``.
        token: the API token.
        account: the account itself, for direct access while the server runs.
        limits: its limits and how much of them is used.
        journal: where its writes are kept, if anywhere.
        oauth: the app that is installed in it.
        odd: gives other answers than the account's own where it is told to.
        injected: how often each fault has come, where there are any.
    """

    url: str
    token: str
    account: Account
    limits: Limits
    journal: Journal | None
    oauth: InstalledApp
    odd: OddAnswers
    injected: Counter[Fault]
    deliveries: Deliveries

    def write(self, method: str, path: str, body: Any = None) -> Any:
        """Changes the account as Pipedrive's own user interface would: free of tokens and limits.

        Args:
            method: ``POST``, ``PATCH``, ``PUT`` or ``DELETE``.
            path: such as ``/api/v2/deals/7``.
            body: what would be sent as JSON.

        Returns:
            The ``data`` of the answer.

        Raises:
            ApiError: the account refuses the change, or there is no such operation.
        """
        content = b"" if body is None else orjson.dumps(body)
        answer = perform(self.account, method, path, content, self.journal)
        return orjson.loads(answer.body).get("data")


def open_account(settings: Settings) -> tuple[Account, Journal | None]:
    """The account that the settings describe, with the writes of its journal repeated.

    Raises:
        JournalError: the journal cannot be used.
    """
    born = (settings.born or datetime.now(UTC)).replace(microsecond=0)
    birth = Birth(seed=settings.seed, scale=settings.scale, born=born)
    journal = None
    if settings.journal is not None:
        journal = Journal(settings.journal, birth)
        birth = journal.birth
    clock = Clock(settings.born, settings.clock_rate)
    account = Account(generate(birth.seed, birth.scale, birth.born), clock, birth.seed)
    if journal is not None:
        try:
            _repeat(account, journal)
        except JournalError:
            journal.close()
            raise
    return account, journal


def _repeat(account: Account, journal: Journal) -> None:
    for write in journal.writes():
        with account.clock.at(write.at):
            try:
                perform(account, write.method, write.path, write.content)
            except ApiError as error:
                raise JournalError(
                    f"The journal's {write.method} {write.path} of {write.at:%Y-%m-%d %H:%M:%S} is refused "
                    f"now ({error}); it was written by another version: choose another file"
                ) from error


class Server(PromptServer):
    """A uvicorn server on a loopback port that tells when it is ready.

    Args:
        api: what it serves.
        ready: called once connections are accepted.

    Attributes:
        odd: gives other answers than the account's own where it is told to.
        injected: how often each fault has come.
        deliveries: sends events to who has subscribed.
    """

    def __init__(self, api: DemoApi, ready: Callable[[], None]) -> None:
        self.injected: Counter[Fault] = Counter()
        self.odd = OddAnswers(api, api.account.clock.now)
        app: ASGIApp = self.odd
        if api.settings.faults is not None:
            app = FaultInjector(app, api.settings.faults, self.injected)
        config = uvicorn.Config(
            app,
            http="auto" if api.settings.faults is None else AbortableProtocol,
            log_level="warning",
            access_log=False,
            lifespan="off",
            ws="none",
            server_header=False,
            date_header=False,  # the account has a clock of its own
            timeout_graceful_shutdown=_GRACE_SECONDS,
        )
        super().__init__(config)
        self.deliveries = Deliveries(api.account, api.settings.webhook_pace)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Starts accepting connections and says so."""
        await super().startup(sockets)
        if self.started:
            self.deliveries.start()
            self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Ends what is under way."""
        await asyncio.to_thread(self.deliveries.stop)
        await super().shutdown(sockets)


def listening_socket(port: int) -> socket.socket:
    """A socket on the loopback port, or on a free one for 0.

    Raises:
        OSError: the port is taken.
    """
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
    except OSError:
        listener.close()
        raise
    return listener


def url_of(listener: socket.socket) -> str:
    """The base address of what listens there."""
    return f"http://{HOST}:{listener.getsockname()[1]}"


def api_of(settings: Settings) -> DemoApi:
    """A freshly opened account with its HTTP API.

    Raises:
        JournalError: the journal cannot be used.
    """
    account, journal = open_account(settings)
    limits = Limits(settings.burst, settings.daily_tokens, settings.hammering, settings.shut_out_seconds)
    app = InstalledApp.of(settings.seed, settings.oauth_seconds)
    return DemoApi(account, settings, limits, journal, app)


@contextmanager
def running_demo(settings: Settings | None = None) -> Iterator[DemoServer]:
    """A demo account that runs in a thread as long as the block does.

    Raises:
        JournalError: the journal cannot be used.
        OSError: the port is taken.
    """
    settings = settings or Settings()
    listener = listening_socket(settings.port)
    with listener:
        api = api_of(settings)
        ready = threading.Event()
        server = Server(api, ready.set)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="demo account")
        thread.start()
        try:
            if not ready.wait(timeout=30):
                raise RuntimeError("the demo account did not start within 30 s")
            yield DemoServer(
                url_of(listener),
                settings.token,
                api.account,
                api.limits,
                api.journal,
                api.oauth,
                server.odd,
                server.injected,
                server.deliveries,
            )
        finally:
            server.should_exit = True
            thread.join()
            if api.journal is not None:
                api.journal.close()

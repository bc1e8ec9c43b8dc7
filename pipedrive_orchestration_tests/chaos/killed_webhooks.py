"""Receivers and mergers of webhooks that can be killed: ``python -m ...killed_webhooks``.

Its argument is a `Place` as JSON. Each order, ``receiver`` or ``merger``, is answered with the id of a
process that is forked for it and works until it is killed; forking spares it the start of an interpreter.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import time
import traceback
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import uvicorn

from pipedrive_orchestration.api.routes.webhooks import WebhookReceiver
from pipedrive_orchestration.pipedrive.auth import Connection
from pipedrive_orchestration.settings import Settings
from pipedrive_orchestration.sources import Source
from pipedrive_orchestration.warehouse import Warehouse
from pipedrive_orchestration.webhooks.inbox import Inbox
from pipedrive_orchestration.webhooks.merger import Merger
from pipedrive_orchestration_tests.clocks import Ticks

LOOK_SECONDS = 0.02


@dataclass(frozen=True)
class Place:
    """Where a receiver and a merger work.

    Attributes:
        folder: of the warehouse, staging, the inbox, and of the file ``clock`` with the present instant.
        sources: as JSON.
    """

    url: str
    token: str
    folder: str
    port: int
    user: str
    password: str
    sources: list[str]

    @property
    def inbox(self) -> Inbox:
        return Inbox(Path(self.folder, "inbox"))

    @property
    def settings(self) -> Settings:
        return Settings.from_variables(
            {
                "PIPEDRIVE_WEBHOOK_USER": self.user,
                "PIPEDRIVE_WEBHOOK_PASSWORD": self.password,
                "PIPEDRIVE_API_URL": self.url,
                "PIPEDRIVE_API_TOKEN": self.token,
            }
        )

    def now(self) -> datetime:
        return datetime.fromisoformat(Path(self.folder, "clock").read_text())


def receive(place: Place) -> None:
    """Receive events until killed."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        _bind(listener, place.port)
        app = WebhookReceiver(place.inbox, place.settings)
        config = uvicorn.Config(app, log_level="error", access_log=False, lifespan="off", ws="none")
        uvicorn.Server(config).run(sockets=[listener])


def _bind(listener: socket.socket, port: int) -> None:
    """Wait for the port: the one that was killed may not be gone yet."""
    deadline = time.monotonic() + 30
    while True:
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(LOOK_SECONDS)
        else:
            return


def merge(place: Place) -> None:
    """Merge events until killed."""
    sources = [Source.model_validate_json(source) for source in place.sources]
    folder = Path(place.folder)
    merger = Merger(
        place.inbox,
        Connection.of(place.url, place.token),
        Warehouse(str(folder / "warehouse.duckdb")),
        folder / "staging",
        Ticks(place.now),
    )
    while True:
        merger.merge(sources)
        time.sleep(LOOK_SECONDS)


WORK = {"receiver": receive, "merger": merge}


def _forked(place: Place, order: str) -> int:
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        try:
            WORK[order](place)
        except Exception:  # noqa: BLE001 - whatever ended it is to be seen
            traceback.print_exc()
        finally:
            os._exit(1)
    return child


if __name__ == "__main__":
    # Who is killed is nobody's zombie.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    where = Place(**json.loads(sys.argv[1]))
    for line in sys.stdin:
        print(_forked(where, line.strip()), flush=True)  # noqa: T201 - what the other end reads

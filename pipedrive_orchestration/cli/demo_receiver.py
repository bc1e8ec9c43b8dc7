"""The process that receives the demo account's webhooks beside ``dev``, and merges them.

It imports Dagster, which the command that starts it does not: ``cli/demo_webhooks.py``.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack, suppress

import uvicorn

from pipedrive_orchestration.api.routes.webhooks import WebhookReceiver
from pipedrive_orchestration.cli.demo_webhooks import subscribe
from pipedrive_orchestration.cli.environment import Environment
from pipedrive_orchestration.pipedrive.errors import PipedriveError
from pipedrive_orchestration.services.deployment import deployed
from pipedrive_orchestration.services.dev_process import HOST
from pipedrive_orchestration.services.live import LiveMerge
from pipedrive_orchestration.services.web_server import ReloadError, check_listening
from pipedrive_orchestration.webhooks.inbox import Inbox, inbox_folder
from pipedrive_orchestration.webhooks.merger import Merger
from pipedrive_orchestration.webhooks.subscriptions import objects_of, remove

LOOK_SECONDS = 1.0
"""Seconds between two looks at `dev`, Dagster and the sources."""


class _Merging:
    """A thread that merges what arrives, once Dagster is up, and keeps subscriptions in step with sources.

    Args:
        environment: on the demo account.
        url: where events arrive.
        port: Dagster's, which has made its storage when it answers there.
        end: called when `dev` is gone.
    """

    def __init__(self, environment: Environment, url: str, port: int, end: Callable[[], None]) -> None:
        self._environment = environment
        self._url = url
        self._dagster = f"http://{HOST}:{port}"
        self._end = end
        self._parent = os.getppid()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="merge of webhooks", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        subscribed = objects_of(self._environment.store.load().sources)
        with ExitStack() as stack:
            is_merging = False
            while not self._stopped.wait(LOOK_SECONDS):
                if os.getppid() != self._parent:
                    self._end()
                    return
                if not is_merging and self._is_dagster_up():
                    settings = self._environment.settings
                    deployment = stack.enter_context(deployed(settings))
                    stack.enter_context(LiveMerge(deployment, Merger.from_settings(settings)))
                    is_merging = True
                wanted = objects_of(self._environment.store.load().sources)
                if wanted != subscribed:
                    with suppress(PipedriveError):
                        subscribe(self._environment, self._url)
                        subscribed = wanted

    def _is_dagster_up(self) -> bool:
        try:
            check_listening(self._dagster)
        except ReloadError:
            return False
        return True


def _receive(url: str, descriptor: int, port: int) -> None:
    """Receive events and merge them, until this process is told to end."""
    environment = Environment.read()
    receiver = WebhookReceiver(Inbox(inbox_folder(environment.settings)), environment.settings)
    config = uvicorn.Config(receiver, log_level="warning", access_log=False, lifespan="off", ws="none")
    server = uvicorn.Server(config)

    def stop(*_: object) -> None:
        server.should_exit = True

    with (
        socket.socket(fileno=descriptor) as listener,
        _Merging(environment, url, port, stop),
    ):
        # uvicorn sends itself the signal again once it has stopped; the rest has to be ended here.
        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
        server.run(sockets=[listener])
        receiver.close()
    # The account may have been told to end as well.
    with suppress(PipedriveError):
        asyncio.run(remove(environment.connection))


if __name__ == "__main__":
    _receive(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))

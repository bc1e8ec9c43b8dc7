"""Webhooks of the demo account beside ``dev``: the subscriptions, and a process that receives and merges."""

from __future__ import annotations

import asyncio
import secrets
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from pipedrive_orchestration.cli.environment import Environment
from pipedrive_orchestration.services.dev_process import HOST
from pipedrive_orchestration.webhooks.subscriptions import register, remove

RECEIVER = "pipedrive_orchestration.cli.demo_receiver"
"""The module of the process, which takes seconds to import."""

USER = "demo"
"""What the demo account signs in with, unless a name is set."""

GRACE_SECONDS = 15
"""Seconds that the receiver has to end."""


def with_credentials(environment: Environment) -> Environment:
    """The same environment with a name and a password for webhooks, made up if none are set."""
    settings = environment.settings
    if settings.webhook_user is not None and settings.webhook_password is not None:
        return environment
    return environment.but(webhook_user=USER, webhook_password=secrets.token_urlsafe(32))


@contextmanager
def demo_webhooks(environment: Environment, port: int) -> Iterator[None]:
    """Events of the demo account arrive and are merged for as long as the block lasts.

    Args:
        environment: on the demo account, with credentials; exported to this process before.
        port: Dagster's.

    Raises:
        PipedriveError: the account refuses the subscriptions.
    """
    with socket.create_server((HOST, 0)) as listener:
        url = f"http://{HOST}:{listener.getsockname()[1]}/webhooks/pipedrive"
        # Those of a `dev` that was killed lead nowhere. What comes before the receiver is up waits for it.
        asyncio.run(remove(environment.connection))
        subscribe(environment, url)
        descriptor = listener.fileno()
        process = subprocess.Popen(  # noqa: S603 - this Python and a module of ours
            [sys.executable, "-m", RECEIVER, url, str(descriptor), str(port)], pass_fds=[descriptor]
        )
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def subscribe(environment: Environment, url: str) -> None:
    """Subscribe to what the sources of the project need.

    Raises:
        PipedriveError: the account refuses.
    """
    sources = environment.store.load().sources
    asyncio.run(register(environment.connection, environment.settings, sources, url))

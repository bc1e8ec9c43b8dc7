"""What a server on a machine has to itself: `dev` the lock on its state, and each its port."""

from __future__ import annotations

import socket
from pathlib import Path

from filelock import FileLock, Timeout

HOST = "127.0.0.1"
"""Where servers of ours listen unless told otherwise."""

UI_PORT = 3000
"""The port that `dev` takes for Dagster's UI unless told otherwise."""

API_PORT = 8000
"""The port that `serve` takes unless told otherwise."""


def dev_lock(state: Path) -> FileLock:
    """The lock that a running `dev` holds, of which nobody waits for the release.

    Args:
        state: the folder of Dagster's state, which is there.
    """
    return FileLock(state / "dev.lock", timeout=0)


def is_dev_running(state: Path) -> bool:
    """Whether a `dev` holds the state of that folder."""
    if not state.is_dir():
        return False
    lock = dev_lock(state)
    try:
        lock.acquire()
    except Timeout:
        return True
    lock.release()
    return False


def is_taken(port: int) -> bool:
    """Whether another program listens at a port of this machine."""
    with socket.socket() as listener:
        # As a server will: a port whose last connections are fading away is free.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, port))
        except OSError:
            return True
    return False

"""Locks beside a database of this machine: one process of ours has it open at a time.

They are files, whose locks end with the process that holds them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from pipedrive_orchestration.warehouse.errors import WarehouseError
from pipedrive_orchestration.warehouse.waits import ONE_OF_OURS, TELL_AFTER_SECONDS, Waiting


@contextmanager
def locked(file: Path, waiting: Waiting) -> Iterator[None]:
    """The lock of a database file for as long as the block lasts; waited for.

    Args:
        file: the database.
        waiting: how long for, and who is told of it.

    Raises:
        WarehouseError: it was not had in time, or cannot be made.
    """
    lock = FileLock(f"{file}.lock", thread_local=False)
    _acquire(lock, waiting)
    try:
        yield
    finally:
        lock.release()


@contextmanager
def sole(file: Path) -> Iterator[bool]:
    """A lock that is not waited for. Yields whether it was had."""
    lock = FileLock(file, thread_local=False)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()


def _acquire(lock: FileLock, waiting: Waiting) -> None:
    try:
        while True:
            try:
                lock.acquire(timeout=max(0.0, min(TELL_AFTER_SECONDS, waiting.left)))
            except Timeout:
                if waiting.left <= 0:
                    raise waiting.given_up(ONE_OF_OURS) from None
                waiting.for_(ONE_OF_OURS)
            else:
                return
    except OSError as error:
        raise WarehouseError(
            f"The lock file {lock.lock_file} cannot be made: {error.strerror}. Make the folder writable."
        ) from error
    finally:
        waiting.over()

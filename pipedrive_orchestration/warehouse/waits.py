"""Waits for a database that somebody else has open, and who is told of them."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from pipedrive_orchestration.warehouse.errors import WarehouseError

TELL_AFTER_SECONDS = 1.0
"""A shorter wait is nobody's business; a longer one is told of again after as long."""

ONE_OF_OURS = "another import, command or API of this installation"
"""Who holds a database that is waited for by its lock file."""

_HOLDER = re.compile(r"Conflicting lock is held in (?P<program>.+?) \(PID (?P<pid>\d+)\)")


@dataclass(frozen=True, slots=True)
class Wait:
    """A database that somebody else has open.

    Attributes:
        database: which one.
        holder: who has it, as far as it is known.
        seconds: how long it has been waited for.
        patience: seconds after which waiting is given up.
    """

    database: str
    holder: str
    seconds: float
    patience: float

    def __str__(self) -> str:
        return (
            f"Waiting for {self.database}, which is in use by {self.holder}: "
            f"{self.seconds:.0f} of at most {self.patience:.0f} s"
        )


WaitListener = Callable[[Wait | None], None]
"""Is told of a wait about once a second, and with None that it is over."""

_listeners: ContextVar[tuple[WaitListener, ...]] = ContextVar("listeners", default=())


@contextmanager
def telling_of_waits(listener: WaitListener) -> Iterator[None]:
    """Lets a listener, beside those around it, hear of waits in this context within the block.

    It may be called in another thread.
    """
    token = _listeners.set((*_listeners.get(), listener))
    try:
        yield
    finally:
        _listeners.reset(token)


def holder_in(message: str) -> str:
    """The program that DuckDB says has the database open."""
    found = _HOLDER.search(message)
    return f"another program ({found['program']}, PID {found['pid']})" if found else "another program"


class Waiting:
    """One wait, which is told of once it has lasted for a while."""

    def __init__(self, database: str, patience: float) -> None:
        self._database = database
        self._patience = patience
        self._was_told = False
        self.begin()

    def begin(self) -> None:
        """Begin to wait, or to wait for somebody else."""
        self._began = self._told_at = time.monotonic()

    @property
    def left(self) -> float:
        """Seconds until waiting is given up."""
        return self._began + self._patience - time.monotonic()

    def for_(self, holder: str) -> None:
        """Say who is waited for, if it is time to."""
        now = time.monotonic()
        if now - self._told_at >= TELL_AFTER_SECONDS:
            self._told_at, self._was_told = now, True
            for listener in _listeners.get():
                listener(Wait(self._database, holder, now - self._began, self._patience))

    def given_up(self, holder: str) -> WarehouseError:
        """The error that it was in vain."""
        return WarehouseError(
            f"{self._database} has been in use by {holder} for {self._patience:.0f} s. Close what has it "
            "open and try again; nothing of this step was written."
        )

    def over(self) -> None:
        """Say that it is over, if it was told of."""
        if self._was_told:
            for listener in _listeners.get():
                listener(None)

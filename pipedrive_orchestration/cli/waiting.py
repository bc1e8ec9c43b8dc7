"""Showing that a command waits for the database, and for whom."""

from __future__ import annotations

from rich.console import Console
from rich.status import Status
from rich.text import Text

from pipedrive_orchestration.warehouse.connection import Wait


class ShownWait:
    """Shows a wait as long as it lasts to a person who watches, and as one line to anybody else."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._status: Status | None = None
        self._said = False

    def __call__(self, wait: Wait | None) -> None:
        """Take what is told of a wait; None ends it."""
        if wait is None:
            self.end()
        elif self._status is not None:
            self._status.update(Text(str(wait)))
        elif self._console.is_terminal:
            self._status = self._console.status(Text(str(wait)))
            self._status.start()
        elif not self._said:
            self._said = True
            self._console.print(f"{wait}.", markup=False, highlight=False, soft_wrap=True)

    def end(self) -> None:
        """Nothing is waited for any more."""
        self._said = False
        if self._status is not None:
            self._status.stop()
            self._status = None

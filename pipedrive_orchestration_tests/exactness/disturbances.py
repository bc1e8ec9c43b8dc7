"""What happens while an import is under way: writes between its pages, and its sudden end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from pipedrive_orchestration.importing import ImportEvent, Listener, WindowReport
from pipedrive_orchestration.warehouse import Warehouse
from pipedrive_orchestration_tests.exactness.churn import Churn


class Interrupted(Exception):
    """What ends an import in these tests, in place of whatever may end one in earnest."""


class WritesBetweenPages:
    """A listener that lets users write after every page that was read and every commit."""

    def __init__(self, churn: Churn, count: int = 1) -> None:
        self._churn = churn
        self._count = count

    def __call__(self, _event: ImportEvent) -> None:
        self._churn.steps(self._count)


class EndsAt:
    """A listener that ends the import at the given event, or at the given commit.

    Attributes:
        committed: keys of the windows that were reported before.
    """

    def __init__(self, event: int | None = None, commit: int | None = None) -> None:
        self._event, self._commit = event, commit
        self._events = self._commits = 0
        self.committed: list[str] = []

    def __call__(self, event: ImportEvent) -> None:
        self._events += 1
        if isinstance(event, WindowReport):
            self._commits += 1
            if event.window is not None:
                self.committed.append(event.window.key)
        if self._events == self._event or self._commits == self._commit:
            raise Interrupted


def writes_and_end(churn: Churn, writes: int, ends_at_event: int | None) -> Listener:
    """A listener that lets users write after every event, and then ends the import at the given one."""
    write, end = WritesBetweenPages(churn, writes), EndsAt(event=ends_at_event)

    def listen(event: ImportEvent) -> None:
        write(event)
        end(event)

    return listen


class EndsInTransaction(Warehouse):
    """A warehouse whose given write, if any, fails after all was written and before it is committed."""

    def __init__(self, database: Path, at: int | None) -> None:
        super().__init__(str(database))
        # A list, for the importer writes through copies of this object.
        self._writes: list[int] = []
        self._at = at

    @contextmanager
    def writing(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """As ever, except for the write that fails."""
        with super().writing() as connection:
            yield connection
            self._writes.append(1)
            if len(self._writes) == self._at:
                raise Interrupted

"""A demo account, a warehouse and sources between them."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from pipedrive_orchestration.demo import DemoServer, running_demo
from pipedrive_orchestration.importing import (
    ImportReport,
    Listener,
    Pull,
    Window,
    import_source,
    windows_until,
)
from pipedrive_orchestration.pipedrive import pagination
from pipedrive_orchestration.pipedrive.auth import Connection
from pipedrive_orchestration.sources import Source
from pipedrive_orchestration.warehouse import Warehouse
from pipedrive_orchestration_tests.clocks import Ticks
from pipedrive_orchestration_tests.conftest import account_settings
from pipedrive_orchestration_tests.exactness import truth
from pipedrive_orchestration_tests.warehouse.backends import warehouse_in


def _silent(_event: object) -> None:
    pass


class Trial:
    """Imports of one account into one warehouse, and how they compare with the account.

    Attributes:
        clock: tells the importer's time, which is that of the account unless it is replaced.
    """

    def __init__(self, demo: DemoServer, folder: Path) -> None:
        self.demo = demo
        self.folder = folder
        self.warehouse = warehouse_in(folder)
        self.staging = folder / "staging"
        self.connection = Connection.of(demo.url, demo.token)
        self.clock: Callable[[], datetime] = Ticks(demo.account.clock.exactly_now)

    def source(self, object_type: str, **choices: Any) -> Source:
        """A source of the few properties by which records are known, of all with `make chaos`.

        ``choices`` are fields of `Source`.
        """
        body: dict[str, Any] = {
            "slug": object_type,
            "name": object_type,
            "created_at": self.clock(),
            "properties": truth.told(self._kinds(object_type), object_type),
            "pull_mode": "static",
        } | choices
        return Source(object_type=object_type, id=uuid.uuid4(), **body)

    def wide_source(self, object_type: str, **choices: Any) -> Source:
        """A source of a property of each type, of all with `make chaos`: a wide table takes its time."""
        choices.setdefault("properties", truth.one_of_each(self._kinds(object_type), object_type))
        return self.source(object_type, **choices)

    def whole_source(self, object_type: str, **choices: Any) -> Source:
        """A source of every property that every answer carries."""
        return self.source(object_type, properties=tuple(self._kinds(object_type)), **choices)

    def _kinds(self, object_type: str) -> Mapping[str, truth.Kind]:
        return truth.kinds_of(self.demo.account, object_type)

    def changes(self, source: Source, listener: Listener = _silent, **how: Any) -> ImportReport:
        """One ``changes`` pull."""
        return self._import(source, Pull.CHANGES, (), listener, **how)

    def windows(
        self,
        source: Source,
        windows: Sequence[Window] | None = None,
        listener: Listener = _silent,
        **how: Any,
    ) -> ImportReport:
        """One ``window`` pull, of every window unless some are given."""
        return self._import(
            source, Pull.WINDOW, self.all_windows(source) if windows is None else windows, listener, **how
        )

    def _import(
        self,
        source: Source,
        pull: Pull,
        windows: Sequence[Window],
        listener: Listener,
        warehouse: Warehouse | None = None,
        connection: Connection | None = None,
        accept_user: bool = False,
    ) -> ImportReport:
        return import_source(
            source,
            connection=connection or self.connection,
            warehouse=warehouse or self.warehouse,
            staging=self.staging,
            pull=pull,
            windows=windows,
            listener=listener,
            accept_user=accept_user,
            clock=self.clock,
        )

    def all_windows(self, source: Source) -> list[Window]:
        """Every window of a source's grid; none where the object type has no windows."""
        return windows_until(source, self.clock()) if source.type.partitioned else []

    def rows(self, source: Source) -> dict[str, dict[str, Any]]:
        """All rows of the source's table by id as text."""
        with self.warehouse.reading() as connection:
            return truth.rows_of(connection, source)

    def ask(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """What a query of the warehouse answers."""
        with self.warehouse.reading() as connection:
            return connection.execute(sql, list(values)).fetchall()

    def differences(self, source: Source, **how: Any) -> list[str]:
        """How the source's table differs from the account; see :func:`truth.differences`."""
        with self.warehouse.reading() as connection:
            return truth.differences(connection, self.demo.account, source, **how)

    def fresh(self, name: str = "fresh") -> Trial:
        """The same account with an empty warehouse."""
        folder = self.folder / name
        folder.mkdir()
        return Trial(self.demo, folder)


@contextmanager
def small_trial(page_size: int) -> Iterator[Trial]:
    """A trial of its own for each example of a property: a very small account in pages of the given size."""
    with (
        running_demo(account_settings(scale=0.005)) as demo,
        TemporaryDirectory() as folder,
        pytest.MonkeyPatch.context() as patched,
    ):
        patched.setattr(pagination, "MAX_PAGE_SIZE", page_size)
        yield Trial(demo, Path(folder))


class SkewedClock:
    """The importer's clock of a trial, ahead of the account's.

    Attributes:
        ahead: by how much, behind if it is negative; can be changed at any time.
    """

    def __init__(self, trial: Trial, ahead: timedelta = timedelta()) -> None:
        self.ahead = ahead
        self._right = trial.clock
        trial.clock = self

    def __call__(self) -> datetime:
        """The wrong time."""
        return self._right() + self.ahead

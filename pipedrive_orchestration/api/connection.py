"""The one opening of the warehouse that the requests of a process share.

Opening the database takes longer than most questions to it, and only one process may have it open. So
requests that come together share one opening; it is given back as soon as nobody needs it, and often
enough that an import gets its turn.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import duckdb

from pipedrive_orchestration.warehouse import Warehouse, WarehouseError
from pipedrive_orchestration.warehouse.instances import another_connection

LONGEST_SECONDS = 0.25
"""Seconds for which the file may be taken without a pause; requests that come later wait for its end."""

PAUSE_SECONDS = 0.1
"""Seconds of a pause: twice the time after which a waiting import looks again."""


class SharedReading:
    """A warehouse that the requests of one process read together."""

    def __init__(self, warehouse: Warehouse) -> None:
        self._warehouse = warehouse
        self._changed = threading.Condition()
        self._readers = 0
        self._opening = False
        self._opened: tuple[ExitStack, duckdb.DuckDBPyConnection] | None = None
        self._taken_until = 0.0
        self._closed_at = 0.0
        self._failed_at = 0.0
        self._failure = ""

    @property
    def exists(self) -> bool:
        """Whether there is a database to read."""
        return self._warehouse.exists

    @contextmanager
    def cursor(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A read-only connection for one request. It waits while an import has the file.

        Raises:
            WarehouseError: there is no database, or it is held for longer than the warehouse's patience.
        """
        connection = self._join()
        try:
            with another_connection(connection) as cursor:
                cursor.execute("SET TimeZone = 'UTC'")
                yield cursor
        finally:
            self._leave()

    def _join(self) -> duckdb.DuckDBPyConnection:
        began = time.monotonic()
        with self._changed:
            while self._opening or (self._opened and time.monotonic() >= self._taken_until):
                self._changed.wait()
            if self._failed_at > began:
                # Who came while another waited in vain has waited long enough; or a queue of requests would
                # wait one after the other.
                raise WarehouseError(self._failure)
            if self._opened:
                self._readers += 1
                return self._opened[1]
            self._opening = True
        try:
            return self._open()
        except WarehouseError as error:
            self._failed_at, self._failure = time.monotonic(), str(error)
            raise
        finally:
            with self._changed:
                self._opening = False
                self._changed.notify_all()

    def _open(self) -> duckdb.DuckDBPyConnection:
        if time.monotonic() >= self._taken_until:
            time.sleep(max(0.0, self._closed_at + PAUSE_SECONDS - time.monotonic()))
        stack = ExitStack()
        connection = stack.enter_context(self._warehouse.reading())
        with self._changed:
            self._opened = stack, connection
            self._readers = 1
            now = time.monotonic()
            if now >= self._closed_at + PAUSE_SECONDS:
                self._taken_until = now + LONGEST_SECONDS
        return connection

    def _leave(self) -> None:
        with self._changed:
            self._readers -= 1
            if self._readers or self._opened is None:
                return
            stack, _ = self._opened
            stack.close()
            self._opened = None
            self._closed_at = time.monotonic()
            self._changed.notify_all()

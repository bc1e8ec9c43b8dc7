"""Publishing along with whatever writes to the warehouse, where the environment asks for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping

import duckdb

from pipedrive_orchestration.warehouse.connecting import Warehouse, WarehouseError
from pipedrive_orchestration.warehouse.publishing import PublishedCopy, Publisher, PublishingError


class KeptPublished:
    """Keeps the published copy of a warehouse fresh during one run of something that writes.

    Nothing here fails the run. What is merged too soon after a publication is held back: for the next run, or
    for whoever looks whether something is held back.

    Attributes:
        problem: why a copy that is due is not there; empty while all is well.
    """

    def __init__(self, environment: Mapping[str, str], warehouse: Warehouse) -> None:
        self.problem = ""
        self._publisher: Publisher | None = None
        self._thread: threading.Thread | None = None
        self._tried_at = float("-inf")
        try:
            self._publisher = Publisher.from_environment(environment, warehouse)
        except PublishingError as error:
            self.problem = str(error)

    @property
    def copy(self) -> PublishedCopy | None:
        """The copy that is there now, where there is to be one."""
        return self._publisher.copy if self._publisher else None

    def after_merge(self) -> None:
        """Publish if that is due, while the run goes on."""
        busy = self._thread is not None and self._thread.is_alive()
        if self._publisher and not busy and self._is_due(self._publisher):
            self._thread = threading.Thread(target=self._publish, args=(self._publisher,), name="publishing")
            self._thread.start()

    def at_end(self) -> None:
        """Publish if that is due, and wait until it is done."""
        self._wait()
        self.after_merge()
        self._wait()

    def _wait(self) -> None:
        if self._thread:
            self._thread.join()

    def _is_due(self, publisher: Publisher) -> bool:
        return publisher.is_due and time.monotonic() - self._tried_at >= publisher.every

    def _publish(self, publisher: Publisher) -> None:
        self._tried_at = time.monotonic()
        try:
            publisher.publish()
            self.problem = ""
        except (WarehouseError, duckdb.Error) as error:
            self.problem = str(error)

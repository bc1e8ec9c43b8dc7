"""Reloads of the code location for which nobody waits: many changes of the project folder, one reload."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pipedrive_orchestration.services.deployment import Deployment
from pipedrive_orchestration.services.web_server import LaunchError, ReloadError

LONGEST_WAIT_SECONDS = 5.0
"""Seconds after which a reload begins although further changes are under way."""

logger = logging.getLogger(__name__)

Afterwards = Callable[[], object]
"""What is to be done once the code location shows a change."""


class Reloads:
    """The reloads of a deployment, one at a time, each for all changes that were made before it began.

    A change that is lost because the process ends is shown by the next reload, whoever asks for it.

    Args:
        deployment: whose code location it is.
    """

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
        self._changed = threading.Condition()
        self._under_way = 0
        self._requested_at: float | None = None
        self._afterwards: list[Afterwards] = []
        self._closing = False
        self._thread: threading.Thread | None = None

    @contextmanager
    def change(self) -> Iterator[None]:
        """A change of the project folder that is under way: the next reload waits for its end for a while."""
        with self._changed:
            self._under_way += 1
        try:
            yield
        finally:
            with self._changed:
                self._under_way -= 1
                self._changed.notify_all()

    def request(self, afterwards: Afterwards | None = None) -> None:
        """Ask for a reload and go on.

        Args:
            afterwards: is done after it; whoever asked for the reload has gone on by then. Left out where the
                reload fails.
        """
        with self._changed:
            if self._requested_at is None:
                self._requested_at = time.monotonic()
            if afterwards is not None:
                self._afterwards.append(afterwards)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="reloads", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def close(self, seconds: float) -> None:
        """End after what was asked for; what takes longer than so many seconds is left undone."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
            thread = self._thread
        if thread is not None:
            thread.join(seconds)

    def _work(self) -> None:
        while (afterwards := self._next()) is not None:
            try:
                self._deployment.reload()
            except ReloadError as error:
                logger.warning("%s", error)
                continue
            for act in afterwards:
                _done(act)

    def _next(self) -> list[Afterwards] | None:
        """What to do after the reload that is due now; None at the end."""
        with self._changed:
            while (seconds := self._seconds_until_due()) != 0:
                if self._closing and self._requested_at is None:
                    return None
                self._changed.wait(seconds)
            self._requested_at = None
            afterwards, self._afterwards = self._afterwards, []
            return afterwards

    def _seconds_until_due(self) -> float | None:
        if self._requested_at is None:
            return None
        if not self._under_way:
            return 0
        return max(0, self._requested_at + LONGEST_WAIT_SECONDS - time.monotonic())


def _done(act: Afterwards) -> None:
    try:
        act()
    except LaunchError as error:
        logger.warning("%s", error)
    except Exception:
        # Whatever is wrong with one change, the others are to be shown.
        logger.exception("What was to follow a reload failed.")

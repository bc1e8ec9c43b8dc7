"""Progress of imports: a bar for a person who watches, and the windows that are committed."""

from __future__ import annotations

import time
from datetime import timedelta
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from pipedrive_orchestration.importing import Estimate, ImportEvent, Resumption, Window, WindowReport
from pipedrive_orchestration.importing import Progress as Reached

QUIET_SECONDS = 1.0
"""Seconds after which an import is worth a progress bar."""


class ImportProgress:
    """A bar for the source that is being imported: records, tokens of those estimated, time left.

    Attributes:
        committed: keys of the windows that are committed, by the source's import or one that it goes on with.
    """

    def __init__(self, console: Console) -> None:
        self.committed: list[str] = []
        self._console = console
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[records]:,} records, {task.fields[tokens]}"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]}"),
            console=console,
            transient=True,
        )
        self._bar: TaskID | None = None
        self._shown = False
        self._began = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._shown:
            self._bars.stop()

    def begin(self, description: str) -> None:
        """Turn to the next source."""
        if self._bar is not None:
            self._bars.remove_task(self._bar)
        self._bar = self._bars.add_task(description, total=None, records=0, tokens="", left="")
        self.committed = []
        self._began = time.monotonic()

    def __call__(self, event: ImportEvent) -> None:
        """Take an event of the import."""
        assert self._bar is not None, "begin() comes before the first event"
        match event:
            case Estimate(tokens=tokens):
                self._bars.update(self._bar, total=tokens)
            case Reached(records=records, tokens=tokens):
                self._move(self._bar, records, tokens)
            case Resumption(committed=windows):
                self.committed += [window.key for window in windows]
            case WindowReport(window=Window() as window):
                self.committed.append(window.key)
        self._show_what_takes_long()

    def _move(self, bar: TaskID, records: int, tokens: int) -> None:
        estimated = self._bars.tasks[self._bars.task_ids.index(bar)].total
        # What is estimated is a guess, and an import that costs more than that is not done yet.
        total = None if estimated is None else max(estimated, tokens)
        self._bars.update(
            bar,
            completed=tokens,
            total=total,
            records=records,
            tokens=f"{tokens:,} tokens" if total is None else f"{tokens:,} of about {total:,.0f} tokens",
            left=self._outlook(tokens, total),
        )

    def _outlook(self, tokens: int, total: float | None) -> str:
        if not total or not tokens:
            return ""
        seconds = (time.monotonic() - self._began) / tokens * (total - tokens)
        return f"about {timedelta(seconds=round(seconds))} left"

    def _show_what_takes_long(self) -> None:
        long = time.monotonic() - self._began >= QUIET_SECONDS
        if long and not self._shown and self._console.is_terminal:
            self._bars.start()
            self._shown = True

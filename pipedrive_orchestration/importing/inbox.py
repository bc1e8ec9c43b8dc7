"""What an import has read: pages to be typed, typed files to be merged, and those merged already.

Reading, typing and merging go on at the same time; here is what they hand to each other.
"""

from __future__ import annotations

import asyncio
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Self

from pipedrive_orchestration.importing.ranges import Span
from pipedrive_orchestration.importing.staging import Stage, batches
from pipedrive_orchestration.importing.transform import TypedPages

MAX_BATCHES = 2
"""Reading waits for typing where so many batches are staged and more comes: bounds what lies on disk."""


class Inbox:
    """The files of one import; an async context manager that leaves no typing under way behind it.

    Attributes:
        pages: pages read so far.
        records: records read so far, each as often as it came.
    """

    def __init__(self, stage: Stage, typing: TypedPages) -> None:
        self.pages = 0
        self.records = 0
        self._stage = stage
        self._typing = typing
        self._one_at_a_time = asyncio.Lock()
        self._longest = 0
        self._untyped: list[Path] = []
        self._typed: list[Path] = []
        self._merged: list[Path] = []
        self._typing_ahead: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._typing_ahead is not None:
            # Whatever it ended in: an import that ends well has typed everything since.
            await asyncio.gather(self._typing_ahead, return_exceptions=True)

    @property
    def seen(self) -> list[Path]:
        """Typed files of everything that has been typed so far, merged or not."""
        return [*self._merged, *self._typed]

    async def add(self, span: Span) -> None:
        """Stage a page; begin to type what is staged when there is enough of it.

        Raises:
            StagingError: a page or a typed file cannot be written.
        """
        self.pages += 1
        self.records += span.records
        self._longest = max(self._longest, span.longest)
        if not span.lines:
            return
        self._untyped += self._stage.add(span.lines)
        full = len(list(batches(self._untyped))) - 1
        if self._typing_ahead is not None and (self._typing_ahead.done() or full > MAX_BATCHES):
            ahead, self._typing_ahead = self._typing_ahead, None
            await ahead
        if self._typing_ahead is None and full:
            self._typing_ahead = asyncio.create_task(self._type_one_batch())

    async def type_staged(self) -> None:
        """Type every page staged so far.

        Raises:
            StagingError: a typed file cannot be written; its pages are still to be typed.
        """
        async with self._one_at_a_time:
            for batch in batches(list(self._untyped)):
                await self._type(batch)

    async def _type_one_batch(self) -> None:
        async with self._one_at_a_time:
            for batch in islice(batches(list(self._untyped)), 1):
                await self._type(batch)

    async def _type(self, batch: list[Path]) -> None:
        path = self._stage.next_file("parquet")
        await asyncio.to_thread(self._typing.write, batch, path, longest=self._longest)
        del self._untyped[: len(batch)]
        self._typed.append(path)
        for page in batch:
            page.unlink()

    def take_typed(self) -> list[Path]:
        """The typed files that are not merged yet; from now on they count as merged."""
        files, self._typed = self._typed, []
        self._merged += files
        return files

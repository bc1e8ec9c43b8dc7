"""Staged pages: what was read and is not yet committed, in files beside the warehouse.

A staging folder belongs to one running import and holds a lock for as long as that lives. Whatever a killed
import left behind is swept when the next one starts. Pages are typed while others are being read.
"""

from __future__ import annotations

import asyncio
import re
import shutil
import uuid
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

import duckdb
from filelock import FileLock, Timeout

from pipedrive_orchestration.files import make_private_folder
from pipedrive_orchestration.importing.context import ImportContext
from pipedrive_orchestration.importing.transform import OF_PARENT, Transform
from pipedrive_orchestration.pipedrive.responses import Page

PAGES_PER_BATCH = 36
"""Pages typed together: enough to keep DuckDB busy, few enough to bound memory."""

BYTES_PER_BATCH = 48 * 1024 * 1024
"""The same where records are long, and how long one file of them may be. A page is a megabyte or two."""

MAX_BATCHES = 2
"""Reading waits for typing where so many batches are staged and more comes: bounds what lies on disk."""

_LOCK = re.compile(r".+-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.lock")
"""The name of a staging folder's lock: the source's slug, a hyphen, and the import's id."""


class StagingError(Exception):
    """A page cannot be staged: the disk is full or the folder cannot be written."""

    def __init__(self, folder: Path, reason: str) -> None:
        super().__init__(
            f"Pages cannot be staged in {folder}: {reason}. Free some space there or set "
            "PIPEDRIVE_STAGING to another folder, then run the import again; nothing of the unfinished "
            "windows was written."
        )


class StagingFolder:
    """The folder of one import: numbered pages, one record per line, and the files typed from them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._count = 0

    def add(self, lines: bytes, parent: str | None = None) -> list[Path]:
        """Stage the records of a page, in more than one file if they are very long.

        Args:
            lines: the records.
            parent: the id of the parent that all of them have, where they do not say so themselves.

        Raises:
            StagingError: they cannot be written.
        """
        files = []
        mark = "" if parent is None else f"{OF_PARENT}{quote(parent, safe='')}"
        for piece in _pieces(lines):
            path = self.next_file("ndjson", mark)
            try:
                path.write_bytes(piece)
            except OSError as error:
                raise StagingError(self.path, error.strerror or str(error)) from error
            files.append(path)
        return files

    def next_file(self, suffix: str, mark: str = "") -> Path:
        """A new path; names sort in the order in which they were given out."""
        self._count += 1
        return self.path / f"{self._count:08d}{mark}.{suffix}"


def _pieces(lines: bytes) -> Iterator[memoryview]:
    whole, begin = memoryview(lines), 0
    while begin < len(lines):
        end = begin + BYTES_PER_BATCH
        if end < len(lines):
            # A record that is longer than that stays in one piece.
            end = (lines.rfind(b"\n", begin, end) + 1) or (lines.find(b"\n", end) + 1)
        yield whole[begin:end]
        begin = end


@dataclass(slots=True)
class _Files:
    """Files on their way into the warehouse."""

    untyped: list[Path] = field(default_factory=list)
    typed: list[Path] = field(default_factory=list)
    merged: list[Path] = field(default_factory=list)


@dataclass(slots=True)
class PageCounts:
    """The amount that was read: records each as often as they came, and the bytes of the longest of them."""

    pages: int = 0
    records: int = 0
    longest: int = 0

    @classmethod
    def of(cls, pages: Iterable[Page]) -> PageCounts:
        """The counts of some pages."""
        counts = cls()
        for page in pages:
            counts.add(cls(1, len(page.records), page.longest()))
        return counts

    def add(self, more: PageCounts) -> None:
        """Count more pages."""
        self.pages += more.pages
        self.records += more.records
        self.longest = max(self.longest, more.longest)


class Staging:
    """The pages that one import has read: to be typed, to be merged, and merged already.

    Reading, typing and merging go on at the same time; here is what they hand to each other. An async
    context manager that leaves no typing under way behind it.

    Attributes:
        folder: where they are.
        counts: how much was read so far.
    """

    def __init__(self, folder: StagingFolder, transform: Transform) -> None:
        self.folder = folder
        self.counts = PageCounts()
        self._transform = transform
        self._files = _Files()
        self._turn = asyncio.Lock()
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
        return [*self._files.merged, *self._files.typed]

    async def add(self, page: Page) -> None:
        """Stage a page; begin to type what is staged when there is enough of it.

        Raises:
            StagingError: a page or a typed file cannot be written.
        """
        await self.add_lines(page.lines() if page.records else b"", PageCounts.of([page]))

    async def add_lines(self, lines: bytes, counts: PageCounts, parent: str | None = None) -> None:
        """Stage the records of pages; see :meth:`add`.

        Args:
            lines: the records, one per line.
            counts: how many they are.
            parent: see :meth:`StagingFolder.add`.

        Raises:
            StagingError: a page or a typed file cannot be written.
        """
        self.counts.add(counts)
        if not lines:
            return
        self._files.untyped += self.folder.add(lines, parent)
        full = len(list(batches(self._files.untyped))) - 1
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
        async with self._turn:
            for batch in batches(list(self._files.untyped)):
                await self._type(batch)

    async def _type_one_batch(self) -> None:
        async with self._turn:
            for batch in islice(batches(list(self._files.untyped)), 1):
                await self._type(batch)

    async def _type(self, batch: list[Path]) -> None:
        path = self.folder.next_file("parquet")
        try:
            await asyncio.to_thread(self._transform.write, batch, path, longest=self.counts.longest)
        except OSError as error:
            raise StagingError(self.folder.path, error.strerror or str(error)) from error
        except duckdb.IOException as error:
            raise StagingError(self.folder.path, str(error).splitlines()[0]) from error
        del self._files.untyped[: len(batch)]
        self._files.typed.append(path)
        for page in batch:
            page.unlink()

    def take_typed(self) -> list[Path]:
        """The typed files that are not merged yet; from now on they count as merged."""
        files, self._files.typed = self._files.typed, []
        self._files.merged += files
        return files

    def give_back(self, files: Sequence[Path]) -> None:
        """Take note that typed files were not merged after all."""
        self._files.merged = [file for file in self._files.merged if file not in files]
        self._files.typed = [*files, *self._files.typed]


def batches(pages: Iterable[Path]) -> Iterator[list[Path]]:
    """Staged pages in the order in which they came, in lists of as many as memory bears at once."""
    batch: list[Path] = []
    size = 0
    for page in pages:
        more = page.stat().st_size
        if batch and (len(batch) == PAGES_PER_BATCH or size + more > BYTES_PER_BATCH):
            yield batch
            batch, size = [], 0
        batch.append(page)
        size += more
    if batch:
        yield batch


@asynccontextmanager
async def open_staging(context: ImportContext) -> AsyncIterator[Staging]:
    """The staging of one import; its files are gone at the end of the block.

    Raises:
        StagingError: the folder cannot be made.
    """
    request, definition = context.request, context.definition
    with staging_folder(request.staging, request.source.slug, request.import_id) as folder:
        transform = Transform(context.object_type, definition.columns, folder.path, definition.selection)
        async with Staging(folder, transform) as staging:
            yield staging


@contextmanager
def staging_folder(root: Path, slug: str, import_id: uuid.UUID) -> Iterator[StagingFolder]:
    """The staging folder of one import; it is gone at the end of the block, whatever happens in it.

    Raises:
        StagingError: the folder cannot be made.
    """
    folder = root / f"{slug}-{import_id}"
    try:
        make_private_folder(root)
        _sweep(root)
        # A sweep looks for locks by name, so this one gets its name when it is held.
        unnamed = folder.with_suffix(".new")
        lock = FileLock(unnamed, thread_local=False)
        lock.acquire(timeout=0)
        unnamed.rename(folder.with_suffix(".lock"))
        folder.mkdir(mode=0o700)
    except OSError as error:
        raise StagingError(root, error.strerror or str(error)) from error
    try:
        yield StagingFolder(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        lock.release()
        folder.with_suffix(".lock").unlink(missing_ok=True)


def imports_alive(root: Path) -> set[uuid.UUID]:
    """The imports that have a staging folder here. One that was killed is among them until the next sweep."""
    return {uuid.UUID(path.stem[-36:]) for path in _locks(root)}


def _locks(root: Path) -> list[Path]:
    # The folder may be one that others keep their files in, and theirs are not to be swept.
    return [path for path in root.glob("*.lock") if _LOCK.fullmatch(path.name)]


def _sweep(root: Path) -> None:
    for path in _locks(root):
        abandoned = FileLock(path, thread_local=False)
        try:
            abandoned.acquire(timeout=0)
        except Timeout:
            continue
        shutil.rmtree(path.with_suffix(""), ignore_errors=True)
        abandoned.release()
        path.unlink(missing_ok=True)

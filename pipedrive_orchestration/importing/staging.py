"""Staged pages: what was read and is not yet committed, in files beside the warehouse.

A stage belongs to one running import and holds a lock for as long as that lives. Whatever a killed
import left behind is swept when the next one starts.
"""

from __future__ import annotations

import re
import shutil
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from pipedrive_orchestration.files import make_private_folder

PAGES_PER_BATCH = 36
"""Pages typed together: enough to keep DuckDB busy, few enough to bound memory."""

BYTES_PER_BATCH = 48 * 1024 * 1024
"""The same where records are long, and how long one file of them may be. A page is a megabyte or two."""

_LOCK = re.compile(r".+-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.lock")
"""The name of a stage's lock: the source's slug, a hyphen, and the import's id."""


class StagingError(Exception):
    """A page cannot be staged: the disk is full or the folder cannot be written."""

    def __init__(self, folder: Path, reason: str) -> None:
        super().__init__(
            f"Pages cannot be staged in {folder}: {reason}. Free some space there or set "
            "PIPEDRIVE_STAGING to another folder, then run the import again; nothing of the unfinished "
            "windows was written."
        )


class Stage:
    """The folder of one import: numbered pages, one record per line, and the files typed from them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._count = 0

    def add(self, lines: bytes) -> list[Path]:
        """Stage the records of a page, in more than one file if they are very long.

        Raises:
            StagingError: they cannot be written.
        """
        files = []
        for piece in _pieces(lines):
            path = self.next_file("ndjson")
            try:
                path.write_bytes(piece)
            except OSError as error:
                raise StagingError(self.folder, error.strerror or str(error)) from error
            files.append(path)
        return files

    def next_file(self, suffix: str) -> Path:
        """A new path; names sort in the order in which they were given out."""
        self._count += 1
        return self.folder / f"{self._count:08d}.{suffix}"


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


def _pieces(lines: bytes) -> Iterator[memoryview]:
    whole, begin = memoryview(lines), 0
    while begin < len(lines):
        end = begin + BYTES_PER_BATCH
        if end < len(lines):
            # A record that is longer than that stays in one piece.
            end = (lines.rfind(b"\n", begin, end) + 1) or (lines.find(b"\n", end) + 1)
        yield whole[begin:end]
        begin = end


@contextmanager
def stage(root: Path, slug: str, import_id: uuid.UUID) -> Iterator[Stage]:
    """A stage for one import; it is gone at the end of the block, whatever happens in it.

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
        yield Stage(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        lock.release()
        folder.with_suffix(".lock").unlink(missing_ok=True)


def imports_alive(root: Path) -> set[uuid.UUID]:
    """The imports that have a stage here. One that was killed is among them until the next sweep."""
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

"""Putting a file in the place of another in one step, so that nobody ever meets half of it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[FileIO]:
    """A new file, which takes the place of ``path`` at the end of the block unless the block raises.

    Only one caller at a time may replace a path: each removes what one before it has left that was killed.

    Raises:
        OSError: the folder cannot be written; the file is as it was.
    """
    _sweep(path)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=_prefix_of(path))
    temporary = Path(name)
    try:
        with FileIO(handle, "wb") as file:
            yield file
            os.fsync(handle)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _sweep(path: Path) -> None:
    for left in path.parent.iterdir():
        if left.name.startswith(_prefix_of(path)):
            left.unlink()


def _prefix_of(path: Path) -> str:
    return f".{path.name}.new."


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

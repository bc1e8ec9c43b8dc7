"""Files that are replaced in one step, so that nobody meets half of one, and folders for their owner only."""

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

    Only its owner may read it, from its first moment on, unless the block says otherwise.

    Raises:
        OSError: the folder cannot be written; the file is as it was.
    """
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


def replace_content(path: Path, content: bytes, *, mode: int) -> None:
    """Replace what a file holds, and who may read it.

    Raises:
        OSError: the folder cannot be written; the file is as it was.
    """
    with replacing(path) as file:
        rest = memoryview(content)
        while rest:
            rest = rest[file.write(rest) :]
        os.fchmod(file.fileno(), mode)


def sweep(path: Path) -> None:
    """Remove what callers that were killed have left of replacing ``path``; no other may be at it now.

    Raises:
        OSError: the folder cannot be written.
    """
    for left in path.parent.iterdir():
        if left.name.startswith(_prefix_of(path)):
            left.unlink()


def make_private_folder(path: Path) -> None:
    """Make a folder, and those above it that are missing, for their owner only; one that is there stays.

    Raises:
        OSError: the folder cannot be made.
    """
    # `Path.mkdir` would give the mode to the last folder alone.
    for folder in [*(parent for parent in reversed(path.parents) if not parent.exists()), path]:
        folder.mkdir(mode=0o700, exist_ok=True)


def _prefix_of(path: Path) -> str:
    return f".{path.name}.new."


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

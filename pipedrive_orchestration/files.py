"""Files: their text, replacing or making them in one step, locks on them, folders for their owner only."""

from __future__ import annotations

import codecs
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path


class EncodingError(ValueError):
    """Content that is no text in UTF-8.

    Attributes:
        before: the text before the first byte that is none.
        is_utf_16: whether it is saved as UTF-16.
    """

    def __init__(self, before: str = "", *, is_utf_16: bool = False) -> None:
        super().__init__("no text in UTF-8")
        self.before = before
        self.is_utf_16 = is_utf_16


def text_in_utf8(content: bytes) -> str:
    """The text of a file, without the mark that some editors begin files with.

    Raises:
        EncodingError: it is saved in another encoding.
    """
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise EncodingError(is_utf_16=True)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise EncodingError(content[: error.start].decode("utf-8-sig")) from None


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
    sync_folder(path.parent)


def replace_content(path: Path, content: bytes, *, mode: int) -> None:
    """Replace what a file holds, and who may read it.

    Raises:
        OSError: the folder cannot be written; the file is as it was.
    """
    with replacing(path) as file:
        _fill(file, content, mode)


@contextmanager
def temporary_folder(path: Path) -> Iterator[Path]:
    """A private folder beside ``path`` for the parts of what is to replace it; removed after the block.

    Raises:
        OSError: the folder cannot be made.
    """
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=_prefix_of(path)) as name:
        yield Path(name)


def create_content(path: Path, content: bytes, *, mode: int) -> None:
    """Make a file that is not there yet; of several processes that make it at once, one does.

    Raises:
        FileExistsError: it is there already, and stays as it is.
        OSError: the folder cannot be written; there is no file.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=_prefix_of(path))
    temporary = Path(name)
    try:
        with FileIO(handle, "wb") as file:
            _fill(file, content, mode)
            os.fsync(handle)
        path.hardlink_to(temporary)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)


def _fill(file: FileIO, content: bytes, mode: int) -> None:
    rest = memoryview(content)
    while rest:
        rest = rest[file.write(rest) :]
    os.fchmod(file.fileno(), mode)


_LOCK_POLL_SECONDS = 0.02


@contextmanager
def locked(path: Path, timeout: float) -> Iterator[None]:
    """Keep other processes out that lock the same file; nothing is left behind beside it.

    Whoever holds the lock may replace the file: a process that has waited for it goes on to lock the new one.

    Args:
        path: a file that is there.
        timeout: seconds to wait for another process.

    Raises:
        TimeoutError: it was locked for that long.
        OSError: it is not there or cannot be written.
    """
    deadline = time.monotonic() + timeout
    while True:
        file = path.open("r+b")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                break
        except BlockingIOError:
            if time.monotonic() >= deadline:
                file.close()
                raise TimeoutError(f"{path} has been locked for {timeout:g} s by another process") from None
        except BaseException:
            file.close()
            raise
        file.close()
        time.sleep(_LOCK_POLL_SECONDS)
    with file:
        yield


def sweep(path: Path) -> None:
    """Remove what callers that were killed have left of replacing ``path``; no other may be at it now.

    Raises:
        OSError: the folder cannot be written.
    """
    for left in path.parent.iterdir():
        if left.name.startswith(_prefix_of(path)):
            shutil.rmtree(left) if left.is_dir() else left.unlink()


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


def sync_folder(folder: Path) -> None:
    """Bring the names in a folder to disk.

    Raises:
        OSError: that fails.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

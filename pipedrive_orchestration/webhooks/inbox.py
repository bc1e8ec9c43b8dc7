"""The inbox: a folder of events that were received and are not merged yet (docs/webhooks.md#relay).

A file whose name ends in ``.ndjson`` holds one event a line, the JSON that Pipedrive has sent. It appears
under that name when it is complete, so whatever can rename a file can relay. Files are taken in the order of
their names and removed when their events are merged. What cannot be used lies in the folder ``set_aside``.

A receiver adds to a hidden file for a moment before it appears: to wait until a new file is on disk takes
forty times as long. It holds a lock on it, so that what it leaves when it is killed is found and taken.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

from pipedrive_orchestration.files import make_private_folder, replacing, sync_folder
from pipedrive_orchestration.settings import Settings
from pipedrive_orchestration.warehouse import Warehouse
from pipedrive_orchestration.warehouse.locks import sole

SUFFIX = ".ndjson"

OPEN_SUFFIX = ".part"
"""The end of the names of hidden files that receivers add to."""

SET_ASIDE = "set_aside"
"""The folder of events that cannot be used, one a file."""

MAX_SET_ASIDE = 1_000
"""How many of them are kept; later ones are only counted by whoever logs them."""

FILES_AT_ONCE = 2_000
"""How many files are read before they are merged."""


def inbox_folder(settings: Settings) -> Path:
    """The folder of the inbox of an account."""
    return settings.inbox or Warehouse.from_settings(settings).folder / "inbox"


class Inbox:
    """The inbox in a folder, which is made when something is put there.

    Any number of processes may add; one at a time may take, see `taking`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._numbers = count()

    def add(self, events: Iterable[bytes]) -> None:
        """Keep some events; they are on disk on return.

        Args:
            events: each as JSON in one line.

        Raises:
            OSError: they cannot be written; none is kept.
        """
        make_private_folder(self.folder)
        with replacing(self.folder / self._new_name(SUFFIX)) as file:
            rest = memoryview(b"".join(event + b"\n" for event in events))
            while rest:
                rest = rest[file.write(rest) :]

    def open_file(self) -> OpenFile:
        """A new file to add events to.

        Raises:
            OSError: it cannot be made.
        """
        make_private_folder(self.folder)
        return OpenFile(self.folder / self._new_name(SUFFIX))

    def set_aside(self, content: bytes) -> None:
        """Keep something that is no event that we know, for whoever wants to look at it.

        Raises:
            OSError: it cannot be written.
        """
        folder = self.folder / SET_ASIDE
        make_private_folder(folder)
        if self.count_set_aside() < MAX_SET_ASIDE:
            with replacing(folder / self._new_name(".json")) as file:
                file.write(content)

    def count_set_aside(self) -> int:
        """How many events are set aside."""
        folder = self.folder / SET_ASIDE
        return sum(not path.name.startswith(".") for path in folder.iterdir()) if folder.is_dir() else 0

    def files(self) -> list[Path]:
        """The files to be merged, in the order of their names; at most `FILES_AT_ONCE`.

        Raises:
            OSError: what a receiver has left cannot be taken.
        """
        if not self.folder.is_dir():
            return []
        for left in self.folder.glob(f".*{OPEN_SUFFIX}"):
            _take_over(left)
        names = sorted(
            entry.name
            for entry in os.scandir(self.folder)
            if entry.name.endswith(SUFFIX) and not entry.name.startswith(".") and entry.is_file()
        )
        return [self.folder / name for name in names[:FILES_AT_ONCE]]

    @contextmanager
    def taking(self) -> Iterator[bool]:
        """A block in which no other process takes events; false where another one is at it."""
        make_private_folder(self.folder)
        with sole(self.folder / ".lock") as is_alone:
            yield is_alone

    def remove(self, files: Sequence[Path]) -> None:
        """Forget files whose events are merged.

        Raises:
            OSError: one cannot be removed.
        """
        for file in files:
            file.unlink(missing_ok=True)

    def _new_name(self, suffix: str) -> str:
        return f"{time.time_ns():020d}-{os.getpid()}-{next(self._numbers)}{suffix}"


class OpenFile:
    """A file that events are added to one time after the other, and that nobody sees before it is closed.

    Args:
        path: what it is called then.

    Raises:
        OSError: it cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._hidden = path.with_name(f".{path.name}{OPEN_SUFFIX}")
        self._size = 0
        new = path.with_name(f".{path.name}.new")
        self._descriptor = os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        # Who finds it without a lock takes it for one that was left.
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        new.rename(self._hidden)
        sync_folder(path.parent)

    def add(self, events: Iterable[bytes]) -> None:
        """Keep some events, each as JSON in one line; they are on disk on return.

        Raises:
            OSError: they cannot be written; none is kept.
        """
        rest = memoryview(b"".join(event + b"\n" for event in events))
        end = self._size + len(rest)
        try:
            while rest:
                written = os.pwrite(self._descriptor, rest, end - len(rest))
                rest = rest[written:]
            _sync(self._descriptor)
        except OSError:
            with suppress(OSError):
                os.ftruncate(self._descriptor, self._size)
            raise
        self._size = end

    def close(self) -> None:
        """Let the file be seen, or be gone if nothing was added.

        Raises:
            OSError: the folder cannot be written; the file is taken over as one that was left.
        """
        try:
            if self._size:
                self._hidden.rename(self._path)
            else:
                self._hidden.unlink()
        finally:
            os.close(self._descriptor)


_sync = getattr(os, "fdatasync", os.fsync)


def _take_over(hidden: Path) -> None:
    """Let a file be seen that a receiver has left; nothing where that one lives."""
    try:
        descriptor = os.open(hidden, os.O_RDWR)
    except FileNotFoundError:
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        content = hidden.read_bytes()
        # The last line was not answered yet.
        whole = content.rfind(b"\n") + 1
        os.ftruncate(descriptor, whole)
        if whole:
            hidden.rename(hidden.with_name(hidden.name.removeprefix(".").removesuffix(OPEN_SUFFIX)))
        else:
            hidden.unlink()
    except (BlockingIOError, FileNotFoundError):
        pass
    finally:
        os.close(descriptor)


def lines_of(files: Iterable[Path]) -> Iterator[bytes]:
    """The lines of some files; one that is gone meanwhile has none.

    Raises:
        OSError: a file cannot be read.
    """
    for file in files:
        try:
            content = file.read_bytes()
        except FileNotFoundError:
            continue
        yield from (line for line in content.splitlines() if line.strip())

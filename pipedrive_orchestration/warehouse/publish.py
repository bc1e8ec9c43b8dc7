"""A read-only copy of the warehouse for other programs, so that nobody needs to open the live file.

The copy is the database file itself as it is at a commit. Writers wait while it is copied, which takes a
hundredth of the time that building the database anew would take. Where another storage format is asked for,
that copy is then built anew, and writers do not wait for it. Of a lake, a file is built of its last commit,
and nobody waits. What was made takes the place of the copy before in one step, and a program that has that
one open goes on reading it.

A copy bears the instant of change of its original, by which the next publisher sees whether there is anything
new; and it cannot be written, by which it is told from a file that nobody wants to lose.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from io import FileIO
from pathlib import Path

import duckdb
from filelock import FileLock, Timeout

from pipedrive_orchestration.files import replacing, sweep, temporary_folder
from pipedrive_orchestration.settings import Settings
from pipedrive_orchestration.warehouse.connection import PATIENCE_SECONDS, Warehouse
from pipedrive_orchestration.warehouse.copies import copy_database
from pipedrive_orchestration.warehouse.errors import WarehouseError
from pipedrive_orchestration.warehouse.instances import ATTACHED
from pipedrive_orchestration.warehouse.sql import literal
from pipedrive_orchestration.warehouse.storage import (
    STORAGE_VERSION,
    convert,
    format_for,
    format_of,
    known_version,
)

EVERY_SECONDS: float = Settings.model_fields["publish_every"].default
"""How long a copy counts as fresh while merges follow one another."""

LONGEST_COPYING_SECONDS = PATIENCE_SECONDS / 2
"""How long writers are kept waiting at most: half of what they wait before they fail."""

SPARE_BYTES = 64 * 2**20
"""What a copy leaves free on its disk, which may be the one that imports write to."""

ANYONE_WRITES = 0o222
"""Modes of a file that can be written; a copy has none of them."""

_STEP_BYTES = 64 * 2**20
_READ_BYTES = 2**20
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PUBLISHED = "pipedrive_published"
"""The name of the file that is built, in the lake's instance."""

_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


class PublishingError(WarehouseError):
    """There is no new copy, and the one before is as it was; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class PublishedCopy:
    """A copy that is there.

    Attributes:
        path: where, as an absolute path.
        published_at: when it came there, in UTC.
        bytes: its size.
    """

    path: Path
    published_at: datetime
    bytes: int


class Publisher:
    """Publishes copies of one warehouse to one place.

    Args:
        warehouse: what to copy.
        path: where the copy is to be.
        every: seconds between two copies while merges follow one another.
        storage_version: names the storage format of the copy; None for that of the warehouse.
    """

    def __init__(
        self,
        warehouse: Warehouse,
        path: Path,
        every: float = EVERY_SECONDS,
        storage_version: str | None = None,
    ) -> None:
        self.path = path.resolve()
        self.every = every
        self._warehouse = warehouse
        self._storage_version = storage_version

    @classmethod
    def from_settings(cls, settings: Settings, storage_version: str | None = None) -> Publisher | None:
        """The publisher that the settings ask for; None if they ask for none."""
        if settings.publish is None:
            return None
        warehouse = Warehouse.from_settings(settings)
        return cls(warehouse, settings.publish, settings.publish_every, storage_version)

    @property
    def copy(self) -> PublishedCopy | None:
        """The copy that is there now, if there is one."""
        try:
            found = self.path.stat()
        except OSError:
            return None
        if not stat.S_ISREG(found.st_mode) or found.st_mode & ANYONE_WRITES:
            return None
        # The instant of modification is the original's; this one is that of the renaming.
        return PublishedCopy(self.path, datetime.fromtimestamp(found.st_ctime, UTC), found.st_size)

    @property
    def is_due(self) -> bool:
        """Whether the copy is older than ``every``, so that what is new is to be published."""
        copy = self.copy
        if copy is None:
            return True
        age = (datetime.now(UTC) - copy.published_at).total_seconds()
        return not 0 <= age < self.every

    @property
    def holds_back(self) -> bool:
        """Whether the last commit is not published yet."""
        return self._warehouse.exists and not self._is_of_last_commit()

    def publish(self) -> PublishedCopy:
        """Publish the last commit, unless the copy that is there is of it.

        Raises:
            WarehouseError: there is no database yet, it is held by another program, or as `PublishingError`
                says.
        """
        self._check_place()
        with self._explained():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self._turn():
                if not self._is_of_last_commit():
                    sweep(self.path)
                    with replacing(self.path) as file:
                        self._fill(file)
                        # Left beside the copy before by whoever managed to write to it; it fits no other.
                        _wal_of(self.path).unlink(missing_ok=True)
        copy = self.copy
        if copy is None:
            raise PublishingError(f"{self.path} was removed while it was being published.")
        return copy

    def _original(self) -> Path:
        database, path = self._warehouse.database, self._warehouse.path
        if path is None or database.startswith(":memory:"):
            raise PublishingError(
                f"Only a file of this machine or a lake can be published, and {database} is neither. "
                "Unset PIPEDRIVE_PUBLISH, or set PIPEDRIVE_WAREHOUSE to a file."
            )
        return path

    def _check_place(self) -> None:
        if self._warehouse.lake is None and self.path == self._original().resolve():
            raise PublishingError(f"{self.path} is the database itself: publish it to another file.")
        if self.path.is_dir():
            raise PublishingError(f"{self.path} is a folder: name the file to publish to.")
        if self.path.exists() and self.path.stat().st_mode & ANYONE_WRITES:
            raise PublishingError(
                f"{self.path} is there already and is no published copy, since it can be written. It is left "
                "alone: move it away, or publish to another file."
            )

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except Timeout:
            raise PublishingError(
                f"{self.path} has been in the hands of another publisher for {PATIENCE_SECONDS:.0f} s."
            ) from None
        except duckdb.IOException as error:
            raise (self._disk_full() if "No space left" in str(error) else error) from None
        except OSError as error:
            if error.errno in _DISK_FULL:
                raise self._disk_full() from error
            raise PublishingError(
                f"{self.path} cannot be written: {error.strerror}. Publish to a place that can be written."
            ) from error

    def _disk_full(self) -> PublishingError:
        return PublishingError(
            f"The disk of {self.path} has no room for a copy of {self._warehouse.database}; the copy before "
            "it is still there. Free some space, or publish to another disk."
        )

    def _turn(self) -> FileLock:
        lock = self.path.with_name(f".{self.path.name}.lock")
        return FileLock(lock, timeout=PATIENCE_SECONDS, thread_local=False)

    def _is_of_last_commit(self) -> bool:
        if self.copy is None or not self._warehouse.exists:
            return False
        if self.path.stat().st_mtime_ns != self._mark():
            return False
        original = self._warehouse.path
        if original is None or self._is_converted(original):
            return format_of(self.path) == format_for(self._storage_version or STORAGE_VERSION)
        return original.stat().st_size == self.path.stat().st_size

    def _mark(self) -> int | None:
        """What a copy of the last commit bears; None where nothing bears it yet."""
        if self._warehouse.lake is not None:
            with self._warehouse.reading() as connection:
                return mark_of(self._warehouse, connection)
        original = self._original()
        return None if _wal_of(original).exists() else original.stat().st_mtime_ns

    def _is_converted(self, original: Path) -> bool:
        """Whether the copy is to have another storage format than the database."""
        version = self._storage_version
        return version is not None and format_of(original) != format_for(version)

    def _fill(self, target: FileIO) -> None:
        """Make of an empty file what is to be published."""
        if self._warehouse.lake is not None:
            mark, original = self._fill_built(target), self.path
        else:
            original = self._original()
            fill = self._fill_converted if self._is_converted(original) else self._fill_copied
            mark = fill(target, original).st_mtime_ns
        # For those to read who can read the copy before, or else the database; a file begins as its owner's.
        readable = next((place for place in (self.path, original) if place.exists()), None)
        mode = readable.stat().st_mode if readable else os.fstat(target.fileno()).st_mode
        os.utime(target.fileno(), ns=(mark, mark))
        os.fchmod(target.fileno(), mode & 0o777 & ~ANYONE_WRITES)
        if os.fstat(target.fileno()).st_mode & ANYONE_WRITES:
            raise PublishingError(
                f"The disk of {self.path} keeps no read-only files, by which copies are told from other "
                "files: publish to another disk."
            )

    def _fill_built(self, target: FileIO) -> int:
        """Build a file of a lake's last commit. Returns the mark of that commit."""
        with temporary_folder(self.path) as folder:
            built = folder / "built.duckdb"
            mark = build_of_lake(self._warehouse, built, self._storage_version or STORAGE_VERSION)
            with FileIO(built) as source:
                while copy_some(source, target):
                    pass
        return mark

    def _fill_copied(self, target: FileIO, original: Path) -> os.stat_result:
        """Copy the last commit. Returns the state of the original at that commit."""
        # A process that closes a file loses all its locks on it, DuckDB's included: so the file is closed
        # again before another thread can have the database open.
        with self._warehouse.at_rest(), FileIO(original) as source:
            state = os.fstat(source.fileno())
            if shutil.disk_usage(self.path.parent).free < state.st_size + SPARE_BYTES:
                raise self._disk_full()
            self._copy(source, target)
        return state

    def _fill_converted(self, target: FileIO, original: Path) -> os.stat_result:
        """The same in another storage format."""
        with temporary_folder(self.path) as folder:
            copied, converted = folder / "copied.duckdb", folder / "converted.duckdb"
            with FileIO(copied, "xb") as file:
                state = self._fill_copied(file, original)
            convert(copied, converted, self._storage_version or STORAGE_VERSION)
            with FileIO(converted) as source:
                while copy_some(source, target):
                    pass
        return state

    def _copy(self, source: FileIO, target: FileIO) -> None:
        deadline = time.monotonic() + LONGEST_COPYING_SECONDS
        while copy_some(source, target):
            if time.monotonic() > deadline:
                raise PublishingError(
                    f"Copying {self._warehouse.database} takes longer than {LONGEST_COPYING_SECONDS:.0f} s, "
                    "and imports wait meanwhile: publish to a faster disk."
                )


def copy_some(source: FileIO, target: FileIO) -> int:
    """Copy the next piece of a file. Returns its size, 0 at the end."""
    try:
        # File systems that can share content between files copy nothing here.
        return os.copy_file_range(source.fileno(), target.fileno(), _STEP_BYTES)
    except (AttributeError, OSError):
        piece = rest = source.read(_READ_BYTES)
        while rest:
            rest = rest[target.write(rest) :]
        return len(piece)


def mark_of(warehouse: Warehouse, connection: duckdb.DuckDBPyConnection) -> int:
    """The mark of a lake's last commit: its instant in nanoseconds, with its number where there is room."""
    assert warehouse.lake is not None, "only a lake has commits with numbers"
    commit = warehouse.lake.last_commit(connection)
    return (commit.instant - _EPOCH) // timedelta(microseconds=1) * 1000 + commit.number % 1000


def build_of_lake(warehouse: Warehouse, file: Path, storage_version: str) -> int:
    """Build a database file of a lake's last commit. Returns the mark of that commit.

    Raises:
        UnknownStorageVersionError: DuckDB does not know the version.
        UnlikeError: the file does not hold what the lake holds.
        WarehouseError: the lake cannot be opened.
    """
    with warehouse.reading() as connection, known_version(storage_version):
        connection.execute(
            f"ATTACH {literal(str(file))} AS {_PUBLISHED} (STORAGE_VERSION {literal(storage_version)})"
        )
        try:
            connection.begin()
            mark = mark_of(warehouse, connection)
            copy_database(connection, ATTACHED, _PUBLISHED)
            connection.commit()
        except BaseException:
            connection.rollback()
            raise
        finally:
            connection.execute(f"USE {ATTACHED}; DETACH {_PUBLISHED}")
    return mark


def _wal_of(database: Path) -> Path:
    return database.with_name(f"{database.name}.wal")


class KeptPublished:
    """Keeps the published copy of a warehouse fresh during one run of something that writes.

    Nothing here fails the run. What is merged too soon after a publication is held back: for the next run, or
    for whoever looks whether something is held back.

    Args:
        publisher: None where there is to be no copy.

    Attributes:
        problem: why a copy that is due is not there; empty while all is well.
    """

    def __init__(self, publisher: Publisher | None) -> None:
        self.problem = ""
        self._publisher = publisher
        self._thread: threading.Thread | None = None
        self._tried_at = float("-inf")

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

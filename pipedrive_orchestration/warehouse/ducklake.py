"""DuckLake as the warehouse: Parquet files in a folder or on S3, and a catalogue of what belongs together.

The catalogue is a file of this machine, which one process has open at a time, or a PostgreSQL database, which
any number of machines share. There, who commits has an advisory lock of the catalogue meanwhile: imports
fetch and type beside each other, and their commits follow one another, so that no commit is made in vain.
The lock is the catalogue's own and ends with the process that holds it.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from http import HTTPStatus
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self

import duckdb

from pipedrive_orchestration.files import make_private_folder
from pipedrive_orchestration.settings import LAKE
from pipedrive_orchestration.warehouse.errors import WarehouseError
from pipedrive_orchestration.warehouse.extensions import load_extension
from pipedrive_orchestration.warehouse.instances import (
    ATTACHED,
    CONFIG,
    Setting,
    another_connection,
    at_least,
    attached,
    configure,
    connected,
    is_connected,
    memory_settings,
)
from pipedrive_orchestration.warehouse.object_storage import ObjectStorage, is_address
from pipedrive_orchestration.warehouse.sql import literal
from pipedrive_orchestration.warehouse.waits import ONE_OF_OURS, Waiting

METADATA = f"__ducklake_metadata_{ATTACHED}"
"""The name by which DuckLake itself attaches the catalogue."""

_COMMIT_LOCK = 0x70697065
"""The number of the advisory lock: nothing else of ours in the catalogue's database has it."""

_PASSWORD = re.compile(r"(?i)\bpassword\s*=|//[^/@\s]*:[^/@\s]*@")
_POSTGRES = "postgres:"
_PAUSE_SECONDS = 0.1

_PURPOSE = "lakes"
"""What instances are for that have loaded the extensions of a lake."""

_SETTINGS: dict[str, Setting] = {"preserve_insertion_order": False}

_spilled: list[TemporaryDirectory[str]] = []
"""The folders of what does not fit into memory, which go with the process."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One commit of a lake.

    Attributes:
        number: grows by one with every commit.
        instant: when it was made, by the clock of who made it.
    """

    number: int
    instant: datetime


@dataclass(frozen=True, slots=True)
class DuckLake:
    """A lake, by what `PIPEDRIVE_WAREHOUSE` and `PIPEDRIVE_WAREHOUSE_DATA` say.

    Attributes:
        catalogue: a file, or ``postgres:`` and how to connect.
        data: the folder or S3 address of the Parquet files; None where the catalogue knows it already, or for
            the folder beside the catalogue's file.
        storage: how S3 is signed in to, where files lie there.
    """

    catalogue: str
    data: str | None = None
    storage: ObjectStorage | None = None

    @classmethod
    def of(cls, database: str, data: str | None, storage: ObjectStorage | None = None) -> Self | None:
        """The lake that a setting names; None where it names something else.

        Raises:
            WarehouseError: it holds a password, or says nothing of where the files are to be.
        """
        if not database.startswith(LAKE):
            return None
        catalogue = database.removeprefix(LAKE)
        if _PASSWORD.search(catalogue):
            raise WarehouseError(
                "PIPEDRIVE_WAREHOUSE holds a password, and would be shown with it. Leave it out, and set "
                "PGPASSWORD or write it to ~/.pgpass."
            )
        return cls(catalogue, data, storage)

    @property
    def file(self) -> Path | None:
        """The catalogue's file; None where it is in PostgreSQL."""
        return None if self.is_shared else self._path

    @property
    def _path(self) -> Path:
        return Path(self.catalogue)

    @property
    def is_shared(self) -> bool:
        """Whether several processes can have it open at a time."""
        return self.catalogue.startswith(_POSTGRES)

    @property
    def _data(self) -> str | None:
        """Where its files lie, as a whole path, since the catalogue keeps it; None where only that knows."""
        place = self.data
        if place is None and self.file is not None:
            place = f"{self.file}.files"
        return place if place is None or is_address(place) else str(Path(place).absolute())

    @contextmanager
    def opened(
        self, *, read_only: bool, memory: str, apart: bool = False
    ) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection of which the lake is the current database, for as long as the block lasts.

        To a shared catalogue this process stays connected, since connecting takes as long as a pull in which
        nothing has changed.

        Args:
            read_only: whether it is only to be read.
            memory: what its instance may use, at least.
            apart: whether nobody else is to have its instance, so that this can be set up in another way.

        Raises:
            ExtensionMissingError: DuckDB has no DuckLake on this machine.
            WarehouseError: its files lie elsewhere than it is said.
            duckdb.Error: the catalogue cannot be opened.
        """
        if self.file is not None:
            # To load an extension takes longer than what is done with it most often.
            attach = partial(self.attach_to, name=ATTACHED, read_only=read_only)
            with attached(attach, self.file, _PURPOSE, _SETTINGS | memory_settings(memory)) as connection:
                yield connection
        elif apart:
            with self._connect(partial(self.attach_to, read_only=read_only)) as connection:
                configure(connection, **memory_settings(memory))
                yield connection
        else:
            kept = connected(self, lambda: self._connect(partial(self.attach_to, read_only=False)), _answers)
            with another_connection(kept) as connection, at_least(memory, self, connection):
                yield connection

    def _connect(self, attach: Callable[[duckdb.DuckDBPyConnection, str], None]) -> duckdb.DuckDBPyConnection:
        connection = duckdb.connect(config=CONFIG)
        try:
            attach(connection, ATTACHED)
            connection.execute(f"USE {ATTACHED}")
            # No two instances may share one.
            spilled = TemporaryDirectory(prefix=".pipedrive-spilled-", ignore_cleanup_errors=True)
            _spilled.append(spilled)
            configure(connection, **_SETTINGS, temp_directory=f"{spilled.name}/duckdb")
        except BaseException:
            connection.close()
            raise
        return connection

    def attach_to(self, connection: duckdb.DuckDBPyConnection, name: str, *, read_only: bool) -> None:
        """Attach the lake to any instance of DuckDB.

        Args:
            connection: to the instance.
            name: by which the lake is known there.
            read_only: whether it is only to be read.

        Raises:
            ExtensionMissingError: DuckDB has no DuckLake on this machine.
            WarehouseError: the files of the lake lie elsewhere, or those of another one lie there.
            duckdb.Error: the catalogue cannot be opened.
        """
        is_new = self.file is not None and not self.file.exists()
        try:
            if not is_new:
                self._attach_present(connection, name, read_only=read_only)
                return
        except duckdb.InvalidInputException as error:
            if read_only or not _is_missing(error):
                raise
        self._make_ready(connection)
        try:
            self._refuse_files_of_others(connection)
            self._attach(connection, name, read_only=read_only)
        except (duckdb.Error, WarehouseError):
            if not self._was_made_meanwhile(connection, name, read_only=read_only):
                raise
        if self.file is not None:
            self.file.chmod(0o600)

    def _was_made_meanwhile(
        self, connection: duckdb.DuckDBPyConnection, name: str, *, read_only: bool
    ) -> bool:
        """Whether another process has made the lake since it was missing; then it is attached."""
        try:
            self._attach_present(connection, name, read_only=read_only)
        except duckdb.Error:
            return False
        return True

    def _attach_present(self, connection: duckdb.DuckDBPyConnection, name: str, *, read_only: bool) -> None:
        """Attach a lake that is there; see `_is_missing`."""
        self._make_ready(connection)
        try:
            self._attach(connection, name, "CREATE_IF_NOT_EXISTS false", read_only=read_only)
        except duckdb.Error as error:
            if "does not match existing data path" in str(error):
                raise self._elsewhere(str(error)) from None
            raise

    def _make_ready(self, connection: duckdb.DuckDBPyConnection) -> None:
        for extension in self._extensions():
            load_extension(connection, extension)
        if self.storage is not None and is_address(self._data):
            self.storage.sign_in(connection)

    def _attach(self, connection: duckdb.DuckDBPyConnection, name: str, *more: str, read_only: bool) -> None:
        # Of rows that lie in the catalogue instead of a file DuckDB 1.5.5 cannot read nested values.
        options = ["DATA_INLINING_ROW_LIMIT 0", *more, *(["READ_ONLY"] if read_only else [])]
        data = self._data
        if data is not None:
            if not is_address(data):
                make_private_folder(Path(data))
            options.append(f"DATA_PATH {literal(data)}")
        if self.data is None and self.file is not None:
            # They are beside the catalogue, wherever that was when it was made.
            options.append("OVERRIDE_DATA_PATH true")
        connection.execute(f"ATTACH {literal(LAKE + self.catalogue)} AS {name} ({', '.join(options)})")

    def _elsewhere(self, reason: str) -> WarehouseError:
        found = re.search(r'in the catalog "(?P<place>[^"]*)"', reason)
        place = found["place"] if found else "another place"
        return WarehouseError(
            f"The files of the lake {self.catalogue} lie in {place}, and PIPEDRIVE_WAREHOUSE_DATA says "
            f"{self.data}. Set it to {place}."
        )

    def _refuse_files_of_others(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Refuse a place for a new lake in which files lie: its maintenance would remove those of another."""
        if self.data is None or self._data is None:
            return
        if _holds_files(connection, self._data):
            raise WarehouseError(
                f"There are files in {self.data} already, and the lake {self.catalogue} is new: its "
                "maintenance would remove what another lake has there. Set PIPEDRIVE_WAREHOUSE_DATA to an "
                "empty place."
            )

    def _extensions(self) -> Sequence[str]:
        wanted = ["ducklake"]
        if self.is_shared:
            wanted.append("postgres_scanner")
        if is_address(self._data):
            wanted.append("httpfs")
        return wanted

    def last_commit(self, connection: duckdb.DuckDBPyConnection) -> Snapshot:
        """The newest snapshot that a connection of `opened` sees."""
        ((number, instant),) = connection.execute(
            f"SELECT snapshot_id, snapshot_time FROM ducklake_snapshots({literal(ATTACHED)}) "
            "ORDER BY snapshot_id DESC LIMIT 1"
        ).fetchall()
        return Snapshot(number, instant)

    @contextmanager
    def turn(self, connection: duckdb.DuckDBPyConnection, waiting: Waiting) -> Iterator[bool]:
        """The catalogue's lock for as long as the block lasts; nothing where only one process has it open.

        Args:
            connection: a connection of `opened`.
            waiting: for each who has it before, since a queue that moves is no reason to give up.

        Yields:
            Whether it was had in time.
        """
        if not self.is_shared:
            yield True
            return
        # Beside the connection's own transaction, which is to see what was committed until now.
        holder = connection.cursor()
        try:
            has_it, before = _try_lock(holder), None
            while not has_it and waiting.left > 0:
                waiting.for_(ONE_OF_OURS)
                time.sleep(_PAUSE_SECONDS)
                if before != (before := _committer(holder)):
                    waiting.begin()
                has_it = _try_lock(holder)
            yield has_it
        finally:
            holder.close()

    @contextmanager
    def held(self, connection: duckdb.DuckDBPyConnection, purpose: str) -> Iterator[bool]:
        """A lock of the catalogue for something else than committing; had or not, without waiting.

        Args:
            connection: a connection of `opened`; its transactions stay its own.
            purpose: names the lock.

        Yields:
            Whether it was had. It goes with the process, and with its connection to the catalogue.
        """
        holder = connection.cursor()
        try:
            yield _try_lock(holder, f"{_COMMIT_LOCK}, hashtext({literal(purpose)})")
        finally:
            holder.close()

    def exists(self) -> bool:
        """Whether there is a lake to read."""
        if self.file is not None:
            return self.file.exists()
        if is_connected(self):
            return True
        attach = partial(self._attach_present, read_only=False)
        try:
            # It is kept for what follows.
            connected(self, lambda: self._connect(attach), _answers)
        except duckdb.InvalidInputException as error:
            if not _is_missing(error):
                raise
            return False
        return True


def _is_missing(error: duckdb.InvalidInputException) -> bool:
    """Whether an error says that there is no lake in a catalogue."""
    return "does not exist" in str(error)


def _holds_files(connection: duckdb.DuckDBPyConnection, place: str) -> bool:
    within = literal(f"{place.rstrip('/')}/**")
    try:
        return connection.execute(f"FROM glob({within}) LIMIT 1").fetchone() is not None
    except duckdb.HTTPException as error:
        # A bucket that is not there yet.
        if f"HTTP {HTTPStatus.NOT_FOUND:d}" not in str(error):
            raise
        return False


def _answers(kept: duckdb.DuckDBPyConnection) -> bool:
    try:
        kept.execute(f"SELECT * FROM postgres_query({literal(METADATA)}, 'SELECT 1')").fetchall()
    except duckdb.Error:
        return False
    return True


def _committer(connection: duckdb.DuckDBPyConnection) -> int | None:
    """The PostgreSQL process of who has the turn; None where nobody has it."""
    query = (
        "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted "
        f"AND (classid, objid, objsubid) = (0, {_COMMIT_LOCK}, 1)"
    )
    found = connection.execute(
        f"SELECT * FROM postgres_query({literal(METADATA)}, {literal(query)})"
    ).fetchone()
    return found[0] if found else None


def _try_lock(holder: duckdb.DuckDBPyConnection, key: str = str(_COMMIT_LOCK)) -> bool:
    holder.begin()
    query = f"SELECT pg_try_advisory_xact_lock({key})"
    has_it = holder.execute(
        f"SELECT * FROM postgres_query({literal(METADATA)}, {literal(query)})"
    ).fetchone() == (True,)
    if not has_it:
        holder.rollback()
    return has_it

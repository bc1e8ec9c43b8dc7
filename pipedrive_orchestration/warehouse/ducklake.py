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
from pathlib import Path
from typing import Self

import duckdb

from pipedrive_orchestration.files import make_private_folder
from pipedrive_orchestration.warehouse.errors import WarehouseError
from pipedrive_orchestration.warehouse.extensions import load_extension
from pipedrive_orchestration.warehouse.instances import (
    ATTACHED,
    CONFIG,
    another_connection,
    connected,
    is_connected,
)
from pipedrive_orchestration.warehouse.object_storage import ObjectStorage, is_address
from pipedrive_orchestration.warehouse.sql import literal

SCHEME = "ducklake:"

METADATA = f"__ducklake_metadata_{ATTACHED}"
"""The name by which DuckLake itself attaches the catalogue."""

_COMMIT_LOCK = 0x70697065
"""The number of the advisory lock: nothing else of ours in the catalogue's database has it."""

_PASSWORD = re.compile(r"(?i)\bpassword\s*=|//[^/@\s]*:[^/@\s]*@")
_POSTGRES = "postgres:"
_PAUSE_SECONDS = 0.1


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
        if not database.startswith(SCHEME):
            return None
        catalogue = database.removeprefix(SCHEME)
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
        if self.data is not None or self.file is None:
            return self.data
        return f"{self.file}.files"

    @contextmanager
    def opened(self, *, read_only: bool) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection of which the lake is the current database, for as long as the block lasts.

        To a shared catalogue this process stays connected, since connecting takes as long as a pull in which
        nothing has changed.

        Raises:
            ExtensionMissingError: DuckDB has no DuckLake on this machine.
            duckdb.Error: the catalogue cannot be opened.
        """
        if self.is_shared:
            with another_connection(self._kept()) as connection:
                yield connection
            return
        is_new = not self._path.exists()
        with self._connect(read_only=read_only) as connection:
            if is_new:
                self._path.chmod(0o600)
            yield connection

    def _kept(self) -> duckdb.DuckDBPyConnection:
        return connected(self, lambda: self._connect(read_only=False), _answers)

    def _connect(self, *, read_only: bool) -> duckdb.DuckDBPyConnection:
        connection = duckdb.connect(config=CONFIG)
        try:
            self.attach_to(connection, ATTACHED, read_only=read_only)
            connection.execute(f"USE {ATTACHED}")
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
            duckdb.Error: the catalogue cannot be opened.
        """
        for extension in self._extensions():
            load_extension(connection, extension)
        if self.storage is not None and is_address(self._data):
            self.storage.sign_in(connection)
        # Of rows that lie in the catalogue instead of a file DuckDB 1.5.5 cannot read nested values.
        options = ["DATA_INLINING_ROW_LIMIT 0", *(["READ_ONLY"] if read_only else [])]
        data = self._data
        if data is not None:
            if not is_address(data):
                make_private_folder(Path(data))
            options.append(f"DATA_PATH {literal(data)}")
        listed = ", ".join(options)
        connection.execute(f"ATTACH {literal(SCHEME + self.catalogue)} AS {name} ({listed})")

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
    def turn(
        self, connection: duckdb.DuckDBPyConnection, left: Callable[[], float], wait: Callable[[], None]
    ) -> Iterator[bool]:
        """The catalogue's lock for as long as the block lasts; nothing where only one process has it open.

        Args:
            connection: a connection of `opened`.
            left: how many seconds may still be waited.
            wait: is told each time that it has to be waited.

        Yields:
            Whether it was had in time.
        """
        if not self.is_shared:
            yield True
            return
        # Beside the connection's own transaction, which is to see what was committed until now.
        holder = connection.cursor()
        try:
            has_it = _try_lock(holder)
            while not has_it and left() > 0:
                wait()
                time.sleep(_PAUSE_SECONDS)
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
        try:
            self._connect(read_only=True).close()
        except duckdb.InvalidInputException as error:
            if "does not exist" in str(error):
                return False
            raise
        return True


def _answers(kept: duckdb.DuckDBPyConnection) -> bool:
    try:
        kept.execute(f"SELECT * FROM postgres_query({literal(METADATA)}, 'SELECT 1')").fetchall()
    except duckdb.Error:
        return False
    return True


def _try_lock(holder: duckdb.DuckDBPyConnection, key: str = str(_COMMIT_LOCK)) -> bool:
    holder.begin()
    query = f"SELECT pg_try_advisory_xact_lock({key})"
    has_it = holder.execute(
        f"SELECT * FROM postgres_query({literal(METADATA)}, {literal(query)})"
    ).fetchone() == (True,)
    if not has_it:
        holder.rollback()
    return has_it

"""DuckLake as the warehouse: Parquet files in a folder or on S3, and a catalogue of what belongs together.

The catalogue is a file of this machine, which one process has open at a time, or a PostgreSQL database, which
any number of machines share. There, who commits has an advisory lock of the catalogue meanwhile: imports
fetch and type beside each other, and their commits follow one another, so that no commit is made in vain.
The lock is the catalogue's own and ends with the process that holds it.
"""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Self

import duckdb

from pipedrive_orchestration.files import make_private_folder
from pipedrive_orchestration.warehouse.errors import WarehouseError
from pipedrive_orchestration.warehouse.instances import ATTACHED, CONFIG, another_connection
from pipedrive_orchestration.warehouse.sql import literal

SCHEME = "ducklake:"

_METADATA = f"__ducklake_metadata_{ATTACHED}"
"""The name by which DuckLake itself attaches the catalogue."""

_COMMIT_LOCK = 0x70697065
"""The number of the advisory lock: nothing else of ours in the catalogue's database has it."""

_PASSWORD = re.compile(r"(?i)\bpassword\s*=|//[^/@\s]*:[^/@\s]*@")
_POSTGRES = "postgres:"
_PAUSE_SECONDS = 0.1


class ExtensionMissingError(WarehouseError):
    """An extension of DuckDB that is not installed; none is fetched by itself."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"DuckDB {duckdb.__version__} has no extension {name} on this machine, which a lake needs. "
            "Install it with `pip install 'pipedrive_orchestration[ducklake]'`, or let DuckDB fetch it: "
            f"python -c \"import duckdb; duckdb.execute('INSTALL {name}')\"."
        )


@dataclass(frozen=True, slots=True)
class DuckLake:
    """A lake, by what `PIPEDRIVE_WAREHOUSE` and `PIPEDRIVE_WAREHOUSE_DATA` say.

    Attributes:
        catalogue: a file, or ``postgres:`` and how to connect.
        data: the folder or S3 address of the Parquet files; None where the catalogue knows it already, or for
            the folder beside the catalogue's file.
    """

    catalogue: str
    data: str | None = None

    @classmethod
    def of(cls, database: str, data: str | None) -> Self | None:
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
        return cls(catalogue, data)

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
        with _opening:
            kept = _kept.get((self, os.getpid()))
            if kept is None or not _answers(kept):
                kept = _kept[self, os.getpid()] = self._connect(read_only=False)
            return kept

    def _connect(self, *, read_only: bool) -> duckdb.DuckDBPyConnection:
        connection = duckdb.connect(config=CONFIG)
        try:
            for extension in self._extensions():
                _load(connection, extension)
            self._attach(connection, read_only=read_only)
            connection.execute(f"USE {ATTACHED}")
        except BaseException:
            connection.close()
            raise
        return connection

    def _extensions(self) -> Sequence[str]:
        wanted = ["ducklake"]
        if self.is_shared:
            wanted.append("postgres_scanner")
        if "://" in (self._data or ""):
            wanted.append("httpfs")
        return wanted

    def _attach(self, connection: duckdb.DuckDBPyConnection, *, read_only: bool) -> None:
        # Of rows that lie in the catalogue instead of a file DuckDB 1.5.5 cannot read nested values.
        options = ["DATA_INLINING_ROW_LIMIT 0", *(["READ_ONLY"] if read_only else [])]
        data = self._data
        if data is not None:
            if "://" not in data:
                make_private_folder(Path(data))
            options.append(f"DATA_PATH {literal(data)}")
        listed = ", ".join(options)
        connection.execute(f"ATTACH {literal(SCHEME + self.catalogue)} AS {ATTACHED} ({listed})")

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

    def exists(self) -> bool:
        """Whether there is a lake to read."""
        if self.file is not None:
            return self.file.exists()
        if (self, os.getpid()) in _kept:
            return True
        try:
            self._connect(read_only=True).close()
        except duckdb.InvalidInputException as error:
            if "does not exist" in str(error):
                return False
            raise
        return True


_kept: dict[tuple[DuckLake, int], duckdb.DuckDBPyConnection] = {}
"""Connections to shared catalogues by process: one that was forked cannot use its parent's."""

_opening = threading.Lock()


def _answers(kept: duckdb.DuckDBPyConnection) -> bool:
    try:
        kept.execute(f"SELECT * FROM postgres_query({literal(_METADATA)}, 'SELECT 1')").fetchall()
    except duckdb.Error:
        return False
    return True


def _try_lock(holder: duckdb.DuckDBPyConnection) -> bool:
    holder.begin()
    query = f"SELECT pg_try_advisory_xact_lock({_COMMIT_LOCK})"
    has_it = holder.execute(
        f"SELECT * FROM postgres_query({literal(_METADATA)}, {literal(query)})"
    ).fetchone() == (True,)
    if not has_it:
        holder.rollback()
    return has_it


def _load(connection: duckdb.DuckDBPyConnection, name: str) -> None:
    file = packaged_extension(name)
    try:
        connection.execute(f"LOAD {literal(str(file))}" if file else f"LOAD {name}")
    except (duckdb.IOException, duckdb.CatalogException, duckdb.HTTPException):
        raise ExtensionMissingError(name) from None


def packaged_extension(name: str) -> Path | None:
    """The file of an extension that a Python package has brought for this DuckDB; None where none has."""
    found = find_spec(f"duckdb_extension_{name}")
    if found is None or found.origin is None:
        return None
    folder = Path(found.origin).parent / "extensions" / f"v{duckdb.__version__}"
    file = folder / f"{name}.duckdb_extension"
    return file if file.exists() else None

"""The connection to the database: opened only while it is needed, by one process at a time.

DuckDB lets one process write, and a reader in another process keeps it from writing. So whoever of ours opens
the database takes a lock file first, and closes it again when the block is left; what somebody else has open
is waited for, and `telling_of_waits` hears of it. A lake with its catalogue in PostgreSQL is read by anybody
at any time, and only commits follow one another.
"""

from __future__ import annotations

import os
import random
import stat
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from copy import copy
from functools import partial
from pathlib import Path
from typing import Self

import duckdb

from pipedrive_orchestration.files import make_private_folder
from pipedrive_orchestration.settings import Settings, database_file
from pipedrive_orchestration.warehouse.ducklake import DuckLake
from pipedrive_orchestration.warehouse.errors import WarehouseError, unusable
from pipedrive_orchestration.warehouse.instances import (
    ALL_MEMORY,
    ATTACHED,
    Setting,
    attached,
    configure,
    memory_settings,
)
from pipedrive_orchestration.warehouse.locks import locked, sole
from pipedrive_orchestration.warehouse.migrations import NewerSchemaError, is_outdated, migrate
from pipedrive_orchestration.warehouse.motherduck import connected_to_motherduck, is_motherduck, refuse_token
from pipedrive_orchestration.warehouse.object_storage import ObjectStorage
from pipedrive_orchestration.warehouse.sql import literal
from pipedrive_orchestration.warehouse.storage import STORAGE_VERSION, known_version
from pipedrive_orchestration.warehouse.waits import ONE_OF_OURS, Waiting, holder_in

DEFAULT_DATABASE: str = Settings.model_fields["warehouse"].default

PATIENCE_SECONDS = 120.0
"""How long to wait for a file that another process holds."""

MEMORY = "256MB"
"""What DuckDB may use; beyond it, it works on disk where it can."""

MORE_MEMORY = ("1GB", ALL_MEMORY)
"""What it may use where it can not, as with texts of a hundred kilobytes in thousands of rows."""

_IN_USE_HERE: type[duckdb.Error] = getattr(duckdb, "ResourceInUseException", duckdb.BinderException)
"""What DuckDB says of a file that this process has open; before its version 2, in more general words."""


class Warehouse:
    """A DuckDB database, opened only while it is needed.

    Args:
        database: a file, ``ducklake:`` and a catalogue, or anything else DuckDB can connect to, such as
            ``md:crm``.
        patience: seconds to wait for a database that another process holds.
        storage_version: the format of a file that is made new.
        data: where a lake keeps its files; None for beside its catalogue.
        storage: how S3 is signed in to, where a lake keeps them there.
        motherduck_token: what MotherDuck is signed in to with.

    Raises:
        WarehouseError: a name that holds a password.
    """

    def __init__(
        self,
        database: str = DEFAULT_DATABASE,
        *,
        patience: float = PATIENCE_SECONDS,
        storage_version: str = STORAGE_VERSION,
        data: str | None = None,
        storage: ObjectStorage | None = None,
        motherduck_token: str | None = None,
    ) -> None:
        refuse_token(database)
        self.database = database
        self._lake = DuckLake.of(database, data, storage)
        self._motherduck_token = motherduck_token
        self._patience = patience
        self._storage_version = storage_version
        self._memory = MEMORY
        self._is_apart = False

    @classmethod
    def from_settings(cls, settings: Settings) -> Warehouse:
        """The database that the settings name."""
        return cls(
            settings.warehouse,
            storage_version=settings.storage_version,
            data=settings.warehouse_data,
            storage=ObjectStorage.from_settings(settings),
            motherduck_token=token.get_secret_value() if (token := settings.motherduck_token) else None,
        )

    def with_patience(self, seconds: float) -> Self:
        """The same database, with another time to wait for it."""
        return self._but(_patience=seconds)

    def with_memory(self, limit: str) -> Self:
        """The same database, with another limit of memory: ``768MB``, or `ALL_MEMORY`."""
        return self._but(_memory=limit)

    def apart(self) -> Self:
        """The same database, in an instance of DuckDB that nobody else has, so that it can be set up."""
        return self._but(_is_apart=True)

    def _but(self, **attributes: object) -> Self:
        other = copy(self)
        for name, value in attributes.items():
            setattr(other, name, value)
        return other

    @property
    def path(self) -> Path | None:
        """The database file, or None where the database is not a local file."""
        return database_file(self.database)

    @property
    def folder(self) -> Path:
        """The folder beside which local files of the warehouse live, such as staged pages."""
        return self.file.parent if self.file else Path("data")

    @property
    def lake(self) -> DuckLake | None:
        """The lake that it is, if it is one."""
        return self._lake

    @property
    def exists(self) -> bool:
        """Whether there is a database to read; assumed where it is neither a local file nor a lake.

        Raises:
            WarehouseError: the catalogue of a lake cannot be reached.
        """
        if self._lake is None:
            return self.path is None or self.path.exists()
        try:
            return self._lake.exists()
        except duckdb.Error as error:
            raise self._unusable(error) from error

    @property
    def file(self) -> Path | None:
        """The local file that one process has open at a time: the database, or the catalogue of a lake."""
        return self._lake.file if self._lake else self.path

    @contextmanager
    def writing(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """One transaction: committed at the end of the block, rolled back if it raises anything.

        Raises:
            WarehouseError: the database cannot be opened for writing, its disk is full, or a later version of
                this program wrote it.
        """
        self.require_writable()
        with self._locked(), self._opened(read_only=False) as connection, self._turn(connection):
            try:
                self._migrate(connection)
                connection.begin()
                yield connection
                connection.commit()
            except BaseException as error:
                with suppress(duckdb.Error):
                    connection.rollback()
                if isinstance(error, duckdb.Error) and "No space left" in str(error):
                    raise WarehouseError(
                        f"The disk of {self.database} is full; nothing of this step was written. "
                        "Free some space and run the import again."
                    ) from error
                raise

    @contextmanager
    def reading(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A read-only connection.

        Raises:
            WarehouseError: there is no database yet, it cannot be opened, or a later version of this program
                wrote it.
        """
        if not self.exists:
            raise WarehouseError(f"There is no database at {self.database} yet: run an import first.")
        with self._locked():
            with self._opened(read_only=True) as connection:
                outdated = self._is_outdated(connection)
                if not outdated:
                    yield connection
            if outdated:
                self.require_writable()
                with self._opened(read_only=False) as connection:
                    self._migrate(connection)
                with self._opened(read_only=True) as connection:
                    yield connection

    @contextmanager
    def at_rest(self) -> Iterator[Path]:
        """The database file at a commit: all of it is in the file, and nobody writes while the block lasts.

        Raises:
            WarehouseError: there is no database yet, or it cannot be opened.
        """
        assert self.path is not None, "a database that is no local file has no file to look at"
        if not self.exists:
            raise WarehouseError(f"There is no database at {self.database} yet: run an import first.")
        with self._locked(), ExitStack() as stack:
            stack.enter_context(self._opened(read_only=True))
            while Path(f"{self.path}.wal").exists():
                # A process that was killed has left its last commits beside the file; closing takes them in.
                stack.close()
                with self._opened(read_only=False) as connection:
                    connection.execute("CHECKPOINT")
                stack.enter_context(self._opened(read_only=True))
            yield self.path

    @contextmanager
    def still(self) -> Iterator[None]:
        """Nobody of ours writes to the database as long as the block lasts, though it is not open here.

        Raises:
            WarehouseError: it is held by another program, or cannot be opened.
        """
        if self._lake is not None and self._lake.is_shared:
            with self._opened(read_only=False) as connection, self._turn(connection):
                yield
            return
        with self._locked():
            yield

    @contextmanager
    def sole(self, purpose: str) -> Iterator[bool]:
        """The right to do something that one process at a time may do; had or not, without waiting.

        It holds on this machine, and on all machines that share a lake with its catalogue in PostgreSQL.
        The database is free meanwhile.

        Args:
            purpose: names it, and the file of the lock.

        Yields:
            Whether it was had.

        Raises:
            WarehouseError: the database cannot be opened.
        """
        make_private_folder(self.folder)
        beside = f"{self.file}.{purpose}.lock" if self.file else str(self.folder / f"{purpose}.lock")
        with sole(Path(beside)) as has_it:
            if not has_it or self._lake is None or not self._lake.is_shared:
                yield has_it
                return
            with self._opened(read_only=False) as connection, self._lake.held(connection, purpose) as is_ours:
                yield is_ours

    def attach_to(self, connection: duckdb.DuckDBPyConnection, name: str, *, read_only: bool) -> None:
        """Attach the database to an instance of DuckDB under a name, for whoever has it `still`.

        Raises:
            ExtensionMissingError: DuckDB has no DuckLake on this machine.
            duckdb.Error: it cannot be opened.
        """
        if self._lake is not None:
            self._lake.attach_to(connection, name, read_only=read_only)
            return
        is_new = self.path is not None and not self.path.exists()
        format_ = f", STORAGE_VERSION {literal(self._storage_version)}" if is_new else ""
        with known_version(self._storage_version):
            how = f"READ_{'ONLY' if read_only else 'WRITE'}{format_}"
            connection.execute(f"ATTACH {literal(self.database)} AS {name} ({how})")
        if is_new and self.path is not None:
            self.path.chmod(0o600)

    def _is_outdated(self, connection: duckdb.DuckDBPyConnection) -> bool:
        try:
            return is_outdated(connection)
        except NewerSchemaError as error:
            raise self._newer(error) from None

    def _migrate(self, connection: duckdb.DuckDBPyConnection) -> None:
        try:
            migrate(connection)
        except NewerSchemaError as error:
            raise self._newer(error) from None

    def _newer(self, error: NewerSchemaError) -> WarehouseError:
        return WarehouseError(
            f"{self.database} was written by a later version of pipedrive_orchestration: {error}. "
            "Upgrade this installation, or set PIPEDRIVE_WAREHOUSE to another file."
        )

    def require_writable(self) -> None:
        """Make the folder of a database of this machine where it is missing.

        Raises:
            WarehouseError: it cannot be made, or the database cannot be written.
        """
        file = self.file
        if file is None:
            return
        try:
            make_private_folder(file.parent)
        except OSError as error:
            raise WarehouseError(
                f"The folder of {self.database} cannot be made: {error.strerror}. Set PIPEDRIVE_WAREHOUSE "
                "to a place that can be written."
            ) from error
        for place in (file, file.parent):
            if place.exists() and not _writable(place):
                raise WarehouseError(
                    f"{place} is read-only, so nothing can be imported into {self.database}. "
                    "Make it writable or set PIPEDRIVE_WAREHOUSE to another file."
                )

    @contextmanager
    def _turn(self, connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
        """The right to commit to a lake that others have open too."""
        if self._lake is None:
            yield
            return
        waiting = Waiting(self.database, self._patience)
        try:
            with self._lake.turn(connection, waiting) as has_it:
                waiting.over()
                if not has_it:
                    raise waiting.given_up(ONE_OF_OURS)
                yield
        finally:
            waiting.over()

    @contextmanager
    def _locked(self) -> Iterator[None]:
        if self.file is None:
            yield
            return
        with locked(self.file, Waiting(self.database, self._patience)):
            yield

    @contextmanager
    def _opened(self, *, read_only: bool) -> Iterator[duckdb.DuckDBPyConnection]:
        with ExitStack() as opened:
            connection = self._connect(opened, read_only=read_only)
            connection.execute("SET TimeZone = 'UTC'")
            yield connection

    def _connect(self, opened: ExitStack, *, read_only: bool) -> duckdb.DuckDBPyConnection:
        waiting = Waiting(self.database, self._patience)
        pause = 0.02
        try:
            while True:
                try:
                    return opened.enter_context(self._connected(read_only=read_only))
                except duckdb.Error as error:
                    if "Could not set lock" not in str(error):
                        raise self._unusable(error) from error
                    holder = holder_in(str(error))
                    if pause > waiting.left:
                        raise waiting.given_up(holder) from error
                waiting.for_(holder)
                time.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - spreads waiters, guards nothing
                pause = min(pause * 2, 1.0)
        finally:
            waiting.over()

    @contextmanager
    def _connected(self, *, read_only: bool) -> Iterator[duckdb.DuckDBPyConnection]:
        if self._lake:
            with self._lake.opened(
                read_only=read_only, memory=self._memory, apart=self._is_apart
            ) as connection:
                yield connection
            return
        settings = {"preserve_insertion_order": False, **memory_settings(self._memory)}
        with ExitStack() as opened:
            if is_motherduck(self.database):
                connection = opened.enter_context(
                    connected_to_motherduck(self.database, self._motherduck_token)
                )
                configure(connection, **settings)
            elif self.path is None:
                connection = opened.enter_context(duckdb.connect(self.database, read_only=read_only))
                configure(connection, **settings)
            else:
                connection = opened.enter_context(self._attached(self.path, settings, read_only=read_only))
            yield connection

    @contextmanager
    def _attached(
        self, file: Path, settings: Mapping[str, Setting], *, read_only: bool
    ) -> Iterator[duckdb.DuckDBPyConnection]:
        attach = partial(self.attach_to, name=ATTACHED, read_only=read_only)
        with ExitStack() as opened:
            try:
                connection = opened.enter_context(attached(attach, file, settings=settings))
            except _IN_USE_HERE:
                # Another part of this process has it open, which shares it if it does so in the same way.
                connection = opened.enter_context(duckdb.connect(self.database, read_only=read_only))
                configure(connection, **settings)
            yield connection

    def _unusable(self, error: duckdb.Error) -> WarehouseError:
        reason = f"{self.database} cannot be opened as a DuckDB database: {error}"
        if self._lake is not None or self.path is None:
            return WarehouseError(unusable(reason, "Look whether it can be reached from here"))
        return WarehouseError(unusable(reason))


def _writable(place: Path) -> bool:
    # The mode bits count even for a user whom the system would let pass them.
    return bool(place.stat().st_mode & (stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH)) and os.access(
        place, os.W_OK
    )

"""Dagster instances for tests in which no Dagster runs, and what makes those of this process quick."""

from __future__ import annotations

import atexit
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any

import dagster as dg
import sqlalchemy
from dagster._core.storage.event_log.sqlite import sqlite_event_log
from dagster._core.storage.runs.sqlite import sqlite_run_storage
from dagster._core.storage.schedules.sqlite import sqlite_schedule_storage
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage
from sqlalchemy.pool import NullPool, Pool, QueuePool

from pipedrive_orchestration.services import dagster_internals  # noqa: F401 - it keeps the revisions

OPEN_STORAGE = DagsterSqliteStorage.__init__
OPEN_EVENTS = sqlite_event_log.SqliteEventLogStorage._initdb

ENGINES_KEPT = 64
"""More than the databases of the tests that are under way; each keeps a connection or two open."""


@contextmanager
def dagster_instance() -> Iterator[dg.DagsterInstance]:
    """An instance of its own, as `dagster.instance_for_test` gives it."""
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
        dg.instance_for_test(temp_dir=folder) as instance,
    ):
        yield instance


def hasten_storage() -> None:
    """Keeps what Dagster's storage would make anew in this process, which spares half of a run's time.

    That is what `keep_engines` keeps. The databases of a new instance and of a run are copies of empty ones.
    """
    keep_engines()
    DagsterSqliteStorage.__init__ = _open_storage  # type: ignore[method-assign, assignment]
    sqlite_event_log.SqliteEventLogStorage._initdb = _open_events  # type: ignore[method-assign, assignment]


def keep_engines() -> None:
    """Keeps an engine for each database with its connections.

    Else one is made for every statement, which connects and compiles it. Nothing waits for the disk, which
    matters where the power fails and to no process that is killed.
    """
    for module in (sqlite_event_log, sqlite_run_storage, sqlite_schedule_storage):
        module.create_engine = _engine_of  # type: ignore[attr-defined]  # not told as exported


def _engine_of(
    url: str, poolclass: type[NullPool], connect_args: Mapping[str, Any] = {}
) -> sqlalchemy.Engine:
    assert poolclass is NullPool, "Dagster makes an engine for every statement"
    file = Path(sqlalchemy.make_url(url).database or "")
    if not file.exists():
        return _new_engine(url, connect_args, NullPool)
    # A database that was put in place of another one is not the one that connections are open to.
    key = (url, file.stat().st_ino, tuple(connect_args.items()))
    with _LOCK:
        engine = _ENGINES.pop(key, None) or _new_engine(url, connect_args, QueuePool)
        _ENGINES[key] = engine
        if len(_ENGINES) > ENGINES_KEPT:
            _ENGINES.pop(next(iter(_ENGINES))).pool.dispose()
    return engine


def _new_engine(url: str, connect_args: Mapping[str, Any], pool: type[Pool]) -> sqlalchemy.Engine:
    engine = sqlalchemy.create_engine(url, poolclass=pool, connect_args=dict(connect_args))
    sqlalchemy.event.listen(engine, "connect", without_waits)
    # Dagster has done with its engine after every statement.
    engine.dispose = lambda close=True: None  # type: ignore[method-assign]
    return engine


_ENGINES: dict[tuple[Any, ...], sqlalchemy.Engine] = {}
_LOCK = Lock()


def without_waits(connection: sqlite3.Connection, _record: object) -> None:
    """Leaves it to the system when what a connection writes gets to the disk."""
    # What is no database is found by the statement that the connection was made for.
    with suppress(sqlite3.DatabaseError):
        connection.execute("PRAGMA synchronous = OFF").close()


def _open_storage(storage: DagsterSqliteStorage, base_dir: str, inst_data: Any = None) -> None:
    folder = Path(base_dir)
    if not any(folder.rglob("*.db")):
        for database in _empty_storage().rglob("*.db"):
            copy = folder / database.relative_to(_empty_storage())
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(database, copy)
    OPEN_STORAGE(storage, base_dir, inst_data)


def _open_events(
    storage: sqlite_event_log.SqliteEventLogStorage, engine: sqlalchemy.Engine, for_index_shard: bool = False
) -> None:
    file = Path(engine.url.database or "")
    if for_index_shard or file.exists():
        OPEN_EVENTS(storage, engine, for_index_shard)
    else:
        (index,) = _empty_storage().rglob("index.db")
        shutil.copyfile(index, file)


@cache
def _empty_storage() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="dagster-storage-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    storage = DagsterSqliteStorage.__new__(DagsterSqliteStorage)
    OPEN_STORAGE(storage, str(folder))
    storage.dispose()
    return folder

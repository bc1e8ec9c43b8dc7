"""DuckDB instances that are kept for the next who needs one.

To make one takes 15 ms of computing, more than most of what is done with one here; to attach a database file
takes a millisecond. An instance serves one at a time, so that what is set for it is nobody else's. One that
is connected to a catalogue elsewhere serves all that ask for the same, since connecting takes far longer.
"""

from __future__ import annotations

import math
import os
import re
import threading
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from weakref import WeakKeyDictionary

import duckdb

from pipedrive_orchestration.warehouse.sql import literal

CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
}
"""How an instance is made: nothing is fetched or loaded that nobody asked for."""

Setting = str | int | bool
"""The value of a setting of DuckDB."""

KEPT = 2
"""How many a process keeps: one for the database, one for what is made of pages meanwhile."""

ATTACHED = "pipedrive_warehouse"
"""The name of a file's database in the instance. Nothing that is stored in the file has it."""

ALL_MEMORY = "default"
"""The limit of memory that DuckDB takes by itself: four fifths of what the machine has."""


@dataclass(eq=False, slots=True, weakref_slot=True)
class _Instance:
    """An instance of the process that made it.

    Attributes:
        connection: the first one, of which those who use it get further ones.
        settings: what is set of it as a whole.
    """

    connection: duckdb.DuckDBPyConnection
    made_by: int = field(default_factory=os.getpid)
    settings: dict[str, Setting] = field(default_factory=dict)

    @property
    def has_spilled(self) -> bool:
        """Whether it has made its temporary folder, which it keeps as long as it is there itself."""
        folder = self.settings.get("temp_directory")
        return folder is not None and os.path.lexists(str(folder))

    def set_up(self, settings: Mapping[str, Setting]) -> None:
        """Let that be set and nothing else; each statement takes a sixth of a millisecond."""
        changes = [
            *(_default(name) for name in self.settings if name not in settings),
            *(_set(name, value) for name, value in settings.items() if self.settings.get(name) != value),
        ]
        if changes:
            self.connection.execute("; ".join(changes))
        self.settings = dict(settings)


_idle: dict[str, list[_Instance]] = {}
"""The instances that nobody uses by what they are for."""

_used: WeakKeyDictionary[duckdb.DuckDBPyConnection, _Instance] = WeakKeyDictionary()
"""The instances of the connections that are in use."""

_asides: WeakKeyDictionary[duckdb.DuckDBPyConnection, duckdb.DuckDBPyConnection] = WeakKeyDictionary()
"""The connections beside those that are in use."""

_connected: dict[tuple[Hashable, int], duckdb.DuckDBPyConnection] = {}
"""Connections to catalogues elsewhere, by process: one that was forked cannot use its parent's."""

_connecting = threading.Lock()

_limits: dict[tuple[Hashable, int], list[str]] = {}
"""The limits of memory of those who use such a connection now."""

_limiting = threading.Lock()

_of_parents: list[_Instance] = []
"""Instances of a process that has forked since; without their threads, they cannot even be closed."""


@contextmanager
def duckdb_instance(
    purpose: str = "", settings: Mapping[str, Setting] = {}
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection to an instance that nobody else uses within the block, set up as a new one.

    Nothing is to be left in it but extensions that it has loaded: tables are temporary, what is attached is
    detached, and what is set of the instance as a whole is set here or with `configure`.

    Args:
        purpose: what it is for; those of one purpose are not used for another.
        settings: what is set of it as a whole.
    """
    instance = _take(purpose, settings)
    try:
        with instance.connection.cursor() as connection:
            _used[connection] = instance
            try:
                yield connection
            finally:
                _close_aside(connection)
    except BaseException:
        # What an error has left in it is not known.
        instance.connection.close()
        raise
    _give_back(instance, purpose)


def configure(connection: duckdb.DuckDBPyConnection, **settings: Setting) -> None:
    """Set something of an instance as a whole until the connection is given back."""
    if settings:
        connection.execute("; ".join(_set(name, value) for name, value in settings.items()))
    if connection in _used:
        _used[connection].settings |= settings


@contextmanager
def empty_database() -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection to a database in memory that is gone after the block."""
    with duckdb_instance() as connection:
        connection.execute(f"ATTACH ':memory:' AS {ATTACHED}; USE {ATTACHED}")
        yield connection
        connection.execute(f"USE memory; DETACH {ATTACHED}")


@contextmanager
def attached(
    attach: Callable[[duckdb.DuckDBPyConnection], None],
    file: Path,
    purpose: str = "",
    settings: Mapping[str, Setting] = {},
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection to a database of this machine, in an instance that nobody else uses within the block.

    Args:
        attach: attaches the database as `ATTACHED`.
        file: its file, beside which lies what does not fit into memory.
        purpose: see `duckdb_instance`.
        settings: see there.

    Raises:
        duckdb.Error: it cannot be opened, such as one that an instance of this process has open.
    """
    beside = {"temp_directory": f"{file}.tmp"}
    with suppress(_NotDetachedError), duckdb_instance(purpose, {**beside, **settings}) as connection:
        attach(connection)
        connection.execute(f"USE {ATTACHED}")
        yield connection
        _close_aside(connection)
        try:
            connection.execute(f"USE memory; DETACH {ATTACHED}")
        except duckdb.Error as error:
            # All is committed; what could not be moved into the file now is when it is opened next.
            raise _NotDetachedError from error


class _NotDetachedError(Exception):
    """Tells the instance that it is of no use any more."""


@contextmanager
def another_connection(connection: duckdb.DuckDBPyConnection) -> Iterator[duckdb.DuckDBPyConnection]:
    """A further connection to the database that one is connected to, for another thread or transaction."""
    with _beside(connection) as other:
        yield other


def aside(connection: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    """A further connection for questions whose errors would end the transaction of the first.

    It stays as long as the first is used, and is asked by the same thread. It sees no variables of ours.
    """
    if connection not in _asides:
        other = _asides[connection] = _beside(connection)
        # Else a name that is that of a variable of ours is taken for it where there is no such table. In an
        # instance that is locked down that is so already, and nothing can be set.
        with suppress(duckdb.Error):
            other.execute("SET python_enable_replacements = false")
    return _asides[connection]


def _beside(connection: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    other = connection.cursor()
    # It begins in the instance's own database; one that is not attached is that already.
    with suppress(duckdb.Error):
        other.execute(f"USE {ATTACHED}")
    return other


def _close_aside(connection: duckdb.DuckDBPyConnection) -> None:
    if connection in _asides:
        _asides.pop(connection).close()


def connected(
    place: Hashable,
    connect: Callable[[], duckdb.DuckDBPyConnection],
    answers: Callable[[duckdb.DuckDBPyConnection], bool],
) -> duckdb.DuckDBPyConnection:
    """The connection of this process to a catalogue elsewhere, to take further ones from.

    Args:
        place: what it is connected to.
        connect: connects; called where there is no connection yet, or one that does not answer any more.
        answers: whether a connection still works.
    """
    with _connecting:
        kept = _connected.get((place, os.getpid()))
        if kept is None or not answers(kept):
            kept = _connected[place, os.getpid()] = connect()
        return kept


@contextmanager
def at_least(memory: str, place: Hashable, connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Lets the instance that is connected to a catalogue elsewhere use so much memory within the block.

    It is one for many, so the largest limit of those who use it at a time counts.

    Args:
        memory: a limit, as DuckDB writes it.
        place: what the instance is connected to.
        connection: a connection of the instance.
    """
    limits = _limits.setdefault((place, os.getpid()), [])
    with _limiting:
        limits.append(memory)
        _limit(connection, limits)
    try:
        yield
    finally:
        with _limiting:
            limits.remove(memory)
            _limit(connection, limits)


def _limit(connection: duckdb.DuckDBPyConnection, limits: list[str]) -> None:
    # A smaller limit is refused as long as more is in use.
    if limits:
        with suppress(duckdb.OutOfMemoryException):
            _limit_memory(connection, max(limits, key=_size))


def _size(limit: str) -> float:
    """A limit of memory in bytes."""
    if limit == ALL_MEMORY:
        return math.inf
    found = _LIMIT.fullmatch(limit)
    assert found is not None, limit
    return float(found["number"]) * 1000.0 ** ("KMGT".index(found["unit"]) + 1)


_LIMIT = re.compile(r"(?P<number>\d+)(?P<unit>[KMGT])B")


def _limit_memory(connection: duckdb.DuckDBPyConnection, limit: str) -> None:
    """Set or lift the limit of memory of an instance that is in use."""
    if limit != ALL_MEMORY:
        configure(connection, memory_limit=limit)
        return
    connection.execute("RESET memory_limit")
    if connection in _used:
        _used[connection].settings.pop("memory_limit", None)


def memory_settings(limit: str) -> dict[str, Setting]:
    """The settings by which an instance uses so much memory: ``256MB``, or `ALL_MEMORY`.

    DuckDB 1.5 takes no share of the machine's memory where it is to be set.
    """
    return {} if limit == ALL_MEMORY else {"memory_limit": limit}


def is_connected(place: Hashable) -> bool:
    """Whether this process has been connected to a catalogue elsewhere."""
    return (place, os.getpid()) in _connected


def _take(purpose: str, settings: Mapping[str, Setting]) -> _Instance:
    idle = _idle.setdefault(purpose, [])
    while True:
        try:
            instance = idle.pop()
        except IndexError:
            instance = _Instance(duckdb.connect(config=CONFIG))
            instance.set_up(settings)
            return instance
        if instance.made_by != os.getpid():
            _of_parents.append(instance)
            continue
        try:
            instance.set_up(settings)
        except duckdb.Error:
            # What is in its memory does not fit into so little.
            instance.connection.close()
            continue
        return instance


def _give_back(instance: _Instance, purpose: str) -> None:
    idle = _idle.setdefault(purpose, [])
    if len(idle) < KEPT and not instance.has_spilled:
        idle.append(instance)
    else:
        instance.connection.close()


def _default(setting: str) -> str:
    """A statement by which a setting is what it was when the instance was made."""
    return _set(setting, str(CONFIG[setting])) if setting in CONFIG else f"RESET {setting}"


def _set(setting: str, value: Setting) -> str:
    return f"SET {setting} = {literal(value) if isinstance(value, str) else value}"

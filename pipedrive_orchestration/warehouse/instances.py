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
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import duckdb

from pipedrive_orchestration.warehouse.sql import literal

CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
}
"""How an instance is made: nothing is fetched or loaded that nobody asked for."""

KEPT = 2
"""How many a process keeps: one for the database, one for what is made of pages meanwhile."""

SETTINGS = (
    "arrow_lossless_conversion", "disabled_optimizers", "max_temp_directory_size", "memory_limit",
    "preserve_insertion_order", "temp_directory", "threads",
)  # fmt: skip
"""What may be set of an instance as a whole; whatever is set else is a connection's own."""

ATTACHED = "pipedrive_warehouse"
"""The name of a file's database in the instance. Nothing that is stored in the file has it."""

ALL_MEMORY = "default"
"""The limit of memory that DuckDB takes by itself: four fifths of what the machine has."""

_idle: dict[str, list[tuple[int, duckdb.DuckDBPyConnection]]] = {}
"""The instances that nobody uses by what they are for, each with the process that made it."""

_connected: dict[tuple[Hashable, int], duckdb.DuckDBPyConnection] = {}
"""Connections to catalogues elsewhere, by process: one that was forked cannot use its parent's."""

_connecting = threading.Lock()

_limits: dict[tuple[Hashable, int], list[str]] = {}
"""The limits of memory of those who use such a connection now."""

_limiting = threading.Lock()

_of_parents: list[duckdb.DuckDBPyConnection] = []
"""Instances of a process that has forked since; without their threads, they cannot even be closed."""


@contextmanager
def duckdb_instance(purpose: str = "") -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection to an instance that nobody else uses within the block, set up as a new one.

    Nothing is to be left in it but extensions that it has loaded: tables are temporary, and what is attached
    is detached.

    Args:
        purpose: what it is for; those of one purpose are not used for another.
    """
    instance = _take(purpose)
    try:
        with instance.cursor() as connection:
            yield connection
    except BaseException:
        # What an error has left in it is not known.
        instance.close()
        raise
    _give_back(instance, purpose)


@contextmanager
def empty_database() -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection to a database in memory that is gone after the block."""
    with duckdb_instance() as connection:
        connection.execute(f"ATTACH ':memory:' AS {ATTACHED}; USE {ATTACHED}")
        yield connection
        connection.execute(f"USE memory; DETACH {ATTACHED}")


@contextmanager
def attached(
    attach: Callable[[duckdb.DuckDBPyConnection], None], file: Path, purpose: str = ""
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection to a database of this machine, in an instance that nobody else uses within the block.

    Args:
        attach: attaches the database as `ATTACHED`.
        file: its file, beside which lies what does not fit into memory.
        purpose: see `duckdb_instance`.

    Raises:
        duckdb.Error: it cannot be opened, such as one that an instance of this process has open.
    """
    with suppress(_NotDetachedError), duckdb_instance(purpose) as connection:
        attach(connection)
        connection.execute(f"USE {ATTACHED}; SET temp_directory = {literal(f'{file}.tmp')}")
        yield connection
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
    with connection.cursor() as other:
        # It begins in the instance's own database; one that is not attached is that already.
        with suppress(duckdb.Error):
            other.execute(f"USE {ATTACHED}")
        yield other


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
            limit_memory(connection, max(limits, key=_size))


def _size(limit: str) -> float:
    """A limit of memory in bytes."""
    if limit == ALL_MEMORY:
        return math.inf
    found = _LIMIT.fullmatch(limit)
    assert found is not None, limit
    return float(found["number"]) * 1000.0 ** ("KMGT".index(found["unit"]) + 1)


_LIMIT = re.compile(r"(?P<number>\d+)(?P<unit>[KMGT])B")


def limit_memory(connection: duckdb.DuckDBPyConnection, limit: str) -> None:
    """Let an instance use so much memory: ``256MB``, or `ALL_MEMORY`.

    DuckDB 1.5 takes no share of the machine's memory where it is to be set.
    """
    connection.execute(
        "RESET memory_limit" if limit == ALL_MEMORY else f"SET memory_limit = {literal(limit)}"
    )


def is_connected(place: Hashable) -> bool:
    """Whether this process has been connected to a catalogue elsewhere."""
    return (place, os.getpid()) in _connected


def _take(purpose: str) -> duckdb.DuckDBPyConnection:
    idle = _idle.setdefault(purpose, [])
    while True:
        try:
            made_by, instance = idle.pop()
        except IndexError:
            return duckdb.connect(config=CONFIG)
        if made_by == os.getpid():
            return instance
        _of_parents.append(instance)


def _give_back(instance: duckdb.DuckDBPyConnection, purpose: str) -> None:
    as_new = (
        f"SET {setting} = {literal(str(CONFIG[setting]))}" if setting in CONFIG else f"RESET {setting}"
        for setting in SETTINGS
    )
    try:
        instance.execute("; ".join(as_new))
    except duckdb.Error:
        # Once it has written to its temporary folder, it takes no other.
        instance.close()
        return
    idle = _idle.setdefault(purpose, [])
    if len(idle) < KEPT:
        idle.append((os.getpid(), instance))
    else:
        instance.close()

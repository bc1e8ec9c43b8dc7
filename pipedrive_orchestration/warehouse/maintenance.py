"""The maintenance of a lake: small files merged, the past forgotten, and files removed that nobody needs.

Every commit makes files, and a change leaves the old row in the file where it was, beside a note that it is
gone. Each step is a commit of its own between those of imports, and none of them changes a row. A file is
removed a while after the last snapshot with it was forgotten, so that who reads that one is not disturbed.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import duckdb

from pipedrive_orchestration.warehouse.connection import Warehouse
from pipedrive_orchestration.warehouse.ducklake import METADATA
from pipedrive_orchestration.warehouse.errors import WarehouseError
from pipedrive_orchestration.warehouse.instances import ATTACHED
from pipedrive_orchestration.warehouse.sql import literal

GRACE = timedelta(days=1)
"""How long a file stays after nothing of the lake needs it: longer than any reading of it."""

REWRITTEN_FROM = 0.2
"""The share of rows of a file that are gone, from which it is written anew without them."""

_LAKE = literal(ATTACHED)


class NothingToMaintainError(WarehouseError):
    """A warehouse that is no lake."""

    def __init__(self, database: str) -> None:
        super().__init__(f"{database} is no lake, and nothing of it needs maintenance.")


@dataclass(frozen=True, slots=True)
class Extent:
    """What a lake consists of.

    Attributes:
        snapshots: the commits that can still be read.
        files: those of the present, with those that say which rows are gone.
        bytes: of these files.
        waiting: files of the past that are to be removed.
    """

    snapshots: int
    files: int
    bytes: int
    waiting: int


@dataclass(frozen=True, slots=True)
class Maintenance:
    """What the maintenance of a lake has done.

    Attributes:
        before: the lake as it was found.
        after: as it was left.
        merged: files that are part of others now.
        removed: files that were removed, orphans of commits that never came to be among them.
        seconds: how long it took.
    """

    before: Extent
    after: Extent
    merged: int
    removed: int
    seconds: float


def extent_of(warehouse: Warehouse) -> Extent:
    """What a lake consists of.

    Raises:
        NothingToMaintainError: the warehouse is no lake.
        WarehouseError: it cannot be opened.
    """
    _refuse_others(warehouse)
    with warehouse.reading() as connection:
        return _extent(connection)


def maintain(warehouse: Warehouse, keep: timedelta) -> Maintenance:
    """Merge a lake's files and forget its past, while imports go on.

    Args:
        warehouse: the lake.
        keep: how long its past stays readable.

    Raises:
        NothingToMaintainError: the warehouse is no lake.
        WarehouseError: it cannot be opened, or is held by another program.
    """
    _refuse_others(warehouse)
    began = time.monotonic()
    with warehouse.reading() as connection:
        before, tables = _extent(connection), _tables(connection)
    merged = sum(_merge(warehouse, table) for table in tables)
    _call(warehouse, f"ducklake_expire_snapshots({_LAKE}, {_older_than(keep)})")
    grace = _older_than(min(GRACE, keep))
    removed = sum(
        len(_call(warehouse, f"{function}({_LAKE}, {grace})"))
        for function in ("ducklake_cleanup_old_files", "ducklake_delete_orphaned_files")
    )
    return Maintenance(before, extent_of(warehouse), merged, removed, time.monotonic() - began)


def _refuse_others(warehouse: Warehouse) -> None:
    if warehouse.lake is None:
        raise NothingToMaintainError(warehouse.database)


@dataclass(frozen=True, slots=True)
class _Table:
    schema: str
    name: str
    files: int
    notes: int

    @property
    def place(self) -> str:
        return f"{_LAKE}, {literal(self.name)}, schema => {literal(self.schema)}"


def _merge(warehouse: Warehouse, table: _Table) -> int:
    """Merge the files of one table. Returns how many went into others."""
    done: list[tuple[Any, ...]] = []
    if table.notes:
        rewrite = f"ducklake_rewrite_data_files({table.place}, delete_threshold => {REWRITTEN_FROM})"
        done += _call(warehouse, rewrite)
    if table.files > 1:
        done += _call(warehouse, f"ducklake_merge_adjacent_files({table.place})")
    return sum(files for _, _, files, _ in done)


def _older_than(age: timedelta) -> str:
    # By the clock that snapshots are dated by.
    return f"older_than => now() - INTERVAL '{age.total_seconds():.0f} seconds'"


def _call(warehouse: Warehouse, function: str) -> list[tuple[Any, ...]]:
    with warehouse.writing() as connection:
        return connection.execute(f"FROM {function}").fetchall()


def _tables(connection: duckdb.DuckDBPyConnection) -> list[_Table]:
    """The tables with the files of each, and with those that note which of their rows are gone."""
    return [
        _Table(*row)
        for row in connection.execute(
            f"""
            SELECT s.schema_name, t.table_name, t.file_count, t.delete_file_count
            FROM ducklake_table_info({_LAKE}) AS t
            JOIN {METADATA}.ducklake_schema AS s ON s.schema_id = t.schema_id AND s.end_snapshot IS NULL
            ORDER BY ALL
            """
        ).fetchall()
    ]


def _extent(connection: duckdb.DuckDBPyConnection) -> Extent:
    ((snapshots, files, size, waiting),) = connection.execute(
        f"""
        SELECT (SELECT count(*) FROM ducklake_snapshots({_LAKE})),
            sum(file_count + delete_file_count), sum(file_size_bytes + delete_file_size_bytes),
            (SELECT count(*) FROM ducklake_cleanup_old_files({_LAKE}, dry_run => true, cleanup_all => true))
        FROM ducklake_table_info({_LAKE})
        """
    ).fetchall()
    return Extent(snapshots, int(files or 0), int(size or 0), waiting)

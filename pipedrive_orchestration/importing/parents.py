"""What a commit does about the parents of a child source: sets are whole, and children go with parents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import duckdb

from pipedrive_orchestration.importing.context import ImportContext
from pipedrive_orchestration.importing.removals import RemovedId, mark_removed
from pipedrive_orchestration.warehouse import parents
from pipedrive_orchestration.warehouse.ledger import SettledPast
from pipedrive_orchestration.warehouse.parents import ChildTable, ParentReading
from pipedrive_orchestration.warehouse.sql import literal, quoted
from pipedrive_orchestration.warehouse.tables import ROWS, column_types


def child_table(context: ImportContext) -> ChildTable:
    """The tables of the child source that is imported."""
    parent, source = context.object_type.parent, context.source
    assert parent is not None
    assert source.parents is not None
    return ChildTable(
        slug=source.slug,
        parents=source.parents,
        counted=parent.counted,
        least=parent.least,
        definition=context.definition.fingerprint,
    )


@dataclass(frozen=True, slots=True)
class Settlement:
    """What is settled about parents in the transaction that has merged the rows of their children.

    Attributes:
        readings: the parents that were read, or cannot have anything.
        files: typed files of what came.
    """

    readings: Sequence[ParentReading]
    files: Sequence[Path]

    def outdone(self, connection: duckdb.DuckDBPyConnection, slug: str) -> frozenset[str]:
        """The parents that another import has read after this one did."""
        return frozenset(parents.superseded(connection, slug, self.readings))

    def without(self, outdone: frozenset[str]) -> Settlement:
        """The same without some parents."""
        return replace(self, readings=[each for each in self.readings if each.id not in outdone])

    def write(
        self,
        connection: duckdb.DuckDBPyConnection,
        context: ImportContext,
        *,
        now: datetime,
        ended_at: datetime | None,
        past: SettledPast,
    ) -> int:
        """Mark children that did not come and those of parents that are gone; note the parents as dealt with.

        Args:
            connection: the warehouse, in the transaction.
            context: the import.
            now: the present instant, by our clock.
            ended_at: when versions end, by Pipedrive's clock; None if versions are not kept.
            past: what history says already.

        Returns:
            How many rows went.
        """
        table, slug = child_table(context), context.source.slug
        rows = quoted(ROWS, slug)
        ids = [reading.id for reading in self.readings]
        came = came_of(self.files)
        parent = context.object_type.parent
        assert parent is not None
        # What is back came with its parent; of the rest a set says that it is gone, and a history nothing.
        otherwise = (
            "_is_current = true, _removal = NULL, _removed_at = NULL"
            if parent.is_history
            else "_removal = 'deleted'"
        )
        returned = "_parent_removed AND _parent_id::VARCHAR IN (SELECT unnest($ids::VARCHAR[]))"
        connection.execute(
            f"UPDATE {rows} SET {otherwise} WHERE {returned} AND NOT _is_current AND _id NOT IN ({came})",
            {"ids": ids},
        )
        connection.execute(f"UPDATE {rows} SET _parent_removed = false WHERE {returned}", {"ids": ids})
        gone = [] if parent.is_history else missing_children(connection, slug, ids, self.files)
        count = _mark(connection, slug, gone, now, ended_at, past)
        parents.record_readings(connection, table, self.readings)
        if not column_types(connection, table.parents):
            return count
        left = _of_removed_parents(connection, table)
        count += _mark(connection, slug, left, now, ended_at, past)
        connection.execute(
            f"UPDATE {rows} SET _parent_removed = true "
            "WHERE _id::VARCHAR IN (SELECT unnest($ids::VARCHAR[])) AND NOT _is_current",
            {"ids": [child_id for child_id, _, _ in left]},
        )
        if context.source.options.on_leave == "delete":
            connection.execute(f"DELETE FROM {rows} WHERE _parent_removed AND _removal = 'left_segment'")
        parents.forget_removed(connection, table)
        return count


def came_of(files: Sequence[Path]) -> str:
    """SQL of the ids of what came."""
    if not files:
        return "SELECT NULL WHERE false"
    listed = "[" + ", ".join(literal(str(file)) for file in files) + "]"
    return f"SELECT _id FROM read_parquet({listed}) WHERE _id IS NOT NULL"


def missing_children(
    connection: duckdb.DuckDBPyConnection, slug: str, ids: Sequence[str], files: Sequence[Path]
) -> list[RemovedId]:
    """The current rows of some parents that did not come with them."""
    if not column_types(connection, slug):
        return []
    found = connection.execute(
        f"SELECT _id::VARCHAR FROM {quoted(ROWS, slug)} WHERE _is_current "
        f"AND _parent_id::VARCHAR IN (SELECT unnest($ids::VARCHAR[])) AND _id NOT IN ({came_of(files)})",
        {"ids": list(ids)},
    ).fetchall()
    return [(child_id, "deleted", None) for (child_id,) in found]


def _of_removed_parents(connection: duckdb.DuckDBPyConnection, table: ChildTable) -> list[RemovedId]:
    found = connection.execute(
        f"SELECT c._id::VARCHAR, coalesce(p._removal, 'left_segment') FROM {quoted(ROWS, table.slug)} AS c "
        f"LEFT JOIN {quoted(ROWS, table.parents)} AS p ON p._id = c._parent_id "
        "WHERE c._is_current AND (p._id IS NULL OR NOT p._is_current)"
    ).fetchall()
    return [(child_id, removal, None) for child_id, removal in found]


def _mark(
    connection: duckdb.DuckDBPyConnection,
    slug: str,
    removed: Sequence[RemovedId],
    now: datetime,
    ended_at: datetime | None,
    past: SettledPast,
) -> int:
    return mark_removed(connection, slug, removed, now=now, ended_at=ended_at, settled_until=past.until)

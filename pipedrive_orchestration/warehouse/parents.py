"""The parents of a child source: which of them have been dealt with, in which version.

A child source is read parent by parent, and how far it is stands here: one row for each parent that was read,
or that cannot have anything, written in the transaction that writes its rows.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import duckdb

from pipedrive_orchestration.warehouse.schema import has_ledger, prepare
from pipedrive_orchestration.warehouse.sql import quoted
from pipedrive_orchestration.warehouse.tables import ROWS, column_types

_TABLE = "import_ledger.parents"


@dataclass(frozen=True, slots=True)
class ChildTable:
    """A child source's table and that of its parents.

    Attributes:
        slug: of the child source.
        parents: of the parents' source.
        counted: the column of the parents that tells whether there can be children; None where none does.
        least: the least value of it with which there can be some; None for any value at all.
        definition: the fingerprint of what is read.
    """

    slug: str
    parents: str
    counted: str | None
    least: int | None
    definition: str


@dataclass(frozen=True, slots=True)
class ParentState:
    """A parent that is to be dealt with.

    Attributes:
        id: as text.
        version: its ``update_time`` as our table has it.
        counted: what tells whether there can be children, as text.
        can_have: whether there can be any.
        rows: current rows of the child source that belong to it.
        is_changed: whether it is new, or another version than the one that was dealt with.
    """

    id: str
    version: datetime | None
    counted: str | None
    can_have: bool
    rows: int
    is_changed: bool


@dataclass(frozen=True, slots=True)
class ParentReading:
    """A parent that has been dealt with: as which version, and when, by our clock."""

    id: str
    version: datetime | None
    counted: str | None
    read_at: datetime


def parents_to_read(
    connection: duckdb.DuckDBPyConnection, table: ChildTable, read_before: datetime | None
) -> list[ParentState]:
    """The parents that are new or changed, and those last read before an instant; the latter come last.

    Of what is changed, the parents changed last come first, and of the others those read longest ago.

    Args:
        connection: the warehouse; it has a table of the parents.
        table: whose children.
        read_before: by our clock; None for those that are new or changed alone.
    """
    known = column_types(connection, table.parents)
    counted = f"p.{quoted(table.counted)}" if table.counted in known and table.counted else "NULL"
    can_have = "true"
    if counted != "NULL" and table.least is not None:
        can_have = f"coalesce({counted} >= {table.least:d}, true)"
    elif counted != "NULL":
        can_have = f"{counted} IS NOT NULL"
    rows = "SELECT NULL AS _parent_id, 0 AS rows WHERE false"
    if column_types(connection, table.slug):
        current = f"{quoted(ROWS, table.slug)} WHERE _is_current"
        rows = f"SELECT _parent_id, count(*) AS rows FROM {current} GROUP BY 1"
    parameters = {"source": table.slug, "definition": table.definition, "read_before": read_before}
    found = connection.execute(
        f"""
        WITH asked AS (
            SELECT p._id::VARCHAR AS id, p._update_time AS version, {counted}::VARCHAR AS counted,
                {can_have} AS can_have, coalesce(c.rows, 0) AS rows, l.read_at,
                l.parent IS NULL OR l.version IS DISTINCT FROM p._update_time
                    OR l.counted IS DISTINCT FROM {counted}::VARCHAR
                    OR l.definition <> $definition AS is_changed
            FROM {quoted(ROWS, table.parents)} AS p
            LEFT JOIN (SELECT * FROM {_TABLE} WHERE source = $source) AS l ON l.parent = p._id::VARCHAR
            LEFT JOIN ({rows}) AS c ON c._parent_id::VARCHAR = p._id::VARCHAR
            WHERE p._is_current
        )
        SELECT id, version, counted, can_have, rows, is_changed FROM asked
        WHERE is_changed OR read_at < $read_before::TIMESTAMPTZ
        ORDER BY NOT is_changed, CASE WHEN is_changed THEN version END DESC NULLS LAST, read_at, id
        """,
        parameters,
    ).fetchall()
    return [ParentState(*row) for row in found]


def superseded(
    connection: duckdb.DuckDBPyConnection, source: str, readings: Sequence[ParentReading]
) -> set[str]:
    """The parents among some that another import has read later than these readings."""
    prepare(connection)
    rows = connection.execute(
        f"SELECT l.parent FROM {_TABLE} AS l JOIN (SELECT unnest($ids::VARCHAR[]) AS id, "
        "unnest($instants::TIMESTAMPTZ[]) AS read_at) AS r "
        "ON r.id = l.parent WHERE l.source = $source AND l.read_at > r.read_at",
        {
            "ids": [reading.id for reading in readings],
            "instants": [reading.read_at for reading in readings],
            "source": source,
        },
    ).fetchall()
    return {parent for (parent,) in rows}


def record_readings(
    connection: duckdb.DuckDBPyConnection, table: ChildTable, readings: Sequence[ParentReading]
) -> None:
    """Note which parents have been dealt with, in place of what was known of them."""
    forget(connection, table.slug, [reading.id for reading in readings])
    connection.execute(
        f"INSERT INTO {_TABLE} (source, parent, version, counted, definition, read_at) "
        "SELECT ?, unnest(?::VARCHAR[]), unnest(?::TIMESTAMPTZ[]), unnest(?::VARCHAR[]), ?, "
        "unnest(?::TIMESTAMPTZ[])",
        [
            table.slug,
            [reading.id for reading in readings],
            [reading.version for reading in readings],
            [reading.counted for reading in readings],
            table.definition,
            [reading.read_at for reading in readings],
        ],
    )


def forget(connection: duckdb.DuckDBPyConnection, source: str, parents: Collection[str]) -> None:
    """Let parents be dealt with once more."""
    connection.execute(
        f"DELETE FROM {_TABLE} WHERE source = ? AND parent IN (SELECT unnest(?::VARCHAR[]))",
        [source, list(parents)],
    )


def forget_removed(connection: duckdb.DuckDBPyConnection, table: ChildTable) -> None:
    """Let parents be dealt with once more that are not current any more, in case they come back."""
    connection.execute(
        f"DELETE FROM {_TABLE} WHERE source = ? AND parent NOT IN "
        f"(SELECT _id::VARCHAR FROM {quoted(ROWS, table.parents)} WHERE _is_current)",
        [table.slug],
    )


def interrupted_since(
    connection: duckdb.DuckDBPyConnection, table: ChildTable, pull: str, now: datetime, within: timedelta
) -> datetime | None:
    """When the pull began, by our clock, that attempts since the last success have not brought to its end.

    Args:
        connection: the warehouse.
        table: whose children.
        pull: of the attempts.
        now: the present instant.
        within: how long ago the last of them may have ended.
    """
    if not has_ledger(connection):
        return None
    row = connection.execute(
        """
        SELECT min(started_at), max(finished_at) FROM import_ledger.imports
        WHERE source = $source AND pull = $pull AND status <> 'succeeded' AND definition = $definition
            AND started_at <= $now
            AND started_at > coalesce((
                SELECT max(started_at) FROM import_ledger.imports
                WHERE source = $source AND pull = $pull AND status = 'succeeded'
            ), TIMESTAMPTZ 'epoch')
        """,
        {"source": table.slug, "pull": pull, "definition": table.definition, "now": now},
    ).fetchone()
    if row is None or row[0] is None or row[1] < now - within:
        return None
    began: datetime = row[0]
    return began

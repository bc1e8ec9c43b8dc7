"""The names behind references: ``pipedrive_references.<object type>``, for all sources together.

A table has ``id``, ``name``, what else is shown of a record in place of its id, ``update_time`` of the state
that this was read from, ``read_at``, and ``revision``: which revision of the table gave the row its name, 0
where it has never had another. A record that nobody could find has a row without a name, so that it is not
looked for again and again.

Like the ledger, everything here runs inside the transaction of the caller.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import duckdb

from pipedrive_orchestration.warehouse import schema
from pipedrive_orchestration.warehouse.catalog import has_table
from pipedrive_orchestration.warehouse.sql import quoted

REFERENCES = "pipedrive_references"


@dataclass(frozen=True, slots=True)
class ReferenceTable:
    """The table of names of an object type.

    Attributes:
        id_type: DuckDB's type of ``id``.
        attributes: columns beside ``id``; the first one is ``name``.
    """

    object_type: str
    id_type: str
    attributes: tuple[str, ...] = ("name",)

    @property
    def sql(self) -> str:
        """The table's quoted name."""
        return quoted(REFERENCES, self.object_type)


def prepare(connection: duckdb.DuckDBPyConnection, tables: Sequence[ReferenceTable]) -> None:
    """Make the tables where they are missing."""
    if not tables:
        return
    schema.prepare(connection)
    connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(REFERENCES)}")
    for table in tables:
        texts = "".join(f", {quoted(attribute)} VARCHAR" for attribute in table.attributes)
        connection.execute(
            f"CREATE TABLE IF NOT EXISTS {table.sql} (id {table.id_type}{texts}, update_time TIMESTAMPTZ, "
            "read_at TIMESTAMPTZ, revision BIGINT)"
        )


def is_present(connection: duckdb.DuckDBPyConnection, table: ReferenceTable) -> bool:
    """Whether there is such a table."""
    return has_table(connection, REFERENCES, table.object_type)


def revision_of(connection: duckdb.DuckDBPyConnection, table: ReferenceTable) -> int:
    """The table's revision: it is raised whenever something has another name than before."""
    row = connection.execute(f"SELECT coalesce(max(revision), 0) FROM {table.sql}").fetchone()
    return int(row[0]) if row else 0


def record_names(
    connection: duckdb.DuckDBPyConnection,
    table: ReferenceTable,
    found: str,
    now: datetime,
    *,
    known_only: bool = False,
) -> None:
    """Bring the names up to date with what was read.

    Args:
        connection: the warehouse.
        table: whose names.
        found: a query for ``id``, the attributes and ``update_time``; an older state of a record than the
            known one does not count.
        now: when they came here.
        known_only: whether names of records that have none here are left out.
    """
    columns = ["id", *table.attributes, "update_time"]
    listed = ", ".join(map(quoted, columns))
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE named AS SELECT {listed} FROM ({found}) WHERE id IS NOT NULL "
        "QUALIFY row_number() OVER (PARTITION BY id ORDER BY update_time DESC NULLS LAST) = 1"
    )
    differs = " OR ".join(f"t.{quoted(one)} IS DISTINCT FROM n.{quoted(one)}" for one in table.attributes)
    assignments = ", ".join(f"{quoted(one)} = n.{quoted(one)}" for one in table.attributes)
    connection.execute(
        f"UPDATE {table.sql} AS t SET {assignments}, update_time = n.update_time, read_at = $now, "
        "revision = $revision FROM named AS n WHERE t.id = n.id "
        "AND (t.update_time IS NULL OR n.update_time IS NULL OR n.update_time >= t.update_time) "
        f"AND ({differs})",
        {"now": now, "revision": revision_of(connection, table) + 1},
    )
    if not known_only:
        connection.execute(
            f"INSERT INTO {table.sql} ({listed}, read_at, revision) SELECT {listed}, $now, 0 FROM named "
            f"WHERE id NOT IN (SELECT id FROM {table.sql})",
            {"now": now},
        )
    connection.execute("DROP TABLE named")


def record_missing(
    connection: duckdb.DuckDBPyConnection, table: ReferenceTable, ids: Sequence[str], now: datetime
) -> None:
    """Note that some records were looked for and not found; a name that is known stays."""
    if not ids:
        return
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE unnamed AS SELECT DISTINCT unnest($ids)::{table.id_type} AS id",
        {"ids": list(ids)},
    )
    connection.execute(
        f"UPDATE {table.sql} AS t SET read_at = $now FROM unnamed AS u WHERE t.id = u.id", {"now": now}
    )
    connection.execute(
        f"INSERT INTO {table.sql} (id, read_at, revision) SELECT id, $now, 0 FROM unnamed "
        f"WHERE id NOT IN (SELECT id FROM {table.sql})",
        {"now": now},
    )
    connection.execute("DROP TABLE unnamed")


def watermark_of(connection: duckdb.DuckDBPyConnection, table: ReferenceTable) -> datetime | None:
    """From when on changes of the object type are not in the table yet, by Pipedrive's clock."""
    row = connection.execute(
        "SELECT max(watermark) FROM import_ledger.reference_watermarks WHERE object_type = ?",
        [table.object_type],
    ).fetchone()
    return row[0] if row else None


def move_watermark(connection: duckdb.DuckDBPyConnection, table: ReferenceTable, instant: datetime) -> None:
    """Note up to when the changes of an object type are in the table."""
    connection.execute(
        "DELETE FROM import_ledger.reference_watermarks WHERE object_type = ?", [table.object_type]
    )
    connection.execute(
        "INSERT INTO import_ledger.reference_watermarks VALUES (?, ?)", [table.object_type, instant]
    )


def revision_used(connection: duckdb.DuckDBPyConnection, source: str, table: ReferenceTable) -> int | None:
    """The revision of the names by which a source's filter was last evaluated; None if it never was."""
    row = connection.execute(
        "SELECT max(revision) FROM import_ledger.reference_revisions WHERE source = ? AND object_type = ?",
        [source, table.object_type],
    ).fetchone()
    return row[0] if row else None


def record_revision(
    connection: duckdb.DuckDBPyConnection, source: str, table: ReferenceTable, revision: int
) -> None:
    """Note by which revision of the names a source's filter has been evaluated."""
    connection.execute(
        "DELETE FROM import_ledger.reference_revisions WHERE source = ? AND object_type = ?",
        [source, table.object_type],
    )
    connection.execute(
        "INSERT INTO import_ledger.reference_revisions VALUES (?, ?, ?)",
        [source, table.object_type, revision],
    )


@dataclass(frozen=True, slots=True)
class UnfilteredSource:
    """A source that has every record of an object type that is not archived.

    Attributes:
        watermark: up to when its changes are loaded, by Pipedrive's clock.
    """

    slug: str
    watermark: datetime


def unfiltered_source(
    connection: duckdb.DuckDBPyConnection, object_type: str, properties: Sequence[str]
) -> UnfilteredSource | None:
    """The unfiltered source of an object type that is furthest on and has some properties, if any."""
    row = connection.execute(
        """
        SELECT source, watermark FROM import_ledger.watermarks
        WHERE source IN (
                SELECT source FROM import_ledger.imports
                WHERE object_type = $object_type AND status = 'succeeded'
            )
            AND json_type(definition, '$.filters') = 'NULL'
            AND list_has_all(json_extract(definition, '$.properties')::VARCHAR[], $properties)
        ORDER BY watermark DESC LIMIT 1
        """,
        {"object_type": object_type, "properties": list(properties)},
    ).fetchone()
    return UnfilteredSource(*row) if row else None


@dataclass(frozen=True, slots=True)
class NamedColumn:
    """A column of names: which attribute of which records stands in it, and which column has their ids."""

    key: str
    reference: str
    table: ReferenceTable
    attribute: str
    is_list: bool = False


def with_names(rows: str, columns: Sequence[NamedColumn]) -> str:
    """SQL of a query for some rows with the names behind their references.

    Args:
        rows: what stands in a FROM clause; has the columns of the references and not those of the names.
        columns: the columns of names to add.
    """
    joined: dict[tuple[str, str], str] = {}
    maps: dict[tuple[str, str], str] = {}
    values = []
    for column in columns:
        if column.is_list:
            name = maps.setdefault((column.table.sql, column.attribute), f"m{len(maps)}")
            found = f"list_transform(r.{quoted(column.reference)}, lambda x: {name}.names[x])"
            values.append(f"{found} AS {quoted(column.key)}")
        else:
            name = joined.setdefault((column.reference, column.table.sql), f"n{len(joined)}")
            values.append(f"{name}.{quoted(column.attribute)} AS {quoted(column.key)}")
    joins = [
        f"LEFT JOIN {table} AS {name} ON {name}.id = r.{quoted(reference)}"
        for (reference, table), name in joined.items()
    ]
    joins += [
        "CROSS JOIN "
        f"(SELECT map_from_entries(list((id, {quoted(attribute)}))) AS names FROM {table}) AS {name}"
        for (table, attribute), name in maps.items()
    ]
    return f"SELECT r.*, {', '.join(values)} FROM {rows} AS r {' '.join(joins)}"

"""Tables of sources as imports leave them, of any size, without an account."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from pipedrive_orchestration.warehouse import Warehouse, quoted, schema
from pipedrive_orchestration.warehouse.field_history import LedgerField, record_fields
from pipedrive_orchestration.warehouse.tables import ROWS, Column, prepare_table

COLUMNS = (
    Column("title", "VARCHAR", "Title", "varchar"),
    Column("value", "DOUBLE", "Deal value", "double"),
    Column("status", "VARCHAR", "Status", "status"),
)
FIRST_COMMIT = datetime.fromisoformat("2026-11-01T00:00:00+00:00")


def write_table(warehouse: Warehouse, slug: str, commits: Iterable[int], *, removed_every: int = 7) -> None:
    """Makes a table of deals, or adds to it: so many rows in each commit, in an order of ids that is none.

    Every so many rows, one is not current.
    """
    with warehouse.writing() as connection:
        schema.prepare(connection)
        prepare_table(connection, slug, "BIGINT", COLUMNS, FIRST_COMMIT)
        fields = [LedgerField(column.key, column.label, column.field_type, False) for column in COLUMNS]
        record_fields(connection, "deals", fields, FIRST_COMMIT)
        table = quoted(ROWS, slug)
        for rows in commits:
            there = connection.execute(f"SELECT count(*), max(_first_imported_at) FROM {table}").fetchone()
            assert there is not None
            begin, latest = there
            now = latest + timedelta(minutes=1) if latest else FIRST_COMMIT
            connection.execute(
                f"INSERT INTO {table} (_id, title, value, status, _update_time, _first_imported_at, "
                "_imported_at, _is_archived, _is_current) "
                # A multiplication by a number without common factors spreads ids over the whole range.
                "SELECT (i * 7368787) % 100000007, 'Deal ' || i, i / 4, 'open', $now, $now, $now, false, "
                "i % $removed_every <> 0 FROM range($begin, $begin + $rows) AS r(i)",
                {"now": now, "begin": begin, "rows": rows, "removed_every": removed_every},
            )

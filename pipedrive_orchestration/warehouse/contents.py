"""What records hold, such as files: where it is kept, and what could not be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import duckdb

from pipedrive_orchestration.warehouse.schema import has_ledger, prepare
from pipedrive_orchestration.warehouse.sql import quoted
from pipedrive_orchestration.warehouse.tables import ROWS, column_types

_TABLE = "import_ledger.contents"


@dataclass(frozen=True, slots=True)
class Content:
    """What one record holds, or why it is not kept.

    Attributes:
        record_id: as text.
        path: from the folder of contents; None where it is not kept.
        sha256: in hexadecimal digits.
        bytes: how long it is.
        kept_at: when that was, by our clock.
        problem: why it is not kept.
    """

    record_id: str
    path: str | None
    sha256: str | None
    bytes: int | None
    kept_at: datetime
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Holder:
    """A record that holds something: its id as text, its name and its length where these are known."""

    record_id: str
    name: str | None
    bytes: int | None
    is_current: bool


def holders(connection: duckdb.DuckDBPyConnection, slug: str) -> list[Holder]:
    """The rows of a source that may hold something; those that are gone, too."""
    known = column_types(connection, slug)
    if not known:
        return []
    name = next((quoted(key) for key in ("name", "file_name") if key in known), "NULL")
    size = "file_size" if "file_size" in known else "NULL"
    rows = connection.execute(
        f"SELECT _id::VARCHAR, {name}::VARCHAR, {size}::BIGINT, _is_current FROM {quoted(ROWS, slug)} "
        "ORDER BY _update_time DESC NULLS LAST, _id"
    ).fetchall()
    return [Holder(*row) for row in rows]


def contents_of(connection: duckdb.DuckDBPyConnection, slug: str) -> dict[str, Content]:
    """What is known of the contents of a source, by record."""
    if not has_ledger(connection):
        return {}
    rows = connection.execute(
        f"SELECT record_id, path, sha256, bytes, kept_at, problem FROM {_TABLE} WHERE source = ?", [slug]
    ).fetchall()
    return {row[0]: Content(*row) for row in rows}


def record_contents(
    connection: duckdb.DuckDBPyConnection, slug: str, kept: Sequence[Content], gone: Sequence[str] = ()
) -> None:
    """Note what is kept of some records, and of which nothing is any more."""
    prepare(connection)
    connection.execute(
        f"DELETE FROM {_TABLE} WHERE source = ? AND record_id IN (SELECT unnest(?::VARCHAR[]))",
        [slug, [*(each.record_id for each in kept), *gone]],
    )
    for each in kept:
        connection.execute(
            f"INSERT INTO {_TABLE} VALUES (?, ?, ?, ?, ?, ?, ?)",
            [slug, each.record_id, each.path, each.sha256, each.bytes, each.kept_at, each.problem],
        )

"""Pages of a source's current rows: any page of any size of table in a few tens of milliseconds.

Rows stand in the order in which they first came, and within one commit by id, so that what an import
adds comes after what is there. A page deep in a table is found without sorting the table: the commits
are counted, a sample tells between which ids of its commit the page lies, and only those are sorted.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import duckdb
import orjson

from pipedrive_orchestration.warehouse.sql import quoted
from pipedrive_orchestration.warehouse.tables import ROWS

SORTED_AT_ONCE = 20_000
"""The rows of one commit that are sorted to find a page, at most."""

_SAMPLED = 64
"""The rows of which one is looked at to tell between which ids a page lies."""


@dataclass(frozen=True, slots=True)
class RowPage:
    """Some rows of a source.

    Attributes:
        keys: the properties that have a column, in the order in which they were asked for.
        rows: values, one for each of ``keys``; JSON decoded.
        total_count: rows that the source has now.
    """

    keys: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    total_count: int


NO_ROWS = RowPage((), (), 0)
"""The page of a source that has no table."""


def read_page(
    connection: duckdb.DuckDBPyConnection, slug: str, properties: Sequence[str], page_no: int, page_size: int
) -> RowPage:
    """One page of the current rows of a source; empty past the end, and before the first import.

    Args:
        connection: the warehouse.
        slug: whose rows.
        properties: columns to show; those that the table lacks are left out.
        page_no: from 1.
        page_size: rows on a page.
    """
    types = _column_types(connection, slug)
    if not types:
        return NO_ROWS
    keys = tuple(key for key in properties if key in types)
    commits = _commits(connection, slug)
    total = sum(rows for _, rows in commits)
    offset = (page_no - 1) * page_size
    if offset >= total or not keys:
        return RowPage(keys, (), total)
    place = _place(commits, offset, page_size)
    rows = _rows(connection, slug, keys, types["_id"], place, page_size)
    return RowPage(keys, tuple(_opened(row, keys, types) for row in rows), total)


def _column_types(connection: duckdb.DuckDBPyConnection, slug: str) -> dict[str, str]:
    # DuckDB's tables of its catalog take ten times as long, since they look at everything there is.
    try:
        rows = connection.execute(f"DESCRIBE {quoted(ROWS, slug)}").fetchall()
    except (duckdb.CatalogException, duckdb.InvalidInputException):
        # The latter where there is a variable of the table's name, which DuckDB looks for too.
        return {}
    return {name: sql_type for name, sql_type, *_ in rows}


Commit = tuple[datetime, int]
"""The instant at which rows first came, and the number of those that are current."""


def _commits(connection: duckdb.DuckDBPyConnection, slug: str) -> list[Commit]:
    return connection.execute(
        f"SELECT _first_imported_at, count(*) FROM {quoted(ROWS, slug)} WHERE _is_current "
        "GROUP BY 1 ORDER BY 1"
    ).fetchall()


@dataclass(frozen=True, slots=True)
class _Place:
    """The beginning of a page: so many rows into the ``rows`` of ``first``; it ends in ``last`` or before."""

    first: datetime
    last: datetime
    rows: int
    skipped: int


def _place(commits: Sequence[Commit], offset: int, page_size: int) -> _Place:
    before = 0
    first: tuple[datetime, int, int] | None = None
    for instant, rows in commits:
        if first is None and offset < before + rows:
            first = instant, rows, offset - before
        before += rows
        if first is not None and (before >= offset + page_size or instant == commits[-1][0]):
            return _Place(first[0], instant, first[1], first[2])
    raise AssertionError  # the caller has seen that the offset lies within the commits


def _rows(
    connection: duckdb.DuckDBPyConnection,
    slug: str,
    keys: Sequence[str],
    id_type: str,
    place: _Place,
    page_size: int,
) -> list[tuple[Any, ...]]:
    table = quoted(ROWS, slug)
    span = _span(connection, table, id_type, place, page_size)
    # The wide columns are read for the rows of the page alone.
    chosen = (
        f"SELECT rowid FROM {table} WHERE _is_current AND _first_imported_at BETWEEN $first AND $last "
        f"AND {span.condition} ORDER BY _first_imported_at, _id LIMIT {page_size} OFFSET {span.skipped}"
    )
    columns = ", ".join(quoted(key) for key in keys)
    return connection.execute(
        f"SELECT {columns} FROM {table} WHERE rowid IN ({chosen}) ORDER BY _first_imported_at, _id",
        {"first": place.first, "last": place.last, **span.parameters},
    ).fetchall()


@dataclass(frozen=True, slots=True)
class _Span:
    """Ids of the first commit of a page among which it begins, and how many of them come before it."""

    skipped: int
    condition: str = "true"
    parameters: Mapping[str, Any] = field(default_factory=dict)


def _span(
    connection: duckdb.DuckDBPyConnection, table: str, id_type: str, place: _Place, page_size: int
) -> _Span:
    everything = _Span(place.skipped)
    if place.rows <= SORTED_AT_ONCE:
        return everything
    # Five standard deviations of a rank that a sample tells; whether it was enough is counted.
    margin = round(2.5 * math.sqrt(place.rows * _SAMPLED))
    low, high = place.skipped - margin, place.skipped + page_size + margin
    ends = [min(1.0, max(0.0, rank / place.rows)) for rank in (low, high)]
    within = f"FROM {table} WHERE _is_current AND _first_imported_at = $first"
    sampled = connection.execute(
        f"SELECT quantile_disc(_id, {ends}) {within} AND rowid % {_SAMPLED} = 0", {"first": place.first}
    ).fetchone()
    if sampled is None or sampled[0] is None:
        return everything
    names = [name for name, rank in (("low", low), ("high", high)) if 0 < rank < place.rows]
    bounds = dict(zip(("low", "high"), sampled[0], strict=True))
    parameters = {name: bounds[name] for name in names}
    below = f"_id < $low::{id_type}" if "low" in parameters else "false"
    above = f"_id > $high::{id_type}" if "high" in parameters else "false"
    counted = connection.execute(
        f"SELECT count(*) FILTER ({below}), count(*) FILTER ({above}) {within}",
        {"first": place.first, **parameters},
    ).fetchone()
    before, after = counted or (0, 0)
    if before > place.skipped or (after and place.rows - after < place.skipped + page_size):
        return everything
    condition = f"(_first_imported_at > $first OR NOT ({below} OR {above}))"
    return _Span(place.skipped - before, condition, parameters)


def _opened(row: tuple[Any, ...], keys: Sequence[str], types: dict[str, str]) -> tuple[Any, ...]:
    return tuple(
        orjson.loads(value) if types[key] == "JSON" and value is not None else value
        for key, value in zip(keys, row, strict=True)
    )


@dataclass(frozen=True, slots=True)
class Counts:
    """What is counted of a source, up to when its changes are loaded, and why its last import was skipped."""

    current: int = 0
    removed: int = 0
    watermark: datetime | None = None
    quarantined: int = 0
    skipped: str | None = None


def read_counts(connection: duckdb.DuckDBPyConnection, slug: str) -> Counts:
    """The counts of a source; zeros before its first import."""
    if not _column_types(connection, slug):
        return Counts()
    row = connection.execute(
        "SELECT count(*) FILTER (_is_current), count(*) FILTER (NOT _is_current), "
        "(SELECT max(watermark) FROM import_ledger.watermarks WHERE source = $slug), "
        "(SELECT count(*) FROM import_ledger.quarantine WHERE source = $slug), "
        "(SELECT CASE WHEN status = 'skipped' THEN note END FROM import_ledger.imports "
        "WHERE source = $slug AND status IN ('succeeded', 'skipped') ORDER BY finished_at DESC LIMIT 1) "
        f"FROM {quoted(ROWS, slug)}",
        {"slug": slug},
    ).fetchone()
    return Counts(*row) if row else Counts()


def count_current(connection: duckdb.DuckDBPyConnection, slug: str) -> int:
    """The number of rows of a source's table that belong to it now; the table has to be there."""
    row = connection.execute(f"SELECT count(*) FROM {quoted(ROWS, slug)} WHERE _is_current").fetchone()
    return int(row[0]) if row else 0


def count_not_archived(connection: duckdb.DuckDBPyConnection, slug: str) -> int:
    """The number of those rows that are not archived; the table has to be there."""
    row = connection.execute(
        f"SELECT count(*) FROM {quoted(ROWS, slug)} WHERE _is_current AND NOT coalesce(_is_archived, false)"
    ).fetchone()
    return int(row[0]) if row else 0

"""Removals: the rows of a source that are gone from the account.

Pipedrive's lists show what is there. What is gone is known from three places: deleted records that a
list gives when asked for them (deals), the recents feed (most other collections, 30 days back), and rows
of ours that a complete reading did not bring and that a look-up by id does not find either.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import duckdb

from pipedrive_orchestration.importing.windows import Window
from pipedrive_orchestration.warehouse.instances import duckdb_instance
from pipedrive_orchestration.warehouse.sql import literal, quoted
from pipedrive_orchestration.warehouse.tables import HISTORY, ROWS, column_types

RemovedId = tuple[str, str, datetime | None]
"""Id as text, reason, and when it was removed if Pipedrive says so."""

_RECENT = """{"id": "BIGINT", "data": {"active_flag": "BOOLEAN", "deleted": "BOOLEAN", "status": "VARCHAR",
"is_deleted": "BOOLEAN", "merge_what_id": "BIGINT", "update_time": "TIMESTAMPTZ"}}"""


@dataclass(frozen=True, slots=True)
class RecentRemovals:
    """What the recents feed tells of removals.

    Attributes:
        removed: the records that it shows as gone.
        unexplained: ids as text of records that it names without saying what became of them.
        has_nameless: whether something became of records that it does not name.
        partners: by the id of a record that was merged, the id of the other one of the merge, where nothing
            is told of that.
    """

    removed: list[RemovedId] = field(default_factory=list)
    unexplained: list[str] = field(default_factory=list)
    has_nameless: bool = False
    partners: dict[str, str] = field(default_factory=dict)

    def explains(self, ids: Iterable[str]) -> bool:
        """Whether it tells of all of some records."""
        return {one for one, *_ in self.removed}.union(self.unexplained).issuperset(ids)


def removed_in_recents(pages: Sequence[Path], longest: int) -> RecentRemovals:
    """The removed records among staged pages of the recents feed.

    A record is removed where its last state there is inactive or deleted (v1 shapes,
    docs/pipedrive-api.md#recents). Both persons of a merge name the other one: of two that are gone the one
    that went first was merged away. An entry can have no state at all.
    """
    if not pages:
        return RecentRemovals()
    files = "[" + ", ".join(literal(str(page)) for page in pages) + "]"
    with duckdb_instance() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        found = connection.execute(
            f"""
            WITH recent AS (
                SELECT unnest(json_transform(json, $structure)) FROM read_json_objects(
                    {files}, format = 'newline_delimited', maximum_object_size = {longest + 1024})
            ), last AS (
                SELECT id, arg_max(data, coalesce(data.update_time, TIMESTAMPTZ 'epoch'))
                    FILTER (WHERE data IS NOT NULL) AS data,
                    bool_or(coalesce(data.update_time::VARCHAR, data.active_flag::VARCHAR, data.status,
                        data.deleted::VARCHAR, data.is_deleted::VARCHAR) IS NULL) AS is_unexplained
                FROM recent GROUP BY id
            ), judged AS (
                SELECT *, coalesce(data.active_flag IS FALSE OR data.deleted OR data.is_deleted
                    OR data.status = 'deleted', false) AS is_removed
                FROM last
            )
            SELECT l.id::VARCHAR,
                CASE WHEN l.data.merge_what_id IS NULL
                        OR coalesce(other.is_removed AND other.data.update_time < l.data.update_time, false)
                    THEN 'deleted' ELSE 'merged' END,
                l.data.update_time, l.is_removed,
                CASE WHEN other.id IS NULL THEN l.data.merge_what_id::VARCHAR END
            FROM judged AS l LEFT JOIN judged AS other ON other.id = l.data.merge_what_id
            WHERE l.is_removed OR l.is_unexplained
            """,
            {"structure": _RECENT},
        ).fetchall()
    return RecentRemovals(
        removed=[(one, reason, at) for one, reason, at, is_removed, _ in found if is_removed and one],
        unexplained=[one for one, _, _, is_removed, _ in found if one and not is_removed],
        has_nameless=any(one is None for one, *_ in found),
        partners={one: other for one, reason, *_, other in found if one and other and reason == "merged"},
    )


def current_among(connection: duckdb.DuckDBPyConnection, slug: str, ids: Sequence[str]) -> list[str]:
    """Those of some ids that current rows of a source have."""
    if not ids or not column_types(connection, slug):
        return []
    rows = connection.execute(
        f"SELECT _id::VARCHAR FROM {quoted(ROWS, slug)} WHERE _is_current AND _id::VARCHAR IN "
        "(SELECT unnest($ids)) ORDER BY 1",
        {"ids": list(ids)},
    ).fetchall()
    return [record_id for (record_id,) in rows]


def without_survivors(
    connection: duckdb.DuckDBPyConnection, slug: str, recent: RecentRemovals, *, has_all: bool
) -> RecentRemovals:
    """The removals without merges whose other one was gone before: what survived it was deleted.

    Args:
        connection: the warehouse.
        slug: the source.
        recent: what the feed tells.
        has_all: whether every record that is there has a row in the source.
    """
    others = set(recent.partners.values())
    if not others or not column_types(connection, slug):
        return recent
    known = dict(
        connection.execute(
            f"SELECT _id::VARCHAR, _is_current FROM {quoted(ROWS, slug)} WHERE _id::VARCHAR IN "
            "(SELECT unnest($ids))",
            {"ids": list(others)},
        ).fetchall()
    )
    gone_before = {other for other in others if not known.get(other, not has_all)}
    removed: list[RemovedId] = [
        (one, "deleted" if recent.partners.get(one) in gone_before else reason, at)
        for one, reason, at in recent.removed
    ]
    return replace(recent, removed=removed)


def missing_rows(
    connection: duckdb.DuckDBPyConnection,
    slug: str,
    windows: Sequence[Window] | None,
    seen: Sequence[Path],
    started_at: datetime,
    now: datetime,
    *,
    has_filter: bool,
) -> list[str]:
    """Ids of rows that a complete reading should have brought and did not: the current ones.

    Of a source without a filter also those that a deviating run has put out of the segment: it has none.

    Args:
        connection: the warehouse.
        slug: the source.
        windows: those that were read completely; None for a reading without bounds.
        seen: typed files of everything that came.
        started_at: when the reading began; rows that came since, through another import, count as seen,
            unless a wrong clock has dated them into the future.
        now: the present instant.
        has_filter: whether the source has one.
    """
    if not column_types(connection, slug):
        return []
    wanted = "_is_current" if has_filter else "(_is_current OR _removal = 'left_segment')"
    came = "SELECT NULL::VARCHAR AS _id WHERE false"
    if seen:
        files = "[" + ", ".join(literal(str(file)) for file in seen) + "]"
        came = f"SELECT _id::VARCHAR AS _id FROM read_parquet({files}) WHERE _id IS NOT NULL"
    rows = connection.execute(
        f"SELECT _id::VARCHAR FROM {quoted(ROWS, slug)} WHERE {wanted} "
        f"AND (_imported_at < $started_at OR _imported_at > $now) AND {_in_windows(windows)} "
        f"AND _id::VARCHAR NOT IN ({came}) ORDER BY 1",
        {"started_at": started_at, "now": now},
    ).fetchall()
    return [row[0] for row in rows]


def restorable_rows(
    connection: duckdb.DuckDBPyConnection, slug: str, windows: Sequence[Window], since: datetime
) -> list[str]:
    """Ids of rows of some windows that were deleted or hidden, as it became known since an instant."""
    if not column_types(connection, slug):
        return []
    rows = connection.execute(
        f"SELECT _id::VARCHAR FROM {quoted(ROWS, slug)} WHERE NOT _is_current "
        f"AND _removal IN ('deleted', 'invisible') AND _removed_at >= $since AND {_in_windows(windows)} "
        "ORDER BY 1",
        {"since": since},
    ).fetchall()
    return [row[0] for row in rows]


def count_in_windows(connection: duckdb.DuckDBPyConnection, slug: str, windows: Sequence[Window]) -> int:
    """The number of current rows whose ``update_time`` lies in some windows."""
    if not windows:
        return 0
    row = connection.execute(
        f"SELECT count(*) FROM {quoted(ROWS, slug)} WHERE _is_current AND {_in_windows(windows)}"
    ).fetchone()
    return int(row[0]) if row else 0


def instant_after_rows(
    connection: duckdb.DuckDBPyConnection, slug: str, window: Window, count: int
) -> datetime:
    """A full second in a window before which lie so many of its rows, or a few more; else its end."""
    row = connection.execute(
        f"SELECT date_trunc('second', _update_time) + INTERVAL 1 SECOND FROM {quoted(ROWS, slug)} "
        f"WHERE _is_current AND {_in_windows([window])} AND _update_time IS NOT NULL "
        "ORDER BY _update_time LIMIT 1 OFFSET ?",
        [count],
    ).fetchone()
    return min(row[0], window.end) if row else window.end


def _in_windows(windows: Sequence[Window] | None) -> str:
    if windows is None:
        return "true"
    bounds = [
        f"(_update_time < {_instant(end)})"
        if start is None
        else f"(_update_time >= {_instant(start)} AND _update_time < {_instant(end)})"
        for start, end in _joined(windows)
    ]
    if any(window.start is None for window in windows):
        bounds.append("_update_time IS NULL")
    return "(" + " OR ".join(bounds) + ")"


def _joined(windows: Sequence[Window]) -> list[tuple[datetime | None, datetime]]:
    """The spans of some windows; those that follow each other as one."""
    spans: list[tuple[datetime | None, datetime]] = []
    for window in windows:
        if spans and spans[-1][1] == window.start:
            spans[-1] = (spans[-1][0], window.end)
        else:
            spans.append((window.start, window.end))
    return spans


def _instant(instant: datetime) -> str:
    return f"TIMESTAMPTZ {literal(instant.isoformat())}"


def mark_removed(
    connection: duckdb.DuckDBPyConnection,
    slug: str,
    removed: Iterable[RemovedId],
    *,
    now: datetime,
    ended_at: datetime | None,
    settled_until: datetime,
) -> int:
    """Mark rows as no longer current, and end their last versions where versions are kept.

    Rows changed after the given removal, and rows that are gone already, are left alone.

    Args:
        connection: the warehouse, in a transaction.
        slug: the source.
        removed: what is gone.
        now: when it became known here.
        ended_at: when, by Pipedrive's clock, versions end where Pipedrive does not say when the removal was;
            None if versions are not kept.
        settled_until: until when the past stays as it is; what was removed before ended at ``ended_at``.

    Returns:
        How many rows changed.
    """
    rows = list(removed)
    if not rows:
        return 0
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE removed (id VARCHAR, reason VARCHAR, removed_at TIMESTAMPTZ)"
    )
    ids, reasons, instants = zip(*rows, strict=True)
    connection.execute(
        "INSERT INTO removed SELECT unnest($ids), unnest($reasons), unnest($instants::TIMESTAMPTZ[])",
        {"ids": list(ids), "reasons": list(reasons), "instants": list(instants)},
    )
    changed = connection.execute(
        f"""
        UPDATE {quoted(ROWS, slug)} AS t
        SET _is_current = false, _removed_at = $now, _removal = r.reason,
            _update_time = greatest(t._update_time, r.removed_at)
        FROM removed AS r
        WHERE t._id::VARCHAR = r.id AND t._is_current
            AND (r.removed_at IS NULL OR t._update_time IS NULL OR t._update_time <= r.removed_at)
        """,
        {"now": now},
    ).fetchone()
    if ended_at is not None:
        connection.execute(
            f"UPDATE {quoted(HISTORY, slug)} AS h SET _valid_to = greatest(h._valid_from, "
            "CASE WHEN r.removed_at >= $settled THEN r.removed_at ELSE $ended_at END) FROM removed AS r "
            f"JOIN {quoted(ROWS, slug)} AS t ON t._id::VARCHAR = r.id AND NOT t._is_current "
            "WHERE h._id = t._id AND h._valid_to IS NULL",
            {"ended_at": ended_at, "settled": settled_until},
        )
    connection.execute("DROP TABLE removed")
    return int(changed[0]) if changed else 0


def correct_removals(
    connection: duckdb.DuckDBPyConnection, slug: str, removed: Iterable[RemovedId], guesses: Sequence[str]
) -> None:
    """Say of rows that were gone already why they are, where Pipedrive tells only now.

    Args:
        connection: the warehouse, in a transaction.
        slug: the source.
        removed: what is gone. Only what Pipedrive has dated is told by it; anything is better than
            ``left_segment`` where that is a guess.
        guesses: the reasons that rows may have been given in want of a better one.
    """
    rows = list(removed)
    if rows:
        ids, reasons, instants = zip(*rows, strict=True)
        connection.execute(
            f"UPDATE {quoted(ROWS, slug)} AS t SET _removal = r.reason FROM (SELECT unnest($ids) AS id, "
            "unnest($reasons) AS reason, unnest($instants::TIMESTAMPTZ[]) AS removed_at) AS r "
            "WHERE t._id::VARCHAR = r.id AND NOT t._is_current AND t._removal <> r.reason "
            "AND list_contains($guesses, t._removal) "
            "AND (r.removed_at IS NOT NULL OR t._removal = 'left_segment')",
            {
                "ids": list(ids),
                "reasons": list(reasons),
                "instants": list(instants),
                "guesses": list(guesses),
            },
        )

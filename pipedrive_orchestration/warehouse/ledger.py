"""The import ledger: what was imported when, how far each source is, and what did not fit its type.

Everything here runs inside the transaction of the caller, so that the ledger never says more or less
than the tables.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta

import duckdb

from pipedrive_orchestration.warehouse.schema import has_ledger
from pipedrive_orchestration.warehouse.sql import quoted

CLOCK_TOLERANCE = timedelta(minutes=5)
"""How far two clocks may differ without one of them being called wrong."""


@dataclass(frozen=True, slots=True)
class ImportEntry:
    """One row of ``imports``.

    Attributes:
        windows: those asked for.
        definition: what they were pulled for.
        quarantined: values that the import has set aside.
        reconciles: the import of changes after which this one read windows again that were in doubt.
    """

    import_id: uuid.UUID
    source: str
    object_type: str
    pull: str
    windows: Sequence[str]
    definition: str
    started_at: datetime
    finished_at: datetime
    status: str
    requests: int
    tokens: int
    bytes: int
    rows_read: int
    rows_inserted: int
    rows_updated: int
    rows_removed: int
    seconds: float
    note: str | None
    quarantined: int
    reconciles: uuid.UUID | None = None

    @property
    def is_skipped(self) -> bool:
        """Whether nothing was read since the collection is closed to the account or its user."""
        return self.status == "skipped"

    def with_reconciliation(self, later: ImportEntry) -> ImportEntry:
        """This import and the one that read windows again after it, as one."""
        return replace(
            self,
            finished_at=later.finished_at,
            requests=self.requests + later.requests,
            tokens=self.tokens + later.tokens,
            bytes=self.bytes + later.bytes,
            rows_read=self.rows_read + later.rows_read,
            rows_inserted=self.rows_inserted + later.rows_inserted,
            rows_updated=self.rows_updated + later.rows_updated,
            rows_removed=self.rows_removed + later.rows_removed,
            seconds=self.seconds + later.seconds,
            note="; ".join(filter(None, (self.note, later.note))) or None,
            quarantined=self.quarantined + later.quarantined,
        )


def record_import(connection: duckdb.DuckDBPyConnection, entry: ImportEntry) -> None:
    """Write the import's row, in place of an earlier one of the same import."""
    connection.execute("DELETE FROM import_ledger.imports WHERE import_id = ?", [entry.import_id])
    values = [getattr(entry, name) for name in entry.__slots__]
    names = ", ".join(map(quoted, entry.__slots__))
    marks = ", ".join("?" for _ in values)
    connection.execute(f"INSERT INTO import_ledger.imports ({names}) VALUES ({marks})", values)


def record_interruptions(
    connection: duckdb.DuckDBPyConnection, source: str, *, alive: Collection[uuid.UUID]
) -> None:
    """Say of a source's imports that are under way by their rows, and not alive, that they were interrupted.

    One that lives elsewhere writes its row anew with its next commit.
    """
    connection.execute(
        "UPDATE import_ledger.imports SET status = 'interrupted', note = concat_ws('; ', note, "
        "'ended without a word, as a process does that is killed; what it committed stays') "
        "WHERE source = ? AND status = 'running' AND NOT list_contains(?::UUID[], import_id)",
        [source, list(alive)],
    )


def last_import(connection: duckdb.DuckDBPyConnection, source: str) -> ImportEntry | None:
    """The source's newest import that succeeded or was skipped, with what it has read again after it."""
    return last_imports(connection, [source]).get(source)


def last_imports(connection: duckdb.DuckDBPyConnection, sources: Collection[str]) -> dict[str, ImportEntry]:
    """The same of several sources, those that were never imported left out."""
    if not has_ledger(connection):
        return {}
    names = ", ".join(ImportEntry.__slots__)
    rows = connection.execute(
        f"""
        WITH newest AS (
            FROM import_ledger.imports
            WHERE list_contains(?, source) AND status IN ('succeeded', 'skipped') AND reconciles IS NULL
            QUALIFY row_number() OVER (PARTITION BY source ORDER BY finished_at DESC) = 1
        )
        SELECT {names} FROM newest
        UNION ALL BY NAME
        SELECT {names} FROM import_ledger.imports
        WHERE status = 'succeeded' AND reconciles IN (SELECT import_id FROM newest)
        ORDER BY reconciles NULLS FIRST
        """,
        [list(sources)],
    ).fetchall()
    found: dict[str, ImportEntry] = {}
    for entry in (ImportEntry(*row) for row in rows):
        earlier = found.get(entry.source)
        found[entry.source] = entry if earlier is None else earlier.with_reconciliation(entry)
    return found


@dataclass(frozen=True, slots=True)
class ImportDay:
    """The imports of a source that ended on one day, by our clock in UTC; failed ones cost as well.

    Attributes:
        rows_changed: rows that they inserted, updated or removed.
        tokens: what they cost.
    """

    source: str
    day: date
    rows_changed: int
    tokens: int


def import_days(connection: duckdb.DuckDBPyConnection, since: date) -> list[ImportDay]:
    """The days on which imports of any source ended, from that day on."""
    if not has_ledger(connection):
        return []
    rows = connection.execute(
        """
        SELECT source, CAST(make_timestamp(epoch_us(finished_at)) AS DATE) AS day,
            sum(rows_inserted + rows_updated + rows_removed)::BIGINT, sum(tokens)::BIGINT
        FROM import_ledger.imports
        WHERE finished_at >= ? GROUP BY ALL ORDER BY source, day
        """,
        [datetime.combine(since, time(), UTC)],
    ).fetchall()
    return [ImportDay(*row) for row in rows]


def least_tokens(connection: duckdb.DuckDBPyConnection, since: date) -> dict[str, int]:
    """What the cheapest pull of changes of each source has cost from that day on, by our clock in UTC."""
    if not has_ledger(connection):
        return {}
    rows = connection.execute(
        "SELECT source, min(tokens) FROM import_ledger.imports WHERE status = 'succeeded' "
        "AND pull = 'changes' AND reconciles IS NULL AND finished_at >= ? GROUP BY source",
        [datetime.combine(since, time(), UTC)],
    ).fetchall()
    return dict(rows)


def tokens_of_ticks(connection: duckdb.DuckDBPyConnection, now: datetime) -> dict[str, float]:
    """What pulls of changes have cost an hour in the last day, by source; of new sources since they began.

    Args:
        connection: to the warehouse.
        now: by our clock.
    """
    if not has_ledger(connection):
        return {}
    rows = connection.execute(
        """
        SELECT source, sum(tokens) FILTER (pull = 'changes' AND finished_at >= $day_ago)
            / least(24, greatest(1, epoch($now - min(started_at)) / 3600)) AS an_hour
        FROM import_ledger.imports WHERE finished_at <= $now GROUP BY source HAVING an_hour > 0
        """,
        {"now": now, "day_ago": now - timedelta(days=1)},
    ).fetchall()
    return {source: float(an_hour) for source, an_hour in rows}


@dataclass(frozen=True, slots=True)
class SettledPast:
    """The past of a source that stays as its history has it.

    Attributes:
        until: when the last reading began, by Pipedrive's clock.
        windows: keys of the windows that have ever been read; of others nothing was said yet.
    """

    until: datetime
    windows: frozenset[str] = frozenset()


def settled_past(
    connection: duckdb.DuckDBPyConnection, source: str, import_id: uuid.UUID, offset: timedelta
) -> SettledPast:
    """The past of a source as imports have left it, the given one aside.

    Args:
        connection: the warehouse; the source has a watermark.
        source: the source.
        import_id: an import that is under way.
        offset: how far Pipedrive's clock is ahead of ours. Readings of what has neither windows nor changes
            are known by our time alone.
    """
    row = connection.execute(
        """
        SELECT greatest(
            (SELECT watermark FROM import_ledger.watermarks WHERE source = $source),
            (SELECT max(pull_started_at) FROM import_ledger.windows
                WHERE source = $source AND import_id <> $import_id),
            (SELECT max(started_at) + $offset FROM import_ledger.imports
                WHERE source = $source AND import_id <> $import_id AND status = 'succeeded'
                AND len(windows) = 0))
        """,
        {"source": source, "import_id": import_id, "offset": offset},
    ).fetchone()
    assert row is not None
    read = connection.execute(
        'SELECT DISTINCT "window" FROM import_ledger.windows '
        "WHERE source = ? AND import_id <> ? AND read_until IS NULL",
        [source, import_id],
    ).fetchall()
    return SettledPast(row[0], frozenset(key for (key,) in read))


@dataclass(frozen=True, slots=True)
class Watermark:
    """How far a source's changes are loaded.

    Attributes:
        instant: up to when, in Pipedrive's time.
        definition: the fingerprint of what they were loaded for.
        by_our_clock: the same instant in our time, to be compared with schedules.
        removals_until: up to when the recents feed has been read, in Pipedrive's time, where that is earlier
            because the feed could not be read or understood.
    """

    instant: datetime
    definition: str
    by_our_clock: datetime
    removals_until: datetime | None = None

    def at_pipedrive(self, instant: datetime) -> datetime:
        """The instant by Pipedrive's clock for one by ours, as the import had it that set the watermark."""
        return instant + (self.instant - self.by_our_clock)


def watermark_of(connection: duckdb.DuckDBPyConnection, source: str) -> Watermark | None:
    """How far a source's changes are loaded, if it was ever imported."""
    if not has_ledger(connection):
        return None
    rows = connection.execute(f"{_WATERMARKS} WHERE source = ?", [source]).fetchall()
    return Watermark(*rows[0][1:]) if rows else None


def watermarks_of(connection: duckdb.DuckDBPyConnection, sources: Collection[str]) -> dict[str, Watermark]:
    """The same of several sources, those that were never imported left out."""
    if not has_ledger(connection):
        return {}
    rows = connection.execute(f"{_WATERMARKS} WHERE list_contains(?, source)", [list(sources)]).fetchall()
    return {source: Watermark(*rest) for source, *rest in rows}


_WATERMARKS = (
    "SELECT source, watermark, definition, by_our_clock, removals_until FROM import_ledger.watermarks"
)


def move_watermark(
    connection: duckdb.DuckDBPyConnection, source: str, watermark: Watermark, now: datetime
) -> None:
    """Set a source's watermark; it never moves back while the definition stays the same.

    Args:
        connection: the warehouse.
        source: the source.
        watermark: where it moves.
        now: the present instant in Pipedrive's time. A watermark that lies in the future of it was set by a
            wrong clock and does not count.
    """
    earlier = watermark_of(connection, source)
    if (
        earlier
        and earlier.definition == watermark.definition
        and watermark.instant < earlier.instant <= now + CLOCK_TOLERANCE
    ):
        watermark = replace(earlier, by_our_clock=max(earlier.by_our_clock, watermark.by_our_clock))
    connection.execute("DELETE FROM import_ledger.watermarks WHERE source = ?", [source])
    connection.execute(
        "INSERT INTO import_ledger.watermarks "
        "(source, watermark, definition, changed_at, by_our_clock, removals_until) VALUES (?, ?, ?, ?, ?, ?)",
        [
            source,
            watermark.instant,
            watermark.definition,
            now,
            watermark.by_our_clock,
            watermark.removals_until,
        ],
    )


def creation_of(
    connection: duckdb.DuckDBPyConnection, source: str, created_at: datetime, at_pipedrive: datetime
) -> datetime:
    """When a source was created, in Pipedrive's time.

    Args:
        connection: the warehouse.
        source: the source.
        created_at: when that was by our clock.
        at_pipedrive: what Pipedrive's clock is thought to have shown then. The first import is asked soonest
            after it, so what the first one says is kept: our clock may be set right later.
    """
    row = connection.execute(
        "SELECT at_pipedrive FROM import_ledger.creations WHERE source = ? AND created_at = ?",
        [source, created_at],
    ).fetchone()
    if row:
        known: datetime = row[0]
        return known
    connection.execute(
        "INSERT INTO import_ledger.creations VALUES (?, ?, ?)", [source, created_at, at_pipedrive]
    )
    return at_pipedrive


def count_quarantined(connection: duckdb.DuckDBPyConnection, import_id: uuid.UUID) -> int:
    """How many values the import has set aside."""
    row = connection.execute(
        "SELECT count(*) FROM import_ledger.quarantine WHERE import_id = ?", [import_id]
    ).fetchone()
    return int(row[0]) if row else 0


def set_aside(
    connection: duckdb.DuckDBPyConnection,
    source: str,
    values: str,
    *,
    property_key: str,
    field_type: str,
    reason: str,
    now: datetime,
) -> int:
    """Put values of one property into quarantine.

    Args:
        connection: the warehouse.
        source: whose table they come from.
        values: a query for record ids and values, both as text.
        property_key: the property.
        field_type: Pipedrive's word for what they should have been.
        reason: why they are there.
        now: the present instant.

    Returns:
        How many there were.
    """
    row = connection.execute(
        "INSERT INTO import_ledger.quarantine "
        "SELECT $source, v.record_id, $property_key, $field_type, v.value, $reason, NULL, $now "
        f"FROM ({values}) AS v(record_id, value)",
        {
            "source": source,
            "property_key": property_key,
            "field_type": field_type,
            "reason": reason,
            "now": now,
        },
    ).fetchone()
    return int(row[0]) if row else 0

"""The readings of windows in the import ledger: how each window was last read, and whether it is in doubt.

Like the rest of the ledger, everything here runs inside the transaction of the caller.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import duckdb

from pipedrive_orchestration.warehouse.schema import has_ledger
from pipedrive_orchestration.warehouse.sql import quoted


@dataclass(frozen=True, slots=True)
class WindowEntry:
    """One row of ``windows``: a complete reading of a window, or of a part of one.

    Attributes:
        pull_started_at: when the reading began, that of its first part if it goes on with one, by Pipedrive's
            clock.
        definition: what was read; see `fingerprint_of`.
        columns: the types of the properties that were read, as JSON by key.
        reader: as whom.
        read_until: where a part ends; None where the window was read to its end.
    """

    import_id: uuid.UUID
    source: str
    window: str
    pull_started_at: datetime
    committed_at: datetime
    rows_read: int
    rows_inserted: int
    rows_updated: int
    rows_removed: int
    definition: str
    columns: str
    reader: str
    read_until: datetime | None


@dataclass(frozen=True, slots=True)
class WindowState:
    """What is known of the last readings of a window.

    Attributes:
        read_at: when the last complete reading began, by Pipedrive's clock; None where there was none.
        definition, columns, reader: of that reading; None where it was made before they were kept.
        doubt: why it is in doubt, where something has said so since.
        part: the reading of a part since, if there is one.
        import_began: when the import began, by our clock, that came to the end of that reading; None where it
            was not asked for.
    """

    read_at: datetime | None = None
    definition: str | None = None
    columns: str | None = None
    reader: str | None = None
    doubt: str | None = None
    part: WindowPart | None = None
    import_began: datetime | None = None


@dataclass(frozen=True, slots=True)
class WindowPart:
    """A part of a window that has been read again from the window's beginning."""

    read_at: datetime
    read_until: datetime
    definition: str
    columns: str
    reader: str


def interrupted_readings(
    connection: duckdb.DuckDBPyConnection,
    source: str,
    pull: str,
    windows: Sequence[str],
    definition: str,
    since: datetime,
    until: datetime,
    latest: datetime,
) -> dict[str, WindowState]:
    """The readings of windows since the first attempt at a pull that has not come to its end.

    Attempts asked for the same windows, but for such as have begun since, with the same definition, and began
    between ``since`` and ``until`` by our clock, the last of them not before ``latest``. What other imports
    have read meanwhile is as good as what they have read.
    """
    if not windows or not has_ledger(connection):
        return {}
    row = connection.execute(
        """
        WITH same AS (
            SELECT started_at, status, definition, windows FROM import_ledger.imports
            WHERE source = $source AND pull = $pull AND reconciles IS NULL
                AND windows = ($windows::VARCHAR[])[1:len(windows)]
                AND (len(windows) IN (0, len($windows::VARCHAR[])) OR ($windows::VARCHAR[])[len(windows) + 1]
                    > strftime(started_at AT TIME ZONE 'UTC', '%Y-%m-%d'))
        )
        SELECT min(started_at) FROM same
        WHERE len(windows) > 0 AND status <> 'succeeded' AND definition = $definition
            AND started_at BETWEEN $since AND $until AND started_at > coalesce(
                (SELECT max(started_at) FROM same WHERE status = 'succeeded'), TIMESTAMPTZ '-infinity')
        HAVING max(started_at) >= $latest
        """,
        {
            "source": source,
            "pull": pull,
            "windows": list(windows),
            "definition": definition,
            "since": since,
            "until": until,
            "latest": latest,
        },
    ).fetchone()
    first = row[0] if row else None
    return window_states(connection, source, first) if first else {}


def record_windows(connection: duckdb.DuckDBPyConnection, entries: Sequence[WindowEntry]) -> None:
    """Add windows that one import commits together, in place of earlier readings of the same windows."""
    for began in sorted({entry.pull_started_at for entry in entries}):
        _record_windows(connection, [entry for entry in entries if entry.pull_started_at == began])


def _record_windows(connection: duckdb.DuckDBPyConnection, entries: Sequence[WindowEntry]) -> None:
    first = entries[0]
    connection.execute(
        """
        DELETE FROM import_ledger.windows
        WHERE source = $source AND pull_started_at <= $pull_started_at AND (
            list_contains($whole::VARCHAR[], "window")
            OR (read_until IS NOT NULL AND list_contains($parts::VARCHAR[], "window"))
        )
        """,
        {
            "source": first.source,
            "pull_started_at": first.pull_started_at,
            "whole": [entry.window for entry in entries if entry.read_until is None],
            "parts": [entry.window for entry in entries if entry.read_until is not None],
        },
    )
    # Thousands of windows are one statement; what their readings have in common is passed once.
    shared = [name for name in first.__slots__ if name not in _OF_ONE_WINDOW]
    names = ", ".join(map(quoted, [*shared, *_OF_ONE_WINDOW]))
    values = ", ".join(["?"] * len(shared) + [f"unnest(?::{type_}[])" for type_ in _OF_ONE_WINDOW.values()])
    connection.execute(
        f"INSERT INTO import_ledger.windows ({names}) SELECT {values}",
        [getattr(first, name) for name in shared]
        + [[getattr(entry, name) for entry in entries] for name in _OF_ONE_WINDOW],
    )


_OF_ONE_WINDOW = {
    "window": "VARCHAR",
    "rows_read": "BIGINT",
    "rows_inserted": "BIGINT",
    "rows_updated": "BIGINT",
    "rows_removed": "BIGINT",
    "read_until": "TIMESTAMPTZ",
}
"""The columns in which windows that are committed together differ, with their types."""


def window_states(
    connection: duckdb.DuckDBPyConnection, source: str, since: datetime | None = None
) -> dict[str, WindowState]:
    """The last readings of a source's windows, by window key.

    Args:
        connection: to the warehouse.
        source: whose windows they are.
        since: by our clock; only readings of imports that have begun since are looked at, and it is told when
            these imports began.
    """
    if not has_ledger(connection):
        return {}
    began, imports = "NULL", ""
    if since is not None:
        began = "imports.started_at"
        imports = (
            "JOIN import_ledger.imports ON imports.import_id = windows.import_id AND started_at >= $since"
        )
    rows = connection.execute(
        f"""
        SELECT "window", read_until, pull_started_at, windows.definition, columns, reader, doubt, {began}
        FROM import_ledger.windows {imports}
        WHERE windows.source = $source ORDER BY read_until IS NULL DESC, committed_at
        """,
        {"source": source} | ({"since": since} if since else {}),
    ).fetchall()
    states: dict[str, WindowState] = {}
    # Whole readings come before parts of the same window, and the last of each kind comes last.
    for key, until, read_at, definition, columns, reader, doubt, import_began in rows:
        if until is None:
            states[key] = WindowState(read_at, definition, columns, reader, doubt, import_began=import_began)
        else:
            whole = states.get(key, WindowState())
            is_newer = whole.read_at is None or whole.read_at < read_at
            part = WindowPart(read_at, until, definition, columns, reader) if is_newer else None
            states[key] = replace(whole, part=part)
    return states


def doubt_windows(
    connection: duckdb.DuckDBPyConnection, source: str, windows: Collection[str] | None, doubt: str
) -> None:
    """Put windows of a source in doubt (None: all that were read), until each is read again completely.

    Parts of them are forgotten: what was read before a doubt is no part of a reading that ends it.
    """
    chosen = {"source": source, "windows": None if windows is None else list(windows)}
    connection.execute(
        """
        DELETE FROM import_ledger.windows
        WHERE source = $source AND read_until IS NOT NULL
            AND ($windows::VARCHAR[] IS NULL OR list_contains($windows::VARCHAR[], "window"))
        """,
        chosen,
    )
    connection.execute(
        """
        UPDATE import_ledger.windows SET doubt = $doubt
        WHERE source = $source AND doubt IS NULL AND read_until IS NULL
            AND ($windows::VARCHAR[] IS NULL OR list_contains($windows::VARCHAR[], "window"))
        """,
        chosen | {"doubt": doubt},
    )

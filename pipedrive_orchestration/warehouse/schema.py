"""The schema ``import_ledger``: its tables are made at once, and its version says that they are there.

So one look tells whether a database has a ledger, instead of one for each table.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from weakref import WeakSet

import duckdb

from pipedrive_orchestration.warehouse.instances import aside

VERSION = 7
"""Raised by one whenever tables of ours change; ``migrations`` has the step that leads there."""

_DDL = """
CREATE SCHEMA IF NOT EXISTS import_ledger;
CREATE TABLE IF NOT EXISTS import_ledger.imports (
    import_id UUID, source VARCHAR, object_type VARCHAR, pull VARCHAR, windows VARCHAR[],
    definition VARCHAR, started_at TIMESTAMPTZ, finished_at TIMESTAMPTZ, status VARCHAR,
    requests BIGINT, tokens BIGINT, bytes BIGINT,
    rows_read BIGINT, rows_inserted BIGINT, rows_updated BIGINT, rows_removed BIGINT,
    seconds DOUBLE, note VARCHAR, quarantined BIGINT, reconciles UUID
);
CREATE TABLE IF NOT EXISTS import_ledger.windows (
    import_id UUID, source VARCHAR, "window" VARCHAR, pull_started_at TIMESTAMPTZ,
    committed_at TIMESTAMPTZ,
    rows_read BIGINT, rows_inserted BIGINT, rows_updated BIGINT, rows_removed BIGINT,
    definition VARCHAR, columns VARCHAR, reader VARCHAR, read_until TIMESTAMPTZ, doubt VARCHAR
);
CREATE TABLE IF NOT EXISTS import_ledger.watermarks (
    source VARCHAR, watermark TIMESTAMPTZ, definition VARCHAR, changed_at TIMESTAMPTZ,
    by_our_clock TIMESTAMPTZ, removals_until TIMESTAMPTZ
);
CREATE TABLE IF NOT EXISTS import_ledger.creations (
    source VARCHAR, created_at TIMESTAMPTZ, at_pipedrive TIMESTAMPTZ
);
CREATE TABLE IF NOT EXISTS import_ledger.fields (
    object_type VARCHAR, key VARCHAR, label VARCHAR, field_type VARCHAR, is_custom BOOLEAN,
    valid_from TIMESTAMPTZ, valid_to TIMESTAMPTZ
);
CREATE TABLE IF NOT EXISTS import_ledger.field_options (
    object_type VARCHAR, key VARCHAR, option_id VARCHAR, label VARCHAR,
    valid_from TIMESTAMPTZ, valid_to TIMESTAMPTZ
);
CREATE TABLE IF NOT EXISTS import_ledger.quarantine (
    source VARCHAR, record_id VARCHAR, property VARCHAR, field_type VARCHAR, value VARCHAR,
    reason VARCHAR, import_id UUID, quarantined_at TIMESTAMPTZ
);
CREATE TABLE IF NOT EXISTS import_ledger.field_lists (
    object_type VARCHAR, content VARCHAR, read_at TIMESTAMPTZ
);
CREATE TABLE IF NOT EXISTS import_ledger.users (
    signature VARCHAR, company_id BIGINT, company VARCHAR, user_id BIGINT, "user" VARCHAR, is_admin BOOLEAN,
    asked_at TIMESTAMPTZ
);
CREATE TABLE IF NOT EXISTS import_ledger.readers (
    source VARCHAR, company_id BIGINT, company VARCHAR, user_id BIGINT, "user" VARCHAR, is_admin BOOLEAN,
    since TIMESTAMPTZ
);
CREATE TABLE IF NOT EXISTS import_ledger.account (
    domain VARCHAR, daily_tokens BIGINT, daily_tokens_left BIGINT, seen_at TIMESTAMPTZ
);
CREATE TABLE IF NOT EXISTS import_ledger.parents (
    source VARCHAR, parent VARCHAR, version TIMESTAMPTZ, counted VARCHAR, definition VARCHAR,
    read_at TIMESTAMPTZ
);
CREATE TABLE IF NOT EXISTS import_ledger.contents (
    source VARCHAR, record_id VARCHAR, path VARCHAR, sha256 VARCHAR, bytes BIGINT, kept_at TIMESTAMPTZ,
    problem VARCHAR
);
CREATE TABLE IF NOT EXISTS import_ledger.reference_watermarks (object_type VARCHAR, watermark TIMESTAMPTZ);
CREATE TABLE IF NOT EXISTS import_ledger.reference_revisions (
    source VARCHAR, object_type VARCHAR, revision BIGINT
);
CREATE VIEW IF NOT EXISTS import_ledger.option_labels AS
    SELECT object_type, key, option_id, arg_max(label, valid_from) AS label
    FROM import_ledger.field_options GROUP BY ALL;
"""

_complete: WeakSet[duckdb.DuckDBPyConnection] = WeakSet()
"""The connections that have seen a ledger of the present version. One is used for a moment."""


def stored_version(connection: duckdb.DuckDBPyConnection) -> int | None:
    """The version of a database; 0 before versions were kept, None where there is nothing of ours yet."""
    if connection in _complete:
        return VERSION
    version = _look_up(connection)
    if version == VERSION:
        _complete.add(connection)
    return version


def has_ledger(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether a database has the tables of this version; an older one is migrated when it is opened."""
    return stored_version(connection) == VERSION


def prepare(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the tables where they are missing."""
    if not has_ledger(connection):
        make_tables(connection)
        record_version(connection, VERSION)


def make_tables(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the tables where they are missing, and do not say yet that all are there."""
    connection.execute(_DDL)


def record_version(connection: duckdb.DuckDBPyConnection, version: int) -> None:
    """Record that the tables are those of a version."""
    connection.execute(
        "CREATE TABLE IF NOT EXISTS import_ledger.schema_version (version INTEGER, since TIMESTAMPTZ)"
    )
    row = [version, datetime.now(UTC)]
    connection.execute("INSERT INTO import_ledger.schema_version VALUES (?, ?)", row)


_NEWEST = "SELECT coalesce(max(version), 0) FROM import_ledger.schema_version"


def _look_up(connection: duckdb.DuckDBPyConnection) -> int | None:
    with suppress(duckdb.CatalogException):
        ((version,),) = aside(connection).execute(_NEWEST).fetchall()
        if version:
            return int(version)
    # What the connection's transaction has made is seen by it alone.
    tables = connection.execute(
        "SELECT table_name FROM duckdb_tables() WHERE database_name = current_database() "
        "AND schema_name = 'import_ledger' AND table_name IN ('imports', 'schema_version')"
    ).fetchall()
    if ("schema_version",) in tables:
        ((version,),) = connection.execute(_NEWEST).fetchall()
        return int(version)
    return 0 if tables else None

"""The users of Pipedrive whose secrets were used, and those who saw the rows of sources.

Everything here runs inside the transaction of the caller.
"""

from __future__ import annotations

from datetime import datetime

import duckdb

from pipedrive_orchestration.pipedrive.account import ConnectedUser
from pipedrive_orchestration.warehouse.schema import has_ledger, prepare

_COLUMNS = 'company_id, company, user_id, "user", is_admin'


def user_of_signature(connection: duckdb.DuckDBPyConnection, signature: str) -> ConnectedUser | None:
    """The user whose secret has that signature, if Pipedrive was asked once."""
    return _found(connection, "users", "signature", signature)


def reader_of(connection: duckdb.DuckDBPyConnection, source: str) -> ConnectedUser | None:
    """The user who saw a source's rows when they were last read completely, if that is known."""
    return _found(connection, "readers", "source", source)


def last_reader(connection: duckdb.DuckDBPyConnection) -> ConnectedUser | None:
    """The user who has last begun to see the rows of any source, if that is known."""
    if not has_ledger(connection):
        return None
    row = connection.execute(
        f"SELECT {_COLUMNS} FROM import_ledger.readers ORDER BY since DESC LIMIT 1"
    ).fetchone()
    return ConnectedUser(*row) if row else None


def record_user(
    connection: duckdb.DuckDBPyConnection, signature: str, user: ConnectedUser, now: datetime
) -> None:
    """Remember whose secret it is."""
    _record(connection, "users", "signature", signature, user, now)


def record_reader(
    connection: duckdb.DuckDBPyConnection, source: str, user: ConnectedUser, now: datetime
) -> None:
    """Remember who saw the source's rows."""
    _record(connection, "readers", "source", source, user, now)


def _found(connection: duckdb.DuckDBPyConnection, table: str, column: str, key: str) -> ConnectedUser | None:
    if not has_ledger(connection):
        return None
    row = connection.execute(
        f"SELECT {_COLUMNS} FROM import_ledger.{table} WHERE {column} = ?", [key]
    ).fetchone()
    return ConnectedUser(*row) if row else None


def _record(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    column: str,
    key: str,
    user: ConnectedUser,
    now: datetime,
) -> None:
    if _found(connection, table, column, key) == user:
        return
    prepare(connection)
    connection.execute(f"DELETE FROM import_ledger.{table} WHERE {column} = ?", [key])
    connection.execute(
        f"INSERT INTO import_ledger.{table} VALUES (?, ?, ?, ?, ?, ?, ?)",
        [key, user.company_id, user.company, user.user_id, user.user, user.is_admin, now],
    )

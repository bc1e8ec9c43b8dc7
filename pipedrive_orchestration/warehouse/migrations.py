"""The version of the warehouse's own tables: older ones are migrated when opened, newer ones refused."""

from __future__ import annotations

from collections.abc import Callable

import duckdb

from pipedrive_orchestration.warehouse.schema import VERSION, make_tables, record_version, stored_version


class NewerSchemaError(Exception):
    """The database was written by a later version of this program."""


def is_outdated(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether the database has to be migrated before it can be used.

    Raises:
        NewerSchemaError: a later version of this program wrote it.
    """
    version = stored_version(connection)
    if version is not None and version > VERSION:
        raise NewerSchemaError(
            f"its tables are of version {version}, and this program knows versions up to {VERSION}"
        )
    return version is not None and version < VERSION


def migrate(connection: duckdb.DuckDBPyConnection) -> None:
    """Take a database from its version to the present one, by a transaction for each step.

    DuckDB 1.5 does not commit a table that is altered after it was updated.

    Args:
        connection: outside of a transaction.

    Raises:
        NewerSchemaError: a later version of this program wrote it.
    """
    if not is_outdated(connection):
        return
    for version in range(stored_version(connection) or 0, VERSION):
        connection.begin()
        _STEPS[version](connection)
        record_version(connection, version + 1)
        connection.commit()


def _keep_definitions(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("ALTER TABLE import_ledger.imports ADD COLUMN IF NOT EXISTS definition VARCHAR")


def _keep_states_of_windows(connection: duckdb.DuckDBPyConnection) -> None:
    for column in ("definition VARCHAR", "columns VARCHAR", "reader VARCHAR", "read_until TIMESTAMPTZ"):
        connection.execute(f"ALTER TABLE import_ledger.windows ADD COLUMN IF NOT EXISTS {column}")
    connection.execute("ALTER TABLE import_ledger.windows ADD COLUMN IF NOT EXISTS doubt VARCHAR")
    connection.execute(
        "UPDATE import_ledger.windows AS w SET definition = i.definition FROM import_ledger.imports AS i "
        "WHERE w.import_id = i.import_id"
    )


def _keep_our_time(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute(
        "ALTER TABLE import_ledger.watermarks ADD COLUMN IF NOT EXISTS by_our_clock TIMESTAMPTZ"
    )
    connection.execute("UPDATE import_ledger.watermarks SET by_our_clock = watermark")


def _keep_what_was_set_aside(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("ALTER TABLE import_ledger.imports ADD COLUMN IF NOT EXISTS quarantined BIGINT")
    connection.execute(
        "UPDATE import_ledger.imports AS i SET quarantined = "
        "(SELECT count(*) FROM import_ledger.quarantine AS q WHERE q.import_id = i.import_id)"
    )


def _tell_what_reconciles(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("ALTER TABLE import_ledger.imports ADD COLUMN IF NOT EXISTS reconciles UUID")


def _keep_removals_apart(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute(
        "ALTER TABLE import_ledger.watermarks ADD COLUMN IF NOT EXISTS removals_until TIMESTAMPTZ"
    )


_STEPS: tuple[Callable[[duckdb.DuckDBPyConnection], None], ...] = (
    _keep_definitions,
    _keep_states_of_windows,
    _keep_our_time,
    _keep_what_was_set_aside,
    _tell_what_reconciles,
    _keep_removals_apart,
    make_tables,
)
"""The step at index ``n`` leads from version ``n`` to the next."""

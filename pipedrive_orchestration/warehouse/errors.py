"""Errors of the database whose message is all a user needs."""

from __future__ import annotations


class WarehouseError(Exception):
    """The database cannot be opened or written; the message names it and the remedy."""


class UnknownStorageVersionError(WarehouseError):
    """The DuckDB in use does not know a storage version."""

    def __init__(self, version: str, duckdb_version: str) -> None:
        super().__init__(
            f"DuckDB {duckdb_version} writes no files of the storage version {version}. Name a version of "
            "DuckDB from v1.2.0 up to its own, in PIPEDRIVE_STORAGE_VERSION or --storage-version."
        )


def unusable(reason: str, remedy: str = "Restore a copy, or move it away and import again") -> str:
    """The paragraph on a database that cannot be used.

    Args:
        reason: what is wrong; of what DuckDB says, the first line is told.
        remedy: what to do, without the full stop.
    """
    return f"{reason.splitlines()[0].rstrip('.')}. {remedy}; set PIPEDRIVE_WAREHOUSE to use another one."

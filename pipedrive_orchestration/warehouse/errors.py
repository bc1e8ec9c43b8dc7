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

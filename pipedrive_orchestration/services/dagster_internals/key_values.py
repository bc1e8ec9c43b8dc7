"""Keys and values in Dagster's storage.

The run storage has a table of keys and values, on SQLite, PostgreSQL and MySQL alike, in which Dagster
keeps its daemons' cursors. There is no public way to it, nor another place that every machine of a
deployment shares. Its own method overwrites; to add what is not there yet takes the table itself.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import dagster as dg
from dagster._core.storage.legacy_storage import LegacyRunStorage
from dagster._core.storage.runs.base import RunStorage
from dagster._core.storage.runs.schema import KeyValueStoreTable
from dagster._core.storage.runs.sql_run_storage import SqlRunStorage
from sqlalchemy.exc import IntegrityError


@dataclass(frozen=True, slots=True)
class InstanceKeyValues:
    """The texts that one account keeps in Dagster's storage; see `sources.KeyValues`.

    Attributes:
        instance: whose storage it is.
        account: tells the keys of several accounts apart.
    """

    instance: dg.DagsterInstance
    account: str

    def read(self, keys: Collection[str]) -> dict[str, str]:
        """The values of those keys that have one."""
        stored = self._storage.get_cursor_values({self._stored_key(key) for key in keys}) if keys else {}
        found = {key: stored.get(self._stored_key(key)) for key in keys}
        return {key: value for key, value in found.items() if value is not None}

    def add(self, values: Mapping[str, str]) -> None:
        """Store values of keys that have none yet; of several processes that add one, the first wins."""
        known = self.read(values)
        missing = {key: value for key, value in values.items() if key not in known}
        if not missing:
            return
        storage = self._storage
        if not isinstance(storage, SqlRunStorage):
            for key, value in missing.items():
                self.put(key, value)
            return
        rows = [{"key": self._stored_key(key), "value": value} for key, value in missing.items()]
        try:
            with storage.connect() as connection:
                connection.execute(KeyValueStoreTable.insert(), rows)
        except IntegrityError:
            # Somebody else has just added one of them, so none was added here.
            self.add(missing)

    def put(self, key: str, value: str) -> None:
        """Store a value, in place of the one that was there."""
        # One at a time: of several, those that are new would be lost where one is not.
        self._storage.set_cursor_values({self._stored_key(key): value})

    def remove(self, keys: Collection[str]) -> None:
        """Remove values, so far as there are any; nothing where the storage is no SQL database."""
        storage = self._storage
        if isinstance(storage, SqlRunStorage):
            stored = [self._stored_key(key) for key in keys]
            with storage.connect() as connection:
                connection.execute(KeyValueStoreTable.delete().where(KeyValueStoreTable.c.key.in_(stored)))

    @property
    def _storage(self) -> RunStorage:
        storage = self.instance.run_storage
        return storage._storage.run_storage if isinstance(storage, LegacyRunStorage) else storage  # noqa: SLF001

    def _stored_key(self, key: str) -> str:
        full = f"pipedrive_orchestration/{self.account}/{key}"
        # MySQL tells keys apart by their first 64 characters.
        return full if len(full) <= 64 else f"{full[:31]}/{hashlib.sha256(full.encode()).hexdigest()[:32]}"

"""Snapshots of the project folder in Dagster's own database, which every machine of a deployment reaches."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self, cast

import dagster as dg

from pipedrive_orchestration.services.dagster_internals import (
    KEPT_SNAPSHOTS,
    SNAPSHOTS_KEPT_FOR,
    ConfigurableClassData,
    InstanceKeyValues,
    UPathDefsStateStorage,
)

_ACCOUNT = "snapshots"


class DatabaseSnapshotStorage(UPathDefsStateStorage):
    """Keeps each snapshot, compressed, beside the pointer to the newest one, which is there anyway.

    A worker loads the snapshot that its run is pinned to, so it needs no project folder of its own.
    """

    def __init__(self, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__(base_path=cast("Any", None), inst_data=inst_data)

    @classmethod
    def config_type(cls) -> Any:
        """Nothing is to be configured."""
        return {}

    @classmethod
    def from_config_value(
        cls,
        inst_data: ConfigurableClassData,
        config_value: Mapping[str, Any],  # noqa: ARG003 - the framework's signature
    ) -> Self:
        """The storage."""
        return cls(inst_data)

    def download_state_to_path(self, key: str, version: str, path: Path) -> None:
        """Write a snapshot to a file.

        Raises:
            ValueError: there is none of that version.
        """
        name = _name(key, version)
        stored = self._values.read([name]).get(name)
        if stored is None:
            raise ValueError(f"There is no snapshot {version} of {key} in Dagster's database.")
        path.write_bytes(zlib.decompress(base64.b85decode(stored)))

    def upload_state_from_path(self, key: str, version: str, path: Path) -> None:
        """Keep what a file holds as a snapshot, and make it the newest one."""
        content = base64.b85encode(zlib.compress(path.read_bytes())).decode()
        self._values.put(_name(key, version), content)
        self.set_latest_version(key, version)
        self._forget_old(key, version)

    def _forget_old(self, key: str, version: str) -> None:
        """Note when a snapshot was stored, and remove those that are neither new nor among the last."""
        index, now = _name(key, "stored"), datetime.now(UTC)
        stored: list[tuple[str, str]] = json.loads(self._values.read([index]).get(index, "[]"))
        stored.append((version, now.isoformat()))
        old = [
            one
            for one, at in stored[:-KEPT_SNAPSHOTS]
            if now - datetime.fromisoformat(at) > SNAPSHOTS_KEPT_FOR
        ]
        self._values.put(index, json.dumps([[one, at] for one, at in stored if one not in old]))
        self._values.remove([_name(key, one) for one in old])

    @property
    def _values(self) -> InstanceKeyValues:
        instance: dg.DagsterInstance = self._instance
        return InstanceKeyValues(instance, _ACCOUNT)


def _name(key: str, version: str) -> str:
    return f"{key}/{version}"

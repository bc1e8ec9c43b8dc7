"""Snapshots of a state-backed component: the newest, the one that a load is pinned to, and old ones.

Dagster gives the component its snapshot. Outside its development server it takes no new one at a reload, so
that a change of the folder would not show; taking one at every reload and noting its version needs the
context of the load. And it never deletes one.
"""

from __future__ import annotations

import tempfile
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from dagster._core.definitions.definitions_load_context import DefinitionsLoadContext
from dagster._core.storage.defs_state.base import DefsStateStorage
from dagster._core.storage.defs_state.blob_storage_state_storage import UPathDefsStateStorage

KEPT_SNAPSHOTS = 100
"""How many of the newest snapshots are kept, whatever their age."""

SNAPSHOTS_KEPT_FOR = timedelta(days=3)
"""How long every snapshot is kept: runs that wait are pinned to what their code server had loaded."""


def pin_snapshot(key: str, version: str) -> None:
    """Let the definitions that are being loaded be those of a snapshot."""
    DefinitionsLoadContext.get().add_defs_state_info(key, version)


def stored_snapshot(key: str) -> tuple[str, bytes] | None:
    """The version and content of the newest snapshot; None where there is none."""
    storage = DefsStateStorage.get()
    version = storage.get_latest_version(key) if storage else None
    if storage is None or version is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "state"
        try:
            storage.download_state_to_path(key, version, path)
        except (OSError, ValueError):
            return None
        return version, path.read_bytes()


def forget_old_snapshots(key: str, now: datetime) -> None:
    """Delete the files of snapshots that are neither new nor among the last; nothing of other storages."""
    storage = DefsStateStorage.get()
    if not isinstance(storage, UPathDefsStateStorage) or storage.base_path is None:
        return
    folder = storage.base_path / storage._sanitize_key(key)  # noqa: SLF001
    # Another code server may delete the same ones; what cannot be deleted is there the next time.
    with suppress(OSError):
        stored = sorted(((one.stat().st_mtime, one.name) for one in folder.iterdir()), reverse=True)
        for written, name in stored[KEPT_SNAPSHOTS:]:
            if now - datetime.fromtimestamp(written, UTC) > SNAPSHOTS_KEPT_FOR:
                (folder / name).unlink()

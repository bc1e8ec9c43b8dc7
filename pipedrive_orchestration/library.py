"""The Python API: the rows of a project's sources, and imports of them.

The functions go by the variables of the process and the ``.env`` file of the working folder, as the commands
do, unless they are given other settings.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from pipedrive_orchestration.importing import Preview
from pipedrive_orchestration.importing import preview as read_preview
from pipedrive_orchestration.pipedrive.auth import Connection
from pipedrive_orchestration.settings import Settings
from pipedrive_orchestration.sources import InMemoryKeyValues, PreviewBody, Source, SourceStore, draft_of
from pipedrive_orchestration.warehouse import Warehouse, dataframes, ledger
from pipedrive_orchestration.warehouse.ledger import ImportEntry

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

T = TypeVar("T")


class ImportFailedError(Exception):
    """An import that failed; the message says why, and what was committed before stays."""


def list_sources(*, settings: Settings | None = None) -> tuple[Source, ...]:
    """The sources of the project folder, by slug; files with mistakes are left out, and ``check`` names them.

    Of a source whose file says no ``created_at`` it is the instant of this call: when it was first seen is
    known to Dagster, which is not asked.

    Args:
        settings: which project folder; that of the working folder if None.

    Raises:
        SettingsError: the settings cannot be used.
    """
    return _store(_given(settings)).load().sources


def read(source: str, *, labels: bool = False, settings: Settings | None = None) -> pd.DataFrame:
    """The current rows of a source: a column for each property, and ``_id``, ``_update_time`` and the like.

    Args:
        source: its slug.
        labels: columns under their labels instead, with option labels in place of option ids.
        settings: which database; that of the working folder if None.

    Raises:
        NotImportedError: the source has no table yet.
        WarehouseError: the database cannot be opened.
        SettingsError: the settings cannot be used.
    """
    return dataframes.read_dataframe(_warehouse(settings), source, labels=labels)


def read_arrow(
    source: str, *, labels: bool = False, settings: Settings | None = None
) -> duckdb.DuckDBPyRelation:
    """The same rows for whatever takes Arrow, such as ``polars.DataFrame(...)`` and ``pyarrow.table(...)``.

    They are in memory, in a DuckDB of their own, and can be queried further there.

    Args:
        source: its slug.
        labels: columns under their labels instead, with option labels in place of option ids.
        settings: which database; that of the working folder if None.

    Raises:
        NotImportedError: the source has no table yet.
        WarehouseError: the database cannot be opened.
        SettingsError: the settings cannot be used.
    """
    return dataframes.read_arrow(_warehouse(settings), source, labels=labels)


def open_warehouse(*, settings: Settings | None = None) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
    """The database for a ``with`` block, read-only; imports wait until the block ends.

    Args:
        settings: which database; that of the working folder if None.

    Raises:
        WarehouseError: there is no database yet, or it cannot be opened.
        SettingsError: the settings cannot be used.
    """
    return _warehouse(settings).reading()


def preview(source: str | Mapping[str, Any], *, settings: Settings | None = None) -> Preview:
    """The preview of a source: some rows, how many match, what an import would cost. Writes nothing.

    Args:
        source: the slug of a source of the project, or a body: the four keys of a preview, or a file's
            content, of which what creation alone needs is dropped.
        settings: which account and project folder; those of the working folder if None.

    Raises:
        InvalidBodyError: the body, its properties or its filter; names everything that is wrong.
        UnknownSourceError: the project has no such source; names the near matches.
        NotConnected: there is no usable token.
        PipedriveError: the account cannot be read.
        SettingsError: the settings cannot be used.
    """
    chosen = _given(settings)
    if isinstance(source, str):
        body: PreviewBody = _store(chosen).load().find(source)
    else:
        body = draft_of(source, _store(chosen).catalogue)
    connection = Connection.from_settings(chosen)
    return _outside_of_event_loops(lambda: read_preview(body, connection=connection))


def import_source(
    source: str, *, pull: Literal["window", "changes"] | None = None, settings: Settings | None = None
) -> ImportEntry:
    """Import a source as the command ``import`` does, in a process of its own; gives its line of the ledger.

    Args:
        source: its slug.
        pull: all windows, or what changed since the watermark; what is due if None, which for a static source
            that was imported before is nothing.
        settings: which account, project folder and database; those of the working folder if None.

    Raises:
        ImportFailedError: it failed, in whatever way; says what the command says.
        SettingsError: the settings cannot be used.
    """
    # Dagster's own settings have paths that are relative to its home.
    chosen = _given(settings).from_folder(Path.cwd())
    asked = {"source": source, "pull": pull, "variables": chosen.variables()}
    ended = subprocess.run(
        [sys.executable, "-m", "pipedrive_orchestration.cli.one_import"],
        input=json.dumps(asked), cwd=chosen.home, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if ended.returncode:
        raise ImportFailedError(ended.stderr.strip())
    with Warehouse.from_settings(chosen).reading() as connection:
        entry = ledger.last_import(connection, source)
    assert entry is not None, "an import that succeeded is in the ledger"
    return entry


def _given(settings: Settings | None) -> Settings:
    return Settings.read() if settings is None else settings


def _store(settings: Settings) -> SourceStore:
    return SourceStore(settings.project, InMemoryKeyValues())


def _warehouse(settings: Settings | None) -> Warehouse:
    return Warehouse.from_settings(_given(settings))


def _outside_of_event_loops(work: Callable[[], T]) -> T:
    """Do something that runs an event loop of its own, which a notebook's thread does not allow."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return work()
    with ThreadPoolExecutor(1) as apart:
        return apart.submit(work).result()

"""Dagster's databases of SQLite: waited for, opened without reading all their revisions, and small.

It has settings for none of the three; each is in force in every process that loads this.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, cast

from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Dialect, Engine, event
from sqlalchemy.pool import ConnectionPoolEntry

SQLITE_WAIT_SECONDS = 60
"""How long a database is waited for that another program has, such as a backup.

Dagster waits for five seconds, and no setting says how long; an engine can be told before it connects.
"""


@event.listens_for(Engine, "do_connect")
def _wait_for_locked_file(
    dialect: Dialect,
    record: ConnectionPoolEntry,  # noqa: ARG001 - the library's signature
    arguments: object,  # noqa: ARG001
    keywords: dict[str, object],
) -> None:
    if dialect.name == "sqlite":
        keywords.setdefault("timeout", SQLITE_WAIT_SECONDS)


def _keep_revisions() -> None:
    """Keep the revisions of a storage.

    Whenever Dagster opens a database, for every tick and for the events of every run, it asks Alembic for the
    newest revision, which reads and compiles some eighty files: three quarters of the time of a tick.
    """
    read: Any = ScriptDirectory.from_config

    @cache
    def kept(file: str | None, location: str | None) -> ScriptDirectory:
        config = Config(file)
        config.set_main_option("script_location", str(location))
        return cast("ScriptDirectory", read(config))

    def from_config(config: Config) -> ScriptDirectory:
        file = config.config_file_name
        return kept(None if file is None else str(file), config.get_main_option("script_location"))

    ScriptDirectory.from_config = from_config  # type: ignore[method-assign]


_keep_revisions()

_PAGE_BYTES = 1024
"""A quarter of SQLite's own page; so the file of a run without changes takes 104 KB instead of 180.

Each run has a database of 27 tables and indexes, most of which stay empty and take a page each.
"""


@event.listens_for(Engine, "do_connect")
def _make_small(
    dialect: Dialect,
    record: ConnectionPoolEntry,  # noqa: ARG001 - the library's signature
    arguments: Sequence[Any],
    keywords: dict[str, Any],
) -> Any:
    """The connection to the database of a run that is new; None lets the library open any other."""
    path = Path(str(arguments[0])) if dialect.name == "sqlite" and arguments else None
    if path is None or not _RUN_ID.fullmatch(path.stem) or (path.exists() and path.stat().st_size):
        return None
    connection = dialect.connect(*arguments, **keywords)
    connection.execute(f"PRAGMA page_size = {_PAGE_BYTES}").close()
    return connection


_RUN_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

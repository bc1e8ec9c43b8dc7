"""Dagster instances for tests in which no Dagster runs, and what makes those of this process quick."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import dagster as dg
import sqlalchemy
from alembic.config import Config
from alembic.script import ScriptDirectory
from dagster._core.storage.event_log.sqlite import sqlite_event_log
from dagster._core.storage.runs.sqlite import sqlite_run_storage
from dagster._core.storage.schedules.sqlite import sqlite_schedule_storage
from sqlalchemy.pool import NullPool

READ_REVISIONS = ScriptDirectory.from_config

ENGINES_KEPT = 64
"""More than the databases of the tests that are under way; an engine keeps no file open."""


@contextmanager
def dagster_instance() -> Iterator[dg.DagsterInstance]:
    """An instance of its own, as `dagster.instance_for_test` gives it.

    Its databases are copies of empty ones, because to make them takes six times as long.
    """
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        shutil.copytree(_empty(), folder, dirs_exist_ok=True)
        with dg.instance_for_test(temp_dir=folder) as instance:
            yield instance


@cache
def _empty() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="dagster-instance-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    with dg.instance_for_test(temp_dir=str(folder)):
        pass
    return folder


def keep_engines_and_revisions() -> None:
    """Spares this process a quarter of a run's time: what Dagster's storage makes anew again and again.

    For every statement it makes an engine, which compiles the statement, and for every run a database, for
    which it reads some eighty files of revisions.
    """
    for module in (sqlite_event_log, sqlite_run_storage, sqlite_schedule_storage):
        module.create_engine = _engine_of  # type: ignore[attr-defined]  # not told as exported
    ScriptDirectory.from_config = _revisions_of  # type: ignore[method-assign]


def _engine_of(
    url: str, poolclass: type[NullPool], connect_args: Mapping[str, Any] = {}
) -> sqlalchemy.Engine:
    assert poolclass is NullPool, "an engine that is kept holds no connections"
    return _kept_engine(url, tuple(connect_args.items()))


@lru_cache(ENGINES_KEPT)
def _kept_engine(url: str, connect_args: tuple[tuple[str, Any], ...]) -> sqlalchemy.Engine:
    return sqlalchemy.create_engine(url, poolclass=NullPool, connect_args=dict(connect_args))


def _revisions_of(config: Config) -> ScriptDirectory:
    return _kept_revisions(config.config_file_name, config.get_main_option("script_location"))


@cache
def _kept_revisions(file: str, location: str) -> ScriptDirectory:
    config = Config(file)
    config.set_main_option("script_location", location)
    return READ_REVISIONS(config)

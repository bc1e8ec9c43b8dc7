"""Instances of DuckDB that serve one after the other, and database files that are attached to them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import duckdb
import pytest

from pipedrive_orchestration.warehouse import Warehouse, WarehouseError
from pipedrive_orchestration.warehouse.instances import (
    ALL_MEMORY,
    Setting,
    at_least,
    configure,
    duckdb_instance,
)


def settings_of(connection: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    found = connection.execute("SELECT name, value FROM duckdb_settings() ORDER BY name").fetchall()
    return dict(found)


def test_what_one_has_set_or_made_the_next_does_not_find(tmp_path: Path) -> None:
    with duckdb_instance() as connection:
        untouched = settings_of(connection)
    first: dict[str, Setting] = {"threads": 1, "disabled_optimizers": "limit_pushdown"}
    with duckdb_instance(settings=first) as connection:
        configure(
            connection,
            arrow_lossless_conversion=True, preserve_insertion_order=False, memory_limit="234MB",
            temp_directory=str(tmp_path / "spilled"), max_temp_directory_size="1GB",
        )  # fmt: skip
        connection.execute("SET TimeZone = 'Asia/Tokyo'; CREATE TEMP TABLE made AS SELECT 1")
        assert len(settings_of(connection).items() - untouched.items()) > 7
    with Warehouse(str(tmp_path / "warehouse.duckdb")).writing() as connection:
        connection.execute("CREATE TABLE here AS SELECT 1")
    with duckdb_instance() as connection:
        assert settings_of(connection) == untouched
        assert connection.execute("SHOW ALL TABLES").fetchall() == []


def test_one_that_has_spilled_or_failed_is_not_used_again(tmp_path: Path) -> None:
    for folder in (tmp_path / "first", tmp_path / "second"):
        few: dict[str, Setting] = {"temp_directory": str(folder), "memory_limit": "20MB", "threads": 1}
        with duckdb_instance(settings=few) as connection:
            connection.execute(
                "CREATE TEMP TABLE large AS SELECT range, hash(range)::VARCHAR FROM range(2000000)"
            )
            assert list(folder.iterdir())
    with pytest.raises(duckdb.BinderException), duckdb_instance() as connection:
        connection.execute("CREATE TABLE left_behind AS SELECT 1; SELECT no_column")
    with duckdb_instance() as connection:
        configure(connection, enable_external_access=False, lock_configuration=True)
    with duckdb_instance() as connection:
        assert connection.execute("SHOW ALL TABLES").fetchall() == []
        configure(connection, threads=1)


def test_two_at_once_do_not_meet() -> None:
    with duckdb_instance() as one, duckdb_instance() as other:
        configure(one, memory_limit="100MB")
        limit = "SELECT current_setting('memory_limit')"
        assert one.execute(limit).fetchall() != other.execute(limit).fetchall()


def test_of_one_that_many_share_the_largest_limit_of_memory_counts() -> None:
    with duckdb_instance() as connection:

        def limit() -> Any:
            return connection.execute("SELECT current_setting('memory_limit')").fetchall()

        all_of_it = limit()
        with at_least("256MB", "a lake", connection):
            usual = limit()
            with at_least("1GB", "a lake", connection):
                larger = limit()
                with at_least("256MB", "a lake", connection):
                    assert limit() == larger != usual
                with at_least(ALL_MEMORY, "a lake", connection):
                    assert limit() == all_of_it
                assert limit() == larger
            assert limit() == usual


@pytest.mark.parametrize(
    "name", ["memory.duckdb", "temp.duckdb", "main", "it's.one.duckdb", "pipedrive_warehouse"]
)
def test_a_file_may_have_any_name(tmp_path: Path, name: str) -> None:
    with Warehouse(str(tmp_path / name)).writing() as connection:
        connection.execute("CREATE SCHEMA a; CREATE TABLE a.t AS SELECT 1 AS n; CREATE VIEW a.v AS FROM a.t")
    with Warehouse(str(tmp_path / name)).reading() as connection:
        assert connection.execute("FROM a.v").fetchall() == [(1,)]
    # Whoever opens it otherwise knows nothing of the name that it had in the instance.
    with duckdb.connect(str(tmp_path / name), read_only=True) as connection:
        assert connection.execute("FROM a.v").fetchall() == [(1,)]
    assert not (tmp_path / f"{name}.wal").exists()


def test_a_notebook_that_has_the_file_open_reads_it_beside_us(tmp_path: Path) -> None:
    warehouse = Warehouse(str(tmp_path / "warehouse.duckdb"))
    with warehouse.writing() as connection:
        connection.execute("CREATE TABLE here AS SELECT 1 AS n")
    with duckdb.connect(warehouse.database, read_only=True) as notebook:
        with warehouse.reading() as connection:
            assert connection.execute("FROM here").fetchall() == [(1,)]
        with pytest.raises(WarehouseError, match="cannot be opened"), warehouse.writing():
            pass
        assert notebook.execute("FROM here").fetchall() == [(1,)]
    with duckdb.connect(warehouse.database), warehouse.writing() as connection:
        connection.execute("INSERT INTO here VALUES (2)")
    with warehouse.reading() as connection:
        assert connection.execute("FROM here").fetchall() == [(1,), (2,)]


def test_a_forked_process_makes_its_own(tmp_path: Path) -> None:
    warehouse = Warehouse(str(tmp_path / "warehouse.duckdb"))
    with warehouse.writing() as connection:
        connection.execute("CREATE TABLE here AS SELECT range AS n FROM range(100000)")
    child = os.fork()
    if not child:
        with warehouse.reading() as connection:
            total = connection.execute("SELECT sum(hash(n)) IS NOT NULL FROM here").fetchone()
        os._exit(0 if total == (True,) else 1)
    assert os.waitpid(child, 0)[1] == 0

"""Opening databases of other versions of the program."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from pipedrive_orchestration.importing import Pull, import_source, windows_until
from pipedrive_orchestration.pipedrive.auth import Connection
from pipedrive_orchestration.sources import Source
from pipedrive_orchestration.warehouse import Warehouse, WarehouseError
from pipedrive_orchestration.warehouse.migrations import VERSION, stored_version
from pipedrive_orchestration_tests.conftest import FreshDemo


def as_before_versions(database: str) -> None:
    """Make of a database what the first version of the program would have written."""
    with duckdb.connect(database) as connection:
        connection.execute("DROP TABLE import_ledger.schema_version")
        connection.execute("ALTER TABLE import_ledger.imports DROP COLUMN definition")


def version(database: str) -> int | None:
    with duckdb.connect(database, read_only=True) as connection:
        return stored_version(connection)


@pytest.fixture
def old(fresh_demo: FreshDemo, tmp_path: Path) -> tuple[Warehouse, Source, Connection]:
    """A database of the first version, with the source and the account it was imported from."""
    demo = fresh_demo()
    now = datetime.now(UTC)
    source = Source.parse(
        {"name": "Persons", "object_type": "persons", "properties": ["name"], "pull_mode": "static",
         "slug": "persons", "id": str(uuid.UUID(int=1)), "created_at": now.isoformat()}
    )  # fmt: skip
    warehouse, connection = Warehouse(str(tmp_path / "warehouse.duckdb")), Connection.of(demo.url, demo.token)
    import_source(
        source, connection=connection, warehouse=warehouse, staging=tmp_path / "staging", pull=Pull.WINDOW,
        windows=windows_until(source, now),
    )  # fmt: skip
    as_before_versions(warehouse.database)
    return warehouse, source, connection


def test_a_new_database_has_the_present_version(tmp_path: Path) -> None:
    warehouse = Warehouse(str(tmp_path / "warehouse.duckdb"))
    with warehouse.writing() as connection:
        connection.execute("CREATE TABLE theirs AS SELECT 1")
    assert version(warehouse.database) is None


def test_an_import_migrates_an_older_database_and_goes_on(
    old: tuple[Warehouse, Source, Connection], tmp_path: Path
) -> None:
    warehouse, source, connection = old
    assert version(warehouse.database) == 0
    report = import_source(
        source, connection=connection, warehouse=warehouse, staging=tmp_path / "staging", pull=Pull.CHANGES
    )
    assert report.rows.inserted == 0
    assert report.rows.current > 0
    assert version(warehouse.database) == VERSION
    with warehouse.reading() as reading:
        definitions = reading.execute(
            "SELECT definition IS NULL FROM import_ledger.imports ORDER BY started_at"
        ).fetchall()
    assert definitions == [(True,), (False,)]


def test_a_reader_migrates_an_older_database(old: tuple[Warehouse, Source, Connection]) -> None:
    warehouse, *_ = old
    with warehouse.reading() as reading:
        assert reading.execute("SELECT count(definition) FROM import_ledger.imports").fetchone() == (0,)
    assert version(warehouse.database) == VERSION


def test_a_migration_that_is_interrupted_leaves_the_older_database(
    old: tuple[Warehouse, Source, Connection],
) -> None:
    class PowerCut(Exception): ...

    warehouse, *_ = old
    with pytest.raises(PowerCut), warehouse.writing():
        raise PowerCut
    assert version(warehouse.database) == 0


def test_a_newer_database_is_refused_and_left_alone(old: tuple[Warehouse, Source, Connection]) -> None:
    warehouse, *_ = old
    with duckdb.connect(warehouse.database) as connection:
        connection.execute(
            "CREATE TABLE import_ledger.schema_version AS SELECT 99 AS version, now() AS since"
        )
    before = Path(warehouse.database).read_bytes()
    for opening in (warehouse.reading, warehouse.writing):
        with pytest.raises(WarehouseError, match=r"later version .* version 99, .*Upgrade"), opening():
            raise AssertionError
    assert Path(warehouse.database).read_bytes() == before

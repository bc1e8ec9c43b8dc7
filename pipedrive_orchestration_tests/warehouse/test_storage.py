"""The storage format of database files: older versions of DuckDB open what is made new."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from pipedrive_orchestration.settings import Settings
from pipedrive_orchestration.warehouse import Warehouse, WarehouseError
from pipedrive_orchestration.warehouse.errors import UnknownStorageVersionError
from pipedrive_orchestration.warehouse.publish import Publisher
from pipedrive_orchestration.warehouse.storage import convert, format_for, format_of

FORMAT_OF_1_2, FORMAT_OF_1_5 = 65, 68
"""What DuckDB writes into the header of a file."""

TABLES = """
    CREATE SCHEMA pipedrive;
    CREATE TABLE pipedrive.deals (
        _id BIGINT PRIMARY KEY, title VARCHAR NOT NULL DEFAULT 'x', labels BIGINT[], other JSON, key UUID,
        money STRUCT("value" DOUBLE, currency VARCHAR), day DATE, hour TIME, "when" TIMESTAMPTZ,
        emails STRUCT("value" VARCHAR, label VARCHAR, "primary" BOOLEAN)[], rate DECIMAL(38, 6)
    );
    COMMENT ON TABLE pipedrive.deals IS 'Deals';
    COMMENT ON COLUMN pipedrive.deals.money IS 'Value (monetary)';
    INSERT INTO pipedrive.deals SELECT
        i, 'deal ' || i, [i, i + 1], json_object('a', i), md5(i::VARCHAR)::UUID,
        {'value': i / 3, 'currency': 'EUR'}, DATE '2026-01-01' + i::INTEGER, TIME '10:00',
        TIMESTAMPTZ '2026-01-01 00:00:00+00' + to_seconds(i),
        [{'value': 'a@b', 'label': 'work', 'primary': true}], i / 7
    FROM range(20_000) AS r(i);
    CREATE SCHEMA labeled;
    CREATE VIEW labeled.deals AS SELECT title AS "Title", money.value AS "Value" FROM pipedrive.deals;
    COMMENT ON VIEW labeled.deals IS 'Under labels';
    CREATE MACRO pipedrive.deals_at(instant) AS TABLE SELECT * FROM pipedrive.deals WHERE "when" <= instant;
    CREATE INDEX by_title ON pipedrive.deals (title);
"""


def fill(path: Path, version: str = "v1.2.0") -> Warehouse:
    warehouse = Warehouse(str(path), storage_version=version)
    with warehouse.writing() as connection:
        connection.execute(TABLES)
    return warehouse


CATALOGUE = """
    SELECT schema_name, table_name, comment, sql FROM duckdb_tables() ORDER BY ALL;
    SELECT schema_name, table_name, column_name, comment, data_type, column_default, is_nullable
    FROM duckdb_columns() WHERE NOT internal ORDER BY ALL;
    SELECT schema_name, view_name, comment, sql FROM duckdb_views() WHERE NOT internal ORDER BY ALL;
    SELECT schema_name, function_name, macro_definition FROM duckdb_functions() WHERE NOT internal
    ORDER BY ALL;
    SELECT schema_name, index_name, sql FROM duckdb_indexes() ORDER BY ALL;
    SELECT table_name, constraint_text FROM duckdb_constraints() ORDER BY ALL;
    FROM pipedrive.deals ORDER BY _id;
    FROM labeled.deals ORDER BY 1;
    SELECT count(*) FROM pipedrive.deals_at(TIMESTAMPTZ '2026-01-01 00:01:00+00')
"""


def described(path: Path) -> list[object]:
    """Everything that a database holds."""
    with duckdb.connect(str(path), read_only=True) as connection:
        return [connection.execute(query).fetchall() for query in CATALOGUE.split(";")]


def test_a_new_file_has_the_format_that_every_duckdb_since_1_2_opens(tmp_path: Path) -> None:
    path = tmp_path / "warehouse.duckdb"
    fill(path)
    assert format_of(path) == format_for("v1.2.0") == FORMAT_OF_1_2


def test_the_settings_name_another_format(tmp_path: Path) -> None:
    path = tmp_path / "warehouse.duckdb"
    settings = Settings(warehouse=str(path), storage_version="v1.5.0")
    with Warehouse.from_settings(settings).writing() as connection:
        connection.execute("CREATE TABLE t AS SELECT 1")
    assert format_of(path) == FORMAT_OF_1_5


def test_a_file_keeps_its_format(tmp_path: Path) -> None:
    path = tmp_path / "warehouse.duckdb"
    fill(path, "v1.5.0")
    with Warehouse(str(path)).writing() as connection:
        connection.execute("CREATE TABLE more AS FROM range(100_000)")
    assert format_of(path) == FORMAT_OF_1_5


def test_a_version_that_duckdb_does_not_know_is_named(tmp_path: Path) -> None:
    warehouse = Warehouse(str(tmp_path / "warehouse.duckdb"), storage_version="v99.0.0")
    with pytest.raises(WarehouseError, match=r"v99\.0\.0.*PIPEDRIVE_STORAGE_VERSION"), warehouse.writing():
        raise AssertionError
    assert not (tmp_path / "warehouse.duckdb").exists()


def test_what_is_no_database_has_no_format(tmp_path: Path) -> None:
    for number, content in enumerate((b"", b"DUCK", b"x" * 100)):
        path = tmp_path / str(number)
        path.write_bytes(content)
        assert format_of(path) is None


def test_everything_survives_a_conversion(tmp_path: Path) -> None:
    path, older = tmp_path / "warehouse.duckdb", tmp_path / "older.duckdb"
    fill(path, "v1.5.0")
    convert(path, older, "v1.2.0")
    assert (format_of(path), format_of(older)) == (FORMAT_OF_1_5, FORMAT_OF_1_2)
    assert described(older) == described(path)


def test_a_published_copy_is_converted_on_the_way(tmp_path: Path) -> None:
    warehouse = fill(tmp_path / "warehouse.duckdb", "v1.5.0")
    path = tmp_path / "public" / "published.duckdb"
    publisher = Publisher(warehouse, path, storage_version="v1.2.0")
    publisher.publish()
    number = path.stat().st_ino
    assert format_of(path) == FORMAT_OF_1_2
    assert described(path) == described(tmp_path / "warehouse.duckdb")
    assert not publisher.holds_back
    publisher.publish()
    assert path.stat().st_ino == number, "it was of the last commit"
    with warehouse.writing() as connection:
        connection.execute("CREATE TABLE more AS SELECT 1")
    assert publisher.holds_back
    publisher.publish()
    with duckdb.connect(str(path), read_only=True) as connection:
        assert connection.execute("FROM more").fetchall() == [(1,)]
    Publisher(warehouse, path).publish()
    assert format_of(path) == FORMAT_OF_1_5, "asked for no other, it is the database's"


def test_a_copy_that_needs_no_conversion_is_the_file_itself(tmp_path: Path) -> None:
    warehouse = fill(tmp_path / "warehouse.duckdb")
    path = tmp_path / "published.duckdb"
    Publisher(warehouse, path, storage_version="v1.2.0").publish()
    assert path.read_bytes() == (tmp_path / "warehouse.duckdb").read_bytes()


def test_what_a_killed_conversion_left_goes_with_the_next_copy(tmp_path: Path) -> None:
    warehouse = fill(tmp_path / "warehouse.duckdb")
    path = tmp_path / "public" / "published.duckdb"
    left = path.with_name(f".{path.name}.new.abc") / "converted.duckdb.tmp"
    left.mkdir(parents=True)
    (left / "spilled").write_bytes(b"x")
    Publisher(warehouse, path).publish()
    assert {file.name for file in path.parent.iterdir()} == {path.name, f".{path.name}.lock"}


def test_a_copy_in_an_unknown_format_leaves_the_one_before(tmp_path: Path) -> None:
    warehouse = fill(tmp_path / "warehouse.duckdb")
    path = tmp_path / "published.duckdb"
    Publisher(warehouse, path).publish()
    before = path.read_bytes()
    with pytest.raises(UnknownStorageVersionError):
        Publisher(warehouse, path, storage_version="tomorrow").publish()
    assert path.read_bytes() == before

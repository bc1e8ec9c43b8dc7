"""Opening databases of other versions of the program."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from pipedrive_orchestration.importing import ImportReport, Pull
from pipedrive_orchestration.sources import Source
from pipedrive_orchestration.warehouse import Warehouse, WarehouseError, migrations
from pipedrive_orchestration.warehouse.schema import VERSION, stored_version
from pipedrive_orchestration_tests.exactness.truth import Kind
from pipedrive_orchestration_tests.exactness.values import found
from pipedrive_orchestration_tests.importing.canned import serving
from pipedrive_orchestration_tests.importing.imports import quarantine, query, rows, run
from pipedrive_orchestration_tests.warehouse import first_version
from pipedrive_orchestration_tests.warehouse.first_version import FIELDS, RECORDED, Record, people, person

SOURCE = Source.parse(first_version.SOURCE)
KINDS = [
    Kind("name", "varchar", "plain"),
    Kind("emails", "contacts", "plain"),
    Kind("update_time", "datetime", "plain"),
    *(Kind(listed["field_code"], listed["field_type"], "nested") for listed in FIELDS),
]


def version(database: Path) -> int | None:
    with duckdb.connect(str(database), read_only=True) as connection:
        return stored_version(connection)


def as_before_versions(database: Path) -> None:
    """Make of a database what the program wrote before it kept versions, which was never released."""
    with duckdb.connect(str(database)) as connection:
        connection.execute("DROP TABLE import_ledger.schema_version")
        connection.execute("ALTER TABLE import_ledger.imports DROP COLUMN definition")


@pytest.fixture(params=[1, 0], ids=["0.1.0", "before versions"])
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The folder of a database that the first version wrote."""
    database = tmp_path / "warehouse.duckdb"
    first_version.restore(database)
    if request.param == 0:
        as_before_versions(database)
    assert version(database) == request.param
    return tmp_path


def imported(folder: Path, account: list[Record], pull: Pull) -> ImportReport:
    with serving(first_version.replies(account)) as served:
        return run(SOURCE, served.connection, folder, pull)


def account_since() -> list[Record]:
    """The account a week later: one person changed, one mended, one deleted, one new, the rest as it was."""
    later = -3  # days after the first version read it
    changed = person(1, later, tier=2, interests=[8], budget={"value": 99, "currency": "USD"})
    mended = person(3, later, tier=2, score=2.5)
    deleted = person(2, later) | {"is_deleted": True}
    return [changed, deleted, mended, *people()[3:], person(13, later, since="2026-05-16")]


def assert_is(folder: Path, account: list[Record]) -> None:
    """Every cell of the table is the account's."""
    table = rows(folder, "people")
    assert {number for number, row in table.items() if row["_is_current"]} == {
        one["id"] for one in account if not one["is_deleted"]
    }
    for one in account:
        row: dict[str, Any] = table[one["id"]]
        if one["is_deleted"]:
            assert (row["_is_current"], row["_removal"]) == (False, "deleted")
            continue
        for kind in KINDS:
            # The score that is no number was set aside.
            wanted = None if one["custom_fields"].get(kind.key) == "high" else kind.of(one)
            assert found(row[kind.key], kind.field_type) == wanted, (one["id"], kind.key)


def test_a_new_database_has_the_present_version(tmp_path: Path) -> None:
    warehouse = Warehouse(str(tmp_path / "warehouse.duckdb"))
    with warehouse.writing() as connection:
        connection.execute("CREATE TABLE theirs AS SELECT 1")
    assert version(tmp_path / "warehouse.duckdb") is None


def test_an_import_of_changes_migrates_an_older_database_and_goes_on_where_it_was(old: Path) -> None:
    account = account_since()
    report = imported(old, account, Pull.CHANGES)
    assert (report.rows.inserted, report.rows.updated, report.rows.removed) == (1, 2, 1)
    assert version(old / "warehouse.duckdb") == VERSION
    assert_is(old, account)
    assert [(number, key) for number, key, _ in quarantine(old)] == [("11", "score"), ("7", "score")]
    assert query(
        old, "SELECT _valid_from, _valid_to, tier FROM pipedrive_history.people WHERE _id = 1 ORDER BY 1"
    ) == [
        (RECORDED - timedelta(days=9.5), RECORDED + timedelta(days=3), 1),
        (RECORDED + timedelta(days=3), None, 2),
    ]


def test_windows_that_the_first_version_read_are_read_again_and_bring_nothing_new(old: Path) -> None:
    report = imported(old, people(), Pull.WINDOW)
    assert (report.rows.read, report.rows.changed) == (12, 0)
    assert_is(old, people())


def test_a_migrated_database_has_the_tables_of_a_new_one(old: Path, tmp_path_factory: Any) -> None:
    new = tmp_path_factory.mktemp("new")
    columns = (
        "SELECT schema_name, table_name, column_name, data_type FROM duckdb_columns() WHERE NOT internal "
        "ORDER BY ALL"
    )
    for folder in (new, old):
        imported(folder, people(), Pull.WINDOW)
    assert query(old, columns) == query(new, columns)


def test_a_reader_migrates_an_older_database(old: Path) -> None:
    with Warehouse(str(old / "warehouse.duckdb")).reading() as reading:
        watermark = reading.execute("SELECT watermark, by_our_clock FROM import_ledger.watermarks").fetchall()
        read = reading.execute("SELECT count(*), count(read_until) FROM import_ledger.windows").fetchall()
    assert watermark == [(RECORDED - timedelta(days=1),) * 2]
    assert read == [(4, 0)]
    assert version(old / "warehouse.duckdb") == VERSION


def test_a_migration_that_is_interrupted_is_gone_on_with(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class PowerCut(Exception): ...

    def power_cut(connection: duckdb.DuckDBPyConnection) -> None:
        connection.execute("CREATE TABLE import_ledger.half_a_step AS SELECT 1")
        raise PowerCut

    database = old / "warehouse.duckdb"
    steps, before = migrations._STEPS, version(database)
    assert before is not None
    for number in range(before, VERSION):
        with monkeypatch.context() as patched:
            patched.setattr(migrations, "_STEPS", (*steps[:number], power_cut, *steps[number + 1 :]))
            with pytest.raises(PowerCut), Warehouse(str(database)).writing():
                raise AssertionError
        assert version(database) == number
    assert imported(old, people(), Pull.WINDOW).rows.changed == 0
    assert version(database) == VERSION
    tables = query(old, "SELECT table_name FROM duckdb_tables() WHERE schema_name = 'import_ledger'")
    assert ("half_a_step",) not in tables


def test_a_newer_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    database = tmp_path / "warehouse.duckdb"
    first_version.restore(database)
    with duckdb.connect(str(database)) as connection:
        connection.execute("INSERT INTO import_ledger.schema_version VALUES (99, now())")
    before = database.read_bytes()
    warehouse = Warehouse(str(database))
    for opening in (warehouse.reading, warehouse.writing):
        with pytest.raises(WarehouseError, match=r"later version .* version 99, .*Upgrade"), opening():
            raise AssertionError
    assert database.read_bytes() == before

"""A warehouse that moves: all of it arrives or nothing, and imports go on there as if nothing had been."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from pipedrive_orchestration.demo import running_demo
from pipedrive_orchestration.sources import Source
from pipedrive_orchestration.warehouse import Warehouse
from pipedrive_orchestration.warehouse.copies import CopiedTable, UnlikeError, compared, copy_database
from pipedrive_orchestration.warehouse.move import MoveError, move
from pipedrive_orchestration.warehouse.publish import Publisher
from pipedrive_orchestration_tests.conftest import account_settings
from pipedrive_orchestration_tests.exactness import truth
from pipedrive_orchestration_tests.exactness.churn import Churn
from pipedrive_orchestration_tests.exactness.trial import Trial
from pipedrive_orchestration_tests.warehouse.backends import KIND, warehouse_in


@pytest.fixture(scope="module")
def moved(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Trial, Source]]:
    """An account, and a source with a history and one change, whose warehouse is read and not changed."""
    with running_demo(account_settings(scale=0.005)) as demo:
        trial = Trial(demo, tmp_path_factory.mktemp("original"))
        source = trial.whole_source("deals", options={"history": True})
        trial.windows(source)
        Churn(demo, seed=5, families=("deals",)).steps(10)
        trial.changes(source)
        yield trial, source


SHOWN = (
    "SELECT schema_name, table_name, column_name, data_type, column_default, is_nullable, comment "
    "FROM duckdb_columns() WHERE database_name = current_database() AND NOT internal ORDER BY ALL",
    "FROM pipedrive_labeled.deals ORDER BY ALL",
    "FROM pipedrive_lists.deals_label_ids ORDER BY ALL",
    "FROM pipedrive_at.deals(now()) ORDER BY ALL",
    "FROM import_ledger.imports ORDER BY ALL",
    "FROM import_ledger.watermarks ORDER BY ALL",
)


def shown_in(warehouse: Warehouse) -> list[list[tuple[object, ...]]]:
    with warehouse.reading() as connection:
        return [connection.execute(query).fetchall() for query in SHOWN]


def test_what_has_moved_is_the_same_and_imports_go_on(moved: tuple[Trial, Source], tmp_path: Path) -> None:
    trial, source = moved
    places = [Warehouse(str(tmp_path / "there.duckdb"))]
    if KIND != "duckdb":
        (tmp_path / "lake").mkdir()
        places.append(warehouse_in(tmp_path / "lake"))
    here = trial.warehouse
    for there in places:
        told: list[CopiedTable] = []
        done = move(here, there, told.append)
        assert done.tables == told
        assert {("pipedrive", "deals"), ("pipedrive_history", "deals")} <= {one.name for one in told}
        before, after = shown_in(here), shown_in(there)
        if KIND == "duckdb":
            assert after[0] == before[0]
        assert after[1:] == before[1:]
        here = there
    Churn(trial.demo, seed=6, families=("deals",)).steps(10)
    report = trial.changes(source, warehouse=here)
    assert report.notes == ()
    with here.reading() as connection:
        assert truth.differences(connection, trial.demo.account, source) == []


def test_a_move_that_ends_in_the_middle_leaves_nothing_and_can_be_made_again(
    moved: tuple[Trial, Source], tmp_path: Path
) -> None:
    trial, _ = moved
    there = Warehouse(str(tmp_path / "there.duckdb"))
    told: list[CopiedTable] = []

    def end(table: CopiedTable) -> None:
        told.append(table)
        if len(told) == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        move(trial.warehouse, there, end)
    with there.reading() as connection:
        assert connection.execute("SELECT count(*) FROM duckdb_tables()").fetchall() == [(0,)]
    move(trial.warehouse, there)
    assert shown_in(there)[1:] == shown_in(trial.warehouse)[1:]


def test_nothing_is_moved_onto_something(moved: tuple[Trial, Source], tmp_path: Path) -> None:
    trial, _ = moved
    there = Warehouse(str(tmp_path / "there.duckdb"))
    with there.writing() as connection:
        connection.execute("CREATE TABLE dear (to_somebody INTEGER)")
    with pytest.raises(MoveError, match=r"tables in .*there\.duckdb already"):
        move(trial.warehouse, there)
    with pytest.raises(MoveError, match="both what is moved and where"):
        move(there, there)
    with pytest.raises(MoveError, match=r"no database at .*nowhere"):
        move(Warehouse(str(tmp_path / "nowhere.duckdb")), there)
    with there.reading() as connection:
        assert connection.execute("SELECT table_name FROM duckdb_tables()").fetchall() == [("dear",)]


def test_the_files_beside_a_warehouse_move_with_it(tmp_path: Path) -> None:
    here, there = (Warehouse(str(tmp_path / name / "crm.duckdb")) for name in ("here", "there"))
    with here.writing() as connection:
        connection.execute("CREATE TABLE held AS SELECT 1 AS a")
    kept = tmp_path / "here" / "files" / "attachments" / "7-offer.pdf"
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b"%PDF")
    copied = tmp_path / "there" / "files" / "attachments" / "7-offer.pdf"
    copied.parent.mkdir(parents=True)
    copied.write_bytes(b"another")
    with pytest.raises(MoveError, match=r"7-offer\.pdf is there already"):
        move(here, there)
    copied.write_bytes(b"%PDF")
    (kept.parent / "8-plan.pdf").write_bytes(b"plan")
    assert move(here, there).folders == [tmp_path / "there" / "files"]
    assert (copied.parent / "8-plan.pdf").read_bytes() == b"plan"
    assert (copied.parent / "8-plan.pdf").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("rows", "said"), [("range(2)", "has 2 of 3 rows"), ("range(1, 4)", "has other values")]
)
def test_a_table_that_is_not_alike_is_refused(rows: str, said: str) -> None:
    with duckdb.connect() as connection:
        connection.execute("ATTACH ':memory:' AS original; ATTACH ':memory:' AS copy")
        connection.execute("CREATE TABLE original.held AS SELECT i FROM range(3) AS r(i)")
        connection.execute(f"CREATE TABLE copy.held AS SELECT i FROM {rows} AS r(i)")
        with pytest.raises(UnlikeError, match=said):
            compared(connection, "original", "copy", ("main", "held"))


def test_a_view_that_crosses_tables_is_copied_as_it_was_meant() -> None:
    with duckdb.connect() as connection:
        connection.execute("ATTACH ':memory:' AS original; ATTACH ':memory:' AS copy")
        connection.execute("CREATE TABLE original.held AS SELECT i FROM range(3) AS r(i)")
        connection.execute(
            "CREATE VIEW original.seen AS SELECT h.i, ' , ' AS text FROM original.main.held AS h "
            "CROSS JOIN (SELECT 7 AS n) AS o LEFT JOIN original.main.held AS k ON k.i = h.i + o.n"
        )
        connection.execute("CREATE VIEW original.above AS SELECT text FROM original.main.seen")
        copy_database(connection, "original", "copy")
        assert connection.execute("FROM copy.above").fetchall() == [(" , ",)] * 3


def test_a_backup_that_nobody_can_write_is_moved_back(tmp_path: Path) -> None:
    original, restored = (Warehouse(str(tmp_path / name)) for name in ("crm.duckdb", "again.duckdb"))
    with original.writing() as connection:
        connection.execute("CREATE TABLE held AS SELECT 1 AS a")
    backup = Publisher(original, tmp_path / "backup" / "crm.duckdb").publish()
    assert move(Warehouse(str(backup.path)), restored).rows == 1
    with restored.writing() as connection:
        connection.execute("INSERT INTO held VALUES (2)")

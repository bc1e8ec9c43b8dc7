"""Opening the warehouse among other processes, and what is said where it cannot be opened."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import duckdb
import pytest

from pipedrive_orchestration.settings import Settings
from pipedrive_orchestration.warehouse import Warehouse, WarehouseError
from pipedrive_orchestration_tests.warehouse.processes import let_go, python, wait_until_ready

HOLD_OUR_LOCK = """
    import sys
    from pipedrive_orchestration.warehouse import Warehouse
    with Warehouse(sys.argv[1]).writing() as connection:
        connection.execute("CREATE TABLE theirs AS SELECT 1")
        print("ready", flush=True)
        sys.stdin.readline()
"""

HOLD_AS_A_STRANGER = """
    import sys, duckdb
    connection = duckdb.connect(sys.argv[1], read_only=sys.argv[2] == "reading")
    print("ready", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def database(tmp_path: Path) -> str:
    return str(tmp_path / "warehouse.duckdb")


def tables(database: str) -> set[str]:
    with Warehouse(database).reading() as connection:
        return {name for (name,) in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()}


def write(database: str, table: str = "ours", patience: float = 30) -> None:
    with Warehouse(database, patience=patience).writing() as connection:
        connection.execute(f"CREATE TABLE {table} AS SELECT 1")


def test_a_writer_waits_for_another_process_of_ours(database: str) -> None:
    with python(HOLD_OUR_LOCK, database) as other:
        wait_until_ready(other)
        waiting = threading.Thread(target=write, args=(database,))
        waiting.start()
        waiting.join(timeout=0.3)
        assert waiting.is_alive()
        let_go(other)
        waiting.join(timeout=20)
        assert not waiting.is_alive()
    assert tables(database) == {"theirs", "ours"}


@pytest.mark.parametrize("holding", ["reading", "writing"])
def test_a_writer_waits_for_a_program_that_knows_nothing_of_our_lock(database: str, holding: str) -> None:
    write(database, "before")
    with python(HOLD_AS_A_STRANGER, database, holding) as other:
        wait_until_ready(other)
        waiting = threading.Thread(target=write, args=(database,))
        waiting.start()
        waiting.join(timeout=0.3)
        assert waiting.is_alive()
        let_go(other)
        waiting.join(timeout=20)
        assert not waiting.is_alive()
    assert tables(database) == {"before", "ours"}


def test_a_lock_that_is_never_given_back_is_an_error_in_the_end(database: str) -> None:
    with python(HOLD_OUR_LOCK, database) as other:
        wait_until_ready(other)
        with pytest.raises(WarehouseError, match="in use by another import, command or API") as caught:
            write(database, patience=0.2)
    assert database in str(caught.value)
    write(database)
    assert tables(database) == {"ours"}


def test_a_stranger_that_never_leaves_is_an_error_in_the_end(database: str) -> None:
    write(database, "before")
    with python(HOLD_AS_A_STRANGER, database, "writing") as other:
        wait_until_ready(other)
        began = time.monotonic()
        with pytest.raises(WarehouseError, match=r"in use by another program .*python.*PID .* for 0 s"):
            write(database, patience=0.3)
        with (
            pytest.raises(WarehouseError, match="in use by another program"),
            Warehouse(database, patience=0.1).reading(),
        ):
            pass
        assert time.monotonic() - began < 3


def test_the_lock_of_a_killed_process_is_free(database: str) -> None:
    with python(HOLD_OUR_LOCK, database) as other:
        wait_until_ready(other)
        other.kill()
        other.wait()
        write(database, patience=5)
    assert tables(database) == {"ours"}


def test_threads_of_one_process_take_turns(database: str) -> None:
    threads = [threading.Thread(target=write, args=(database, f"t{number}")) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert tables(database) == {f"t{number}" for number in range(6)}


@pytest.mark.parametrize(
    "error", [ValueError("ours"), KeyboardInterrupt(), duckdb.ConversionException("theirs")]
)
def test_an_error_takes_everything_back_and_frees_the_lock(database: str, error: BaseException) -> None:
    write(database, "before")

    def fail() -> None:
        with Warehouse(database).writing() as connection:
            connection.execute("CREATE TABLE half AS SELECT 1; DROP TABLE before")
            raise error

    with pytest.raises(type(error)):
        fail()
    write(database, patience=1)
    assert tables(database) == {"before", "ours"}


def test_a_failed_statement_takes_everything_back(database: str) -> None:

    def fail() -> None:
        with Warehouse(database).writing() as connection:
            connection.execute("CREATE TABLE half AS SELECT 1")
            connection.execute("SELECT 'x'::INTEGER")

    with pytest.raises(duckdb.Error):
        fail()
    assert tables(database) == set()


def test_times_are_utc_and_readers_cannot_write(database: str) -> None:
    write(database)
    with Warehouse(database).reading() as connection:
        assert connection.execute("SELECT (TIMESTAMPTZ '2026-01-01 00:00:00+00')::VARCHAR").fetchone() == (
            "2026-01-01 00:00:00+00",
        )
        with pytest.raises(duckdb.Error, match="read-only"):
            connection.execute("CREATE TABLE x AS SELECT 1")


def test_a_missing_folder_is_made_for_a_writer(tmp_path: Path) -> None:
    database = str(tmp_path / "a" / "b" / "warehouse.duckdb")
    write(database)
    assert tables(database) == {"ours"}


def test_reading_what_is_not_there_says_so_and_makes_nothing(tmp_path: Path) -> None:
    warehouse = Warehouse(str(tmp_path / "a" / "warehouse.duckdb"))
    assert not warehouse.exists
    with pytest.raises(WarehouseError, match="run an import first"), warehouse.reading():
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"this is no database" * 1000, b"short", b"\0" * 4096])
def test_a_corrupt_file_is_named_and_left_alone(database: str, content: bytes) -> None:
    Path(database).write_bytes(content)
    for opening in (Warehouse(database).writing, Warehouse(database).reading):
        with pytest.raises(WarehouseError, match="Restore a copy") as caught, opening():
            pass
        assert database in str(caught.value)
        assert "\n" not in str(caught.value)
    assert Path(database).read_bytes() == content


def test_a_read_only_file_is_named_before_anything_is_read(database: str) -> None:
    write(database)
    Path(database).chmod(0o444)
    with pytest.raises(WarehouseError, match=r"warehouse\.duckdb is read-only"):
        write(database, "more")
    assert tables(database) == {"ours"}


def test_a_read_only_folder_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir(mode=0o555)
    with pytest.raises(WarehouseError, match="folder is read-only"):
        write(str(folder / "warehouse.duckdb"))
    folder.chmod(0o755)


def test_a_file_where_the_folder_should_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(WarehouseError, match="cannot be made"):
        write(str(tmp_path / "file" / "warehouse.duckdb"))


def test_a_folder_where_the_file_should_be_is_named(tmp_path: Path) -> None:
    with pytest.raises(WarehouseError, match="cannot be opened as a DuckDB database"):
        write(str(tmp_path))


@pytest.mark.parametrize(
    ("database", "path"),
    [
        ("data/w.duckdb", Path("data/w.duckdb")),
        ("md:crm", None),
        ("ducklake:postgres:x", None),
        ("C:/w", Path("C:/w")),
    ],
)
def test_only_local_databases_have_a_path(database: str, path: Path | None) -> None:
    assert Warehouse(database).path == path


def test_the_environment_names_the_database() -> None:
    assert (
        Warehouse.from_settings(Settings.from_variables({"PIPEDRIVE_WAREHOUSE": "md:crm"})).database
        == "md:crm"
    )
    assert (
        Warehouse.from_settings(Settings.from_variables({"PIPEDRIVE_WAREHOUSE": ""})).database
        == "./data/warehouse.duckdb"
    )

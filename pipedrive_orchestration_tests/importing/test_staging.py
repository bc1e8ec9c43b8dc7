"""Staged pages: full disks, killed imports, imports side by side, and nothing ever left behind."""

from __future__ import annotations

import shutil
import subprocess
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipedrive_orchestration.importing import StagingError
from pipedrive_orchestration.importing.staging import staging_folder
from pipedrive_orchestration.pipedrive.auth import Connection
from pipedrive_orchestration.warehouse import Warehouse, WarehouseError
from pipedrive_orchestration_tests.conftest import FreshDemo
from pipedrive_orchestration_tests.importing.accounts import account, deal
from pipedrive_orchestration_tests.importing.canned import TOKEN, Answer, Asked, Reply, serving
from pipedrive_orchestration_tests.importing.imports import query, rows, run, source
from pipedrive_orchestration_tests.warehouse.processes import python

IMPORT = """
    import resource, sys
    from pathlib import Path
    from pipedrive_orchestration.pipedrive.auth import Connection
    from pipedrive_orchestration_tests.importing.imports import run, source
    url, token, folder, object_type, properties, largest_file = sys.argv[1:]
    if int(largest_file):
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(largest_file), int(largest_file)))
    try:
        report = run(source(object_type, properties.split(",")), Connection.of(url, token), Path(folder))
        print(report.rows.current, flush=True)
    except Exception as error:
        print(type(error).__name__, error, flush=True)
"""
WHOLE = "0"


def left_behind(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "staging").rglob("*"))


def test_a_stage_is_gone_at_the_end_whatever_happens(tmp_path: Path) -> None:
    with staging_folder(tmp_path, "deals", uuid.uuid4()) as staged:
        (first,), second = staged.add(b"{}\n"), staged.next_file("parquet")
        assert first.read_bytes() == b"{}\n"
        assert first.name < second.name

    def fail() -> None:
        with staging_folder(tmp_path, "deals", uuid.uuid4()) as staged:
            staged.add(b"{}\n")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with (
        pytest.raises(StagingError, match="PIPEDRIVE_STAGING") as caught,
        staging_folder(tmp_path / "file" / "staging", "deals", uuid.uuid4()),
    ):
        pass
    assert str(tmp_path / "file" / "staging") in str(caught.value)


def test_a_full_disk_while_staging_leaves_nothing_half_written(tmp_path: Path) -> None:
    found = [deal(number, title="x" * 1000) for number in range(200)]
    with (
        serving(account("deals", found)) as served,
        python(IMPORT, served.url, TOKEN, tmp_path, "deals", "id,title", 50_000) as process,
    ):
        told, trouble = process.communicate(timeout=60)
    assert told.startswith(f"StagingError Pages cannot be staged in {tmp_path}"), trouble
    assert "File too large. Free some space there" in told
    assert told.count("\n") == 1
    assert left_behind(tmp_path) == []
    assert not (tmp_path / "warehouse.duckdb").exists()
    with serving(account("deals", found)) as served:
        assert run(source("deals", ["id", "title"]), served.connection, tmp_path).rows.inserted == 200


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of three megabytes, which is gone with this process, however that ends."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = shutil.which("mount")
    made = mount and subprocess.run(
        [mount, "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if not made or made.returncode:
        pytest.skip("file systems cannot be mounted here")
    with subprocess.Popen(["sh", "-c", 'cat; umount --lazy "$0"', folder], stdin=subprocess.PIPE):
        yield folder


def test_a_full_disk_under_the_warehouse_loses_nothing_that_was_there(
    small_disk: Path, tmp_path: Path
) -> None:
    warehouse, what = Warehouse(str(small_disk / "warehouse.duckdb")), source("deals", ["id", "title"])
    with serving(account("deals", [deal(1)])) as served:
        run(what, served.connection, tmp_path, warehouse=warehouse)
    found = [deal(number, title=uuid.uuid4().hex * 40) for number in range(1, 3000)]
    with serving(account("deals", found)) as served:
        with pytest.raises(WarehouseError, match=r"The disk of .*/warehouse\.duckdb is full"):
            run(what, served.connection, tmp_path, warehouse=warehouse)
        assert rows(small_disk, "deals").keys() == {1}
        subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
        run(what, served.connection, tmp_path, warehouse=warehouse)
    assert query(small_disk, "SELECT count(*), min(length(title)) FROM pipedrive.deals") == [(2999, 1280)]
    assert left_behind(tmp_path) == []


class Halting:
    """A list of two pages that gives the second one only when it is let."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.let = threading.Event()

    def __call__(self, asked: Asked) -> Answer:
        if "cursor" not in asked.query:
            return Answer({"success": True, "data": [deal(1)], "additional_data": {"next_cursor": "2"}})
        self.reached.set()
        self.let.wait(30)
        return Answer({"success": True, "data": [deal(2)], "additional_data": {"next_cursor": None}})


@pytest.fixture
def halting() -> Iterator[tuple[Halting, str]]:
    """The list, and the address of its account."""
    reply = Halting()
    replies: dict[str, Reply] = {"/api/v2/deals": reply}
    with serving(replies) as served:
        yield reply, served.url
        reply.let.set()


def test_what_a_killed_import_left_is_swept_by_the_next(halting: tuple[Halting, str], tmp_path: Path) -> None:
    reply, url = halting
    with python(IMPORT, url, TOKEN, tmp_path, "deals", "id", WHOLE) as process:
        assert reply.reached.wait(30)
        process.kill()
        process.wait()
    assert any(name.endswith(".ndjson") for name in left_behind(tmp_path))
    reply.let.set()
    run(source("deals", ["id"]), Connection.of(url, TOKEN), tmp_path)
    assert rows(tmp_path, "deals").keys() == {1, 2}
    assert left_behind(tmp_path) == []


def test_the_stage_of_a_living_import_is_left_alone(halting: tuple[Halting, str], tmp_path: Path) -> None:
    reply, url = halting
    with python(IMPORT, url, TOKEN, tmp_path, "deals", "id", WHOLE) as process:
        assert reply.reached.wait(30)
        with serving(account("users", [{"id": 7}])) as served:
            run(source("users", ["id"]), served.connection, tmp_path)
        reply.let.set()
        told, trouble = process.communicate(timeout=60)
    assert told == "2\n", trouble
    assert rows(tmp_path, "deals").keys() == {1, 2}
    assert rows(tmp_path, "users").keys() == {7}
    assert left_behind(tmp_path) == []


def test_imports_in_several_processes_all_land(fresh_demo: FreshDemo, tmp_path: Path) -> None:
    demo = fresh_demo()
    wanted = ["persons", "persons", "deals"]
    with (
        python(IMPORT, demo.url, demo.token, tmp_path, wanted[0], "id,name", WHOLE) as first,
        python(IMPORT, demo.url, demo.token, tmp_path, wanted[1], "id,name", WHOLE) as second,
        python(IMPORT, demo.url, demo.token, tmp_path, wanted[2], "id,title", WHOLE) as third,
    ):
        told = [process.communicate(timeout=60) for process in (first, second, third)]
    for name, (counted, trouble) in zip(wanted, told, strict=True):
        here = [record["id"] for record in demo.account.records(name)
                if not record.get("is_deleted") and not record.get("is_archived")]  # fmt: skip
        assert counted == f"{len(here)}\n", trouble
        assert rows(tmp_path, name).keys() == set(here)
    statuses = query(tmp_path, "SELECT source, status FROM import_ledger.imports ORDER BY source")
    assert statuses == [("deals", "succeeded"), ("persons", "succeeded"), ("persons", "succeeded")]
    assert left_behind(tmp_path) == []

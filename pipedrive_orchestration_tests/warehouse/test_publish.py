"""Copies for other programs: of a commit, whole at every moment, and never in an import's way."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest

from pipedrive_orchestration.demo import DemoServer
from pipedrive_orchestration.orchestration import PipedriveResource, WarehouseResource, build_source_asset
from pipedrive_orchestration.orchestration.context import ProjectContext
from pipedrive_orchestration.orchestration.sensors.publish import build_publishing_sensors
from pipedrive_orchestration.settings import Settings
from pipedrive_orchestration.warehouse import Warehouse, WarehouseError
from pipedrive_orchestration.warehouse.publish import KeptPublished, Publisher, PublishingError
from pipedrive_orchestration_tests.chaos.test_resources import own_mounts
from pipedrive_orchestration_tests.clocks import machine_clock
from pipedrive_orchestration_tests.orchestration.conftest import instance, source
from pipedrive_orchestration_tests.warehouse.processes import let_go, python, wait_until_ready

__all__ = ["instance"]


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    """A database of a few megabytes, of which every commit changes every row."""
    filled = Warehouse(str(tmp_path / "warehouse.duckdb"), patience=30)
    with filled.writing() as connection:
        connection.execute("CREATE TABLE commits (number INTEGER)")
        connection.execute(
            "CREATE TABLE bulk AS SELECT md5(i::VARCHAR) AS text, 0 AS commits FROM range(50_000) AS r(i)"
        )
    return filled


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "public" / "published.duckdb"


def commit(warehouse: Warehouse) -> None:
    with warehouse.writing() as connection:
        connection.execute("INSERT INTO commits SELECT count(*) FROM commits")
        connection.execute("UPDATE bulk SET text = md5(text), commits = commits + 1")


def commits_in(path: Path) -> int:
    """How many commits a copy holds, and that it holds all of each and nothing of the next."""
    with duckdb.connect(str(path), read_only=True) as connection:
        counted = connection.execute("SELECT count(*) FROM commits").fetchone()
        states = connection.execute("SELECT commits, count(text) FROM bulk GROUP BY ALL").fetchall()
    assert counted is not None
    assert states == [(*counted, 50_000)]
    return int(counted[0])


def files(path: Path) -> set[str]:
    return {file.name for file in path.parent.iterdir()} - {f".{path.name}.lock"}


def test_every_copy_is_of_a_commit_whoever_writes_and_publishes(warehouse: Warehouse, path: Path) -> None:
    def write() -> list[int]:
        for _ in range(4):
            commit(warehouse)
        return []

    def publish() -> list[int]:
        seen = []
        while not writing.done():
            Publisher(warehouse, path).publish()
            seen.append(commits_in(path))
        return seen

    with ThreadPoolExecutor(3) as pool:
        writing = pool.submit(write)
        for publishing in [pool.submit(publish) for _ in range(2)]:
            seen = publishing.result()
            assert seen == sorted(seen)
        writing.result()
    Publisher(warehouse, path).publish()
    assert commits_in(path) == 4
    assert files(path) == {path.name}


WRITE_AS_A_STRANGER = """
    import sys, duckdb
    with duckdb.connect(sys.argv[1]) as connection:
        connection.execute("INSERT INTO commits VALUES (0)")
        print("ready", flush=True)
        sys.stdin.readline()
        connection.execute("UPDATE bulk SET commits = 1")
"""


def test_a_copy_waits_for_whoever_writes(warehouse: Warehouse, path: Path) -> None:
    publisher = Publisher(warehouse, path)
    with ThreadPoolExecutor(1) as pool:
        with python(WRITE_AS_A_STRANGER, warehouse.database) as stranger:
            wait_until_ready(stranger)
            publishing = pool.submit(publisher.publish)
            with pytest.raises(TimeoutError):
                publishing.result(timeout=0.3)
            let_go(stranger)
            publishing.result(timeout=20)
        assert commits_in(path) == 1
        commit(warehouse)
        with warehouse.writing() as connection:
            connection.execute("INSERT INTO commits VALUES (2)")
            publishing = pool.submit(publisher.publish)
            with pytest.raises(TimeoutError):
                publishing.result(timeout=0.3)
            connection.execute("UPDATE bulk SET commits = 3")
        publishing.result(timeout=20)
    assert commits_in(path) == 3


def test_who_has_the_copy_open_goes_on_reading_it(warehouse: Warehouse, path: Path) -> None:
    Publisher(warehouse, path).publish()
    with duckdb.connect(str(path), read_only=True) as reader:
        commit(warehouse)
        path.with_name(f"{path.name}.wal").write_bytes(b"of the copy before")
        Publisher(warehouse, path).publish()
        assert reader.execute("SELECT sum(commits) FROM bulk").fetchone() == (0,)
    assert commits_in(path) == 1
    assert files(path) == {path.name}


def test_a_copy_that_is_of_the_last_commit_stays(warehouse: Warehouse, path: Path) -> None:
    publisher = Publisher(warehouse, path)
    assert publisher.holds_back
    first = publisher.publish()
    number = path.stat().st_ino
    assert not publisher.holds_back
    assert publisher.publish() == first
    assert path.stat().st_ino == number
    assert first.bytes == path.stat().st_size > 100_000


def test_who_may_read_the_database_may_read_the_copy_and_nobody_may_write_it(
    warehouse: Warehouse, path: Path
) -> None:
    assert warehouse.path is not None
    warehouse.path.chmod(0o640)
    Publisher(warehouse, path).publish()
    assert path.stat().st_mode & 0o777 == 0o440
    path.chmod(0o444)
    commit(warehouse)
    Publisher(warehouse, path).publish()
    assert path.stat().st_mode & 0o777 == 0o444


COMMIT_AND_DIE = """
    import os, sys, duckdb
    connection = duckdb.connect(sys.argv[1])
    connection.execute("BEGIN; INSERT INTO commits VALUES (0); UPDATE bulk SET commits = 1; COMMIT")
    print("ready", flush=True)
    sys.stdin.readline()
"""


def test_what_a_killed_writer_committed_is_published(warehouse: Warehouse, path: Path) -> None:
    with python(COMMIT_AND_DIE, warehouse.database) as writer:
        wait_until_ready(writer)
        writer.kill()
        writer.wait()
    assert Path(f"{warehouse.database}.wal").exists()
    Publisher(warehouse, path).publish()
    assert commits_in(path) == 1


PUBLISH_AND_DIE = """
    import resource, signal, sys
    from pathlib import Path
    from pipedrive_orchestration.warehouse import Warehouse
    from pipedrive_orchestration.warehouse.publish import Publisher

    if sys.argv[3] == "killed":
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)  # the system kills who writes past the limit
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
    Publisher(Warehouse(sys.argv[1]), Path(sys.argv[2])).publish()
"""


def test_a_publisher_that_is_killed_leaves_the_copy_before(warehouse: Warehouse, path: Path) -> None:
    Publisher(warehouse, path).publish()
    commit(warehouse)
    with python(PUBLISH_AND_DIE, warehouse.database, path, "killed") as killed:
        killed.wait(timeout=30)
        assert killed.returncode < 0
    assert len(files(path)) == 2
    assert commits_in(path) == 0
    Publisher(warehouse, path).publish()
    assert commits_in(path) == 1
    assert files(path) == {path.name}


def test_a_disk_that_takes_no_more_leaves_the_copy_before(warehouse: Warehouse, path: Path) -> None:
    Publisher(warehouse, path).publish()
    commit(warehouse)
    with python(PUBLISH_AND_DIE, warehouse.database, path, "refused") as refused:
        _, said = refused.communicate(timeout=30)
    assert f"{path} cannot be written: File too large. Publish to a place that can be written." in said
    assert commits_in(path) == 0
    assert files(path) == {path.name}


ON_A_SMALL_DISK = """
    import json, os, subprocess, sys
    from pathlib import Path
    from pipedrive_orchestration.warehouse import Warehouse
    from pipedrive_orchestration.warehouse.publish import KeptPublished, Publisher

    disk = Path(sys.argv[2])
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=96m", "tmpfs", disk], check=True)
    told = []
    for left in (90, 60):
        with (disk / "ballast").open("wb") as ballast:
            os.posix_fallocate(ballast.fileno(), 0, (96 - left) << 20)
        kept = KeptPublished(Publisher(Warehouse(sys.argv[1]), disk / "published.duckdb", every=0))
        kept.at_end()
        told.append([kept.problem, sorted(file.name for file in disk.glob("*.duckdb"))])
        with Warehouse(sys.argv[1]).writing() as connection:
            connection.execute("INSERT INTO commits VALUES (0)")
    print(json.dumps(told))
"""


@pytest.mark.skipif(not own_mounts(), reason="needs unshare and user namespaces for a small disk")
def test_a_full_disk_fails_nothing_but_the_publication(warehouse: Warehouse, tmp_path: Path) -> None:
    disk, program = tmp_path / "disk", tmp_path / "program.py"
    disk.mkdir()
    program.write_text("if True:" + ON_A_SMALL_DISK)
    ended = subprocess.run(
        ["unshare", "-rm", sys.executable, program, warehouse.database, disk],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    (fine, there), (full, still_there) = json.loads(ended.stdout)
    assert fine == ""
    assert "has no room for a copy" in full
    assert "the copy before it is still there. Free some space" in full
    assert there == still_there == ["published.duckdb"]


@pytest.fixture
def time_of_files() -> Iterator[None]:
    """The clock by which a file tells since when it is there."""
    with machine_clock():
        yield


@pytest.mark.usefixtures("time_of_files")
def test_merges_that_follow_soon_are_held_back(warehouse: Warehouse, path: Path) -> None:
    kept = KeptPublished(Publisher(warehouse, path, every=3600))
    assert kept.copy is None
    commit(warehouse)
    kept.after_merge()
    commit(warehouse)
    kept.after_merge()
    kept.at_end()
    assert kept.problem == ""
    assert kept.copy is not None
    assert commits_in(path) in (1, 2)
    commit(warehouse)
    later = KeptPublished(Publisher(warehouse, path, every=3600))
    later.at_end()
    assert commits_in(path) < 3
    assert Publisher(warehouse, path).holds_back
    due = KeptPublished(Publisher(warehouse, path, every=0))
    due.at_end()
    assert commits_in(path) == 3


def test_without_a_word_in_the_settings_nothing_is_published(warehouse: Warehouse, tmp_path: Path) -> None:
    kept = KeptPublished(Publisher.from_settings(Settings(warehouse=warehouse.database)))
    kept.after_merge()
    kept.at_end()
    assert (kept.copy, kept.problem) == (None, "")
    assert {file.name for file in tmp_path.glob("*.duckdb")} == {"warehouse.duckdb"}


def tick(settings: Settings) -> str:
    (sensor,) = build_publishing_sensors(ProjectContext(settings))
    with dg.build_sensor_context() as context:
        skipped = sensor(context)
    assert isinstance(skipped, dg.SkipReason)
    return str(skipped.skip_message)


@pytest.mark.usefixtures("time_of_files")
def test_the_sensor_publishes_what_runs_held_back_once_it_is_due(warehouse: Warehouse, path: Path) -> None:
    assert build_publishing_sensors() == []
    settings = Settings(warehouse=warehouse.database, publish=path, publish_every=3600)
    Publisher(warehouse, path).publish()
    assert tick(settings) == "Everything is published."
    commit(warehouse)
    assert tick(settings) == "Less than 3600 s have passed since the last copy."
    assert commits_in(path) == 0
    assert tick(settings.but(publish_every=0)).startswith("Published ")
    assert commits_in(path) == 1


def materialize(
    demo: DemoServer, database: str, publish: Path, instance: dg.DagsterInstance
) -> tuple[Mapping[str, Any], list[str]]:
    """A run that imports a small source: metadata of its materialisation, and its warnings."""
    pipelines = source(object_type="pipelines", properties=["id", "name"])
    resources = {
        "pipedrive": PipedriveResource(url=demo.url, token=demo.token),
        "warehouse": WarehouseResource(database=database, publish=str(publish)),
    }
    result = dg.materialize([build_source_asset(pipelines)], instance=instance, resources=resources)
    assert result.success
    (event,) = result.get_asset_materialization_events()
    metadata = event.step_materialization_data.materialization.metadata
    logged = instance.all_logs(result.run_id)
    warnings = [entry.user_message for entry in logged if entry.level == logging.WARNING]
    return {key: value.value for key, value in metadata.items()}, warnings


def test_a_run_publishes_and_says_where_or_why_it_cannot(
    demo: DemoServer, tmp_path: Path, path: Path, instance: dg.DagsterInstance
) -> None:
    database = str(tmp_path / "warehouse.duckdb")
    metadata, warnings = materialize(demo, database, path, instance)
    assert warnings == []
    assert metadata["published_copy"] == str(path)
    assert metadata["published_bytes"] == path.stat().st_size
    assert metadata["published_at"] == pytest.approx(path.stat().st_ctime)
    with duckdb.connect(str(path), read_only=True) as copy:
        counted = copy.execute("SELECT count(*) FROM pipedrive.all_deals").fetchone()
        assert copy.execute("SELECT status FROM import_ledger.imports").fetchall() == [("succeeded",)]
    assert counted == (metadata["dagster/row_count"],)
    assert demo.token.encode() not in path.read_bytes()
    metadata, warnings = materialize(demo, database, tmp_path, instance)
    assert metadata["dagster/row_count"] == counted[0]
    assert "published_copy" not in metadata
    assert warnings == [f"{tmp_path} is a folder: name the file to publish to."]


@pytest.mark.parametrize("database", [":memory:", "md:crm"])
def test_only_a_file_or_a_lake_can_be_published(database: str, path: Path) -> None:
    with pytest.raises(PublishingError, match=f"a file of this machine or a lake .* {database} is neither"):
        Publisher(Warehouse(database), path).publish()


def test_a_file_that_is_no_copy_is_left_alone(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("dear to somebody")
    with pytest.raises(PublishingError, match="no published copy, since it can be written"):
        Publisher(Warehouse("warehouse.duckdb"), path).publish()
    assert path.read_text() == "dear to somebody"


def test_what_cannot_be_published_to_is_named(tmp_path: Path) -> None:
    warehouse = Warehouse(str(tmp_path / "warehouse.duckdb"))
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(warehouse.database)
    for place, said in {
        "warehouse.duckdb": "is the database itself",
        "link": "is the database itself",
        ".": "is a folder",
        "file/published.duckdb": "cannot be written: ",
    }.items():
        with pytest.raises(PublishingError, match=said):
            Publisher(warehouse, tmp_path / place).publish()
    with pytest.raises(WarehouseError, match="run an import first"):
        Publisher(Warehouse(str(tmp_path / "none.duckdb")), tmp_path / "published.duckdb").publish()

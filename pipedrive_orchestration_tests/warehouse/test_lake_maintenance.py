"""The maintenance of a lake, the file that is published of one, and a lake on S3: run where DuckLake is."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import dagster as dg
import duckdb
import pytest

from pipedrive_orchestration.orchestration.context import ProjectContext
from pipedrive_orchestration.orchestration.maintenance import maintenance_definitions
from pipedrive_orchestration.settings import Settings
from pipedrive_orchestration.warehouse import Warehouse, WarehouseError
from pipedrive_orchestration.warehouse.extensions import packaged_extension
from pipedrive_orchestration.warehouse.maintenance import (
    NothingToMaintainError,
    extent_of,
    maintain,
)
from pipedrive_orchestration.warehouse.publish import Publisher
from pipedrive_orchestration_tests.exactness.churn import Churn
from pipedrive_orchestration_tests.exactness.conftest import FreshTrial, fresh_trial
from pipedrive_orchestration_tests.exactness.trial import Trial
from pipedrive_orchestration_tests.instances import dagster_instance
from pipedrive_orchestration_tests.servers import KEY_ID, SECRET, Server, object_storage
from pipedrive_orchestration_tests.warehouse.backends import KIND

__all__ = ["fresh_trial"]

on_lakes = pytest.mark.skipif(
    KIND == "duckdb" or packaged_extension("ducklake") is None,
    reason="runs on lakes, by `make test-duckdb`",
)

NO_PAST = timedelta(0)


def test_a_file_needs_no_maintenance(tmp_path: Path) -> None:
    with pytest.raises(NothingToMaintainError, match="is no lake"):
        maintain(Warehouse(str(tmp_path / "crm.duckdb")), NO_PAST)


@pytest.mark.parametrize(("database", "jobs"), [("crm.duckdb", 0), ("ducklake:crm.ducklake", 1)])
def test_a_lake_is_maintained_every_night(database: str, jobs: int) -> None:
    """Where the definitions are loaded, nothing of the warehouse is opened."""
    found = maintenance_definitions(ProjectContext(settings=Settings(warehouse=database)))
    assert len(list(found.jobs or [])) == len(list(found.schedules or [])) == jobs


@on_lakes
def test_the_job_says_what_it_has_done(fresh_trial: FreshTrial) -> None:
    trial = fresh_trial(scale=0.005)
    trial.windows(trial.source("deals"))
    trial.changes(trial.source("deals"))
    lake = trial.warehouse.lake
    assert lake is not None
    settings = Settings(warehouse=trial.warehouse.database, warehouse_data=lake.data, keep_snapshots_days=0)
    project = ProjectContext(settings=settings)
    definitions = dg.Definitions.merge(
        dg.Definitions(resources=project.resources()), maintenance_definitions(project)
    )
    with dagster_instance() as instance:
        done = definitions.resolve_job_def("maintain_warehouse").execute_in_process(instance=instance)
    assert done.success
    assert extent_of(trial.warehouse).snapshots == 1


@on_lakes
def test_files_are_merged_and_the_past_ends_and_no_row_changes(fresh_trial: FreshTrial) -> None:
    trial = fresh_trial(scale=0.005)
    source = trial.source("deals", options={"history": True})
    trial.windows(source)
    churn = Churn(trial.demo, seed=11, families=("deals",))
    for _ in range(5):
        churn.steps(5)
        trial.changes(source)
    rows = trial.ask("FROM pipedrive_history.deals ORDER BY ALL")
    kept = maintain(trial.warehouse, timedelta(days=1))
    assert kept.merged > 0
    assert kept.removed == 0
    assert kept.after.snapshots > kept.before.snapshots
    assert kept.after.files < kept.before.files
    done = maintain(trial.warehouse, NO_PAST)
    assert done.after.snapshots == 1
    assert done.removed > 0
    assert done.after.waiting == 0
    on_disk = list((trial.folder).rglob("*.parquet"))
    assert len(on_disk) == done.after.files
    assert trial.ask("FROM pipedrive_history.deals ORDER BY ALL") == rows
    assert trial.differences(source) == []
    again = maintain(trial.warehouse, NO_PAST)
    assert (again.merged, again.after.files) == (0, done.after.files)


@on_lakes
def test_what_a_killed_commit_has_left_is_removed(fresh_trial: FreshTrial) -> None:
    trial = fresh_trial(scale=0.005)
    source = trial.source("persons")
    trial.windows(source)
    orphan = next(trial.folder.rglob("*.parquet"))
    left = orphan.with_name("ducklake-01900000-0000-7000-8000-000000000000.parquet")
    left.write_bytes(orphan.read_bytes())
    maintain(trial.warehouse, timedelta(days=1))
    assert left.exists(), "it may be of a commit that is being made"
    maintain(trial.warehouse, NO_PAST)
    assert not left.exists()
    assert trial.differences(source) == []


@on_lakes
def test_maintenance_and_imports_do_not_disturb_each_other(fresh_trial: FreshTrial) -> None:
    trial = fresh_trial(scale=0.005)
    source = trial.source("deals")
    trial.windows(source)
    ended, problems = threading.Event(), []

    def keep_maintaining() -> None:
        while not ended.wait(0.3):
            try:
                maintain(trial.warehouse, NO_PAST)
            except Exception as error:  # noqa: BLE001 - whatever it is, the test is to fail of it
                problems.append(error)
                return

    maintenance = threading.Thread(target=keep_maintaining)
    maintenance.start()
    churn = Churn(trial.demo, seed=12, families=("deals",))
    try:
        for _ in range(8):
            churn.steps(5)
            trial.changes(source)
    finally:
        ended.set()
        maintenance.join()
    assert problems == []
    assert trial.differences(source) == []


in_a_file = pytest.mark.skipif(
    KIND != "ducklake" or packaged_extension("ducklake") is None, reason="is of a file"
)


@in_a_file
def test_a_lake_in_a_file_may_be_named_and_put_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here").mkdir()
    with Warehouse("ducklake:here/crm.ducklake").writing() as connection:
        connection.execute("CREATE TABLE held AS SELECT 1 AS a")
    monkeypatch.chdir("/")
    for place in ("here", "there"):
        (tmp_path / "here").rename(tmp_path / place)
        with Warehouse(f"ducklake:{tmp_path / place / 'crm.ducklake'}").writing() as connection:
            connection.execute("INSERT INTO held SELECT max(a) + 1 FROM held")
            rows = connection.execute("FROM held ORDER BY ALL").fetchall()
    assert rows == [(1,), (2,), (3,)]


@in_a_file
def test_a_lake_keeps_its_place_and_no_other_lake_gets_it(tmp_path: Path) -> None:
    catalogue, files = f"ducklake:{tmp_path / 'crm.ducklake'}", tmp_path / "files"
    with Warehouse(catalogue, data=str(files)).writing() as connection:
        connection.execute("CREATE TABLE held AS SELECT 1 AS a")
    elsewhere = Warehouse(catalogue, data=str(tmp_path / "elsewhere"))
    with pytest.raises(WarehouseError, match=r"lie in .*files.*Set it to"), elsewhere.writing():
        "Not reached."
    another = Warehouse(f"ducklake:{tmp_path / 'other.ducklake'}", data=str(files))
    with pytest.raises(WarehouseError, match="There are files in"), another.writing():
        "Not reached."
    assert not another.exists
    with Warehouse(catalogue, data=str(files)).reading() as connection:
        assert connection.execute("FROM held").fetchall() == [(1,)]


@on_lakes
def test_a_file_is_published_of_a_lake(fresh_trial: FreshTrial, tmp_path: Path) -> None:
    trial = fresh_trial(scale=0.005)
    source = trial.source("deals", options={"history": True})
    trial.windows(source)
    publisher = Publisher(trial.warehouse, tmp_path / "public" / "crm.duckdb")
    assert publisher.holds_back
    first = publisher.publish()
    assert not publisher.holds_back
    assert publisher.publish() == first
    assert content_of(first.path) == trial.ask("FROM pipedrive_labeled.deals ORDER BY ALL")
    Churn(trial.demo, seed=13, families=("deals",)).steps(10)
    trial.changes(source)
    assert publisher.holds_back
    publisher.publish()
    assert content_of(first.path) == trial.ask("FROM pipedrive_labeled.deals ORDER BY ALL")
    assert first.path.stat().st_mode & 0o777 == 0o400


def content_of(file: Path) -> list[tuple[object, ...]]:
    with duckdb.connect(str(file), read_only=True) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        assert connection.execute("SELECT count(*) > 0 FROM pipedrive_at.deals(now())").fetchall() == [
            (True,)
        ]
        return connection.execute("FROM pipedrive_labeled.deals ORDER BY ALL").fetchall()


@pytest.fixture
def s3() -> Iterator[Server]:
    brought = next(Path(duckdb.__file__).parents[1].glob("bin/weed"), None)
    with object_storage(brought) as server:
        yield server


@on_lakes
def test_a_lake_keeps_its_files_on_s3(fresh_trial: FreshTrial, s3: Server) -> None:
    trial = fresh_trial(scale=0.005)
    name = trial.warehouse.database
    choices = {"s3_endpoint": f"http://127.0.0.1:{s3.port}", "s3_key_id": KEY_ID, "s3_region": "eu-central-1"}
    settings = Settings.model_validate(
        {"warehouse": name, "warehouse_data": "s3://crm/lake", "s3_secret": SECRET, **choices}
    )
    trial.warehouse = Warehouse.from_settings(settings)
    exact_after_changes(trial)
    assert list(trial.folder.rglob("*.parquet")) == []
    done = maintain(trial.warehouse, NO_PAST)
    assert done.removed > 0
    assert extent_of(trial.warehouse).waiting == 0
    s3.kill()
    with pytest.raises(duckdb.Error) as unreachable:
        trial.ask("SELECT sum(_id) FROM pipedrive.deals")
    assert SECRET not in str(unreachable.value)
    s3.start()
    exact_after_changes(trial)
    wrong = Settings.model_validate(settings.model_dump() | {"s3_secret": "of-somebody-else"})
    trial.warehouse = Warehouse.from_settings(wrong)
    with pytest.raises(duckdb.Error, match="Forbidden") as refused:
        trial.ask("SELECT sum(_id) FROM pipedrive.deals")
    assert "of-somebody-else" not in str(refused.value)


def exact_after_changes(trial: Trial) -> None:
    source = trial.source("deals")
    trial.windows(source)
    Churn(trial.demo, seed=14, families=("deals",)).steps(10)
    trial.changes(source)
    assert trial.differences(source) == []

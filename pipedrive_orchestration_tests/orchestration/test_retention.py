"""Old runs go with all that is kept of them, and every window stays what it was."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import time_machine
from dagster._core.storage.event_log.sqlite import SqliteEventLogStorage

from pipedrive_orchestration.importing import Pull
from pipedrive_orchestration.orchestration import build_definitions
from pipedrive_orchestration.orchestration.context import ProjectContext
from pipedrive_orchestration.orchestration.sensors.retention import build_retention_sensor
from pipedrive_orchestration.services.run_requests import request_of_changes
from pipedrive_orchestration.settings import Settings
from pipedrive_orchestration.sources import LoadedSources
from pipedrive_orchestration_tests.clocks import PRESENT
from pipedrive_orchestration_tests.orchestration.conftest import new_source

SOURCE = new_source(
    object_type="products",
    properties=["id", "name"],
    options={"partitions_start": f"{PRESENT - timedelta(days=50):%Y-%m}"},
)
PROJECT = ProjectContext(Settings(keep_runs_days=90, keep_ticks_days=7))
KEY = PROJECT.names.asset_key(SOURCE.slug)
STARTED = {"dagster/schedule_name": "all_deals_schedule"}


@dg.asset
def somebody_elses() -> None:
    """An asset of the same Dagster that is not ours."""


def test_old_runs_go_and_windows_stay_green(instance: dg.DagsterInstance, resources: dict[str, Any]) -> None:
    definitions = build_definitions(LoadedSources((SOURCE,), ()))
    job = dg.Definitions.merge(
        dg.Definitions(assets=definitions.assets, resources=resources)
    ).resolve_implicit_global_asset_job_def()

    def run(days: float, tags: dict[str, str]) -> str:
        with time_machine.travel(PRESENT + timedelta(days=days)):
            return job.execute_in_process(
                instance=instance, asset_selection=[KEY], tags=tags, raise_on_error=False,
                run_config={"ops": {"pipedrive__all_deals": {"config": {"pull": config}}}},
            ).run_id  # fmt: skip

    def tick(days: float) -> str:
        now = PRESENT + timedelta(days=days)
        asked = request_of_changes(SOURCE, now, instance, PROJECT.names, run_key="")
        return run(days, {**asked.tags, **STARTED})

    def delete(days: float) -> str:
        sensor = build_retention_sensor([], PROJECT, clock=lambda: PRESENT + timedelta(days=days))
        with dg.build_sensor_context(instance=instance) as context:
            return str(sensor.evaluate_tick(context).skip_message)

    def kept() -> set[str]:
        return {record.dagster_run.run_id for record in instance.get_run_records()}

    config = Pull.WINDOW.value
    everything = run(0, {})
    windows = instance.get_materialized_partitions(KEY)
    assert len(windows) >= 2
    config = Pull.CHANGES.value
    ticks = [tick(0.2), tick(0.3)]
    with time_machine.travel(PRESENT):
        others = dg.materialize([somebody_elses], instance=instance).run_id
        others_again = dg.materialize([somebody_elses], instance=instance).run_id
    assert delete(6).startswith("0 runs")
    assert kept() == {everything, *ticks, others, others_again}

    assert delete(8).startswith("1 runs")  # of the ticks only the last one still shows anything
    assert kept() == {everything, ticks[-1], others, others_again}
    assert delete(100).startswith("0 runs")
    config = Pull.WINDOW.value
    once_more = run(101, {})
    assert delete(102).startswith("2 runs")
    # Those of somebody else are theirs to delete.
    assert kept() == {once_more, others, others_again}
    # In 101 days months have begun, whose windows were read as well.
    assert instance.get_materialized_partitions(KEY) > windows

    storage = instance.event_log_storage
    assert isinstance(storage, SqliteEventLogStorage)
    files = {path.stem for path in Path(storage.path_for_shard("index")).parent.glob("*.db")}
    assert files <= {"index", "", ".db", once_more, others, others_again}
    latest = storage.get_latest_asset_check_execution_by_key(
        [dg.AssetCheckKey(KEY, "unique_ids"), dg.AssetCheckKey(KEY, "schema_drift")]
    )
    assert {record.run_id for record in latest.values()} == {once_more}
    history = storage.get_asset_check_execution_history(dg.AssetCheckKey(KEY, "unique_ids"), limit=1000)
    assert {record.run_id for record in history} == {once_more}


def test_what_sensors_report_goes_but_for_the_last(instance: dg.DagsterInstance) -> None:
    status, other = PROJECT.names.status_key, dg.AssetKey("somebody_elses")
    for day in range(20):
        with time_machine.travel(PRESENT + timedelta(days=day)):
            for key in (status, other):
                instance.report_runless_asset_event(dg.AssetMaterialization(key, metadata={"day": day}))
    sensor = build_retention_sensor([], PROJECT, clock=lambda: PRESENT + timedelta(days=19, hours=1))
    with dg.build_sensor_context(instance=instance) as context:
        told = sensor.evaluate_tick(context).skip_message
    assert told == "0 runs and 13 events that belong to no run were deleted."

    def days_of(key: dg.AssetKey) -> list[object]:
        found = instance.fetch_materializations(key, limit=100).records
        return [
            one.asset_materialization and one.asset_materialization.metadata["day"].value for one in found
        ]

    assert days_of(status) == list(reversed(range(13, 20)))
    assert len(days_of(other)) == 20


@pytest.mark.parametrize("field", ["keep_runs_days", "keep_ticks_days"])
def test_days_are_positive(field: str) -> None:
    with pytest.raises(ValueError, match="keep_"):
        Settings.model_validate({field: 0})

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import pytest

from pipedrive_orchestration.orchestration import PipedriveResource, build_definitions, build_source_asset
from pipedrive_orchestration.orchestration.sensors.initial_import import (
    RETRY_AFTER,
    build_initial_import_sensor,
)
from pipedrive_orchestration.sources import LoadedSources, Source
from pipedrive_orchestration_tests.instances import dagster_instance
from pipedrive_orchestration_tests.orchestration.conftest import source

NOW = datetime(2026, 12, 5, 12, tzinfo=UTC)
FIRST, CURRENT = "2024-10-01", "2026-12-01"


def tick(
    instance: dg.DagsterInstance,
    *sources: Source,
    at: datetime = NOW,
    cursor: str | None = None,
    token: str = "token",
) -> tuple[list[dg.RunRequest], str | None, str | None]:
    """The runs that an evaluation asks for, why it skips, and its cursor."""
    sensor = build_initial_import_sensor(sources, clock=lambda: at)
    resources = {"pipedrive": PipedriveResource(url="http://127.0.0.1:1", token=token)}
    repository = build_definitions(LoadedSources(sources)).get_repository_def()
    with dg.build_sensor_context(
        instance=instance, cursor=cursor, resources=resources, repository_def=repository
    ) as context:
        ticked = sensor.evaluate_tick(context)
    return list(ticked.run_requests or []), ticked.skip_message, ticked.cursor


def launched(instance: dg.DagsterInstance, request: dg.RunRequest, status: str) -> dg.DagsterRun:
    run = dg.DagsterRun(job_name="x", tags=dict(request.tags), status=dg.DagsterRunStatus[status])
    instance.add_run(run)
    return run


def materialize(instance: dg.DagsterInstance, *keys: str | None) -> None:
    for key in keys:
        instance.report_runless_asset_event(
            dg.AssetMaterialization(dg.AssetKey(["pipedrive", "all_deals"]), partition=key)
        )


def test_a_new_source_is_imported_over_all_windows(instance: dg.DagsterInstance) -> None:
    (request,), _, _ = tick(instance, source())
    assert request.asset_selection == [dg.AssetKey(["pipedrive", "all_deals"])]
    assert request.run_config == {}
    assert request.tags["dagster/asset_partition_range_start"] == FIRST
    assert request.tags["dagster/asset_partition_range_end"] == CURRENT
    assert request.tags["pipedrive/pull"] == "window"
    assert request.tags["pipedrive/source"] == "all_deals"
    assert request.tags["pipedrive/initial_import"] == str(source().id)


def test_without_existing_records_it_follows_changes_from_the_creation_on(
    instance: dg.DagsterInstance,
) -> None:
    (request,), _, _ = tick(instance, source(pull_existing=False))
    assert request.run_config == {"ops": {"pipedrive__all_deals": {"config": {"pull": "changes"}}}}
    assert request.tags["dagster/asset_partition_range_start"] == "2026-10-01"
    assert request.tags["dagster/asset_partition_range_end"] == CURRENT
    assert request.tags["pipedrive/initial_import"] == str(source().id)


def test_a_snapshot_is_imported_without_windows(instance: dg.DagsterInstance) -> None:
    (request,), _, _ = tick(instance, source(object_type="stages", properties=["id"]))
    assert not [tag for tag in request.tags if "partition" in tag]


@pytest.mark.parametrize(
    "changes",
    [
        {"pull_mode": "static", "schedule": None, "pull_existing": False},
        {"expiration_date": "2026-12-04"},
    ],
)
def test_where_nothing_is_to_be_imported_nothing_is(
    instance: dg.DagsterInstance, changes: dict[str, Any]
) -> None:
    requests, reason, cursor = tick(instance, source(**changes))
    assert (requests, reason) == ([], "The first imports that are due have been launched.")
    assert tick(instance, source(**changes), cursor=cursor)[1] == "Every source has had its first import."


def test_evaluations_ask_for_the_same_run_until_it_is_there_and_never_again(
    instance: dg.DagsterInstance,
) -> None:
    (one,), _, _ = tick(instance, source())
    (other,), _, cursor = tick(instance, source())
    # Dagster launches one run for a run key, however often it is asked for.
    assert one.run_key == other.run_key == f"{source().id}/1"
    for status in ("NOT_STARTED", "STARTING", "STARTED"):
        with dagster_instance() as another:
            launched(another, one, status)
            assert tick(another, source(), cursor=cursor)[0] == []
    launched(instance, one, "SUCCESS")
    requests, _, cursor = tick(instance, source(), cursor=cursor)
    assert requests == []
    assert tick(instance, source(), cursor=cursor)[1] == "Every source has had its first import."


def test_a_lost_cursor_launches_nothing_twice(instance: dg.DagsterInstance) -> None:
    (request,), _, _ = tick(instance, source())
    launched(instance, request, "SUCCESS")
    assert tick(instance, source(), cursor=None)[0] == []


def test_a_failed_import_is_tried_again_later_and_a_cancelled_one_is_not(
    instance: dg.DagsterInstance,
) -> None:
    (request,), _, _ = tick(instance, source())
    launched(instance, request, "FAILURE")
    (record,) = instance.get_run_records()
    now = record.update_timestamp.replace(tzinfo=UTC)  # by the clock of SQLite
    assert tick(instance, source(), at=now + RETRY_AFTER / 2)[0] == []
    (again,), _, _ = tick(instance, source(), at=now + RETRY_AFTER + timedelta(minutes=1))
    assert again.run_key == f"{source().id}/2"
    launched(instance, again, "CANCELED")
    requests, _, cursor = tick(instance, source(), at=now + timedelta(days=9))
    assert requests == []
    assert cursor == f'["{source().id}"]'


def test_a_source_that_was_imported_otherwise_is_left_alone(instance: dg.DagsterInstance) -> None:
    materialize(instance, FIRST, CURRENT)
    assert tick(instance, source())[0] == []


def test_a_scheduled_tick_that_came_first_is_no_first_import(instance: dg.DagsterInstance) -> None:
    materialize(instance, CURRENT)
    assert len(tick(instance, source())[0]) == 1
    assert tick(instance, source(pull_existing=False))[0] == []


def test_without_a_token_it_waits_for_one(instance: dg.DagsterInstance) -> None:
    requests, reason, cursor = tick(instance, source(), token="")
    assert requests == []
    assert "User is not connected to 'pipedrive'." in (reason or "")
    assert len(tick(instance, source(), cursor=cursor)[0]) == 1


def test_of_two_runs_of_a_race_one_imports(instance: dg.DagsterInstance, resources: dict[str, Any]) -> None:
    stages = source(object_type="stages", slug="stages", properties=["id", "name"])
    (request,), _, _ = tick(instance, stages)
    results = [
        dg.materialize(
            [build_source_asset(stages)], instance=instance, resources=resources, tags=request.tags
        )
        for _ in range(2)
    ]
    assert all(result.success for result in results)
    key = dg.AssetKey(["pipedrive", "stages"])
    records = instance.fetch_materializations(key, limit=10).records
    assert [record.run_id for record in records] == [results[0].run_id]


def test_children_wait_for_their_parents(instance: dg.DagsterInstance) -> None:
    deals, products = (
        source(),
        source(slug="products_of_deals", object_type="deal_products", properties=["id"], parents="all_deals"),
    )
    (request,), _, _ = tick(instance, deals, products)
    assert request.tags["pipedrive/source"] == "all_deals"
    materialize(instance, FIRST)
    requests, _, _ = tick(instance, deals, products)
    assert [one.tags["pipedrive/source"] for one in requests] == ["products_of_deals"]

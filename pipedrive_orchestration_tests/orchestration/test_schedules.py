from __future__ import annotations

from datetime import UTC, datetime

import dagster as dg
import pytest

from pipedrive_orchestration.orchestration import build_source_asset, build_source_schedule
from pipedrive_orchestration.sources import Source
from pipedrive_orchestration_tests.orchestration.conftest import source

NOON = datetime(2026, 12, 5, 12, tzinfo=UTC)


def tick(configured: Source, instance: dg.DagsterInstance, at: datetime = NOON) -> dg.RunRequest | str:
    """The run that a tick asks for, or why it skips."""
    schedule = build_source_schedule(configured, build_source_asset(configured))
    assert schedule is not None
    with dg.build_schedule_context(instance=instance, scheduled_execution_time=at) as context:
        data = schedule.evaluate_tick(context)
    if data.skip_message:
        return data.skip_message
    (request,) = data.run_requests or []
    return request


def requested(configured: Source, instance: dg.DagsterInstance, at: datetime = NOON) -> tuple[str, str]:
    request = tick(configured, instance, at)
    assert isinstance(request, dg.RunRequest)
    return (
        request.tags["dagster/asset_partition_range_start"],
        request.tags["dagster/asset_partition_range_end"],
    )


def materialize(instance: dg.DagsterInstance, *keys: str) -> None:
    for key in keys:
        instance.report_runless_asset_event(
            dg.AssetMaterialization(dg.AssetKey(["pipedrive", "all_deals"]), partition=key)
        )


def test_an_active_source_has_a_running_utc_schedule() -> None:
    configured = source()
    schedule = build_source_schedule(configured, build_source_asset(configured))
    assert schedule is not None
    assert schedule.name == "all_deals_schedule"
    assert schedule.cron_schedule == "*/15 * * * *"
    assert schedule.execution_timezone == "UTC"
    assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING


def test_a_static_source_has_no_schedule() -> None:
    configured = source(pull_mode="static")
    assert build_source_schedule(configured, build_source_asset(configured)) is None


def test_a_tick_asks_for_changes_and_is_tagged(instance: dg.DagsterInstance) -> None:
    request = tick(source(), instance)
    assert isinstance(request, dg.RunRequest)
    assert request.run_config == {"ops": {"pipedrive__all_deals": {"config": {"pull": "changes"}}}}
    assert request.tags["pipedrive/source"] == "all_deals"
    assert request.tags["pipedrive/pull"] == "changes"
    assert request.run_key == NOON.isoformat()


@pytest.mark.parametrize(
    ("done", "first"),
    [
        ([], "2026-10-01"),
        (["2026-12-01"], "2026-12-01"),
        (["2024-10-01", "2026-11-01"], "2026-11-01"),
        (["2026-08-01"], "2026-08-01"),
    ],
)
def test_a_tick_reaches_from_the_newest_materialised_window_to_now(
    instance: dg.DagsterInstance, done: list[str], first: str
) -> None:
    materialize(instance, *done)
    assert requested(source(), instance) == (first, "2026-12-01")


def test_a_tick_at_the_turn_of_the_month_belongs_to_the_new_window(instance: dg.DagsterInstance) -> None:
    materialize(instance, "2026-11-01")
    last, next_ = datetime(2026, 11, 30, 23, 59, 59, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC)
    assert requested(source(), instance, last) == ("2026-11-01", "2026-11-01")
    assert requested(source(), instance, next_) == ("2026-11-01", "2026-12-01")


def test_a_snapshot_is_requested_without_windows(instance: dg.DagsterInstance) -> None:
    request = tick(source(object_type="stages", properties=["id"]), instance)
    assert isinstance(request, dg.RunRequest)
    assert not [tag for tag in request.tags if "partition" in tag]


def test_ticks_skip_after_the_last_day(instance: dg.DagsterInstance) -> None:
    expiring = source(expiration_date="2026-12-05")
    assert isinstance(tick(expiring, instance, datetime(2026, 12, 5, 23, 59, 59, tzinfo=UTC)), dg.RunRequest)
    skipped = tick(expiring, instance, datetime(2026, 12, 6, tzinfo=UTC))
    assert skipped == "The source expired: 2026-12-05 was its last day (UTC)."


@pytest.mark.parametrize("status", ["NOT_STARTED", "STARTING", "STARTED", "CANCELING"])
def test_a_tick_skips_while_a_run_of_the_source_is_under_way(
    instance: dg.DagsterInstance, status: str
) -> None:
    tags = {"pipedrive/source": "all_deals"}
    run = dg.DagsterRun(job_name="x", tags=tags, status=dg.DagsterRunStatus[status])
    instance.add_run(run)
    assert tick(source(), instance) == f"The run {run.run_id} of this source has not finished yet."
    assert isinstance(tick(source(slug="others"), instance), dg.RunRequest)


@pytest.mark.parametrize("status", ["SUCCESS", "FAILURE", "CANCELED"])
def test_a_finished_run_holds_nothing_up(instance: dg.DagsterInstance, status: str) -> None:
    tags = {"pipedrive/source": "all_deals"}
    instance.add_run(dg.DagsterRun(job_name="x", tags=tags, status=dg.DagsterRunStatus[status]))
    assert isinstance(tick(source(), instance), dg.RunRequest)

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone

import dagster as dg
import pytest
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.remote_origin import (
    InProcessCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import InstigatorState, InstigatorStatus, ScheduleInstigatorData
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin

from pipedrive_orchestration.orchestration.sensors.expiration import build_expiration_sensor
from pipedrive_orchestration.services.dagster_internals import ScheduleStates
from pipedrive_orchestration.services.names import LOCATION
from pipedrive_orchestration.sources import Source, is_expired
from pipedrive_orchestration_tests.orchestration.conftest import source


def store_state(
    instance: dg.DagsterInstance,
    name: str,
    status: InstigatorStatus = InstigatorStatus.DECLARED_IN_CODE,
    location: str = "pipedrive_orchestration",
) -> None:
    """What the daemon stores of a schedule at its first look, or the UI when it is switched."""
    target = LoadableTargetOrigin(module_name="pipedrive_orchestration.definitions")
    origin = RemoteInstigatorOrigin(
        RemoteRepositoryOrigin(InProcessCodeLocationOrigin(target, location_name=location), "__repository__"),
        name,
    )
    data = ScheduleInstigatorData("*/15 * * * *", start_timestamp=0.0)
    instance.add_instigator_state(InstigatorState(origin, InstigatorType.SCHEDULE, status, data))


class Sensor:
    """The expiration sensor as the daemon evaluates it: again and again with its own cursor."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self._instance = instance
        self._cursor: str | None = None

    def evaluate(self, *sources: Source, at: datetime) -> list[dg.AssetObservation]:
        sensor = build_expiration_sensor(sources, clock=lambda: at)
        with dg.build_sensor_context(instance=self._instance, cursor=self._cursor) as context:
            ticked = sensor.evaluate_tick(context)
        self._cursor = ticked.cursor
        return [event for event in ticked.asset_events if isinstance(event, dg.AssetObservation)]


@pytest.fixture
def sensor(instance: dg.DagsterInstance) -> Sensor:
    return Sensor(instance)


LAST_DAY = "2028-02-29"
BEFORE = datetime(2028, 2, 29, 23, 59, 59, tzinfo=UTC)
AFTER = datetime(2028, 3, 1, tzinfo=UTC)


def test_the_schedule_is_stopped_after_the_last_day_and_observed_once(
    instance: dg.DagsterInstance, sensor: Sensor
) -> None:
    store_state(instance, "all_deals_schedule")
    store_state(instance, "others_schedule")
    expiring, others = source(expiration_date=LAST_DAY), source(slug="others")
    states = ScheduleStates(instance, LOCATION)

    assert sensor.evaluate(expiring, others, at=BEFORE) == []
    assert states.running() == {"all_deals_schedule", "others_schedule"}

    (observation,) = sensor.evaluate(expiring, others, at=AFTER)
    assert observation.asset_key == dg.AssetKey(["pipedrive", "all_deals"])
    assert observation.metadata["status"].value == "expired"
    assert states.running() == {"others_schedule"}
    assert states.stopped() == {"all_deals_schedule"}
    assert sensor.evaluate(expiring, others, at=AFTER + timedelta(days=9)) == []


def test_a_schedule_that_somebody_starts_again_is_stopped_again(
    instance: dg.DagsterInstance, sensor: Sensor
) -> None:
    store_state(instance, "all_deals_schedule")
    expiring = source(expiration_date=LAST_DAY)
    sensor.evaluate(expiring, at=AFTER)
    ScheduleStates(instance, LOCATION).reset("all_deals_schedule")
    store_state(instance, "all_deals_schedule", InstigatorStatus.RUNNING)
    assert sensor.evaluate(expiring, at=AFTER) == []
    assert ScheduleStates(instance, LOCATION).stopped() == {"all_deals_schedule"}


def test_before_the_daemon_knows_the_schedule_there_is_nothing_to_stop(
    instance: dg.DagsterInstance, sensor: Sensor
) -> None:
    expiring = source(expiration_date=LAST_DAY)
    assert len(sensor.evaluate(expiring, at=AFTER)) == 1
    store_state(instance, "all_deals_schedule")
    assert sensor.evaluate(expiring, at=AFTER) == []
    assert ScheduleStates(instance, LOCATION).stopped() == {"all_deals_schedule"}


def test_a_later_last_day_lets_a_schedule_run_again_unless_it_was_paused(
    instance: dg.DagsterInstance, sensor: Sensor
) -> None:
    store_state(instance, "all_deals_schedule")
    store_state(instance, "paused_schedule", InstigatorStatus.STOPPED)
    slugs = ("all_deals", "paused")
    sensor.evaluate(*(source(slug=slug, expiration_date=LAST_DAY) for slug in slugs), at=AFTER)
    prolonged = [source(slug=slug, expiration_date="2028-12-31") for slug in slugs]
    sensor.evaluate(*prolonged, at=AFTER)
    # Without a stored state a schedule is what its definition says: running.
    assert ScheduleStates(instance, LOCATION).stopped() == {"paused_schedule"}


def test_schedules_of_other_code_locations_are_left_alone(
    instance: dg.DagsterInstance, sensor: Sensor
) -> None:
    store_state(instance, "all_deals_schedule", location="elsewhere")
    sensor.evaluate(source(expiration_date=LAST_DAY), at=AFTER)
    (state,) = instance.all_instigator_state(instigator_type=InstigatorType.SCHEDULE)
    assert state.is_running


@pytest.mark.parametrize(
    ("last_day", "instant", "expired"),
    [
        ("2028-02-29", datetime(2028, 2, 29, 23, 59, 59, 999999, tzinfo=UTC), False),
        ("2028-02-29", datetime(2028, 3, 1, tzinfo=UTC), True),
        # The clocks of Tallinn go back on that day; in UTC it is a day like any other.
        ("2026-10-25", datetime(2026, 10, 26, 1, 30, tzinfo=timezone(timedelta(hours=2))), False),
        ("2026-10-25", datetime(2026, 10, 26, 2, 0, tzinfo=timezone(timedelta(hours=2))), True),
        ("2026-12-31", datetime(2026, 12, 31, 20, 0, tzinfo=timezone(timedelta(hours=-8))), True),
    ],
)
def test_days_are_those_of_utc(last_day: str, instant: datetime, expired: bool) -> None:
    assert is_expired(source(expiration_date=last_day), instant) is expired


def test_the_cursor_forgets_sources_that_are_gone(instance: dg.DagsterInstance, sensor: Sensor) -> None:
    sensor.evaluate(source(expiration_date=LAST_DAY), at=AFTER)
    sensor.evaluate(at=AFTER)
    assert json.loads(sensor._cursor or "") == {}

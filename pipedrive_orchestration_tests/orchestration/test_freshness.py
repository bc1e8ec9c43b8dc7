from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import pytest
from dagster._core.scheduler.instigation import InstigatorStatus
from hypothesis import given
from hypothesis import strategies as st

from pipedrive_orchestration.orchestration.sensors.freshness import build_freshness_sensor
from pipedrive_orchestration.services.freshness import GRACE, Lateness, freshness_of
from pipedrive_orchestration.sources import next_ticks
from pipedrive_orchestration.warehouse import ledger, schema
from pipedrive_orchestration_tests.orchestration.conftest import source
from pipedrive_orchestration_tests.orchestration.test_expiration import store_state

WATERMARK = datetime(2026, 12, 5, 12, tzinfo=UTC)

SKEW = timedelta(days=40)
"""How far our clock is ahead of Pipedrive's: schedules are kept by ours."""


@pytest.mark.parametrize(
    ("schedule", "age", "lateness"),
    [
        ("*/15 * * * *", timedelta(minutes=25), Lateness.FRESH),
        ("*/15 * * * *", timedelta(minutes=26), Lateness.LATE),
        ("*/15 * * * *", timedelta(minutes=41), Lateness.VERY_LATE),
        ("0 12 * * *", timedelta(hours=24, minutes=9), Lateness.FRESH),
        ("0 12 * * *", timedelta(hours=24, minutes=11), Lateness.LATE),
        ("0 12 * * *", timedelta(hours=49), Lateness.VERY_LATE),
        ("0 0 1 1 *", timedelta(days=20), Lateness.FRESH),
    ],
)
def test_a_source_is_measured_by_its_own_schedule(schedule: str, age: timedelta, lateness: Lateness) -> None:
    state = freshness_of(source(schedule=schedule), WATERMARK, WATERMARK + age, stopped=False)
    assert state.lateness is lateness


def test_a_source_at_rest_is_not_late() -> None:
    later = WATERMARK + timedelta(days=9)
    assert freshness_of(source(), WATERMARK, later, stopped=True).lateness is Lateness.AT_REST
    expired = source(expiration_date="2026-12-05")
    assert freshness_of(expired, WATERMARK, later, stopped=False).lateness is Lateness.AT_REST


@given(
    schedule=st.sampled_from(["*/5 * * * *", "7 * * * *", "0 6 * * MON-FRI", "0 0 29 2 *", "@weekly"]),
    after=st.timedeltas(timedelta(0), timedelta(days=400)),
)
def test_lateness_counts_the_ticks_that_brought_nothing(schedule: str, after: timedelta) -> None:
    now = WATERMARK + after
    missed = [tick for tick in next_ticks(schedule, WATERMARK, 3) if tick + GRACE < now]
    expected = [Lateness.FRESH, Lateness.LATE, Lateness.VERY_LATE, Lateness.VERY_LATE][len(missed)]
    assert freshness_of(source(schedule=schedule), WATERMARK, now, stopped=False).lateness is expected


def test_the_sensor_reports_what_becomes_late_and_what_recovers(
    instance: dg.DagsterInstance, resources: dict[str, Any]
) -> None:
    warehouse = resources["warehouse"].warehouse()
    watched = source()
    never_imported = source(slug="never_imported")
    cursor: str | None = None

    def evaluate(at: datetime) -> list[tuple[bool, str]]:
        nonlocal cursor
        sensor = build_freshness_sensor([watched, never_imported], clock=lambda: at)
        context = dg.build_sensor_context(
            instance=instance, cursor=cursor, resources={"warehouse": resources["warehouse"]}
        )
        with context:
            ticked = sensor.evaluate_tick(context)
        cursor = ticked.cursor or cursor
        events = [event for event in ticked.asset_events if isinstance(event, dg.AssetCheckEvaluation)]
        assert all(event.asset_key == dg.AssetKey(["pipedrive", "all_deals"]) for event in events)
        return [(event.passed, event.severity.value) for event in events]

    def load_until(watermark: datetime) -> None:
        with warehouse.writing() as connection:
            schema.prepare(connection)
            moved = ledger.Watermark(watermark - SKEW, "x", by_our_clock=watermark)
            ledger.move_watermark(connection, "all_deals", moved, watermark - SKEW)

    assert evaluate(WATERMARK) == []
    load_until(WATERMARK)
    assert evaluate(WATERMARK + timedelta(minutes=20)) == []
    assert evaluate(WATERMARK + timedelta(minutes=27)) == [(False, "WARN")]
    assert evaluate(WATERMARK + timedelta(minutes=28)) == []
    assert evaluate(WATERMARK + timedelta(minutes=60)) == [(False, "ERROR")]
    load_until(WATERMARK + timedelta(minutes=60))
    assert [passed for passed, _ in evaluate(WATERMARK + timedelta(minutes=61))] == [True]
    store_state(instance, "all_deals_schedule", InstigatorStatus.STOPPED)
    assert [passed for passed, _ in evaluate(WATERMARK + timedelta(days=9))] == [True]

"""The check that Pipedrive still delivers, the pulls that close a gap, and ticks that leave out pulls."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from pipedrive_orchestration.demo import DemoServer
from pipedrive_orchestration.orchestration import PipedriveResource
from pipedrive_orchestration.orchestration.context import ProjectContext
from pipedrive_orchestration.orchestration.project_definitions import build_definitions
from pipedrive_orchestration.orchestration.source.asset import build_source_asset
from pipedrive_orchestration.orchestration.source.schedule import build_source_schedule
from pipedrive_orchestration.orchestration.webhooks import webhook_definitions
from pipedrive_orchestration.pipedrive.auth import Connection
from pipedrive_orchestration.services.freshness import Lateness, freshness_of
from pipedrive_orchestration.services.live import are_live
from pipedrive_orchestration.services.names import DEFAULT_NAMES, PULL_TAG, SOURCE_TAG
from pipedrive_orchestration.settings import Settings
from pipedrive_orchestration.sources import InvalidBodyError, LoadedSources, Source
from pipedrive_orchestration.webhooks.subscriptions import register, remove
from pipedrive_orchestration_tests.clocks import PRESENT
from pipedrive_orchestration_tests.conftest import FreshDemo
from pipedrive_orchestration_tests.orchestration.conftest import source

SETTINGS = Settings.from_variables(
    {"PIPEDRIVE_WEBHOOK_USER": "pipedrive", "PIPEDRIVE_WEBHOOK_PASSWORD": "a password"}
)


def pipelines(**options: Any) -> Source:
    return source(slug="pipelines", object_type="pipelines", properties=["name"], options=options)


class Hourly:
    """The sensor on an account, and what it says."""

    def __init__(self, demo: DemoServer, instance: dg.DagsterInstance, one: Source) -> None:
        self.connection = Connection.of(demo.url, demo.token)
        self.resources = {"pipedrive": PipedriveResource(url=demo.url, token=demo.token)}
        self.instance = instance
        self.one = one
        self.cursor: str | None = None

    def look(self, at: datetime) -> tuple[bool, int]:
        """Whether the check passes, and how many pulls are launched."""
        project = ProjectContext(SETTINGS)
        definitions = webhook_definitions([self.one], project, clock=lambda: at)
        (sensor,) = definitions.sensors or ()
        assert isinstance(sensor, dg.SensorDefinition)
        repository = build_definitions(LoadedSources((self.one,)), project=project).get_repository_def()
        with dg.build_sensor_context(
            instance=self.instance,
            cursor=self.cursor,
            resources=self.resources,
            repository_def=repository,
        ) as context:
            ticked = sensor.evaluate_tick(context)
        self.cursor = ticked.cursor
        (evaluation,) = ticked.asset_events
        assert isinstance(evaluation, dg.AssetCheckEvaluation)
        self.instance.report_runless_asset_event(evaluation)
        return evaluation.passed, len(ticked.run_requests or ())


def test_what_is_lost_when_pipedrive_stops_is_pulled_once_and_again_when_it_goes_on(
    fresh_demo: FreshDemo, instance: dg.DagsterInstance
) -> None:
    one = pipelines()
    hourly = Hourly(fresh_demo(scale=0.02), instance, one)
    assert hourly.look(PRESENT) == (False, 1)
    assert hourly.look(PRESENT + timedelta(hours=1)) == (False, 0)
    address = "http://127.0.0.1:9/webhooks/pipedrive"
    asyncio.run(register(hourly.connection, SETTINGS, [one], address))
    assert hourly.look(PRESENT + timedelta(hours=2)) == (True, 1)
    assert are_live(instance, DEFAULT_NAMES, PRESENT + timedelta(hours=3))
    assert not are_live(instance, DEFAULT_NAMES, PRESENT + timedelta(hours=5))
    asyncio.run(remove(hourly.connection))
    assert hourly.look(PRESENT + timedelta(hours=3)) == (False, 1)
    assert not are_live(instance, DEFAULT_NAMES, PRESENT + timedelta(hours=3))


def test_ticks_leave_out_pulls_only_while_webhooks_are_delivered(
    fresh_demo: FreshDemo, instance: dg.DagsterInstance, resources: dict[str, Any], tmp_path: Path
) -> None:
    demo = fresh_demo(scale=0.02)
    resources["pipedrive"] = PipedriveResource(url=demo.url, token=demo.token)
    one = pipelines(poll_when_live="6h")
    project = ProjectContext(SETTINGS.but(project=tmp_path / "project"))
    asset = build_source_asset(one, project)
    schedule = build_source_schedule(one, asset, project)
    assert schedule is not None

    def tick(at: datetime) -> dg.ScheduleExecutionData | Any:
        context = dg.build_schedule_context(instance=instance, scheduled_execution_time=at)
        return schedule.evaluate_tick(context)

    now = datetime.fromtimestamp(PRESENT.timestamp(), PRESENT.tzinfo) + timedelta(minutes=30)
    assert tick(now).run_requests
    tags = {SOURCE_TAG: DEFAULT_NAMES.source_tag(one.slug), PULL_TAG: "changes"}
    assert dg.materialize([asset], instance=instance, resources=resources, tags=tags).success
    assert tick(now).run_requests, "nobody has said that webhooks are delivered"
    hourly = Hourly(demo, instance, one)
    asyncio.run(register(hourly.connection, SETTINGS, [one], "http://127.0.0.1:9/webhooks/pipedrive"))
    assert hourly.look(now) == (True, 0)
    for _ in range(2):
        assert "Webhooks bring the changes" in (tick(now + timedelta(minutes=15)).skip_message or "")
    left_out = project.store(instance).left_out_pulls
    assert left_out.read([one.id]) == {one.id: {now.date(): 1}}
    assert tick(now + timedelta(hours=3)).run_requests, "the check is too old"
    hourly.look(now + timedelta(hours=7))
    assert tick(now + timedelta(hours=7)).run_requests, "the last pull is"
    assert left_out.read([one.id]) == {one.id: {now.date(): 1}}


def test_a_tick_that_is_left_out_is_not_late() -> None:
    usual, slow = (pipelines(**options) for options in ({}, {"poll_when_live": "6h"}))
    later = PRESENT + timedelta(hours=5)
    assert freshness_of(usual, PRESENT, later, stopped=False).lateness is Lateness.VERY_LATE
    assert freshness_of(slow, PRESENT, later, stopped=False).lateness is Lateness.FRESH
    assert freshness_of(slow, PRESENT, later + timedelta(hours=2), stopped=False).is_late


@pytest.mark.parametrize("span", ["0h", "169h", "8d", "6", "6 hours", "-1h"])
def test_a_span_that_is_none_is_refused(span: str) -> None:
    with pytest.raises(InvalidBodyError):
        pipelines(poll_when_live=span)


def test_without_webhooks_there_is_nothing_of_them() -> None:
    definitions = webhook_definitions([pipelines()], ProjectContext())
    assert not definitions.sensors
    assert not definitions.asset_checks

"""Sources whose first import the tokens cannot pay for: created, held, and released."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import dagster as dg
import pytest

from pipedrive_orchestration.orchestration import PipedriveResource, build_definitions
from pipedrive_orchestration.orchestration.sensors.initial_import import build_initial_import_sensor
from pipedrive_orchestration_tests.api.conftest import StartApi
from pipedrive_orchestration_tests.api.serving import DEALS, STAGES, Api, previewed
from pipedrive_orchestration_tests.api.test_order_of_checks import IMPORT, refused
from pipedrive_orchestration_tests.api.test_sources import created, set_status, shown
from pipedrive_orchestration_tests.clocks import PRESENT
from pipedrive_orchestration_tests.conftest import FreshDemo


def launched(api: Api, at: datetime) -> list[str]:
    """The sources of which the sensor launches a first import."""
    loaded = api.store.load()
    sensor = build_initial_import_sensor(loaded.sources, clock=lambda: at)
    resources = {"pipedrive": PipedriveResource(url="http://127.0.0.1:1", token="token")}
    repository = build_definitions(loaded).get_repository_def()
    with dg.build_sensor_context(
        instance=api.instance, resources=resources, repository_def=repository
    ) as context:
        requests = sensor.evaluate_tick(context).run_requests or []
    return [request.tags["pipedrive/source"] for request in requests]


def ticked(api: Api, slug: str, at: datetime) -> str | None:
    """Why a source's schedule skips, if it does."""
    repository = build_definitions(api.store.load()).get_repository_def()
    schedule = repository.get_schedule_def(f"{slug}_schedule")
    with dg.build_schedule_context(
        instance=api.instance, scheduled_execution_time=at, repository_def=repository
    ) as context:
        return schedule.evaluate_tick(context).skip_message


AHEAD = timedelta(hours=3)
"""How far the poor account's clock was ahead of ours when the tests began; it stands still since."""


def assert_is_its_midnight(instant: datetime) -> None:
    """The next midnight of the poor account, by our clock."""
    at_pipedrive = PRESENT + AHEAD
    midnight = at_pipedrive.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    ours = datetime.now(UTC)
    assert midnight - AHEAD <= instant <= midnight - AHEAD + (ours - PRESENT) + timedelta(seconds=2)


@pytest.fixture
def poor(start_api: StartApi, fresh_demo: FreshDemo, monkeypatch: pytest.MonkeyPatch) -> Api:
    """An API whose account has 35 tokens a day: finding out that an import costs 30 leaves too few for it."""
    demo = fresh_demo(daily_tokens=35)
    demo.account.clock.advance(AHEAD)
    api = start_api(demo)
    monkeypatch.setenv("PIPEDRIVE_PROJECT", str(api.store.project))
    return api


def held(api: Api, body: dict[str, Any]) -> dict[str, Any]:
    return dict(refused(api.post(IMPORT, json=body), 402)["data"])


def test_what_the_day_cannot_pay_for_is_created_and_starts_with_the_next_days_budget(poor: Api) -> None:
    data = held(poor, DEALS)
    assert data["name"] == "Open deals"
    source = shown(poor, data["source_instance_id"])
    assert source["status"] == "paused_out_of_credits"
    assert source["next_tick"] is None
    assert source["hold"]["budget"] < source["hold"]["estimated_tokens"]
    midnight = datetime.fromisoformat(source["hold"]["until"])
    assert_is_its_midnight(midnight)
    assert (poor.store.folder / "open_deals.yaml").exists()

    assert launched(poor, midnight - timedelta(seconds=1)) == []
    assert "tokens" in (ticked(poor, "open_deals", midnight - timedelta(seconds=1)) or "")
    assert launched(poor, midnight) == ["open_deals"]
    assert ticked(poor, "open_deals", midnight) is None


def test_setting_it_active_starts_it_at_once(poor: Api) -> None:
    source_id = held(poor, DEALS)["source_instance_id"]
    assert launched(poor, datetime.now(UTC)) == []
    active = set_status(poor, source_id, "active")
    assert (active["status"], active["hold"]) == ("active", None)
    assert launched(poor, datetime.now(UTC)) == ["open_deals"]


def test_a_held_source_that_is_paused_waits_until_somebody_resumes_it(poor: Api) -> None:
    source_id = held(poor, DEALS)["source_instance_id"]
    assert set_status(poor, source_id, "paused")["status"] == "paused"
    assert launched(poor, datetime.now(UTC) + timedelta(days=3)) == []
    assert set_status(poor, source_id, "active")["status"] == "active"
    assert launched(poor, datetime.now(UTC)) == ["open_deals"]


def test_a_spent_budget_holds_without_an_estimate(poor: Api) -> None:
    for _ in range(4):
        poor.post(f"{IMPORT}/preview", json=previewed(DEALS))
    refused(poor.post(f"{IMPORT}/preview", json=previewed(DEALS)), 402)
    source = shown(poor, held(poor, DEALS)["source_instance_id"])
    assert source["status"] == "paused_out_of_credits"
    assert source["hold"]["estimated_tokens"] is None
    assert_is_its_midnight(datetime.fromisoformat(source["hold"]["until"]))


def test_a_static_source_can_be_held_and_released_and_not_paused(
    start_api: StartApi, fresh_demo: FreshDemo, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = start_api(fresh_demo())
    monkeypatch.setenv("PIPEDRIVE_PROJECT", str(api.store.project))
    source_id = held(api, STAGES | {"options": {"max_tokens": 3}})["source_instance_id"]
    source = shown(api, source_id)
    assert source["hold"] == {
        "estimated_tokens": source["hold"]["estimated_tokens"],
        "budget": 3,
        "until": None,
    }
    assert source["hold"]["estimated_tokens"] > 3
    assert launched(api, datetime.now(UTC) + timedelta(days=9)) == []
    refused(api.call("PATCH", f"/sources/{source_id}/status", json={"status": "paused"}), 409)
    assert set_status(api, source_id, "active")["status"] == "active"
    assert launched(api, datetime.now(UTC)) == ["stages"]
    # Enough tokens are no reason to wait.
    enough = created(api, STAGES | {"name": "Enough", "options": {"max_tokens": 1_000}})
    assert shown(api, enough)["hold"] is None


def test_what_somebody_has_imported_by_hand_is_held_no_more(
    start_api: StartApi, fresh_demo: FreshDemo
) -> None:
    api = start_api(fresh_demo())
    source_id = held(api, STAGES | {"options": {"max_tokens": 1}})["source_instance_id"]
    api.run_import(api.store.load().find("stages"))
    assert shown(api, source_id)["status"] == "completed"


def test_deleting_a_held_source_forgets_its_hold(start_api: StartApi, fresh_demo: FreshDemo) -> None:
    api = start_api(fresh_demo())
    source_id = held(api, STAGES | {"options": {"max_tokens": 1}})["source_instance_id"]
    assert api.store.holds.read([UUID(source_id)])
    assert api.call("DELETE", f"/sources/{source_id}").status_code == 200
    assert api.store.holds.read([UUID(source_id)]) == {}

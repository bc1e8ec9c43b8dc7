"""Creating, listing, pausing and deleting sources, as the project folder and Dagster's instance see it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import pytest
import yaml

from pipedrive_orchestration_tests.api.conftest import StartApi
from pipedrive_orchestration_tests.api.serving import DEALS, STAGES, Api, previewed
from pipedrive_orchestration_tests.api.test_order_of_checks import IMPORT, refused


def created(api: Api, body: dict[str, Any], status: int = 201) -> str:
    answer = api.post(IMPORT, json=body)
    assert answer.status_code == status, answer.text
    return str(answer.json()["data"]["source_instance_id"])


def shown(api: Api, source_id: str) -> dict[str, Any]:
    answer = api.get(f"/sources/{source_id}")
    assert answer.status_code == 200, answer.text
    return dict(answer.json()["data"])


def set_status(api: Api, source_id: str, status: str) -> dict[str, Any]:
    answer = api.call("PATCH", f"/sources/{source_id}/status", json={"status": status})
    assert answer.status_code == 200, answer.text
    return dict(answer.json()["data"])


def test_a_created_source_is_a_file_with_the_body_that_was_posted(api: Api) -> None:
    answer = api.post(IMPORT, json=DEALS | {"name": "  Körös deals \U0001f600 "}).json()
    assert answer["status"] == 201
    assert set(answer["data"]) == {"source_instance_id", "name", "created_at", "warning"}
    assert "The first import starts within 10 s" in answer["data"]["warning"]
    source = shown(api, answer["data"]["source_instance_id"])
    assert source["slug"] == "koros_deals"
    assert source["name"] == "Körös deals \U0001f600"
    written = yaml.safe_load((api.store.folder / "koros_deals.yaml").read_text())
    assert written["id"] == answer["data"]["source_instance_id"]
    assert {key: written[key] for key in DEALS} == DEALS | {"name": "Körös deals \U0001f600"}
    assert source["body"] == DEALS | {"name": "Körös deals \U0001f600"}
    assert source["status"] == "active"
    tick = datetime.fromisoformat(source["next_tick"])
    assert timedelta(0) < tick - datetime.now(UTC) <= timedelta(minutes=30)
    assert tick.minute in (0, 30)


def test_more_windows_than_dagster_shows_quickly_are_a_warning(api: Api) -> None:
    many = {"partitions": "daily", "partitions_start": "2015-01"}
    body = DEALS | {"name": "Many windows", "options": many}
    warned = api.post(IMPORT, json=body).json()["data"]["warning"]
    assert "daily windows: Dagster's pages of it are slow" in warned
    few = api.post(IMPORT, json=DEALS | {"name": "Few windows"}).json()["data"]["warning"]
    assert "windows" not in few


def test_a_file_that_is_added_by_hand_appears(api: Api) -> None:
    (api.store.folder / "by_hand.yaml").write_text(yaml.safe_dump(STAGES | {"name": "By hand"}))
    (api.store.folder / "broken.yaml").write_text("name: [")
    listed = {source["slug"]: source for source in api.get("/sources").json()["data"]}
    assert "broken" not in listed
    assert shown(api, listed["by_hand"]["source_instance_id"])["name"] == "By hand"


def test_a_static_source_is_active_until_it_has_been_imported(api: Api) -> None:
    source = api.add(**STAGES | {"name": "To be completed"})
    before = shown(api, str(source.id))
    assert (before["status"], before["next_tick"], before["row_count"]) == ("active", None, 0)
    api.run_import(source)
    after = shown(api, str(source.id))
    assert after["status"] == "completed"
    assert after["row_count"] > 0
    assert after["quarantined_count"] == 0
    assert after["watermark"]


def test_windows_that_are_missing_keep_a_static_source_from_being_completed(api: Api) -> None:
    source = api.add(**DEALS | {"name": "Some windows", "pull_mode": "static"})
    key = dg.AssetKey(["pipedrive", source.slug])
    api.instance.report_runless_asset_event(dg.AssetMaterialization(key, partition="2024-11-01"))
    assert shown(api, str(source.id))["status"] == "active"


def test_a_static_source_of_new_records_has_nothing_to_import(api: Api) -> None:
    source_id = created(api, STAGES | {"name": "Nothing", "pull_existing": False})
    assert shown(api, source_id)["status"] == "completed"


def test_a_run_under_way_shows(api: Api) -> None:
    source = api.add(**STAGES | {"name": "Under way"})
    run = dg.DagsterRun(
        job_name="__ASSET_JOB",
        status=dg.DagsterRunStatus.STARTED,
        asset_selection=frozenset({dg.AssetKey(["pipedrive", source.slug])}),
    )
    api.instance.add_run(run)
    assert shown(api, str(source.id))["is_importing"] is True
    api.instance.report_run_canceled(run)
    assert shown(api, str(source.id))["is_importing"] is False


def test_pausing_is_stopping_the_schedule_and_resuming_is_starting_it(api: Api) -> None:
    source = api.add(**DEALS | {"name": "To be paused"})
    states, schedule = api.context.deployment.schedules, "to_be_paused_schedule"
    for _ in range(2):
        paused = set_status(api, str(source.id), "paused")
        assert (paused["status"], paused["next_tick"]) == ("paused", None)
        assert schedule in states.stopped()
    for _ in range(2):
        active = set_status(api, str(source.id), "active")
        assert active["status"] == "active"
        assert active["next_tick"]
        assert schedule in states.running()
    # What somebody switches in Dagster's UI, the API shows.
    states.stop(schedule, DEALS["schedule"])
    assert shown(api, str(source.id))["status"] == "paused"


def test_a_stopped_schedule_of_old_does_not_stop_a_new_source(api: Api) -> None:
    api.context.deployment.schedules.stop("fresh_deals_schedule", "0 0 * * *")
    source_id = created(api, DEALS | {"name": "Fresh deals"})
    assert shown(api, source_id)["status"] == "active"


@pytest.mark.parametrize(
    ("name", "changes", "said"),
    [
        ("Static one", {"pull_mode": "static"}, "static"),
        ("Expired one", {"expiration_date": "2026-01-31"}, "2026-01-31 was its last day"),
    ],
)
def test_what_has_no_schedule_to_switch_is_a_conflict(
    api: Api, name: str, changes: dict[str, Any], said: str
) -> None:
    source = api.add(**DEALS | changes | {"name": name})
    for status in ("paused", "active"):
        answer = api.call("PATCH", f"/sources/{source.id}/status", json={"status": status})
        assert said in refused(answer, 409)["message"]


def test_an_expired_source_has_no_next_tick(api: Api) -> None:
    gone = api.add(**DEALS | {"name": "Gone", "expiration_date": "2026-01-31"})
    assert shown(api, str(gone.id))["status"] == "expired"
    assert shown(api, str(gone.id))["next_tick"] is None
    last_day = api.add(
        **DEALS
        | {"name": "Last day", "schedule": "0 0 1 1 *", "expiration_date": f"{datetime.now(UTC):%Y-%m-%d}"}
    )
    assert (shown(api, str(last_day.id))["status"], shown(api, str(last_day.id))["next_tick"]) == (
        "active",
        None,
    )


def test_a_deleted_source_keeps_its_rows_and_its_slug(api: Api) -> None:
    source = api.add(**DEALS | {"name": "To be deleted"})
    api.run_import(source)
    rows = api.get(f"/sources/{source.id}/data").json()["data"]
    assert rows["total_count"] > 0
    answer = api.call("DELETE", f"/sources/{source.id}").json()["data"]
    assert (answer["source_instance_id"], answer["status"]) == (str(source.id), "deleted")
    assert "Its rows stay in pipedrive.to_be_deleted" in answer["message"]
    assert "DROP TABLE pipedrive.to_be_deleted;" in answer["message"]
    assert "to_be_deleted_schedule" in api.context.deployment.schedules.stopped()
    assert source.slug not in [present.slug for present in api.store.load().sources]

    assert shown(api, str(source.id))["status"] == "deleted"
    assert api.get(f"/sources/{source.id}/data").json()["data"] == rows
    assert api.get("/sources").json()["data"][-1]["status"] == "deleted"
    again = created(api, DEALS | {"name": "To be deleted"})
    assert shown(api, again)["slug"] == "to_be_deleted_2"
    assert api.call("DELETE", f"/sources/{source.id}").status_code == 200
    refused(api.call("PATCH", f"/sources/{source.id}/status", json={"status": "active"}), 409)


def test_a_deleted_source_whose_file_is_put_back_is_the_same_source(api: Api) -> None:
    source = api.add(**DEALS | {"name": "Put back"})
    api.call("DELETE", f"/sources/{source.id}")
    (api.store.folder / "deleted" / "put_back.yaml").rename(api.store.folder / "put_back.yaml")
    assert shown(api, str(source.id))["status"] == "paused"
    assert set_status(api, str(source.id), "active")["status"] == "active"


def test_the_options_are_metadata_of_properties_as_they_are(api: Api) -> None:
    asked = {"context": {"object_type": "deals"}}
    options = api.post(f"{IMPORT}/options/properties", json=asked).json()["data"]["options"]
    by_key = {option["value"]: option for option in options}
    assert by_key["title"]["label"] == "Title"
    assert by_key["status"]["extras"].keys() >= {"field_type", "is_custom", "options"}
    body = DEALS | {"properties_metadata": [by_key["title"] | {"label": "Deal"}, by_key["value"]]}
    rows = api.post(f"{IMPORT}/preview", json=previewed(body)).json()["data"]["data"]
    assert {row["title"]["label"] for row in rows} == {"Deal"}


def test_a_preview_shows_what_matches_and_creates_nothing(api: Api) -> None:
    before = [source.slug for source in api.store.load().sources]
    answer = api.post(f"{IMPORT}/preview", json=previewed(DEALS)).json()["data"]
    assert answer["metadata"]["total_results"] == len(answer["data"]) > 0
    assert {row["status"]["value"] for row in answer["data"]} == {"open"}
    assert "capped" not in answer["metadata"]
    assert [source.slug for source in api.store.load().sources] == before


def test_two_clients_that_do_everything_at_once(api: Api) -> None:
    """Whatever the order: every answer is one of those that are documented, and one state is left."""
    body = DEALS | {"name": "Contested"}
    with ThreadPoolExecutor(8) as clients:
        ids = set(clients.map(lambda _: created(api, body), range(4)))
        assert len(ids) == 4
        slugs = {shown(api, source_id)["slug"] for source_id in ids}
        assert slugs == {"contested", "contested_2", "contested_3", "contested_4"}

        def switch(number: int) -> int:
            source_id = sorted(ids)[number % 4]
            if number % 11 == 10:
                return api.call("DELETE", f"/sources/{source_id}").status_code
            status = ("paused", "active")[number // 4 % 2]
            return api.call("PATCH", f"/sources/{source_id}/status", json={"status": status}).status_code

        assert set(clients.map(switch, range(44))) <= {200, 409}
    assert {shown(api, source_id)["status"] for source_id in ids} == {"deleted"}


def test_of_clients_that_delete_and_pause_the_same_source_none_fails(start_api: StartApi) -> None:
    api = start_api()
    for round_ in range(2):
        source = api.add(**DEALS | {"name": f"Round {round_}"})

        def act(number: int, path: str = f"/sources/{source.id}") -> int:
            if number % 2:
                return api.call("DELETE", path).status_code
            return api.call("PATCH", f"{path}/status", json={"status": "paused"}).status_code

        with ThreadPoolExecutor(6) as clients:
            assert set(clients.map(act, range(6))) <= {200, 409}
        assert shown(api, str(source.id))["status"] == "deleted"

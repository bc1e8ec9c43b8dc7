"""Creating, deleting and syncing without waiting for Dagster: many changes, one reload."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from pipedrive_orchestration.demo import DemoServer
from pipedrive_orchestration_tests.api.conftest import StartApi
from pipedrive_orchestration_tests.api.serving import DEALS, STAGES, Api, previewed, write_workflow
from pipedrive_orchestration_tests.api.test_order_of_checks import IMPORT
from pipedrive_orchestration_tests.api.web_server import WebServer, web_server
from pipedrive_orchestration_tests.orchestration.live import wait_for


@pytest.fixture
def dagster() -> Iterator[WebServer]:
    with web_server() as server:
        server.may_end.clear()
        yield server


@pytest.fixture
def api(start_api: StartApi, demo: DemoServer, dagster: WebServer) -> Api:
    return start_api(demo, dagster_url=dagster.url)


def created(api: Api, body: dict[str, Any]) -> dict[str, Any]:
    answer = api.post(IMPORT, json=body)
    assert answer.status_code == 201, answer.text
    return dict(answer.json()["data"])


def test_sixteen_creates_are_answered_without_a_reload_and_cause_two_at_most(
    api: Api, dagster: WebServer
) -> None:
    with ThreadPoolExecutor(16) as clients:
        answers = list(clients.map(lambda _: created(api, STAGES), range(16)))
        # No reload has ended yet.
        assert not any("warning" in answer for answer in answers)
        preview = api.post(f"{IMPORT}/preview", json=previewed(DEALS))
        assert preview.status_code == 200
    dagster.may_end.set()
    slugs = {"stages", *(f"stages_{number}" for number in range(2, 17))}
    wait_for("first imports", lambda: set(dagster.launched) == slugs, seconds=30, pause=0.01)
    assert len(dagster.launched) == 16
    assert 1 <= dagster.reloads <= 2


def test_a_change_during_a_reload_is_shown_by_the_next_one(api: Api, dagster: WebServer) -> None:
    created(api, STAGES)
    wait_for("reload", lambda: dagster.reloads == 1, seconds=30, pause=0.01)
    held = created(api, STAGES | {"name": "Held", "pull_existing": False})
    assert held["warning"].startswith("Nothing will be imported")
    api.call("DELETE", f"/sources/{held['source_instance_id']}")
    assert dagster.reloads == 1
    dagster.may_end.set()
    wait_for("second reload", lambda: dagster.reloads == 2, seconds=30, pause=0.01)
    assert dagster.launched == ["stages"]


def test_a_sync_and_a_deletion_wait_for_no_reload(api: Api, dagster: WebServer) -> None:
    source = api.add(**STAGES)
    workflow = write_workflow(api)
    body = {"workflow_id": str(workflow.id), "field_mapping": {"input.first_name": "name"}}
    synced = api.post(f"/sources/{source.id}/sync", json=body).json()["data"]
    assert (synced["state"], "warning" in synced) == ("waiting", False)
    assert "warning" not in api.call("DELETE", f"/sources/{source.id}").json()["data"]
    wait_for("reload", lambda: dagster.reloads == 1, seconds=30, pause=0.01)


def test_a_reload_that_fails_is_a_line_in_the_log_and_the_next_one_is_tried(
    api: Api, dagster: WebServer, caplog: pytest.LogCaptureFixture
) -> None:
    dagster.refuses = True
    dagster.may_end.set()
    with caplog.at_level(logging.WARNING):
        created(api, STAGES)
        wait_for("line", lambda: caplog.records, seconds=30, pause=0.01)
    (record,) = caplog.records
    assert "Dagster says: no" in record.getMessage()
    assert record.exc_info is None
    assert dagster.launched == []
    dagster.refuses = False
    created(api, STAGES)
    wait_for("first import", lambda: dagster.launched == ["stages_2"], seconds=30, pause=0.01)
    assert dagster.reloads == 2

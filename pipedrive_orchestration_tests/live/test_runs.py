"""Dagster as it really runs: sensors, schedules, jobs, reloads, killed processes."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from pipedrive_orchestration.demo import DemoServer, running_demo
from pipedrive_orchestration.services.names import INITIAL_IMPORT_TAG, SOURCE_TAG
from pipedrive_orchestration_tests.chaos.sizes import in_full
from pipedrive_orchestration_tests.conftest import account_settings
from pipedrive_orchestration_tests.orchestration.live import (
    FINISHED,
    LiveDagster,
    config_of,
    tags,
    truth,
    wait_for,
)
from pipedrive_orchestration_tests.orchestration.live_project import LATER, active

STOP = """mutation($id: String!) { stopRunningSchedule(id: $id) { __typename
    ... on PythonError { message } } }"""
START = """mutation($s: ScheduleSelector!) { startSchedule(scheduleSelector: $s) { __typename
    ... on PythonError { message } } }"""
LOGS = """query($id: ID!) { logsForRun(runId: $id) { ... on EventConnection { events {
    ... on MessageEvent { message } } } } }"""


@pytest.fixture(scope="module")
def slow_account() -> Iterator[DemoServer]:
    with running_demo(account_settings(scale=0.05, latency_ms=20_000)) as account:
        yield account


def all_green(dagster: LiveDagster, slug: str) -> bool:
    windows = dagster.partitions(slug)
    return windows["green"] == windows["all"]


def test_a_source_is_imported_by_itself(dagster: LiveDagster, account: DemoServer) -> None:
    run = wait_for("first import", lambda: dagster.first_import("persons"))
    assert run["status"] == "SUCCESS"
    # Dagster counts partitions up to some event, and may not have come to the last one yet.
    wait_for("last green window", partial(all_green, dagster, "persons"), seconds=60)
    assert dagster.rows("persons") == truth(account, "persons")


@in_full
def test_the_create_job_writes_a_source_that_is_there_at_once(created: LiveDagster) -> None:
    assert (created.project / "sources" / "all_pipelines.yaml").exists()
    assert "all_pipelines" in created.slugs()
    assert created.schedule("all_pipelines_schedule")["status"] == "RUNNING"


@in_full
def test_a_reload_shows_what_the_folder_holds(created: LiveDagster) -> None:
    shown = created.slugs()
    assert LATER.keys() <= shown
    assert "broken" not in shown


@pytest.fixture
def often(dagster: LiveDagster) -> LiveDagster:
    """With a source whose schedule ticks every minute, and that is imported by itself."""
    dagster.write("often", **active("persons", schedule="* * * * *"))
    dagster.reload()
    first = wait_for("first import", lambda: dagster.first_import("often"))
    assert first["status"] == "SUCCESS"
    return dagster


@in_full
def test_a_schedule_ticks_and_is_paused_for_good(often: LiveDagster) -> None:
    dagster, name = often, "often_schedule"

    def ticked() -> dict[str, Any] | None:
        runs = [run for run in dagster.runs(**{SOURCE_TAG: "often"}) if INITIAL_IMPORT_TAG not in tags(run)]
        return runs[-1] if runs and runs[-1]["status"] in FINISHED else None

    run = wait_for("scheduled run", ticked, seconds=90)
    assert run["status"] == "SUCCESS"
    assert tags(run)["pipedrive/pull"] == "changes"
    assert tags(run)["dagster/asset_partition_range_end"] == f"{datetime.now(UTC):%Y-%m-01}"

    dagster.ask(STOP, id=dagster.schedule(name)["id"])
    # What other tests wait for is not killed with the rest.
    wait_for("end of all runs", lambda: all(run["status"] in FINISHED for run in dagster.runs()))
    launched = dagster.runs(**{SOURCE_TAG: "often"})
    dagster.stop()
    dagster.start()
    assert dagster.schedule(name)["status"] == "STOPPED"
    assert dagster.schedule("persons_schedule")["status"] == "RUNNING"
    wait_for("evaluation of the sensor", lambda: dagster.evaluations_since_start("initial_import_sensor"))
    assert dagster.runs(**{SOURCE_TAG: "often"}) == launched
    dagster.ask(START, s=dagster.selector(scheduleName=name))
    assert dagster.schedule(name)["status"] == "RUNNING"
    dagster.ask(STOP, id=dagster.schedule(name)["id"])


def test_a_body_with_an_unknown_key_is_refused_before_the_run(dagster: LiveDagster) -> None:
    with pytest.raises(AssertionError, match=r'unexpected config entry \\?"propertys\\?"'):
        dagster.launch("create_import_source", active("persons", propertys=[]))


def test_web_pages_of_others_reach_nothing_on_the_port_of_the_ui(dagster: LiveDagster) -> None:
    query = {"query": "{ version }"}
    with httpx.Client(base_url=dagster.url, timeout=60, verify=False) as browser:
        answers = [
            browser.get("/graphql", params=query),
            browser.post("/graphql", json=query, headers={"origin": "https://evil.example"}),
            browser.post("/graphql", json=query, headers={"host": "evil.example"}),
            browser.get("/"),
        ]
    assert [answer.status_code for answer in answers] == [405, 403, 421, 200]


def test_a_killed_worker_is_marked_and_its_source_runs_again(
    dagster: LiveDagster, slow_account: DemoServer
) -> None:
    slow = config_of(slow_account)
    run = dagster.launch("__ASSET_JOB", slow, assets=["stages_by_hand"], tags={SOURCE_TAG: "stages_by_hand"})
    worker = wait_for("worker", lambda: worker_of(dagster, run))
    assert threads_of_parent(worker) <= 1, "only a process without threads can be forked"
    os.kill(worker, signal.SIGKILL)
    assert dagster.wait_for_run(run) == "FAILURE"
    again = dagster.launch("__ASSET_JOB", {}, assets=["stages_by_hand"], tags={SOURCE_TAG: "stages_by_hand"})
    assert dagster.wait_for_run(again) == "SUCCESS"


def worker_of(dagster: LiveDagster, run_id: str) -> int | None:
    """The process that executes a run, as the run's log tells once the import has begun."""
    messages = [event.get("message", "") for event in dagster.ask(LOGS, id=run_id)["events"]]
    if not any("STEP_START" in message or "Started execution of step" in message for message in messages):
        return None
    found = re.search(r"\(pid: (\d+)\)", "\n".join(messages))
    return int(found[1]) if found else None


def threads_of_parent(pid: int) -> int:
    """How many threads the parent of a process has; 0 where the system has no /proc."""
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        return 0
    (parent,) = re.findall(r"^PPid:\s*(\d+)$", status.read_text(), re.MULTILINE)
    return len(list(Path(f"/proc/{parent}/task").iterdir()))

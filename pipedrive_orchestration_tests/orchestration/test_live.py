"""Dagster as it really runs: sensors, schedules, jobs, reloads, killed processes."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest

from pipedrive_orchestration.demo import DemoServer, running_demo
from pipedrive_orchestration_tests.conftest import account_settings
from pipedrive_orchestration_tests.orchestration.live import FINISHED, LiveDagster, config_of, truth, wait_for
from pipedrive_orchestration_tests.orchestration.live_project import active

STOP = """mutation($id: String!) { stopRunningSchedule(id: $id) { __typename
    ... on PythonError { message } } }"""
START = """mutation($s: ScheduleSelector!) { startSchedule(scheduleSelector: $s) { __typename
    ... on PythonError { message } } }"""
LOGS = """query($id: ID!) { logsForRun(runId: $id) { ... on EventConnection { events {
    ... on MessageEvent { message } } } } }"""
INITIAL = "pipedrive/initial_import"


@pytest.fixture(scope="module")
def slow_account() -> Iterator[DemoServer]:
    with running_demo(account_settings(scale=0.05, latency_ms=20_000)) as account:
        yield account


def initial_run(dagster: LiveDagster, slug: str) -> dict[str, Any] | None:
    runs = [run for run in dagster.runs(**{"pipedrive/source": slug}) if INITIAL in tags(run)]
    assert len(runs) <= 1
    return runs[0] if runs and runs[0]["status"] in FINISHED else None


def tags(run: dict[str, Any]) -> dict[str, str]:
    return {tag["key"]: tag["value"] for tag in run["tags"]}


def all_green(dagster: LiveDagster, slug: str) -> bool:
    windows = dagster.partitions(slug)
    return windows["green"] == windows["all"]


@pytest.fixture(scope="module")
def dagster(live_dagster: LiveDagster) -> LiveDagster:
    return live_dagster


def test_a_source_is_imported_by_itself(dagster: LiveDagster, live_account: DemoServer) -> None:
    for slug in ("deals", "stages"):
        run = wait_for(f"first import of {slug}", partial(initial_run, dagster, slug))
        assert run["status"] == "SUCCESS"
    # Dagster counts partitions up to some event, and may not have come to the last one yet.
    wait_for("last green window", partial(all_green, dagster, "deals"), seconds=60)
    assert dagster.rows("deals") == truth(live_account, "deals")


@pytest.fixture(scope="module")
def created(dagster: LiveDagster) -> LiveDagster:
    """With a source that the job of the UI has created, whose schedule ticks every minute."""
    run = dagster.launch("create_import_source", active("persons", name="All persons", schedule="* * * * *"))
    assert dagster.wait_for_run(run) == "SUCCESS"
    return dagster


def test_the_create_job_writes_a_source_that_is_there_at_once(created: LiveDagster) -> None:
    assert (created.project / "sources" / "all_persons.yaml").exists()
    wait_for("new source", lambda: "all_persons" in created.slugs(), seconds=60)
    assert created.schedule("all_persons_schedule")["status"] == "RUNNING"
    first = wait_for("its first import", lambda: initial_run(created, "all_persons"))
    assert first["status"] == "SUCCESS"


def neither_again(dagster: LiveDagster) -> set[str]:
    """The runs of a paused source and first imports; other schedules go on ticking."""
    return {
        run["runId"]
        for run in dagster.runs()
        if tags(run).get("pipedrive/source") == "all_persons" or INITIAL in tags(run)
    }


def test_a_schedule_ticks_and_is_paused_for_good(created: LiveDagster) -> None:
    dagster, name = created, "all_persons_schedule"

    def ticked() -> dict[str, Any] | None:
        runs = [
            run for run in dagster.runs(**{"pipedrive/source": "all_persons"}) if INITIAL not in tags(run)
        ]
        return runs[-1] if runs and runs[-1]["status"] in FINISHED else None

    run = wait_for("scheduled run", ticked, seconds=90)
    assert run["status"] == "SUCCESS"
    assert tags(run)["pipedrive/pull"] == "changes"
    assert tags(run)["dagster/asset_partition_range_end"] == f"{datetime.now(UTC):%Y-%m-01}"

    dagster.ask(STOP, id=dagster.schedule(name)["id"])
    # What other tests wait for is not killed with the rest.
    wait_for("end of all runs", lambda: all(run["status"] in FINISHED for run in dagster.runs()))
    launched = neither_again(dagster)
    dagster.stop()
    dagster.start()
    assert dagster.schedule(name)["status"] == "STOPPED"
    assert dagster.schedule("deals_schedule")["status"] == "RUNNING"
    wait_for("evaluation of the sensor", lambda: dagster.evaluations_since_start("initial_import_sensor"))
    assert neither_again(dagster) == launched
    dagster.ask(START, s=dagster.selector(scheduleName=name))
    assert dagster.schedule(name)["status"] == "RUNNING"
    dagster.ask(STOP, id=dagster.schedule(name)["id"])


def test_a_body_with_an_unknown_key_is_refused_before_the_run(dagster: LiveDagster) -> None:
    with pytest.raises(AssertionError, match=r'unexpected config entry \\?"propertys\\?"'):
        dagster.launch("create_import_source", active("persons", propertys=[]))


def test_a_reload_shows_what_the_folder_holds(dagster: LiveDagster) -> None:
    # There is nothing to do about it, so that no run is launched.
    nothing = {"pull_mode": "static", "pull_existing": False}
    dagster.write("users", name="Users", object_type="users", properties=["id", "name"], **nothing)
    dagster.write("broken", **active("personz"))
    assert "users" not in dagster.slugs()
    dagster.reload()
    shown = dagster.slugs()
    assert "users" in shown
    assert "broken" not in shown


def test_a_killed_worker_is_marked_and_its_source_runs_again(
    dagster: LiveDagster, slow_account: DemoServer
) -> None:
    slow = config_of(slow_account)
    run = dagster.launch("__ASSET_JOB", slow, assets=["stages"], tags={"pipedrive/source": "stages"})
    worker = wait_for("worker", lambda: worker_of(dagster, run))
    os.kill(worker, signal.SIGKILL)
    assert dagster.wait_for_run(run) == "FAILURE"
    again = dagster.launch("__ASSET_JOB", {}, assets=["stages"], tags={"pipedrive/source": "stages"})
    assert dagster.wait_for_run(again) == "SUCCESS"


def worker_of(dagster: LiveDagster, run_id: str) -> int | None:
    """The process that executes a run, as the run's log tells once the import has begun."""
    messages = [event.get("message", "") for event in dagster.ask(LOGS, id=run_id)["events"]]
    if not any("STEP_START" in message or "Started execution of step" in message for message in messages):
        return None
    found = re.search(r"\(pid: (\d+)\)", "\n".join(messages))
    return int(found[1]) if found else None

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

from pipedrive_orchestration.demo import DemoServer, Settings, running_demo
from pipedrive_orchestration_tests.orchestration.conftest import WINDOWS_PER_RUN
from pipedrive_orchestration_tests.orchestration.live import FINISHED, LiveDagster, truth, wait_for

STOP = """mutation($id: String!) { stopRunningSchedule(id: $id) { __typename
    ... on PythonError { message } } }"""
START = """mutation($s: ScheduleSelector!) { startSchedule(scheduleSelector: $s) { __typename
    ... on PythonError { message } } }"""
LOGS = """query($id: ID!) { logsForRun(runId: $id) { ... on EventConnection { events {
    ... on MessageEvent { message } } } } }"""
INITIAL = "pipedrive/initial_import"


@pytest.fixture(scope="module")
def slow_account() -> Iterator[DemoServer]:
    with running_demo(Settings(scale=0.05, burst=0, latency_ms=20_000)) as account:
        yield account


@pytest.fixture(scope="module")
def dagster(live_dagster: LiveDagster) -> LiveDagster:
    live_dagster.write("deals", **active("deals", schedule="* * * * *"))
    live_dagster.write("stages", **active("stages", properties=["id", "name"], schedule="0 0 1 1 *"))
    live_dagster.reload()
    return live_dagster


def active(object_type: str, **changes: Any) -> dict[str, Any]:
    body = {"name": object_type, "object_type": object_type, "properties": ["id", "add_time"],
            "pull_mode": "active", "schedule": "0 0 1 1 *"}  # fmt: skip
    return body | changes


def initial_run(dagster: LiveDagster, slug: str) -> dict[str, Any] | None:
    runs = [run for run in dagster.runs(**{"pipedrive/source": slug}) if INITIAL in tags(run)]
    assert len(runs) <= 1
    return runs[0] if runs and runs[0]["status"] in FINISHED else None


def tags(run: dict[str, Any]) -> dict[str, str]:
    return {tag["key"]: tag["value"] for tag in run["tags"]}


def all_green(dagster: LiveDagster, slug: str) -> bool:
    windows = dagster.partitions(slug)
    return windows["green"] == windows["all"]


def test_a_new_source_is_imported_by_itself(dagster: LiveDagster, live_account: DemoServer) -> None:
    for slug in ("deals", "stages"):
        run = wait_for(f"first import of {slug}", partial(initial_run, dagster, slug))
        assert run["status"] == "SUCCESS"
    # Dagster counts partitions up to some event, and may not have come to the last one yet.
    wait_for("last green window", partial(all_green, dagster, "deals"), seconds=60)
    assert dagster.rows("deals") == truth(live_account, "deals")


def test_the_create_job_writes_a_source_that_is_there_at_once(dagster: LiveDagster) -> None:
    run = dagster.launch("create_import_source", active("persons", name="All persons"))
    assert dagster.wait_for_run(run) == "SUCCESS"
    assert (dagster.project / "sources" / "all_persons.yaml").exists()
    wait_for("new source", lambda: "all_persons" in dagster.slugs(), seconds=10)
    assert dagster.schedule("all_persons_schedule")["status"] == "RUNNING"
    first = wait_for("its first import", lambda: initial_run(dagster, "all_persons"))
    assert first["status"] == "SUCCESS"


def test_a_body_with_an_unknown_key_is_refused_before_the_run(dagster: LiveDagster) -> None:
    with pytest.raises(AssertionError, match=r'unexpected config entry \\?"propertys\\?"'):
        dagster.launch("create_import_source", active("persons", propertys=[]))


def test_a_reload_shows_what_the_folder_holds(dagster: LiveDagster) -> None:
    dagster.write("users", **active("users", properties=["id", "name"], pull_existing=False))
    dagster.write("broken", **active("personz"))
    assert "users" not in dagster.slugs()
    dagster.reload()
    shown = dagster.slugs()
    assert "users" in shown
    assert "broken" not in shown


def test_a_backfill_in_several_runs_that_share_the_database(
    dagster: LiveDagster, live_account: DemoServer
) -> None:
    # Otherwise the source would be imported before its backfill is launched.
    dagster.switch_sensor("initial_import_sensor", on=False)
    long_ago = {"partitions_start": "2021-12"}
    dagster.write("organizations", **active("organizations", options=long_ago))
    dagster.reload()
    keys = dagster.partitions("organizations")["all"]
    runs = -(-len(keys) // WINDOWS_PER_RUN)
    assert runs > 1
    state = dagster.wait_for_backfill(dagster.backfill("organizations", keys))
    assert state["status"] == "COMPLETED_SUCCESS"
    assert [run["status"] for run in state["runs"]] == ["SUCCESS"] * runs
    assert dagster.partitions("organizations")["green"] == keys
    assert dagster.rows("organizations") == truth(live_account, "organizations")
    dagster.switch_sensor("initial_import_sensor", on=True)


def test_a_killed_worker_is_marked_and_its_source_runs_again(
    dagster: LiveDagster, slow_account: DemoServer
) -> None:
    slow = {"resources": {"pipedrive": {"config": {"url": slow_account.url, "token": slow_account.token}}}}
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


def neither_again(dagster: LiveDagster) -> set[str]:
    """The runs of a paused source and first imports; other schedules go on ticking."""
    return {
        run["runId"]
        for run in dagster.runs()
        if tags(run).get("pipedrive/source") == "deals" or INITIAL in tags(run)
    }


def test_a_schedule_ticks_and_is_paused_for_good(dagster: LiveDagster) -> None:
    def ticked() -> dict[str, Any] | None:
        runs = [run for run in dagster.runs(**{"pipedrive/source": "deals"}) if INITIAL not in tags(run)]
        return runs[-1] if runs and runs[-1]["status"] in FINISHED else None

    run = wait_for("scheduled run", ticked, seconds=90)
    assert run["status"] == "SUCCESS"
    assert tags(run)["pipedrive/pull"] == "changes"
    assert tags(run)["dagster/asset_partition_range_end"] == f"{datetime.now(UTC):%Y-%m-01}"

    dagster.ask(STOP, id=dagster.schedule("deals_schedule")["id"])
    launched = neither_again(dagster)
    dagster.stop()
    dagster.start()
    assert dagster.schedule("deals_schedule")["status"] == "STOPPED"
    assert dagster.schedule("all_persons_schedule")["status"] == "RUNNING"
    wait_for("evaluation of the sensor", lambda: dagster.evaluations_since_start("initial_import_sensor"))
    assert neither_again(dagster) == launched
    dagster.ask(START, s=dagster.selector(scheduleName="deals_schedule"))
    assert dagster.schedule("deals_schedule")["status"] == "RUNNING"

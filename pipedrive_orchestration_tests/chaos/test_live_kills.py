"""All of Dagster, or one of its processes, killed in the middle of an import: it runs again afterwards.

A killed run worker is tried where those are tested.
"""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import closing, suppress
from pathlib import Path
from random import Random

import dagster as dg
import pytest

from pipedrive_orchestration.services.deployment import Deployment, store_of
from pipedrive_orchestration.services.lifecycle import delete_source
from pipedrive_orchestration_tests.chaos.enduring import assert_right
from pipedrive_orchestration_tests.chaos.figures import FIGURES
from pipedrive_orchestration_tests.chaos.sizes import DAGSTERS, SEED
from pipedrive_orchestration_tests.chaos.test_held_database import HOLDER
from pipedrive_orchestration_tests.conftest import FreshDemo
from pipedrive_orchestration_tests.exactness.churn import Churn
from pipedrive_orchestration_tests.exactness.trial import Trial
from pipedrive_orchestration_tests.orchestration.live import FINISHED, LiveDagster, wait_for
from pipedrive_orchestration_tests.warehouse.processes import let_go, python, wait_until_ready

LOGS = """query($id: ID!) { logsForRun(runId: $id) { ... on EventConnection { events {
    ... on MessageEvent { message } } } } }"""

VICTIMS = {
    "everything": "",
    "daemon": "dagster._daemon",
    "code server": "grpc",
    "web server": "dagster_webserver",
}
"""What is killed, and what the command line of its processes holds."""


AGONY_SECONDS = 10
"""How long a Dagster that has lost a process may go on."""


def processes_of(dagster: LiveDagster, part: str) -> list[int]:
    """The processes of a running Dagster whose command line holds a part."""
    assert dagster._process is not None
    session = dagster._process.pid
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            pid = int(folder.name)
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            if os.getsid(pid) == session and pid != session and part in command:
                found.append(pid)
    return found


def kill(dagster: LiveDagster, victim: str) -> None:
    """One of its processes, and then all that go on without it; or all of them at once."""
    if VICTIMS[victim]:
        pids = processes_of(dagster, VICTIMS[victim])
        assert pids, f"there is no {victim}"
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        assert dagster._process is not None
        with suppress(subprocess.TimeoutExpired):
            dagster._process.wait(timeout=AGONY_SECONDS)
    dagster.stop()


@pytest.mark.skipif(not DAGSTERS, reason="part of `make chaos`")
def test_a_dagster_that_is_killed_again_and_again(tmp_path: Path, fresh_demo: FreshDemo) -> None:
    account = fresh_demo(latency_ms=60, burst=6)
    dagster = LiveDagster(tmp_path, account)
    trial = Trial(account, tmp_path)
    source = trial.source("persons")
    rng, churn = Random(SEED), Churn(account, seed=SEED)
    body = {"name": "Persons", "object_type": "persons", "properties": list(source.properties)}
    dagster.write("persons", **body, pull_mode="static")
    for number in range(DAGSTERS):
        wanted = len(account.account.requests) + rng.randint(1, 8)

        def asked(wanted: int = wanted) -> bool:
            return len(account.account.requests) >= wanted

        dagster.start()
        victim = list(VICTIMS)[number % len(VICTIMS)]
        try:
            launch(dagster)
            wait_for("request of an import", asked)
            kill(dagster, victim)
        finally:
            dagster.stop()
        FIGURES[f"Dagsters killed: {victim}"] += 1
        churn.steps(10)

    dagster.start()
    try:
        with closing(dagster._client), python(HOLDER, dagster.warehouse) as holder:
            wait_until_ready(holder)
            run = launch(dagster)
            wait_for("waiting for the database", lambda: f"PID {holder.pid}" in log_of(dagster, run))
            let_go(holder)
            assert dagster.wait_for_run(run) == "SUCCESS"
            assert {run["status"] for run in dagster.runs()} <= FINISHED, "a run is called started for ever"
    finally:
        dagster.stop()
    trial.changes(source)
    assert_right(trial, source)


@pytest.mark.skipif(not DAGSTERS, reason="part of `make chaos`")
def test_a_source_that_is_deleted_during_its_import(
    tmp_path: Path, fresh_demo: FreshDemo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # the instance's paths are relative
    account = fresh_demo(latency_ms=3_000)
    dagster = LiveDagster(tmp_path, account)
    body = {"name": "Persons", "object_type": "persons", "properties": ["name"], "pull_mode": "static"}
    dagster.write("persons", **body)
    dagster.start()
    try:
        runs = [launch(dagster), launch(dagster)]
        wait_for("request of the import", lambda: account.account.requests)
        with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
            store = store_of(dagster.project, instance)
            warning = delete_source(Deployment(store, instance, dagster.url), store.load().find("persons"))
        assert warning is None
        assert {dagster.wait_for_run(run) for run in runs} == {"CANCELED"}
    finally:
        dagster.stop()


def launch(dagster: LiveDagster) -> str:
    """A run of all windows, as the button in the UI launches it."""
    windows = dagster.partitions("persons")["all"]
    tags = {
        "dagster/asset_partition_range_start": windows[0],
        "dagster/asset_partition_range_end": windows[-1],
        "pipedrive/source": "persons",
    }
    return dagster.launch("__ASSET_JOB", {}, assets=["persons"], tags=tags)


def log_of(dagster: LiveDagster, run_id: str) -> str:
    return "\n".join(event.get("message", "") for event in dagster.ask(LOGS, id=run_id)["events"])

"""A command that is killed while it imports: the next one says in Dagster that its run has failed."""

from __future__ import annotations

import signal
import subprocess

import dagster as dg

from pipedrive_orchestration_tests.chaos.figures import FIGURES
from pipedrive_orchestration_tests.chaos.sizes import in_full
from pipedrive_orchestration_tests.cli.conftest import COMMAND, PERSONS, PIPELINES, Project, project
from pipedrive_orchestration_tests.conftest import FreshDemo
from pipedrive_orchestration_tests.orchestration.live import wait_for

__all__ = ["project"]


def statuses(small: Project) -> list[dg.DagsterRunStatus]:
    with dg.DagsterInstance.from_config(str(small.folder)) as instance:
        return sorted((run.status for run in instance.get_runs()), key=str)


@in_full
def test_a_command_that_is_killed_leaves_no_run_that_counts_as_started(
    project: Project, fresh_demo: FreshDemo
) -> None:
    account = fresh_demo(scale=0.005, latency_ms=200)
    project.write("all_persons", PERSONS)
    project.write("pipelines", PIPELINES)
    project.connect_to(account)
    with subprocess.Popen([COMMAND, "import", "all_persons"], cwd=project.folder) as command:
        wait_for("request of the import", lambda: account.account.requests, seconds=60, pause=0.02)
        command.send_signal(signal.SIGKILL)
    FIGURES["commands killed"] += 1
    assert statuses(project) == [dg.DagsterRunStatus.STARTED]
    assert project.run("import", "pipelines").code == 0
    assert statuses(project) == [dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.SUCCESS]
    assert project.run("import", "all_persons").code == 0
    alive = {record["id"] for record in account.account.records("persons") if not record["is_deleted"]}
    assert project.current("all_persons") == alive

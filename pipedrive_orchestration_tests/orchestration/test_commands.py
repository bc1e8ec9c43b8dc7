"""Runs of a command that is killed: Dagster's monitoring and the next command see that it is gone."""

from __future__ import annotations

import json
from pathlib import Path

import dagster as dg
from dagster._core.launcher.base import WorkerStatus

from pipedrive_orchestration.orchestration.run_monitoring import (
    COMMAND_TAG,
    GONE,
    WatchedRunLauncher,
    fail_runs_of_gone_commands,
    running_command,
)
from pipedrive_orchestration_tests.warehouse.processes import python

COMMAND = """
    import json, sys
    from pathlib import Path
    import dagster as dg
    from pipedrive_orchestration.orchestration.run_monitoring import running_command

    with dg.DagsterInstance.ephemeral() as instance, running_command(instance, Path(sys.argv[1])) as tags:
        print(json.dumps(tags), flush=True)
        sys.stdin.readline()
"""


@dg.job
def nothing_to_do() -> None:
    """A job for runs that are never executed."""


def started(instance: dg.DagsterInstance, tags: dict[str, str]) -> dg.DagsterRun:
    run = instance.create_run_for_job(nothing_to_do, tags=tags, status=dg.DagsterRunStatus.STARTED)
    assert instance.get_run_by_id(run.run_id) is not None
    return run


def test_a_run_whose_command_was_killed_is_failed_and_no_other(tmp_path: Path) -> None:
    with (
        dg.DagsterInstance.ephemeral() as instance,
        running_command(instance, tmp_path) as living,
        python(COMMAND, tmp_path) as command,
    ):
        assert command.stdout is not None
        killed = started(instance, json.loads(command.stdout.readline()))
        lock = json.loads(killed.tags[COMMAND_TAG])["lock"]
        others = [
            started(instance, dict(living)),
            started(instance, {}),
            started(instance, {COMMAND_TAG: json.dumps({"host": "elsewhere", "lock": lock})}),
            started(instance, {COMMAND_TAG: json.dumps({"host": "elsewhere", "lock": "/nowhere"})}),
        ]
        launcher = WatchedRunLauncher()

        def healths() -> set[WorkerStatus]:
            return {launcher.check_run_worker_health(run).status for run in others}

        assert launcher.check_run_worker_health(killed).status is WorkerStatus.RUNNING
        fail_runs_of_gone_commands(instance)
        assert not instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE]))

        command.kill()
        command.wait()
        assert launcher.check_run_worker_health(killed).status is WorkerStatus.FAILED
        assert healths() == {WorkerStatus.RUNNING}
        fail_runs_of_gone_commands(instance)
        (failed,) = instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE]))
        assert failed.run_id == killed.run_id
        assert GONE in " ".join(entry.message for entry in instance.all_logs(killed.run_id))
        assert not Path(lock).exists()
    assert list((tmp_path / "commands").iterdir()) == [], "a command that ends leaves nothing"

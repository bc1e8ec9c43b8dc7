"""Runs on Celery workers: launched through Dagster's own launcher, watched, and ended when asked.

Celery remembers of a task that it has started, and where; it does not notice that the worker is gone. So run
monitoring asks the worker itself. One that does not answer once may be busy: it is given up only when it has
been silent for several times in a row, while the broker works.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import dagster as dg
from dagster_celery.launcher import CeleryRunLauncher

from pipedrive_orchestration.orchestration.run_monitoring import GONE, has_lost_its_command
from pipedrive_orchestration.services.dagster_internals import CheckRunHealthResult, WorkerStatus

TASK_TAG = "dagster-celery/task_id"
"""Of a run: the task that executes it, as Dagster's launcher notes it."""

SILENT = 3
"""So many askings in a row a worker may not answer before its run counts as lost."""

ANSWER_SECONDS = 3.0
"""Seconds that a worker has for an answer."""

RUNNING = CheckRunHealthResult(WorkerStatus.RUNNING)


class WatchedCeleryRunLauncher(CeleryRunLauncher):
    """Dagster's launcher for Celery, which tells a lost worker from a busy one, and cancels gently."""

    def __init__(self, **config: Any) -> None:
        super().__init__(**config)
        self._silences: Counter[str] = Counter()

    def terminate(self, run_id: str) -> bool:
        """Ask the worker to interrupt the run, which then says itself that it was cancelled."""
        run = self._instance.get_run_by_id(run_id)
        task = run.tags.get(TASK_TAG) if run else None
        if run is None or task is None:
            return False
        self._instance.report_run_canceling(run)
        self.celery.control.revoke(task, terminate=True, signal="SIGINT")
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Whether the worker that took a run still works on it.

        What cannot be told counts as running: Dagster would fail the run for it.
        """
        if has_lost_its_command(run):
            return CheckRunHealthResult(WorkerStatus.FAILED, GONE)
        task = run.tags.get(TASK_TAG)
        if task is None:
            return RUNNING
        try:
            lost = self._loss_of(task)
        except Exception:  # noqa: BLE001 - each broker has errors of its own, and none tells of the worker
            return RUNNING
        self._silences[task] = self._silences[task] + 1 if lost else 0
        if self._silences[task] < SILENT:
            return RUNNING
        del self._silences[task]
        return CheckRunHealthResult(WorkerStatus.FAILED, lost)

    def _loss_of(self, task: str) -> str:
        """Why a task seems to be lost; empty where it is not."""
        result = self.celery.AsyncResult(task)
        state, info = result.state, result.info
        if state == "FAILURE":
            return "Its worker has failed."
        if state != "STARTED" or not isinstance(info, dict):
            return ""
        worker = str(info.get("hostname"))
        answers = self.celery.control.inspect(destination=[worker], timeout=ANSWER_SECONDS).active()
        if not answers:
            return f"Its worker {worker} does not answer any more."
        if task in {one.get("id") for tasks in answers.values() for one in tasks}:
            return ""
        return f"Its worker {worker} was started anew and does not work on it."

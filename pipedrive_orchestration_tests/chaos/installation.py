"""An installation that lives through days as it is told to: ``python -m ...installation FOLDER``.

It is all that is long-living in one process: Dagster's daemon, the code location, the HTTP API with its
receiver of webhooks, and the merger. Runs that the daemon launches are executed here too. Each order is a
line of JSON with the instant at which it is carried out; the answer is a line of JSON.
"""

from __future__ import annotations

import gc
import json
import logging
import os
import resource
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import sqlalchemy
import time_machine
import uvicorn
from dagster._core.remote_origin import InProcessCodeLocationOrigin
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import InProcessWorkspaceLoadTarget
from dagster._daemon.asset_daemon import AssetDaemon
from dagster._daemon.run_coordinator.queued_run_coordinator_daemon import QueuedRunCoordinatorDaemon
from dagster._daemon.sensor import execute_sensor_iteration
from dagster._scheduler.scheduler import ScheduleIterationTimes, launch_scheduled_runs

from pipedrive_orchestration.api.app import create_app
from pipedrive_orchestration.api.dependencies import ApiContext
from pipedrive_orchestration.demo.prompt_server import PromptServer
from pipedrive_orchestration.importing import run
from pipedrive_orchestration.pipedrive.client import Client, Patience
from pipedrive_orchestration.services.deployment import Deployment, deployed
from pipedrive_orchestration.services.live import LiveMerge
from pipedrive_orchestration.services.names import LOCATION
from pipedrive_orchestration.services.overview import read_overview
from pipedrive_orchestration.settings import Settings, export
from pipedrive_orchestration.warehouse import Warehouse
from pipedrive_orchestration.webhooks.merger import Merger
from pipedrive_orchestration_tests.instances import keep_engines

MODULE = "pipedrive_orchestration.definitions"
BRIEF = Patience(deadline=0.5, first_deadline=0.5, attempt=20, blocked=0, odd=0, refused=0)
"""So that a day without Pipedrive takes no hour."""

UNFINISHED = [dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED]
WHERE_TOGETHER = {
    "runs of Dagster": ("storage/history/runs.db",),
    "index of events": ("storage/history/runs/index.db",),
    "ticks": ("storage/schedules/schedules.db",),
}


def obey(folder: Path, port: int, orders: Iterator[str], answer: Callable[[object], None]) -> None:
    """Carry out orders until there are no more."""
    settings = Settings.read()
    export(settings.variables())
    run.Client = partial(Client, patience=BRIEF)  # type: ignore[assignment, attr-defined]
    with ExitStack() as stack:
        keep_engines()
        travelling = _Travel()
        stack.callback(travelling.end)
        travelling.to(datetime.fromisoformat(json.loads(next(orders))["at"]))
        deployment = stack.enter_context(deployed(settings))
        installation = stack.enter_context(_installed(folder, settings, deployment, port))
        answer({})
        for line in orders:
            order = json.loads(line)
            travelling.to(datetime.fromisoformat(order["at"]))
            answer(getattr(installation, order["do"])(**order["how"]))


class _Travel:
    """The clock of this process and of what SQLite calls the present."""

    def __init__(self) -> None:
        self._now: Any = None
        sqlalchemy.event.listen(sqlalchemy.Engine, "connect", self._tell)

    def to(self, instant: datetime) -> None:
        self.end()
        self._now = time_machine.travel(instant)
        self._now.start()
        time.time()  # from which on it ticks

    def end(self) -> None:
        if self._now is not None:
            self._now.stop()
            self._now = None

    @staticmethod
    def _tell(connection: object, _record: object) -> None:
        if isinstance(connection, sqlite3.Connection):
            connection.create_function(
                "current_timestamp", 0, lambda: f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S}"
            )


@contextmanager
def _installed(folder: Path, settings: Settings, deployment: Deployment, port: int) -> Iterator[Installation]:
    warehouse = Warehouse.from_settings(settings)
    api = create_app(ApiContext(deployment, warehouse, settings, None))
    server = PromptServer(uvicorn.Config(api, port=port, log_level="error", access_log=False, ws="none"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    installation = Installation(folder, settings, deployment)
    yield installation
    installation.close()
    server.should_exit = True
    thread.join(timeout=20)


class Installation:
    """What can be ordered of it; each returns what is told of it."""

    def __init__(
        self,
        folder: Path,
        settings: Settings,
        deployment: Deployment,
    ) -> None:
        self._folder = folder
        self._deployment = deployment
        self._workspace = self._load()
        self._warehouse = Warehouse.from_settings(settings)
        self._live = LiveMerge(deployment, Merger.from_settings(settings))
        self._log = logging.getLogger("daemon")
        self._log.setLevel(logging.CRITICAL)
        self._assets = AssetDaemon({}, 30)
        self._queue = QueuedRunCoordinatorDaemon(interval_seconds=1)
        self._iterations: dict[str, ScheduleIterationTimes] = {}
        self._looked_at: dict[str, float] = {}
        self._sensor_memory: dict[str, Any] = {}

    def ticks(self, schedules: int, *, sensors: bool) -> dict[str, Any]:
        """What the daemon and the merger do once, and the runs that come of it.

        Args:
            schedules: how many of them are looked at, those that have waited longest.
            sensors: whether these are looked at as well.
        """
        self._choose(schedules)
        began, runs = time.process_time(), self._count_runs()
        list(launch_scheduled_runs(self._workspace, self._log, datetime.now(UTC), self._iterations))
        decided = time.process_time()
        self._execute()
        executed, runs = time.process_time(), self._count_runs() - runs
        self._live.merge()
        if sensors:
            self._look()
            self._execute()
        looked = time.process_time()
        return {
            "runs": runs,
            "a tick: its decision": decided - began,
            "a tick: its run": executed - decided,
            "sensors": looked - executed,
        }

    def merge(self) -> None:
        """What the merger does in a moment of its own."""
        self._live.merge()

    def reload(self) -> None:
        """What a reload of the code location does."""
        self.close()
        sys.modules.pop(MODULE, None)
        self._workspace = self._load()

    def failures(self) -> list[str]:
        """The tags of what has failed of late."""
        runs = self._deployment.instance.get_runs(
            dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE]), limit=50
        )
        return [run.tags.get("pipedrive/source", run.job_name) for run in runs]

    def figures(self) -> dict[str, Any]:
        """Sizes in bytes, rows of tables, memory, and what a look at all sources costs."""
        began = time.process_time()
        overview = read_overview(self._deployment, self._warehouse, datetime.now(UTC))
        looked = time.process_time() - began
        gc.collect()
        return {
            "cpu": {"a look at all sources": looked},
            "unwell": [f"{one.slug}: {trouble.text}" for one in overview.unwell for trouble in one.troubles],
            "sizes": self._sizes(),
            "rows": self._rows(),
            "resident": _resident(),
            "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
            "files open": len(list(Path("/proc/self/fd").iterdir())),
            "threads": threading.active_count(),
            "objects": len(gc.get_objects()),
        }

    def close(self) -> None:
        """End the code location."""
        self._workspace.__exit__(None, None, None)

    def _load(self) -> WorkspaceProcessContext:
        target = LoadableTargetOrigin(module_name=MODULE, working_directory=str(self._folder))
        origin = InProcessCodeLocationOrigin(target, location_name=LOCATION)
        return WorkspaceProcessContext(self._deployment.instance, InProcessWorkspaceLoadTarget(origin))

    def _execute(self) -> None:
        instance = self._deployment.instance
        while instance.get_runs_count(dg.RunsFilter(statuses=UNFINISHED)):
            list(self._queue.run_iteration(self._workspace))

    def _choose(self, count: int) -> None:
        """Let all schedules but so many have been looked at already."""
        location = self._workspace.create_request_context().get_code_location(LOCATION)
        (repository,) = location.get_repositories().values()
        schedules = repository.get_schedules()
        now = time.time()
        waiting = sorted(schedules, key=lambda one: (self._looked_at.get(one.name, 0.0), one.name))
        for schedule in waiting[:count]:
            self._iterations.pop(schedule.selector_id, None)
            self._looked_at[schedule.name] = now
        for schedule in waiting[count:]:
            self._iterations[schedule.selector_id] = ScheduleIterationTimes(
                schedule.cron_schedule, now + 1, self._looked_at.get(schedule.name, now)
            )

    def _look(self) -> None:
        list(execute_sensor_iteration(self._workspace, self._log, None, None, self._sensor_memory))
        self._assets._run_iteration_impl(
            self._workspace, threadpool_executor=None, amp_tick_futures={}, debug_crash_flags={}
        )

    def _count_runs(self) -> int:
        return self._deployment.instance.get_runs_count()

    def _sizes(self) -> dict[str, int]:
        sizes: dict[str, int] = {}
        for top in (".state", "data"):
            for path in (self._folder / top).rglob("*"):
                if path.is_file():
                    kind = self._kind(path.relative_to(self._folder))
                    sizes[kind] = sizes.get(kind, 0) + path.stat().st_size
                    sizes[f"files: {kind}"] = sizes.get(f"files: {kind}", 0) + 1
        return sizes

    @staticmethod
    def _kind(path: Path) -> str:
        for kind, ends in WHERE_TOGETHER.items():
            if str(path).startswith(tuple(f".state/{end}" for end in ends)):
                return kind
        if path.parts[:2] == (".state", "storage"):
            return "events of runs" if "runs" in path.parts else "/".join(path.parts[:3])
        return "/".join(path.parts[:2])

    def _rows(self) -> dict[str, int]:
        rows = {}
        with self._warehouse.reading() as connection:
            tables = connection.execute(
                "SELECT schema_name, table_name FROM duckdb_tables() WHERE NOT internal"
            ).fetchall()
            for schema, table in tables:
                (rows[f"{schema}.{table}"],) = _one(connection, f'SELECT count(*) FROM "{schema}"."{table}"')
        storage = self._folder / ".state" / "storage"
        for file in ("history/runs.db", "history/runs/index.db", "schedules/schedules.db"):
            with closing(sqlite3.connect(storage / file)) as database:
                names = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
                for (name,) in names:
                    (rows[f"{Path(file).stem}.{name}"],) = database.execute(
                        f'SELECT count(*) FROM "{name}"'
                    ).fetchone()
        return rows


def _one(connection: duckdb.DuckDBPyConnection, sql: str) -> tuple[Any, ...]:
    row = connection.execute(sql).fetchone()
    assert row is not None
    return row


def _resident() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def main() -> None:
    """Obeys what stands on ``stdin``; what Dagster prints goes to a file beside the folder."""
    answers = os.fdopen(os.dup(1), "w")
    folder = Path(sys.argv[1])
    with folder.with_suffix(".log").open("a") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)

    def answer(told: object) -> None:
        answers.write(json.dumps(told) + "\n")
        answers.flush()

    os.chdir(folder)
    obey(folder, int(sys.argv[2]), iter(sys.stdin), answer)


if __name__ == "__main__":
    main()

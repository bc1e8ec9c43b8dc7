"""A thousand schedules in ten accounts of one code location: rounds of ticks, memory, a reload.

``python -m benchmarks.schedules [--sources 1000] [--rounds 4]``. Dagster's state is in PostgreSQL, code
server and web server are processes of their own, as in `deploy/`. The daemon is this process: it does what
Dagster's daemon does, once for each round, with its clock a quarter of an hour later each time. A run that it
launches succeeds at once, so what is measured is ticks and not imports.
"""

from __future__ import annotations

import argparse
import logging
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import httpx
import time_machine
import yaml
from dagster._core.events import DagsterEvent, DagsterEventType
from dagster._core.launcher import LaunchRunContext, RunLauncher
from dagster._core.utils import InheritContextThreadPoolExecutor
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import GrpcServerTarget
from dagster._daemon.run_coordinator.queued_run_coordinator_daemon import QueuedRunCoordinatorDaemon
from dagster._daemon.sensor import execute_sensor_iteration
from dagster._scheduler.scheduler import launch_scheduled_runs
from dagster._serdes import ConfigurableClass, ConfigurableClassData

from pipedrive_orchestration.settings import Settings
from pipedrive_orchestration_tests.servers import postgresql, variables_of

ACCOUNTS = 10
QUARTER = timedelta(minutes=15)
LOCATION = "crm"

DEFINITIONS = """
from pathlib import Path
import dagster as dg
from crm import defs as defs_module

_tree = dg.ComponentTree(
    defs_module=defs_module, project_root=Path(__file__).parents[1], code_location_name="crm"
)
defs = dg.Definitions.merge(
    _tree.build_defs(Path(defs_module.__file__).parent), dg.Definitions(component_tree=_tree)
)
"""

RELOAD = 'mutation { reloadRepositoryLocation(repositoryLocationName: "crm") { __typename } }'
SCHEDULES = (
    '{ schedulesOrError(repositorySelector: {repositoryName: "__repository__", '
    'repositoryLocationName: "crm"}) { ... on Schedules { results { name } } } }'
)


COLUMNS = ("round", "ticks", "seconds", "daemon CPU s", "code server CPU s", "runs from the queue CPU s",
           "sensors s", "daemon MB", "code server MB", "web server MB")  # fmt: skip


class InstantLauncher(RunLauncher, ConfigurableClass):
    """Lets every run succeed at once."""

    def __init__(self, inst_data: ConfigurableClassData | None = None) -> None:
        self._inst_data = inst_data
        super().__init__()  # type: ignore[no-untyped-call]

    @property
    def inst_data(self) -> ConfigurableClassData | None:
        """What it was configured with."""
        return self._inst_data

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        """Nothing."""
        return {}

    @classmethod
    def from_config_value(
        cls,
        inst_data: ConfigurableClassData,
        config_value: Mapping[str, Any],  # noqa: ARG003 - the library's signature
    ) -> InstantLauncher:
        """The launcher."""
        return cls(inst_data)

    def launch_run(self, context: LaunchRunContext) -> None:
        """End the run."""
        run, instance = context.dagster_run, self._instance
        for kind in (DagsterEventType.RUN_START, DagsterEventType.RUN_SUCCESS):
            event = DagsterEvent(kind.value, job_name=run.job_name, message=kind.value)
            instance.report_dagster_event(event, run_id=run.run_id)

    def terminate(self, run_id: str) -> bool:  # noqa: ARG002 - the library's signature
        """Nothing is ever left to end."""
        return False


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.schedules")
    parser.add_argument("--sources", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=4)
    arguments = parser.parse_args()
    with postgresql() as server, tempfile.TemporaryDirectory() as name:
        there = variables_of(server)
        os.environ.update(there)
        subprocess.run(["createdb", "dagster"], check=True)
        names = {"HOST": "PGHOST", "PORT": "PGPORT", "USER": "PGUSER"}
        os.environ.update({f"DAGSTER_PG_{key}": there[variable] for key, variable in names.items()})
        os.environ.update({"DAGSTER_PG_PASSWORD": "none", "DAGSTER_PG_DB": "dagster"})
        _measure(Path(name), arguments.sources, arguments.rounds)


def _measure(folder: Path, sources: int, rounds: int) -> None:
    _write_project(folder, sources)
    os.chdir(folder)
    os.environ["DAGSTER_HOME"] = str(folder)
    os.environ["PYTHONPATH"] = os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])
    settings = Settings.from_variables(
        {"PIPEDRIVE_API_TOKEN": "none", "PIPEDRIVE_API_URL": "http://127.0.0.1:1"}
    )
    os.environ.update(settings.variables())
    code_port, web_port = _free_port(), _free_port()
    began = time.monotonic()
    server = [sys.executable, "-m", "dagster", "code-server", "start", "-m", "crm.definitions", "-p",
              str(code_port), "--location-name", LOCATION]  # fmt: skip
    with _process(server, folder / "code.log") as code, dg.DagsterInstance.get() as instance:
        _wait(lambda: code.poll() is not None or _answers(code_port), 600)
        target = GrpcServerTarget(host="localhost", port=code_port, socket=None, location_name=LOCATION)
        with WorkspaceProcessContext(instance, target) as workspace:
            print("| what | seconds | CPU s of the code server |\n|---|---|---|")
            print(
                f"| start, until definitions are loaded | {time.monotonic() - began:.1f} | {_cpu(code):.1f} |"
            )
            (folder / "workspace.yaml").write_text(
                yaml.safe_dump(
                    {"load_from": [{"grpc_server": {"port": code_port, "location_name": LOCATION}}]}
                )
            )
            web_command = [
                sys.executable,
                "-m",
                "dagster_webserver",
                "-w",
                "workspace.yaml",
                "-p",
                str(web_port),
            ]
            with _process(web_command, folder / "web.log") as web:
                _rounds(instance, workspace, code, web, web_port, rounds)


def _rounds(
    instance: dg.DagsterInstance,
    workspace: WorkspaceProcessContext,
    code: subprocess.Popen[bytes],
    web: subprocess.Popen[bytes],
    web_port: int,
    rounds: int,
) -> None:
    _wait(lambda: _answers(web_port), 600)
    daemon = _Daemon(instance, workspace)
    now = datetime.now(UTC)
    daemon.at(now, daemon.schedules)  # meets the schedules, which tick from then on
    print(f"\n| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}")
    ended = now
    for number in range(1, rounds + 1):
        # A round that takes longer than a quarter of an hour is followed by the next at once.
        now, of_round = max(now + QUARTER, ended), time.monotonic()
        before, cpu, began = _cpu(code), time.process_time(), time.monotonic()
        daemon.at(now, daemon.schedules)
        seconds, own, served = time.monotonic() - began, time.process_time() - cpu, _cpu(code) - before
        cpu = time.process_time()
        runs = daemon.at(now, daemon.queue)
        launched, began = time.process_time() - cpu, time.monotonic()
        daemon.at(now, daemon.sensors)
        looked = time.monotonic() - began
        _ask(web_port, SCHEDULES)
        memory = " | ".join(f"{_resident(one) / 1e6:.0f}" for one in (os.getpid(), code.pid, web.pid))
        print(
            f"| {number} | {runs} | {seconds:.1f} | {own:.1f} | {served:.1f} | {launched:.1f} | "
            f"{looked:.1f} | {memory} |",
            flush=True,
        )
        ended = now + timedelta(seconds=time.monotonic() - of_round)
    began = time.monotonic()
    _ask(web_port, RELOAD)
    print(f"\n| a reload | {time.monotonic() - began:.1f} s |\n|---|---|")


class _Daemon:
    """What Dagster's daemon does, once."""

    def __init__(self, instance: dg.DagsterInstance, workspace: WorkspaceProcessContext) -> None:
        self._instance = instance
        self._workspace = workspace
        self._log = logging.getLogger("daemon")
        self._log.setLevel(logging.ERROR)
        self._workers = InheritContextThreadPoolExecutor(max_workers=4)
        self._futures: dict[str, Future[Any]] = {}
        self._iterations: dict[str, Any] = {}
        self._sensors: dict[str, Future[Any]] = {}
        self._queue = QueuedRunCoordinatorDaemon(interval_seconds=1)

    def at(self, now: datetime, act: Any) -> Any:
        with time_machine.travel(now):
            time.time()  # from which on it ticks
            return act()

    def schedules(self) -> None:
        # As the daemon does each minute: a code server that did not answer for a moment is asked again.
        self._workspace.refresh_workspace()
        list(
            launch_scheduled_runs(
                self._workspace, self._log, datetime.now(UTC), self._iterations, self._workers, None,
                self._futures,
            )
        )  # fmt: skip
        for future in self._futures.values():
            future.result()

    def queue(self) -> int:
        ended = 0
        while waiting := self._instance.get_runs_count(dg.RunsFilter(statuses=[dg.DagsterRunStatus.QUEUED])):
            list(self._queue.run_iteration(self._workspace))
            ended += waiting - self._instance.get_runs_count(
                dg.RunsFilter(statuses=[dg.DagsterRunStatus.QUEUED])
            )
        return ended

    def sensors(self) -> None:
        list(execute_sensor_iteration(self._workspace, self._log, self._workers, None, self._sensors))
        for future in self._sensors.values():
            future.result()


def _write_project(folder: Path, sources: int) -> None:
    deployed = Path(__file__).parents[1] / "deploy" / "dagster.yaml"
    settings = yaml.safe_load(deployed.read_text("utf-8"))
    settings["run_launcher"] = {"module": "benchmarks.schedules", "class": "InstantLauncher"}
    (folder / "dagster.yaml").write_text(yaml.safe_dump(settings))
    package = folder / "crm"
    (package / "defs").mkdir(parents=True)
    for path in (package / "__init__.py", package / "defs" / "__init__.py"):
        path.touch()
    (package / "definitions.py").write_text(DEFINITIONS)
    for account in range(ACCOUNTS):
        name = f"account{account}"
        (package / "defs" / name).mkdir()
        attributes = {
            "project": f"projects/{name}",
            "asset_key_prefix": name,
            "warehouse": {"database": f"data/{name}.duckdb"},
        }
        component = {"type": "pipedrive_orchestration.PipedriveProject", "attributes": attributes}
        (package / "defs" / name / "defs.yaml").write_text(yaml.safe_dump(component))
        files = folder / "projects" / name / "sources"
        files.mkdir(parents=True)
        for number in range(sources // ACCOUNTS):
            body = {
                "name": f"Deals {number}", "object_type": "deals", "properties": ["id", "title"],
                "pull_mode": "active", "schedule": "*/15 * * * *",
                "filters": {"conditions": [{"variable": "id", "condition": "greater_than", "values": [1]}]},
            }  # fmt: skip
            (files / f"deals_{number}.yaml").write_text(yaml.safe_dump(body))


@contextmanager
def _process(command: Sequence[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=output) as process:
        try:
            yield process
        finally:
            process.terminate()
            process.wait(60)


def _family(pid: int) -> list[int]:
    """A process and those it has started."""
    found = [pid]
    for one in found:
        for task in Path(f"/proc/{one}/task").glob("*/children"):
            found += [int(child) for child in task.read_text().split()]
    return found


def _cpu(process: subprocess.Popen[bytes]) -> float:
    ticks = 0
    for pid in _family(process.pid):
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def _resident(pid: int) -> int:
    family = [pid] if pid == os.getpid() else _family(pid)
    pages = [int(Path(f"/proc/{one}/statm").read_text().split()[1]) for one in family]
    return sum(pages) * os.sysconf("SC_PAGE_SIZE")


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


def _answers(port: int) -> bool:
    with socket.socket() as there:
        return there.connect_ex(("127.0.0.1", port)) == 0


def _wait(look: Any, seconds: float) -> None:
    until = time.monotonic() + seconds
    while not look():
        if time.monotonic() > until:
            raise TimeoutError
        time.sleep(0.2)


def _ask(port: int, query: str) -> Any:
    answer = httpx.post(f"http://127.0.0.1:{port}/graphql", json={"query": query}, timeout=600)
    return answer.raise_for_status().json()


if __name__ == "__main__":
    main()

"""A Dagster that is really running: web server, daemon, code server and run workers, asked by GraphQL."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx
import yaml

from pipedrive_orchestration.demo import DemoServer

ROOT = Path(__file__).parents[2]
LOCATION = "pipedrive_orchestration"
REPOSITORY = "__repository__"
T = TypeVar("T")

FINISHED = {"SUCCESS", "FAILURE", "CANCELED"}


def wait_for(what: str, look: Callable[[], T | None], seconds: float = 60, pause: float = 0.25) -> T:
    """What ``look`` finds, as soon as it finds something that is true.

    Raises:
        TimeoutError: It did not in time.
    """
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > deadline:
            raise TimeoutError(f"no {what} within {seconds:.0f} s")
        time.sleep(pause)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class LiveDagster:
    """``dagster dev`` in a folder of its own, with the instance settings that the repository ships.

    Args:
        folder: holds the project, the warehouse and Dagster's state.
        account: what it imports from.
        environment: variables beside those that name account, project and warehouse.
    """

    def __init__(self, folder: Path, account: DemoServer, environment: Mapping[str, str] = {}) -> None:
        self.folder = folder
        self.port = free_port()
        self.project = folder / "project"
        self.warehouse = folder / "warehouse.duckdb"
        (self.project / "sources").mkdir(parents=True, exist_ok=True)
        self._write_settings()
        self._log = folder / "dagster.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("PIPEDRIVE_", "DAGSTER_"))},
            "DAGSTER_HOME": str(folder),
            "DAGSTER_DISABLE_TELEMETRY": "true",
            "PIPEDRIVE_API_URL": account.url,
            "PIPEDRIVE_API_TOKEN": account.token,
            "PIPEDRIVE_PROJECT": str(self.project),
            "PIPEDRIVE_WAREHOUSE": str(self.warehouse),
            "PIPEDRIVE_DAGSTER_URL": self.url,
            "PYTHONPATH": str(ROOT),
            **environment,
        }

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def _write_settings(self) -> None:
        settings = yaml.safe_load((ROOT / "dagster.yaml").read_text())
        # A killed run is looked for more often than every half minute, so that a test need not wait.
        settings["run_monitoring"] |= {"poll_interval_seconds": 2, "free_slots_after_run_end_seconds": 2}
        (self.folder / "dagster.yaml").write_text(yaml.safe_dump(settings))
        (self.folder / "workspace.yaml").write_text((ROOT / "workspace.yaml").read_text())

    def write(self, slug: str, **body: Any) -> None:
        (self.project / "sources" / f"{slug}.yaml").write_text(yaml.safe_dump(body))

    def start(self) -> None:
        command = [sys.executable, "-m", "dagster", "dev", "-w", "workspace.yaml", "--host", "127.0.0.1"]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*command, "--port", str(self.port)],
                cwd=self.folder, env=self._environment, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        wait_for("running Dagster", self._is_up, seconds=90)

    def _is_up(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise RuntimeError(f"Dagster ended:\n{self.log()[-4000:]}")
        try:
            answer = self.graphql("{ locationStatusesOrError { ... on WorkspaceLocationStatusEntries { entries "
                                  "{ loadStatus } } } instance { daemonHealth { allDaemonStatuses { healthy "
                                  "required } } } }")  # fmt: skip
        except (httpx.HTTPError, ValueError):
            return False
        locations = answer["locationStatusesOrError"]["entries"]
        daemons = answer["instance"]["daemonHealth"]["allDaemonStatuses"]
        return (
            bool(locations)
            and all(entry["loadStatus"] == "LOADED" for entry in locations)
            and all(daemon["healthy"] for daemon in daemons if daemon["required"])
        )

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Ends every process of it: politely, or with SIGKILL as a power cut would."""
        if self._process is None:
            return
        if how is not signal.SIGKILL:
            self._process.send_signal(how)
            try:
                self._process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                pass
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self._process.wait()
        self._process = None

    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def graphql(self, query: str, **variables: Any) -> Any:
        answer = httpx.post(f"{self.url}/graphql", json={"query": query, "variables": variables}, timeout=60)
        body = answer.json()
        if body.get("errors"):
            raise AssertionError(body["errors"])
        return body["data"]

"""A deployment over several hosts, on one machine: everything is a process of its own, and nothing is shared
but PostgreSQL, Redis and S3. Each worker has a home, a working folder and a staging folder of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import yaml

from pipedrive_orchestration.demo import DemoServer
from pipedrive_orchestration.settings import Settings
from pipedrive_orchestration.warehouse import Warehouse
from pipedrive_orchestration_tests.orchestration.live import ROOT, LiveDagster, free_port, wait_for
from pipedrive_orchestration_tests.servers import (
    KEY_ID,
    SECRET,
    Server,
    object_storage,
    postgresql,
    redis,
    variables_of,
)

LOST_CONNECTIONS = 8
"""So many connections to a PostgreSQL that was killed the web server may still hold."""

WEB_SERVER = "pipedrive_orchestration.services.guarded_web_server"


@dataclass
class Host:
    """One machine of the deployment, as far as its processes can tell.

    Attributes:
        name: of its folder.
        folder: its working folder and DAGSTER_HOME.
        command: the process that runs there.
        environment: its variables.
    """

    name: str
    folder: Path
    command: Sequence[str]
    environment: Mapping[str, str]
    process: subprocess.Popen[bytes] | None = field(default=None)

    def start(self) -> None:
        """Start its process."""
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                self.command, cwd=self.folder, env=dict(self.environment), stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip

    def kill(self) -> None:
        """End all that runs on it, as a power failure does."""
        if self.process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None

    def log(self) -> str:
        """What its process has said."""
        return (self.folder / "log").read_text(errors="replace")


class Cluster(LiveDagster):
    """Web server, code server, daemon and workers, each on a host of its own."""

    def __init__(
        self,
        folder: Path,
        account: DemoServer,
        servers: tuple[Server, Server, Server | None],
        *,
        workers: int = 3,
        environment: Mapping[str, str] = {},
    ) -> None:
        self.database, self.broker, self.storage = servers
        self._workers = workers
        storage = self.storage
        where = variables_of(self.database)
        queue = f"redis://127.0.0.1:{self.broker.port}"
        lake = {
            "PIPEDRIVE_WAREHOUSE": "ducklake:postgres:dbname=crm",
            "PIPEDRIVE_WAREHOUSE_DATA": str(folder / "files"),
        }
        if storage is not None:
            lake |= {
                "PIPEDRIVE_WAREHOUSE_DATA": "s3://crm/lake",
                "PIPEDRIVE_S3_KEY_ID": KEY_ID,
                "PIPEDRIVE_S3_SECRET": SECRET,
                "PIPEDRIVE_S3_ENDPOINT": f"http://127.0.0.1:{storage.port}",
                "PIPEDRIVE_S3_REGION": "eu-central-1",
            }
        self._shared = {
            **where, **lake,
            "DAGSTER_PG_HOST": where["PGHOST"], "DAGSTER_PG_PORT": where["PGPORT"],
            "DAGSTER_PG_USER": where["PGUSER"], "DAGSTER_PG_PASSWORD": "none", "DAGSTER_PG_DB": "dagster",
            "CELERY_BROKER_URL": f"{queue}/0", "CELERY_RESULT_BACKEND": f"{queue}/1",
            **environment,
        }  # fmt: skip
        super().__init__(folder, account, self._shared)
        self._hosts: dict[str, Host] = {}
        self._client = httpx.Client(base_url=self.url, timeout=60, verify=False)
        code = self._code = free_port()
        # By the machine's clock: servers that are not ours go by that as well.
        self.environment["PYTHONPATH"] = os.pathsep.join([*_packages(), str(ROOT)])
        python = [sys.executable, "-m"]
        listening = ["-h", "127.0.0.1", "-p", str(code)]
        self._add(
            "code",
            *python, "dagster", "code-server", "start", "-m", "pipedrive_orchestration.definitions",
            "--location-name", "pipedrive_orchestration", *listening,
            PIPEDRIVE_PROJECT=str(self.project),
        )  # fmt: skip
        server = {"host": "127.0.0.1", "port": code, "location_name": "pipedrive_orchestration"}
        (folder / "workspace.yaml").write_text(yaml.safe_dump({"load_from": [{"grpc_server": server}]}))
        workspace = ["-w", str(folder / "workspace.yaml")]
        self._add("web", *python, WEB_SERVER, "-h", "127.0.0.1", "-p", str(self.port), *workspace)
        self._add("daemon", *python, "dagster._daemon", "run", *workspace)
        for number in range(1, workers + 1):
            self._add(
                f"worker{number}",
                *python, "celery", "-A", "dagster_celery.app", "-b", f"{queue}/0",
                "--result-backend", f"{queue}/1",
                "worker", "--prefetch-multiplier=1", "-Q", "dagster", "-c", "1", "-n", f"worker{number}@%h",
            )  # fmt: skip

    def _add(self, name: str, *command: str, **more: str) -> None:
        folder = self.folder / name
        folder.mkdir()
        (folder / "dagster.yaml").write_text((self.folder / "dagster.yaml").read_text())
        own = {
            "DAGSTER_HOME": str(folder),
            "PIPEDRIVE_STAGING": str(folder / "staging"),
            "PIPEDRIVE_PROJECT": str(folder / "there is no project here"),
        }
        self._hosts[name] = Host(name, folder, command, {**self.environment, **own, **more})

    def _write_settings(self) -> None:
        settings = yaml.safe_load((ROOT / "deploy" / "dagster.yaml").read_text())
        settings["run_monitoring"] |= {
            "poll_interval_seconds": 2, "free_slots_after_run_end_seconds": 2, "start_timeout_seconds": 60,
        }  # fmt: skip
        settings["concurrency"]["runs"]["max_concurrent_runs"] = self._workers
        (self.folder / "dagster.yaml").write_text(yaml.safe_dump(settings))

    def host(self, name: str) -> Host:
        """A host by its name: ``code``, ``web``, ``daemon`` or ``worker1``."""
        return self._hosts[name]

    @property
    def workers(self) -> list[Host]:
        """The hosts of workers."""
        return [host for name, host in self._hosts.items() if name.startswith("worker")]

    def start(self) -> None:
        """Make the databases, and start every host."""
        for name in ("dagster", "crm"):
            subprocess.run(["createdb", name], env={**os.environ, **variables_of(self.database)}, check=True)
        self._started_at = 0.0
        # Dagster's tables are made by one process, before several would.
        subprocess.run(
            [sys.executable, "-m", "dagster", "instance", "migrate"],
            cwd=self.folder, env={**self.environment, "DAGSTER_HOME": str(self.folder)}, check=True,
            capture_output=True,
        )  # fmt: skip
        self.host("code").start()
        wait_for("code server", self._serves_code, seconds=120)
        for host in self._hosts.values():
            if host.process is None:
                host.start()
        wait_for("running deployment", self._is_up, seconds=120)

    def _serves_code(self) -> bool:
        check = [sys.executable, "-m", "dagster", "api", "grpc-health-check", "-p", str(self._code)]
        return subprocess.run(check, env=self.environment, check=False, capture_output=True).returncode == 0

    def _is_up(self) -> bool:
        for host in self._hosts.values():
            if host.process is None or host.process.poll() is not None:
                raise RuntimeError(f"{host.name} ended:\n{host.log()[-4000:]}")
        self._process = self._hosts["web"].process
        return super()._is_up()

    def ask(self, query: str, **variables: Any) -> Any:
        """What a query asks for; asked again, as a reload of the page does, where PostgreSQL was lost."""
        for _ in range(LOST_CONNECTIONS):
            try:
                return super().ask(query, **variables)
            except AssertionError as error:
                if "closed the connection" not in str(error) and "terminating connection" not in str(error):
                    raise
        return super().ask(query, **variables)

    def answers(self) -> bool:
        """Whether it is up again, after something was killed."""
        try:
            return self._is_up()
        except AssertionError:
            return False

    def log(self) -> str:
        """What all have said last."""
        return "\n".join(f"--- {host.name}\n{host.log()[-3000:]}" for host in self._hosts.values())

    def stop(self) -> None:
        """End everything that was started."""
        self._client.close()
        for host in self._hosts.values():
            host.kill()
        self._process = None

    @property
    def lake(self) -> Warehouse:
        """The warehouse, as this process reaches it."""
        return Warehouse.from_settings(Settings.from_variables(self._shared))

    def rows(self, slug: str) -> set[int]:
        """Ids of a source's current rows, each there once."""
        with self.lake.reading() as connection:
            found = connection.execute(f"SELECT _id FROM pipedrive.{slug} WHERE _is_current").fetchall()
        assert len(found) == len(set(found))
        return {row[0] for row in found}


def _packages() -> list[str]:
    """Where this process has DuckDB from, if that is not its environment."""
    return [
        entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if ".duckdb_versions" in entry
    ]


@contextmanager
def running_servers(weed: Path | None) -> Iterator[tuple[Server, Server, Server | None]]:
    """PostgreSQL, Redis and S3 of a test's own."""
    with ExitStack() as stack:
        yield (
            stack.enter_context(postgresql()),
            stack.enter_context(redis()),
            stack.enter_context(object_storage(weed)),
        )


def source_of(object_type: str, **changes: Any) -> dict[str, Any]:
    """The body of a source that nobody imports unless asked to."""
    body = {"name": object_type, "object_type": object_type, "properties": ["id", "add_time", "update_time"],
            "pull_mode": "active", "schedule": "0 0 1 1 *", "expiration_date": "2020-12-31"}  # fmt: skip
    return body | changes

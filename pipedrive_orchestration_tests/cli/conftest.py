"""A project folder of a test's own, and the command line in it: in this process, or as a process."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml
from typer.testing import CliRunner

from pipedrive_orchestration.cli.app import app
from pipedrive_orchestration.demo import DemoServer
from pipedrive_orchestration.importing import Pull, import_source, windows_until
from pipedrive_orchestration.pipedrive.auth import Connection
from pipedrive_orchestration.settings import Settings
from pipedrive_orchestration.sources import InMemoryKeyValues, SourceStore
from pipedrive_orchestration.warehouse import Warehouse
from pipedrive_orchestration_tests.warehouse.backends import KIND, variables_in

REPOSITORY = Path(__file__).parents[2]
COMMAND = Path(sys.executable).with_name("pipedrive-orchestration")
OURS = ("PIPEDRIVE_", "DAGSTER_")

PIPELINES: dict[str, Any] = {
    "name": "Pipelines",
    "object_type": "pipelines",
    "properties": ["id", "name", "order_nr"],
    "pull_mode": "active",
    "schedule": "@daily",
}
WINDOWS = 3
PERSONS: dict[str, Any] = {
    "name": "All persons",
    "object_type": "persons",
    "properties": ["id", "name", "emails", "owner_id", "update_time"],
    "pull_mode": "active",
    "schedule": "*/15 * * * *",
    # Dagster is told of every window of a run, which takes longer than to import these few records.
    "options": {"partitions_start": f"{datetime.now(UTC).replace(day=1) - timedelta(days=32):%Y-%m}"},
}


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Project:
    """A working folder with the instance's configuration and a project folder."""

    folder: Path

    @property
    def database(self) -> Path:
        return self.folder / "data" / "warehouse.duckdb"

    @property
    def warehouse(self) -> Warehouse:
        named = os.environ if KIND != "duckdb" else {"PIPEDRIVE_WAREHOUSE": str(self.database)}
        return Warehouse.from_settings(Settings.from_variables(named))

    def write(self, slug: str, body: Mapping[str, Any] | str) -> Path:
        path = self.folder / "project" / "sources" / (slug if "." in slug else f"{slug}.yaml")
        path.write_text(body if isinstance(body, str) else yaml.safe_dump(dict(body), sort_keys=False))
        return path

    def connect_to(self, server: DemoServer, *, token: str | None = None) -> None:
        """Write the account into the folder's .env, as a user does."""
        self.reach(server.url, token or server.token)

    def reach(self, url: str, token: str) -> None:
        (self.folder / ".env").write_text(f"PIPEDRIVE_API_URL={url}\nPIPEDRIVE_API_TOKEN={token}\n")

    def run(self, *arguments: str) -> Ended:
        """Run the command in this process, which has its environment back afterwards."""
        before = dict(os.environ)
        try:
            result = CliRunner().invoke(app, list(arguments))
        finally:
            os.environ.clear()
            os.environ.update(before)
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Ended(result.exit_code, result.stdout, result.stderr)

    def execute(self, *arguments: str) -> Ended:
        """Run the installed command as a process."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
        ended = subprocess.run(
            [COMMAND, *arguments],
            cwd=self.folder, env=environment, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        return Ended(ended.returncode, ended.stdout, ended.stderr)

    def bring(self, slug: str, server: DemoServer) -> None:
        """Import all windows of a source, without Dagster, which takes seconds to start."""
        source = SourceStore(self.folder / "project", InMemoryKeyValues()).load().find(slug)
        import_source(
            source,
            connection=Connection.of(server.url, server.token),
            warehouse=self.warehouse,
            staging=self.folder / "staging",
            pull=Pull.WINDOW,
            windows=windows_until(source, datetime.now(UTC)) if source.type.partitioned else (),
        )

    @contextmanager
    def opened(self) -> Iterator[duckdb.DuckDBPyConnection]:
        with self.warehouse.reading() as connection:
            yield connection

    def current(self, slug: str) -> set[int]:
        """Ids of a source's current rows."""
        with self.opened() as connection:
            rows = connection.execute(f"SELECT _id FROM pipedrive.{slug} WHERE _is_current").fetchall()
        return {row[0] for row in rows}

    def tables(self) -> set[str]:
        """Names of the tables that hold rows of sources."""
        with self.opened() as connection:
            rows = connection.execute(
                "SELECT table_name FROM duckdb_tables() WHERE schema_name = 'pipedrive'"
            ).fetchall()
        return {row[0] for row in rows}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """An empty project in the current working folder, and nothing of ours in the environment."""
    shutil.copy(REPOSITORY / "dagster.yaml", tmp_path)
    (tmp_path / "project" / "sources").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(OURS)]:
        monkeypatch.delenv(name)
    if KIND != "duckdb":
        for name, value in variables_in(tmp_path).items():
            monkeypatch.setenv(name, value)
    return Project(tmp_path)


@pytest.fixture
def small(project: Project, demo: DemoServer) -> Project:
    """A project with two sources, connected to the shared account."""
    project.write("pipelines", PIPELINES)
    project.write("all_persons", PERSONS)
    project.connect_to(demo)
    return project

"""A year of ten sources at ``*/15``: what it leaves, and what a tick and a look cost at its end.

``python -m benchmarks.years [--ticks 6]``. A year is 350,400 ticks, so a few are made of each source, over
real HTTP and through Dagster. What each left is then copied as often as a year does it, with other ids and
times: the ledger for a year, Dagster's runs for as long as they are kept.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import sqlite3
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import duckdb
import yaml

from pipedrive_orchestration.demo import Settings as AccountSettings
from pipedrive_orchestration.demo import running_demo
from pipedrive_orchestration.importing import Pull
from pipedrive_orchestration.orchestration import build_definitions
from pipedrive_orchestration.orchestration.context import ProjectContext
from pipedrive_orchestration.orchestration.in_process import ImportArguments, run_import
from pipedrive_orchestration.orchestration.sensors.retention import build_retention_sensor
from pipedrive_orchestration.services.deployment import Deployment, deployed
from pipedrive_orchestration.services.overview import read_overview
from pipedrive_orchestration.settings import Settings
from pipedrive_orchestration.warehouse import Warehouse

TYPES = (
    "deals", "persons", "organizations", "activities", "products", "leads", "notes", "pipelines", "stages",
    "users",
)  # fmt: skip
TICKS_A_DAY = 96
DAYS = 365


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.years")
    parser.add_argument("--ticks", type=int, default=6)
    ticks: int = parser.parse_args().ticks
    with tempfile.TemporaryDirectory() as name:
        _measure(Path(name), ticks)


def _measure(folder: Path, ticks: int) -> None:
    shutil.copy(Path(__file__).parents[1] / "dagster.yaml", folder)
    sources = folder / "project" / "sources"
    sources.mkdir(parents=True)
    for name in TYPES:
        body = {"name": name, "object_type": name, "properties": ["id"], "pull_mode": "active"}
        (sources / f"{name}.yaml").write_text(yaml.safe_dump({**body, "schedule": "*/15 * * * *"}))
    os.chdir(folder)
    with running_demo(AccountSettings(scale=0.05, burst=0)) as account:
        settings = Settings.from_variables(
            {
                "PIPEDRIVE_API_TOKEN": account.token,
                "PIPEDRIVE_API_URL": account.url,
                "DAGSTER_HOME": str(folder),
            }
        )
        os.environ.update(settings.variables())
        with deployed(settings) as deployment:
            year = _Year(folder, settings, deployment)
            year.bring(Pull.WINDOW, 1)
            year.bring(Pull.CHANGES, 1)
            before = year.sizes()
            print(
                f"| what | the first day | after a year |\n|---|---|---|\n{_figures('', year.costs(ticks))}"
            )
            grown = {what: (size - before[what]) / ticks / len(TYPES) for what, size in year.sizes().items()}
            for what, per_tick in grown.items():
                print(f"| {what} | {before[what] / 1e6:.1f} MB | {per_tick / 1e3:.2f} KB a tick |")
            year.multiply(ticks)
            print(_figures("a year later: ", year.costs(ticks)))
            for what, size in year.sizes().items():
                print(f"| {what}, a year of ledger, runs as kept | {size / 1e6:.1f} MB |")
            began = time.perf_counter()
            told = year.delete_old_runs()
            print(f"| {told} | {time.perf_counter() - began:.1f} s |")
            print(f"| memory | {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB |")


def _figures(when: str, costs: dict[str, float]) -> str:
    return "\n".join(f"| {when}{what} | {seconds * 1e3:.0f} ms of CPU |" for what, seconds in costs.items())


class _Year:
    def __init__(self, folder: Path, settings: Settings, deployment: Deployment) -> None:
        self._folder = folder
        self._settings = settings
        self._deployment = deployment
        self._loaded = deployment.store.load()
        self._context = ProjectContext(settings=settings)
        self._definitions = build_definitions(self._loaded, project=self._context)

    def bring(self, pull: Pull, times: int) -> None:
        tags = {"dagster/schedule_name": "a schedule"} if pull is Pull.CHANGES else {}
        for _ in range(times):
            for source in self._loaded.sources:
                run_import(
                    self._definitions, self._deployment.instance, source, pull, ImportArguments(), tags
                )

    def costs(self, ticks: int) -> dict[str, float]:
        """CPU seconds of a tick's run, of the decision of a tick, and of a look at all sources."""
        repository = self._definitions.get_repository_def()
        now = datetime.now(UTC)
        warehouse = Warehouse.from_settings(self._settings)

        def decide() -> None:
            for schedule in repository.schedule_defs:
                with dg.build_schedule_context(
                    instance=self._deployment.instance,
                    repository_def=repository,
                    scheduled_execution_time=now,
                ) as context:
                    schedule.evaluate_tick(context)

        return {
            "a tick: its run": _cpu(lambda: self.bring(Pull.CHANGES, ticks)) / ticks / len(TYPES),
            "a tick: its decision": _cpu(decide) / len(TYPES),
            "status of ten sources": _cpu(lambda: read_overview(self._deployment, warehouse, now)),
        }

    def sizes(self) -> dict[str, int]:
        state = self._folder / ".state"
        data = self._folder / "data"
        with closing(duckdb.connect(str(data / "warehouse.duckdb"))) as connection:
            connection.execute("CHECKPOINT")
        files = {
            path: path.stat().st_size for path in (*state.rglob("*"), *data.rglob("*")) if path.is_file()
        }
        shards = state / "storage" / "history" / "runs"
        return {
            "database": sum(size for path, size in files.items() if path.is_relative_to(data)),
            "runs and index": sum(
                files.get(path, 0) for path in (shards.parent / "runs.db", shards / "index.db")
            ),
            "events of runs": sum(
                size for path, size in files.items() if path.parent == shards and path.name != "index.db"
            ),
            "staging": sum(size for path, size in files.items() if "staging" in path.parts),
        }

    def multiply(self, ticks: int) -> None:
        """Copy what ticks left, as often as a year makes it."""
        with closing(duckdb.connect(str(self._folder / "data" / "warehouse.duckdb"))) as connection:
            copies = TICKS_A_DAY * DAYS // (2 * ticks)
            columns = [row[0] for row in connection.execute("DESCRIBE import_ledger.imports").fetchall()]
            values = ", ".join(
                {"import_id": "uuid()", "started_at": "started_at - n * INTERVAL 90 MINUTE",
                 "finished_at": "finished_at - n * INTERVAL 90 MINUTE"}.get(name, f'"{name}"')
                for name in columns
            )  # fmt: skip
            connection.execute(
                f"INSERT INTO import_ledger.imports SELECT {values} FROM import_ledger.imports, "
                f"range(1, {copies}) AS copies(n) WHERE pull = 'changes'"
            )
        storage = self._folder / ".state" / "storage" / "history"
        kept = self._settings.keep_ticks_days * TICKS_A_DAY // ticks
        with (
            closing(sqlite3.connect(storage / "runs.db")) as runs,
            closing(sqlite3.connect(storage / "runs" / "index.db")) as index,
        ):
            ids = [
                row[0]
                for row in runs.execute(
                    "SELECT DISTINCT run_id FROM run_tags WHERE key LIKE '%schedule_name'"
                )
            ]
            for old in ids[-ticks * len(TYPES) :]:
                for number in range(kept):
                    ended = datetime.now(UTC) - timedelta(minutes=20 * (number + 1))
                    _copy(runs, "runs", old, str(uuid.uuid4()), update_timestamp=ended.replace(tzinfo=None))
            new = [row[0] for row in runs.execute("SELECT run_id FROM runs")]
            known = {row[0] for row in index.execute("SELECT DISTINCT run_id FROM event_logs")}
            fresh: Iterator[str] = iter([one for one in new if one not in known])
            for old in ids[-ticks * len(TYPES) :]:
                for _ in range(kept):
                    run_id = next(fresh)
                    _copy(index, "event_logs", old, run_id)
                    _copy(index, "asset_check_executions", old, run_id)
                    runs.execute(
                        "INSERT INTO run_tags (run_id, key, value) "
                        "SELECT ?, key, value FROM run_tags WHERE run_id = ?",
                        [run_id, old],
                    )
            runs.commit()
            index.commit()

    def delete_old_runs(self) -> str:
        later = datetime.now(UTC) + timedelta(days=self._settings.keep_ticks_days)
        sensor = build_retention_sensor([], self._context, clock=lambda: later)
        with dg.build_sensor_context(instance=self._deployment.instance) as context:
            return str(sensor.evaluate_tick(context).skip_message)


def _copy(database: sqlite3.Connection, table: str, old: str, new: str, **changes: object) -> None:
    columns = [row[1] for row in database.execute(f"PRAGMA table_info({table})") if row[1] != "id"]
    given = {"run_id": new, **changes}
    values = ", ".join("?" if name in given else f'"{name}"' for name in columns)
    database.execute(
        f"INSERT INTO {table} ({', '.join(columns)}) SELECT {values} FROM {table} WHERE run_id = ?",
        [*(given[name] for name in columns if name in given), old],
    )


def _cpu(act: Callable[[], object]) -> float:
    began = time.process_time()
    act()
    return time.process_time() - began


if __name__ == "__main__":
    main()

"""Builds while imports commit all the time, and builds that are killed at any point."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import pytest

from pipedrive_orchestration.models import build
from pipedrive_orchestration.models.build import BuildReport, build_models
from pipedrive_orchestration.models.dbt import run_dbt
from pipedrive_orchestration.models.dbt_project import DbtProject
from pipedrive_orchestration.warehouse import Warehouse

pytestmark = pytest.mark.skipif(not os.environ.get("CHAOS_FULL"), reason="make chaos")

KILLS = 12

FILES = {
    "dbt_project.yml": "name: tiny\nprofile: tiny\nmodels: {tiny: {+materialized: table}}\n",
    "models/one.sql": "select count(*) as rows from {{ source('pipedrive', 'one') }}",
    "models/two.sql": "select count(*) as rows from {{ source('pipedrive', 'two') }}",
    "models/both.sql": "select one.rows as one, two.rows as two "
    "from {{ ref('one') }} as one, {{ ref('two') }} as two",
}


class _Tiny(DbtProject):
    def listed_sources(self) -> dict[str, Any]:
        tables = [{"name": "one"}, {"name": "two"}]
        return {"version": 2, "sources": [{"name": "pipedrive", "schema": "pipedrive", "tables": tables}]}


@dataclass
class Site:
    """A database of two tables that have the same number of rows after every commit."""

    folder: Path
    project: DbtProject
    waits: list[tuple[float, float]] = field(default_factory=list)

    @property
    def warehouse(self) -> Warehouse:
        return Warehouse(str(self.folder / "crm.duckdb"))

    def commit(self) -> None:
        asked = time.monotonic()
        with self.warehouse.writing() as connection:
            self.waits.append((asked, time.monotonic()))
            connection.execute("INSERT INTO pipedrive.one VALUES (1)")
            connection.execute("INSERT INTO pipedrive.two VALUES (1)")

    def build(self) -> BuildReport:
        return build_models(self.project, self.warehouse, self.folder / "work")

    def models(self) -> tuple[int, int, int, int]:
        with self.warehouse.reading() as connection:
            row = connection.execute(
                "SELECT (SELECT rows FROM models.one), (SELECT rows FROM models.two), one, two "
                "FROM models.both"
            ).fetchone()
        assert row is not None
        return row


@pytest.fixture
def site(tmp_path: Path) -> Site:
    for name, content in FILES.items():
        path = tmp_path / "project" / "models" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    site = Site(tmp_path, _Tiny.of(tmp_path / "project", []))
    with site.warehouse.writing() as connection:
        connection.execute("CREATE SCHEMA pipedrive")
        for name in ("one", "two"):
            connection.execute(f"CREATE TABLE pipedrive.{name} AS FROM range(200000)")
    return site


@contextmanager
def all_the_time(work: Callable[[], None]) -> Iterator[None]:
    """Does something again and again as long as the block lasts; its errors are those of the block."""
    ended, errors = threading.Event(), list[BaseException]()

    def repeat() -> None:
        try:
            while not ended.is_set():
                work()
                time.sleep(0.02)
        except BaseException as error:  # noqa: BLE001 - it is raised again where it is seen
            errors.append(error)

    thread = threading.Thread(target=repeat)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
    if errors:
        raise errors[0]


def test_imports_go_on_while_dbt_works_and_no_model_sees_half_a_commit(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    worked: list[tuple[float, float]] = []

    def timed(*given: Any, **named: Any) -> Any:
        began = time.monotonic()
        try:
            return run_dbt(*given, **named)
        finally:
            worked.append((began, time.monotonic()))

    monkeypatch.setattr(build, "run_dbt", timed)
    with all_the_time(site.commit):
        for _ in range(3):
            assert site.build().is_good
            one, two, *both = site.models()
            assert one == two
            assert both == [one, two]
    for began, ended in worked:
        # Whoever asks while dbt works is let in while dbt works: what is waited for is copy and swap alone.
        asked = [(first, let_in) for first, let_in in site.waits if began < first < ended - 1]
        assert len(asked) > 5
        assert all(let_in < ended for _, let_in in asked)


_BUILD = """
import sys
from pathlib import Path
from pipedrive_orchestration_tests.models.test_interruptions import Site, _Tiny
folder = Path(sys.argv[1])
assert Site(folder, _Tiny.of(folder / "project", [])).build().is_good
"""


def test_a_build_that_is_killed_leaves_the_models_of_before_or_those_of_it(site: Site) -> None:
    rng, command = Random(5), [sys.executable, "-c", _BUILD, str(site.folder)]
    began = time.monotonic()
    subprocess.run(command, check=True)
    usual, generation = time.monotonic() - began, site.models()[0]
    seen = set()
    for _ in range(KILLS):
        site.commit()
        with subprocess.Popen(command, stderr=subprocess.DEVNULL, start_new_session=True) as started:
            try:
                started.wait(rng.random() * usual * 1.1)
            except subprocess.TimeoutExpired:
                # Only the process itself: what it has started has to end by itself.
                started.send_signal(signal.SIGKILL)
        now = site.models()
        assert now in ((generation,) * 4, (_rows(site),) * 4)
        seen.add(now[0] == generation)
        generation = now[0]
    assert True in seen
    # The next one is whole.
    assert site.build().is_good
    assert site.models() == (_rows(site),) * 4
    assert [path.name for path in (site.folder / ".crm.duckdb.models").iterdir()] == ["lock"]


def _rows(site: Site) -> int:
    with site.warehouse.reading() as connection:
        row = connection.execute("SELECT count(*) FROM pipedrive.one").fetchone()
    assert row is not None
    return int(row[0])

"""What an import set aside, as every command and the Python API say it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import pipedrive_orchestration as p
from pipedrive_orchestration.settings import Settings
from pipedrive_orchestration.warehouse import Warehouse
from pipedrive_orchestration_tests.cli.conftest import Project
from pipedrive_orchestration_tests.importing.accounts import account, deal, field
from pipedrive_orchestration_tests.importing.canned import TOKEN, serving

DEALS = {
    "name": "Deals",
    "object_type": "deals",
    "properties": ["title", "score"],
    "pull_mode": "static",
    "options": {"partitions_start": "2026-04"},
}
SAID = "deals: 5 values did not fit their type and are set aside; import_ledger.quarantine says which and why"


def test_what_was_set_aside_is_said_everywhere(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.write("deals", DEALS)
    found = [deal(number, {"score": "twelve" if number <= 5 else 12}) for number in range(1, 9)]
    with serving(account("deals", found, [field("score", "double")])) as served:
        project.reach(served.url, TOKEN)
        ended = project.run("import", "deals", "--pull", "window")
        assert (ended.code, SAID in ended.out.splitlines()) == (0, True)
        assert "set aside" in ended.out.splitlines()[1]
        told = project.run("import", "deals", "--pull", "window", "--json")
        assert json.loads(told.out)["quarantined"] == 5
        assert SAID in told.err.splitlines()
        monkeypatch.chdir(project.folder)
        entry = p.import_source("deals", pull="window", settings=Settings.read())
        assert entry.quarantined == 5
    (listed,) = json.loads(project.run("list", "--json").out)["sources"]
    shown = json.loads(project.run("show", "deals", "--json").out)
    assert listed["quarantined"] == shown["quarantined"] == shown["last_import"]["quarantined"] == 5
    assert "set aside    5 values" in project.run("show", "deals").out


def test_files_with_data_are_for_their_owner_only(project: Project) -> None:
    project.write("deals", DEALS)
    with serving(account("deals", [deal(1)], [field("score", "double")])) as served:
        project.reach(served.url, TOKEN)
        ended = project.execute("import", "deals")
    assert ended.code == 0, ended.err
    # A lock is an empty file, for whose mode its library cares.
    found = [path for folder in ("data", ".state") for path in (project.folder / folder).rglob("*")]
    files = [path for path in found if path.is_file() and path.stat().st_size]
    assert {"warehouse.duckdb", "runs.db"} <= {path.name for path in files}
    assert [path for path in files if path.stat().st_mode & 0o077] == []


def test_a_database_that_is_made_new_is_for_its_owner_only(tmp_path: Path) -> None:
    warehouse = Warehouse(str(tmp_path / "warehouse.duckdb"))
    with warehouse.writing() as connection:
        connection.execute("CREATE TABLE t (x INTEGER)")
    assert (tmp_path / "warehouse.duckdb").stat().st_mode & 0o777 == 0o600

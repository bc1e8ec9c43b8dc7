"""A lake as the warehouse: what is said where it cannot be one, and exactness on both kinds of catalogue."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipedrive_orchestration.settings import Settings
from pipedrive_orchestration.warehouse import Warehouse, WarehouseError
from pipedrive_orchestration.warehouse.extensions import packaged_extension
from pipedrive_orchestration_tests.servers import postgresql, variables_of
from pipedrive_orchestration_tests.warehouse.duckdbs import REPOSITORY, environment_with, fetch_lake

TESTED = (
    "exactness/test_full_pulls.py exactness/test_history.py exactness/test_interruptions.py "
    "warehouse/test_move.py warehouse/test_lake_maintenance.py warehouse/test_sole.py models/test_lake.py "
    "api/test_data.py cli/test_data.py cli/test_write.py cli/test_sync.py webhooks/test_merger.py "
    "workflows/test_sync.py writing/test_writes.py writing/test_row_records.py"
)
"""What passes on lakes, unless `DUCKLAKE_TESTS` names other files."""


@pytest.mark.skipif(packaged_extension("ducklake") is not None, reason="DuckLake is installed here")
def test_an_extension_that_is_missing_is_a_sentence(tmp_path: Path) -> None:
    warehouse = Warehouse(f"ducklake:{tmp_path / 'crm.ducklake'}")
    assert not warehouse.exists
    remedy = r"ducklake.*pip install 'pipedrive_orchestration\[ducklake\]'"
    with pytest.raises(WarehouseError, match=remedy), warehouse.writing():
        "Not reached."
    assert not warehouse.exists


@pytest.mark.parametrize(
    "database",
    ["ducklake:postgres:dbname=crm password=hunter2", "ducklake:postgres:postgresql://crm:hunter2@host/crm"],
)
def test_a_password_has_no_place_in_the_name_of_a_lake(database: str) -> None:
    with pytest.raises(WarehouseError, match="PGPASSWORD") as refused:
        Warehouse.from_settings(Settings(warehouse=database))
    assert "hunter2" not in str(refused.value)


@pytest.fixture
def server() -> Iterator[dict[str, str]]:
    """A PostgreSQL server of the test's own, by the variables that lead to it."""
    with postgresql() as server:
        yield variables_of(server)


@pytest.mark.duckdbs
def test_the_tests_pass_on_a_lake_with_its_catalogue_in_a_file() -> None:
    run_on({"TEST_WAREHOUSE": "ducklake"})


@pytest.mark.duckdbs
def test_the_tests_pass_on_a_lake_with_its_catalogue_in_postgresql(server: dict[str, str]) -> None:
    run_on({"TEST_WAREHOUSE": "postgres", **server})


def run_on(variables: dict[str, str]) -> None:
    files = os.environ.get("DUCKLAKE_TESTS", TESTED).split()
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-n", "0", "-p", "no:cacheprovider",
         *(f"pipedrive_orchestration_tests/{file}" for file in files)],
        cwd=REPOSITORY, env=environment_with(fetch_lake()) | variables, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stdout[-5000:]

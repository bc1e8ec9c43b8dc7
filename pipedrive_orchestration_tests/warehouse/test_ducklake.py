"""A lake as the warehouse: what is said where it cannot be one, and exactness on both kinds of catalogue."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from pipedrive_orchestration.settings import Settings
from pipedrive_orchestration.warehouse import Warehouse, WarehouseError
from pipedrive_orchestration.warehouse.ducklake import packaged_extension
from pipedrive_orchestration_tests.warehouse.duckdbs import REPOSITORY, environment_with, fetch_lake

SERVER = Path("/usr/lib/postgresql/15/bin")
TESTED = "exactness/test_full_pulls.py exactness/test_history.py exactness/test_interruptions.py"
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
    if not (SERVER / "initdb").exists():
        pytest.skip(f"there is no PostgreSQL server at {SERVER}")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with TemporaryDirectory() as place:
        folder = Path(place)
        as_user: Sequence[str] = ()
        if os.getuid() == 0:
            # It refuses to run as root.
            shutil.chown(folder, "postgres")
            as_user = ("runuser", "-u", "postgres", "--")
        with running_server(folder, port, as_user):
            yield {"PGHOST": "127.0.0.1", "PGPORT": str(port), "PGUSER": "crm", "PGDATABASE": "postgres"}


@contextmanager
def running_server(folder: Path, port: int, as_user: Sequence[str]) -> Iterator[None]:
    control = [*as_user, str(SERVER / "pg_ctl"), "-D", str(folder / "data"), "-w"]
    options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
    for command in (
        [*as_user, str(SERVER / "initdb"), "-D", str(folder / "data"), "-A", "trust", "-U", "crm"],
        [*control, "-o", options, "-l", str(folder / "log"), "start"],
    ):
        subprocess.run(command, check=True, capture_output=True, cwd=folder)
    try:
        yield
    finally:
        subprocess.run([*control, "-m", "fast", "stop"], check=True, capture_output=True, cwd=folder)


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

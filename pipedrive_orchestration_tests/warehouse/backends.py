"""The kinds of databases that the same tests run on: a DuckDB file, or a lake by `TEST_WAREHOUSE`."""

from __future__ import annotations

import os
import subprocess
import uuid
from pathlib import Path

from pipedrive_orchestration.settings import Settings
from pipedrive_orchestration.warehouse import Warehouse

KIND = os.environ.get("TEST_WAREHOUSE", "duckdb")
"""``duckdb``, ``ducklake`` for a lake with its catalogue in a file, or ``postgres`` for one with it
in the PostgreSQL server of the variables `PGHOST`, `PGPORT` and `PGUSER`."""


def variables_in(folder: Path) -> dict[str, str]:
    """The variables that name a new database, whose files lie in a folder."""
    if KIND == "ducklake":
        return {"PIPEDRIVE_WAREHOUSE": f"ducklake:{folder / 'warehouse.ducklake'}"}
    if KIND == "postgres":
        name = f"lake_{uuid.uuid4().hex}"
        subprocess.run(["createdb", name], check=True)
        return {
            "PIPEDRIVE_WAREHOUSE": f"ducklake:postgres:dbname={name}",
            "PIPEDRIVE_WAREHOUSE_DATA": str(folder / "files"),
        }
    return {"PIPEDRIVE_WAREHOUSE": str(folder / "warehouse.duckdb")}


def warehouse_in(folder: Path) -> Warehouse:
    """A new database, whose files lie in a folder."""
    return Warehouse.from_settings(Settings.from_variables(variables_in(folder)))

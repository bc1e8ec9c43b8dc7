from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipedrive_orchestration.warehouse import Warehouse
from pipedrive_orchestration_tests.warehouse.backends import KIND, warehouse_in
from pipedrive_orchestration_tests.workflows.tables import OpenWarehouse, SourceTable, new_warehouse


@pytest.fixture
def warehouse(tmp_path: Path) -> Iterator[Warehouse]:
    if KIND != "duckdb":
        yield warehouse_in(tmp_path)
        return
    warehouse = OpenWarehouse(tmp_path / "warehouse.duckdb")
    yield warehouse
    warehouse.close()


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with the table of an imported source of persons, still empty."""
    warehouse = new_warehouse(tmp_path_factory.mktemp("template"))
    SourceTable(warehouse).create()
    return Path(warehouse.database)


@pytest.fixture
def people(warehouse: Warehouse, template: Path) -> SourceTable:
    """That table in a database of the test's own."""
    table = SourceTable(warehouse)
    if KIND == "duckdb":
        shutil.copy(template, warehouse.database)
    else:
        table.create()
    return table

"""The rows of models, as they are in the warehouse."""

from __future__ import annotations

from typing import Any

from pipedrive_orchestration.models.dbt_project import SCHEMA
from pipedrive_orchestration.models.errors import ModelsError
from pipedrive_orchestration.warehouse import Warehouse, quoted
from pipedrive_orchestration.warehouse.catalog import column_types


def first_rows(warehouse: Warehouse, name: str, count: int) -> tuple[list[str], list[tuple[Any, ...]]]:
    """The columns of a model, and its first rows in the order of its columns.

    Raises:
        ModelsError: it has not been built.
        WarehouseError: the database cannot be opened.
    """
    with warehouse.reading() as connection:
        columns = list(column_types(connection, SCHEMA, name))
        if not columns:
            raise ModelsError(
                f"There is no table of a model {name} yet: run `pipedrive-orchestration models build`."
            )
        rows = connection.execute(f"FROM {quoted(SCHEMA, name)} ORDER BY ALL LIMIT ?", [count]).fetchall()
    return columns, rows

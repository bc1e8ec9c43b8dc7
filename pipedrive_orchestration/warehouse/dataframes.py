"""The current rows of a source in Python: as a DataFrame of pandas, or for any library that takes Arrow.

Both are read at one commit and then are the caller's own: the database is free again when they are there.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import duckdb

from pipedrive_orchestration.warehouse.connection import MORE_MEMORY, Warehouse
from pipedrive_orchestration.warehouse.instances import configure
from pipedrive_orchestration.warehouse.sql import quoted
from pipedrive_orchestration.warehouse.tables import (
    LABELED,
    ROWS,
    NotImportedError,
    column_types,
    is_shown,
)

if TYPE_CHECKING:
    import pandas as pd


def read_dataframe(warehouse: Warehouse, slug: str, *, labels: bool) -> pd.DataFrame:
    """The rows as pandas has them; instants in UTC, integers with gaps as ``Int64``, JSON as text.

    Args:
        warehouse: where they are.
        slug: whose rows.
        labels: the labelled view, with option ids as option labels, instead of the table.

    Raises:
        NotImportedError: the source has no table yet.
        WarehouseError: the database cannot be opened.
    """
    with _current_rows(warehouse, slug, labels=labels) as rows, warnings.catch_warnings():
        # What DuckDB does inside with a column of instants, pandas 3.1 is going to take away.
        warnings.filterwarnings("ignore", "The inplace keyword in DataFrame.drop", DeprecationWarning)
        frame: pd.DataFrame = rows.df()
    return frame


def read_arrow(warehouse: Warehouse, slug: str, *, labels: bool) -> duckdb.DuckDBPyRelation:
    """The rows in memory, as what ``pyarrow.table`` or ``polars.DataFrame`` takes; may be taken repeatedly.

    Args:
        warehouse: where they are.
        slug: whose rows.
        labels: the labelled view, with option ids as option labels, instead of the table.

    Raises:
        NotImportedError: the source has no table yet.
        WarehouseError: the database cannot be opened.
    """
    memory = duckdb.connect()
    memory.execute("SET TimeZone = 'UTC'")
    with _current_rows(warehouse, slug, labels=labels) as rows:
        stream = _Stream(rows)  # noqa: F841 - DuckDB finds it by its name
        memory.execute("CREATE TABLE current_rows AS FROM stream")
    return memory.table("current_rows")


class _Stream:
    """A relation of one database as another one reads it: by Arrow alone."""

    def __init__(self, relation: duckdb.DuckDBPyRelation) -> None:
        self._relation = relation

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        return self._relation.__arrow_c_stream__(requested_schema)


@contextmanager
def _current_rows(warehouse: Warehouse, slug: str, *, labels: bool) -> Iterator[duckdb.DuckDBPyRelation]:
    """The rows as they lie, which is the same order each time until something is imported."""
    with warehouse.apart().with_memory(MORE_MEMORY[-1]).reading() as connection:
        shown = [quoted(key) for key in column_types(connection, slug) if is_shown(key)]
        if not shown:
            raise NotImportedError(slug)
        # Ids, JSON and the like come over as what they are, not as text.
        configure(connection, preserve_insertion_order=True, arrow_lossless_conversion=True)
        if labels:
            yield connection.sql(f"FROM {quoted(LABELED, slug)}")
        else:
            yield connection.sql(f"SELECT {', '.join(shown)} FROM {quoted(ROWS, slug)} WHERE _is_current")

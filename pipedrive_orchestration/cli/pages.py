"""Pages of a source's current rows under labels, for a person and for a program."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb
from rich.console import Console

from pipedrive_orchestration.cli.tables import rows_table
from pipedrive_orchestration.sources import Source
from pipedrive_orchestration.warehouse import Warehouse, quoted
from pipedrive_orchestration.warehouse.field_history import last_fields
from pipedrive_orchestration.warehouse.rows import RowPage, read_page
from pipedrive_orchestration.warehouse.tables import ROWS, NotImportedError, column_types, is_shown

PAGE_SIZE = 20
MAX_PAGE_SIZE = 200


@dataclass(frozen=True, slots=True)
class LabeledPage:
    """A page of rows, and what its properties and their options are called.

    Attributes:
        slug: whose rows.
        page: the rows.
        page_no: from 1; a page past the end is empty.
        page_size: the most that a page holds.
        labels: labels by property.
        option_labels: labels of options by property and option id.
    """

    slug: str
    page: RowPage
    page_no: int
    page_size: int
    labels: Mapping[str, str]
    option_labels: Mapping[str, Mapping[str, str]]

    def as_json(self) -> dict[str, Any]:
        """The page as a program reads it."""
        return {
            "source": self.slug,
            "total_count": self.page.total_count,
            "page_no": self.page_no,
            "page_size": self.page_size,
            "labels": dict(self.labels),
            "rows": [dict(zip(self.page.keys, row, strict=True)) for row in self.page.rows],
        }

    def show(self, console: Console) -> None:
        """Print the page for a person."""
        header = [self.labels.get(key, key) for key in self.page.keys]
        console.print(rows_table(header, map(self._texts, self.page.rows), width=console.width))
        first = (self.page_no - 1) * self.page_size + 1
        last = first + len(self.page.rows) - 1
        shown = f"rows {first:,} to {last:,}" if self.page.rows else "no rows"
        console.print(f"{self.slug}: {shown} of {self.page.total_count:,}", highlight=False)

    def _texts(self, row: Sequence[Any]) -> list[Any]:
        return [
            _decoded(value, self.option_labels.get(key, {}))
            for key, value in zip(self.page.keys, row, strict=True)
        ]


def read_labeled_page(warehouse: Warehouse, source: Source, page_no: int, page_size: int) -> LabeledPage:
    """A page of the current rows.

    Raises:
        NotImportedError: the source has no table yet.
        WarehouseError: the database cannot be opened.
    """
    with warehouse.reading() as connection:
        keys = list(columns_of(connection, source))
        page = read_page(connection, source.slug, keys, page_no, page_size)
        fields = last_fields(connection, source.object_type, keys)
        return LabeledPage(
            slug=source.slug,
            page=page,
            page_no=page_no,
            page_size=page_size,
            labels={key: source.labels.get(key, field.label) for key, field in fields.items()},
            option_labels=_option_labels(connection, source, keys),
        )


def _decoded(value: Any, labels: Mapping[str, str]) -> Any:
    if not labels or value is None:
        return value
    if isinstance(value, list):
        return [labels.get(str(item), item) for item in value]
    return labels.get(str(value), value)


def page_of(page_no: int, page_size: int) -> str:
    """SQL for a page of rows, in an order that stays while others are imported."""
    return f"ORDER BY _first_imported_at, _id LIMIT {page_size} OFFSET {(page_no - 1) * page_size}"


def current_rows(source: Source) -> str:
    """SQL for all of a source's current rows."""
    return f"FROM {quoted(ROWS, source.slug)} WHERE _is_current"


def columns_of(connection: duckdb.DuckDBPyConnection, source: Source) -> dict[str, str]:
    """The columns of a source's current rows with their types, the id first.

    Raises:
        NotImportedError: the source has no table yet.
    """
    types = column_types(connection, source.slug)
    if not types:
        raise NotImportedError(source.slug)
    return {key: type_ for key, type_ in types.items() if is_shown(key)}


def _option_labels(
    connection: duckdb.DuckDBPyConnection, source: Source, keys: Sequence[str]
) -> dict[str, dict[str, str]]:
    found = connection.execute(
        "SELECT key, option_id, label FROM import_ledger.option_labels "
        "WHERE object_type = ? AND list_contains(?, key)",
        [source.object_type, list(keys)],
    ).fetchall()
    labels: dict[str, dict[str, str]] = {}
    for key, option_id, label in found:
        labels.setdefault(key, {})[option_id] = label
    return labels

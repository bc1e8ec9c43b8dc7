"""Views of lists inside records: one row for each element of a list in the current rows of a source.

``pipedrive_lists.<slug>_<property>`` has ``_id`` of the row, ``position`` in the list from 1 on, and the
parts of the element. Nothing is stored twice, and nothing is asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb

from pipedrive_orchestration.warehouse.references import REFERENCES
from pipedrive_orchestration.warehouse.sql import literal, quoted
from pipedrive_orchestration.warehouse.tables import ROWS, Column

LISTS = "pipedrive_lists"


@dataclass(frozen=True, slots=True)
class ListView:
    """A view of the lists in a column.

    Attributes:
        column: the column of the source's table.
        parts: names and DuckDB types of what an element has; none where elements are plain values.
    """

    column: Column
    parts: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class LinkView:
    """A view of several references of a row as rows: of what type each is, and its id.

    Attributes:
        name: what follows the slug in the view's name.
        columns: of the references.
    """

    name: str
    columns: tuple[Column, ...]


def prepare_list_views(
    connection: duckdb.DuckDBPyConnection, slug: str, object_type: str, views: Sequence[ListView | LinkView]
) -> None:
    """Make the views of a source's lists; its table and the tables of names have to be there."""
    if not views:
        return
    connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(LISTS)}")
    for view in views:
        if isinstance(view, LinkView):
            name, query = view.name, _links(slug, view)
        else:
            name, query = view.column.key, _elements(slug, object_type, view)
        connection.execute(f"CREATE OR REPLACE VIEW {quoted(LISTS, f'{slug}_{name}')} AS {query}")


def _elements(slug: str, object_type: str, view: ListView) -> str:
    column = view.column
    key, rows = quoted(column.key), f"{quoted(ROWS, slug)} WHERE _is_current"
    if column.sql_type == "JSON":
        key = f"TRY_CAST({key} AS JSON[])"
    elements = (
        f"(SELECT _id, generate_subscripts({key}, 1) AS position, unnest({key}) AS element FROM {rows})"
    )
    if column.sql_type == "JSON":
        parts = [
            f"TRY_CAST(e.element ->> {literal(f'$.{name}')} AS {sql_type}) AS {quoted(name)}"
            for name, sql_type in view.parts
        ]
    elif view.parts:
        parts = [f"e.element.{quoted(name)} AS {quoted(name)}" for name, _ in view.parts]
    else:
        return _values(object_type, column, elements)
    return f"SELECT {', '.join(['e._id', 'e.position', *parts])} FROM {elements} AS e"


def _values(object_type: str, column: Column, elements: str) -> str:
    """A list of plain values, with the label of an option or the name behind a reference."""
    shown = f"SELECT e._id, e.position, e.element AS {quoted('value')}"
    if column.refers_to is not None:
        table = quoted(REFERENCES, column.refers_to)
        return f"{shown}, n.name FROM {elements} AS e LEFT JOIN {table} AS n ON n.id = e.element"
    if column.has_options:
        return (
            f"{shown}, o.label FROM {elements} AS e LEFT JOIN import_ledger.option_labels AS o "
            f"ON o.object_type = {literal(object_type)} AND o.key = {literal(column.key)} "
            "AND o.option_id = e.element::VARCHAR"
        )
    return f"{shown} FROM {elements} AS e"


def _links(slug: str, view: LinkView) -> str:
    selects = []
    for column in view.columns:
        key, linked = quoted(column.key), literal(column.refers_to or "")
        selects.append(
            f"SELECT _id, {linked} AS object_type, {key}::VARCHAR AS linked_id FROM {quoted(ROWS, slug)} "
            f"WHERE _is_current AND {key} IS NOT NULL"
        )
    return " UNION ALL ".join(selects)

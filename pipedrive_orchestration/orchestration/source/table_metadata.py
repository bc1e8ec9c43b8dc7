"""A look at a source's table, to be shown beside the figures of an import."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Sequence
from datetime import datetime

import dagster as dg
import duckdb

from pipedrive_orchestration.importing import Pull
from pipedrive_orchestration.orchestration.cosmetics import shown, shown_parts
from pipedrive_orchestration.sources import Source
from pipedrive_orchestration.warehouse import Warehouse, quoted
from pipedrive_orchestration.warehouse.tables import LABELED, ROWS

PREVIEW_ROWS = 5
PREVIEW_COLUMNS = 20
MAX_CELL = 60
MAX_COMMENT = 200
CHART_BARS = 24
_BAR_WIDTH = 30

_TRUNCATIONS = {"daily": "day", "weekly": "week", "monthly": "month"}


def table_name(source: Source) -> str:
    """The table's name within the database."""
    return f"{ROWS}.{source.slug}"


def table_metadata(log: logging.Logger, warehouse: Warehouse, source: Source) -> dict[str, dg.MetadataValue]:
    """Columns with their labels and types, a few labelled rows, and a chart of rows over windows.

    What cannot be made is left out with a warning, all of it where the database is busy.

    Args:
        log: takes the warnings.
        warehouse: where the table is.
        source: whose table it is.
    """

    def look() -> dict[str, dg.MetadataValue]:
        with warehouse.reading() as connection:
            parts: dict[str, Callable[[], dict[str, dg.MetadataValue]]] = {
                "columns": lambda: {
                    "dagster/column_schema": dg.MetadataValue.table_schema(_schema(connection, source))
                },
                "rows of the preview": lambda: {"preview": dg.MetadataValue.md(_preview(connection, source))},
            }
            if source.type.partitioned:
                parts["rows over windows"] = lambda: {
                    "rows_over_windows": dg.MetadataValue.md(_chart(connection, source))
                }
            return shown_parts(log, parts)

    return shown(log, "columns and rows of the table", look) or {}


def windows_committed(
    connection: duckdb.DuckDBPyConnection, source: Source, pull: Pull, began_at: datetime
) -> dict[str, dict[str, int]]:
    """The windows of a source that a run and interrupted ones before it have committed: row counts by key.

    Args:
        connection: the warehouse.
        source: whose windows they are.
        pull: of the run.
        began_at: when the run began, by our clock.
    """
    rows = connection.execute(
        """
        SELECT "window", rows_read, rows_inserted, rows_updated, rows_removed FROM import_ledger.windows
        WHERE source = $source AND read_until IS NULL AND (
            committed_at >= $began_at OR committed_at > coalesce((
                SELECT max(finished_at) FROM import_ledger.imports
                WHERE source = $source AND pull = $pull AND status = 'succeeded'
            ), TIMESTAMPTZ 'epoch')
        )
        """,
        {"source": source.slug, "pull": pull.value, "began_at": began_at},
    ).fetchall()
    names = ("read", "inserted", "updated", "removed")
    return {key: dict(zip(names, counts, strict=True)) for key, *counts in rows}


def _schema(connection: duckdb.DuckDBPyConnection, source: Source) -> dg.TableSchema:
    columns = connection.execute(
        "SELECT column_name, data_type, comment FROM duckdb_columns() WHERE schema_name = ? AND "
        "table_name = ? AND database_name = current_database() ORDER BY column_index",
        [ROWS, source.slug],
    ).fetchall()
    return dg.TableSchema(
        [
            dg.TableColumn(name, type_, comment and cut(comment, MAX_COMMENT))
            for name, type_, comment in columns
        ]
    )


def _preview(connection: duckdb.DuckDBPyConnection, source: Source) -> str:
    view = quoted(LABELED, source.slug)
    labels = [column[0] for column in connection.execute(f"SELECT * FROM {view} LIMIT 0").description or []]
    # A cell is cut where it is read: some hold megabytes, and there may be hundreds of columns.
    cells = ", ".join(f"left({quoted(label)}::VARCHAR, {MAX_CELL + 1})" for label in labels[:PREVIEW_COLUMNS])
    rows = connection.execute(f"SELECT {cells} FROM {view} LIMIT {PREVIEW_ROWS}")
    table = markdown_table(labels[:PREVIEW_COLUMNS], rows.fetchall())
    left = len(labels) - PREVIEW_COLUMNS
    return f"{table}\n\nand {left:,} more columns" if left > 0 else table


def _chart(connection: duckdb.DuckDBPyConnection, source: Source) -> str:
    unit = _TRUNCATIONS[source.options.partitions]
    counts = connection.execute(
        f"SELECT date_trunc('{unit}', _update_time)::DATE::VARCHAR, count(*) FROM "
        f"{quoted(ROWS, source.slug)} WHERE _is_current GROUP BY 1 ORDER BY 1 DESC NULLS LAST LIMIT ?",
        [CHART_BARS],
    ).fetchall()
    largest = max((count for _, count in counts), default=0)
    bars = [
        [start or "(none)", "█" * max(1, round(_BAR_WIDTH * count / largest)), f"{count:,}"]
        for start, count in reversed(counts)
    ]
    return markdown_table([f"{unit} of update", "", "rows"], bars)


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str | None]]) -> str:
    """A table in markdown; long cells are cut, and no cell can break out of its row."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def _cell(value: str | None) -> str:
    text = cut(re.sub(r"\s+", " ", value or "").strip(), MAX_CELL)
    return plain_markdown(text) if text != "---" else text


def cut(text: str, length: int) -> str:
    """A text of at most so many characters, all of which can be stored."""
    text = text if len(text) <= length else text[: length - 1] + "…"
    return text.encode("utf-8", "replace").decode()


def plain_markdown(text: str) -> str:
    """Markdown that shows a text as it is: nothing in it is a link, a picture, HTML or the end of a cell."""
    return re.sub(r"([\\|`*_<>\[\]&#!~$])", r"\\\1", text)

"""A look at a source's table, to be shown beside the figures of an import."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

import dagster as dg
import duckdb

from pipedrive_orchestration.sources import Source
from pipedrive_orchestration.warehouse import Warehouse, WarehouseError, quoted
from pipedrive_orchestration.warehouse.tables import LABELED, ROWS

PREVIEW_ROWS = 5
MAX_CELL = 60
CHART_BARS = 24
_BAR_WIDTH = 30

_TRUNCATIONS = {"daily": "day", "weekly": "week", "monthly": "month"}


def table_name(source: Source) -> str:
    """The table's name within the database."""
    return f"{ROWS}.{source.slug}"


def table_metadata(warehouse: Warehouse, source: Source) -> dict[str, dg.MetadataValue]:
    """Columns with their labels and types, a few labelled rows, and a chart of rows over windows.

    Where the database is busy it is left at that: an import never fails for its picture.
    """
    try:
        with warehouse.reading() as connection:
            metadata: dict[str, dg.MetadataValue] = {
                "dagster/column_schema": dg.MetadataValue.table_schema(_schema(connection, source)),
                "preview": dg.MetadataValue.md(_preview(connection, source)),
            }
            if source.type.partitioned:
                metadata["rows_over_windows"] = dg.MetadataValue.md(_chart(connection, source))
            return metadata
    except WarehouseError as error:
        return {"preview": dg.MetadataValue.text(str(error))}


def windows_committed_since(
    connection: duckdb.DuckDBPyConnection, source: Source, instant: datetime
) -> dict[str, dict[str, int]]:
    """The windows of a source that were committed from an instant on: row counts by key."""
    rows = connection.execute(
        'SELECT "window", rows_read, rows_inserted, rows_updated, rows_removed FROM import_ledger.windows '
        'WHERE source = ? AND committed_at >= ? AND "window" IS NOT NULL',
        [source.slug, instant],
    ).fetchall()
    names = ("read", "inserted", "updated", "removed")
    return {key: dict(zip(names, counts, strict=True)) for key, *counts in rows}


def _schema(connection: duckdb.DuckDBPyConnection, source: Source) -> dg.TableSchema:
    columns = connection.execute(
        "SELECT column_name, data_type, comment FROM duckdb_columns() WHERE schema_name = ? AND "
        "table_name = ? AND database_name = current_database() ORDER BY column_index",
        [ROWS, source.slug],
    ).fetchall()
    return dg.TableSchema([dg.TableColumn(name, type_, comment) for name, type_, comment in columns])


def _preview(connection: duckdb.DuckDBPyConnection, source: Source) -> str:
    rows = connection.execute(
        f"SELECT COLUMNS(*)::VARCHAR FROM {quoted(LABELED, source.slug)} LIMIT {PREVIEW_ROWS}"
    )
    labels = [column[0] for column in rows.description or []]
    return markdown_table(labels, rows.fetchall())


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
    text = re.sub(r"\s+", " ", value or "").strip()
    text = text if len(text) <= MAX_CELL else text[: MAX_CELL - 1] + "…"
    return plain_markdown(text) if text != "---" else text


def plain_markdown(text: str) -> str:
    """Markdown that shows a text as it is: nothing in it is a link, a picture, HTML or the end of a cell."""
    return re.sub(r"([\\|`*_<>\[\]&#!~$])", r"\\\1", text)

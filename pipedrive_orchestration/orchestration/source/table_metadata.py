"""A look at a source's table, to be shown beside the figures of an import."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

import dagster as dg
import duckdb

from pipedrive_orchestration.importing import Pull, RowCounts
from pipedrive_orchestration.orchestration.charts import bars
from pipedrive_orchestration.orchestration.cosmetics import shown, shown_parts
from pipedrive_orchestration.pipedrive.web_pages import list_of
from pipedrive_orchestration.sources import Source
from pipedrive_orchestration.warehouse import Warehouse, quoted
from pipedrive_orchestration.warehouse.account import known_account
from pipedrive_orchestration.warehouse.field_history import field_changes
from pipedrive_orchestration.warehouse.tables import LABELED, ROWS, column_types, newest_labeled

PREVIEW_ROWS = 20
SORTED_COLUMNS = 150
UNSORTED_ROWS = 5
PREVIEW_COLUMNS = 20
MAX_CELL = 60
MAX_COMMENT = 200
CHART_BARS = 24
CHANGES_SHOWN = 20
REMOVED_SHOWN_FOR = timedelta(days=7)

_TRUNCATIONS = {"daily": "day", "weekly": "week", "monthly": "month"}


def table_name(source: Source) -> str:
    """The table's name within the database."""
    return f"{ROWS}.{source.slug}"


def table_metadata(
    log: logging.Logger, warehouse: Warehouse, source: Source, news: RowCounts | None = None
) -> dict[str, dg.MetadataValue]:
    """Columns with their labels and types, and the newest rows; with news also what it is about.

    What cannot be made is left out with a warning, all of it where the database is busy.

    Args:
        log: takes the warnings.
        warehouse: where the table is.
        source: whose table it is.
        news: what an import did that read windows, or changed rows: it comes first, in words, and last come
            rows that are gone, changes of the account's fields, and a picture of rows over windows, which
            takes half a second in a process that has drawn none. None for an import that brought nothing.
    """

    def look() -> dict[str, dg.MetadataValue]:
        with warehouse.reading() as connection:
            parts: dict[str, Callable[[], dict[str, dg.MetadataValue]]] = {
                "columns": lambda: {
                    "dagster/column_schema": dg.MetadataValue.table_schema(_schema(connection, source))
                },
                "rows of the preview": lambda: {"preview": dg.MetadataValue.md(_preview(connection, source))},
                "address at Pipedrive": lambda: _address(connection, source),
            }
            if news is not None:
                counts = news
                parts = {
                    "words on the import": lambda: _summary(connection, source, counts),
                    **parts,
                    "rows that are gone": lambda: _removed(connection, source, datetime.now(UTC)),
                    "changes of fields": lambda: _field_changes(connection, source),
                }
                if source.type.partitioned:
                    parts["rows over windows"] = lambda: _rows_over_windows(connection, source)
            return shown_parts(log, parts)

    return shown(log, "columns and rows of the table", look) or {}


def _summary(
    connection: duckdb.DuckDBPyConnection, source: Source, rows: RowCounts
) -> dict[str, dg.MetadataValue]:
    return {"summary": dg.MetadataValue.text(in_words(rows, _reasons(connection, source, rows)))}


def in_words(rows: RowCounts, reasons: Mapping[str, int] = MappingProxyType({})) -> str:
    """What an import did to the rows of a table, such as ``3 added, 2 deleted, 4 won``.

    Args:
        rows: how many it changed in which way.
        reasons: how many were removed why; those of which no reason is known are called removed.
    """
    counts = {"added": rows.inserted, "changed": rows.updated}
    counts |= {_REASONS.get(reason, reason): count for reason, count in reasons.items()}
    counts["removed"] = rows.removed - sum(reasons.values())
    # A deal that is won is a changed row as well, or one that leaves by the filter.
    counts |= {"won": rows.won, "lost": rows.lost}
    return ", ".join(f"{count:,} {what}" for what, count in counts.items() if count) or "nothing changed"


_REASONS = {"left_segment": "left by the filter", "invisible": "not visible any more"}
"""Reasons of removals that are not the words of a sentence."""


def _reasons(connection: duckdb.DuckDBPyConnection, source: Source, rows: RowCounts) -> dict[str, int]:
    """Why the last import removed rows: they are the ones that were removed last."""
    if not rows.removed:
        return {}
    found = connection.execute(
        f"SELECT _removal, count(*) FROM (SELECT _removal FROM {quoted(ROWS, source.slug)} "
        "WHERE NOT _is_current ORDER BY _removed_at DESC LIMIT ?) WHERE _removal IS NOT NULL "
        "GROUP BY ALL ORDER BY ALL",
        [rows.removed],
    ).fetchall()
    return dict(found)


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
    # To sort hundreds of columns of long texts takes more memory than a look may use.
    is_wide = len(labels) > SORTED_COLUMNS
    newest = newest_labeled(connection, source.slug, PREVIEW_ROWS)
    chosen = f"{view} LIMIT {UNSORTED_ROWS}" if is_wide else f"({newest})"
    rows = connection.execute(f"SELECT {cells} FROM {chosen}").fetchall()
    table = markdown_table(labels[:PREVIEW_COLUMNS], rows)
    left = len(labels) - PREVIEW_COLUMNS
    return f"{table}\n\nand {left:,} more columns" if left > 0 else table


def _address(connection: duckdb.DuckDBPyConnection, source: Source) -> dict[str, dg.MetadataValue]:
    """Where Pipedrive shows the records; nothing where that is not known."""
    account = known_account(connection)
    address = list_of(account.domain if account else None, source.object_type)
    return {"in_pipedrive": dg.MetadataValue.url(address)} if address else {}


def _removed(
    connection: duckdb.DuckDBPyConnection, source: Source, now: datetime
) -> dict[str, dg.MetadataValue]:
    """The rows that went in the last days, with the reason; nothing where none did."""
    table = quoted(ROWS, source.slug)
    known = column_types(connection, source.slug)
    name = next((quoted(column) for column in _NAMES if column in known), "NULL")
    rows = connection.execute(
        f"SELECT _id::VARCHAR, left({name}::VARCHAR, {MAX_CELL + 1}), _removal, "
        f"strftime(_removed_at AT TIME ZONE 'UTC', '%Y-%m-%d %H:%M') FROM {table} "
        "WHERE NOT _is_current AND _removed_at >= ? ORDER BY _removed_at DESC, _id LIMIT ?",
        [now - REMOVED_SHOWN_FOR, PREVIEW_ROWS],
    ).fetchall()
    if not rows:
        return {}
    table_of_rows = markdown_table(
        ["id", "name", "reason", "removed (UTC)"],
        [[id_, name, _REASONS.get(reason, reason), at] for id_, name, reason, at in rows],
    )
    return {"removed_rows": dg.MetadataValue.md(table_of_rows)}


_NAMES = ("title", "name", "subject", "content")
"""Columns by which a person knows a record, the best first."""


def _field_changes(connection: duckdb.DuckDBPyConnection, source: Source) -> dict[str, dg.MetadataValue]:
    changes = field_changes(connection, source.object_type, CHANGES_SHOWN)
    if not changes:
        return {}
    rows = [
        [f"{each.at.astimezone(UTC):%Y-%m-%d %H:%M}", each.label, each.what, each.before, each.after]
        for each in changes
    ]
    header = ["found (UTC)", "field", "change", "before", "after"]
    return {"schema_changes": dg.MetadataValue.md(markdown_table(header, rows))}


def _rows_over_windows(connection: duckdb.DuckDBPyConnection, source: Source) -> dict[str, dg.MetadataValue]:
    unit = _TRUNCATIONS[source.options.partitions]
    counts = connection.execute(
        f"SELECT date_trunc('{unit}', _update_time)::DATE::VARCHAR, count(*) FROM "
        f"{quoted(ROWS, source.slug)} WHERE _is_current GROUP BY 1 ORDER BY 1 DESC NULLS LAST LIMIT ?",
        [CHART_BARS],
    ).fetchall()
    if not counts:
        return {}
    rows = [{unit: start or "(none)", "rows": count} for start, count in reversed(counts)]
    alternative = f"Rows by the {unit} in which Pipedrive changed them last"
    return {"rows_over_windows": bars(rows, x=unit, y="rows", alternative=alternative)}


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

"""The tables of the published copy: which there are, what their columns mean, and of when they are."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from pipedrive_orchestration.mcp.copy_reader import CopyError, CopyReader, Question
from pipedrive_orchestration.warehouse.sql import quoted
from pipedrive_orchestration.warehouse.tables import HISTORY, LABELED, ROWS

SCHEMAS = {
    LABELED: "Current rows of each source under Pipedrive's labels, with names in place of ids of options, "
    "people and stages. Best to read; columns have blanks, so quote them.",
    ROWS: "Every row of each source under the keys of its fields, typed. Rows that are gone stay: add "
    "`WHERE _is_current`; `_removal` says why they are gone.",
    HISTORY: "Every version of the records of some sources, from `_valid_from` to `_valid_to`.",
    "models": "Ready figures with tests, made from the sources: prefer them to sums of your own.",
    "workflows": "Tables that rows of sources are brought into.",
    "pipedrive_lists": "Lists within records as rows of their own.",
    "pipedrive_references": "Names by id.",
    "import_ledger": "What was imported when, how far each source is, what did not fit its type.",
    "write_ledger": "Changes of Pipedrive that were planned and made.",
}
"""What the schemas hold."""

_TABLES = """
SELECT schema_name || '.' || table_name AS name, schema_name AS schema, table_name AS slug, 'table' AS kind,
    comment, column_count AS columns, estimated_size AS rows
FROM duckdb_tables() WHERE NOT internal AND database_name = current_database()
UNION ALL
SELECT schema_name || '.' || view_name, schema_name, view_name, 'view', comment, column_count, NULL
FROM duckdb_views() WHERE NOT internal AND database_name = current_database()
ORDER BY ALL
"""

_COLUMNS = """
SELECT column_name AS name, data_type AS type, comment FROM duckdb_columns()
WHERE NOT internal AND database_name = current_database() AND schema_name = $schema AND table_name = $table
ORDER BY column_index
"""

_TEXTS = """
SELECT table_name, list(column_name ORDER BY column_index)
    FILTER (column_name NOT LIKE '\\_%' ESCAPE '\\' AND (data_type LIKE '%VARCHAR%' OR data_type = 'JSON')),
    list(column_name ORDER BY column_index)
FROM duckdb_columns() WHERE NOT internal AND database_name = current_database() AND schema_name = $schema
GROUP BY ALL ORDER BY ALL
"""

_OPTIONS = """
SELECT key, list({'id': option_id, 'label': label} ORDER BY option_id)[:50] AS options
FROM import_ledger.option_labels
WHERE object_type IN (SELECT object_type FROM import_ledger.imports WHERE source = $source) GROUP BY key
"""

_AS_OF = """
SELECT source, strftime(coalesce(any_value(w.by_our_clock), max(i.started_at)), '%Y-%m-%dT%H:%M:%SZ')
FROM import_ledger.imports AS i LEFT JOIN import_ledger.watermarks AS w USING (source)
WHERE i.status = 'succeeded' AND i.pull <> 'events' GROUP BY source ORDER BY source
"""


@dataclass(frozen=True, slots=True)
class SourceTable:
    """The table of a source.

    Attributes:
        slug: the source.
        texts: columns that hold text, those of the table itself left out.
        columns: all columns.
    """

    slug: str
    texts: list[str]
    columns: list[str]

    @property
    def sql(self) -> str:
        """The table's quoted name."""
        return quoted(ROWS, self.slug)

    @property
    def name_sql(self) -> str:
        """SQL of what a record is called."""
        found = next((name for name in ("title", "name", "subject", "label") if name in self.columns), None)
        return f"{quoted(found)}::VARCHAR" if found else "NULL::VARCHAR"


async def tables(copy: CopyReader) -> list[dict[str, object]]:
    """All tables and views.

    Raises:
        CopyError: the copy cannot be read.
    """
    answer = await copy.know(Question(_TABLES, rows=100_000))
    return answer.records()


async def columns(copy: CopyReader, name: str) -> list[dict[str, object]]:
    """The columns of a table, ``<schema>.<table>``, with the options of those that have some.

    Raises:
        CopyError: there is no such table, or the copy cannot be read.
    """
    schema, _, table = name.partition(".")
    answer = await copy.know(Question(_COLUMNS, {"schema": schema, "table": table}))
    if not answer.rows:
        raise CopyError(f"There is no table {name}: list_tables says which there are.")
    found = answer.records()
    if schema == ROWS:
        options = await copy.know(Question(_OPTIONS, {"source": table}))
        of_column = dict(options.rows)
        found = [
            one | ({"options": of_column[one["name"]]} if one["name"] in of_column else {}) for one in found
        ]
    return found


async def source_tables(copy: CopyReader, chosen: Iterable[str] = ()) -> list[SourceTable]:
    """The tables of sources: of some, or of all if none is named.

    Raises:
        CopyError: one is not there, or the copy cannot be read.
    """
    answer = await copy.know(Question(_TEXTS, {"schema": ROWS}, rows=100_000))
    found = {slug: SourceTable(slug, texts or [], every) for slug, texts, every in answer.rows}
    missing = [slug for slug in chosen if slug not in found]
    if missing:
        raise CopyError(f"There is no source {missing[0]}: there are {', '.join(found) or 'none'}.")
    return [found[slug] for slug in chosen] or list(found.values())


async def as_of(copy: CopyReader) -> dict[str, datetime]:
    """Of when the rows of each imported source are: what happened at Pipedrive until then is there.

    Raises:
        CopyError: the copy cannot be read.
    """
    answer = await copy.know(Question(_AS_OF, rows=100_000))
    return {slug: datetime.fromisoformat(instant) for slug, instant in answer.rows}

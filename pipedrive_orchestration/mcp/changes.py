"""What came, went and changed in the sources since an instant."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from pipedrive_orchestration.mcp.copy_reader import CopyReader, Question
from pipedrive_orchestration.mcp.tables import SourceTable
from pipedrive_orchestration.warehouse.differences import differing
from pipedrive_orchestration.warehouse.sql import literal
from pipedrive_orchestration.warehouse.tables import HISTORY, VERSION_COLUMNS

_KINDS = """
CASE WHEN _is_current AND _first_imported_at >= $since::TIMESTAMPTZ THEN 'came'
    WHEN _is_current AND _imported_at >= $since::TIMESTAMPTZ THEN 'changed'
    WHEN NOT _is_current AND _removed_at >= $since::TIMESTAMPTZ THEN 'went' END
"""

_HISTORY_COLUMNS = """
SELECT column_name FROM duckdb_columns() WHERE database_name = current_database()
AND schema_name = $schema AND table_name = $table ORDER BY column_index
"""


async def counts(copy: CopyReader, tables: Sequence[SourceTable], since: datetime) -> list[dict[str, object]]:
    """How many records came, changed and went since an instant, of each source in which any did.

    Raises:
        CopyError: the copy cannot be read.
    """
    if not tables:
        return []
    parts = " UNION ALL ".join(
        f"SELECT {literal(table.slug)} AS source, {_KINDS} AS kind FROM {table.sql}" for table in tables
    )
    sql = (
        "SELECT source, count(*) FILTER (kind = 'came') AS came, "
        "count(*) FILTER (kind = 'changed') AS changed, "
        f"count(*) FILTER (kind = 'went') AS went FROM ({parts}) WHERE kind IS NOT NULL "
        "GROUP BY source ORDER BY source"
    )
    (answer,) = await copy.ask(Question(sql, {"since": _utc(since)}, 100_000))
    return answer.records()


async def records(
    copy: CopyReader, table: SourceTable, since: datetime, limit: int
) -> list[dict[str, object]]:
    """The records of a source that came, changed or went since an instant, newest first.

    Raises:
        CopyError: the copy cannot be read.
    """
    sql = (
        f"SELECT _id AS id, {table.name_sql} AS name, {_KINDS} AS kind, _removal AS reason, "
        f"coalesce(_removed_at, _imported_at) AS found_at FROM {table.sql} WHERE kind IS NOT NULL "
        "ORDER BY found_at DESC, id"
    )
    (answer,) = await copy.ask(Question(sql, {"since": _utc(since)}, limit))
    return answer.records()


async def properties(
    copy: CopyReader, table: SourceTable, since: datetime, limit: int
) -> list[dict[str, object]] | None:
    """What changed in which property of which record; None where the source keeps no versions.

    Raises:
        CopyError: the copy cannot be read.
    """
    kept = await copy.know(Question(_HISTORY_COLUMNS, {"schema": HISTORY, "table": table.slug}))
    names = [name for (name,) in kept.rows if name not in (*VERSION_COLUMNS, "_id")]
    if not names:
        return None
    sql = (
        f"{differing(table.slug, names)} SELECT * FROM differing WHERE kind = 'changed' ORDER BY id, property"
    )
    until = datetime.max.replace(tzinfo=UTC)
    (answer,) = await copy.ask(Question(sql, {"since": _utc(since), "until": _utc(until)}, limit))
    return answer.records()


def _utc(instant: datetime) -> str:
    """An instant as DuckDB reads it; one without a time zone is UTC."""
    return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).astimezone(UTC).isoformat()

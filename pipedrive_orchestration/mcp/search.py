"""A search for a text in the current rows of sources."""

from __future__ import annotations

from collections.abc import Sequence

from pipedrive_orchestration.mcp.copy_reader import CopyReader, Question
from pipedrive_orchestration.mcp.tables import SourceTable
from pipedrive_orchestration.warehouse.sql import literal, quoted


async def search(
    copy: CopyReader, tables: Sequence[SourceTable], text: str, limit: int
) -> tuple[list[dict[str, object]], bool]:
    """The current rows that have a text in one of their values, regardless of case, newest first.

    Returns:
        The rows by source, id, name, the columns it was found in and the time of the last change, and
        whether they are all.

    Raises:
        CopyError: the copy cannot be read.
    """
    parts = [_found_in(table) for table in tables if table.texts]
    if not parts:
        return [], True
    sql = f"FROM ({' UNION ALL '.join(parts)}) ORDER BY changed_at DESC NULLS LAST, source, id"
    (answer,) = await copy.ask(Question(sql, {"text": text}, limit))
    return answer.records(), answer.is_whole


def _found_in(table: SourceTable) -> str:
    found = ", ".join(
        f"CASE WHEN contains(lower({quoted(name)}::VARCHAR), lower($text)) THEN {literal(name)} END"
        for name in table.texts
    )
    return (
        f"SELECT {literal(table.slug)} AS source, _id::VARCHAR AS id, {table.name_sql} AS name, "
        f"list_distinct([{found}]) AS found_in, _update_time AS changed_at "
        f"FROM {table.sql} WHERE _is_current AND len(found_in) > 0"
    )

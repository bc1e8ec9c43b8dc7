"""The models in the published copy: what they are, how they are made, and their rows."""

from __future__ import annotations

import json
from typing import Any

from pipedrive_orchestration.mcp.copy_reader import Answer, CopyError, CopyReader, Question
from pipedrive_orchestration.models.catalogue import CATALOGUE
from pipedrive_orchestration.models.dbt_project import SCHEMA
from pipedrive_orchestration.warehouse.sql import quoted

_IS_THERE = """
SELECT 1 FROM duckdb_tables()
WHERE database_name = current_database() AND schema_name = $schema AND table_name = $table
"""


async def entries(copy: CopyReader) -> dict[str, dict[str, Any]]:
    """What each model is, by name.

    Raises:
        CopyError: no models have been built, or the copy cannot be read.
    """
    there = await copy.know(Question(_IS_THERE, {"schema": SCHEMA, "table": CATALOGUE}))
    if not there.rows:
        raise CopyError(
            "No models have been built: run `pipedrive-orchestration models build`, then `publish`."
        )
    answer = await copy.know(Question(f"FROM {quoted(SCHEMA, CATALOGUE)} ORDER BY name", rows=100_000))
    return {one["name"]: one | {"columns": json.loads(one["columns"])} for one in answer.records()}


async def entry(copy: CopyReader, name: str) -> dict[str, Any]:
    """What a model is.

    Raises:
        CopyError: there is none of that name, or the copy cannot be read.
    """
    found = await entries(copy)
    if name not in found:
        raise CopyError(f"There is no model {name}: there are {', '.join(found)}.")
    return found[name]


async def rows(copy: CopyReader, name: str, limit: int) -> Answer:
    """The first rows of a model that is there.

    Raises:
        CopyError: the copy cannot be read.
    """
    (answer,) = await copy.ask(Question(f"FROM {quoted(SCHEMA, name)}", rows=limit))
    return answer

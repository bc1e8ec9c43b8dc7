"""The preview of an import: the records that a body would import, without importing anything.

A preview takes the way of an import, through the same typing and the same filter, and stops after a few
pages. Its staged files lie in a temporary folder, which is gone when it ends.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from pipedrive_orchestration.importing.casts import readable
from pipedrive_orchestration.importing.definition import (
    TypedColumn,
    query_for,
    typed_column,
    understood_fields,
    wanted_fields,
)
from pipedrive_orchestration.importing.estimate import cost_of_all, unread_removals
from pipedrive_orchestration.importing.filters.compile import select
from pipedrive_orchestration.importing.staging import Staging, StagingFolder
from pipedrive_orchestration.importing.transform import Transform
from pipedrive_orchestration.pipedrive.auth import Connection
from pipedrive_orchestration.pipedrive.client import Client, Query
from pipedrive_orchestration.pipedrive.fields import read_fields
from pipedrive_orchestration.pipedrive.object_types import MAX_PAGE_SIZE
from pipedrive_orchestration.pipedrive.pagination import latest_first, pages
from pipedrive_orchestration.pipedrive.responses import Page
from pipedrive_orchestration.sources import PreviewBody
from pipedrive_orchestration.warehouse.sql import literal, quoted

MAX_ROWS = 100
"""The number of rows that a preview shows at most."""

MAX_PAGES = 10
"""The number of pages that a preview reads at most."""

Cell = dict[str, Any]
"""``value`` as it would be stored, and the ``label`` of its property."""


@dataclass(frozen=True, slots=True)
class Preview:
    """The first of the records that a body would import.

    Attributes:
        rows: up to `MAX_ROWS` matching records, the latest changes first; cells by property.
        total_results: how many records match among those that were read.
        capped: whether there are more records than were read, so that more may match.
        estimated_tokens: what importing everything would cost.
        labels: labels by property, in the order of the body.
        texts: the rows as a person reads them, one text for each of ``labels``: options by their labels.
        restrictions: parameters by which Pipedrive itself filtered.
        notes: what the connected user, or app, may not read.
    """

    rows: tuple[dict[str, Cell], ...]
    total_results: int
    capped: bool
    estimated_tokens: int
    labels: dict[str, str]
    texts: tuple[tuple[str, ...], ...]
    restrictions: Mapping[str, str]
    notes: tuple[str, ...] = ()


def preview(body: PreviewBody, *, connection: Connection) -> Preview:
    """Read a few pages of what a body would import, and write nothing.

    Args:
        body: what would be imported.
        connection: the account.

    Raises:
        InvalidBodyError: properties or filter do not fit the account; names everything that is wrong.
        PipedriveError: the account cannot be read.
        StagingError: the temporary folder cannot be written.
    """
    return asyncio.run(_preview(body, connection))


async def _preview(body: PreviewBody, connection: Connection) -> Preview:
    async with Client(connection) as client:
        listed = await read_fields(client, body.type)
        fields = understood_fields(body, listed)
        selection = await select(client, body, fields)
        wanted = wanted_fields(body, fields, selection)
        columns = [typed_column(field, body.type, body.labels.get(field.key)) for field in wanted]
        before = client.usage.tokens
        with (
            tempfile.TemporaryDirectory(prefix="pipedrive-preview-") as folder,
            closing(Transform(body.type, columns, Path(folder), selection)) as transform,
        ):
            async with Staging(StagingFolder(Path(folder)), transform) as staging:
                query = query_for(body.type, [*wanted, *selection.fields])
                capped = await _stage_first_pages(client, body, {**query, **selection.restrictions}, staging)
                await staging.type_staged()
            total, found = await asyncio.to_thread(_matching, body, columns, staging.seen)
        reading = client.usage.tokens - before
        if capped:
            reading = max(reading, await cost_of_all(client, body))
    return Preview(
        rows=tuple(
            {
                column.column.key: {"value": value, "label": column.column.label}
                for column, value in zip(columns, row, strict=True)
            }
            for row in found
        ),
        total_results=total,
        capped=capped,
        estimated_tokens=before + reading,
        labels={column.column.key: column.column.label for column in columns},
        texts=tuple(
            tuple(readable(value, field) for field, value in zip(wanted, row, strict=True)) for row in found
        ),
        restrictions=selection.restrictions,
        notes=(*listed.notes, *unread_removals(body, connection)),
    )


async def _stage_first_pages(client: Client, body: PreviewBody, query: Query, staging: Staging) -> bool:
    """Stage up to `MAX_PAGES` pages of what a body would import. Returns whether there are more."""
    async for page, goes_on in _pages(client, body, {**query, **latest_first(body.type.listing)}):
        await staging.add(page)
        if staging.counts.pages == MAX_PAGES:
            return goes_on
    return False


async def _pages(client: Client, body: PreviewBody, query: Query) -> AsyncIterator[tuple[Page, bool]]:
    """The pages of the list, and of the archived one where it belongs to the body, and whether more come."""
    archived = body.type.archived_listing if body.include_archived else None
    async for page in pages(client, body.type.listing, query):
        yield page, archived is not None or page.goes_on(MAX_PAGE_SIZE)
    if archived is not None:
        async for page in pages(client, archived, query):
            yield page, page.goes_on(MAX_PAGE_SIZE)


def _matching(
    body: PreviewBody, columns: Sequence[TypedColumn], typed: Sequence[Path]
) -> tuple[int, list[tuple[Any, ...]]]:
    """The number of records that match, and the first of them."""
    if not typed:
        return 0, []
    archived = "" if body.include_archived else "AND NOT _is_archived"
    listed = ", ".join(literal(str(file)) for file in typed)
    # A record that changed while pages were read has come twice.
    members = (
        f"SELECT * FROM read_parquet([{listed}]) WHERE _id IS NOT NULL "
        "QUALIFY row_number() OVER (PARTITION BY _id ORDER BY _update_time DESC NULLS LAST) = 1"
    )
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(
            f"CREATE TEMP VIEW members AS SELECT * FROM ({members}) "
            f"WHERE _matches AND NOT _is_deleted {archived}"
        )
        total = connection.execute("SELECT count(*) FROM members").fetchone()
        keys = ", ".join(quoted(column.column.key) for column in columns)
        rows = connection.execute(
            f"SELECT {keys} FROM members ORDER BY _update_time DESC NULLS LAST, _id LIMIT {MAX_ROWS}"
        ).fetchall()
    return (int(total[0]) if total else 0), [_opened(row, columns) for row in rows]


def _opened(row: tuple[Any, ...], columns: Sequence[TypedColumn]) -> tuple[Any, ...]:
    return tuple(
        json.loads(value) if column.column.sql_type == "JSON" and value is not None else value
        for column, value in zip(columns, row, strict=True)
    )

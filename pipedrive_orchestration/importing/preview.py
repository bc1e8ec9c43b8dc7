"""Seeing which records a body would import, without importing anything.

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
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from pipedrive_orchestration.importing.cell_texts import text_of
from pipedrive_orchestration.importing.columns import TypedColumn, typed_column
from pipedrive_orchestration.importing.definition import parameters_for
from pipedrive_orchestration.importing.estimate import cost_of_all, wanted_fields
from pipedrive_orchestration.importing.filters.compile import select
from pipedrive_orchestration.importing.filters.selection import Selection
from pipedrive_orchestration.importing.staging import Stage, batches
from pipedrive_orchestration.importing.transform import TypedPages
from pipedrive_orchestration.pipedrive.auth import Connection
from pipedrive_orchestration.pipedrive.client import Client
from pipedrive_orchestration.pipedrive.fields import read_fields
from pipedrive_orchestration.pipedrive.object_type import Bounds, ObjectType, Paging
from pipedrive_orchestration.pipedrive.object_types import MAX_PAGE_SIZE
from pipedrive_orchestration.pipedrive.pagination import pages
from pipedrive_orchestration.pipedrive.responses import Page
from pipedrive_orchestration.sources import SourceBody
from pipedrive_orchestration.warehouse.sql import literal, quoted

MAX_ROWS = 100
"""How many rows a preview shows."""

MAX_PAGES = 10
"""How many pages a preview reads."""

Cell = dict[str, Any]
"""``value`` as it would be stored, and the ``label`` of its property."""


@dataclass(frozen=True, slots=True)
class Preview:
    """What a body would import.

    Attributes:
        rows: up to `MAX_ROWS` matching records, the latest changes first; cells by property.
        total_results: how many records match among those that were read.
        capped: whether there are more records than were read, so that more may match.
        estimated_tokens: what importing everything would cost.
        labels: labels by property, in the order of the body.
        texts: the rows as a person reads them, one text for each of ``labels``: options by their labels.
        restrictions: parameters by which Pipedrive itself filtered.
    """

    rows: tuple[dict[str, Cell], ...]
    total_results: int
    capped: bool
    estimated_tokens: int
    labels: dict[str, str]
    texts: tuple[tuple[str, ...], ...]
    restrictions: Mapping[str, str]


def preview(body: SourceBody, *, connection: Connection) -> Preview:
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


async def _preview(body: SourceBody, connection: Connection) -> Preview:
    async with Client(connection) as client:
        fields = await read_fields(client, body.type)
        selection = await select(client, body, fields, datetime.now(UTC))
        wanted = wanted_fields(body, fields, selection)
        before = client.usage.tokens
        with tempfile.TemporaryDirectory(prefix="pipedrive-preview-") as folder:
            scan = _Scan(client, body, parameters_for(body.type, [*wanted, *selection.fields]), selection)
            files = await scan.stage(Stage(Path(folder)))
            columns = [typed_column(field, body.type, body.labels.get(field.key)) for field in wanted]
            total, found = await asyncio.to_thread(_matching, body, columns, selection, files, scan.longest)
        reading = client.usage.tokens - before
        if scan.capped:
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
        capped=scan.capped,
        estimated_tokens=before + reading,
        labels={column.column.key: column.column.label for column in columns},
        texts=tuple(
            tuple(text_of(value, field) for field, value in zip(wanted, row, strict=True)) for row in found
        ),
        restrictions=selection.restrictions,
    )


class _Scan:
    """The reading of the first pages: the list, and the archived one where it belongs to the body.

    Attributes:
        longest: bytes of the longest record.
        capped: whether there was more to read.
    """

    def __init__(
        self, client: Client, body: SourceBody, parameters: Mapping[str, str | int], selection: Selection
    ) -> None:
        self.longest = 0
        self.capped = False
        self._client = client
        self._body = body
        self._parameters = {**parameters, **selection.restrictions, **_latest_first(body.type)}

    async def stage(self, stage: Stage) -> list[Path]:
        """Stage the pages; returns their files."""
        files = []
        read = 0
        async for page, more in self._pages():
            read += 1
            self.longest = max(self.longest, page.longest())
            if page.records:
                files += stage.add(page.lines())
            if read == MAX_PAGES:
                self.capped = more
                break
        return files

    async def _pages(self) -> AsyncIterator[tuple[Page, bool]]:
        """Page after page, and whether there is more."""
        object_type, archived = self._body.type, self._body.options.include_archived
        async for page in pages(self._client, object_type, self._parameters):
            yield page, archived or page.goes_on(MAX_PAGE_SIZE)
        if archived:
            path, cost = object_type.archived_path, object_type.archived_cost
            async for page in pages(self._client, object_type, self._parameters, path=path, cost=cost):
                yield page, page.goes_on(MAX_PAGE_SIZE)


def _latest_first(object_type: ObjectType) -> dict[str, str | int]:
    if object_type.bounds is Bounds.NONE:
        return {}
    if object_type.paging is Paging.OFFSET:
        return {"sort": "update_time DESC"}
    return {"sort_by": "update_time", "sort_direction": "desc"}


def _matching(
    body: SourceBody,
    columns: Sequence[TypedColumn],
    selection: Selection,
    files: Sequence[Path],
    longest: int,
) -> tuple[int, list[tuple[Any, ...]]]:
    """How many records match, and the first of them."""
    if not files:
        return 0, []
    typed = []
    with closing(TypedPages(body.type, columns, files[0].parent, selection)) as typing:
        for batch in batches(files):
            typed.append(batch[0].with_suffix(".parquet"))
            typing.write(batch, typed[-1], longest=longest)
    archived = "" if body.options.include_archived else "AND NOT _is_archived"
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

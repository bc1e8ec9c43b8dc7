"""The preview of an import: the records that a body would import, without importing anything.

A preview takes the way of an import, through the same typing and the same filter, and stops after a few
pages. Its staged files lie in a temporary folder, which is gone when it ends.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from pipedrive_orchestration.importing.casts import readable
from pipedrive_orchestration.importing.children import lines_of
from pipedrive_orchestration.importing.definition import (
    Columns,
    Selection,
    Span,
    columns_of,
    comes_alone,
    named_columns,
    query_for,
    understood_fields,
    wanted_fields,
)
from pipedrive_orchestration.importing.estimate import cost_of_all, unread_removals
from pipedrive_orchestration.importing.filters.compile import select
from pipedrive_orchestration.importing.filters.pushdown import askable
from pipedrive_orchestration.importing.references import References, open_references
from pipedrive_orchestration.importing.staging import PageCounts, Staging, StagingFolder
from pipedrive_orchestration.importing.transform import Transform
from pipedrive_orchestration.pipedrive.auth import Connection
from pipedrive_orchestration.pipedrive.client import Client, Query
from pipedrive_orchestration.pipedrive.fields import read_fields
from pipedrive_orchestration.pipedrive.lookup import alone
from pipedrive_orchestration.pipedrive.object_types import ObjectType, Parent
from pipedrive_orchestration.pipedrive.pagination import (
    bounds_of,
    children_pages,
    latest_first,
    page_size,
    pages,
)
from pipedrive_orchestration.pipedrive.responses import Page
from pipedrive_orchestration.sources import PreviewBody
from pipedrive_orchestration.warehouse import references
from pipedrive_orchestration.warehouse.instances import empty_database
from pipedrive_orchestration.warehouse.references import with_names
from pipedrive_orchestration.warehouse.sql import literal, quoted

MAX_ROWS = 100
"""The number of rows that a preview shows at most."""

MAX_PAGES = 10
"""The number of pages that a preview reads at most."""

PREVIEWED_AT = datetime(2000, 1, 1, tzinfo=UTC)
"""When names were read; nobody asks, since they are gone when the preview ends."""

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
        columns = columns_of(wanted, fields, body)
        before = client.usage.tokens
        with tempfile.TemporaryDirectory(prefix="pipedrive-preview-") as temporary:
            folder = Path(temporary)
            transform = Transform(body.type, columns.typed, folder, selection)
            async with (
                Staging(StagingFolder(folder), transform) as staging,
                open_references(client, folder, columns.derived, selection) as names,
            ):
                query = {**query_for(body.type, [*wanted, *selection.fields]), **selection.restrictions}
                updated = askable(selection.updated, client.clock.now_at_pipedrive())
                one_by_one = comes_alone([*wanted, *selection.fields])
                capped = await _stage_first_pages(
                    client, body, query, updated, staging, one_by_one=one_by_one
                )
                await staging.type_staged()
                sample = _Sample(body, columns, selection, staging.seen, names)
                total, found = await sample.read(folder / "shown.parquet")
        reading = client.usage.tokens - before
        if capped:
            reading = max(reading, await cost_of_all(client, body))
    labels = {field.key: body.labels.get(field.key) or field.label for field in wanted}
    return Preview(
        rows=tuple(
            {
                key: {"value": value, "label": label}
                for (key, label), value in zip(labels.items(), row, strict=True)
            }
            for row in found
        ),
        total_results=total,
        capped=capped,
        estimated_tokens=before + reading,
        labels=labels,
        texts=tuple(
            tuple(readable(value, field) for field, value in zip(wanted, row, strict=True)) for row in found
        ),
        restrictions={**selection.restrictions, **bounds_of(body.type.listing, *updated)},
        notes=(*listed.notes, *unread_removals(body, connection), *names.notes),
    )


async def _stage_first_pages(
    client: Client, body: PreviewBody, query: Query, updated: Span, staging: Staging, *, one_by_one: bool
) -> bool:
    """Stage up to `MAX_PAGES` pages of what a body would import. Returns whether there are more."""
    if body.type.parent is not None:
        return await _stage_first_children(client, body.type, body.type.parent, query, staging)
    async for page, goes_on in _pages(client, body, query, updated):
        await staging.add(await alone(client, body.type, page) if one_by_one else page)
        if staging.counts.pages == MAX_PAGES:
            return goes_on
    return False


async def _stage_first_children(
    client: Client, object_type: ObjectType, parent: Parent, query: Query, staging: Staging
) -> bool:
    """Stage the children of the parents that were changed last. Returns whether there are more parents."""
    parents, more = await newest_parents(client, parent)
    for start in range(0, len(parents), parent.batch):
        if staging.counts.pages >= MAX_PAGES - 1:
            return True
        asked = parents[start : start + parent.batch]
        async for page in pages_of_children(client, object_type, asked, query):
            whose = asked[0][0] if parent.property is None else None
            await staging.add_lines(lines_of(object_type, page), PageCounts.of([page]), whose)
    return more


KnownParent = tuple[str, str | None]
"""The id of a parent, and what it says of its children, as JSON."""


def pages_of_children(
    client: Client, object_type: ObjectType, parents: Sequence[KnownParent], query: Query
) -> AsyncIterator[Page]:
    """The children of some parents, as many as one request can name."""
    assert object_type.parent is not None
    listing, named = object_type.children_listing([parent_id for parent_id, _ in parents])
    span = object_type.parent.span(parents[0][1], client.clock.now().date())
    return children_pages(client, listing, {**query, **named, **span}, may_be_empty=True)


async def newest_parents(client: Client, parent: Parent) -> tuple[list[KnownParent], bool]:
    """The parents on the first page of those that can have children, and whether there are more pages."""
    parents = parent.type
    query: dict[str, str | int] = dict(latest_first(parents.listing))
    if parent.counted in parents.include_fields:
        query["include_fields"] = str(parent.counted)
    async for page in pages(client, parents.listing, query, may_be_empty=True):
        records = [json.loads(record) for record in page.whole_records()]
        able = [
            (str(record[parents.id_key]), json.dumps(record[parent.counted]) if parent.period else None)
            for record in records
            if parent.can_have(record)
        ]
        return able, page.goes_on(page_size(parents.listing))
    return [], False


async def _pages(
    client: Client, body: PreviewBody, query: Query, updated: Span
) -> AsyncIterator[tuple[Page, bool]]:
    """The pages of the list, and of the archived one where it belongs to the body, and whether more come."""
    listing, archived = body.type.listing, body.type.archived_listing if body.include_archived else None
    query = {**query, **latest_first(listing)}
    async for page in pages(client, listing, {**query, **bounds_of(listing, *updated)}, may_be_empty=True):
        yield page, archived is not None or page.goes_on(page_size(listing))
    if archived is not None:
        bounded = {**query, **bounds_of(archived, *updated)}
        async for page in pages(client, archived, bounded, may_be_empty=True):
            yield page, page.goes_on(page_size(archived))


@dataclass(frozen=True, slots=True)
class _Sample:
    """The records that were read, typed, and how those among them are found that match."""

    body: PreviewBody
    columns: Columns
    selection: Selection
    typed: Sequence[Path]
    names: References

    async def read(self, file: Path) -> tuple[int, list[tuple[Any, ...]]]:
        """The number of records that match, and the first of them.

        Args:
            file: where those are kept whose names have to be looked up.

        Raises:
            PipedriveError: see :meth:`Client.get`.
        """
        if not self.typed:
            return 0, []
        if self.columns.derived or self.selection.derived:
            await self.names.list_short()
        if self.selection.derived:
            await self.names.look_up(self.typed)
        elif self.columns.derived:
            await asyncio.to_thread(self._write_first, file)
            await self.names.look_up([file])
        return await asyncio.to_thread(self._matching)

    def _write_first(self, file: Path) -> None:
        with self._members() as connection:
            connection.execute(f"COPY ({self._first('*')}) TO {literal(str(file))} (FORMAT parquet)")

    def _matching(self) -> tuple[int, list[tuple[Any, ...]]]:
        types = {each.column.key: each.column.sql_type for each in self.columns.typed}
        types |= {each.column.key: each.column.sql_type for each in self.columns.derived}
        keys = self.body.properties
        with self._members() as connection:
            total = connection.execute("SELECT count(*) FROM members").fetchone()
            rows = connection.execute(self._first(", ".join(map(quoted, keys)))).fetchall()
        opened = [
            tuple(
                json.loads(value) if types[key] == "JSON" and value is not None else value
                for key, value in zip(keys, row, strict=True)
            )
            for row in rows
        ]
        return (int(total[0]) if total else 0), opened

    def _first(self, shown: str) -> str:
        return f"SELECT {shown} FROM members ORDER BY _update_time DESC NULLS LAST, _id LIMIT {MAX_ROWS}"

    @contextmanager
    def _members(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A database with the table ``members``: the records that match, with the names that are known."""
        archived = "" if self.body.include_archived else "AND NOT _is_archived"
        listed = ", ".join(literal(str(file)) for file in self.typed)
        # A record that changed while pages were read has come twice.
        records = (
            f"(SELECT * FROM read_parquet([{listed}]) WHERE _id IS NOT NULL "
            "QUALIFY row_number() OVER (PARTITION BY _id ORDER BY _update_time DESC NULLS LAST) = 1)"
        )
        derived = {each.column.key: each for each in (*self.selection.derived, *self.columns.derived)}
        named = f"({with_names(records, named_columns(derived.values()))})" if derived else records
        matches = self.selection.predicate if self.selection.derived else "_matches"
        values = dict(self.selection.values) if self.selection.derived else {}
        with empty_database() as connection:
            connection.execute("SET TimeZone = 'UTC'")
            for read in self.names.read():
                references.prepare(connection, [read.table])
                if read.files:
                    references.record_names(connection, read.table, read.query, PREVIEWED_AT)
            connection.execute(
                f"CREATE TEMP TABLE members AS SELECT * FROM {named} "
                f"WHERE {matches} AND NOT _is_deleted {archived}",
                values,
            )
            yield connection

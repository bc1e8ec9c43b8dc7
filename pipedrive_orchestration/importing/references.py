"""The names behind an import's references: which are needed, and the cheapest way to have them.

Users, stages, pipelines and labels of leads are short lists, read once an import. Of what there is more of,
the warehouse knows names already: those of an unfiltered source of that type, and those that an import
needed before. What has another name since then shows in the list of what has changed; the rest is looked up,
by 100 ids a request, or by reading the whole list where that costs less.

The labelled view shows names of references that nobody has asked for, too. For its sake alone no name is read
twice, and only a few requests are made in an import.

Names come as pages like all records, are typed by the same SQL, and are written with the rows that need them.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Coroutine, Iterable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, closing, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

from pipedrive_orchestration.importing.context import ImportRequest
from pipedrive_orchestration.importing.definition import (
    EVERYTHING,
    DerivedColumn,
    NameTest,
    Selection,
    TypedColumn,
    reference_table,
    typed_column,
)
from pipedrive_orchestration.importing.ranges import Range, RangeReader
from pipedrive_orchestration.importing.staging import Staging, StagingFolder
from pipedrive_orchestration.importing.transform import Transform
from pipedrive_orchestration.pipedrive.client import Client
from pipedrive_orchestration.pipedrive.errors import PipedriveError, Refused
from pipedrive_orchestration.pipedrive.fields import Field
from pipedrive_orchestration.pipedrive.lookup import newest_id, records_by_ids
from pipedrive_orchestration.pipedrive.object_types import (
    CATALOGUE,
    MAX_IDS_PER_REQUEST,
    MAX_PAGE_SIZE,
    ObjectType,
    Paging,
)
from pipedrive_orchestration.pipedrive.pagination import pages
from pipedrive_orchestration.pipedrive.references import attributes_of
from pipedrive_orchestration.pipedrive.responses import Page
from pipedrive_orchestration.sources import Source
from pipedrive_orchestration.warehouse import ledger, references
from pipedrive_orchestration.warehouse.references import ReferenceTable, UnfilteredSource
from pipedrive_orchestration.warehouse.sql import literal, quoted
from pipedrive_orchestration.warehouse.tables import ROWS, Column, column_types

OVERLAP = timedelta(minutes=5)
"""The time before the last reading at which changes of names are read again: some become visible late."""

RETRIED_AFTER = timedelta(days=1)
"""The time after which a record that was not found is looked for again: it may have become visible."""

RETRIED_TO_SHOW_AFTER = timedelta(days=30)
"""The same where only the labelled view would show it."""

LOOKUPS_AT_ONCE = 6
"""Requests by ids under way at the same time."""

LEAST_WORTH_ASKING = 3
"""Requests by ids from which on it is asked how long the whole list is, which is a request too."""

MAX_TOKENS_ONE_BY_ONE = 200
"""Tokens for look-ups one by one after which a list is read instead that does not say how long it is."""

MAX_REQUESTS_TO_SHOW = 5
"""Requests for names of an object type that an import makes for the labelled view alone; none where each
id takes a request."""

MAX_RECHECKS = 10
"""Things with another name of which the records that refer to them are read; if there are more, all are."""


Revisions = tuple[int, int]
"""The revision of a table of names before and after a commit."""


@dataclass(frozen=True, slots=True)
class NamesRead:
    """Names that were read and not written yet.

    Attributes:
        files: typed files of records.
        missing: ids of records that were not found.
        watermark: up to when changes of names are among them, if they are.
    """

    table: ReferenceTable
    files: tuple[Path, ...]
    missing: tuple[str, ...]
    watermark: datetime | None

    @property
    def query(self) -> str:
        """SQL of the names, as :func:`references.record_names` wants them."""
        attributes = zip(self.table.attributes, attributes_of(self.table.object_type), strict=True)
        named = ", ".join(f"{quoted(key)} AS {quoted(name)}" for name, key in attributes)
        return f"SELECT _id AS id, {named}, _update_time AS update_time FROM {_rows_of(self.files)}"


@dataclass(slots=True)
class _Names:
    """The names of one object type, in one import.

    Attributes:
        columns: the columns of the import's rows that hold them; none where only the labelled view does.
        shown: the columns of references that the labelled view shows them for.
        known: a file of the names that the warehouse has.
        since: from when on changes have to be read; None where nothing is known yet.
        unknown: ids in the source's table that the warehouse has no names for.
        files: typed files of what was read.
        written: how many of these, and of the ids that are missing, are written.
        missing: ids that were looked for and not found.
        watermark: up to when changes are among what was read, until it is written.
        revision: of the names that the warehouse had, and has after every commit of this import if nobody
            else has changed them; None if that is not known any more.
        recalled: the revision of the names that the warehouse had when the import began.
        used: the revision by which the source's filter was last evaluated.
        refusal: why nothing more of them can be read.
        spent: tokens of look-ups.
        records: how many records there are at most, once it was asked.
        is_listed: whether the whole list was read.
    """

    object_type: ObjectType
    table: ReferenceTable
    staging: Staging
    columns: tuple[DerivedColumn, ...]
    shown: tuple[Column, ...] = ()
    known: Path | None = None
    since: datetime | None = None
    unknown: list[str] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    written: tuple[int, int] = (0, 0)
    watermark: datetime | None = None
    revision: int | None = 0
    recalled: int = 0
    used: int | None = None
    refusal: Refused | None = None
    spent: int = 0
    records: int | None = None
    is_listed: bool = False

    @property
    def is_short(self) -> bool:
        """Whether the whole list is read in each import."""
        return not self.object_type.partitioned

    @property
    def note(self) -> str | None:
        """A sentence on names that may not be read."""
        if self.refusal is None:
            return None
        empty = ", ".join(column.column.key for column in self.columns)
        lost = f"{empty} stay as they are" if empty else "the labelled view shows ids alone"
        return (
            f"the names of {self.object_type.name} may not be read ({self.refusal.reason}), so {lost}; "
            f"an app needs the scope {' or '.join(self.object_type.scopes)} for it"
        )


@dataclass(frozen=True, slots=True)
class Recheck:
    """Records to be read again since what they refer to has another name: those that a parameter selects."""

    parameter: str
    record_id: str


class References:
    """The names behind the references of an import, or of a preview."""

    def __init__(self, client: Client, names: Sequence[_Names], selection: Selection, folder: Path) -> None:
        self._client = client
        self._names = names
        self._selection = selection
        self._folder = folder

    async def refresh(self, request: ImportRequest, began: datetime) -> None:
        """Read what names may have changed, and those that rows of the source lack.

        Args:
            request: the import that they are for.
            began: when it began, by Pipedrive's clock.

        Raises:
            PipedriveError: see :meth:`Client.get`; a refusal is no error.
            WarehouseError: the database cannot be opened.
        """
        asked = [names for names in self._names if names.columns]
        if not asked:
            return
        await asyncio.to_thread(self._recall, asked, request, began)
        await _all_of(self._refresh(names, began) for names in asked)

    async def look_up(self, rows: Sequence[Path]) -> None:
        """Read the names behind the references of typed rows, as far as they are not known yet.

        Raises:
            PipedriveError: see :meth:`Client.get`; a refusal is no error.
        """
        await _all_of(self._look_up_for(names, rows) for names in self._names if not names.is_short)

    async def look_up_to_show(self, request: ImportRequest, rows: Sequence[Path]) -> None:
        """Read names that only the labelled view shows, if they are not known and it does not take much.

        Args:
            request: the import.
            rows: typed files of everything that came with it.

        Raises:
            WarehouseError: the database cannot be opened.
        """
        shown = [names for names in self._names if names.shown and names.refusal is None]
        if not rows or not shown:
            return
        unknown = await asyncio.to_thread(self._unknown_to_show, shown, request, rows)
        # Nothing that is merely to be shown is worth a failure; the next import tries again.
        with suppress(PipedriveError):
            await _all_of(self._look_up_few(names, unknown[names.object_type.name]) for names in shown)

    async def _look_up_few(self, names: _Names, ids: Sequence[str]) -> None:
        if not ids or (names.is_short and names.is_listed):
            return
        few = ids[: MAX_REQUESTS_TO_SHOW * MAX_IDS_PER_REQUEST]
        if names.is_short:
            await self._list(names)
        elif names.object_type.paging is Paging.CURSOR:
            await self._unless_refused(names, self._read_ids(names, few))
        if names.refusal is not None:
            # So that it is not tried again with every import.
            names.missing += few

    def _unknown_to_show(
        self, shown: Sequence[_Names], request: ImportRequest, rows: Sequence[Path]
    ) -> dict[str, list[str]]:
        warehouse = request.warehouse
        with warehouse.reading() if warehouse.exists else duckdb.connect() as connection:
            return {
                names.object_type.name: self._unknown_of(connection, names, request, rows) for names in shown
            }

    def _unknown_of(
        self,
        connection: duckdb.DuckDBPyConnection,
        names: _Names,
        request: ImportRequest,
        rows: Sequence[Path],
    ) -> list[str]:
        """Ids that the labelled view has no names for; what an unfiltered source has is taken over."""
        slug = request.source.slug
        types = column_types(connection, slug)
        if names.object_type.name == request.source.object_type:
            self._take_over_own(names, rows, request.source)
            return []
        ids = [f"SELECT {_each_id(column)} AS id FROM {_rows_of(rows)}" for column in names.shown]
        ids += [
            f"SELECT {_each_id(column)} AS id FROM {quoted(ROWS, slug)} WHERE _is_current"
            for column in names.shown
            if column.key in types
        ]
        is_present = references.is_present(connection, names.table)
        retried = _instant(request.started_at - RETRIED_TO_SHOW_AFTER)
        known = []
        if is_present:
            known.append(f"SELECT id FROM {names.table.sql} WHERE name IS NOT NULL OR read_at >= {retried}")
        if names.files:
            known.append(f"SELECT _id FROM {_rows_of(names.files)} WHERE _id IS NOT NULL")
        unless = "".join(f" AND id NOT IN ({query})" for query in known)
        unknown = f"SELECT DISTINCT id FROM ({' UNION ALL '.join(ids)}) WHERE id IS NOT NULL{unless}"
        source = None if names.is_short else self._unfiltered(connection, names, is_present=is_present)
        if source is not None:
            self._take_over(connection, names, source, f"WHERE o._id IN ({unknown})")
            unknown += f" AND id NOT IN (SELECT _id FROM {_rows_of(names.files)} WHERE _id IS NOT NULL)"
        missing = set(names.missing)
        found = connection.execute(f"SELECT id::VARCHAR FROM ({unknown}) ORDER BY id").fetchall()
        return [record_id for (record_id,) in found if record_id not in missing]

    def _take_over_own(self, names: _Names, rows: Sequence[Path], source: Source) -> None:
        """Let the records that came show each other; of the others nothing is asked."""
        if set(attributes_of(source.object_type)).issubset(source.properties):
            names.files += rows

    async def list_short(self) -> None:
        """Read the short lists, where there is no warehouse.

        Raises:
            PipedriveError: see :meth:`Client.get`; a refusal is no error.
        """
        await _all_of(self._list(names) for names in self._names if names.is_short)

    async def estimate(self, records: int) -> int:
        """Tokens that names may still cost if so many records of the source come.

        Raises:
            PipedriveError: see :meth:`Client.get`.
        """
        tokens = 0
        for names in self._names:
            if names.columns and not names.is_short and names.known is None and not names.files:
                names.records = await newest_id(self._client, names.object_type)
                tokens += tokens_of_names(names.object_type, names.records, records)
        return tokens

    @property
    def notes(self) -> list[str]:
        """Sentences on names that may not be read."""
        return [names.note for names in self._names if names.note]

    def read(self) -> list[NamesRead]:
        """The names that were read and are not written yet."""
        return [
            NamesRead(
                names.table,
                tuple(names.files[names.written[0] :]),
                tuple(names.missing[names.written[1] :]),
                names.watermark,
            )
            for names in self._names
        ]

    def wrote(self, read: Sequence[NamesRead], revisions: Mapping[str, Revisions]) -> None:
        """Take note of a commit.

        Args:
            read: what was written.
            revisions: of each table, before and after.
        """
        for names, each in zip(self._names, read, strict=True):
            files, missing = names.written
            names.written = (files + len(each.files), missing + len(each.missing))
            names.watermark = None
            before, after = revisions[names.table.object_type]
            names.revision = after if names.revision == before else None

    def evaluated(self, revisions: Mapping[str, Revisions]) -> Iterator[tuple[ReferenceTable, int]]:
        """The tables that the filter looks at, and the revision of the names by which it was evaluated.

        Args:
            revisions: of each table, in the last commit.
        """
        for names in self._filtered_by():
            before, after = revisions[names.table.object_type]
            # What somebody else has changed meanwhile is looked at by the next import.
            yield names.table, after if names.revision == before else names.recalled

    async def rechecks(self, object_type: ObjectType) -> list[Recheck] | None:
        """What has to be read again as names have changed on which the filter depends.

        Returns:
            None where that is everything.
        """
        found: list[Recheck] = []
        for names in self._filtered_by():
            changed = await asyncio.to_thread(self._changed, names)
            for key in dict.fromkeys(
                column.derivation.of
                for column in self._selection.derived
                if column.derivation.object_type == names.object_type.name
            ):
                if changed and key not in object_type.filters:
                    return None
                found += [Recheck(key, record_id) for record_id in changed]
        return found if len(found) <= MAX_RECHECKS else None

    def _filtered_by(self) -> list[_Names]:
        looked_at = {column.derivation.object_type for column in self._selection.derived}
        return [names for names in self._names if names.object_type.name in looked_at]

    def _changed(self, names: _Names) -> list[str]:
        """Ids of records by whose names the filter may decide otherwise than when it was last evaluated."""
        if names.known is None or names.used is None:
            return []
        with duckdb.connect() as connection:
            found = connection.execute(
                f"SELECT id::VARCHAR FROM read_parquet({literal(str(names.known))}) WHERE revision > $used",
                {"used": names.used},
            ).fetchall()
            for test in self._selection.name_tests if names.files else ():
                if test.column.derivation.object_type == names.object_type.name:
                    found += self._decided_otherwise(connection, names, test)
        return sorted({record_id for (record_id,) in found})

    def _decided_otherwise(
        self, connection: duckdb.DuckDBPyConnection, names: _Names, test: NameTest
    ) -> list[tuple[str]]:
        attributes = dict(zip(attributes_of(names.object_type.name), names.table.attributes, strict=True))
        derivation = test.column.derivation
        name = quoted(attributes[derivation.attribute])
        shown = f"{f'[{name}]' if derivation.is_list else name} AS {quoted(test.column.column.key)}"
        read = NamesRead(names.table, tuple(names.files), (), None).query
        before, after = (
            f"(SELECT id, {test.sql} AS outcome FROM (SELECT id, {shown} FROM {names_of}))"
            for names_of in (f"read_parquet({literal(str(names.known))})", f"({read})")
        )
        values = self._selection.values
        used = {key: values[key] for key in re.findall(r"\$(filter_\d+)", test.sql)}
        return connection.execute(
            f"SELECT o.id::VARCHAR FROM {before} AS o JOIN {after} AS n ON n.id = o.id "
            "WHERE o.outcome IS DISTINCT FROM n.outcome",
            used,
        ).fetchall()

    def _recall(self, asked: Sequence[_Names], request: ImportRequest, began: datetime) -> None:
        """What the warehouse knows of names."""
        if not request.warehouse.exists:
            return
        with request.warehouse.reading() as connection:
            if not ledger.is_present(connection):
                return
            types = column_types(connection, request.source.slug)
            for names in asked:
                is_present = references.is_present(connection, names.table)
                if is_present:
                    self._recall_known(connection, names, request.source.slug, began)
                if not names.is_short:
                    self._recall_unfiltered(connection, names, is_present=is_present)
                    names.unknown = self._unknown_in_table(connection, names, request.source.slug, types)

    def _recall_known(
        self, connection: duckdb.DuckDBPyConnection, names: _Names, slug: str, began: datetime
    ) -> None:
        names.known = self._folder / f"{names.object_type.name}.known.parquet"
        names.since = references.watermark_of(connection, names.table)
        # Names that nobody has kept up to date count as unknown.
        retried = _instant(began - RETRIED_AFTER)
        is_due = "true" if names.since is None else f"name IS NULL AND read_at < {retried}"
        connection.execute(
            f"COPY (SELECT *, {is_due} AS is_due FROM {names.table.sql}) "
            f"TO {literal(str(names.known))} (FORMAT parquet)"
        )
        names.revision = names.recalled = references.revision_of(connection, names.table)
        names.used = references.revision_used(connection, slug, names.table)

    def _recall_unfiltered(
        self, connection: duckdb.DuckDBPyConnection, names: _Names, *, is_present: bool
    ) -> None:
        """Take over the names that an unfiltered source has."""
        source = self._unfiltered(connection, names, is_present=is_present)
        if source is None:
            return
        news = ""
        if names.since is not None:
            differs = " OR ".join(
                f"t.{quoted(name)} IS DISTINCT FROM o.{quoted(key)}"
                for name, key in zip(
                    names.table.attributes, attributes_of(names.object_type.name), strict=True
                )
            )
            news = (
                f"LEFT JOIN {names.table.sql} AS t ON t.id = o._id WHERE t.id IS NULL "
                f"OR ((t.update_time IS NULL OR o._update_time >= t.update_time) AND ({differs}))"
            )
        self._take_over(connection, names, source, news)
        names.since = source.watermark

    def _unfiltered(
        self, connection: duckdb.DuckDBPyConnection, names: _Names, *, is_present: bool
    ) -> UnfilteredSource | None:
        """An unfiltered source whose names are no older than those that are known."""
        if not ledger.is_present(connection):
            return None
        attributes = attributes_of(names.object_type.name)
        source = references.unfiltered_source(connection, names.object_type.name, attributes)
        if source is None or not column_types(connection, source.slug):
            return None
        known_until = references.watermark_of(connection, names.table) if is_present else None
        return source if known_until is None or source.watermark >= known_until else None

    def _take_over(
        self,
        connection: duckdb.DuckDBPyConnection,
        names: _Names,
        source: UnfilteredSource,
        condition: str,
    ) -> None:
        keys = attributes_of(names.object_type.name)
        listed = ", ".join(["o._id", *(f"o.{quoted(key)}" for key in keys), "o._update_time"])
        file = names.staging.folder.next_file("parquet")
        connection.execute(
            f"COPY (SELECT {listed} FROM {quoted(ROWS, source.slug)} AS o {condition}) "
            f"TO {literal(str(file))} (FORMAT parquet)"
        )
        names.files.append(file)

    def _unknown_in_table(
        self, connection: duckdb.DuckDBPyConnection, names: _Names, slug: str, types: Mapping[str, str]
    ) -> list[str]:
        columns = [each.reference.key for each in names.columns if each.reference.key in types]
        return self._unknown(connection, names, columns, f"{quoted(ROWS, slug)} WHERE _is_current")

    def _unknown(
        self, connection: duckdb.DuckDBPyConnection, names: _Names, columns: Sequence[str], rows: str
    ) -> list[str]:
        """Ids in some columns of rows for which there is no name yet."""
        if not columns:
            return []
        ids = " UNION ALL ".join(
            f"SELECT {quoted(column)} AS id FROM {rows}" for column in dict.fromkeys(columns)
        )
        known = []
        if names.known is not None:
            known.append(f"SELECT id FROM read_parquet({literal(str(names.known))}) WHERE NOT is_due")
        if names.files:
            known.append(f"SELECT _id FROM {_rows_of(names.files)} WHERE _id IS NOT NULL")
        unless = "".join(f" AND id NOT IN ({query})" for query in known)
        found = connection.execute(
            f"SELECT DISTINCT id FROM ({ids}) WHERE id IS NOT NULL{unless} ORDER BY id"
        ).fetchall()
        missing = set(names.missing)
        return [record_id for record_id in (str(one) for (one,) in found) if record_id not in missing]

    async def _refresh(self, names: _Names, began: datetime) -> None:
        if names.is_short:
            await self._list(names)
            return
        if names.since is not None:
            since = names.since - OVERLAP
            await self._unless_refused(names, self._read_range(names, (since, None)))
        if names.refusal is None:
            names.watermark = began
        await self._look_up(names, names.unknown)

    async def _look_up_for(self, names: _Names, rows: Sequence[Path]) -> None:
        if not rows or names.refusal is not None:
            return
        columns = [each.reference.key for each in names.columns]
        await self._look_up(names, await asyncio.to_thread(self._unknown_in_files, names, columns, rows))

    def _unknown_in_files(self, names: _Names, columns: Sequence[str], rows: Sequence[Path]) -> list[str]:
        with duckdb.connect() as connection:
            return self._unknown(connection, names, columns, _rows_of(rows))

    async def _look_up(self, names: _Names, ids: Sequence[str]) -> None:
        if ids:
            await self._unless_refused(names, self._look_up_cheaply(names, ids))

    async def _look_up_cheaply(self, names: _Names, ids: Sequence[str]) -> None:
        if not names.is_listed and await self._is_listing_cheaper(names, ids):
            names.is_listed = True
            await self._read_range(names, (None, None))
            found = await asyncio.to_thread(self._ids_read, names)
            ids = [record_id for record_id in ids if record_id not in found]
        names.spent += _tokens_by_ids(names.object_type, len(ids))
        await self._read_ids(names, ids)

    async def _is_listing_cheaper(self, names: _Names, ids: Sequence[str]) -> bool:
        """Whether the whole list costs less than looking up what is needed, and was until now."""
        object_type = names.object_type
        needed = names.spent + _tokens_by_ids(object_type, len(ids))
        if needed <= LEAST_WORTH_ASKING * object_type.list_cost:
            return False
        if object_type.paging is not Paging.CURSOR:
            return needed > MAX_TOKENS_ONE_BY_ONE
        if names.records is None:
            names.records = await newest_id(self._client, object_type)
        return tokens_of_list(object_type, names.records) < needed

    def _ids_read(self, names: _Names) -> set[str]:
        if not names.files:
            return set()
        with duckdb.connect() as connection:
            rows = connection.execute(
                f"SELECT _id::VARCHAR FROM {_rows_of(names.files)} WHERE _id IS NOT NULL"
            ).fetchall()
        return {record_id for (record_id,) in rows}

    async def _read_ids(self, names: _Names, ids: Sequence[str]) -> None:
        chunks = [
            ids[start : start + MAX_IDS_PER_REQUEST] for start in range(0, len(ids), MAX_IDS_PER_REQUEST)
        ]
        for start in range(0, len(chunks), LOOKUPS_AT_ONCE):
            founds = await asyncio.gather(
                *(
                    records_by_ids(self._client, names.object_type, {}, chunk)
                    for chunk in chunks[start : start + LOOKUPS_AT_ONCE]
                )
            )
            for found in founds:
                names.missing += found.missing
                await self._stage(names, found.pages)

    async def _list(self, names: _Names) -> None:
        await self._unless_refused(names, self._read_list(names))

    async def _read_list(self, names: _Names) -> None:
        names.is_listed = True
        # No name is given up because it does not come, so that an empty list does no harm.
        listed = pages(self._client, names.object_type.listing, {}, may_be_empty=True)
        found = [page async for page in listed]
        await self._stage(names, found)

    async def _read_range(self, names: _Names, span: Range) -> None:
        reader = RangeReader(self._client, names.object_type.listing, {}, [span], may_be_empty=True)
        async with aclosing(reader.pages()) as fetched:
            async for each in fetched:
                await names.staging.add(each.page)
        await self._stage(names, ())

    async def _stage(self, names: _Names, found: Iterable[Page]) -> None:
        for page in found:
            await names.staging.add(page)
        await names.staging.type_staged()
        names.files += names.staging.take_typed()

    async def _unless_refused(self, names: _Names, reading: Coroutine[Any, Any, None]) -> None:
        try:
            await reading
        except Refused as refused:
            names.refusal = refused


async def _all_of(readings: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Wait for all of them, and raise what the first of those raised that failed."""
    for outcome in await asyncio.gather(*readings, return_exceptions=True):
        if isinstance(outcome, BaseException):
            raise outcome


def _tokens_by_ids(object_type: ObjectType, count: int) -> int:
    if object_type.paging is Paging.CURSOR:
        return object_type.list_cost * -(-count // MAX_IDS_PER_REQUEST)
    return (object_type.get_cost or object_type.list_cost) * count


def tokens_of_list(object_type: ObjectType, records: int) -> int:
    """Tokens for reading every record of a collection that has so many at most."""
    return object_type.list_cost * max(1, -(-records // MAX_PAGE_SIZE))


def tokens_of_names(object_type: ObjectType, referenced: int, records: int) -> int:
    """Tokens for the names behind a reference: of all that there are, or of all that are needed.

    Args:
        object_type: what the reference refers to.
        referenced: how many records of that there are at most; 0 where it is not known.
        records: how many records refer to them.
    """
    by_ids = _tokens_by_ids(object_type, records)
    return min(by_ids, tokens_of_list(object_type, referenced)) if referenced else by_ids


def _instant(instant: datetime) -> str:
    return f"TIMESTAMPTZ {literal(instant.isoformat())}"


def _each_id(column: Column) -> str:
    return f"unnest({quoted(column.key)})" if column.sql_type.endswith("[]") else quoted(column.key)


def _rows_of(files: Iterable[Path]) -> str:
    # A file of what an unfiltered source has lacks columns that typed pages have.
    listed = ", ".join(literal(str(file)) for file in files)
    return f"read_parquet([{listed}], union_by_name = true)"


@asynccontextmanager
async def open_references(
    client: Client,
    folder: Path,
    derived: Iterable[DerivedColumn],
    selection: Selection = EVERYTHING,
    shown: Iterable[Column] = (),
) -> AsyncIterator[References]:
    """The names behind derived columns, behind those that a filter looks at, and behind references.

    Args:
        client: the connection in use.
        folder: where pages of names are staged until they are written.
        derived: the columns.
        selection: the filter.
        shown: columns that the labelled view shows.
    """
    by_type: dict[str, list[DerivedColumn]] = {}
    for column in (*derived, *selection.derived):
        by_type.setdefault(column.derivation.object_type, []).append(column)
    to_show: dict[str, list[Column]] = {}
    for reference in shown:
        if reference.refers_to is not None:
            to_show.setdefault(reference.refers_to, []).append(reference)
    async with AsyncExitStack() as opened:
        names = []
        for name in dict.fromkeys((*by_type, *to_show)):
            object_type, place = CATALOGUE[name], folder / f"names-of-{name}"
            place.mkdir(mode=0o700)
            transform = opened.enter_context(closing(Transform(object_type, _attributes(object_type), place)))
            staging = await opened.enter_async_context(Staging(StagingFolder(place), transform))
            columns, references_shown = by_type.get(name, ()), to_show.get(name, ())
            table = reference_table(name)
            names.append(_Names(object_type, table, staging, tuple(columns), tuple(references_shown)))
        yield References(client, names, selection, folder)


def _attributes(object_type: ObjectType) -> list[TypedColumn]:
    return [typed_column(Field(key, key, "varchar"), object_type) for key in attributes_of(object_type.name)]

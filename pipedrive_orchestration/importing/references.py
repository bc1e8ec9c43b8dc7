"""The names behind an import's references: which are needed, and which the warehouse has already.

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
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
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
from pipedrive_orchestration.importing.reference_names import ReferenceNames, rows_of
from pipedrive_orchestration.importing.staging import Staging, StagingFolder
from pipedrive_orchestration.importing.transform import Transform
from pipedrive_orchestration.pipedrive.catalogue import BUILT_IN
from pipedrive_orchestration.pipedrive.client import Client
from pipedrive_orchestration.pipedrive.errors import PipedriveError
from pipedrive_orchestration.pipedrive.fields import Field
from pipedrive_orchestration.pipedrive.object_types import ObjectType
from pipedrive_orchestration.pipedrive.references import attributes_of
from pipedrive_orchestration.sources import Source
from pipedrive_orchestration.warehouse import references
from pipedrive_orchestration.warehouse.instances import duckdb_instance
from pipedrive_orchestration.warehouse.references import ReferenceTable, UnfilteredSource
from pipedrive_orchestration.warehouse.schema import has_ledger
from pipedrive_orchestration.warehouse.sql import literal, quoted
from pipedrive_orchestration.warehouse.tables import ROWS, Column, column_types

RETRIED_AFTER = timedelta(days=1)
"""The time after which a record that was not found is looked for again: it may have become visible."""

RETRIED_TO_SHOW_AFTER = timedelta(days=30)
"""The same where only the labelled view would show it."""

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
        return f"SELECT _id AS id, {named}, _update_time AS update_time FROM {rows_of(self.files)}"


@dataclass(frozen=True, slots=True)
class Recheck:
    """Records to be read again since what they refer to has another name: those that a parameter selects."""

    parameter: str
    record_id: str


class References:
    """The names behind the references of an import, or of a preview."""

    def __init__(self, names: Sequence[ReferenceNames], selection: Selection, folder: Path) -> None:
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
        await _all_of(names.refresh(began) for names in asked)

    async def recall(self, request: ImportRequest, began: datetime) -> None:
        """Take what the warehouse knows of names, and ask for none; takes what `refresh` does.

        Raises:
            WarehouseError: the database cannot be opened.
        """
        asked = [names for names in self._names if names.columns]
        if asked:
            await asyncio.to_thread(self._recall, asked, request, began)

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
            await _all_of(names.look_up_few(unknown[names.object_type.name]) for names in shown)

    def _unknown_to_show(
        self, shown: Sequence[ReferenceNames], request: ImportRequest, rows: Sequence[Path]
    ) -> dict[str, list[str]]:
        warehouse = request.warehouse
        with warehouse.reading() if warehouse.exists else duckdb_instance() as connection:
            return {
                names.object_type.name: self._unknown_of(connection, names, request, rows) for names in shown
            }

    def _unknown_of(
        self,
        connection: duckdb.DuckDBPyConnection,
        names: ReferenceNames,
        request: ImportRequest,
        rows: Sequence[Path],
    ) -> list[str]:
        """Ids that the labelled view has no names for; what an unfiltered source has is taken over."""
        slug = request.source.slug
        types = column_types(connection, slug)
        if names.object_type.name == request.source.object_type:
            self._take_over_own(names, rows, request.source)
            return []
        ids = [f"SELECT {_each_id(column)} AS id FROM {rows_of(rows)}" for column in names.shown]
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
            known.append(f"SELECT _id FROM {rows_of(names.files)} WHERE _id IS NOT NULL")
        unless = "".join(f" AND id NOT IN ({query})" for query in known)
        unknown = f"SELECT DISTINCT id FROM ({' UNION ALL '.join(ids)}) WHERE id IS NOT NULL{unless}"
        source = None if names.is_short else self._unfiltered(connection, names, is_present=is_present)
        if source is not None:
            self._take_over(connection, names, source, f"WHERE o._id IN ({unknown})")
            unknown += f" AND id NOT IN (SELECT _id FROM {rows_of(names.files)} WHERE _id IS NOT NULL)"
        missing = set(names.missing)
        found = connection.execute(f"SELECT id::VARCHAR FROM ({unknown}) ORDER BY id").fetchall()
        return [record_id for (record_id,) in found if record_id not in missing]

    def _take_over_own(self, names: ReferenceNames, rows: Sequence[Path], source: Source) -> None:
        """Let the records that came show each other; of the others nothing is asked."""
        if set(attributes_of(source.object_type)).issubset(source.properties):
            names.files += rows

    async def list_short(self) -> None:
        """Read the short lists, where there is no warehouse.

        Raises:
            PipedriveError: see :meth:`Client.get`; a refusal is no error.
        """
        await _all_of(names.read_whole() for names in self._names if names.is_short)

    async def estimate(self, records: int) -> int:
        """Tokens that names may still cost if so many records of the source come.

        Raises:
            PipedriveError: see :meth:`Client.get`.
        """
        return sum([await names.estimate(records) for names in self._names])

    @property
    def decide(self) -> bool:
        """Whether the filter looks at names, so that no row can be written without them."""
        return bool(self._selection.derived)

    @property
    def are_looked_up(self) -> bool:
        """Whether rows that come can need names that are not known yet."""
        return any(names.columns and not names.is_short for names in self._names)

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

    def _filtered_by(self) -> list[ReferenceNames]:
        looked_at = {column.derivation.object_type for column in self._selection.derived}
        return [names for names in self._names if names.object_type.name in looked_at]

    def _changed(self, names: ReferenceNames) -> list[str]:
        """Ids of records by whose names the filter may decide otherwise than when it was last evaluated."""
        if names.known is None or names.used is None:
            return []
        with duckdb_instance() as connection:
            found = connection.execute(
                f"SELECT id::VARCHAR FROM read_parquet({literal(str(names.known))}) WHERE revision > $used",
                {"used": names.used},
            ).fetchall()
            for test in self._selection.name_tests if names.files else ():
                if test.column.derivation.object_type == names.object_type.name:
                    found += self._decided_otherwise(connection, names, test)
        return sorted({record_id for (record_id,) in found})

    def _decided_otherwise(
        self, connection: duckdb.DuckDBPyConnection, names: ReferenceNames, test: NameTest
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

    def _recall(self, asked: Sequence[ReferenceNames], request: ImportRequest, began: datetime) -> None:
        """What the warehouse knows of names."""
        if not request.warehouse.exists:
            return
        with request.warehouse.reading() as connection:
            if not has_ledger(connection):
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
        self, connection: duckdb.DuckDBPyConnection, names: ReferenceNames, slug: str, began: datetime
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
        self, connection: duckdb.DuckDBPyConnection, names: ReferenceNames, *, is_present: bool
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
        self, connection: duckdb.DuckDBPyConnection, names: ReferenceNames, *, is_present: bool
    ) -> UnfilteredSource | None:
        """An unfiltered source whose names are no older than those that are known."""
        if not has_ledger(connection):
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
        names: ReferenceNames,
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
        self,
        connection: duckdb.DuckDBPyConnection,
        names: ReferenceNames,
        slug: str,
        types: Mapping[str, str],
    ) -> list[str]:
        columns = [each.reference for each in names.columns if each.reference.key in types]
        return self._unknown(connection, names, columns, f"{quoted(ROWS, slug)} WHERE _is_current")

    def _unknown(
        self,
        connection: duckdb.DuckDBPyConnection,
        names: ReferenceNames,
        columns: Sequence[Column],
        rows: str,
    ) -> list[str]:
        """Ids in some columns of rows for which there is no name yet."""
        if not columns:
            return []
        ids = " UNION ALL ".join(
            f"SELECT {_each_id(column)} AS id FROM {rows}" for column in dict.fromkeys(columns)
        )
        known = []
        if names.known is not None:
            known.append(f"SELECT id FROM read_parquet({literal(str(names.known))}) WHERE NOT is_due")
        if names.files:
            known.append(f"SELECT _id FROM {rows_of(names.files)} WHERE _id IS NOT NULL")
        unless = "".join(f" AND id NOT IN ({query})" for query in known)
        found = connection.execute(
            f"SELECT DISTINCT id FROM ({ids}) WHERE id IS NOT NULL{unless} ORDER BY id"
        ).fetchall()
        missing = set(names.missing)
        return [record_id for record_id in (str(one) for (one,) in found) if record_id not in missing]

    async def _look_up_for(self, names: ReferenceNames, rows: Sequence[Path]) -> None:
        if not rows or names.refusal is not None:
            return
        columns = [each.reference for each in names.columns]
        await names.look_up(await asyncio.to_thread(self._unknown_in_files, names, columns, rows))

    def _unknown_in_files(
        self, names: ReferenceNames, columns: Sequence[Column], rows: Sequence[Path]
    ) -> list[str]:
        with duckdb_instance() as connection:
            return self._unknown(connection, names, columns, rows_of(rows))


async def _all_of(readings: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Wait for all of them, and raise what the first of those raised that failed."""
    for outcome in await asyncio.gather(*readings, return_exceptions=True):
        if isinstance(outcome, BaseException):
            raise outcome


def _instant(instant: datetime) -> str:
    return f"TIMESTAMPTZ {literal(instant.isoformat())}"


def _each_id(column: Column) -> str:
    return f"unnest({quoted(column.key)})" if column.sql_type.endswith("[]") else quoted(column.key)


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
            object_type, place = BUILT_IN[name], folder / f"names-of-{name}"
            place.mkdir(mode=0o700)
            transform = Transform(object_type, _attributes(object_type), place)
            staging = await opened.enter_async_context(Staging(StagingFolder(place), transform))
            columns, references_shown = by_type.get(name, ()), to_show.get(name, ())
            table = reference_table(name)
            names.append(
                ReferenceNames(client, object_type, table, staging, tuple(columns), tuple(references_shown))
            )
        yield References(names, selection, folder)


def _attributes(object_type: ObjectType) -> list[TypedColumn]:
    return [typed_column(Field(key, key, "varchar"), object_type) for key in attributes_of(object_type.name)]

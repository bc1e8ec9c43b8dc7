"""The rows of a write, and the records that they are about: both found in our own database."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb

from pipedrive_orchestration.pipedrive.older_names import OLDER_NAMES
from pipedrive_orchestration.pipedrive.requests import PLANNED
from pipedrive_orchestration.sources import InvalidBodyError, Problem, Source
from pipedrive_orchestration.sources.validation import did_you_mean
from pipedrive_orchestration.warehouse import Warehouse, quoted
from pipedrive_orchestration.warehouse.catalog import tables_of
from pipedrive_orchestration.warehouse.instances import CONFIG, configure
from pipedrive_orchestration.warehouse.sql import literal
from pipedrive_orchestration.warehouse.tables import PARENT_ID, ROWS, column_types
from pipedrive_orchestration.writing.kinds import REFERENCES, SEVERAL, Property
from pipedrive_orchestration.writing.model import ORIGINS, Write
from pipedrive_orchestration.writing.properties import Properties

BATCH = 10_000
"""Rows that are fetched at once."""

MOST_ROOM = "10GB"
"""The room on disk that the rows of a file may take while they are planned."""

NAMED_BY = ("title", "name", "subject", "label")
"""Properties by which records are called, the better ones first."""

MATCHED = frozenset(
    {"text", "long text", "contacts", "number", "whole", "percent", "date", "hex color", "status"}
    | (REFERENCES.keys() - SEVERAL - {"activity type", "currency"})
)
"""Kinds of properties by which records can be known."""

_NUMBERS = frozenset({"number", "whole", "percent"})


@dataclass(frozen=True, slots=True)
class Mapped:
    """A column of the rows, and the property that it is about."""

    column: str
    prop: Property


@dataclass(frozen=True, slots=True)
class ColumnMapping:
    """The columns of a write's rows, joined with the account's properties.

    Attributes:
        match: by which a record is known; empty where rows name it by id.
        id_column: the column of ids, where they do.
        fields: what is written.
    """

    match: tuple[Mapped, ...]
    id_column: str | None
    fields: tuple[Mapped, ...]

    @property
    def written(self) -> tuple[Mapped, ...]:
        """What a new record gets: also what it is known by."""
        keys = {mapped.prop.key for mapped in self.fields}
        return (*(mapped for mapped in self.match if mapped.prop.key not in keys), *self.fields)


def map_columns(write: Write, properties: Properties) -> ColumnMapping:
    """Join the columns that a write names with the properties of the account.

    Raises:
        InvalidBodyError: with every name that is none, cannot be written, or cannot be matched by.
    """
    problems: list[Problem] = []

    def found(field: str, column: str, name: str) -> list[Mapped]:
        prop = properties.find(name)
        if isinstance(prop, Property):
            return [Mapped(column, prop)]
        problems.append(Problem(f"{field}.{column}", prop.code, prop.message))
        return []

    fields = [mapped for column, name in write.fields.items() for mapped in found("fields", column, name)]
    id_column = next(iter(write.match)) if write.is_matched_by_id else None
    match = (
        []
        if id_column is not None
        else [mapped for column, name in write.match.items() for mapped in found("match", column, name)]
    )
    for mapped in match:
        if mapped.prop.kind not in MATCHED or mapped.prop.is_opposite:
            message = f"No record is known by {mapped.prop.label}: use a text, number, date or reference."
            problems.append(Problem(f"match.{mapped.column}", "not_matched", message))
    seen: dict[str, str] = {}
    for mapped in fields:
        if seen.setdefault(mapped.prop.key, mapped.column) != mapped.column:
            message = f"`{seen[mapped.prop.key]}` is written to the same property."
            problems.append(Problem(f"fields.{mapped.column}", "duplicate_property", message))
        problems += _problems_of_field(write, mapped)
    if problems:
        raise InvalidBodyError(problems)
    return ColumnMapping(tuple(match), id_column, tuple(fields))


def _problems_of_field(write: Write, mapped: Mapped) -> Iterator[Problem]:
    at = f"fields.{mapped.column}"
    if write.operation == "update" and not mapped.prop.in_change:
        yield Problem(at, "only_at_creation", "Is set at creation and cannot be changed.")
    if write.operation == "create" and not mapped.prop.in_creation:
        yield Problem(at, "not_at_creation", "Can be set later, not at creation.")


@dataclass(frozen=True, slots=True)
class MatchedRow:
    """A row, and what it is about.

    Attributes:
        number: of the row, from 1.
        values: of the row, by column.
        ids: of the records that it names or matches.
        record: the record's own values of what is written, by property key, where there is one; of one that
            is to be deleted, of what it is known by.
        name: what the record is called.
        is_archived: whether it is archived.
    """

    number: int
    values: Mapping[str, Any]
    ids: tuple[Any, ...]
    record: Mapping[str, Any]
    name: str | None
    is_archived: bool


@dataclass(frozen=True, slots=True)
class FieldOptions:
    """The options of an account's fields, which no table has.

    Attributes:
        options: of each, the field's code, the id and the label.
        codes: of fields, by all that they go by, without capitals.
    """

    options: tuple[tuple[str, int, str], ...]
    codes: Mapping[str, str]

    def load(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Make the tables ``_options`` and ``_codes``."""
        connection.execute(
            f"CREATE TEMP TABLE _options AS SELECT unnest($codes::VARCHAR[]) AS {PARENT_ID}, "
            "unnest($ids::BIGINT[]) AS _id, unnest($labels::VARCHAR[]) AS label, true AS _is_current, "
            "false AS _is_archived",
            dict(zip(("codes", "ids", "labels"), map(list, zip(*self.options, strict=True)), strict=True))
            if self.options
            else {"codes": [], "ids": [], "labels": []},
        )
        connection.execute(
            "CREATE TEMP TABLE _codes AS SELECT unnest($names::VARCHAR[]) AS name, "
            "unnest($codes::VARCHAR[]) AS code",
            {"names": list(self.codes), "codes": list(self.codes.values())},
        )


class Matcher:
    """The rows of a write beside the table of a source.

    Args:
        write: the write.
        source: in whose table records are looked for; or the options of fields.
        project: the project folder, for files of rows.
        mapping: the columns and their properties.
    """

    def __init__(
        self, write: Write, source: Source | FieldOptions, project: Path, mapping: ColumnMapping
    ) -> None:
        self._write = write
        self._source = source
        self._project = project
        self._mapping = mapping

    def rows(self, warehouse: Warehouse) -> Iterator[MatchedRow]:
        """The rows, in their order, each with what it is about.

        The query of a write sees the database and nothing else: it cannot write, and reaches no file and no
        network.

        Raises:
            InvalidBodyError: the rows cannot be read, lack columns, or the table lacks properties.
            WarehouseError: the database cannot be opened.
        """
        with warehouse.apart().reading() as connection:
            # Rows keep the order that they come in.
            configure(connection, preserve_insertion_order=True)
            if isinstance(self._source, FieldOptions):
                self._source.load(connection)
                table = {"label": "VARCHAR"}
            else:
                table = column_types(connection, self._source.slug)
            self._load(connection, warehouse)
            columns = [name for name, *_ in connection.execute("DESCRIBE _rows").fetchall() if name != "_n"]
            own = self._own_columns(columns, table)
            called = next((key for key in NAMED_BY if key in table), None)
            query = self._query(columns, own, called)
            seen = [mapped.prop.key for mapped in self._seen]
            cursor = connection.execute(query)
            while batch := cursor.fetchmany(BATCH):
                for values in batch:
                    yield _matched(values, columns, seen)

    @property
    def _seen(self) -> tuple[Mapped, ...]:
        """What is looked at of a record: what is written, or what one that is to be deleted is known by."""
        return self._mapping.written if self._write.operation == "delete" else self._mapping.fields

    def _load(self, connection: duckdb.DuckDBPyConnection, warehouse: Warehouse) -> None:
        """Make the table ``_rows`` of the rows, numbered."""
        write = self._write
        try:
            if write.file is not None:
                # A few bytes of a compressed file can stand for more than there is room for.
                configure(connection, max_temp_directory_size=MOST_ROOM)
                _number(connection, reader_of(self._project / write.file))
            elif write.workflow is not None:
                _number(connection, quoted("workflows", write.workflow))
            elif warehouse.path is None:
                with TemporaryDirectory() as folder:
                    answer_apart(connection, str(write.rows), Path(folder))
                    _number(connection, reader_of(Path(folder) / ANSWER))
            else:
                _lock_down(connection)
                # The newline ends a comment at the end of the query.
                _number(connection, f"(\n{write.rows}\n)")
        except duckdb.Error as error:
            reason = str(error).splitlines()[0]
            problem = Problem(_origin_of(write), "unreadable_rows", f"Cannot be read: {reason}")
            raise InvalidBodyError([problem]) from None

    def _own_columns(self, columns: Sequence[str], table: Mapping[str, str]) -> dict[str, str]:
        """The columns of the source's table by property key, with those of archive state and name.

        Raises:
            InvalidBodyError: with every column that is missing in the rows or the table.
        """
        named = [*self._write.match, *self._write.fields]
        problems = [
            Problem(
                f"{'match' if column in self._write.match else 'fields'}.{column}",
                "unknown_column",
                f"The rows have no column `{column}`.{did_you_mean(column, columns)}",
            )
            for column in dict.fromkeys(named)
            if column not in columns
        ]
        own = {}
        for mapped in self._mapping.written:
            column = column_of(mapped.prop.key, self._write.object_type, table)
            if column is None and isinstance(self._source, Source):
                problems.append(
                    Problem(
                        "source",
                        "property_not_imported",
                        f"sources/{self._source.slug}.yaml does not import `{mapped.prop.key}`; add it to "
                        "its properties, so that it can be seen what a record has.",
                    )
                )
            elif column is not None:
                own[mapped.prop.key] = column
        if problems:
            raise InvalidBodyError(problems)
        return own

    def _query(self, columns: Sequence[str], own: Mapping[str, str], called: str | None) -> str:
        table = quoted(ROWS, self._source.slug) if isinstance(self._source, Source) else "_options"
        mapping = self._mapping
        is_below = bool(self._write.type.parents)
        identity = f"{PARENT_ID}::VARCHAR || '/' || _id::VARCHAR" if is_below else "_id"
        if mapping.id_column is not None:
            named = _id_of(quoted(mapping.id_column))
            # The id of a record below another one may have that one's before it.
            theirs = [f"regexp_replace({named}, '^.*/', '')" if is_below else named]
            keys = ["_id::VARCHAR"]
        else:
            theirs = [_row_key(mapped) for mapped in mapping.match]
            keys = [_table_key(mapped, own[mapped.prop.key]) for mapped in mapping.match]
        listed = ", ".join(f"{key} AS k{index}" for index, key in enumerate(keys))
        wanted = ", ".join(f"{key} AS k{index}" for index, key in enumerate(theirs))
        on = " AND ".join(f"w.k{index} = k.k{index}" for index in range(len(keys)))
        values = "".join(f", r.{quoted(column)}" for column in columns)
        record = "".join(f", s.{quoted(own[mapped.prop.key])}" for mapped in self._seen)
        name = f"s.{quoted(called)}::VARCHAR" if called else "NULL"
        return f"""
            WITH keys AS (SELECT DISTINCT {identity} AS record_id, {listed} FROM {table} WHERE _is_current),
            wanted AS (SELECT _n, {wanted} FROM _rows),
            found AS (
                SELECT w._n, list(DISTINCT k.record_id ORDER BY k.record_id)
                    FILTER (WHERE k.record_id IS NOT NULL) AS ids
                FROM wanted AS w LEFT JOIN keys AS k ON {on} GROUP BY w._n
            )
            SELECT r._n, f.ids, s._is_archived, {name}{values}{record}
            FROM _rows AS r JOIN found AS f ON f._n = r._n
            LEFT JOIN (SELECT {identity} AS record_id, * FROM {table}) AS s
                ON len(f.ids) = 1 AND s.record_id = f.ids[1]
            ORDER BY r._n
        """


ANSWER = "rows.parquet"
"""The file of what a query answered apart."""


def answer_apart(connection: duckdb.DuckDBPyConnection, query: str, folder: Path) -> None:
    """Answer a query over copies of the tables that it names, in an instance that reaches nothing else.

    What a lake holds lies in files, so a connection to it cannot be kept from them. Tables are copied into
    the folder, and the answer is there as `ANSWER`.

    Raises:
        duckdb.Error: the query cannot be answered.
    """
    copies = {}
    for number, name in enumerate(sorted(tables_of(query))):
        copies[name] = f"{folder}/{number}.parquet"
        connection.execute(f"COPY (FROM {quoted(*name)}) TO {literal(copies[name])} (FORMAT parquet)")
    with duckdb.connect(config=dict(CONFIG)) as apart:
        for name, file in copies.items():
            apart.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(name[0])}")
            apart.execute(f"CREATE TABLE {quoted(*name)} AS FROM read_parquet({literal(file)})")
        apart.execute(f"SET allowed_directories = [{literal(str(folder))}]")
        _lock_down(apart)
        apart.execute(f"COPY (\n{query}\n) TO {literal(f'{folder}/{ANSWER}')} (FORMAT parquet)")


def _lock_down(connection: duckdb.DuckDBPyConnection) -> None:
    configure(
        connection,
        enable_external_access=False, python_enable_replacements=False, lock_configuration=True,
    )  # fmt: skip


def _number(connection: duckdb.DuckDBPyConnection, origin: str) -> None:
    connection.execute(f"CREATE TEMP TABLE _rows AS SELECT row_number() OVER () AS _n, * FROM {origin}")


def _origin_of(write: Write) -> str:
    return next(origin for origin in ORIGINS if getattr(write, origin) is not None)


def _matched(values: Sequence[Any], columns: Sequence[str], own: Sequence[str]) -> MatchedRow:
    number, ids, is_archived, name = values[:4]
    row = dict(zip(columns, values[4 : 4 + len(columns)], strict=True))
    record = dict(zip(own, values[4 + len(columns) :], strict=True))
    return MatchedRow(number, row, tuple(ids or ()), record, name, bool(is_archived))


def reader_of(file: Path) -> str:
    """The SQL of a table function that reads a file of rows; texts of CSV stay texts."""
    path = literal(str(file))
    match file.suffix.lower():
        case ".csv":
            return f"read_csv({path}, all_varchar = true, header = true)"
        case ".parquet":
            return f"read_parquet({path})"
        case _:
            return f"read_json({path})"


def column_of(key: str, object_type: str, table: Mapping[str, str]) -> str | None:
    """The column that holds a property, under its name of v1 if it was asked for by that."""
    if key in PLANNED[object_type].parents:
        return PARENT_ID
    if key in table:
        return key
    older = (one for one in OLDER_NAMES.get(object_type, ()) if one.key == key)
    with suppress(StopIteration):
        return next(one.name for one in older if not one.part and not one.is_opposite and one.name in table)
    return None


def _id_of(column: str) -> str:
    """The text of an id, also where it stands in a column of numbers, which has no whole ones."""
    return f"regexp_replace(trim({column}::VARCHAR), '[.]0$', '')"


def _row_key(mapped: Mapped) -> str:
    column = quoted(mapped.column)
    if mapped.prop.kind.endswith(" field"):
        return f"(SELECT code FROM _codes WHERE name = lower(trim({column}::VARCHAR)))"
    if mapped.prop.kind in REFERENCES:
        return f"nullif({_id_of(column)}, '')"
    if mapped.prop.kind in _NUMBERS:
        return f"TRY_CAST({column}::VARCHAR AS DOUBLE)"
    if mapped.prop.kind == "date":
        return f"TRY_CAST({column}::VARCHAR AS DATE)"
    text = f"nullif(trim({column}::VARCHAR), '')"
    return f"lower({text})" if mapped.prop.kind == "contacts" else text


def _table_key(mapped: Mapped, column: str) -> str:
    value = quoted(column)
    if mapped.prop.kind == "contacts":
        return f"unnest(list_transform({value}, lambda c: lower(trim(c.value))))"
    if mapped.prop.kind in _NUMBERS:
        return f"{value}::DOUBLE"
    if mapped.prop.kind == "date":
        return value
    return f"trim({value}::VARCHAR)"

"""The transformation of staged pages to typed rows, in SQL.

Records stay bytes until DuckDB opens them. One pass turns a record into a struct of leaves, one leaf per
wanted property, and casts each leaf (see :mod:`.casts`). A value that does not fit its type leaves its
cell NULL, keeps its record, and is set aside with the raw value. The typed rows become a Parquet file,
which needs no warehouse, so it is made while other pages are being read.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path

import duckdb

from pipedrive_orchestration.importing.casts import whole_number
from pipedrive_orchestration.importing.definition import EVERYTHING, Selection, TypedColumn
from pipedrive_orchestration.pipedrive.object_types import ObjectType
from pipedrive_orchestration.pipedrive.responses import whole_characters
from pipedrive_orchestration.warehouse.sql import literal, quoted

MEMORY_BYTES = 350 * 1024 * 1024
"""The memory that DuckDB may use while typing a batch; pages of usual records take a third of it."""

MOST_MEMORY = "80%"
"""The share of the machine's memory that it may use where that is not enough."""

BUFFERS_PER_RECORD = 8
"""DuckDB reads lines in buffers of twice the longest record, some for each of its threads."""

MAX_GROWTH = 3
"""The factor by which a record grows where each of its bytes is half a character that becomes U+FFFD."""

ID_TYPES = {"int": "BIGINT", "uuid": "UUID"}
"""Type of ``_id`` by the catalogue's ``id_type``."""

_ID_CASTS = {"int": whole_number("_record.id"), "uuid": "TRY_CAST(_record.id AS UUID)"}


class Transform:
    """Turns staged pages of one object type into typed Parquet files.

    Every file has ``_id``, the wanted properties, ``_add_time``, ``_update_time``, ``_is_archived``,
    ``_is_deleted``, ``_misfits`` (a list of ``{property, value}``, NULL where every value fits; the whole
    record under ``id`` where it has none) and ``_page`` (which page the record came with; later pages
    sort later). DuckDB puts what memory does not hold into the folder ``spill_to``.
    """

    def __init__(
        self,
        object_type: ObjectType,
        columns: Sequence[TypedColumn],
        spill_to: Path,
        selection: Selection = EVERYTHING,
    ) -> None:
        keys = {column.column.key for column in columns}
        looked_at = [column for column in selection.columns if column.column.key not in keys]
        self._parameters = {
            "structure": json.dumps(_structure_of([*columns, *looked_at])),
            **selection.values,
        }
        self._select = _select(object_type, columns, looked_at, selection.predicate)
        self._spill_to = spill_to
        self._to_be_closed = ExitStack()

    @cached_property
    def _connection(self) -> duckdb.DuckDBPyConnection:
        # Made when there is something to type, which a pull of changes often has not.
        connection = self._to_be_closed.enter_context(
            duckdb.connect(
                config={
                    "preserve_insertion_order": False,
                    "threads": 1,
                    "temp_directory": str(self._spill_to),
                }
            )
        )
        useless = _useless_optimizers(connection)
        connection.execute(f"SET TimeZone = 'UTC'; SET disabled_optimizers = '{useless}'")
        return connection

    @cached_property
    def _copy(self) -> duckdb.Statement:
        # Parsing it takes as long as typing three pages, so it is done once.
        (statement,) = self._connection.extract_statements(
            f"COPY (WITH opened AS ({_OPENED}) {self._select}) TO $to (FORMAT parquet, COMPRESSION snappy)"
        )
        return statement

    def write(self, pages: Sequence[Path], to: Path, *, longest: int) -> None:
        """Type the records of some staged pages, the longest of which has that many bytes.

        Raises:
            OSError: a page cannot be mended.
            duckdb.IOException: the typed file cannot be written.
        """
        try:
            self._write(pages, to, longest)
        except duckdb.InvalidInputException:
            # Hardly any page holds half a character, so they are looked for only when DuckDB stumbles on one.
            _make_characters_whole(pages)
            self._write(pages, to, MAX_GROWTH * longest)

    def _write(self, pages: Sequence[Path], to: Path, longest: int) -> None:
        here = {"pages": [str(page) for page in pages], "to": str(to), "longest": longest + 1024}
        parameters = {**self._parameters, **here}
        usual = (MEMORY_BYTES + BUFFERS_PER_RECORD * longest) // 1024
        self._copy_within((f"{usual}KiB", MOST_MEMORY), parameters)

    def _copy_within(self, limits: Sequence[str], parameters: dict[str, object]) -> None:
        limit, *higher = limits
        try:
            self._connection.execute(f"SET memory_limit = '{limit}'")
            self._connection.execute(self._copy, parameters)
        except duckdb.OutOfMemoryException:
            if not higher:
                raise
            self._copy_within(higher, parameters)

    def close(self) -> None:
        """Let go of DuckDB's memory."""
        self._to_be_closed.close()


_OPENED = """
SELECT json_transform(json, $structure) AS _record, json AS _raw, filename AS _page
FROM read_json_objects($pages, format = 'newline_delimited', filename = true, maximum_object_size = $longest)
"""

USEFUL_OPTIMIZERS = frozenset({"cte_inlining", "unused_columns", "common_subexpressions", "column_lifetime"})
"""The optimizers that make one wide projection cheaper; others take as long as typing some pages."""


def _useless_optimizers(connection: duckdb.DuckDBPyConnection) -> str:
    known = {str(name) for (name,) in connection.execute("FROM duckdb_optimizers()").fetchall()}
    return ",".join(known - USEFUL_OPTIMIZERS)


def _make_characters_whole(pages: Sequence[Path]) -> None:
    for page in pages:
        page.write_bytes(whole_characters(page.read_bytes()))


def _structure_of(columns: Sequence[TypedColumn]) -> dict[str, object]:
    """The structure into which DuckDB opens a record: every wanted leaf as text, or as JSON if it has parts.

    ``id``, ``add_time``, ``update_time``, ``is_deleted`` and ``is_archived`` are always wanted.
    """
    wanted: dict[str, object] = dict.fromkeys(
        ("id", "add_time", "update_time", "is_deleted", "is_archived"), "VARCHAR"
    )
    nested: dict[str, object] = {}
    for column in columns:
        (nested if column.nested else wanted).update(column.cast.leaves)
    if nested:
        wanted["custom_fields"] = nested
    return wanted


def _select(
    object_type: ObjectType, columns: Sequence[TypedColumn], looked_at: Sequence[TypedColumn], predicate: str
) -> str:
    """Three steps on one pass: what each value may be, what of it stays, and what was set aside.

    The predicate sees all values that stay; those that are only ``looked_at`` go no further.
    """
    opened = [*columns, *looked_at]
    carried = ["_record", "_raw", "_page"]
    candidates = [*carried, *(f"{column.cast.value} AS {_name(column)}" for column in opened)]
    values = [*carried, *(f"{_value(column)} AS {_name(column)}" for column in opened)]
    record_id = _ID_CASTS[object_type.id_type]
    nameless = f"WHEN {record_id} IS NULL THEN [{{'property': 'id', 'value': _raw::VARCHAR}}]"
    finals = [
        f"{record_id} AS _id",
        *map(_name, columns),
        "TRY_CAST(_record.add_time AS TIMESTAMPTZ) AS _add_time",
        "TRY_CAST(_record.update_time AS TIMESTAMPTZ) AS _update_time",
        "coalesce(TRY_CAST(_record.is_archived AS BOOLEAN), false) AS _is_archived",
        "coalesce(TRY_CAST(_record.is_deleted AS BOOLEAN), false) AS _is_deleted",
        f"{predicate} AS _matches",
        f"CASE {nameless} ELSE {_misfits(columns)} END AS _misfits",
        "_page",
    ]
    return (
        f", candidates AS (SELECT {', '.join(candidates)} FROM opened), "
        f"kept AS (SELECT {', '.join(values)} FROM candidates) SELECT {', '.join(finals)} FROM kept"
    )


def _name(column: TypedColumn) -> str:
    return quoted(column.column.key)


def _value(column: TypedColumn) -> str:
    if column.cast.fits == "true":
        return _name(column)
    return f"CASE WHEN {column.cast.fits} THEN {_name(column)} END"


def _misfits(columns: Sequence[TypedColumn]) -> str:
    fallible = [column for column in columns if column.cast.fits != "true"]
    if not fallible:
        return "NULL::STRUCT(property VARCHAR, value VARCHAR)[]"
    # A value that is NULL though its leaf is not is all that has to be looked for in every record; why
    # is asked only of the few that have one.
    suspicious = " OR ".join(
        f"({column.cast.leaf} IS NOT NULL AND {_name(column)} IS NULL)" for column in fallible
    )
    listed = ", ".join(
        f"CASE WHEN {column.cast.leaf} IS NOT NULL AND {column.cast.fits} IS NOT TRUE "
        f"THEN {{'property': {literal(column.column.key)}, 'value': {column.cast.raw}}} END"
        for column in fallible
    )
    return f"CASE WHEN {suspicious} THEN nullif(list_filter([{listed}], lambda x: x IS NOT NULL), []) END"

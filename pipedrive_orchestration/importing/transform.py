"""The transformation of staged pages to typed rows, in SQL.

Records stay bytes until DuckDB opens them. One pass turns a record into a struct of leaves, one leaf per
wanted property, and casts each leaf (see :mod:`.casts`). A value that does not fit its type leaves its
cell NULL, keeps its record, and is set aside with the raw value. The typed rows become a Parquet file,
which needs no warehouse, so it is made while other pages are being read.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache, lru_cache
from pathlib import Path

import duckdb

from pipedrive_orchestration.importing.casts import ID_TYPES, leaf_column, whole_number
from pipedrive_orchestration.importing.definition import EVERYTHING, Selection, TypedColumn
from pipedrive_orchestration.pipedrive.object_types import ObjectType, Parent
from pipedrive_orchestration.pipedrive.responses import whole_characters
from pipedrive_orchestration.warehouse.instances import ALL_MEMORY, Setting, duckdb_instance, memory_settings
from pipedrive_orchestration.warehouse.sql import literal, quoted

MEMORY_BYTES = 350 * 1024 * 1024
"""The memory that DuckDB may use while typing a batch; pages of usual records take a third of it."""

BUFFERS_PER_RECORD = 8
"""DuckDB reads lines in buffers of twice the longest record, some for each of its threads."""

MAX_GROWTH = 3
"""The factor by which a record grows where each of its bytes is half a character that becomes U+FFFD."""

_PURPOSE = "pages"
"""What instances are for that are set up for pages, so that they need not be each time."""

OF_PARENT = "-of-"
"""What stands before the id of a parent in the name of a page of its children."""


class Transform:
    """Turns staged pages of one object type into typed Parquet files.

    Every file has ``_id``, the wanted properties, ``_add_time``, ``_update_time``, ``_is_archived``,
    ``_is_deleted``, ``_misfits`` (a list of ``{property, value}``, NULL where every value fits; the whole
    record under ``id`` where it has none) and ``_page`` (which page the record came with; later pages
    sort later); those of children have ``_parent_id`` too. A filter that looks at derived properties is
    evaluated where the names are; then the files have what else it looks at as well. DuckDB puts what memory
    does not hold into a folder within ``spill_to``.
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
        self._parameters: dict[str, object] = {
            "structure": json.dumps(_structure_of(object_type, [*columns, *looked_at]))
        }
        if selection.derived:
            select = _select(object_type, [*columns, *looked_at], [], "NULL::BOOLEAN")
        else:
            select = _select(object_type, columns, looked_at, selection.predicate)
            self._parameters |= selection.values
        self._copy = (
            f"COPY (WITH opened AS ({_opened(object_type.inner)}) {select}) TO $to "
            "(FORMAT parquet, COMPRESSION snappy)"
        )
        self._spill_to = spill_to

    @contextmanager
    def _connected(self, memory_limit: str) -> Iterator[duckdb.DuckDBPyConnection]:
        settings: dict[str, Setting] = {
            "threads": 1,
            "temp_directory": str(self._spill_to / "spilled"),
            "preserve_insertion_order": False,
            "disabled_optimizers": _useless_optimizers(),
        }
        with duckdb_instance(_PURPOSE, settings | memory_settings(memory_limit)) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            yield connection

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
        self._copy_within((f"{usual}KiB", ALL_MEMORY), parameters)

    def _copy_within(self, limits: Sequence[str], parameters: dict[str, object]) -> None:
        limit, *higher = limits
        copy = _parsed(self._copy)
        try:
            with self._connected(limit) as connection:
                connection.execute(copy, parameters)
        except duckdb.OutOfMemoryException:
            if not higher:
                raise
            self._copy_within(higher, parameters)


@lru_cache(64)
def _parsed(sql: str) -> duckdb.Statement:
    """The statement, kept for further pages and imports: to parse it takes as long as to type three pages."""
    with duckdb_instance() as connection:
        (statement,) = connection.extract_statements(sql)
    return statement


_OPENED = """
SELECT json_transform(json, $structure) AS _record, json AS _raw, filename AS _page
FROM read_json_objects($pages, format = 'newline_delimited', filename = true, maximum_object_size = $longest)
"""


def _opened(inner: str) -> str:
    """SQL of the records of some pages, or of what lies under a key of each."""
    if not inner:
        return _OPENED
    return (
        f"SELECT _record.{quoted(inner)} AS _record, _raw -> {literal(inner)} AS _raw, _page FROM ({_OPENED})"
    )


USEFUL_OPTIMIZERS = frozenset({"cte_inlining", "unused_columns", "column_lifetime"})
"""The optimizers that make one wide projection cheaper; others take as long as typing some pages."""


@cache
def _useless_optimizers() -> str:
    with duckdb_instance() as connection:
        known = {str(name) for (name,) in connection.execute("FROM duckdb_optimizers()").fetchall()}
    return ",".join(known - USEFUL_OPTIMIZERS)


def _make_characters_whole(pages: Sequence[Path]) -> None:
    for page in pages:
        page.write_bytes(whole_characters(page.read_bytes()))


def _own_leaves(object_type: ObjectType) -> tuple[str, ...]:
    """What is wanted of every record, whatever its source asks for."""
    own = ["add_time", object_type.stamp, "is_deleted", object_type.archived_key]
    if object_type.id_key:
        own.append(object_type.id_key)
    if object_type.active_key:
        own.append(object_type.active_key)
    if object_type.parent is not None:
        own += [key.partition(".")[0] for key in object_type.parent.key]
        own += filter(None, [object_type.parent.property])
    return tuple(dict.fromkeys(own))


def _is_archived(object_type: ObjectType) -> str:
    """SQL of whether a record is archived."""
    leaf = leaf_column(object_type.archived_key)
    if object_type.archived_key.endswith("_time"):
        return f"{leaf} IS NOT NULL"
    return f"coalesce(TRY_CAST({leaf} AS BOOLEAN), false)"


def _structure_of(object_type: ObjectType, columns: Sequence[TypedColumn]) -> dict[str, object]:
    """The structure into which DuckDB opens a record: every wanted leaf as text, or as JSON if it has parts.

    Those that are wanted of every record are among them.
    """
    wanted: dict[str, object] = dict.fromkeys(_own_leaves(object_type), "VARCHAR")
    nested: dict[str, object] = {}
    for column in columns:
        (nested if column.nested else wanted).update(column.cast.leaves)
    if nested:
        wanted["custom_fields"] = nested
    return {object_type.inner: wanted} if object_type.inner else wanted


def _select(
    object_type: ObjectType, columns: Sequence[TypedColumn], looked_at: Sequence[TypedColumn], predicate: str
) -> str:
    """Steps on one pass: leaves, what each value may be, where it does not fit, what stays and what does not.

    DuckDB plans the statement anew for every file, so no step repeats what one before it has found out. The
    predicate sees all values that stay; those that are only ``looked_at`` go no further.
    """
    opened = [*columns, *looked_at]
    fallible = [column for column in opened if column.cast.fits != "true"]
    leaves = [f"{path} AS {name}" for name, path in _leaves(object_type, opened).items()]
    candidates = [f"{column.cast.value} AS {_name(column)}" for column in opened]
    misfits = [
        f"{column.cast.leaf} IS NOT NULL AND ({column.cast.fits}) IS NOT TRUE AS {_misfit(column)}"
        for column in fallible
    ]
    values = [
        f"CASE WHEN NOT {_misfit(column)} THEN {_name(column)} END AS {_name(column)}" for column in fallible
    ]
    record_id = _id_of(object_type)
    nameless = f"WHEN {record_id} IS NULL THEN [{{'property': 'id', 'value': _raw::VARCHAR}}]"
    set_aside = _misfits([column for column in fallible if column not in looked_at])
    finals = [
        f"{record_id} AS _id",
        *([f"{_parent_id(object_type.parent)} AS _parent_id"] if object_type.parent else []),
        *map(_name, columns),
        f"TRY_CAST({leaf_column('add_time')} AS TIMESTAMPTZ) AS _add_time",
        f"TRY_CAST({leaf_column(object_type.stamp)} AS TIMESTAMPTZ) AS _update_time",
        f"{_is_archived(object_type)} AS _is_archived",
        f"{_is_deleted(object_type)} AS _is_deleted",
        f"{predicate} AS _matches",
        f"CASE {nameless} ELSE {set_aside} END AS _misfits",
        "_page",
    ]
    replaced = f"REPLACE ({', '.join(values)})" if values else ""
    return (
        f", leaves AS (SELECT {', '.join(['_raw', '_page', *leaves])} FROM opened), "
        f"candidates AS (SELECT {', '.join(['*', *candidates])} FROM leaves), "
        f"judged AS (SELECT {', '.join(['*', *misfits])} FROM candidates), "
        f"kept AS (SELECT * {replaced} FROM judged) SELECT {', '.join(finals)} FROM kept"
    )


def _id_of(object_type: ObjectType) -> str:
    """SQL of a record's id; of a child without one, its parent's and what tells it from its siblings."""
    parent = object_type.parent
    if parent is not None and not object_type.id_key:
        return f"{_parent_id(parent)}::{ID_TYPES[object_type.id_type]}"
    if parent is None or not parent.key:
        leaf = leaf_column(object_type.id_key)
        of_type = {
            "int": whole_number(leaf),
            "uuid": f"TRY_CAST({leaf} AS UUID)",
            "text": f"nullif({leaf}, '')",
        }
        return of_type[object_type.id_type]
    leaves = [_part_of_key(key) for key in parent.key]
    if not parent.is_history:
        return " || ':' || ".join([f"{_parent_id(parent)}::VARCHAR", *leaves])
    # What happened twice in one second in the very same way is told apart by counting.
    texts = ", ".join(f"coalesce({leaf}, '')" for leaf in leaves)
    key = f"md5(concat_ws(chr(31), {texts}))"
    count = f"row_number() OVER (PARTITION BY {_parent_id(parent)}, {key})"
    counted = f"coalesce(':' || nullif({count}, 1)::VARCHAR, '')"
    return f"{_parent_id(parent)}::VARCHAR || ':' || {key} || {counted}"


def _part_of_key(key: str) -> str:
    """SQL of what a property, or the id inside one, adds to the id of a child."""
    name, _, inner = key.partition(".")
    if not inner:
        return f"{leaf_column(key)}::VARCHAR"
    return f"coalesce(json_extract_string({leaf_column(name)}, {literal('$.' + inner)}), '')"


def _is_deleted(object_type: ObjectType) -> str:
    """SQL of whether a record is deleted."""
    says_so = f"coalesce(TRY_CAST({leaf_column('is_deleted')} AS BOOLEAN), false)"
    if not object_type.active_key:
        return says_so
    return f"({says_so} OR NOT coalesce(TRY_CAST({leaf_column(object_type.active_key)} AS BOOLEAN), true))"


def _parent_id(parent: Parent) -> str:
    """SQL of the id of a child's parent: its own say, or the name of the page that it came with."""
    sql_type = ID_TYPES[parent.type.id_type]
    if parent.property is not None:
        return f"TRY_CAST({leaf_column(parent.property)} AS {sql_type})"
    named = f"regexp_extract(_page, '{OF_PARENT}([^/]*)[.]ndjson$', 1)"
    return f"TRY_CAST(url_decode({named}) AS {sql_type})"


def _leaves(object_type: ObjectType, columns: Sequence[TypedColumn]) -> dict[str, str]:
    """The columns of the leaves, and where in the record each stands."""
    leaves = {leaf_column(key): f"_record.{quoted(key)}" for key in _own_leaves(object_type)}
    for column in columns:
        record = "_record.custom_fields" if column.nested else "_record"
        leaves |= {leaf_column(key): f"{record}.{quoted(key)}" for key in column.cast.leaves}
    return leaves


def _name(column: TypedColumn) -> str:
    return quoted(column.column.key)


def _misfit(column: TypedColumn) -> str:
    return quoted(f"_misfit_{column.column.key}")


def _misfits(fallible: Sequence[TypedColumn]) -> str:
    if not fallible:
        return "NULL::STRUCT(property VARCHAR, value VARCHAR)[]"
    # What a record has that does not fit is asked only of the few that have something.
    has_any = " OR ".join(map(_misfit, fallible))
    listed = ", ".join(
        f"CASE WHEN {_misfit(column)} "
        f"THEN {{'property': {literal(column.column.key)}, 'value': {column.cast.raw}}} END"
        for column in fallible
    )
    return f"CASE WHEN {has_any} THEN list_filter([{listed}], lambda x: x IS NOT NULL) END"

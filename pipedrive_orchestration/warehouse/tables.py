"""The tables of a source: its rows, and the view that reads like Pipedrive's own screens.

``pipedrive.<slug>`` has one column per property, named by its key; ``pipedrive_labeled.<slug>`` shows
the current rows under their labels with option ids decoded.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import duckdb

from pipedrive_orchestration.warehouse import catalog, ledger
from pipedrive_orchestration.warehouse.errors import WarehouseError
from pipedrive_orchestration.warehouse.references import REFERENCES
from pipedrive_orchestration.warehouse.sql import literal, quoted

ROWS = "pipedrive"
LABELED = "pipedrive_labeled"
HISTORY = "pipedrive_history"
AT = "pipedrive_at"


MAX_JOINS = 32
"""Up to how many references of a source the labelled view joins each by itself.

The time that DuckDB takes to plan joins grows with their square, to seconds for two hundred; beyond this
number all references to one object type are one join, which reads the names of all of them for whoever asks
for one.
"""

HIDDEN = "_"
"""The beginning of names of columns that nobody has asked for: those of the table itself, and references
that a name is derived from."""

REMOVAL_COLUMNS = ("_is_current", "_removed_at", "_removal")
"""Columns that are the same in every current row."""


class NotImportedError(WarehouseError):
    """A source that has no table yet."""

    def __init__(self, slug: str) -> None:
        super().__init__(f"{slug} has not been imported yet: run `pipedrive-orchestration import {slug}`.")


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a source's table.

    Attributes:
        sql_type: DuckDB's.
        has_options: whether its values are option ids (one, or a list) to be decoded in the labelled view.
        refers_to: the table of `references` that knows the names behind its values, if they are ids (one, or
            a list).
    """

    key: str
    sql_type: str
    label: str
    field_type: str
    has_options: bool = False
    refers_to: str | None = None

    @property
    def comment(self) -> str:
        """Label and field type, as the column's comment says them."""
        return f"{self.label} ({self.field_type})"


SYSTEM_COLUMNS = {
    "_update_time": ("TIMESTAMPTZ", "When Pipedrive last changed the record"),
    "_first_imported_at": ("TIMESTAMPTZ", "When the record first came here"),
    "_imported_at": ("TIMESTAMPTZ", "When this version of the record came here"),
    "_is_archived": ("BOOLEAN", "Whether the record is archived at Pipedrive"),
    "_is_current": ("BOOLEAN", "Whether the record belongs to the source now"),
    "_removed_at": ("TIMESTAMPTZ", "When the record was found to be gone from the source"),
    "_removal": ("VARCHAR", "Why: deleted, merged, archived, left_segment or invisible"),
}

PARENT_ID = "_parent_id"
"""The column of a child source's table that has the id of the record's parent."""

CHILD_COLUMNS = {
    "_parent_removed": ("BOOLEAN DEFAULT false", "Whether the record is gone since its parent is"),
}
"""Further columns of a child source's table."""


def is_shown(key: str) -> bool:
    """Whether a column of a source's table is shown to whoever pages through its rows or exports them."""
    return key not in REMOVAL_COLUMNS and (
        not key.startswith(HIDDEN) or key in ("_id", PARENT_ID) or key in SYSTEM_COLUMNS
    )


VERSION_COLUMNS = {
    "_update_time": SYSTEM_COLUMNS["_update_time"],
    "_is_archived": SYSTEM_COLUMNS["_is_archived"],
    "_valid_from": ("TIMESTAMPTZ", "Since when the record was like this"),
    "_valid_to": ("TIMESTAMPTZ", "Until when; empty for the version that is true now"),
}


def prepare_table(
    connection: duckdb.DuckDBPyConnection, slug: str, id_type: str, columns: Sequence[Column], now: datetime
) -> list[str]:
    """Make the source's table, or add the columns it lacks.

    A column whose type has changed takes along the values that fit the new type; the others are set
    aside in quarantine, so the ledger has to be prepared before. Where the type was another one before that,
    values come back that were set aside then and fit now.

    Returns:
        What was changed in an existing table, one sentence each.
    """
    return _prepare(connection, ROWS, slug, id_type, columns, SYSTEM_COLUMNS, now)


def prepare_child_table(
    connection: duckdb.DuckDBPyConnection, slug: str, id_type: str, columns: Sequence[Column], now: datetime
) -> list[str]:
    """Make the table of a child source; see `prepare_table`. The parent's id is among the columns."""
    return _prepare(connection, ROWS, slug, id_type, columns, {**SYSTEM_COLUMNS, **CHILD_COLUMNS}, now)


def prepare_history(
    connection: duckdb.DuckDBPyConnection,
    slug: str,
    id_type: str,
    columns: Sequence[Column],
    now: datetime,
) -> None:
    """Make the table of versions and what asks it for an instant, or add the columns it lacks.

    A new one begins with the current rows, where the source has some; its own table has to be prepared
    before. Where versions were not kept for a while, what has changed since did so now.

    Args:
        connection: the warehouse, in a transaction.
        slug: the source.
        id_type: DuckDB's type of ``_id``.
        columns: of its properties.
        now: the present instant, by Pipedrive's clock.
    """
    is_new = not column_types(connection, slug, HISTORY)
    _prepare(connection, HISTORY, slug, id_type, columns, VERSION_COLUMNS, now)
    history, rows = quoted(HISTORY, slug), quoted(ROWS, slug)
    connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(AT)}")
    connection.execute(
        f"CREATE MACRO IF NOT EXISTS {quoted(AT, slug)}(instant) AS TABLE SELECT * FROM {history} "
        "WHERE _valid_from <= instant::TIMESTAMPTZ "
        "AND (_valid_to IS NULL OR _valid_to > instant::TIMESTAMPTZ)"
    )
    if not is_new:
        connection.execute(
            f"UPDATE {history} AS h SET _valid_to = greatest(_valid_from, $now) WHERE _valid_to IS NULL "
            f"AND NOT EXISTS (FROM {rows} AS r WHERE r._id = h._id AND r._is_current "
            "AND r._update_time IS NOT DISTINCT FROM h._update_time)",
            {"now": now},
        )
    shared = ", ".join(["_id", *(quoted(column.key) for column in columns), "_update_time", "_is_archived"])
    begun = (
        "coalesce(_update_time, _first_imported_at)"
        if is_new
        else f"greatest($now, (SELECT max(_valid_to) FROM {history} AS h WHERE h._id = r._id))"
    )
    connection.execute(
        f"INSERT INTO {history} ({shared}, _valid_from) SELECT {shared}, {begun} FROM {rows} AS r "
        f"WHERE _is_current AND _id NOT IN (SELECT _id FROM {history} WHERE _valid_to IS NULL)",
        {} if is_new else {"now": now},
    )


def _prepare(
    connection: duckdb.DuckDBPyConnection,
    schema: str,
    slug: str,
    id_type: str,
    columns: Sequence[Column],
    system_columns: dict[str, tuple[str, str]],
    now: datetime,
) -> list[str]:
    connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(schema)}")
    table = quoted(schema, slug)
    existing = column_types(connection, slug, schema)
    if not existing:
        definitions = [f"_id {id_type}"]
        definitions += [f"{quoted(column.key)} {column.sql_type}" for column in columns]
        definitions += [f"{name} {sql_type}" for name, (sql_type, _) in system_columns.items()]
        connection.execute(f"CREATE TABLE {table} ({', '.join(definitions)})")
    retyped = [
        column
        for column in columns
        if column.key in existing and not same_type(connection, existing[column.key], column.sql_type)
    ]
    changes = _migrate(connection, schema, slug, existing, columns, retyped, now) if existing else []
    comments = {"_id": "Pipedrive's id"} | {name: comment for name, (_, comment) in system_columns.items()}
    _comment(connection, schema, slug, comments | {column.key: column.comment for column in columns})
    # DuckDB 1.5 does not commit a table that is altered after its rows were updated.
    for column in retyped if schema == ROWS else ():
        _bring_back(connection, slug, column)
    return changes


def _migrate(
    connection: duckdb.DuckDBPyConnection,
    schema: str,
    slug: str,
    existing: dict[str, str],
    columns: Sequence[Column],
    retyped: Sequence[Column],
    now: datetime,
) -> list[str]:
    changes = []
    table = quoted(schema, slug)
    for column in columns:
        name = quoted(column.key)
        had = existing.get(column.key)
        if had is None:
            connection.execute(f"ALTER TABLE {table} ADD COLUMN {name} {column.sql_type}")
            changes.append(f"column {column.key} added as {column.sql_type}")
        elif column in retyped:
            lost = _retype(connection, schema, slug, column, had, now)
            changes.append(
                f"column {column.key} changed from {had} to {column.sql_type}"
                + (f"; {lost} values did not fit and are in quarantine" if lost else "")
            )
    return changes


def _retype(
    connection: duckdb.DuckDBPyConnection, schema: str, slug: str, column: Column, had: str, now: datetime
) -> int:
    """Give a column another type. Returns how many values could not be taken along."""
    table, name = quoted(schema, slug), quoted(column.key)
    converted = _converted(name, had, column.sql_type)
    lost = ledger.set_aside(
        connection,
        slug,
        f"SELECT _id::VARCHAR, {name}::VARCHAR FROM {table} "
        f"WHERE {name} IS NOT NULL AND ({converted}) IS NULL",
        property_key=column.key,
        field_type=column.field_type,
        reason=f"did not fit {column.field_type} {_BECAME if schema == ROWS else _BECAME_IN_THE_PAST}",
        now=now,
    )
    replace_column(connection, table, column.key, column.sql_type, converted)
    return lost


def replace_column(
    connection: duckdb.DuckDBPyConnection, table: str, key: str, sql_type: str, values: str
) -> None:
    """Put a column of another type in the place of one, perhaps without its comment.

    Args:
        connection: the warehouse, in a transaction.
        table: quoted.
        key: the name of the column.
        sql_type: its new type.
        values: SQL of its values, where it has some.
    """
    name, beside = quoted(key), quoted(f"{key} as it will be")
    if not _is_in_a_lake(connection):
        converted = f"CASE WHEN {name} IS NOT NULL THEN {values} END"
        connection.execute(f"ALTER TABLE {table} ALTER COLUMN {name} TYPE {sql_type} USING ({converted})")
        return
    # A lake takes no expression where it changes a type, so the column is made beside that one first.
    connection.execute(f"ALTER TABLE {table} ADD COLUMN {beside} {sql_type}")
    connection.execute(f"UPDATE {table} SET {beside} = {values} WHERE {name} IS NOT NULL")
    connection.execute(f"ALTER TABLE {table} DROP COLUMN {name}")
    connection.execute(f"ALTER TABLE {table} RENAME COLUMN {beside} TO {name}")


def _is_in_a_lake(connection: duckdb.DuckDBPyConnection) -> bool:
    row = connection.execute(
        "SELECT type FROM duckdb_databases() WHERE database_name = current_database()"
    ).fetchone()
    return row == ("ducklake",)


_BECAME = "when the field became that"
_BECAME_IN_THE_PAST = "when the field became that, in a version"
"""The ends of the reasons for which values of rows, and of their earlier versions, are set aside."""


def _bring_back(connection: duckdb.DuckDBPyConnection, slug: str, column: Column) -> None:
    """Let values that an earlier change of the type has set aside stand in their rows again, where they fit.

    A record that comes again brings its values itself; one that is gone never does.
    """
    fitting = (
        f"SELECT record_id, TRY_CAST(value AS {column.sql_type}) AS fitting FROM import_ledger.quarantine "
        f"WHERE source = $source AND property = $key AND ends_with(reason, {literal(_BECAME)})"
    )
    about = {"source": slug, "key": column.key}
    table, name = quoted(ROWS, slug), quoted(column.key)
    connection.execute(
        f"UPDATE {table} AS t SET {name} = q.fitting FROM ({fitting}) AS q "
        f"WHERE t._id::VARCHAR = q.record_id AND t.{name} IS NULL AND q.fitting IS NOT NULL",
        about,
    )
    connection.execute(
        "DELETE FROM import_ledger.quarantine AS q WHERE source = $source AND property = $key "
        f"AND ends_with(reason, {literal(_BECAME)}) AND EXISTS (FROM {table} AS t "
        f"WHERE t._id::VARCHAR = q.record_id AND t.{name} IS NOT NULL)",
        about,
    )


def _converted(name: str, had: str, sql_type: str) -> str:
    if sql_type == "JSON":
        return f"to_json({name})"
    if had == "JSON":
        new = f"TRY_CAST({name} AS {sql_type})"
        if sql_type.endswith("[]"):
            return f"CASE WHEN len({new}) = list_count({new}) THEN {new} END"
        if sql_type.startswith("STRUCT"):
            return f"CASE WHEN json_type({name}) = 'OBJECT' THEN {new} END"
        return new
    if sql_type.endswith("[]") and not had.endswith("[]"):
        new, back = f"TRY_CAST([{name}::VARCHAR] AS {sql_type})", "[1]"
    else:
        new, back = f"TRY_CAST({name}::VARCHAR AS {sql_type})", ""
    # A cast may round or drop what it does not understand, so only what can be had back fits.
    return f"CASE WHEN TRY_CAST(({new}){back}::VARCHAR AS {had}) = {name} THEN {new} END"


def same_type(connection: duckdb.DuckDBPyConnection, one: str, other: str) -> bool:
    """Whether two spellings name the same DuckDB type."""
    if one == other:
        return True
    if (one, other) not in _same_types:
        row = connection.execute(f"SELECT typeof(NULL::{one}) = typeof(NULL::{other})").fetchone()
        _same_types[one, other] = bool(row and row[0])
    return _same_types[one, other]


_same_types: dict[tuple[str, str], bool] = {}
"""What DuckDB has said of two spellings; it is asked for each column of each import."""


def column_types(connection: duckdb.DuckDBPyConnection, slug: str, schema: str = ROWS) -> dict[str, str]:
    """The columns of the source's table with their types; empty where there is no table."""
    return catalog.column_types(connection, schema, slug)


def _comment(connection: duckdb.DuckDBPyConnection, schema: str, slug: str, comments: dict[str, str]) -> None:
    rows = connection.execute(
        "SELECT column_name, comment FROM duckdb_columns() "
        "WHERE database_name = current_database() AND schema_name = ? AND table_name = ?",
        [schema, slug],
    ).fetchall()
    # A statement for each column takes longer than an import that finds nothing changed.
    for name, comment in comments.items() - set(rows):
        connection.execute(f"COMMENT ON COLUMN {quoted(schema, slug)}.{quoted(name)} IS {literal(comment)}")


def prepare_labeled_view(
    connection: duckdb.DuckDBPyConnection, slug: str, object_type: str, columns: Sequence[Column]
) -> None:
    """Make the view of current rows under their labels; colliding labels get `` (2)``, `` (3)``, ...

    A reference shows the name behind it, and beside it the id; the tables of names have to be there.
    """
    connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(LABELED)}")
    found, joined = _names_behind(slug, [column for column in columns if column.refers_to])
    values = [value for column in columns for value in _values(column, found)]
    names = distinct_labels([label for label, _ in values])
    shown = ", ".join(f"{sql} AS {quoted(name)}" for (_, sql), name in zip(values, names, strict=True))
    options = _options(object_type, [column for column in columns if column.has_options])
    connection.execute(
        f"CREATE OR REPLACE VIEW {quoted(LABELED, slug)} AS "
        f"SELECT {shown} FROM {quoted(ROWS, slug)} AS r {options} {joined} WHERE r._is_current"
    )


def newest_labeled(connection: duckdb.DuckDBPyConnection, slug: str, count: int) -> str:
    """SQL of the rows of the view that Pipedrive changed last, in that order.

    The view does not show when that was, so its own query is asked for no more than those rows.
    """
    row = connection.execute(
        "SELECT sql FROM duckdb_views() WHERE schema_name = ? AND view_name = ? "
        "AND database_name = current_database()",
        [LABELED, slug],
    ).fetchone()
    if row is None:
        raise NotImportedError(slug)
    # DuckDB writes lambdas with an arrow for files of its older versions, and reads that only if told to.
    connection.execute("SET SESSION lambda_syntax = 'ENABLE_SINGLE_ARROW'")
    _, _, query = row[0].rstrip("; \n").partition(" AS ")
    # Their ids are constants: a join would hold all columns of all rows in memory.
    ids = connection.execute(
        f"SELECT _id::VARCHAR FROM {quoted(ROWS, slug)} WHERE _is_current "
        "ORDER BY _update_time DESC NULLS LAST, _id DESC LIMIT ?",
        [count],
    ).fetchall()
    chosen = f"r._id IN ({', '.join(literal(id_) for (id_,) in ids)})" if ids else "false"
    return f"{query} AND {chosen} ORDER BY r._update_time DESC NULLS LAST, r._id DESC"


def _values(column: Column, names: Mapping[str, str]) -> list[tuple[str, str]]:
    """What the view shows of a column: labels, and the SQL of the values."""
    if not column.refers_to:
        return [(column.label, _decoded(column))]
    return [(column.label, names[column.key]), (f"{column.label} ID", f"r.{quoted(column.key)}")]


def _names_behind(slug: str, columns: Sequence[Column]) -> tuple[dict[str, str], str]:
    """The names behind references: SQL of each by key, and the SQL that joins them."""
    names, joins = {}, []
    lists = [column for column in columns if column.sql_type.endswith("[]")]
    for column in lists:
        value, found = f"r.{quoted(column.key)}", quoted(f"n.{column.key}")
        names[column.key] = f"list_transform({value}, lambda x: coalesce({found}.names[x], x::VARCHAR))"
        table = quoted(REFERENCES, column.refers_to or "")
        joins.append(
            f"CROSS JOIN (SELECT map_from_entries(list((id, name))) AS names FROM {table}) AS {found}"
        )
    single = [column for column in columns if column not in lists]
    if len(single) <= MAX_JOINS:
        for column in single:
            table, found = quoted(REFERENCES, column.refers_to or ""), quoted(f"n.{column.key}")
            names[column.key] = f"{found}.name"
            joins.append(f"LEFT JOIN {table} AS {found} ON {found}.id = r.{quoted(column.key)}")
        return names, " ".join(joins)
    alike: dict[tuple[str, str], list[Column]] = {}
    for column in single:
        alike.setdefault((column.refers_to or "", column.sql_type), []).append(column)
    for number, ((object_type, _), group) in enumerate(alike.items()):
        found = f"n{number}"
        names |= {column.key: f"{found}.names[{place}]" for place, column in enumerate(group, start=1)}
        joins.append(f"JOIN ({_names_by_row(slug, object_type, group)}) AS {found} ON {found}._id = r._id")
    return names, " ".join(joins)


def _names_by_row(slug: str, object_type: str, columns: Sequence[Column]) -> str:
    """SQL of the list of names behind some columns, in their order, for each current row."""
    ids = ", ".join(quoted(column.key) for column in columns)
    return (
        f"SELECT _id, list(name ORDER BY place) AS names FROM (SELECT _id, unnest([{ids}]) AS id, "
        f"unnest(range({len(columns)})) AS place FROM {quoted(ROWS, slug)} WHERE _is_current) "
        f"LEFT JOIN {quoted(REFERENCES, object_type)} USING (id) GROUP BY _id"
    )


def distinct_labels(labels: Iterable[str]) -> list[str]:
    """Labels made distinct as SQL sees names: regardless of case."""
    taken: set[str] = set()
    distinct = []
    for label in labels:
        shown = label.replace("\0", "").strip() or "(no label)"
        name, count = shown, 1
        while name.casefold() in taken:
            count += 1
            name = f"{shown} ({count})"
        taken.add(name.casefold())
        distinct.append(name)
    return distinct


def _decoded(column: Column) -> str:
    value = f"r.{quoted(column.key)}"
    if not column.has_options:
        return value
    labels = f"o.{quoted(column.key)}"
    if column.sql_type.endswith("[]"):
        return f"list_transform({value}, lambda x: coalesce({labels}[x::VARCHAR], x::VARCHAR))"
    return f"coalesce({labels}[{value}::VARCHAR], {value}::VARCHAR)"


def _options(object_type: str, columns: Sequence[Column]) -> str:
    if not columns:
        return ""
    maps = ", ".join(
        f"map_from_entries(list((option_id, label)) FILTER (WHERE key = {literal(column.key)})) "
        f"AS {quoted(column.key)}"
        for column in columns
    )
    return (
        f"CROSS JOIN (SELECT {maps} FROM import_ledger.option_labels "
        f"WHERE object_type = {literal(object_type)}) AS o"
    )

"""The copy of a whole database into another: tables with their comments, views and macros.

Both are attached to one instance of DuckDB, so that either can be a file or a lake. All of it happens in the
transaction of the caller, which sees one commit of the original.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter

import duckdb

from pipedrive_orchestration.warehouse.catalog import tables_of
from pipedrive_orchestration.warehouse.errors import WarehouseError
from pipedrive_orchestration.warehouse.sql import literal, quoted

_USUAL_SCHEMA = "main"


class UnlikeError(WarehouseError):
    """A copy that is not what the original is."""


@dataclass(frozen=True, slots=True)
class CopiedTable:
    """One table of a copy.

    Attributes:
        name: with its schema.
        rows: how many there are.
    """

    name: tuple[str, str]
    rows: int


def has_tables(connection: duckdb.DuckDBPyConnection, database: str) -> bool:
    """Whether there is any table or view of somebody's in an attached database."""
    return bool(_names(connection, "tables", database) or _names(connection, "views", database))


def copy_database(
    connection: duckdb.DuckDBPyConnection,
    original: str,
    copy: str,
    listener: Callable[[CopiedTable], None] = lambda _: None,
) -> list[CopiedTable]:
    """Make in an empty database what is in another one, and compare every table.

    Args:
        connection: to an instance to which both are attached; it is in a transaction. Its current database is
            the copy afterwards.
        original: the name of the database that is read.
        copy: the name of the one that is written.
        listener: is told of every table that is copied and alike.

    Raises:
        UnlikeError: a table of the copy does not hold what the original holds.
        duckdb.Error: the copy cannot take what the original has.
    """
    copied = []
    for name in _names(connection, "tables", original):
        _make_schema(connection, copy, name[0])
        columns = _columns(connection, original, *name)
        listed = ", ".join(column.definition for column in columns)
        connection.execute(f"CREATE TABLE {quoted(copy, *name)} ({listed})")
        connection.execute(f"INSERT INTO {quoted(copy, *name)} FROM {quoted(original, *name)}")
        table = CopiedTable(name, compared(connection, original, copy, name))
        copied.append(table)
        listener(table)
    _remake(connection, original, copy)
    _comment(connection, original, copy)
    return copied


@dataclass(frozen=True, slots=True)
class _Column:
    name: str
    type: str
    nullable: bool
    default: str | None
    comment: str | None

    @property
    def definition(self) -> str:
        default = f" DEFAULT {self.default}" if self.default not in (None, "NULL") else ""
        return f"{quoted(self.name)} {self.type}{default}{'' if self.nullable else ' NOT NULL'}"


def _names(connection: duckdb.DuckDBPyConnection, kind: str, database: str) -> list[tuple[str, str]]:
    return connection.execute(
        f"SELECT schema_name, {kind.removesuffix('s')}_name FROM duckdb_{kind}() "
        "WHERE database_name = ? AND NOT internal ORDER BY ALL",
        [database],
    ).fetchall()


def _columns(
    connection: duckdb.DuckDBPyConnection, database: str, schema: str, table: str
) -> Sequence[_Column]:
    return [
        _Column(*row)
        for row in connection.execute(
            "SELECT column_name, data_type, is_nullable, column_default, comment FROM duckdb_columns() "
            "WHERE database_name = ? AND schema_name = ? AND table_name = ? ORDER BY column_index",
            [database, schema, table],
        ).fetchall()
    ]


def _make_schema(connection: duckdb.DuckDBPyConnection, database: str, schema: str) -> None:
    if schema != _USUAL_SCHEMA:
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(database, schema)}")


def compared(connection: duckdb.DuckDBPyConnection, original: str, copy: str, name: tuple[str, str]) -> int:
    """How many rows a table has in both databases, which hold the same values in any order.

    Raises:
        UnlikeError: they do not.
    """

    def fingerprint(database: str) -> tuple[int, int]:
        ((count, total),) = connection.execute(
            f"SELECT count(*), coalesce(sum(hash(t)::HUGEINT), 0) FROM {quoted(database, *name)} AS t"
        ).fetchall()
        return count, total

    expected, found = fingerprint(original), fingerprint(copy)
    if expected != found:
        what = f"{found[0]:,} of {expected[0]:,} rows" if expected[0] != found[0] else "other values"
        raise UnlikeError(f"The copy of {'.'.join(name)} has {what}; nothing of the copy was kept.")
    return found[0]


def _remake(connection: duckdb.DuckDBPyConnection, original: str, copy: str) -> None:
    for schema, statement in (*_views(connection, original), *_macros(connection, original)):
        _make_schema(connection, copy, schema)
        # What a lake tells of a view has its name without its schema.
        connection.execute(f"USE {quoted(copy, schema)}")
        connection.execute(statement)
    connection.execute(f"USE {quoted(copy, _USUAL_SCHEMA)}")


def _views(connection: duckdb.DuckDBPyConnection, database: str) -> Iterator[tuple[str, str]]:
    """The views with their schemas, each after those that it reads."""
    statements = {
        (schema, name): _readable(statement)
        for schema, name, statement in connection.execute(
            "SELECT schema_name, view_name, sql FROM duckdb_views() WHERE database_name = ? AND NOT internal",
            [database],
        ).fetchall()
    }
    reads = {view: tables_of(statement.partition(" AS ")[2]) for view, statement in statements.items()}
    for view in TopologicalSorter(
        {view: names & statements.keys() for view, names in reads.items()}
    ).static_order():
        yield view[0], statements[view]


_REWRITTEN = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"| , |\((?P<name>\w+) -> (?!')""")


def _readable(statement: str) -> str:
    """The statement of a view as DuckDB reads it, which is not always as DuckDB writes it.

    It writes a cross join as a comma, which binds more loosely than the joins after it; and the lambdas of a
    file of an older format with arrows, which later versions take for those of JSON.
    """

    def rewritten(found: re.Match[str]) -> str:
        if found[0] == " , ":
            return " CROSS JOIN "
        return f"(lambda {found['name']}: " if found["name"] else found[0]

    return _REWRITTEN.sub(rewritten, statement)


def _macros(connection: duckdb.DuckDBPyConnection, database: str) -> Iterator[tuple[str, str]]:
    for schema, name, kind, parameters, definition in connection.execute(
        "SELECT schema_name, function_name, function_type, parameters, macro_definition "
        "FROM duckdb_functions() WHERE database_name = ? AND NOT internal AND macro_definition IS NOT NULL",
        [database],
    ).fetchall():
        table = "TABLE " if kind == "table_macro" else ""
        yield schema, f"CREATE MACRO {quoted(name)}({_listed(parameters)}) AS {table}{definition}"


def _listed(parameters: Iterable[str]) -> str:
    return ", ".join(map(quoted, parameters))


def _comment(connection: duckdb.DuckDBPyConnection, original: str, copy: str) -> None:
    for kind in ("tables", "views"):
        word = kind.removesuffix("s").upper()
        for schema, name, comment in connection.execute(
            f"SELECT schema_name, {word}_name, comment FROM duckdb_{kind}() "
            "WHERE database_name = ? AND NOT internal AND comment IS NOT NULL",
            [original],
        ).fetchall():
            connection.execute(f"COMMENT ON {word} {quoted(copy, schema, name)} IS {literal(comment)}")
    for schema, table, column, comment in connection.execute(
        "SELECT schema_name, table_name, column_name, comment FROM duckdb_columns() "
        "WHERE database_name = ? AND NOT internal AND comment IS NOT NULL",
        [original],
    ).fetchall():
        connection.execute(f"COMMENT ON COLUMN {quoted(copy, schema, table, column)} IS {literal(comment)}")

"""A build of the models: beside the warehouse, from a copy of its last commit, and swapped in at the end.

Imports go on while dbt works. They wait for the copy and for the swap, which is one transaction: whoever
reads sees the models of before or those of this build.
"""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from io import FileIO
from pathlib import Path
from typing import Any

import duckdb
from filelock import FileLock, Timeout

from pipedrive_orchestration.files import make_private_folder
from pipedrive_orchestration.models.catalogue import (
    CATALOGUE,
    Entry,
    forget_others,
    keep_entries,
    read_entries,
)
from pipedrive_orchestration.models.dbt import OK, Outcome, Problem, Result, run_dbt
from pipedrive_orchestration.models.dbt_project import SCHEMA, DbtProject
from pipedrive_orchestration.models.errors import ModelsError
from pipedrive_orchestration.warehouse import Warehouse, quoted
from pipedrive_orchestration.warehouse.catalog import column_types
from pipedrive_orchestration.warehouse.publish import build_of_lake, copy_some
from pipedrive_orchestration.warehouse.sql import literal
from pipedrive_orchestration.warehouse.storage import STORAGE_VERSION

PATIENCE_SECONDS = 900.0
"""How long a build waits for another one."""

INCREMENTAL = "incremental"
"""What dbt calls a model of which a build makes a part only."""

_LAKE_COPY = Path("lake.duckdb")
"""The name of the file with what a lake holds."""

LOCK = "lock"
"""The file in a folder of dbt's that keeps others out of it."""

Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class SwitchedOff:
    """A model that the project's sources do not feed.

    Attributes:
        name: the model.
        lacks: the object types of which there is no whole source.
    """

    name: str
    lacks: tuple[str, ...]

    def __str__(self) -> str:
        return (
            f"{self.name} is switched off: the project has no source of all {' and '.join(self.lacks)} "
            "(one without filters, with pull_existing)."
        )


@dataclass(frozen=True, slots=True)
class BuildReport:
    """The outcome of a build.

    Attributes:
        results: what became of each model, seed and test.
        problems: files that cannot be read, and those that failed.
        switched_off: models that lack a source.
        swapped: the names of the tables that are new in the warehouse.
        as_of: the instant that ages are counted to.
        seconds: how long all of it took.
        swap_seconds: how long imports had to wait for the swap.
        manifest: what dbt knows of the project.
    """

    results: tuple[Result, ...]
    problems: tuple[Problem, ...]
    switched_off: tuple[SwitchedOff, ...]
    swapped: tuple[str, ...]
    as_of: datetime
    seconds: float
    swap_seconds: float
    manifest: Mapping[str, Any]

    @property
    def is_good(self) -> bool:
        """Whether every model was built and every test passed."""
        return not self.problems


def build_models(
    project: DbtProject,
    warehouse: Warehouse,
    work: Path,
    *,
    select: Sequence[str] = (),
    command: str = "build",
    clock: Clock = lambda: datetime.now(UTC),
) -> BuildReport:
    """Build models, and test them.

    Args:
        project: the models.
        warehouse: where the sources are, and the results go.
        work: a folder for dbt's copy of the project, which is kept for the next time.
        select: which models, as dbt's ``--select`` takes them; all of them if empty.
        command: dbt's command: ``build``; or ``test``, which changes nothing in the warehouse.
        clock: tells the instant that ages are counted to.

    Raises:
        ModelsError: dbt cannot be used, or the database is no file of this machine.
        WarehouseError: there is no database yet, or it cannot be opened.
        OSError: a folder cannot be written.
    """
    began, as_of = time.monotonic(), clock()
    arguments = [command, *(["--select", *select] if select else [])]
    basis = project.fingerprint()
    with in_turn(work), _copy_of(warehouse) as copy:
        goes_on = _bases(copy) == {basis}
        if command == "build" and not goes_on:
            arguments.append("--full-refresh")
        outcome = run_dbt(project, work / "project", copy, arguments, as_of)
        swapping = time.monotonic()
        swapped: tuple[str, ...] = ()
        if command == "build":
            made = _Made(copy, outcome, as_of, basis, goes_on=goes_on)
            swapped = _swap(warehouse, made, keep_others=bool(select))
        swap_seconds = time.monotonic() - swapping
    failed = [result.problem for result in outcome.results if result.problem]
    return BuildReport(
        results=outcome.results,
        problems=(*outcome.problems, *failed),
        switched_off=tuple(switched_off(project, outcome.manifest)),
        swapped=swapped,
        as_of=as_of,
        seconds=time.monotonic() - began,
        swap_seconds=swap_seconds,
        manifest=outcome.manifest,
    )


def switched_off(project: DbtProject, manifest: Mapping[str, Any]) -> Iterator[SwitchedOff]:
    """The models that are switched off for want of a source, by name."""
    missing = {name for name, slug in project.variables.items() if not slug}
    for name, nodes in sorted(manifest.get("disabled", {}).items()):
        node = nodes[0]
        asked = {name for name in missing if f"has('{name}')" in node.get("raw_code", "")}
        if node["resource_type"] == "model" and asked and node["config"]["materialized"] != "ephemeral":
            yield SwitchedOff(name.rpartition(".")[2], tuple(sorted(asked)))


@contextmanager
def in_turn(work: Path) -> Iterator[None]:
    """Keeps other processes out of a folder in which dbt works, which is made if need be.

    Raises:
        ModelsError: it was in use for a long time.
    """
    make_private_folder(work)
    try:
        with FileLock(work / LOCK, timeout=PATIENCE_SECONDS, thread_local=False):
            yield
    except Timeout:
        raise ModelsError(f"Another build has been going on for {PATIENCE_SECONDS:.0f} s.") from None


@contextmanager
def _copy_of(warehouse: Warehouse) -> Iterator[Path]:
    """A copy of the database's last commit, under the name that the database has."""
    file = _LAKE_COPY if warehouse.lake else warehouse.path
    if file is None or warehouse.database.startswith(":memory:"):
        raise ModelsError(
            "Models are built beside a database that is a file of this machine or a lake, and "
            f"{warehouse.database} is neither. Run dbt on it with a profile of its own: docs/models.md says "
            "how."
        )
    if not warehouse.exists:
        raise ModelsError(f"There is no database at {warehouse.database} yet: run an import first.")
    # Always the same place: dbt reads all files anew when its database is another one.
    folder = warehouse.folder.joinpath(f".{file.name}.models").absolute()
    with in_turn(folder):
        copy = folder / file.name
        _clear(folder)
        try:
            _fill(copy, warehouse)
            copy.chmod(0o600)
            yield copy
        finally:
            _clear(folder)


def _fill(copy: Path, warehouse: Warehouse) -> None:
    if warehouse.lake:
        # Nobody waits: whoever reads a lake sees one commit of it.
        build_of_lake(warehouse, copy, STORAGE_VERSION)
        return
    with FileIO(copy, "xb") as target, warehouse.at_rest() as original, FileIO(original) as source:
        while copy_some(source, target):
            pass


def _clear(folder: Path) -> None:
    """Remove what a build has left; a log of changes would be taken for one of the next copy."""
    for path in folder.iterdir():
        if path.name != LOCK:
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _bases(copy: Path) -> set[str | None]:
    """What the models were made from of which a build makes a part only."""
    with duckdb.connect(str(copy), read_only=True) as connection:
        entries = read_entries(connection).values()
    return {entry.basis for entry in entries if entry.basis}


@dataclass(frozen=True, slots=True)
class _Made:
    """What dbt has made.

    Attributes:
        copy: the database that it worked on.
        outcome: what it says.
        as_of: the instant that ages are counted to.
        basis: see `Entry`.
        goes_on: whether it went on from tables of before.
    """

    copy: Path
    outcome: Outcome
    as_of: datetime
    basis: str
    goes_on: bool


def _swap(warehouse: Warehouse, made: _Made, *, keep_others: bool) -> tuple[str, ...]:
    """Put what was built into the warehouse, in one transaction, and remove what is no model any more."""
    outcome, copy = made.outcome, made.copy
    nodes = outcome.manifest.get("nodes", {})
    built = [nodes[one.unique_id] for one in outcome.results if one.kind != "test" and one.status == OK]
    built = [node for node in built if node["config"]["materialized"] != "ephemeral"]
    known = {
        _table_of(node) for node in nodes.values() if node["resource_type"] in ("model", "seed", "snapshot")
    }
    with warehouse.with_memory("768MB").writing() as connection:
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(SCHEMA)}")
        connection.execute(f"ATTACH {literal(str(copy))} AS built (READ_ONLY)")
        for node in built:
            if not (made.goes_on and _replace_groups(connection, node)):
                _replace(connection, node, copy.stem)
        keep_entries(connection, [_entry_of(node, made) for node in built])
        if not keep_others and not outcome.problems:
            _drop_others(connection, known | {CATALOGUE})
            forget_others(connection, known)
        # The copy cannot be let go of before the commit, nor be left attached.
        connection.commit()
        connection.execute("DETACH built")
        connection.begin()
    return tuple(_table_of(node) for node in built)


def _entry_of(node: Mapping[str, Any], made: _Made) -> Entry:
    described = {name: column.get("description") for name, column in node["columns"].items()}
    return Entry(
        name=_table_of(node),
        description=node["description"],
        columns={name: text for name, text in described.items() if text},
        chart=(node["config"].get("meta") or {}).get("chart"),
        as_of=made.as_of,
        basis=made.basis if node["config"]["materialized"] == INCREMENTAL else None,
        sql=node.get("raw_code") or "",
    )


def _replace_groups(connection: duckdb.DuckDBPyConnection, node: Mapping[str, Any]) -> bool:
    """Replace those rows of a table that a build has made anew; False where it has to be replaced whole.

    Rows that are the same in the columns which `meta.groups` of a model names have all been made at once.
    """
    groups = (node["config"].get("meta") or {}).get("groups")
    name = _table_of(node)
    if not groups or node["config"]["materialized"] != INCREMENTAL:
        return False
    table, built = quoted(SCHEMA, name), quoted("built", node["schema"], name)
    if column_types(connection, SCHEMA, name) != {
        row[0]: row[1] for row in connection.execute(f"DESCRIBE {built}").fetchall()
    }:
        return False
    alike = " AND ".join(f"ours.{quoted(column)} = theirs.{quoted(column)}" for column in groups)
    connection.execute(f"DELETE FROM {table} AS ours WHERE NOT EXISTS (FROM {built} AS theirs WHERE {alike})")
    connection.execute(
        f"INSERT INTO {table} BY NAME FROM {built} AS theirs "
        f"WHERE NOT EXISTS (FROM {table} AS ours WHERE {alike})"
    )
    return True


def _table_of(node: Mapping[str, Any]) -> str:
    return str(node.get("alias") or node["name"])


def _replace(connection: duckdb.DuckDBPyConnection, node: Mapping[str, Any], database: str) -> None:
    name = _table_of(node)
    table = quoted(SCHEMA, name)
    view = connection.execute(
        "SELECT sql FROM duckdb_views() WHERE database_name = 'built' AND schema_name = ? AND view_name = ?",
        [node["schema"], name],
    ).fetchone()
    _drop(connection, name)
    if view:
        connection.execute(_without_database(view[0], database))
    else:
        connection.execute(f"CREATE TABLE {table} AS FROM {quoted('built', node['schema'], name)}")
    kind = "VIEW" if view else "TABLE"
    if node["description"]:
        connection.execute(f"COMMENT ON {kind} {table} IS {literal(node['description'])}")
    columns = connection.execute(
        "SELECT column_name FROM duckdb_columns() WHERE database_name = current_database() "
        "AND schema_name = ? AND table_name = ?",
        [SCHEMA, name],
    ).fetchall()
    for (column,) in columns:
        described = node["columns"].get(column, {}).get("description")
        if described:
            connection.execute(f"COMMENT ON COLUMN {table}.{quoted(column)} IS {literal(described)}")


def _without_database(sql: str, database: str) -> str:
    """A view that names tables without their database, whose name is another one wherever it is opened."""
    named = "|".join(map(re.escape, (database, quoted(database))))
    return re.sub(rf'(?<![\w".])(?:{named})\.(?=(?:\w+|"[^"]+")\.(?:\w+|"[^"]+"))', "", sql)


def _drop_others(connection: duckdb.DuckDBPyConnection, known: Iterable[str]) -> None:
    for name in _relations(connection).keys() - set(known):
        _drop(connection, name)


def _drop(connection: duckdb.DuckDBPyConnection, name: str) -> None:
    kind = _relations(connection).get(name)
    if kind:
        connection.execute(f"DROP {kind} {quoted(SCHEMA, name)}")


def _relations(connection: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """What there is in the schema of models: ``TABLE`` or ``VIEW``, by name."""
    return dict(
        connection.execute(
            "SELECT table_name, 'TABLE' FROM duckdb_tables() "
            "WHERE database_name = current_database() AND schema_name = $1 "
            "UNION ALL SELECT view_name, 'VIEW' FROM duckdb_views() "
            "WHERE database_name = current_database() AND schema_name = $1",
            [SCHEMA],
        ).fetchall()
    )


def make_documentation(project: DbtProject, warehouse: Warehouse, work: Path) -> Path:
    """Make dbt's page about models, columns, tests and what depends on what; it stays until the next time.

    Raises:
        ModelsError: dbt cannot be used, or the database is no file of this machine.
        WarehouseError: there is no database yet, or it cannot be opened.
        OSError: a folder cannot be written.
    """
    with in_turn(work), _copy_of(warehouse) as copy:
        run_dbt(project, work / "project", copy, ["docs", "generate", "--static"])
    page = work / "project" / "target" / "static_index.html"
    if not page.is_file():
        raise ModelsError("dbt made no page; `models build` says what is wrong with the models.")
    return page

"""Short ways to import a source in a test and to look at what landed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pipedrive_orchestration.importing import ImportReport, Listener, Pull, import_source, windows_until
from pipedrive_orchestration.pipedrive.auth import Connection
from pipedrive_orchestration.sources import Source
from pipedrive_orchestration.sources.model import id_of_slug
from pipedrive_orchestration.warehouse import Warehouse
from pipedrive_orchestration_tests.clocks import PRESENT, present_time

CREATED = PRESENT - timedelta(minutes=1)


def source(
    object_type: str, properties: Sequence[str], options: Any = MappingProxyType({}), **choices: Any
) -> Source:
    """A static source named like its object type, with one window."""
    body = {
        "slug": object_type,
        "id": id_of_slug(object_type),
        "created_at": CREATED,
        "name": object_type,
        "object_type": object_type,
        "properties": tuple(properties),
        "pull_mode": "static",
        "options": {"partitions_start": f"{CREATED:%Y-%m}"} | dict(options),
    }
    return Source.model_validate(body | choices)


def run(
    what: Source,
    connection: Connection,
    folder: Path,
    pull: Pull = Pull.WINDOW,
    *,
    warehouse: Warehouse | None = None,
    listener: Listener = lambda _: None,
) -> ImportReport:
    """Import all windows, or the changes, into ``warehouse.duckdb`` in that folder."""
    windows = windows_until(what, PRESENT) if what.type.partitioned and pull is Pull.WINDOW else []
    return import_source(
        what,
        connection=connection,
        warehouse=warehouse or Warehouse(str(folder / "warehouse.duckdb")),
        staging=folder / "staging",
        pull=pull,
        windows=windows,
        listener=listener,
        clock=present_time,
    )


def query(folder: Path, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
    """What a query of the warehouse in that folder answers; times in UTC."""
    with Warehouse(str(folder / "warehouse.duckdb")).reading() as connection:
        return connection.execute(sql, list(parameters)).fetchall()


def rows(folder: Path, slug: str) -> dict[Any, dict[str, Any]]:
    """The rows of a source by id."""
    with Warehouse(str(folder / "warehouse.duckdb")).reading() as connection:
        cursor = connection.execute(f'SELECT * FROM pipedrive."{slug}"')
        names = [column[0] for column in cursor.description]
        return {values[0]: dict(zip(names, values, strict=True)) for values in cursor.fetchall()}


def quarantine(folder: Path) -> list[tuple[Any, ...]]:
    """``(record id, property, value)`` of everything in quarantine."""
    return query(folder, "SELECT record_id, property, value FROM import_ledger.quarantine ORDER BY ALL")

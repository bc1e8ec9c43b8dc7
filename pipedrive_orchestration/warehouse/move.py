"""The move of a warehouse to another place: from a file to a lake, back, or from one lake to another.

All tables arrive in one commit or none does, after each was compared; files beside the database are copied
first, and those that are there already from a move that was ended are not copied again. What was left stays
as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from filecmp import cmp
from pathlib import Path
from shutil import copyfileobj

import duckdb

from pipedrive_orchestration.files import make_private_folder, replacing
from pipedrive_orchestration.warehouse.connection import Warehouse
from pipedrive_orchestration.warehouse.copies import CopiedTable, copy_database, has_tables
from pipedrive_orchestration.warehouse.errors import WarehouseError
from pipedrive_orchestration.warehouse.instances import CONFIG
from pipedrive_orchestration.warehouse.sql import literal

_ORIGINAL, _TARGET = "pipedrive_original", "pipedrive_target"
"""The names of both in the instance that copies; no stored view has them."""

MEMORY = "2GB"

BESIDE = ("files", "inbox")
"""The folders beside a database that belong to it: contents of files, and webhooks that are not merged."""


class MoveError(WarehouseError):
    """A warehouse that cannot be moved there; nothing was changed."""


@dataclass(frozen=True, slots=True)
class Move:
    """What was moved.

    Attributes:
        tables: each with its rows.
        folders: those beside the database that were copied with it.
    """

    tables: list[CopiedTable]
    folders: list[Path]

    @property
    def rows(self) -> int:
        """The rows of all tables."""
        return sum(table.rows for table in self.tables)


def move(
    original: Warehouse, target: Warehouse, listener: Callable[[CopiedTable], None] = lambda _: None
) -> Move:
    """Copy a warehouse to an empty place, while nobody of ours writes to it.

    Args:
        original: what is there.
        target: where it is to be; it is missing or has no tables.
        listener: is told of every table that is copied and alike.

    Raises:
        MoveError: both are the same, or something is there already.
        UnlikeError: a table did not arrive as it was.
        WarehouseError: one of them cannot be opened, or the original is not there.
    """
    if original.database == target.database:
        raise MoveError(f"{original.database} is both what is moved and where it is to be.")
    if not original.exists:
        raise MoveError(f"There is no database at {original.database}.")
    # Brings its tables to this version, so that what arrives can be used at once.
    with original.reading():
        pass
    target.require_writable()
    with original.still(), target.still():
        copied = _copy_folders(_folders(original, target))
        tables = _copy_tables(original, target, listener)
    return Move(tables, copied)


def _copy_tables(
    original: Warehouse, target: Warehouse, listener: Callable[[CopiedTable], None]
) -> list[CopiedTable]:
    with duckdb.connect(config=CONFIG) as connection:
        connection.execute(
            f"SET TimeZone = 'UTC'; SET memory_limit = {literal(MEMORY)}; "
            "SET preserve_insertion_order = false; "
            f"SET temp_directory = {literal(str(target.folder / 'move.tmp'))}"
        )
        try:
            original.attach_to(connection, _ORIGINAL, read_only=True)
            target.attach_to(connection, _TARGET, read_only=False)
            if has_tables(connection, _TARGET):
                raise MoveError(
                    f"There are tables in {target.database} already. They are left alone: name an empty "
                    "place."
                )
            connection.begin()
            tables = copy_database(connection, _ORIGINAL, _TARGET, listener)
            connection.commit()
        except duckdb.Error as error:
            raise MoveError(
                f"{original.database} cannot be moved to {target.database}: {str(error).splitlines()[0]} "
                "No table was moved."
            ) from error
        connection.execute(f"USE memory; DETACH {_TARGET}; DETACH {_ORIGINAL}")
        return tables


def _folders(original: Warehouse, target: Warehouse) -> dict[Path, Path]:
    """Where each folder beside the original is to be, as far as that is another one."""
    places = {original.folder / name: target.folder / name for name in BESIDE}
    return {
        here: there for here, there in places.items() if here.is_dir() and here.resolve() != there.resolve()
    }


def _copy_folders(folders: Mapping[Path, Path]) -> list[Path]:
    """Copy what is not there yet, such as from a move that was killed.

    Raises:
        MoveError: a file is there with another content, or cannot be written.
    """
    for here, there in folders.items():
        for file in sorted(path for path in here.rglob("*") if path.is_file()):
            place = there / file.relative_to(here)
            if place.exists() and not cmp(file, place, shallow=False):
                raise MoveError(
                    f"{place} is there already and is not {file}. It is left alone: move it away."
                )
            try:
                _copy_file(file, place)
            except OSError as error:
                raise MoveError(f"{place} cannot be written: {error.strerror}.") from error
    return list(folders.values())


def _copy_file(file: Path, place: Path) -> None:
    if place.exists():
        return
    make_private_folder(place.parent)
    with file.open("rb") as source, replacing(place) as target:
        copyfileobj(source, target)

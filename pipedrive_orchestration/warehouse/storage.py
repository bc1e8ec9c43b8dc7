"""The storage format of database files, which decides what versions of DuckDB can open one.

DuckDB writes files of older formats too, named by the version that brought the format: every DuckDB from
v1.2.0 on opens a file of v1.2.0. A file keeps its format, whatever opens it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb

from pipedrive_orchestration.settings import Settings
from pipedrive_orchestration.warehouse.errors import UnknownStorageVersionError
from pipedrive_orchestration.warehouse.sql import literal

STORAGE_VERSION: str = Settings.model_fields["storage_version"].default
"""The format of new files."""

_MAGIC, _MAGIC_OFFSET = b"DUCK", 8


@contextmanager
def known_version(version: str) -> Iterator[None]:
    """Turns DuckDB's refusal of a version within the block into a sentence.

    Raises:
        UnknownStorageVersionError: DuckDB does not know the version.
    """
    try:
        yield
    except duckdb.InvalidInputException as error:
        if "not a known DuckDB version" not in str(error):
            raise
        raise UnknownStorageVersionError(version, duckdb.__version__) from None


def format_of(path: Path) -> int | None:
    """The number of a file's format, which grows with newer ones; None where it is no database."""
    with path.open("rb") as file:
        header = file.read(_MAGIC_OFFSET + len(_MAGIC) + 8)
    if len(header) < _MAGIC_OFFSET + len(_MAGIC) + 8 or header[_MAGIC_OFFSET:][: len(_MAGIC)] != _MAGIC:
        return None
    (number,) = struct.unpack_from("<Q", header, _MAGIC_OFFSET + len(_MAGIC))
    return int(number)


def format_for(version: str) -> int | None:
    """The number of the format that a version names; found by making an empty file.

    Raises:
        UnknownStorageVersionError: DuckDB does not know the version.
    """
    with TemporaryDirectory() as folder, known_version(version):
        path = Path(folder) / "empty.duckdb"
        duckdb.connect(str(path), config={"storage_compatibility_version": version}).close()
        return format_of(path)


def convert(source: Path, target: Path, version: str) -> None:
    """Writes what a database holds into a new file of another format.

    What does not fit into memory meanwhile lies in the folder of the new file.

    Args:
        source: a database file that nobody writes to meanwhile.
        target: the file, which is not there yet.
        version: names the format.

    Raises:
        UnknownStorageVersionError: DuckDB does not know the version.
    """
    connection = duckdb.connect(config={"temp_directory": f"{target}.tmp"})
    try:
        with known_version(version):
            connection.execute(f"ATTACH {literal(str(source))} AS source (READ_ONLY)")
            connection.execute(
                f"ATTACH {literal(str(target))} AS target (STORAGE_VERSION {literal(version)})"
            )
        connection.execute("COPY FROM DATABASE source TO target")
    finally:
        connection.close()

"""Extensions of DuckDB: loaded where they are installed, and never fetched."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import duckdb

from pipedrive_orchestration.warehouse.errors import WarehouseError
from pipedrive_orchestration.warehouse.sql import literal

PACKAGED = ("ducklake", "postgres_scanner", "httpfs")
"""Those that the extra ``ducklake`` brings."""


class ExtensionMissingError(WarehouseError):
    """An extension of DuckDB that is not installed; none is fetched by itself."""

    def __init__(self, name: str) -> None:
        package = "Install it with `pip install 'pipedrive_orchestration[ducklake]'`, or let DuckDB fetch it"
        super().__init__(
            f"DuckDB {duckdb.__version__} has no extension {name} on this machine, which this database "
            f"needs. {package if name in PACKAGED else 'Let DuckDB fetch it'}: "
            f"python -c \"import duckdb; duckdb.execute('INSTALL {name}')\"."
        )


def load_extension(connection: duckdb.DuckDBPyConnection, name: str) -> None:
    """Load an extension into an instance.

    Raises:
        ExtensionMissingError: it is not on this machine.
    """
    file = packaged_extension(name)
    try:
        connection.execute(f"LOAD {literal(str(file))}" if file else f"LOAD {name}")
    except (duckdb.IOException, duckdb.CatalogException, duckdb.HTTPException):
        raise ExtensionMissingError(name) from None


def packaged_extension(name: str) -> Path | None:
    """The file of an extension that a Python package has brought for this DuckDB; None where none has."""
    found = find_spec(f"duckdb_extension_{name}")
    if found is None or found.origin is None:
        return None
    folder = Path(found.origin).parent / "extensions" / f"v{duckdb.__version__}"
    file = folder / f"{name}.duckdb_extension"
    return file if file.exists() else None

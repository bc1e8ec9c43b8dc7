"""Brings a Pipedrive CRM into DuckDB with Dagster, and keeps it there.

The names below are all that programs may rely on; see docs/python.md. Each is imported when it is used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipedrive_orchestration.library import (
        ImportFailedError,
        import_source,
        list_sources,
        open_warehouse,
        preview,
        read,
        read_arrow,
    )
    from pipedrive_orchestration.orchestration.components import PipedriveProject
    from pipedrive_orchestration.pipedrive.errors import NotConnected, PipedriveError
    from pipedrive_orchestration.settings import Settings, SettingsError
    from pipedrive_orchestration.sources import InvalidBodyError, UnknownSourceError
    from pipedrive_orchestration.warehouse import WarehouseError
    from pipedrive_orchestration.warehouse.tables import NotImportedError

    __version__: str

__all__ = [
    "ImportFailedError",
    "InvalidBodyError",
    "NotConnected",
    "NotImportedError",
    "PipedriveError",
    "PipedriveProject",
    "Settings",
    "SettingsError",
    "UnknownSourceError",
    "WarehouseError",
    "__version__",
    "import_source",
    "list_sources",
    "open_warehouse",
    "preview",
    "read",
    "read_arrow",
]

_HOMES = {
    "NotConnected": "pipedrive.errors",
    "PipedriveError": "pipedrive.errors",
    "PipedriveProject": "orchestration.components",
    "Settings": "settings",
    "SettingsError": "settings",
    "InvalidBodyError": "sources",
    "UnknownSourceError": "sources",
    "WarehouseError": "warehouse",
    "NotImportedError": "warehouse.tables",
}
"""The modules of the names that are not the library's."""


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return import_module("importlib.metadata").version("pipedrive-orchestration")
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES.get(name, 'library')}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

"""DuckDB: connecting and locking, identifiers, the tables of sources and the import ledger."""

from pipedrive_orchestration.warehouse.connecting import Warehouse, WarehouseError
from pipedrive_orchestration.warehouse.identifiers import quoted

__all__ = ["Warehouse", "WarehouseError", "quoted"]

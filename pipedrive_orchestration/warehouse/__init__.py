"""DuckDB: connecting and locking, identifiers, the tables of sources and the import ledger."""

from pipedrive_orchestration.warehouse.connection import Warehouse
from pipedrive_orchestration.warehouse.errors import WarehouseError
from pipedrive_orchestration.warehouse.sql import quoted

__all__ = ["Warehouse", "WarehouseError", "quoted"]

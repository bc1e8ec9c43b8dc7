"""Tables of sources, filled and changed the way an import commits."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import duckdb

from pipedrive_orchestration.warehouse import Warehouse, quoted, schema
from pipedrive_orchestration.warehouse.instances import another_connection
from pipedrive_orchestration.warehouse.tables import Column, prepare_table
from pipedrive_orchestration_tests.clocks import PRESENT

CONTACTS = 'STRUCT(value VARCHAR, label VARCHAR, "primary" BOOLEAN)[]'
COLUMNS = (
    Column("name", "VARCHAR", "Name", "varchar"),
    Column("emails", CONTACTS, "Email", "contacts"),
    Column("score", "VARCHAR", "Score", "varchar"),
)


class SourceTable:
    """The table of a source; every call is one commit of an import."""

    def __init__(self, warehouse: Warehouse, slug: str = "people") -> None:
        self.warehouse = warehouse
        self.slug = slug

    def create(self, *, is_imported: bool = True) -> SourceTable:
        """The first import begins, and has come to its end unless told otherwise."""
        with self.warehouse.writing() as connection:
            schema.prepare(connection)
            prepare_table(connection, self.slug, "BIGINT", COLUMNS, PRESENT)
            if is_imported:
                self._finish_import(connection)
        return self

    def finish_import(self) -> None:
        """An import of the source succeeds."""
        with self.warehouse.writing() as connection:
            self._finish_import(connection)

    def _finish_import(self, connection: duckdb.DuckDBPyConnection) -> None:
        connection.execute(
            "INSERT INTO import_ledger.imports (source, status, started_at, finished_at) "
            "VALUES (?, 'succeeded', now(), now())",
            [self.slug],
        )

    def put(self, *ids: int, **values: Any) -> None:
        """Records come, or come changed; ``email`` and ``name`` are made of the id unless given."""
        with self.warehouse.writing() as connection:
            for number in ids:
                row = {"name": f"Person {number}", "email": f"p{number}@example.com", "score": None} | values
                self._put(connection, number, row)

    def _put(self, connection: duckdb.DuckDBPyConnection, number: int, row: dict[str, Any]) -> None:
        email = row.pop("email")
        emails = [] if email is None else [{"value": email, "label": "work", "primary": True}]
        table = quoted("pipedrive", self.slug)
        known = connection.execute(f"SELECT 1 FROM {table} WHERE _id = ?", [number]).fetchone()
        if known:
            connection.execute(
                f"UPDATE {table} SET name = $name, emails = $emails, score = $score, _imported_at = now(), "
                "_is_current = true, _removed_at = NULL, _removal = NULL WHERE _id = $id",
                {**row, "emails": emails, "id": number},
            )
            return
        connection.execute(
            f"INSERT INTO {table} VALUES ($id, $name, $emails, $score, now(), now(), now(), false, true, "
            "NULL, NULL)",
            {**row, "emails": emails, "id": number},
        )

    def remove(self, *ids: int) -> None:
        """Records are found to be gone."""
        with self.warehouse.writing() as connection:
            connection.execute(
                f"UPDATE {quoted('pipedrive', self.slug)} SET _is_current = false, _removed_at = now(), "
                "_removal = 'deleted' WHERE list_contains(?, _id)",
                [list(ids)],
            )

    def take_out(self, *ids: int) -> None:
        """Records leave the filter of a source whose ``on_leave`` is ``delete``."""
        with self.warehouse.writing() as connection:
            connection.execute(
                f"DELETE FROM {quoted('pipedrive', self.slug)} WHERE list_contains(?, _id)", [list(ids)]
            )


def ask(warehouse: Warehouse, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
    """What a query of the warehouse answers."""
    with warehouse.reading() as connection:
        return connection.execute(sql, list(parameters)).fetchall()


def rows(warehouse: Warehouse, slug: str = "outreach") -> list[tuple[Any, ...]]:
    """``(record, email, first name)`` of a workflow's rows in their order."""
    return ask(
        warehouse,
        f"SELECT _record_id::INTEGER, email, first_name FROM {quoted('workflows', slug)} ORDER BY row_seq",
    )


def runs(warehouse: Warehouse, slug: str = "outreach") -> list[tuple[int, str, str]]:
    """``(record, trigger, status)`` of what is queued, in the order of the rows."""
    return ask(
        warehouse,
        "SELECT t._record_id::INTEGER, r.trigger, r.status FROM workflows._runs AS r "
        f"JOIN {quoted('workflows', slug)} AS t USING (row_id) WHERE r.workflow = ? "
        "ORDER BY t.row_seq, r.queued_at",
        slug,
    )


class OpenWarehouse(Warehouse):
    """A database that stays open between transactions, which spares a test most of its time."""

    def __init__(self, database: Path) -> None:
        super().__init__(str(database))
        self._holding = ExitStack()
        self._held: duckdb.DuckDBPyConnection | None = None

    def _connect(self, opened: ExitStack, *, read_only: bool) -> duckdb.DuckDBPyConnection:
        if self._held is None:
            self._held = super()._connect(self._holding, read_only=False)
        return opened.enter_context(another_connection(self._held))

    def close(self) -> None:
        self._holding.close()
        self._held = None


def new_warehouse(folder: Path) -> Warehouse:
    return Warehouse(str(folder / "warehouse.duckdb"))

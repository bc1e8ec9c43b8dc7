"""The history of an account's fields as a list of changes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import duckdb

from pipedrive_orchestration.warehouse import schema, tables
from pipedrive_orchestration.warehouse.field_history import LedgerField, field_changes, record_fields
from pipedrive_orchestration.warehouse.tables import Column

FIRST = datetime(2026, 1, 1, tzinfo=UTC)


def test_fields_are_added_renamed_retyped_gone_and_back() -> None:
    title = LedgerField("title", "Title", "varchar", is_custom=False)
    size = LedgerField("size", "Size", "varchar", is_custom=True)
    states = [
        [title],
        [title, size],
        [title, LedgerField("size", "Width", "double", is_custom=True)],
        [title],
        [title],
        [title, size],
    ]
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        schema.prepare(connection)
        for day, fields in enumerate(states):
            record_fields(connection, "deals", fields, FIRST + timedelta(days=day))
        found = field_changes(connection, "deals", 20)
        assert field_changes(connection, "deals", 1) == found[:1]
        assert field_changes(connection, "persons", 20) == []
    assert [((each.at - FIRST).days, each.label, each.what, each.before, each.after) for each in found] == [
        (5, "Size", "back", None, None),
        (3, "Width", "gone", None, None),
        (2, "Width", "renamed", "Size", "Width"),
        (2, "Width", "retyped", "varchar", "double"),
        (1, "Size", "added", None, None),
    ]


def test_a_type_that_comes_back_brings_values_back_even_of_what_is_gone() -> None:
    """A list of fields that is odd for a day changes types; a record that is gone is never read again."""
    text = Column("size", "VARCHAR", "Size", "varchar")
    number = Column("size", "BIGINT", "Size", "int")
    with duckdb.connect() as connection:
        schema.prepare(connection)
        tables.prepare_table(connection, "deals", "BIGINT", [text], FIRST)
        connection.execute("INSERT INTO pipedrive.deals (_id, size) VALUES (1, 'wide'), (2, '7'), (3, NULL)")
        tables.prepare_history(connection, "deals", "BIGINT", [text], FIRST)
        connection.execute(
            "INSERT INTO pipedrive_history.deals (_id, size, _valid_from) VALUES (1, 'narrow', $at)",
            {"at": FIRST},
        )

        def become(column: Column) -> list[tuple[int, object]]:
            tables.prepare_table(connection, "deals", "BIGINT", [column], FIRST)
            tables.prepare_history(connection, "deals", "BIGINT", [column], FIRST)
            return connection.execute("SELECT _id, size FROM pipedrive.deals ORDER BY 1").fetchall()

        def aside() -> list[tuple[str]]:
            return connection.execute("SELECT value FROM import_ledger.quarantine ORDER BY 1").fetchall()

        assert become(number) == [(1, None), (2, 7), (3, None)]
        assert aside() == [("narrow",), ("wide",)]
        assert become(text) == [(1, "wide"), (2, "7"), (3, None)]
        # Of several versions nothing tells which one the value was of.
        assert aside() == [("narrow",)]

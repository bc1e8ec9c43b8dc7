"""The history of an account's fields as a list of changes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import duckdb

from pipedrive_orchestration.warehouse import ledger
from pipedrive_orchestration.warehouse.field_history import LedgerField, field_changes, record_fields

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
        ledger.prepare(connection)
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

"""The differences of a source between two instants."""

from __future__ import annotations

from datetime import UTC, datetime

import duckdb
import pytest

from pipedrive_orchestration.warehouse.differences import Difference, NoHistoryError, differences


def day(number: int) -> datetime:
    return datetime(2026, 3, number, tzinfo=UTC)


@pytest.fixture
def connection() -> duckdb.DuckDBPyConnection:
    """A history: 1 changes twice, 2 goes, 3 comes, 4 stays and is seen again."""
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'; CREATE SCHEMA pipedrive_history; CREATE SCHEMA pipedrive_at")
    connection.execute(
        "CREATE TABLE pipedrive_history.deals (_id BIGINT, title VARCHAR, labels BIGINT[], "
        "_update_time TIMESTAMPTZ, _is_archived BOOLEAN, _valid_from TIMESTAMPTZ, _valid_to TIMESTAMPTZ)"
    )
    for row in (
        (1, "One", [1], day(1), day(3)),
        (1, "Won", [1, 2], day(3), day(5)),
        (1, "Won", [1], day(5), None),
        (2, "Two", None, day(1), day(4)),
        (3, "Three", [], day(4), None),
        (4, "Four", [4], day(1), day(4)),
        (4, "Four", [4], day(4), None),
    ):
        connection.execute(
            "INSERT INTO pipedrive_history.deals VALUES (?, ?, ?, ?, false, ?, ?)",
            [*row[:3], row[3], *row[3:]],
        )
    connection.execute(
        "CREATE MACRO pipedrive_at.deals(instant) AS TABLE SELECT * FROM pipedrive_history.deals "
        "WHERE _valid_from <= instant::TIMESTAMPTZ "
        "AND (_valid_to IS NULL OR _valid_to > instant::TIMESTAMPTZ)"
    )
    return connection


def test_what_came_went_and_changed_is_told_by_property(connection: duckdb.DuckDBPyConnection) -> None:
    found = differences(connection, "deals", day(2), day(4), limit=10)
    assert (found.came, found.went, found.changed) == (1, 1, 1)
    assert found.first == (
        Difference("changed", 1, "labels", "[1]", "[1, 2]"),
        Difference("changed", 1, "title", "One", "Won"),
        Difference("went", 2, None, None, None),
        Difference("came", 3, None, None, None),
    )
    assert found.known_from == day(1)


def test_what_is_as_it_was_is_no_difference(connection: duckdb.DuckDBPyConnection) -> None:
    found = differences(connection, "deals", day(2), day(6), limit=1)
    assert (found.came, found.went, found.changed) == (1, 1, 1)
    assert found.first == (Difference("changed", 1, "title", "One", "Won"),)


def test_a_source_without_versions_says_how_to_keep_them(connection: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(NoHistoryError, match="history: true"):
        differences(connection, "persons", day(2), day(4), limit=1)

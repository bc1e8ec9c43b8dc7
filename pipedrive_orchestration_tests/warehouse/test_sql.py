"""Names and texts become SQL without changing, whatever they hold."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipedrive_orchestration.warehouse import quoted
from pipedrive_orchestration.warehouse.sql import literal

characters = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
names = st.text(characters, min_size=1, max_size=30)


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as opened:
        yield opened


@given(names)
@settings(deadline=None)
def test_a_name_stays_what_it_is(connection: duckdb.DuckDBPyConnection, name: str) -> None:
    cursor = connection.execute(f"SELECT 1 AS {quoted(name)}")
    assert cursor.description[0][0] == name


@pytest.mark.parametrize(
    "name", ['a"b', "a.b", "a b", "SELECT", "größe 👕", "--", "'; DROP TABLE x", "1", "שלום"]
)
def test_schemas_tables_and_columns_can_have_any_name(
    connection: duckdb.DuckDBPyConnection, name: str
) -> None:
    connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(name)}")
    connection.execute(f"CREATE OR REPLACE TABLE {quoted(name, name)} AS SELECT 5 AS {quoted(name)}")
    assert connection.execute(f"SELECT {quoted(name)} FROM {quoted(name, name)}").fetchall() == [(5,)]


@given(st.text(characters))
@settings(deadline=None)
def test_a_text_stays_what_it_is(connection: duckdb.DuckDBPyConnection, text: str) -> None:
    assert connection.execute(f"SELECT {literal(text)}").fetchall() == [(text,)]


@pytest.mark.parametrize("name", ["", "a\0b"])
def test_what_cannot_be_a_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="cannot be an identifier"):
        quoted("fine", name)

"""What becomes of a value on its way from a property to an input."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipedrive_orchestration.workflows.values import is_normalised, is_rejected, text_value_of, value_of
from pipedrive_orchestration_tests.workflows.tables import CONTACTS

REJECTED = object()
MONEY = "STRUCT(value DOUBLE, currency VARCHAR)"
SPAN = "STRUCT(value DATE, until DATE)"
TIME = "STRUCT(value TIME, timezone_id BIGINT, timezone_name VARCHAR)"
ADDRESS = "STRUCT(value VARCHAR, country VARCHAR, formatted_address VARCHAR)"


@pytest.fixture(scope="module")
def database() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        yield connection


def coerce(
    database: duckdb.DuckDBPyConnection, value: Any, sql_type: str, wanted: Any, labels: str | None = None
) -> tuple[Any, bool]:
    """The input's value, or REJECTED, and whether it counts as normalised."""
    database.execute(f"CREATE OR REPLACE TABLE t (v {sql_type})")
    database.execute(f"INSERT INTO t VALUES (CAST($1 AS {sql_type}))", [value])
    row = database.execute("SELECT data_type FROM duckdb_columns() WHERE table_name = 't'").fetchone()
    assert row is not None
    text = text_value_of("v", row[0], wanted, labels)
    made = database.execute(
        f"WITH a AS (SELECT {text.raw} AS raw, {text.reduced} AS reduced FROM t), "
        f"b AS (SELECT *, {value_of('raw', wanted)} AS value FROM a) "
        f"SELECT value, {is_rejected('raw', 'value')}, "
        f"{is_normalised('raw', 'value', wanted, row[0], 'reduced')} FROM b"
    ).fetchone()
    assert made is not None
    return (REJECTED, False) if made[1] else (made[0], made[2])


CASES = [
    # text of scalars
    ("VARCHAR", "Ada", "string", "Ada", False),
    ("VARCHAR", "  Ada\n\t", "string", "Ada", True),
    ("VARCHAR", "", "string", None, True),
    ("VARCHAR", " \u00a0 ", "string", None, True),
    ("VARCHAR", None, "string", None, False),
    ("BIGINT", 42, "string", "42", False),
    ("DOUBLE", 12.0, "string", "12", False),
    ("DOUBLE", 12.5, "string", "12.5", False),
    ("DOUBLE", 1e30, "string", "1e+30", False),
    ("BOOLEAN", True, "string", "true", False),
    ("DATE", "2026-11-21", "string", "2026-11-21", False),
    ("TIMESTAMPTZ", "2026-11-21T09:30:00Z", "string", "2026-11-21T09:30:00Z", False),
    ("TIME", "09:30:00", "string", "09:30:00", False),
    ("JSON", '"Ada"', "string", "Ada", False),
    ("JSON", "null", "string", None, False),
    ("JSON", '{"id": 1, "name": "Ada"}', "string", "Ada", False),
    ("JSON", '{"id": 1}', "string", '{"id": 1}', False),
    # numbers
    ("BIGINT", 42, "number", 42.0, False),
    ("DOUBLE", 1.5, "number", 1.5, False),
    ("VARCHAR", " 42.5 ", "number", 42.5, True),
    ("VARCHAR", "-1e3", "number", -1000.0, True),
    ("VARCHAR", "", "number", None, True),
    ("VARCHAR", "12 apples", "number", REJECTED, False),
    ("VARCHAR", "1,200", "number", REJECTED, False),
    ("VARCHAR", "1_000", "number", REJECTED, False),
    ("VARCHAR", "nan", "number", REJECTED, False),
    ("VARCHAR", "1e999", "number", REJECTED, False),
    ("VARCHAR", "0x1F", "number", REJECTED, False),
    ("BOOLEAN", True, "number", REJECTED, False),
    ("DATE", "2026-11-21", "number", REJECTED, False),
    ("JSON", "7", "number", 7.0, False),
    ("JSON", '"7"', "number", 7.0, False),
    (MONEY, {"value": 1200.0, "currency": "EUR"}, "number", 1200.0, False),
    ("BIGINT[]", [7, 8], "number", 7.0, True),
    # e-mail addresses
    ("VARCHAR", "ada@example.com", "email", "ada@example.com", False),
    ("VARCHAR", " mailto:ada@example.com", "email", "ada@example.com", True),
    ("VARCHAR", "ada@example", "email", REJECTED, False),
    ("VARCHAR", "ada", "email", REJECTED, False),
    ("VARCHAR", "a@b.co, c@d.co", "email", REJECTED, False),
    ("VARCHAR", "a@b..co", "email", REJECTED, False),
    ("VARCHAR", "é@exämple.org", "email", "é@exämple.org", False),
    # web addresses
    ("VARCHAR", "https://example.com/a?b#c", "url", "https://example.com/a?b#c", False),
    ("VARCHAR", "HTTP://example.com", "url", "HTTP://example.com", False),
    ("VARCHAR", "www.example.com/x", "url", "https://www.example.com/x", True),
    ("VARCHAR", "javascript:alert(1)", "url", REJECTED, False),
    ("VARCHAR", "ftp://example.com", "url", REJECTED, False),
    ("VARCHAR", "not a url", "url", REJECTED, False),
    # composites
    (CONTACTS, [], "email", None, False),
    (MONEY, {"value": 1200.0, "currency": "EUR"}, "string", "1200 EUR", False),
    (MONEY, {"value": None, "currency": None}, "string", None, True),
    (SPAN, {"value": "2026-01-01", "until": "2026-02-01"}, "string", "2026-01-01/2026-02-01", False),
    (SPAN, {"value": "2026-01-01", "until": None}, "string", "2026-01-01", False),
    (TIME, {"value": "09:30:00", "timezone_id": 1, "timezone_name": "x"}, "string", "09:30:00", False),
    (ADDRESS, {"value": "a", "country": "b", "formatted_address": "c, b"}, "string", "c, b", False),
    (ADDRESS, {"value": "a", "country": "b", "formatted_address": ""}, "string", "a", False),
    ("BIGINT[]", [1, 2], "string", "1, 2", False),
    ("VARCHAR[]", ["a", None], "string", "a", False),
]


@pytest.mark.parametrize(("sql_type", "value", "wanted", "expected", "normalised"), CASES)
def test_a_value_becomes_what_the_input_takes(
    database: duckdb.DuckDBPyConnection,
    sql_type: str,
    value: Any,
    wanted: str,
    expected: Any,
    normalised: bool,
) -> None:
    assert coerce(database, value, sql_type, wanted) == (expected, normalised)


@pytest.mark.parametrize(
    ("contacts", "expected", "normalised"),
    [
        ([("a@b.co", True)], "a@b.co", False),
        ([("a@b.co", False), ("c@d.co", True)], "c@d.co", True),
        ([("a@b.co", False), ("c@d.co", False)], "a@b.co", True),
        ([("", True), ("c@d.co", False)], "c@d.co", False),
        ([("nonsense", True), ("c@d.co", False)], REJECTED, False),
        ([(None, None)], None, False),
    ],
)
def test_of_contacts_the_primary_one_counts(
    database: duckdb.DuckDBPyConnection, contacts: Any, expected: Any, normalised: bool
) -> None:
    value = [{"value": text, "label": "work", "primary": primary} for text, primary in contacts]
    assert coerce(database, value, CONTACTS, "email") == (expected, normalised)


def test_options_become_their_labels_in_texts_only(database: duckdb.DuckDBPyConnection) -> None:
    labels = "MAP {'7': 'Hot', '8': 'Cold'}"
    assert coerce(database, 7, "BIGINT", "string", labels) == ("Hot", False)
    assert coerce(database, 9, "BIGINT", "string", labels) == ("9", False)
    assert coerce(database, [7, 8, 9], "BIGINT[]", "string", labels) == ("Hot, Cold, 9", False)
    assert coerce(database, 7, "BIGINT", "number", labels) == (7.0, False)


PLAIN_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)


TEXTS = st.text(alphabet="0123456789+-.eE ,_xn", max_size=8) | st.floats(allow_nan=False).map(repr)


def coerce_texts(database: duckdb.DuckDBPyConnection, texts: list[str], wanted: Any) -> list[tuple[Any, ...]]:
    return database.execute(
        "WITH a AS (SELECT unnest($texts) AS raw), "
        f"b AS (SELECT *, {value_of('raw', wanted)} AS value FROM a) "
        f"SELECT raw, value, {is_rejected('raw', 'value')}, "
        f"{is_normalised('raw', 'value', wanted, 'VARCHAR', 'false')} FROM b",
        {"texts": texts},
    ).fetchall()


@settings(max_examples=25, deadline=None)
@given(texts=st.lists(TEXTS, min_size=20, max_size=100))
def test_a_text_is_a_number_where_python_reads_it_so(
    database: duckdb.DuckDBPyConnection, texts: list[str]
) -> None:
    for text, value, rejected, _ in coerce_texts(database, texts, "number"):
        stripped = text.strip()
        is_number = bool(PLAIN_NUMBER.fullmatch(stripped)) and math.isfinite(float(stripped))
        assert value == (float(stripped) if is_number else None)
        assert rejected == (stripped != "" and not is_number)


@settings(max_examples=25, deadline=None)
@given(texts=st.lists(st.text(max_size=30).filter(lambda text: "\0" not in text), min_size=20, max_size=100))
def test_a_text_is_taken_as_it_is_but_for_blanks_around_it(
    database: duckdb.DuckDBPyConnection, texts: list[str]
) -> None:
    for text, value, rejected, normalised in coerce_texts(database, texts, "string"):
        assert value == (text.strip(" \t\n\r\v\f\u00a0") or None)
        assert normalised == (value != text)
        assert not rejected

"""The tables that queries name, and those that a database has."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from pipedrive_orchestration.warehouse import Warehouse
from pipedrive_orchestration.warehouse.catalog import has_table, tables_of

QUERIES = {
    "SELECT * FROM pipedrive.deals": {("pipedrive", "deals")},
    "FROM pipedrive.deals SELECT id": {("pipedrive", "deals")},
    "SELECT r.run, t.* FROM workflows._runs AS r JOIN workflows.outreach AS t USING (row_id)": {
        ("workflows", "_runs"),
        ("workflows", "outreach"),
    },
    'SELECT (SELECT count(*) FROM "pipedrive"."all persons") FROM range(3) JOIN models.m USING (range)': {
        ("pipedrive", "all persons"),
        ("models", "m"),
    },
    "WITH own AS (FROM pipedrive.leads) SELECT * FROM own NATURAL JOIN pipedrive.users UNION ALL FROM own": {
        ("pipedrive", "leads"),
        ("pipedrive", "users"),
    },
    "SELECT * FROM unqualified JOIN crm.pipedrive.notes USING (id)": {("pipedrive", "notes")},
    "SELECT 'FROM pipedrive.deals'": set(),
}


@pytest.mark.parametrize("query", QUERIES)
def test_the_tables_of_a_query_are_found_without_a_database(query: str) -> None:
    assert tables_of(query) == QUERIES[query]


def test_what_is_no_query_is_an_error() -> None:
    with pytest.raises(duckdb.Error):
        tables_of("SELECT FROM WHERE")


def test_a_table_is_there_within_the_transaction_that_makes_it(tmp_path: Path) -> None:
    warehouse = Warehouse(str(tmp_path / "warehouse.duckdb"))
    with warehouse.writing() as connection:
        assert not has_table(connection, "main", "here")
        connection.execute("CREATE TABLE main.here AS SELECT 1 AS n")
        assert has_table(connection, "main", "here")
        # The question was asked beside the transaction, which goes on.
        connection.execute("INSERT INTO main.here VALUES (2)")
    with warehouse.reading() as connection:
        assert has_table(connection, "main", "here")
        assert connection.execute("FROM main.here").fetchall() == [(1,), (2,)]

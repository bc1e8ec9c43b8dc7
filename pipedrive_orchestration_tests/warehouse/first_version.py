"""A database that the first version of the program, 0.1.0, wrote: the account that it imported, and how.

``first_version.sql`` holds it as statements, so that every DuckDB makes the file anew. They were written by
the code of the commit that 0.1.0 ended with, once::

    git archive 7935c67 pipedrive_orchestration | tar x -C OLD
    python -m pipedrive_orchestration_tests.warehouse.first_version OLD
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb

from pipedrive_orchestration_tests.clocks import PRESENT
from pipedrive_orchestration_tests.importing.accounts import field, options
from pipedrive_orchestration_tests.importing.canned import Answer, Asked, Reply, records, serving

STATEMENTS = Path(__file__).with_suffix(".sql")

RECORDED = PRESENT - timedelta(days=7)
"""The instant at which the first version imported the account."""

Record = dict[str, Any]

FIELDS = [
    field("tier", "enum", "Tier", options=options(_1="Gold", _2="Silver")),
    field("interests", "set", "Interests", options=options(_7="Sailing", _8="Chess", _9="Opera")),
    field("budget", "monetary", "Budget"),
    field("since", "date", "Customer since"),
    field("calls", "timerange", "Reachable"),
    field("score", "double", "Score"),
]

SOURCE = {
    "slug": "people",
    "id": "6f1c1f4e-7a55-5d0e-9a38-0d8f0a3f1b11",
    "created_at": (RECORDED - timedelta(days=1)).isoformat(),
    "name": "People",
    "object_type": "persons",
    "properties": ["id", "name", "owner_id", "emails", "add_time", "update_time",
                   *(listed["field_code"] for listed in FIELDS)],
    "pull_mode": "static",
    "options": {"partitions_start": f"{RECORDED - timedelta(days=90):%Y-%m}", "history": True},
}  # fmt: skip


def person(number: int, days: float, **custom: Any) -> Record:
    """A person who was changed so many days before `RECORDED`."""
    changed = RECORDED - timedelta(days=days)
    return {
        "id": number,
        "name": f"Person {number}",
        "owner_id": 1,
        "emails": [{"value": f"person{number}@example.com", "primary": True, "label": "work"}],
        "add_time": f"{RECORDED - timedelta(days=200):%Y-%m-%dT%H:%M:%SZ}",
        "update_time": f"{changed:%Y-%m-%dT%H:%M:%SZ}",
        "is_deleted": False,
        "custom_fields": {listed["field_code"]: None for listed in FIELDS} | custom,
    }


def people() -> list[Record]:
    """The persons as they were at `RECORDED`, over all windows; the score of the third is none."""
    told: list[Record] = [
        {"tier": 1, "interests": [7, 9], "budget": {"value": 1250.5, "currency": "EUR"}},
        {"since": "2024-02-29", "score": 0.1, "interests": []},
        {"score": "high", "tier": 2},
        {
            "calls": {
                "value": "09:00:00",
                "until": "17:30:00",
                "timezone_id": 17,
                "timezone_name": "Europe/Riga",
            }
        },
    ]
    return [person(number, number * 9.5, **told[(number - 1) % len(told)]) for number in range(1, 13)]


def replies(found: list[Record]) -> dict[str, Reply]:
    """What an account with these persons answers; those that are deleted are in the recents feed."""
    gone = [{"item": "person", "id": one["id"], "data": one | {"active_flag": False}}
            for one in found if one["is_deleted"]]  # fmt: skip
    return {
        "/api/v2/persons": lambda asked: _page(asked, found),
        "/api/v2/personFields": records(*FIELDS),
        "/v1/recents": records(*gone),
    }


def _page(asked: Asked, found: Iterable[Record]) -> Answer:
    since, until = asked.query.get("updated_since", ""), asked.query.get("updated_until", "9")
    ids = asked.query.get("ids")
    matching = [
        one
        for one in found
        if not one["is_deleted"]
        and since <= one["update_time"] < until
        and (ids is None or str(one["id"]) in ids.split(","))
    ]
    return Answer({"success": True, "data": matching, "additional_data": {"next_cursor": None}})


_IMPORT = """
import datetime, json, pathlib, sys
from pipedrive_orchestration import importing
from pipedrive_orchestration.pipedrive.connection import Connection
from pipedrive_orchestration.sources import Source
from pipedrive_orchestration.warehouse import Warehouse

url, token, database, now, source = sys.argv[1:]
present = datetime.datetime.fromisoformat(now)

class Clock(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return present

for name, module in list(sys.modules.items()):
    if name.startswith("pipedrive_orchestration") and hasattr(module, "datetime"):
        module.datetime = Clock
source = Source.parse(json.loads(source))
report = importing.import_source(
    source, connection=Connection.of(url, token), warehouse=Warehouse(database),
    staging=pathlib.Path(database).parent / "staging", pull=importing.Pull.WINDOW,
    windows=importing.windows_until(source, present),
)
assert report.rows.current == 12, report
"""


def record(code: Path) -> None:
    """Let the first version import the account, and keep what it wrote."""
    with tempfile.TemporaryDirectory() as folder, serving(replies(people()), now=RECORDED) as served:
        database = Path(folder) / "warehouse.duckdb"
        subprocess.run(
            [sys.executable, "-P", "-c", _IMPORT, served.url, served.connection.token, str(database),
             RECORDED.isoformat(), json.dumps(SOURCE)],
            env=os.environ | {"PYTHONPATH": str(code.resolve())}, check=True,
        )  # fmt: skip
        with duckdb.connect(str(database), read_only=True) as connection:
            STATEMENTS.write_text("\n".join(statements(connection)) + "\n", "utf-8")


def restore(database: Path) -> None:
    """Make the file that the first version left."""
    with duckdb.connect(str(database)) as connection:
        connection.execute(STATEMENTS.read_text("utf-8"))


def statements(connection: duckdb.DuckDBPyConnection) -> Iterator[str]:
    """SQL that makes all schemas, tables, rows, views and comments of a database."""
    connection.execute("SET TimeZone = 'UTC'")
    tables = connection.execute(
        "SELECT schema_name, table_name, sql, comment FROM duckdb_tables() ORDER BY table_oid"
    ).fetchall()
    views = connection.execute(
        "SELECT schema_name, view_name, sql, comment FROM duckdb_views() WHERE NOT internal ORDER BY view_oid"
    ).fetchall()
    yield "SET TimeZone = 'UTC';"
    for schema in dict.fromkeys(schema for schema, *_ in [*tables, *views]):
        yield f'CREATE SCHEMA IF NOT EXISTS "{schema}";'
    for schema, table, sql, _ in tables:
        yield sql
        for row in connection.execute(f'SELECT COLUMNS(*)::VARCHAR FROM "{schema}"."{table}"').fetchall():
            values = ", ".join("NULL" if value is None else _literal(value) for value in row)
            yield f'INSERT INTO "{schema}"."{table}" VALUES ({values});'
    yield from (f"{sql};".replace(";;", ";") for _, _, sql, _ in views)
    for kind, found in (("TABLE", tables), ("VIEW", views)):
        for schema, name, _, comment in found:
            if comment is not None:
                yield f'COMMENT ON {kind} "{schema}"."{name}" IS {_literal(comment)};'
    columns = connection.execute(
        "SELECT schema_name, table_name, column_name, comment FROM duckdb_columns() "
        "WHERE NOT internal AND comment IS NOT NULL ORDER BY ALL"
    ).fetchall()
    for schema, table, column, comment in columns:
        yield f'COMMENT ON COLUMN "{schema}"."{table}"."{column}" IS {_literal(comment)};'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


if __name__ == "__main__":
    record(Path(sys.argv[1]))

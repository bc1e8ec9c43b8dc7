"""What syncs and actions cost: ``python -m benchmarks.workflows [--records 500000]``.

The source's table is written directly, so that nothing but the workflow is measured. Everything runs in
one process, whose peak memory is that of the largest step.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from pipedrive_orchestration.sources import Source
from pipedrive_orchestration.warehouse import Warehouse, schema
from pipedrive_orchestration.warehouse.tables import Column, prepare_table
from pipedrive_orchestration.workflows import Workflow
from pipedrive_orchestration.workflows.actions.reach import Reach
from pipedrive_orchestration.workflows.actions.runner import run_actions
from pipedrive_orchestration.workflows.model import WorkflowFile
from pipedrive_orchestration.workflows.sync import run_sync

T = TypeVar("T")

_CONTACTS = 'STRUCT(value VARCHAR, label VARCHAR, "primary" BOOLEAN)[]'
_COLUMNS = (
    Column("name", "VARCHAR", "Name", "varchar"),
    Column("emails", _CONTACTS, "Email", "contacts"),
    Column("score", "VARCHAR", "Score", "varchar"),
    Column("label_ids", "BIGINT[]", "Labels", "set", has_options=True),
)
_FILL = """
INSERT INTO pipedrive.persons
SELECT n, 'Person ' || n, [{value: 'p' || n || '@example.com', label: 'work', "primary": true},
    {value: 'q' || n || '@example.com', label: 'home', "primary": false}], (n % 100)::VARCHAR, [n % 3],
    now(), now(), now(), false, true, NULL, NULL
FROM range($records) AS r(n)
"""

SOURCE = Source.parse(
    {
        "name": "Persons",
        "object_type": "persons",
        "properties": [column.key for column in _COLUMNS],
        "pull_mode": "static",
        "slug": "persons",
        "id": str(uuid.UUID(int=1)),
        "created_at": "2026-01-01T00:00:00Z",
    }
)


def _workflow(slug: str, on_update: str) -> Workflow:
    file = WorkflowFile.parse(
        {
            "name": slug,
            "inputs": [
                {"name": "email", "type": "email"},
                {"name": "name", "type": "string"},
                {"name": "score", "type": "number"},
                {"name": "labels", "type": "string"},
            ],
            "syncs": [
                {
                    "source": "persons",
                    "field_mapping": {
                        "input.email": "emails",
                        "input.name": "name",
                        "input.score": "score",
                        "input.labels": "label_ids",
                    },
                    "on_update": on_update,
                }
            ],
            "actions": [
                {
                    "type": "sql",
                    "name": "domain",
                    "expression": "split_part(email, '@', 2)",
                    "output": {"name": "domain"},
                }
            ],
        }
    )
    return Workflow.of(slug, file)


def _fill(warehouse: Warehouse, records: int) -> None:
    with warehouse.writing() as connection:
        schema.prepare(connection)
        prepare_table(connection, "persons", "BIGINT", _COLUMNS, datetime.now(UTC))
        connection.execute(_FILL, {"records": records})
        connection.execute(
            "INSERT INTO import_ledger.imports (source, status, started_at, finished_at) "
            "VALUES ('persons', 'succeeded', now(), now())"
        )
        connection.execute(
            "INSERT INTO import_ledger.field_options VALUES ('persons', 'label_ids', '1', 'Hot', now(), NULL)"
        )


def _change(warehouse: Warehouse, records: int, count: int) -> None:
    with warehouse.writing() as connection:
        connection.execute(
            "UPDATE pipedrive.persons SET name = name || '!', _imported_at = now() WHERE _id % $step = 0",
            {"step": records // count},
        )


def _timed(what: str, do: Callable[[], T], count: Callable[[T], int]) -> None:
    began, used = time.perf_counter(), time.process_time()
    result = do()
    seconds, cpu = time.perf_counter() - began, time.process_time() - used
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"| {what} | {count(result):,} | {seconds:.2f} | {cpu:.2f} | {peak:,.0f} |", flush=True)


def main() -> None:
    """Run every case once and print a table in Markdown."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--records", type=int, default=500_000)
    records = parser.parse_args().records
    with tempfile.TemporaryDirectory() as folder:
        warehouse = Warehouse(str(Path(folder) / "warehouse.duckdb"))
        _fill(warehouse, records)
        print(f"{records:,} records, 4 inputs\n")
        print("| what | rows | seconds | CPU seconds | peak MB so far |\n|---|---|---|---|---|")
        for on_update in ("update", "append"):
            made = _workflow(on_update, on_update)

            def sync(made: Workflow = made) -> int:
                report = run_sync(warehouse, made, SOURCE)
                return report.inserted + report.updated

            _timed(f"{on_update}: backfill", sync, int)
            _timed(f"{on_update}: again, nothing changed", sync, int)
            _change(warehouse, records, 100)
            _timed(f"{on_update}: 100 changed", sync, int)
        _change(warehouse, records, records)
        _timed(
            "update: all changed",
            lambda: run_sync(warehouse, _workflow("update", "update"), SOURCE).updated,
            int,
        )
        made = _workflow("update", "update")
        _timed(
            "the queue through one sql action", lambda: run_actions(warehouse, made, Reach()).completed, int
        )


if __name__ == "__main__":
    main()

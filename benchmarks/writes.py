"""What writes cost: ``python -m benchmarks.writes [--records 200000] [--rows 100000] [--changes 1000]``.

Tokens and requests are counted by an account, beside the floor (5 tokens a record, 10 for each hundred that
are looked at again) and beside matching by search (20 tokens a record more). A plan of many rows is made
against a table that was written directly, in a process whose peak memory is its own.
"""

from __future__ import annotations

import argparse
import csv
import resource
import tempfile
import time
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pipedrive_orchestration.demo import DemoServer, Settings, running_demo
from pipedrive_orchestration.importing import Pull, import_source, windows_until
from pipedrive_orchestration.pipedrive.auth import Connection
from pipedrive_orchestration.sources import Source
from pipedrive_orchestration.warehouse import Warehouse
from pipedrive_orchestration.writing.apply import apply_plan
from pipedrive_orchestration.writing.ledger import Plan
from pipedrive_orchestration.writing.model import Write, WriteFile
from pipedrive_orchestration.writing.plan import Planning, make_plan

SEARCH = 20
"""Tokens of a search, by which others find the record of each row."""

_MANY = """
INSERT INTO pipedrive.persons BY NAME
SELECT s.* REPLACE (n AS _id, 'Person ' || n AS name, 'Job ' || (n % 50) AS job_title,
    [{value: 'p' || n || '@example.com', label: 'work', "primary": true}] AS emails)
FROM (SELECT * FROM pipedrive.persons WHERE _is_current LIMIT 1) AS s, range(1, $records + 1) AS t(n)
"""


def planning_in(demo: DemoServer, folder: Path) -> Planning:
    """An imported table of persons, and what is planned with."""
    body = {
        "name": "Persons",
        "object_type": "persons",
        "properties": ["name", "emails", "job_title"],
        "pull_mode": "active",
        "schedule": "*/15 * * * *",
        "slug": "persons",
        "id": str(uuid.UUID(int=1)),
        "created_at": "2026-01-01T00:00:00Z",
    }
    source = Source.parse(body)
    connection = Connection.of(demo.url, demo.token)
    warehouse, staging = Warehouse(str(folder / "w.duckdb")), folder / "staging"
    now = demo.account.clock.now()
    import_source(
        source,
        connection=connection,
        warehouse=warehouse,
        staging=staging,
        pull=Pull.WINDOW,
        windows=windows_until(source, now),
        clock=demo.account.clock.exactly_now,
    )
    return Planning(folder, connection, warehouse, staging, (source,), demo.account.clock.exactly_now)


def write_of(operation: str, match: Mapping[str, str], fields: Mapping[str, str]) -> Write:
    """A write of the rows in ``rows.csv``."""
    body = {
        "name": operation,
        "object_type": "persons",
        "operation": operation,
        "file": "rows.csv",
        "match": dict(match),
        "fields": dict(fields),
        "limits": {"changes": 10**7, "tokens": 10**8},
    }
    return Write.of("bench", WriteFile.parse(body))


def rows_in(folder: Path, header: Iterable[str], rows: Iterable[Iterable[Any]]) -> None:
    """Write the file of rows."""
    with (folder / "rows.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)


def tokens(changes: int) -> None:
    """Print requests and tokens of so many updates, creates and upserts."""
    with running_demo(Settings(scale=changes / 3500, burst=0)) as demo, tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        planning = planning_in(demo, folder)
        known = [
            one["id"] for one in demo.account.records("persons") if not one["is_deleted"] and one["emails"]
        ]
        addresses = {
            one["id"]: one["emails"][0]["value"] for one in demo.account.records("persons") if one["emails"]
        }
        rows_in(folder, ("id", "job"), ((one, "Roofer") for one in known[:changes]))
        _apply("updates", write_of("update", {"id": "id"}, {"job": "job_title"}), planning)
        rows_in(folder, ("email", "name"), ((f"new{n}@bench.example", f"New {n}") for n in range(changes)))
        _apply("creates", write_of("create", {"email": "emails"}, {"name": "name"}), planning)
        half = [(addresses[one], f"Cook {one}") for one in known[: changes // 2]]
        other = [(f"other{n}@bench.example", f"Other {n}") for n in range(changes - len(half))]
        rows_in(folder, ("email", "name"), [*half, *other])
        _apply(
            "upserts, half of them new", write_of("upsert", {"email": "emails"}, {"name": "name"}), planning
        )


def _apply(what: str, write: Write, planning: Planning) -> None:
    plan: Plan = make_plan(write, planning)
    began = time.monotonic()
    report = apply_plan(plan.plan_id, planning, write)
    seconds = time.monotonic() - began
    done = report.counts.get("done", 0)
    floor = 5 * plan.changes + 10 * -(-plan.updates // 100)
    print(
        f"{done:,} {what}: {report.requests:,} requests, {report.tokens:,} tokens (floor {floor:,}, "
        f"by search {floor + SEARCH * done:,}), {seconds:.1f} s",
        flush=True,
    )


def plan_of_many(records: int, rows: int) -> None:
    """Print what a plan of many rows takes, of which half change something."""
    with running_demo(Settings(scale=0.01, burst=0)) as demo, tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        planning = planning_in(demo, folder)
        with planning.warehouse.writing() as connection:
            connection.execute(_MANY, {"records": records})
        rows_in(
            folder,
            ("email", "name", "job"),
            (
                (f"P{n}@example.com", f"Person {n}", f"Job {n % 50}" if n % 2 else f"Chief {n % 50}")
                for n in range(1, rows + 1)
            ),
        )
        write = write_of("upsert", {"email": "emails"}, {"name": "name", "job": "job_title"})
        began, spent = time.monotonic(), time.process_time()
        plan = make_plan(write, planning, refresh=False)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(
            f"plan of {rows:,} rows against {records:,} records, {plan.updates:,} updates: "
            f"{time.monotonic() - began:.1f} s, {time.process_time() - spent:.1f} CPU s, peak {peak:.0f} MB",
            flush=True,
        )


def main() -> None:
    """Print all figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=200_000)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--changes", type=int, default=1000)
    asked = parser.parse_args()
    plan_of_many(asked.records, asked.rows)
    tokens(asked.changes)


if __name__ == "__main__":
    main()

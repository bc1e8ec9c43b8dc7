"""What writes cost: ``python -m benchmarks.writes [--records 200000] [--rows 100000] [--changes 1000]``.

Tokens and requests are counted by an account, beside the floor (5 tokens a record, 10 for each hundred that
are looked at again) and beside matching by search (20 tokens a record more). Seconds are those of accounts
that answer after 100 ms and allow 40 and 120 requests in two seconds, beside those that the limit takes by
itself. A plan of many rows is made against a table that was written directly, in a process whose peak memory
is its own.
"""

from __future__ import annotations

import argparse
import csv
import resource
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from pipedrive_orchestration.demo import DemoServer, Settings, running_demo
from pipedrive_orchestration.importing import Pull, import_source, windows_until
from pipedrive_orchestration.pipedrive.auth import Connection
from pipedrive_orchestration.pipedrive.clock import utc_now
from pipedrive_orchestration.pipedrive.rate_limit import WINDOW_SECONDS
from pipedrive_orchestration.sources import Source
from pipedrive_orchestration.warehouse import Warehouse
from pipedrive_orchestration.writing.apply import apply_plan
from pipedrive_orchestration.writing.ledger import Plan
from pipedrive_orchestration.writing.model import Write, WriteFile
from pipedrive_orchestration.writing.plan import Planning, make_plan

SEARCH = 20
"""Tokens of a search, by which others find the record of each row."""

BURSTS = (40, 120)
"""Requests in two seconds that accounts allow, of the middle and of the larger plans."""

LATENCY = 100
"""Milliseconds after which they answer."""

_MANY = """
INSERT INTO pipedrive.persons BY NAME
SELECT s.* REPLACE (n AS _id, 'Person ' || n AS name, 'Job ' || (n % 50) AS job_title,
    [{value: 'p' || n || '@example.com', label: 'work', "primary": true}] AS emails)
FROM (SELECT * FROM pipedrive.persons WHERE _is_current LIMIT 1) AS s, range(1, $records + 1) AS t(n)
"""


def planning_in(connection: Connection, folder: Path, clock: Callable[[], datetime] = utc_now) -> Planning:
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
    warehouse, staging = Warehouse(str(folder / "w.duckdb")), folder / "staging"
    import_source(
        source,
        connection=connection,
        warehouse=warehouse,
        staging=staging,
        pull=Pull.WINDOW,
        windows=windows_until(source, clock()),
        clock=clock,
    )
    return Planning(folder, connection, warehouse, staging, (source,), clock)


def planning_of(demo: DemoServer, folder: Path) -> Planning:
    """The same of an account in this process."""
    return planning_in(Connection.of(demo.url, demo.token), folder, demo.account.clock.exactly_now)


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
        planning = planning_of(demo, folder)
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


def seconds(changes: int, burst: int) -> None:
    """Print how long so many updates and creates take where so many requests are allowed in two seconds."""
    with _account_apart(changes / 3500, burst) as connection, tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        planning = planning_in(connection, folder)
        with planning.warehouse.reading() as database:
            query = "SELECT _id FROM pipedrive.persons WHERE _is_current ORDER BY 1 LIMIT ?"
            known = [row[0] for row in database.execute(query, [changes]).fetchall()]
        rows_in(folder, ("id", "job"), ((one, "Roofer") for one in known))
        _timed("updates", write_of("update", {"id": "id"}, {"job": "job_title"}), planning, burst)
        rows_in(folder, ("email", "name"), ((f"new{n}@bench.example", f"New {n}") for n in range(changes)))
        _timed("creates", write_of("create", {"email": "emails"}, {"name": "name"}), planning, burst)


@contextmanager
def _account_apart(scale: float, burst: int) -> Iterator[Connection]:
    """An account in a process of its own, whose seconds are not ours."""
    command = [
        *(sys.executable, "-m", "pipedrive_orchestration.demo", "--port", "0", "--until-parent-exits"),
        *("--scale", str(scale), "--burst", str(burst), "--latency-ms", str(LATENCY)),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        told = dict(setting.split("=", 1) for setting in process.stdout.readline().split())
        try:
            yield Connection.of(told["PIPEDRIVE_API_URL"], told["PIPEDRIVE_API_TOKEN"])
        finally:
            process.terminate()


def _timed(what: str, write: Write, planning: Planning, burst: int) -> None:
    plan = make_plan(write, planning)
    time.sleep(WINDOW_SECONDS)  # what was asked before does not count any more
    began, spent = time.monotonic(), time.process_time()
    report = apply_plan(plan.plan_id, planning, write)
    took = time.monotonic() - began
    floor = (report.requests / burst - 1) * WINDOW_SECONDS + LATENCY / 1000
    done, of_ours = report.counts.get("done", 0), time.process_time() - spent
    print(
        f"{done:,} {what}, {LATENCY} ms, burst {burst}: {report.requests:,} requests, {took:.1f} s "
        f"(the limit alone takes {max(floor, 0):.1f} s), {of_ours:.1f} CPU s",
        flush=True,
    )


def plan_of_many(records: int, rows: int) -> None:
    """Print what a plan of many rows takes, of which half change something."""
    with running_demo(Settings(scale=0.01, burst=0)) as demo, tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        planning = planning_of(demo, folder)
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
    parser.add_argument("--pace", action="store_true", help="measure seconds alone")
    asked = parser.parse_args()
    if not asked.pace:
        plan_of_many(asked.records, asked.rows)
        tokens(asked.changes)
    for burst in BURSTS:
        seconds(asked.changes, burst)


if __name__ == "__main__":
    main()

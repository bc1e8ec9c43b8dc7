"""Prints figures of a lake with its catalogue in PostgreSQL: ``python -m benchmarks.lake --persons 500000``.

It needs PostgreSQL 15 and DuckDB with its extensions (``pip install '.[ducklake]'`` beside DuckDB 1.5.5).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import httpx

from benchmarks.__main__ import Figures, account
from pipedrive_orchestration.warehouse import Warehouse
from pipedrive_orchestration.warehouse.maintenance import extent_of, maintain
from pipedrive_orchestration_tests.servers import postgresql, variables_of

TICKS = 24


def imported(url: str, database: str, pull: str, data: Path | None = None, workers: int = 1) -> Figures:
    """One import, shared by as many processes; their times of computing are added up."""
    began = time.perf_counter()
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "benchmarks.one_import", url, database, pull, "months",
             str(data or ""), f"{number}/{workers}"],
            stdout=subprocess.PIPE, text=True,
        )
        for number in range(workers)
    ]  # fmt: skip
    told = [json.loads(process.communicate()[0].splitlines()[-1]) for process in processes]
    return {
        "seconds": time.perf_counter() - began,
        "inside": max(one["seconds"] for one in told),
        "cpu": sum(one["cpu"] for one in told),
        "requests": sum(one["requests"] for one in told),
    }


def row(what: str, figures: Mapping[str, float]) -> None:
    """One line of the table."""
    print(
        f"| {what} | {figures['seconds']:.1f} | {figures['inside']:.1f} | {figures['cpu']:.1f} | "
        f"{figures['requests']:.0f} |",
        flush=True,
    )


def main() -> None:
    """Run everything and print tables in Markdown."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--persons", type=int, default=500_000)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--ticks", type=int, default=TICKS)
    chosen = parser.parse_args()
    with (
        account("--persons", chosen.persons) as url,
        postgresql() as server,
        tempfile.TemporaryDirectory() as name,
    ):
        os.environ.update(variables_of(server))
        folder = Path(name)
        print("| | seconds with start | seconds of the import | CPU s of all | requests |")
        print("|---|---|---|---|---|")
        row(f"{chosen.persons:,} persons, a file", imported(url, str(folder / "w.duckdb"), "window"))
        lake, data = "", folder
        for workers in chosen.workers:
            subprocess.run(["createdb", f"crm{workers}"], check=True)
            lake, data = f"ducklake:postgres:dbname=crm{workers}", folder / f"lake{workers}"
            row(f"a lake, {workers} workers", imported(url, lake, "window", data, workers))
        row("a lake, changes, the first", imported(url, lake, "changes", data))
        row("a lake, changes, none", imported(url, lake, "changes", data))
        growth(url, Warehouse(lake, data=str(data)), data, chosen.ticks)


def growth(url: str, lake: Warehouse, data: Path, ticks: int) -> None:
    """What a day of pulls adds, in each of which a tenth of a per mille has changed."""
    print("\n| | files | MB on disk | snapshots |\n|---|---|---|---|", flush=True)

    def tell(what: str) -> None:
        extent = extent_of(lake)
        size = sum(file.stat().st_size for file in data.rglob("*.parquet")) / 1e6
        print(f"| {what} | {extent.files} | {size:.1f} | {extent.snapshots} |", flush=True)

    tell("before")
    for _ in range(ticks):
        httpx.get(f"{url}/change", params={"share": 0.0001}, timeout=60)
        imported(url, lake.database, "changes", data)
    tell(f"after {ticks} pulls with changes")
    done = maintain(lake, timedelta(days=7))
    tell(f"maintained in {done.seconds:.1f} s, with the past of seven days")
    done = maintain(lake, timedelta(0))
    tell(f"maintained in {done.seconds:.1f} s, without a past")


if __name__ == "__main__":
    main()

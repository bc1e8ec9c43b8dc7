"""Prints figures of a lake with its catalogue in PostgreSQL: ``python -m benchmarks.lake --persons 500000``.

It needs PostgreSQL 15 and DuckDB with its extensions (``pip install '.[ducklake]'`` beside DuckDB 1.5.5).
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import tempfile
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path

import httpx

from benchmarks.imports import Figures, account_process, cpu_of, imported
from benchmarks.one_import import measured, persons
from pipedrive_orchestration.warehouse import Warehouse
from pipedrive_orchestration.warehouse.maintenance import extent_of, maintain
from pipedrive_orchestration_tests.servers import postgresql, variables_of

PULLS = 24
"""How many pulls a simulated day has."""

SHARE = 0.0001
"""The share of the persons that has changed since the pull before."""

AGAIN = 5


def main() -> None:
    """Run everything and print tables in Markdown."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--persons", type=int, default=500_000)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--days", type=int, default=3)
    chosen = parser.parse_args()
    with (
        account_process("--persons", chosen.persons) as (url, account),
        postgresql() as server,
        tempfile.TemporaryDirectory() as name,
    ):
        assert server.process is not None
        os.environ.update(variables_of(server))
        folder, beside = Path(name), (account, server.process.pid)
        print(f"{chosen.persons:,} persons, {os.cpu_count()} cores\n")
        print("| | seconds with start | CPU s | of the account | of PostgreSQL | requests | load |")
        print("|---|---|---|---|---|---|---|")
        file = str(folder / "w.duckdb")
        row("a file, one process", partial(imported, url, file, "window", "months"), *beside)
        lake, data = "", folder
        for workers in chosen.workers:
            subprocess.run(["createdb", f"crm{workers}"], check=True)
            lake, data = f"ducklake:postgres:dbname=crm{workers}", folder / f"lake{workers}"
            fill = partial(imported, url, lake, "window", "months", data=data, workers=workers)
            row(f"a lake, {workers} processes", fill, *beside)
        warehouse = Warehouse(lake, data=str(data))
        unchanged(url, {"a lake": warehouse, "a file": Warehouse(file)}, folder)
        growth(url, warehouse, folder, data, chosen.days)


def row(what: str, work: Callable[[], Figures], account: int, database: int) -> None:
    """One line of the table."""
    before = cpu_of(account), cpu_of(database)
    took = work()
    theirs = [after - one for one, after in zip(before, (cpu_of(account), cpu_of(database)), strict=True)]
    print(
        f"| {what}, {took['windows']:.0f} windows | {took['with_start']:.1f} | {took['cpu']:.1f} | "
        f"{theirs[0]:.1f} | {theirs[1]:.1f} | {took['requests']:.0f} | {os.getloadavg()[0]:.0f} |",
        flush=True,
    )


def unchanged(url: str, warehouses: dict[str, Warehouse], folder: Path) -> None:
    """Pulls in which nothing has changed, one after the other in this process; the first ones connect."""
    source, windows = persons("months")
    print("\n| changes, none | CPU s, median | from | to | seconds, median |\n|---|---|---|---|---|")
    for what, warehouse in warehouses.items():
        pull = partial(measured, url, warehouse, folder / "staging", "changes", source, windows)
        pull()
        took = [pull() for _ in range(AGAIN)]
        cpu = sorted(one["cpu"] for one in took)
        print(
            f"| {what} | {statistics.median(cpu):.2f} | {cpu[0]:.2f} | {cpu[-1]:.2f} | "
            f"{statistics.median(one['seconds'] for one in took):.2f} |",
            flush=True,
        )


def growth(url: str, lake: Warehouse, folder: Path, data: Path, days: int) -> None:
    """What days of pulls add, without maintenance and then with what it leaves of them."""
    source, windows = persons("months")
    print(f"\n| {PULLS} pulls a day, {SHARE:.2%} changed in each | files | MB on disk | snapshots |")
    print("|---|---|---|---|", flush=True)

    def tell(what: str) -> None:
        extent = extent_of(lake)
        size = sum(file.stat().st_size for file in data.rglob("*.parquet")) / 1e6
        print(f"| {what} | {extent.files} | {size:.1f} | {extent.snapshots} |", flush=True)

    def day() -> None:
        for _ in range(PULLS):
            httpx.get(f"{url}/change", params={"share": SHARE}, timeout=60)
            measured(url, lake, folder / "staging", "changes", source, windows)

    tell("before")
    for number in range(1, days + 1):
        day()
        tell(f"after day {number}, not maintained")
    for past in (timedelta(days=7), timedelta(0)):
        done = maintain(lake, past)
        tell(f"maintained in {done.seconds:.1f} s, with the past of {past.days} days")
    for number in range(1, days + 1):
        day()
        done = maintain(lake, timedelta(0))
        tell(f"after day {number}, maintained in {done.seconds:.1f} s, without a past")


if __name__ == "__main__":
    main()

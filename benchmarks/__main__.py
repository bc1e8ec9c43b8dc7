"""Prints the figures of a run: ``python -m benchmarks [--persons 200000] [--quick]``."""

from __future__ import annotations

import argparse
import subprocess
import tempfile
import venv
from collections.abc import Iterator
from pathlib import Path

import httpx

from benchmarks.imports import Figures, account, figures_of, imported

PEER = Path(".venv-bench")
"""The environment of the importer that is measured beside ours."""


def ours(url: str, folder: Path, pull: str = "window", grid: str = "one") -> Figures:
    """One import of ours into ``folder``."""
    return imported(url, str(folder / "w.duckdb"), pull, grid)


def theirs(url: str, folder: Path) -> Figures:
    """One import of dlt's into ``folder``."""
    if not (PEER / "bin" / "python").exists():
        venv.create(PEER, with_pip=True)
        install = [str(PEER / "bin" / "pip"), "install", "--quiet", "dlt[duckdb,parquet]", "duckdb"]
        subprocess.run(install, check=True)
    peer = [str(PEER / "bin" / "python"), "benchmarks/peer_dlt.py", url, str(folder / "dlt.duckdb")]
    return figures_of(subprocess.Popen(peer, stdout=subprocess.PIPE, text=True))


def row(what: str, figures: Figures, records: float, note: str = "") -> None:
    """One line of the table."""
    per_100k = figures["cpu"] / records * 100_000 if records else 0.0
    print(
        f"| {what} | {figures['seconds']:.2f} | {records / figures['seconds']:,.0f} | {per_100k:.2f} | "
        f"{figures['peak_mb']:.0f} | {figures.get('requests', 0):.0f} | {note} |",
        flush=True,
    )


def main() -> None:
    """Run everything and print a table in Markdown."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--persons", type=int, default=200_000)
    parser.add_argument("--quick", action="store_true", help="without the million persons and the peer")
    chosen = parser.parse_args()
    print("| what | seconds | records/s | CPU s per 100,000 | peak MB | requests | |")
    print("|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        folders = (Path(name) / str(number) for number in range(1000))
        run(chosen.persons, folders, quick=chosen.quick)


def _new(folders: Iterator[Path]) -> Path:
    folder = next(folders)
    folder.mkdir()
    return folder


def run(persons: int, folders: Iterator[Path], *, quick: bool) -> None:
    """All cases, one after the other."""
    with account("--persons", persons) as url:
        kept = _new(folders)
        mine = ours(url, kept)
        row(f"{persons:,} persons, 40 custom fields, no latency", mine, persons)
        if not quick:
            peer = theirs(url, _new(folders))
            time, cpu = mine["seconds"] / peer["seconds"], mine["cpu"] / peer["cpu"]
            ratio = f"ours takes {time:.0%} of its time, {cpu:.0%} of its CPU"
            row("the same through dlt, parquet loader", peer, persons, ratio)
        one = ours(url, kept)
        row("the same again, nothing changed, one window", one, persons)
        many = ours(url, kept, grid="months")
        windows = many["windows"]
        each = (many["seconds"] - one["seconds"]) / windows * 1000
        more = (many["requests"] - one["requests"]) / windows
        row(
            f"the same in {windows:.0f} windows",
            many,
            persons,
            f"{each:.0f} ms and {more:.2f} requests more per window",
        )
        nothing = ours(url, kept, "changes")
        row(
            "changes, none",
            nothing,
            nothing["records"],
            f"{nothing['seconds'] * 1000:.0f} ms, {nothing['tokens']:.0f} tokens",
        )
        httpx.get(f"{url}/change", params={"share": 0.01}, timeout=60)
        some = ours(url, kept, "changes")
        row("changes, 1 %", some, some["records"], f"{some['tokens']:.0f} tokens")
    for burst in (40, 120):
        with account("--persons", persons, "--burst", burst, "--latency-ms", 100) as url:
            limited = ours(url, _new(folders), grid="months")
            allowed = burst / 2 * 500
            share = persons / limited["seconds"] / allowed
            row(
                f"{persons:,} persons, 100 ms, burst {burst}, monthly windows",
                limited,
                persons,
                f"{share:.0%} of what the limit allows",
            )
    if not quick:
        with account("--persons", 1_000_000) as url:
            million = ours(url, _new(folders))
            row(
                "1,000,000 persons",
                million,
                1_000_000,
                f"peak {million['peak_mb'] / mine['peak_mb']:.0%} of that at {persons:,}",
            )


if __name__ == "__main__":
    main()

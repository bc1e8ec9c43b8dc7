"""Imports as processes of their own, and the account that they read."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

Figures = dict[str, float]


@contextmanager
def account(*options: object) -> Iterator[str]:
    """The benchmark's account as a process; gives its address."""
    with account_process(*options) as (url, _):
        yield url


@contextmanager
def account_process(*options: object) -> Iterator[tuple[str, int]]:
    """The same; gives its address and the id of its process."""
    command = [sys.executable, "-m", "benchmarks.account", *map(str, options)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip(), process.pid
        finally:
            process.terminate()


def cpu_of(pid: int) -> float:
    """The seconds that a process has computed, with its children, the living and those that have ended."""
    spent = 0.0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            told = stat.read_text().rpartition(")")[2].split()
            if stat.parent.name == str(pid) or told[1] == str(pid):
                spent += sum(map(int, told[11:15])) / os.sysconf("SC_CLK_TCK")
    return spent


def imported(
    url: str, database: str, pull: str, grid: str, *, data: Path | None = None, workers: int = 1
) -> Figures:
    """One import, shared by as many processes.

    Returns:
        What `benchmarks.one_import` prints: the time of the longest, and of the rest the sum; and as
        ``with_start`` the seconds until all had ended.
    """
    began = time.perf_counter()
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "benchmarks.one_import", url, database, pull, grid,
             str(data or ""), f"{number}/{workers}"],
            stdout=subprocess.PIPE, text=True,
        )
        for number in range(workers)
    ]  # fmt: skip
    told = [figures_of(process) for process in processes]
    together = {name: sum(one[name] for one in told) for name in told[0]}
    longest = {name: max(one[name] for one in told) for name in ("seconds", "peak_mb")}
    return {**together, **longest, "with_start": time.perf_counter() - began}


def figures_of(process: subprocess.Popen[str]) -> Figures:
    """What a process prints last, once it has ended.

    Raises:
        subprocess.CalledProcessError: it failed.
    """
    said, _ = process.communicate()
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, process.args)
    figures: Figures = json.loads(said.splitlines()[-1])
    return figures

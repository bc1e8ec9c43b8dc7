"""One import in a process of its own, so that its CPU time and memory are its own.

Prints one JSON object. Arguments: address, warehouse, pull, ``one`` window or ``months``; of a lake where its
files are, and of several processes that share the windows which part is this one's, as ``0/3``.
"""

from __future__ import annotations

import json
import resource
import sys
import time
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.account import KEYS, first_month
from pipedrive_orchestration.importing import Pull, Window, import_source, windows_until
from pipedrive_orchestration.pipedrive.auth import Connection
from pipedrive_orchestration.sources import Options, Source
from pipedrive_orchestration.warehouse import Warehouse

PROPERTIES = ("id", "name", "first_name", "last_name", "owner_id", "org_id", "emails", "phones", "label_ids",
              "add_time", "update_time")  # fmt: skip


def persons(grid: str) -> tuple[Source, list[Window]]:
    """The source of all persons, and its windows: ``one``, or a grid of ``months``."""
    now = datetime.now(UTC)
    start = f"{first_month(now):%Y-%m}" if grid == "months" else "1970-01"
    source = Source(
        slug="persons",
        id=uuid.UUID(int=1),
        created_at=now,
        name="Persons",
        object_type="persons",
        properties=(*PROPERTIES, *KEYS),
        pull_mode="static",
        # The one window of `one` is none of the grid, whose windows would be read again after it.
        options=Options(partitions_start=start, reconcile="never" if grid == "one" else "7d"),
    )
    windows = windows_until(source, now)
    if grid == "one":
        windows = [Window(windows[0].key, None, windows[-1].end)]
    return source, windows


def measured(
    url: str, warehouse: Warehouse, staging: Path, pull: str, source: Source, windows: Sequence[Window]
) -> dict[str, float]:
    """What one import takes."""
    used, began = _cpu(), time.perf_counter()
    report = import_source(
        source,
        connection=Connection.of(url, "0" * 40),
        warehouse=warehouse,
        staging=staging,
        pull=Pull(pull),
        windows=windows if pull == "window" else (),
    )
    return {
        "seconds": time.perf_counter() - began,
        "cpu": _cpu() - used,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "records": report.rows.read,
        "changed": report.rows.changed,
        "requests": report.requests,
        "tokens": report.tokens,
        "windows": len(windows),
    }


def main(url: str, database: str, pull: str, grid: str, data: str = "", part: str = "0/1") -> None:
    """Import the persons once and print what it took."""
    source, windows = persons(grid)
    number, parts = map(int, part.split("/"))
    share = len(windows) / parts
    windows = windows[round(share * number) : round(share * (number + 1))]
    staging = Path(data or database).parent / f"staging{number}"
    warehouse = Warehouse(database, data=data or None)
    print(json.dumps(measured(url, warehouse, staging, pull, source, windows)))


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main(*sys.argv[1:7])

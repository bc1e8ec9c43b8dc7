"""What a filter of 20 leaves adds to an import: ``python -m benchmarks.filters [--persons N] [--runs N]``.

Every person satisfies the filter, so that both imports write the same rows and differ in nothing but
the filter. Plain and filtered imports alternate, each in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.account import KEYS
from benchmarks.imports import account
from benchmarks.one_import import PROPERTIES
from pipedrive_orchestration.importing import Pull, import_source, windows_until
from pipedrive_orchestration.pipedrive.auth import Connection
from pipedrive_orchestration.sources import Options, Source, SourceBody
from pipedrive_orchestration.warehouse import Warehouse

_TEXTS, _NUMBERS, _MONEY, _DATES = KEYS[:6], KEYS[10:12], KEYS[25:27], KEYS[29:31]

LEAVES = [
    *({"variable": key, "condition": "does not contain", "value": "nothing like it"} for key in _TEXTS),
    *({"variable": key, "condition": "not equals", "value": 0.25} for key in _NUMBERS),
    *({"variable": f"{key}.currency", "condition": "not in", "values": ["USD", "GBP"]} for key in _MONEY),
    *({"variable": key, "condition": "not equals", "value": "6_months_ago"} for key in _DATES),
    {"variable": "name", "condition": "starts with", "value": "person"},
    {"variable": "emails", "condition": "ends with", "value": "@EXAMPLE.com"},
    {"variable": "emails.label", "condition": "in", "values": ["work", "home"]},
    {"variable": "label_ids", "condition": "contains", "value": 2},
    {"variable": "owner_id", "condition": "not in", "values": [100, 101]},
    {"variable": "add_time", "condition": "before", "value": "today"},
    {"variable": "update_time", "condition": ">=", "value": "2000-01-01"},
    {"variable": "visible_to", "condition": "equals", "value": 3},
]


def one_import(url: str, database: str, how: str) -> None:
    """Import the persons once, ``filtered`` or ``plain``, and print what it took."""
    now = datetime.now(UTC)
    body = SourceBody.parse(
        {
            "name": "Persons",
            "object_type": "persons",
            "properties": [*PROPERTIES, *KEYS],
            "pull_mode": "static",
            "filters": {"conditions": LEAVES} if how == "filtered" else None,
        }
    )
    source = Source(
        slug="persons",
        id=uuid.UUID(int=1),
        created_at=now,
        name=body.name,
        object_type=body.object_type,
        properties=body.properties,
        pull_mode=body.pull_mode,
        filters=body.filters,
        options=Options(partitions_start="1970-01"),
    )
    windows = windows_until(source, now)
    began = time.perf_counter()
    report = import_source(
        source,
        connection=Connection.of(url, "0" * 40),
        warehouse=Warehouse(database),
        staging=Path(database).parent / "staging",
        pull=Pull.WINDOW,
        windows=[type(windows[0])(windows[0].key, None, windows[-1].end)],
    )
    usage = resource.getrusage(resource.RUSAGE_SELF)
    figures = {
        "seconds": time.perf_counter() - began,
        "cpu": usage.ru_utime + usage.ru_stime,
        "rows": report.rows.inserted,
    }
    print(json.dumps(figures))


def main() -> None:
    """Alternate plain and filtered imports and print the medians."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--persons", type=int, default=200_000)
    parser.add_argument("--runs", type=int, default=3)
    chosen = parser.parse_args()
    assert len(LEAVES) == 20
    figures: dict[str, list[dict[str, float]]] = {"plain": [], "filtered": []}
    with account("--persons", chosen.persons) as url, tempfile.TemporaryDirectory() as name:
        for run in range(chosen.runs):
            for how, done in figures.items():
                folder = Path(name) / f"{how}-{run}"
                folder.mkdir()
                done.append(_measured(url, folder, how))
                assert done[-1]["rows"] == chosen.persons
    print("| import | seconds | CPU seconds |\n|---|---|---|")
    medians = {
        how: {of: statistics.median(one[of] for one in done) for of in ("seconds", "cpu")}
        for how, done in figures.items()
    }
    for how, median in medians.items():
        print(f"| {chosen.persons:,} persons, {how} | {median['seconds']:.2f} | {median['cpu']:.2f} |")
    added = {of: medians["filtered"][of] / medians["plain"][of] - 1 for of in ("seconds", "cpu")}
    print(f"| the filter of 20 leaves adds | {added['seconds']:.1%} | {added['cpu']:.1%} |")


def _measured(url: str, folder: Path, how: str) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.filters", url, str(folder / "w.duckdb"), how]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


if __name__ == "__main__":
    if len(sys.argv) == 4 and sys.argv[3] in ("plain", "filtered"):
        one_import(*sys.argv[1:])
    else:
        main()

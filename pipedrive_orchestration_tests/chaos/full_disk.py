"""Imports onto a disk that is full: ``unshare -rm python -m pipedrive_orchestration_tests.chaos.full_disk``.

Makes a small file system of its own, which only this process sees and which is gone with it. Prints as JSON
how the imports ended that found it full, and how the table differed after the one that found room again.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipedrive_orchestration.demo import Settings, running_demo
from pipedrive_orchestration.importing import StagingError
from pipedrive_orchestration.warehouse import WarehouseError
from pipedrive_orchestration_tests.chaos.enduring import left_in_staging
from pipedrive_orchestration_tests.exactness.churn import Churn
from pipedrive_orchestration_tests.exactness.trial import Trial

MEGABYTE = 2**20


@contextmanager
def full(disk: Path, left: int) -> Iterator[None]:
    """Fills a disk, up to so many bytes, as long as the block lasts."""
    ballast = disk / "ballast"
    statistics = subprocess.run(
        ["df", "--output=avail", "-B1", disk], capture_output=True, text=True, check=True
    )
    available = int(statistics.stdout.split()[-1])
    ballast.write_bytes(b"x" * max(0, available - left))
    try:
        yield
    finally:
        ballast.unlink()


def attempt(trial: Trial, source: Any, pull: str) -> str:
    """How a pull ends: its error, or nothing."""
    try:
        (trial.windows if pull == "windows" else trial.changes)(source)
    except (StagingError, WarehouseError) as error:
        return f"{type(error).__name__}: {error}"
    return ""


def story(disk: Path, elsewhere: Path, left: int, *, staging: bool) -> dict[str, Any]:
    """An import before, one that finds the disk full, and one after."""
    with running_demo(Settings(scale=0.01, burst=0)) as demo:
        trial = Trial(demo, elsewhere if staging else disk)
        trial.staging = (disk if staging else elsewhere) / "staging"
        source = trial.source("deals")
        churn = Churn(demo, seed=1)
        errors = []
        trial.windows(source)
        for pull in ("windows", "changes"):
            churn.steps(60)
            with full(disk, left):
                errors.append(attempt(trial, source, pull))
        statuses = [status for (status,) in trial.ask("SELECT status FROM import_ledger.imports")]
        trial.windows(source)
        trial.changes(source)
        return {
            "errors": errors,
            "statuses": statuses,
            "differences": trial.differences(source),
            "left": left_in_staging(trial),
        }


def main(folder: Path) -> None:
    """Both stories."""
    stories = {}
    for name, left in (("staging", 30_000), ("merging", 0)):
        disk, elsewhere = folder / name / "disk", folder / name / "elsewhere"
        disk.mkdir(parents=True)
        elsewhere.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={48 * MEGABYTE}", "tmpfs", disk], check=True)
        stories[name] = story(disk, elsewhere, left, staging=name == "staging")
    print(json.dumps(stories))  # noqa: T201 - what the test reads


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""Dagster instances for tests in which no Dagster runs."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import dagster as dg


@contextmanager
def dagster_instance() -> Iterator[dg.DagsterInstance]:
    """An instance of its own, as `dagster.instance_for_test` gives it.

    Its databases are copies of empty ones, because to make them takes six times as long.
    """
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        shutil.copytree(_empty(), folder, dirs_exist_ok=True)
        with dg.instance_for_test(temp_dir=folder) as instance:
            yield instance


@cache
def _empty() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="dagster-instance-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    with dg.instance_for_test(temp_dir=str(folder)):
        pass
    return folder

"""A fresh copy of what a user clones, without code: configuration, workspace and template project."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipedrive_orchestration.demo import Account, Settings, running_demo

REPOSITORY = Path(__file__).parents[2]
COMMAND = Path(sys.executable).with_name("pipedrive-orchestration")
SCALE = "0.02"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for name in ("dagster.yaml", "workspace.yaml"):
        shutil.copy(REPOSITORY / name, tmp_path)
    shutil.copytree(
        REPOSITORY / "project", tmp_path / "project", ignore=shutil.ignore_patterns(".first_seen.json*")
    )
    return tmp_path


def clean_environment() -> dict[str, str]:
    """The environment of a user who has set nothing of ours."""
    return {
        name: value for name, value in os.environ.items() if not name.startswith(("PIPEDRIVE_", "DAGSTER_"))
    }


@contextmanager
def demo_account_of(checkout: Path) -> Iterator[Account]:
    """The demo account as the last command left it, from its journal."""
    journal = checkout / "data" / "demo" / "account.jsonl"
    with running_demo(Settings(scale=float(SCALE), journal=journal)) as server:
        yield server.account

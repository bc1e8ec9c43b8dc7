"""Sources, an instance and the resources of a demo account."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import time_machine

from pipedrive_orchestration.demo import DemoServer
from pipedrive_orchestration.orchestration import PipedriveResource, WarehouseResource
from pipedrive_orchestration.sources import Source
from pipedrive_orchestration_tests.clocks import PRESENT
from pipedrive_orchestration_tests.instances import dagster_instance

MakeSource = Callable[..., Source]


def source(**changes: Any) -> Source:
    """A valid source of 2026, whose windows begin with 2024-10; the time of its tests is the year's end."""
    body: dict[str, Any] = {
        "name": "All deals",
        "object_type": "deals",
        "properties": ["id", "title", "value", "status", "add_time"],
        "pull_mode": "active",
        "schedule": "*/15 * * * *",
        "slug": "all_deals",
        "id": "50f2de20-c9dc-5dbb-b41b-2cff29c164f0",
        "created_at": "2026-10-20T12:00:00Z",
    }
    return Source.parse(body | changes)


def new_source(**changes: Any) -> Source:
    """That source, but created at `PRESENT`; it has 25 windows."""
    return source(**{"created_at": PRESENT} | changes)


def young_source(**changes: Any) -> Source:
    """The same with two windows or three, since Dagster takes longer over each than it takes to be read."""
    return new_source(**{"options": {"partitions_start": f"{PRESENT - timedelta(days=45):%Y-%m}"}} | changes)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dagster_instance() as instance:
        yield instance


@pytest.fixture
def from_the_present() -> Iterator[None]:
    """Lets a test begin at `PRESENT`, since which a month may have ended, or be about to end."""
    with time_machine.travel(PRESENT):
        time.time()  # from which on it ticks
        yield


@pytest.fixture
def resources(demo: DemoServer, tmp_path: Path) -> dict[str, Any]:
    return {
        "pipedrive": PipedriveResource(url=demo.url, token=demo.token),
        "warehouse": WarehouseResource(database=str(tmp_path / "warehouse.duckdb")),
    }

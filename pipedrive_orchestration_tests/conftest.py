"""Demo accounts for all tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from pipedrive_orchestration.demo import DemoServer, Settings, running_demo

SMALL = 0.02

FreshDemo = Callable[..., DemoServer]


@pytest.fixture(scope="session")
def demo() -> Iterator[DemoServer]:
    """A small account without limits, shared by all tests of a process: read it, do not change it."""
    with running_demo(Settings(scale=SMALL, burst=0)) as server:
        yield server


@pytest.fixture
def fresh_demo() -> Iterator[FreshDemo]:
    """Starts accounts for one test alone: ``fresh_demo(daily_tokens=500)`` takes what `Settings` takes.

    Small and without limits unless told otherwise.
    """
    with ExitStack() as running:

        def start(**choices: Any) -> DemoServer:
            settings = Settings(**{"scale": SMALL, "burst": 0} | choices)
            return running.enter_context(running_demo(settings))

        yield start


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begins with what waits most, in two of three processes, so that the third works meanwhile.

    A file stays in one process, for the sake of what its tests share.
    """
    for item in items:
        waits = item.get_closest_marker("slow")
        parted = "dagster" if "orchestration_tests/orchestration" in str(item.path) else "commands"
        item.add_marker(pytest.mark.xdist_group(f"waiting for {parted}" if waits else str(item.path)))
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)

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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begins with what waits most, so that everything else is done meanwhile."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)

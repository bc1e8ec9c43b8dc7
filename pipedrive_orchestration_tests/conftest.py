"""Demo accounts for all tests, and how those are dealt out to processes."""

from __future__ import annotations

import atexit
import gc
import os
import pickle
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from datetime import datetime
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import pytest
from httpx._transports import default as transports
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

from pipedrive_orchestration import settings
from pipedrive_orchestration.demo import DemoServer, Settings, running_demo, server
from pipedrive_orchestration.demo.generator import generate
from pipedrive_orchestration.demo.generator.business import Business
from pipedrive_orchestration.garbage_collection import no_garbage_collection
from pipedrive_orchestration.pipedrive import client
from pipedrive_orchestration.process_exit import register_exit
from pipedrive_orchestration.warehouse import instances
from pipedrive_orchestration_tests.chaos.sizes import FULL
from pipedrive_orchestration_tests.clocks import INSTANT, PRESENT, set_clock

set_clock()

if not FULL:
    # The processes of the tests share few cores, and threads that wait for each other cost more than they do.
    instances.CONFIG["threads"] = 1
    # Their databases hold some hundred rows; each column would fill a usual block of 256 KB with zeros.
    instances.CONFIG["default_block_size"] = 16_384
    # And what is tried again need not wait for an account that recovers.
    client.PAUSE_SECONDS = 0.05

# The tests start dozens of processes, and each of them would compile the same modules again.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# Whoever works with this checkout has an account of their own in it, which is no business of the tests.
_of_a_folder = settings.read_env_file
_CHECKOUT = Path(__file__).parents[1]
settings.read_env_file = lambda file: {} if file.parent == _CHECKOUT else _of_a_folder(file)

# A client reads the certificates of all authorities, though those of the tests talk to this machine alone.
transports.create_ssl_context = cache(transports.create_ssl_context)  # type: ignore[attr-defined]


@lru_cache(maxsize=4)
def _pickled_business(seed: int, scale: float, now: datetime) -> bytes:
    return pickle.dumps(generate(seed, scale, now), protocol=pickle.HIGHEST_PROTOCOL)


def _copied_business(seed: int, scale: float, now: datetime) -> Business:
    with no_garbage_collection():
        made: Business = pickle.loads(_pickled_business(seed, scale, now))
    return made


# The same few accounts are begun with hundreds of times, and to copy one takes a third of making it.
server.generate = _copied_business  # type: ignore[attr-defined]

SMALL = 0.02

FreshDemo = Callable[..., DemoServer]


def account_settings(**choices: Any) -> Settings:
    """A small account without limits whose clock stands at `PRESENT`, unless told otherwise."""
    usual: dict[str, Any] = {"scale": SMALL, "burst": 0, "born": PRESENT, "clock_rate": 0}
    return Settings(**usual | choices)


@pytest.fixture(scope="session")
def demo() -> Iterator[DemoServer]:
    """A small account without limits, shared by all tests of a process: read it, do not change it."""
    with running_demo(account_settings()) as server:
        yield server


@pytest.fixture
def fresh_demo() -> Iterator[FreshDemo]:
    """Starts accounts for one test alone: ``fresh_demo(daily_tokens=500)``; see `account_settings`."""
    with ExitStack() as running:

        def start(**choices: Any) -> DemoServer:
            return running.enter_context(running_demo(account_settings(**choices)))

        yield start


def pytest_sessionstart(session: pytest.Session) -> None:
    """Says by which clock the tests run, and how to run them by it again."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None:
        reporter.write_line(f"The tests' clock begins at {INSTANT}={PRESENT.isoformat()}")


class TestsThatWaitShareProcesses(LoadFileScheduling):  # type: ignore[misc]  # xdist has no types
    """Runs the tests that wait for other processes one after the other, in two processes of ``-n``.

    Meanwhile the rest work on the others. A file stays in one process, for what its tests share.
    """

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.split("::", 1)[0]
        return _what_it_waits_for(file) or file


def _what_it_waits_for(file: str) -> str | None:
    folder = Path(file).parts[-2]
    return {"end_to_end": "commands", "live": "Dagster"}.get(folder)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Spares the processes of the tests the browser, which `make test-ui` alone drives."""
    is_left_out = collection_path.name == "ui" and "not ui" in config.getoption("markexpr")
    return True if is_left_out else None


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> TestsThatWaitShareProcesses:
    """Deals the tests out to the processes of ``-n``."""
    return TestsThatWaitShareProcesses(config, log)


LONG_FIRST = ("live", "end_to_end", "exactness", "orchestration", "models", "writing", "webhooks")
"""Folders with the files that take longest; for one that begins last, all other processes would wait."""


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Spares the processes the search for garbage in what stays until the end: modules and tests."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        atexit.register(gc.unfreeze)
        gc.set_threshold(100_000, 20, 20)
        gc.enable()


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Looks for garbage once, where pytest and Python would look through all there is seven times."""
    gc.collect()
    gc.freeze()
    if hasattr(session.config, "workerinput"):
        register_exit(0)  # one of the processes of -n, of whose exit code nobody asks


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begins with what takes longest."""
    rank = {folder: place for place, folder in enumerate(LONG_FIRST)}
    items.sort(key=lambda item: rank.get(item.path.parent.name, len(rank)))


def pytest_collection_finish() -> None:
    """Makes Dagster's storage quicker where tests use Dagster, and spares the others its import."""
    if "dagster" in sys.modules:
        from pipedrive_orchestration_tests.instances import hasten_storage  # noqa: PLC0415

        hasten_storage()

"""Many clients of the HTTP API at once, while sources are created and imported: none meets an error."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from random import Random

import httpx
import pytest

from pipedrive_orchestration.demo import DemoServer
from pipedrive_orchestration_tests.api.conftest import variables_of
from pipedrive_orchestration_tests.api.hosted_client import PERSONS, HostedClient
from pipedrive_orchestration_tests.api.serving import Api, running_api, write_workflow
from pipedrive_orchestration_tests.api.web_server import WebServer, web_server
from pipedrive_orchestration_tests.chaos.figures import FIGURES
from pipedrive_orchestration_tests.chaos.sizes import CLIENTS, CROWD_SECONDS, SEED
from pipedrive_orchestration_tests.instances import dagster_instance
from pipedrive_orchestration_tests.orchestration.live import wait_for

STAGES = {"object_type": "stages", "properties": ["name", "pipeline_id"]}


@pytest.fixture
def dagster() -> Iterator[WebServer]:
    with web_server() as server:
        yield server


@pytest.fixture
def served(demo: DemoServer, dagster: WebServer, tmp_path: Path) -> Iterator[Api]:
    """An API whose sources are imported by the process that answers."""
    with (
        dagster_instance() as instance,
        running_api(tmp_path, instance, variables_of(demo), keys=None, dagster_url=dagster.url) as api,
    ):
        dagster.runs = lambda slug: api.run_import(api.store.load().find(slug))
        write_workflow(api)
        yield api


def test_no_client_meets_an_error_while_sources_are_created(served: Api, dagster: WebServer) -> None:
    stop, created = threading.Event(), list[str]()
    with ExitStack() as stack:
        clients = [
            HostedClient(stack.enter_context(httpx.Client(base_url=f"{served.url}/api/v1", timeout=120)))
            for _ in range(CLIENTS + 1)
        ]
        first = clients[-1].create(PERSONS, name="First", pull_mode="static")
        total = clients[-1].preview(PERSONS)["metadata"]["total_results"]
        assert len(clients[-1].all_data(first, total, seconds=60)) == total > 0
        few = clients[-1].preview(STAGES)["metadata"]["total_results"]

        def read(number: int) -> int:
            """Calls of one client, until it is told to stop; how many."""
            client, rng = clients[number], Random(SEED + number)
            reads: list[Callable[[], object]] = [
                lambda: client.preview(PERSONS)["metadata"]["total_results"] == total,
                lambda: client.data(first)["total_count"] == total,
                lambda: client.data(rng.choice(created or [first]))["total_count"] in (0, few, total),
                lambda: client.inputs(client.workflows()[0]),
                lambda: client.options("persons"),
            ]
            for calls in itertools.count(1):
                assert reads[calls % len(reads)]()
                if stop.is_set() and calls >= len(reads):
                    return calls
            raise AssertionError

        def create() -> None:
            end = time.monotonic() + CROWD_SECONDS
            try:
                for number in itertools.count():
                    if number >= 2 and time.monotonic() > end:
                        return
                    created.append(clients[-1].create(STAGES, name=f"Created {number}", pull_mode="static"))
                    stop.wait(CROWD_SECONDS / 16)
            finally:
                stop.set()

        with ThreadPoolExecutor(CLIENTS + 1) as pool:
            creating = pool.submit(create)
            reading = [pool.submit(read, number) for number in range(CLIENTS)]
            creating.result()
            FIGURES["calls of clients while sources were created"] += sum(one.result() for one in reading)
        FIGURES["sources created while clients called"] += len(created)
        wait_for("first imports", lambda: len(dagster.launched) == len(created) + 1, seconds=120)
        for source_id in created:
            assert len(clients[-1].all_data(source_id, few, seconds=60)) == few > 0

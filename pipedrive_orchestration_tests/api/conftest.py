"""APIs for one test module and for one test."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from pipedrive_orchestration.demo import DemoServer
from pipedrive_orchestration_tests.api.serving import Api, running_api
from pipedrive_orchestration_tests.instances import dagster_instance

StartApi = Callable[..., Api]


def variables_of(account: DemoServer | None) -> Mapping[str, str]:
    """The environment that names an account."""
    return {"PIPEDRIVE_API_URL": account.url, "PIPEDRIVE_API_TOKEN": account.token} if account else {}


@pytest.fixture(scope="module")
def api(demo: DemoServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """An API on the shared demo account, for the tests of a module: each works on sources of its own."""
    folder = tmp_path_factory.mktemp("api")
    with dagster_instance() as instance, running_api(folder, instance, variables_of(demo)) as api:
        yield api


@pytest.fixture
def start_api(tmp_path: Path) -> Iterator[StartApi]:
    """Starts an API for one test: ``start_api(account, requests_per_minute=3)``."""
    with ExitStack() as running:

        def start(
            account: DemoServer | None = None, *, variables: Mapping[str, str] | None = None, **choices: Any
        ) -> Api:
            instance = running.enter_context(dagster_instance())
            chosen = variables_of(account) if variables is None else variables
            return running.enter_context(running_api(tmp_path, instance, chosen, **choices))

        yield start

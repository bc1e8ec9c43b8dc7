"""An API to be attacked, with keys and without."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from pipedrive_orchestration.demo import DemoServer
from pipedrive_orchestration_tests.api.serving import Api, running_api
from pipedrive_orchestration_tests.instances import dagster_instance
from pipedrive_orchestration_tests.workflows.conftest import people, template, warehouse

__all__ = ["people", "template", "warehouse"]

USER, PASSWORD = "pipedrive", "0123456789" * 4


@pytest.fixture(scope="module")
def instance() -> Iterator[dg.DagsterInstance]:
    with dagster_instance() as instance:
        yield instance


@pytest.fixture(scope="module")
def variables(demo: DemoServer) -> dict[str, str]:
    return {
        "PIPEDRIVE_API_URL": demo.url,
        "PIPEDRIVE_API_TOKEN": demo.token,
        "PIPEDRIVE_WEBHOOK_USER": USER,
        "PIPEDRIVE_WEBHOOK_PASSWORD": PASSWORD,
    }


@pytest.fixture(scope="module")
def api(
    tmp_path_factory: pytest.TempPathFactory, instance: dg.DagsterInstance, variables: dict[str, str]
) -> Iterator[Api]:
    folder: Path = tmp_path_factory.mktemp("api")
    variables = {**variables, "PIPEDRIVE_INBOX": str(folder / "inbox")}
    with running_api(folder, instance, variables) as api:
        yield api


@pytest.fixture(scope="module")
def open_api(
    tmp_path_factory: pytest.TempPathFactory, instance: dg.DagsterInstance, variables: dict[str, str]
) -> Iterator[Api]:
    """The same without keys, as `serve --demo` has it."""
    with running_api(tmp_path_factory.mktemp("open"), instance, variables, keys=None) as api:
        yield api

"""The one Dagster that really runs, for all tests of this folder: it ends with the last of them."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from pipedrive_orchestration.demo import DemoServer, running_demo
from pipedrive_orchestration_tests.conftest import account_settings
from pipedrive_orchestration_tests.orchestration.live import LiveDagster, new_live_dagster, wait_for
from pipedrive_orchestration_tests.orchestration.live_project import LATER, active


@pytest.fixture(scope="package")
def account() -> Iterator[DemoServer]:
    """The account that `dagster` imports from."""
    with running_demo(account_settings(scale=0.05)) as account:
        yield account


@pytest.fixture(scope="package")
def dagster(account: DemoServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveDagster]:
    """A Dagster that really runs; each test works on sources of its own.

    Whatever it has done until then, it ends as `dev` promises: at once, in order, and nothing outlives it.
    """
    live = new_live_dagster(tmp_path_factory.mktemp("live"), account)
    live.start()
    try:
        yield live
        assert live.end() == 0, live.log()[-4000:]
        with pytest.raises(httpx.TransportError):
            live.slugs()
    finally:
        live.stop()


@pytest.fixture(scope="package")
def created(dagster: LiveDagster) -> LiveDagster:
    """With a source that the job of the UI has created, and with the files that were written before it."""
    for slug, body in LATER.items():
        dagster.write(slug, **body)
    dagster.write("broken", **active("personz"))
    assert not dagster.slugs() & LATER.keys()
    run = dagster.launch("create_import_source", active("pipelines", name="All pipelines"))
    assert dagster.wait_for_run(run) == "SUCCESS"
    wait_for("new source", lambda: "all_pipelines" in dagster.slugs(), seconds=60)
    return dagster

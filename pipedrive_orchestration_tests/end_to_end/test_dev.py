"""``dev`` on the demo account, driven as its UI drives it; on an account of one's own: see `live`."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest

from pipedrive_orchestration.demo import Settings
from pipedrive_orchestration.importing import windows_until
from pipedrive_orchestration.services.run_requests import RANGE_END_TAG, RANGE_START_TAG
from pipedrive_orchestration.sources import InMemoryKeyValues, SourceStore
from pipedrive_orchestration.warehouse import Warehouse
from pipedrive_orchestration_tests.chaos.sizes import in_full
from pipedrive_orchestration_tests.cli.secrets_in_files import files_with
from pipedrive_orchestration_tests.end_to_end.conftest import (
    COMMAND,
    SCALE,
    clean_environment,
    demo_account_of,
)
from pipedrive_orchestration_tests.orchestration.live import AS_A_JOB

T = TypeVar("T")
OURS = "pipedrive-orchestration: person"
SELECTOR = {
    "repositoryName": "__repository__",
    "repositoryLocationName": "pipedrive_orchestration",
}
LOCATIONS = """{ workspaceOrError { ... on Workspace { locationEntries { name loadStatus
    locationOrLoadError { __typename ... on PythonError { message } } } } } }"""
SCHEDULES = """query($s: RepositorySelector!) { schedulesOrError(repositorySelector: $s) { ... on Schedules {
    results { name scheduleState { status } } } } }"""
LAUNCH = """mutation($p: ExecutionParams!) { launchPipelineExecution(executionParams: $p) { __typename
    ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""
RUNS = "{ runsOrError { ... on Runs { results { runId status } } } }"
RUN = "query($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"
ASSET = """query($k: AssetKeyInput!) { assetOrError(assetKey: $k) { ... on Asset {
    assetMaterializations(limit: 100) { runId partition metadataEntries { label
        ... on IntMetadataEntry { intValue } ... on TextMetadataEntry { text }
        ... on TableSchemaMetadataEntry { schema { columns { name type description } } }
        ... on MarkdownMetadataEntry { mdStr } } } } } }"""
FINISHED = {"SUCCESS", "FAILURE", "CANCELED"}


NOT_OF_THE_DEMO = """PIPEDRIVE_API_TOKEN=
PIPEDRIVE_API_URL=http://127.0.0.1:9
PIPEDRIVE_WAREHOUSE=./data/of_an_account.duckdb
"""


@dataclass(frozen=True)
class Dev:
    """A running ``dev`` command."""

    process: subprocess.Popen[bytes]
    client: httpx.Client
    folder: Path

    def ask(self, query: str, **variables: Any) -> Any:
        answer = self.client.post("/graphql", json={"query": query, "variables": variables})
        content = answer.json()
        assert "errors" not in content, content
        (data,) = content["data"].values()
        return data

    def wait_until(self, look: Callable[[], T | None], seconds: float) -> T:
        """Look again and again until there is something to see."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.log()
            try:
                seen = look()
            except httpx.TransportError:
                seen = None
            if seen:
                return seen
            time.sleep(0.25)
        raise AssertionError(f"nothing to see after {seconds:.0f} s:\n{self.log()}")

    def log(self) -> str:
        return (self.folder / "dev.log").read_text()


@pytest.fixture
def dev(checkout: Path) -> Iterator[Dev]:
    """The command on one of the template's sources, since Dagster imports and builds everything by itself.

    Its schedule does not tick meanwhile, whatever the time is.

    It runs as a shell's job in the background, beside a file of settings that are not those of the demo.
    """
    (checkout / ".env").write_text(NOT_OF_THE_DEMO)
    for file in (checkout / "project").rglob("*.yaml"):
        if file.stem != "all_persons":
            file.unlink()
    shutil.rmtree(checkout / "project" / "models")
    source = checkout / "project" / "sources" / "all_persons.yaml"
    source.write_text(re.sub(r"(?m)^schedule: .*$", 'schedule: "0 0 1 1 *"', source.read_text()))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with (checkout / "dev.log").open("wb") as log:
        process = subprocess.Popen(
            [*AS_A_JOB, COMMAND, "dev", "--port", str(port), "--scale", SCALE],
            cwd=checkout, env=clean_environment(), stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30, verify=False) as client:
            yield Dev(process, client, checkout)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(timeout=30)


@in_full
def test_a_source_is_imported_without_a_click(dev: Dev) -> None:
    location = dev.wait_until(lambda: loaded_location(dev), seconds=150)
    assert location["locationOrLoadError"]["__typename"] == "RepositoryLocation", location
    schedules = dev.ask(SCHEDULES, s=SELECTOR)["results"]
    assert {schedule["scheduleState"]["status"] for schedule in schedules} == {"RUNNING"}
    assert "all_persons_schedule" in {schedule["name"] for schedule in schedules}

    first = dev.wait_until(lambda: first_ended(dev), seconds=120)
    assert first["status"] == "SUCCESS", dev.log()
    rows = rows_of(dev)
    events = materializations(dev, first["runId"])
    check_metadata(events, len(rows))
    assert sum(figure(event, "rows_inserted") for event in events) == len(rows)

    check_webhooks(dev)
    rows = rows_of(dev)
    stop(dev)
    with demo_account_of(dev.folder) as account:
        assert not any(one["is_active"] for one in account.records("webhooks") if one["name"] == OURS)
        truth = {record["id"] for record in account.records("persons") if not record["is_deleted"]}
    assert rows == truth
    assert "demo --work" in dev.log()
    assert files_with(Settings().token, dev.folder) == set()


@in_full
def test_a_click_on_materialize_becomes_rows(dev: Dev) -> None:
    assert dev.wait_until(lambda: loaded_location(dev), seconds=150)
    # What Dagster does by itself comes first, so that it is not at work beside the click.
    first = dev.wait_until(lambda: first_ended(dev), seconds=120)
    rows = rows_of(dev)
    started = dev.ask(LAUNCH, p=execution_of(dev, "all_persons"))
    assert started["__typename"] == "LaunchRunSuccess", started
    run_id = started["run"]["runId"]
    assert dev.wait_until(lambda: ended(dev, run_id), seconds=120) == "SUCCESS", dev.log()
    events = materializations(dev, run_id)
    check_metadata(events, len(rows))
    # The first import has brought all of them already.
    assert sum(figure(event, "rows_inserted") for event in events) == 0
    assert rows_of(dev) == rows
    assert len(materializations(dev, first["runId"])) == len(events)


def check_webhooks(dev: Dev) -> None:
    """What changes in the account is a row without a pull, and Dagster is told."""
    account = json.loads((dev.folder / "data" / "demo" / "address.json").read_text())
    headers = {"x-api-token": account["token"]}
    made = httpx.post(f"{account['url']}/api/v2/persons", json={"name": "Zoë Live"}, headers=headers)
    person = made.json()["data"]["id"]
    dev.wait_until(lambda: person in rows_of(dev), seconds=60)
    dev.wait_until(lambda: any(not event["runId"] for event in told(dev)), seconds=60)


def rows_of(dev: Dev) -> set[int]:
    """The ids in the table."""
    database = Warehouse(str(dev.folder / "data" / "demo" / "warehouse.duckdb"))
    with database.reading() as connection:
        return {row[0] for row in connection.execute("SELECT _id FROM pipedrive.all_persons").fetchall()}


def materializations(dev: Dev, run_id: str) -> list[dict[str, Any]]:
    """What a run has told of each window, once each."""
    events = [event for event in told(dev) if event["runId"] == run_id]
    assert len({event["partition"] for event in events}) == len(events) == 25
    return events


def told(dev: Dev) -> list[dict[str, Any]]:
    """What Dagster was told of the source."""
    answer = dev.ask(ASSET, k={"path": ["pipedrive", "all_persons"]})
    return list(answer["assetMaterializations"])


def loaded_location(dev: Dev) -> Any:
    (entry,) = dev.ask(LOCATIONS)["locationEntries"] or [None]
    return entry if entry and entry["loadStatus"] == "LOADED" else None


def execution_of(dev: Dev, slug: str) -> dict[str, Any]:
    """All windows of a source in one run, as the UI asks for a range of partitions."""
    source = SourceStore(dev.folder / "project", InMemoryKeyValues()).load().find(slug)
    windows = windows_until(source, datetime.now(UTC))
    tags = [
        {"key": RANGE_START_TAG, "value": windows[0].key},
        {"key": RANGE_END_TAG, "value": windows[-1].key},
    ]
    asset = {"path": ["pipedrive", slug]}
    return {
        "selector": SELECTOR | {"pipelineName": "__ASSET_JOB", "assetSelection": [asset]},
        "runConfigData": {},
        "mode": "default",
        "executionMetadata": {"tags": tags},
    }


def first_ended(dev: Dev) -> dict[str, str] | None:
    """The run that Dagster launched by itself, once it has ended."""
    runs = dev.ask(RUNS)["results"]
    assert len(runs) <= 1
    return runs[0] if runs and runs[0]["status"] in FINISHED else None


def ended(dev: Dev, run_id: str) -> str | None:
    status: str = dev.ask(RUN, id=run_id)["status"]
    return status if status in FINISHED else None


def check_metadata(events: list[dict[str, Any]], rows: int) -> None:
    newest = max(events, key=lambda event: event["partition"])
    metadata = {entry["label"]: entry for entry in newest["metadataEntries"]}
    assert metadata["dagster/row_count"]["intValue"] == rows
    assert metadata["dagster/table_name"]["text"] == "pipedrive.all_persons"
    assert metadata["pull"]["text"] == "window"
    assert sum(figure(event, "rows_read") for event in events) >= rows
    assert sum(figure(event, "tokens") for event in events) >= 20
    columns = {column["name"]: column for column in metadata["dagster/column_schema"]["schema"]["columns"]}
    assert columns["_id"]["type"] == "BIGINT"
    assert columns["emails"]["description"] == "Email (contacts)"
    assert 6 < metadata["preview"]["mdStr"].count("\n") <= 21


def figure(event: dict[str, Any], label: str) -> int:
    return sum(entry["intValue"] for entry in event["metadataEntries"] if entry["label"] == label)


def stop(dev: Dev) -> None:
    """End the command as a service manager does, and see that nothing outlives it."""
    dev.process.send_signal(signal.SIGTERM)
    assert dev.process.wait(timeout=60) == 0, dev.log()
    with pytest.raises(httpx.TransportError):
        dev.client.get("/")

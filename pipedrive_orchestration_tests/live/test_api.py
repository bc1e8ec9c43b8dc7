"""A client that knows nothing, over HTTP, against a running Dagster, a running API and the demo account."""

from __future__ import annotations

import re
import socket
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from pipedrive_orchestration.api.keys import Scope, new_key
from pipedrive_orchestration.demo import DemoServer
from pipedrive_orchestration.warehouse import Warehouse
from pipedrive_orchestration_tests.api.serving import DEALS, STAGES, previewed
from pipedrive_orchestration_tests.chaos.sizes import in_full
from pipedrive_orchestration_tests.end_to_end.conftest import COMMAND
from pipedrive_orchestration_tests.orchestration.live import LiveDagster, wait_for

SECRET, KEY = new_key("client", Scope)
IMPORT = "/sources/import_from_pipedrive"
STOP = """mutation($id: String!) { stopRunningSchedule(id: $id) { __typename
    ... on PythonError { message } } }"""


@contextmanager
def serving(dagster: LiveDagster, dagster_url: str) -> Iterator[tuple[httpx.Client, subprocess.Popen[str]]]:
    """`serve` as a process, and a client of it."""
    environment = {
        **dagster.environment,
        "PIPEDRIVE_API_KEYS": str(KEY),
        "PIPEDRIVE_DAGSTER_URL": dagster_url,
    }
    log = dagster.folder / "access.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            [COMMAND, "serve", "--port", "0"],
            cwd=dagster.folder, env=environment, stdout=output, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
    try:
        with httpx.Client(
            base_url=_address(process),
            headers={"Authorization": f"Bearer {SECRET}"},
            timeout=120,
            verify=False,
        ) as client:
            yield client, process
    finally:
        process.terminate()
        process.wait(timeout=30)
        assert process.stderr
        process.stderr.close()


def _address(process: subprocess.Popen[str]) -> str:
    said = ""
    assert process.stderr
    for line in process.stderr:
        said += line
        found = re.search(r"answers at\s+(http://\S+)", said)
        if found:
            return found[1]
    raise RuntimeError(f"serve ended: {said}")


@pytest.fixture(scope="module")
def client(dagster: LiveDagster) -> Iterator[httpx.Client]:
    with serving(dagster, dagster.url) as (client, _):
        yield client


def data_of(answer: httpx.Response, status: int = 200) -> Any:
    assert answer.status_code == status, answer.text
    return answer.json()["data"]


def test_a_client_that_knows_nothing(client: httpx.Client, dagster: LiveDagster, account: DemoServer) -> None:
    options = data_of(
        client.post(f"{IMPORT}/options/properties", json={"context": {"object_type": "persons"}})
    )
    offered = {option["value"]: option for option in options["options"]}
    body = {
        "name": "People to write to",
        "object_type": "persons",
        "properties": ["name", "first_name", "emails"],
        "properties_metadata": [offered["name"], offered["emails"]],
        "filters": {"conditions": [{"variable": "emails", "condition": "is not empty"}]},
        "pull_mode": "active",
        "schedule": "0 0 1 1 *",
    }
    code_servers = dagster.code_servers()
    preview = data_of(client.post(f"{IMPORT}/preview", json=previewed(body)))
    expected = preview["metadata"]["total_results"]
    assert expected > 0
    assert "capped" not in preview["metadata"]

    created = data_of(client.post(IMPORT, json=body), 201)
    assert "warning" not in created
    path = f"/sources/{created['source_instance_id']}"
    wait_for("source", lambda: "people_to_write_to" in dagster.slugs(), seconds=60)

    def imported() -> Any:
        page = data_of(client.get(f"{path}/data", params={"page_size": 200, "format": "flat"}))
        return page if page["total_count"] == expected else None

    page = wait_for("rows", imported, seconds=120)
    assert len({row["name"] for row in page["rows"]}) > 1
    wait_for("end of the import", lambda: not data_of(client.get(path))["is_importing"], seconds=60)
    runs = dagster.runs(**{"pipedrive/initial_import": created["source_instance_id"]})
    # The sensor may have launched the first import as well; whichever run came second had nothing to do.
    assert {run["status"] for run in runs} == {"SUCCESS"}
    with Warehouse(str(dagster.warehouse)).reading() as connection:
        imports = "SELECT count(*) FROM import_ledger.imports WHERE source = 'people_to_write_to'"
        assert connection.execute(imports).fetchone() == (1,)

    (workflow,) = [one for one in data_of(client.get("/workflows")) if one["slug"] == "outreach"]
    (sheet,) = workflow["sheets"]
    inputs = data_of(client.get(f"/workflows/{workflow['workflow_id']}/sheets/{sheet['sheet_id']}/inputs"))
    references = {item["name"]: item["reference"] for item in inputs["inputs"]}
    mapping = {references["email"]: "emails", references["first_name"]: "first_name"}
    asked = {"workflow_id": workflow["workflow_id"], "field_mapping": mapping}
    synced = data_of(client.post(f"{path}/sync", json=asked))
    assert synced["state"] == "synced"
    assert synced["rows"] + synced["rejected"] == expected
    assert "warning" not in synced

    def switch(status: str) -> Any:
        return data_of(client.patch(f"{path}/status", json={"status": status}))

    schedule = "people_to_write_to_schedule"
    assert switch("paused")["status"] == "paused"
    assert dagster.schedule(schedule)["status"] == "STOPPED"
    assert switch("active")["status"] == "active"
    assert dagster.schedule(schedule)["status"] == "RUNNING"
    dagster.ask(STOP, id=dagster.schedule(schedule)["id"])
    assert data_of(client.get(path))["status"] == "paused"

    assert "warning" not in data_of(client.delete(path))
    wait_for("end of the source", lambda: "people_to_write_to" not in dagster.slugs(), seconds=60)
    assert data_of(client.get(path))["status"] == "deleted"
    assert data_of(client.get(f"{path}/data"))["total_count"] == expected
    assert dagster.code_servers() == code_servers, "they show what has changed without a start"


@in_full
def test_two_clients_that_create_at_once_both_see_their_sources(
    client: httpx.Client, dagster: LiveDagster
) -> None:
    with ThreadPoolExecutor(2) as clients:
        created = list(clients.map(lambda _: data_of(client.post(IMPORT, json=STAGES), 201), range(2)))

    def states_of_both() -> list[Any]:
        return [data_of(client.get(f"/sources/{one['source_instance_id']}")) for one in created]

    def completed() -> bool:
        states = states_of_both()
        return all(state["status"] == "completed" and state["row_count"] > 0 for state in states)

    wait_for("both imports", completed, seconds=120)
    slugs = {state["slug"] for state in states_of_both()}
    assert len(slugs) == 2
    assert slugs <= dagster.slugs()


@in_full
def test_a_process_killed_between_the_file_and_the_reload_leaves_a_source_that_is_imported(
    dagster: LiveDagster,
) -> None:
    with socket.socket() as silent:
        # It accepts connections and never answers, so the reload goes on for ever.
        silent.bind(("127.0.0.1", 0))
        refused = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with serving(dagster, refused) as (client, process):
            silent.listen()
            data_of(client.post(IMPORT, json=DEALS), 201)
            assert (dagster.project / "sources" / "open_deals.yaml").exists()
            process.kill()
    assert "open_deals" not in dagster.slugs()

    with serving(dagster, dagster.url) as (client, _):
        assert "open_deals" in dagster.slugs()
        (found,) = [one for one in data_of(client.get("/sources")) if one["slug"] == "open_deals"]
        path = f"/sources/{found['source_instance_id']}"
        wait_for("first import", lambda: data_of(client.get(path))["row_count"], seconds=120)


def test_the_access_log_of_the_process_holds_no_secret(
    client: httpx.Client, dagster: LiveDagster, account: DemoServer
) -> None:
    data_of(client.get("/workflows"))
    log = dagster.folder / "access.log"
    wait_for("logged call", lambda: '"path":"/api/v1/workflows"' in log.read_text())
    text = log.read_text()
    for secret in (SECRET, KEY.digest.hex(), account.token):
        assert secret not in text

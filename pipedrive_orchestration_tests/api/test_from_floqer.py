"""docs/from-floqer.md, word for word, and a client that was written from it alone."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from shutil import copytree, which
from typing import Any

import httpx
import pytest

from pipedrive_orchestration.demo import DemoServer
from pipedrive_orchestration_tests.api.conftest import variables_of
from pipedrive_orchestration_tests.api.hosted_client import PERSONS, HostedClient
from pipedrive_orchestration_tests.api.serving import Api, running_api
from pipedrive_orchestration_tests.api.web_server import web_server
from pipedrive_orchestration_tests.instances import dagster_instance

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "from-floqer.md"

SAID = {"status", "state", "error", "field", "code", "message", "reference", "type"}
"""Keys of answers whose values the page shows as they are; of others it shows an example."""


@pytest.fixture(scope="module")
def served(demo: DemoServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """An API without keys, as `serve --demo` is one, on the template's workflow; imports run at once."""
    folder = tmp_path_factory.mktemp("from_floqer")
    copytree(ROOT / "project" / "workflows", folder / "project" / "workflows")
    outreach = folder / "project" / "workflows" / "outreach.yaml"
    outreach.write_text(re.sub(r"(?s)syncs:.*?(?=actions:)", "", outreach.read_text()))
    with (
        dagster_instance() as instance,
        web_server() as dagster,
        running_api(folder, instance, variables_of(demo), keys=None, dagster_url=dagster.url) as api,
    ):
        dagster.runs = lambda slug: api.run_import(api.store.load().find(slug))
        yield api


class Step:
    """A block of commands of the page, with what it shows as their output."""

    def __init__(self, commands: str, output: str) -> None:
        self.commands = commands
        self.shown = output.splitlines()


def steps() -> list[Step]:
    """The blocks of the page, in their order."""
    blocks = re.findall(r"```sh\n(.*?)```(?:\s*```\n(.*?)```)?", PAGE.read_text(), re.DOTALL)
    return [Step(*block) for block in blocks]


def form(value: Any, key: str = "") -> Any:
    """What of an output is the same at every run."""
    if isinstance(value, dict):
        return {inner: form(content, inner) for inner, content in value.items()}
    if isinstance(value, list):
        return [form(content) for content in value[:1]]
    return value if key in SAID else type(value).__name__


@pytest.mark.skipif(not (which("curl") and which("jq")), reason="the page is made of curl and jq")
def test_the_page_runs_as_it_is_written(served: Api, tmp_path: Path) -> None:
    page = steps()
    assert len(page) == len(re.findall("```sh", PAGE.read_text())) > 8
    script = "set -e -o pipefail\n" + "".join(
        f"{step.commands}\necho '=== end of {number}'\n" for number, step in enumerate(page)
    )
    done = subprocess.run(
        ["bash", "-c", script.replace("http://127.0.0.1:8000", served.url)],
        cwd=tmp_path, env=os.environ | {"CURL_HOME": str(tmp_path)}, capture_output=True, text=True,
        timeout=120, check=False,
    )  # fmt: skip
    outputs = re.split(r"=== end of \d+\n", done.stdout)
    for step, output in zip(page, outputs, strict=False):
        told = [form(json.loads(line)) for line in output.splitlines()]
        assert told == [form(json.loads(line)) for line in step.shown], f"{step.commands}{done.stderr}"
    assert done.returncode == 0, done.stderr
    written = {name: json.loads((tmp_path / name).read_text()) for name in ("answer.json", "data.json")}
    total = written["answer.json"]["data"]["metadata"]["total_results"]
    assert written["data.json"]["data"]["total_count"] == total > 0


def test_a_client_that_knows_the_page_alone(served: Api) -> None:
    with httpx.Client(base_url=f"{served.url}/api/v1", timeout=60, verify=False) as http:
        client = HostedClient(http)
        options = client.options("persons")
        assert {option["value"] for option in options} >= set(PERSONS["properties"])
        body = PERSONS | {"properties_metadata": options}
        preview = client.preview(body)
        total = preview["metadata"]["total_results"]
        source_id = client.create(body, name="Client's", pull_mode="active", schedule="0 12 * * *")
        rows = client.all_data(source_id, total, seconds=60)
        assert len(rows) == total > 0
        assert {key for row in rows for key in row} == set(PERSONS["properties"])
        assert {row["email"]["label"] for row in rows} == {"Email"}
        # Two persons may have one name.
        names = {(row["name"]["value"], row["org_name"]["value"]) for row in rows}
        shown = {(row["name"]["value"], row["org_name"]["value"]) for row in preview["data"]}
        assert shown <= names
        # A workflow's text has no blanks at its ends.
        firms = {firm.strip() for _, firm in names if firm}
        assert firms

        (workflow,) = client.workflows()
        references = client.inputs(workflow)
        mapping = {references["email"]: "email", references["first_name"]: "first_name",
                   references["phone"]: "org_name"}  # fmt: skip
        synced = client.sync(source_id, workflow, mapping)
        assert synced["state"] == "synced"
        assert synced["rows"] + synced["rejected"] == total
        assert client.sync(source_id, workflow, mapping)["inserted"] == 0
        with served.context.warehouse.reading() as connection:
            companies = connection.execute(
                "SELECT DISTINCT phone FROM workflows.outreach WHERE _sync_id = ? AND phone IS NOT NULL",
                [synced["sync_id"]],
            ).fetchall()
        assert {company for (company,) in companies} <= firms
        assert companies
        assert [client.set_status(source_id, status) for status in ("paused", "active")] == [
            "paused",
            "active",
        ]

"""``object-type``: a collection that a file describes, from a trial to what API and Launchpad take."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import dagster as dg
import httpx
import pytest
import yaml

from pipedrive_orchestration.api.app import create_app
from pipedrive_orchestration.api.dependencies import ApiContext
from pipedrive_orchestration.demo import DemoServer
from pipedrive_orchestration.orchestration.project_definitions import build_definitions
from pipedrive_orchestration.pipedrive.catalogue import BUILT_IN
from pipedrive_orchestration.services.deployment import Deployment
from pipedrive_orchestration.settings import Settings
from pipedrive_orchestration.sources import InMemoryKeyValues, SourceStore
from pipedrive_orchestration.warehouse import Warehouse
from pipedrive_orchestration_tests.cli.conftest import Project
from pipedrive_orchestration_tests.conftest import FreshDemo

FILE = "# What can be agreed on.\npath: /api/v2/boards\ntokens: 10\npaging: none\n"
BODY = {
    "name": "Boards",
    "object_type": "our_boards",
    "properties": ["name", "order_nr"],
    "pull_mode": "static",
}


@pytest.fixture
def account(project: Project, fresh_demo: FreshDemo) -> DemoServer:
    server = fresh_demo(scale=0.005)
    project.connect_to(server)
    return server


def describe(project: Project, text: str = FILE, name: str = "our_boards") -> Path:
    folder = project.folder / "project" / "object_types"
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}.yaml"
    path.write_text(text)
    return path


def test_a_trial_proposes_properties_and_writes_them_on_request(
    project: Project, account: DemoServer
) -> None:
    path = describe(project)
    shown = project.run("object-type", "try", "our_boards")
    assert shown.code == 0
    assert "records read, for 10 tokens; 5 properties are new" in shown.out
    assert path.read_text() == FILE
    assert project.run("object-type", "try", "our_boards", "--write").code == 0
    assert path.read_text().startswith(FILE)
    assert yaml.safe_load(path.read_text())["properties"] == {
        "id": "int", "name": "varchar", "order_nr": "int", "add_time": "datetime", "update_time": "datetime",
    }  # fmt: skip
    told = json.loads(project.run("object-type", "try", "our_boards", "--json").out)
    assert told["new"] == []
    assert told["tokens"] == 10
    # The type of a property that is in the file stays as somebody wrote it.
    path.write_text(
        path.read_text().replace("order_nr: int", "order_nr: double").replace("  name: varchar\n", "")
    )
    project.run("object-type", "try", "our_boards", "--write")
    properties = yaml.safe_load(path.read_text())["properties"]
    assert (properties["order_nr"], properties["name"]) == ("double", "varchar")


def test_what_is_wrong_is_said(project: Project, account: DemoServer) -> None:
    missing = project.run("object-type", "try", "nothing")
    assert missing.code == 2
    assert "object_types/nothing.yaml: write one with `path` and `tokens`." in "".join(
        missing.err.split("\n")
    )
    describe(project, "path: boards\n")
    bad = project.run("object-type", "try", "our_boards")
    assert bad.code == 2
    assert "`boards` is not a path of a list" in bad.err
    assert "tokens: This field is required." in bad.err
    describe(project, FILE.replace("boards", "bords"))
    refused = project.run("object-type", "try", "our_boards")
    assert refused.code == 1
    assert "/api/v2/bords" in refused.err


def test_every_door_takes_it(project: Project, account: DemoServer) -> None:
    describe(project, FILE + "properties: {id: int, name: varchar, order_nr: int}\n")
    boards = len(account.account.records("boards"))
    options = json.loads(project.run("options", "our_boards", "--json").out)
    assert {"name", "order_nr"} <= {one["value"] for one in options}
    draft = project.folder / "draft.yaml"
    draft.write_text(yaml.safe_dump(BODY))
    assert json.loads(project.run("preview", str(draft), "--json").out)["total_results"] == boards
    project.write("boards", BODY)
    assert project.run("check").code == 0
    project.bring("boards", account)
    assert len(project.current("boards")) == boards

    store = SourceStore(project.folder / "project", InMemoryKeyValues())
    settings = Settings.read()
    with dg.DagsterInstance.ephemeral() as instance:
        context = ApiContext(Deployment(store, instance), Warehouse.from_settings(settings), settings, None)
        page, options, preview = asyncio.run(called(context))
    named = page["components"]["schemas"]["SourceBody"]["properties"]["object_type"]["enum"]
    assert named == [*BUILT_IN, "our_boards"]
    assert {"name", "order_nr"} <= {one["value"] for one in options["data"]["options"]}
    assert preview["data"]["metadata"]["total_results"] == boards

    # Another project of the process does not have it, whichever is loaded first.
    other = SourceStore(project.folder / "other", InMemoryKeyValues()).load()
    elsewhere = build_definitions(other).get_repository_def().get_job("create_import_source")
    with pytest.raises(dg.DagsterInvalidConfigError):
        dg.validate_run_config(elsewhere, BODY)
    repository = build_definitions(store.load()).get_repository_def()
    create = repository.get_job("create_import_source")
    assert dg.validate_run_config(create, BODY)
    asked = {"context": {"object_type": "our_boards"}}
    assert dg.validate_run_config(repository.get_job("resolve_property_options"), asked)
    with pytest.raises(dg.DagsterInvalidConfigError):
        dg.validate_run_config(create, BODY | {"object_type": "their_boards"})


async def called(context: ApiContext) -> tuple[Any, Any, Any]:
    """The OpenAPI page, the options and a preview of the own object type."""
    path = "/api/v1/sources/import_from_pipedrive"
    body = {key: BODY[key] for key in ("object_type", "properties")}
    transport = httpx.ASGITransport(create_app(context))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        page = await client.get("/api/v1/openapi.json")
        options = await client.post(
            f"{path}/options/properties", json={"context": {"object_type": "our_boards"}}
        )
        preview = await client.post(f"{path}/preview", json=body)
    return page.json(), options.json(), preview.json()

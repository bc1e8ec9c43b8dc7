"""The calls of a hosted product's description in ../shared, sections 2 to 8, as they stand there."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from pipedrive_orchestration.demo import DemoServer
from pipedrive_orchestration_tests.api.conftest import StartApi, variables_of
from pipedrive_orchestration_tests.api.serving import Api, running_api
from pipedrive_orchestration_tests.api.test_order_of_checks import problems, refused
from pipedrive_orchestration_tests.api.web_server import WebServer, web_server
from pipedrive_orchestration_tests.instances import dagster_instance
from pipedrive_orchestration_tests.orchestration.live import wait_for

DOCUMENT = Path(__file__).parents[3] / "shared" / "documents" / "000_e1646ad17f8612e1.txt"
WRITTEN_ON = datetime(2026, 6, 2, tzinfo=UTC)

SOURCE = "/sources/import_from_pipedrive"
OPTIONS: dict[str, Any] = {"context": {"object_type": "persons"}}
PREVIEW: dict[str, Any] = {"object_type": "persons", "properties": ["name", "email", "org_name"]}
CREATE_ONLY: dict[str, Any] = {
    "name": "People",
    "pull_mode": "active",
    "schedule": "0 12 * * *",
    "expiration_date": "2027-01-01",
    "pull_existing": True,
}
FIELD_MAPPING = {"input.email": "email", "input.name": "name"}
CONTACTS = "name: Contacts\ninputs: [{name: email, type: email}, {name: name, type: string}]\n"


@pytest.fixture(scope="module")
def dagster() -> Iterator[WebServer]:
    with web_server() as server:
        yield server


@pytest.fixture(scope="module")
def served(demo: DemoServer, dagster: WebServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """An API on the day of the document, with a workflow; imports run at once."""
    folder = tmp_path_factory.mktemp("document")
    (folder / "project" / "workflows").mkdir(parents=True)
    (folder / "project" / "workflows" / "contacts.yaml").write_text(CONTACTS)
    with (
        dagster_instance() as instance,
        running_api(
            folder, instance, variables_of(demo), dagster_url=dagster.url, clock=lambda: WRITTEN_ON
        ) as api,
    ):
        dagster.runs = lambda slug: api.run_import(api.store.load().find(slug))
        yield api


def body_without_end() -> dict[str, Any]:
    """A body whose schedule goes on, on whatever day this runs."""
    return PREVIEW | {key: value for key, value in CREATE_ONLY.items() if key != "expiration_date"}


def data_of(answer: httpx.Response, status: int = 200) -> Any:
    assert answer.status_code == status, answer.text
    assert answer.json()["status"] == status
    return answer.json()["data"]


@pytest.mark.skipif(not DOCUMENT.exists(), reason="the document is not beside this checkout")
def test_the_bodies_are_those_of_the_document() -> None:
    text = re.sub(r"\s", "", DOCUMENT.read_text())
    parts = [
        {"context": OPTIONS["context"]}, {"object_type": PREVIEW["object_type"]},
        {"properties": PREVIEW["properties"]}, {"schedule": CREATE_ONLY["schedule"]},
        {"expiration_date": CREATE_ONLY["expiration_date"]},
        {"pull_existing": CREATE_ONLY["pull_existing"]},
        {"field_mapping": FIELD_MAPPING}, {"push_existing": True}, {"run": "all"},
    ]  # fmt: skip
    for part in parts:
        assert re.sub(r"\s", "", json.dumps(part)[1:-1]) in text, part


def test_section_6_options_are_values_labels_and_extras_and_are_metadata_as_they_are(served: Api) -> None:
    options = data_of(served.post(f"{SOURCE}/options/properties", json=OPTIONS))["options"]
    assert all(option.keys() == {"value", "label", "extras"} for option in options)
    assert {option["value"] for option in options} >= {"name", "email", "org_name"}
    assert problems(served.post(f"{SOURCE}/options/properties", json={"context": {}}))
    for metadata in (options, [{"name": "name", "label": "Who", "field_type": "varchar"}]):
        shown = data_of(served.post(f"{SOURCE}/preview", json=PREVIEW | {"properties_metadata": metadata}))
        assert {row["name"]["label"] for row in shown["data"]} == {"Name" if metadata is options else "Who"}


@pytest.mark.parametrize("object_type", ["persons", "organizations", "deals"])
def test_section_4_the_three_object_types(served: Api, object_type: str) -> None:
    options = data_of(
        served.post(f"{SOURCE}/options/properties", json={"context": {"object_type": object_type}})
    )
    properties = [option["value"] for option in options["options"]]
    body = {"object_type": object_type, "properties": properties}
    shown = data_of(served.post(f"{SOURCE}/preview", json=body))
    assert 0 < len(shown["data"]) <= 100
    assert all(row.keys() == set(properties) for row in shown["data"])


def test_section_5_a_filter_of_groups_and_leaves_with_every_key(served: Api) -> None:
    def total(filters: Any) -> int:
        answer = served.post(f"{SOURCE}/preview", json=PREVIEW | {"filters": filters})
        return int(data_of(answer)["metadata"]["total_results"])

    def leaf(value: str, **more: Any) -> dict[str, Any]:
        return {
            "variable": "name",
            "condition": "contains",
            "variable_type": "string",
            "values": [value],
        } | more

    everything = int(data_of(served.post(f"{SOURCE}/preview", json=PREVIEW))["metadata"]["total_results"])
    a, e = (total({"conditions": [{"conditions": [leaf(letter)]}]}) for letter in "ae")
    both = {"operator": "AND", "conditions": [leaf("a"), leaf("e")]}
    either = {"operator": "OR", "conditions": [leaf("a"), leaf("e")]}
    neither = {
        "conditions": [leaf("a", condition="does not contain"), leaf("e", condition="does not contain")]
    }
    assert total({"conditions": [both]}) + total({"conditions": [either]}) == a + e
    assert total({"operator": "OR", "conditions": [either, neither]}) == everything
    assert total({"operator": "AND", "conditions": [either, neither]}) == 0
    assert total({"conditions": [{"conditions": [leaf("A", case_sensitive=True)]}]}) < a
    alone = {"variable": "name", "operator": "contains", "values": ["a"]}
    assert total({"conditions": [{"conditions": [alone]}]}) == a
    assert total({}) == everything
    company = {"variable": "org_name", "condition": "is not empty"}
    assert 0 < total({"conditions": [{"conditions": [company]}]}) < everything


def test_sections_2_and_3_what_create_takes_beside_a_preview(served: Api) -> None:
    def wrong(body: dict[str, Any]) -> set[str]:
        return {field for field, _ in problems(served.post(SOURCE, json=body))}

    whole = PREVIEW | CREATE_ONLY
    for field in ("object_type", "properties", "name", "pull_mode", "schedule"):
        assert wrong({key: value for key, value in whole.items() if key != field}) == {field}
    assert wrong(whole | {"propertys": []}) == {"propertys"}
    assert wrong(whole | {"expiration_date": "1 January 2027"}) == {"expiration_date"}
    assert wrong(whole | {"pull_mode": "once"}) == {"pull_mode"}
    created_alone = {field for field, _ in problems(served.post(f"{SOURCE}/preview", json=whole))}
    assert created_alone == set(CREATE_ONLY)
    # Otherwise it is ignored.
    data_of(served.post(SOURCE, json=whole | {"pull_mode": "static", "schedule": "whenever"}), 201)


def test_section_7_from_the_catalogue_to_the_workflow(served: Api) -> None:
    metadata = data_of(served.post(f"{SOURCE}/options/properties", json=OPTIONS))["options"]
    body = PREVIEW | {"properties_metadata": metadata}
    known = len(served.store.load().sources)
    preview = data_of(served.post(f"{SOURCE}/preview", json=body))
    total = preview["metadata"]["total_results"]
    assert 0 < len(preview["data"]) <= total
    assert len(served.store.load().sources) == known

    created = data_of(served.post(SOURCE, json=body | CREATE_ONLY), 201)
    assert created.keys() == {"source_instance_id", "name", "created_at"}
    source = f"/sources/{UUID(created['source_instance_id'])}"

    def page() -> Any:
        found = data_of(served.get(f"{source}/data?page_no=1&page_size=20"))
        return found if found["total_count"] == total else None

    found = wait_for("rows", page, seconds=60, pause=0.05)
    assert all(row.keys() == set(PREVIEW["properties"]) for row in found["rows"])
    usual = data_of(served.get(f"{source}/data"))
    assert (usual["page_no"], usual["page_size"]) == (1, 20)
    assert len(data_of(served.get(f"{source}/data?page_size=200"))["rows"]) == min(200, total)
    assert problems(served.get(f"{source}/data?page_size=201"))

    (workflow,) = data_of(served.get("/workflows"))
    (sheet,) = workflow["sheets"]
    path = f"/workflows/{workflow['workflow_id']}/sheets/{sheet['sheet_id']}/inputs"
    inputs = data_of(served.get(path))["inputs"]
    assert {one["reference"] for one in inputs} == {"{{input.email}}", "{{input.name}}"}
    body = {"workflow_id": workflow["workflow_id"], "field_mapping": FIELD_MAPPING}
    synced = data_of(served.post(f"{source}/sync", json=body | {"push_existing": True, "run": "all"}))
    assert synced["rows"] + synced["rejected"] == total
    ongoing = data_of(served.post(SOURCE, json=body_without_end()), 201)["source_instance_id"]
    for status in ("paused", "active"):
        answer = served.call("PATCH", f"/sources/{ongoing}/status", json={"status": status})
        assert data_of(answer)["status"] == status


def test_section_8_what_goes_wrong(served: Api, start_api: StartApi) -> None:
    for path, more in ((SOURCE, CREATE_ONLY), (f"{SOURCE}/preview", {})):
        unknown = PREVIEW | {"properties": ["name", "shoe_size"]} | more
        assert problems(served.post(path, json=unknown)) == {("properties[1]", "unknown_property")}
    dear = body_without_end() | {"options": {"max_tokens": 1}}
    held = refused(served.post(SOURCE, json=dear), 402)["data"]
    shown = data_of(served.get(f"/sources/{held['source_instance_id']}"))
    assert shown["status"] == "paused_out_of_credits"
    apart = start_api()
    for path, body in ((SOURCE, PREVIEW | CREATE_ONLY), (f"{SOURCE}/preview", PREVIEW),
                       (f"{SOURCE}/options/properties", OPTIONS)):  # fmt: skip
        assert refused(apart.post(path, json=body), 424)["message"] == "User is not connected to 'pipedrive'."

"""Workflows and their inputs, and syncing a source to one."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import pytest

from pipedrive_orchestration.sources import Source
from pipedrive_orchestration.workflows import Workflow, WorkflowStore
from pipedrive_orchestration_tests.api.serving import STAGES, Api, write_workflow
from pipedrive_orchestration_tests.api.test_order_of_checks import problems, refused

PERSONS: dict[str, Any] = {
    "name": "Persons",
    "object_type": "persons",
    "properties": ["name", "first_name", "emails"],
    "pull_mode": "static",
}
MAPPING = {"input.email": "emails", "{{ input.first_name }}": "first_name"}


@pytest.fixture(scope="module")
def persons(api: Api) -> Source:
    source = api.add(**PERSONS)
    api.run_import(source)
    return source


def sync(api: Api, source: Source, workflow: Workflow, **changes: Any) -> Any:
    body = {"workflow_id": str(workflow.id), "field_mapping": MAPPING} | changes
    return api.post(f"/sources/{source.id}/sync", json=body)


def test_a_workflow_is_listed_with_its_main_sheet_and_its_inputs(api: Api) -> None:
    workflow = write_workflow(api)
    (item,) = api.get("/workflows").json()["data"]
    assert (item["workflow_id"], item["slug"], item["name"]) == (str(workflow.id), "outreach", "Outreach")
    (sheet,) = item["sheets"]
    assert sheet["sheet_id"] == item["workflow_id"]
    inputs = api.get(f"/workflows/{item['workflow_id']}/sheets/{sheet['sheet_id']}/inputs").json()["data"]
    assert inputs == {
        "inputs": [
            {"name": "email", "type": "email", "reference": "{{input.email}}"},
            {"name": "first_name", "type": "string", "reference": "{{input.first_name}}"},
        ]
    }


def test_unknown_workflows_sheets_and_malformed_ids(api: Api) -> None:
    workflow = write_workflow(api)
    refused(api.get(f"/workflows/{uuid4()}/sheets/{workflow.id}/inputs"), 404)
    refused(api.get(f"/workflows/{workflow.id}/sheets/{uuid4()}/inputs"), 404)
    assert problems(api.get("/workflows/1/sheets/2/inputs")) == {
        ("workflow_id", "invalid_id"),
        ("sheet_id", "invalid_id"),
    }


def test_a_sync_brings_the_rows_and_doing_it_again_changes_nothing(api: Api, persons: Source) -> None:
    workflow = write_workflow(api)
    first = sync(api, persons, workflow).json()["data"]
    assert first["state"] == "synced"
    assert first["inserted"] == first["rows"] > 0
    assert (first["workflow_id"], first["source_instance_id"]) == (str(workflow.id), str(persons.id))
    again = sync(api, persons, workflow).json()["data"]
    assert again["sync_id"] == first["sync_id"]
    assert (again["inserted"], again["updated"], again["removed"]) == (0, 0, 0)
    assert again["rows"] == first["rows"]
    saved = WorkflowStore(api.store.project).load().find("outreach").sync_of("persons")
    assert saved is not None
    assert saved.field_mapping == {"input.email": "emails", "input.first_name": "first_name"}
    assert api.get("/workflows").json()["data"][0]["sources"] == ["persons"]
    with api.context.warehouse.reading() as connection:
        counted = connection.execute("SELECT count(*), count(DISTINCT _record_id) FROM workflows.outreach")
        assert counted.fetchone() == (first["rows"], first["rows"])


def test_a_source_that_was_never_imported_waits(api: Api) -> None:
    workflow = write_workflow(api, "later")
    source = api.add(**PERSONS | {"name": "Never imported"})
    report = sync(api, source, workflow).json()["data"]
    assert (report["state"], report["rows"]) == ("waiting", 0)


def test_unknown_inputs_and_properties_are_named_at_once(api: Api, persons: Source) -> None:
    workflow = write_workflow(api)
    wrong = {"input.emial": "emails", "input.first_name": "forename", "input.email": "phones"}
    answer = sync(api, persons, workflow, field_mapping=wrong)
    assert {code for _, code in problems(answer)} == {"unknown_input", "unknown_source_field"}
    assert {field for field, _ in problems(answer)} == {
        "field_mapping.input.emial",
        "field_mapping.input.first_name",
        "field_mapping.input.email",
    }


def test_a_body_that_is_no_sync(api: Api, persons: Source) -> None:
    path = f"/sources/{persons.id}/sync"
    body = {
        "workflow_id": "1",
        "field_mapping": {"input.email": 1},
        "push_existing": "yes",
        "run": "some",
        "x": 1,
    }
    assert {field for field, _ in problems(api.post(path, json=body))} == {
        "workflow_id", "field_mapping.input.email", "push_existing", "run", "x",
    }  # fmt: skip
    assert {field for field, _ in problems(api.post(path, json={}))} == {"workflow_id", "field_mapping"}
    unknown = uuid4()
    answer = api.post(path, json={"workflow_id": str(unknown), "field_mapping": MAPPING})
    assert str(unknown) in refused(answer, 404)["message"]


def test_a_deleted_source_is_not_synced(api: Api) -> None:
    workflow = write_workflow(api)
    source = api.add(**STAGES)
    api.call("DELETE", f"/sources/{source.id}")
    assert "deleted" in refused(sync(api, source, workflow), 409)["message"]


def test_clients_that_sync_at_once_make_one_sync(api: Api, persons: Source) -> None:
    workflow = write_workflow(api, "contested")
    with ThreadPoolExecutor(6) as clients:
        answers = list(clients.map(lambda _: sync(api, persons, workflow), range(6)))
    assert {answer.status_code for answer in answers} == {200}
    reports = [answer.json()["data"] for answer in answers]
    assert len({UUID(report["sync_id"]) for report in reports}) == 1
    assert sum(report["inserted"] for report in reports) == reports[0]["rows"] > 0
    found = WorkflowStore(api.store.project).load().find("contested")
    assert [one.source for one in found.syncs] == ["persons"]

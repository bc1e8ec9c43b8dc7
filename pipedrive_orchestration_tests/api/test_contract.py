"""The API against its own OpenAPI page: no answer that it does not document, and links that lead on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from pipedrive_orchestration.demo import DemoServer
from pipedrive_orchestration.sources import Source
from pipedrive_orchestration.workflows import WorkflowStore
from pipedrive_orchestration.writing.store import WriteStore
from pipedrive_orchestration_tests.api.conftest import variables_of
from pipedrive_orchestration_tests.api.serving import (
    DEALS,
    STAGES,
    Api,
    running_api,
    write_titles,
    write_workflow,
)
from pipedrive_orchestration_tests.chaos.figures import FIGURES
from pipedrive_orchestration_tests.chaos.sizes import FULL, WALKS
from pipedrive_orchestration_tests.instances import dagster_instance

CHECKS = ("status_code", "content_type", "response_headers", "response_schema")


@pytest.fixture(scope="module")
def served(demo: DemoServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """An API with an imported source and a deleted one."""
    folder = tmp_path_factory.mktemp("contract")
    with dagster_instance() as instance, running_api(folder, instance, variables_of(demo)) as api:
        api.run_import(api.add(**DEALS))
        api.store.delete(api.add(**STAGES).slug)
        write_workflow(api)
        write_titles(api)
        yield api


@pytest.fixture(scope="module")
def schema(served: Api) -> Any:
    import schemathesis  # noqa: PLC0415 - every process of the tests would take the second that it takes

    return schemathesis.openapi.from_url(f"{served.url}/api/v1/openapi.json")


@pytest.fixture(scope="module")
def checks() -> list[Any]:
    from schemathesis.checks import not_a_server_error  # noqa: PLC0415 - as above
    from schemathesis.specs.openapi import checks  # noqa: PLC0415

    return [not_a_server_error, *(getattr(checks, f"{check}_conformance") for check in CHECKS)]


OPERATIONS = [
    ("POST", "/sources/import_from_pipedrive/preview"),
    ("POST", "/sources/import_from_pipedrive"),
    ("POST", "/sources/import_from_pipedrive/options/properties"),
    ("GET", "/sources"),
    ("GET", "/sources/{source_id}"),
    ("GET", "/sources/{source_id}/data"),
    ("GET", "/sources/{source_id}/diff"),
    ("PATCH", "/sources/{source_id}/status"),
    ("DELETE", "/sources/{source_id}"),
    ("POST", "/sources/{source_id}/sync"),
    ("GET", "/workflows"),
    ("GET", "/workflows/{workflow_id}/sheets/{sheet_id}/inputs"),
    ("GET", "/writes"),
    *(
        (method, f"/writes/{{write_id}}/{what}")
        for what in ("plan", "apply", "undo")
        for method in ("GET", "POST")
    ),
]


def test_every_operation_is_tested(schema: Any) -> None:
    documented = {(found.ok().method.upper(), found.ok().path) for found in schema.get_all_operations()}
    assert documented == {(method, f"/api/v1{path}") for method, path in OPERATIONS}


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
@pytest.mark.parametrize("mode", ["positive", "negative"])
def test_whatever_is_sent_the_answer_is_documented(
    method: str, path: str, mode: str, schema: Any, checks: list[Any], served: Api
) -> None:
    from schemathesis import GenerationMode  # noqa: PLC0415 - as above

    operation = schema[f"/api/v1{path}"][method]
    (workflow,) = WorkflowStore(served.store.project).load().workflows
    (write,) = WriteStore(served.store.project).load().writes
    sources = (*served.store.load().sources, *served.store.deleted())
    headers = {"Authorization": f"Bearer {served.secrets['all']}"}

    @settings(
        max_examples=10 if FULL else 4,
        deadline=None,
        derandomize=True,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(
        case=operation.as_strategy(generation_mode=GenerationMode(mode)),
        source=st.sampled_from([None, *sources]),
    )
    def answered(case: Any, source: Source | None) -> None:
        # Ids that are made up never get past 404.
        if source is not None and "source_id" in (case.path_parameters or {}):
            case.path_parameters["source_id"] = str(source.id)
        if source is not None and "sheet_id" in (case.path_parameters or {}):
            case.path_parameters |= {"workflow_id": str(workflow.id), "sheet_id": str(workflow.id)}
        if source is not None and "write_id" in (case.path_parameters or {}):
            case.path_parameters["write_id"] = str(write.id)
        if source is not None and path.endswith("/sync") and isinstance(case.body, dict):
            case.body["workflow_id"] = str(workflow.id)
        case.call_and_validate(checks=checks, headers=headers)

    answered()


def test_the_examples_are_taken_and_every_link_leads_from_one_call_to_the_next(served: Api) -> None:
    page = served.get("/openapi.json").json()
    walk = Walk(served, page)
    (workflow,) = WorkflowStore(served.store.project).load().workflows
    asked = {
        "list_inputs": {"workflow_id": str(workflow.id), "sheet_id": str(workflow.id)},
        "show_source": {"source_id": str(served.add(**DEALS).id)},
    }
    sync = {"workflow_id": str(workflow.id), "field_mapping": {"input.first_name": "title"}}
    begun = [
        walk.call("list_property_options"),
        walk.call("preview_import"),
        walk.call("create_import"),
        walk.call("create_import", body=walk.example("create_import") | {"options": {"max_tokens": 1}}),
        walk.call("list_sources"),
        walk.call("show_source", asked["show_source"]),
        walk.call("list_workflows"),
        walk.call("list_inputs", asked["list_inputs"]),
        walk.call("sync_source", asked["show_source"], sync),
    ]
    linked = {
        (operation["operationId"], status)
        for operations in page["paths"].values()
        for operation in operations.values()
        for status, described in operation["responses"].items()
        if "links" in described
    }
    assert {(answer.operation, str(answer.status)) for answer in begun} == linked
    for answer in begun:
        for link in walk.links(answer):
            # What a link does not tell, the caller knows.
            known = {**asked["show_source"], **link.parameters}
            body = link.body
            if link.operation == "sync_source":
                body = sync | (body or {})
            elif link.operation in ("create_import", "preview_import"):
                body = walk.example(link.operation) | body
            if link.operation == "delete_source":
                # Others lead to the same source.
                known["source_id"] = str(served.add(**DEALS).id)
                assert link.parameters["source_id"] in {
                    source["source_instance_id"] for source in served.get("/sources").json()["data"]
                }
            followed = walk.call(link.operation, known, body)
            assert followed.status in (200, 201), (answer, link)


class Answer(NamedTuple):
    """An answer with what was asked."""

    operation: str
    status: int
    parameters: dict[str, str]
    sent: Any
    content: Any


class Link(NamedTuple):
    """A call that can follow an answer."""

    operation: str
    parameters: dict[str, Any]
    body: Any


class Walk:
    """A client that knows the OpenAPI page and nothing else."""

    def __init__(self, api: Api, page: Any) -> None:
        self._api = api
        self._operations = {
            operation["operationId"]: (method.upper(), path, operation)
            for path, operations in page["paths"].items()
            for method, operation in operations.items()
        }

    def example(self, operation: str) -> dict[str, Any]:
        """The first example of a body."""
        content = self._operations[operation][2]["requestBody"]["content"]["application/json"]
        return dict(next(iter(content["examples"].values()))["value"])

    def call(self, operation: str, parameters: dict[str, str] | None = None, body: Any = None) -> Answer:
        method, path, described = self._operations[operation]
        if body is None and "requestBody" in described:
            body = self.example(operation)
        sent = {} if body is None else {"json": body}
        address = path.format(**parameters or {}).removeprefix("/api/v1")
        response = self._api.call(method, address, **sent)
        return Answer(operation, response.status_code, parameters or {}, body, response.json())

    def links(self, answer: Answer) -> Iterator[Link]:
        """The documented calls after an answer, with what they take of it."""
        described = self._operations[answer.operation][2]["responses"][str(answer.status)]
        for link in described["links"].values():
            parameters = {
                name: _told(expression, answer) for name, expression in link.get("parameters", {}).items()
            }
            yield Link(link["operationId"], parameters, _told(link.get("requestBody"), answer))


def _told(expression: Any, answer: Answer) -> Any:
    """What an expression of OpenAPI stands for."""
    if isinstance(expression, dict):
        return {name: _told(inner, answer) for name, inner in expression.items()}
    if not isinstance(expression, str) or not expression.startswith("$"):
        return expression
    place, _, pointer = expression.partition("#")
    if place.startswith("$request.path."):
        return answer.parameters[place.removeprefix("$request.path.")]
    value = {"$response.body": answer.content, "$request.body": answer.sent}[place]
    for part in pointer.split("/")[1:]:
        value = value[int(part)] if isinstance(value, list) else value[part]
    return value


def test_calls_that_follow_the_links_are_answered_as_documented(
    served: Api, schema: Any, checks: list[Any]
) -> None:
    schema.config.phases.stateful.inference.algorithms = []
    (workflow,) = WorkflowStore(served.store.project).load().workflows
    walk = Walk(served, schema.raw_schema)
    followed: Counter[tuple[str, int]] = Counter()

    class Calls(schema.as_state_machine()):  # type: ignore[misc]  # made at run time
        """Calls after one another, bodies of which are made up, or are examples where the account decides."""

        def get_call_kwargs(self, case: Any) -> dict[str, Any]:
            return {"headers": {"Authorization": f"Bearer {served.secrets['all']}"}}

        def before_call(self, case: Any) -> None:
            operation = case.operation.definition.raw["operationId"]
            if case.meta.generation.mode.is_negative or not isinstance(case.body, dict):
                return
            if operation in ("create_import", "preview_import"):
                case.body = walk.example(operation)
            elif operation == "sync_source":
                case.body |= {
                    "workflow_id": str(workflow.id),
                    "field_mapping": {"input.first_name": "title"},
                }

        def after_call(self, response: Any, case: Any) -> None:
            super().after_call(response, case)
            followed[case.operation.definition.raw["operationId"], response.status_code] += 1

        def validate_response(self, response: Any, case: Any, **_more: Any) -> None:
            case.validate_response(response, checks=checks)

    Calls.run(
        settings=settings(
            max_examples=WALKS,
            stateful_step_count=8,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
    )
    FIGURES["calls that followed links of the OpenAPI page"] += sum(followed.values())
    followed_well = {operation for operation, status in followed if status < 300}
    assert followed_well >= {"create_import", "show_source", "read_data"}, followed

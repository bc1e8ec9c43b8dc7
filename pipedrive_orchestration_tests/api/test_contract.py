"""The API against its own OpenAPI page: no answer that it does not document, and never a 500."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from pipedrive_orchestration.demo import DemoServer
from pipedrive_orchestration.sources import Source
from pipedrive_orchestration.workflows import WorkflowStore
from pipedrive_orchestration_tests.api.conftest import variables_of
from pipedrive_orchestration_tests.api.serving import DEALS, STAGES, Api, running_api, write_workflow
from pipedrive_orchestration_tests.instances import dagster_instance

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


@pytest.fixture(scope="module")
def served(demo: DemoServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """An API with an imported source and a deleted one."""
    folder = tmp_path_factory.mktemp("contract")
    with dagster_instance() as instance, running_api(folder, instance, variables_of(demo)) as api:
        api.run_import(api.add(**DEALS))
        api.store.delete(api.add(**STAGES).slug)
        write_workflow(api)
        yield api


@pytest.fixture(scope="module")
def schema(served: Api) -> Any:
    return schemathesis.openapi.from_url(f"{served.url}/api/v1/openapi.json")


OPERATIONS = [
    ("POST", "/sources/import_from_pipedrive/preview"),
    ("POST", "/sources/import_from_pipedrive"),
    ("POST", "/sources/import_from_pipedrive/options/properties"),
    ("GET", "/sources"),
    ("GET", "/sources/{source_id}"),
    ("GET", "/sources/{source_id}/data"),
    ("PATCH", "/sources/{source_id}/status"),
    ("DELETE", "/sources/{source_id}"),
    ("POST", "/sources/{source_id}/sync"),
    ("GET", "/workflows"),
    ("GET", "/workflows/{workflow_id}/sheets/{sheet_id}/inputs"),
]


def test_every_operation_is_tested(schema: Any) -> None:
    documented = {(found.ok().method.upper(), found.ok().path) for found in schema.get_all_operations()}
    assert documented == {(method, f"/api/v1{path}") for method, path in OPERATIONS}


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
@pytest.mark.parametrize("mode", GenerationMode)
def test_whatever_is_sent_the_answer_is_documented(
    method: str, path: str, mode: GenerationMode, schema: Any, served: Api
) -> None:
    operation = schema[f"/api/v1{path}"][method]
    (workflow,) = WorkflowStore(served.store.project).load().workflows
    sources = (*served.store.load().sources, *served.store.deleted())
    headers = {"Authorization": f"Bearer {served.secrets['all']}"}

    @settings(
        max_examples=10,
        deadline=None,
        derandomize=True,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode), source=st.sampled_from([None, *sources]))
    def answered(case: Any, source: Source | None) -> None:
        # Ids that are made up never get past 404.
        if source is not None and "source_id" in (case.path_parameters or {}):
            case.path_parameters["source_id"] = str(source.id)
        if source is not None and "sheet_id" in (case.path_parameters or {}):
            case.path_parameters |= {"workflow_id": str(workflow.id), "sheet_id": str(workflow.id)}
        if source is not None and path.endswith("/sync") and isinstance(case.body, dict):
            case.body["workflow_id"] = str(workflow.id)
        case.call_and_validate(checks=CHECKS, headers=headers)

    answered()

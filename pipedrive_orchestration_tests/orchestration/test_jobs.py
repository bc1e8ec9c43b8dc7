from __future__ import annotations

from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from dagster._core.scheduler.instigation import InstigatorStatus

from pipedrive_orchestration.orchestration.jobs import create_import_source
from pipedrive_orchestration.orchestration.schedule_states import ScheduleStates
from pipedrive_orchestration.sources import SourceStore
from pipedrive_orchestration_tests.orchestration.test_expiration import store_state

BODY: dict[str, Any] = {
    "name": "Open deals",
    "object_type": "deals",
    "properties": ["title", "value"],
    "pull_mode": "active",
    "schedule": "*/30 * * * *",
    "expiration_date": "2099-12-31",
    "filters": {
        "operator": "AND",
        "conditions": [
            {"variable": "value", "condition": "greater than", "values": [100]},
            {
                "operator": "OR",
                "conditions": [{"variable": "status", "condition": "equals", "values": ["open"]}],
            },
        ],
    },
    "properties_metadata": [{"name": "title", "label": "Title"}],
    "options": {"partitions": "weekly", "owners": ["team:crm"]},
}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PIPEDRIVE_PROJECT", str(tmp_path))
    return tmp_path


def run(job: dg.JobDefinition, instance: dg.DagsterInstance, body: object) -> dg.ExecuteInProcessResult:
    return job.execute_in_process(run_config=body, instance=instance, raise_on_error=False)  # type: ignore[arg-type]


def shown(result: dg.ExecuteInProcessResult) -> dict[str, Any]:
    """The metadata that the run page shows."""
    (event,) = [event for event in result.all_node_events if event.is_successful_output]
    return {key: value.value for key, value in event.step_output_data.metadata.items()}


def failure(result: dg.ExecuteInProcessResult) -> tuple[str, dict[str, Any]]:
    (event,) = [event for event in result.all_events if event.is_step_failure]
    data = event.step_failure_data.user_failure_data
    assert data is not None
    return data.description or "", {key: value.value for key, value in data.metadata.items()}


def test_creating_writes_the_body_as_it_is(project: Path, instance: dg.DagsterInstance) -> None:
    result = run(create_import_source, instance, BODY)
    assert result.success
    written = yaml.safe_load((project / "sources" / "open_deals.yaml").read_text())
    assert {key: written[key] for key in BODY} == BODY
    (created,) = SourceStore(project).load().sources
    metadata = shown(result)
    assert metadata["id"] == str(created.id)
    assert metadata["table"] == "pipedrive.open_deals"
    assert metadata["body"] == created.body
    assert "Reload the definitions" in metadata["definitions"]


def test_creating_forgets_that_a_schedule_of_that_name_was_stopped(
    project: Path, instance: dg.DagsterInstance
) -> None:
    store_state(instance, "open_deals_schedule", InstigatorStatus.STOPPED)
    assert run(create_import_source, instance, BODY).success
    assert ScheduleStates(instance).stopped() == set()


@pytest.mark.parametrize(
    "changes",
    [
        {"propertys": []},
        {"options": {"partition": "daily"}},
        {"object_type": "dealz"},
        {"filters": {"operator": "XOR"}},
        {"filters": {"conditions": [{"variabel": "status"}]}},
        {"properties": None},
    ],
)
def test_a_body_of_the_wrong_shape_is_refused_before_the_run(
    project: Path, instance: dg.DagsterInstance, changes: dict[str, Any]
) -> None:
    with pytest.raises(dg.DagsterInvalidConfigError):
        run(create_import_source, instance, BODY | changes)
    assert not (project / "sources").exists()


def test_all_problems_of_a_body_are_in_the_failure(project: Path, instance: dg.DagsterInstance) -> None:
    wrong = {"name": " ", "schedule": "* *", "expiration_date": "2020-01-01", "properties": []}
    result = run(create_import_source, instance, BODY | wrong)
    assert not result.success
    description, metadata = failure(result)
    for field in wrong:
        assert f"{field}: " in description
        assert f"| {field.replace('_', chr(92) + '_')} |" in metadata["problems"]
    assert not (project / "sources").exists()

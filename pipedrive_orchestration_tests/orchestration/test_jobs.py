from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from dagster._core.scheduler.instigation import InstigatorStatus
from dagster._core.snap.snap_to_yaml import default_values_yaml_from_type_snap

from pipedrive_orchestration.orchestration import PipedriveResource
from pipedrive_orchestration.orchestration.context import ProjectContext
from pipedrive_orchestration.orchestration.jobs import build_jobs
from pipedrive_orchestration.services.dagster_internals import ScheduleStates
from pipedrive_orchestration.services.deployment import store_of
from pipedrive_orchestration.services.names import LOCATION
from pipedrive_orchestration.settings import Settings
from pipedrive_orchestration.sources import Source, SourceBody
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


NOBODY = "http://127.0.0.1:1"

PREVIEWED = {key: BODY[key] for key in ("object_type", "properties", "filters", "properties_metadata")}
"""What a preview takes of it."""

SLUGS = ("pause_source", "resume_source", "delete_source")
"""The jobs whose config is the slug of a source."""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return tmp_path


def run(
    name: str,
    project: Path,
    instance: dg.DagsterInstance,
    body: Mapping[str, Any],
    resources: Mapping[str, object] | None = None,
) -> dg.ExecuteInProcessResult:
    """Runs a job with a body as its run config, as the Launchpad does."""
    (job,) = [
        job
        for job in build_jobs(ProjectContext(Settings(project=project, dagster_url=NOBODY)))
        if job.name == name
    ]
    return job.execute_in_process(
        run_config=body, instance=instance, resources=resources, raise_on_error=False
    )


def shown(result: dg.ExecuteInProcessResult) -> dict[str, Any]:
    """The metadata that the run page shows."""
    (event,) = [event for event in result.all_node_events if event.is_successful_output]
    return {key: value.value for key, value in event.step_output_data.metadata.items()}


def failure(result: dg.ExecuteInProcessResult) -> tuple[str, dict[str, Any]]:
    (event,) = [event for event in result.all_events if event.is_step_failure]
    data = event.step_failure_data.user_failure_data
    assert data is not None
    return data.description or "", {key: value.value for key, value in data.metadata.items()}


def test_creating_writes_the_body_as_it_is(
    project: Path, instance: dg.DagsterInstance, resources: dict[str, Any]
) -> None:
    result = run("create_import_source", project, instance, BODY, resources)
    assert result.success
    written = yaml.safe_load((project / "sources" / "open_deals.yaml").read_text())
    assert {key: written[key] for key in BODY} == BODY
    (created,) = store_of(project, instance).load().sources
    metadata = shown(result)
    assert metadata["id"] == str(created.id)
    assert metadata["table"] == "pipedrive.open_deals"
    assert metadata["body"] == created.body
    assert "Reload the definitions" in metadata["definitions"]


def test_creating_forgets_that_a_schedule_of_that_name_was_stopped(
    project: Path, instance: dg.DagsterInstance, resources: dict[str, Any]
) -> None:
    store_state(instance, "open_deals_schedule", InstigatorStatus.STOPPED)
    assert run("create_import_source", project, instance, BODY, resources).success
    assert ScheduleStates(instance, LOCATION).stopped() == set()


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
    project: Path, instance: dg.DagsterInstance, resources: dict[str, Any], changes: dict[str, Any]
) -> None:
    with pytest.raises(dg.DagsterInvalidConfigError):
        run("create_import_source", project, instance, BODY | changes, resources)
    assert not (project / "sources").exists()


def test_all_problems_of_a_body_are_in_the_failure(
    project: Path, instance: dg.DagsterInstance, resources: dict[str, Any]
) -> None:
    wrong = {"name": " ", "schedule": "* *", "expiration_date": "2020-01-01", "properties": []}
    result = run("create_import_source", project, instance, BODY | wrong, resources)
    assert not result.success
    description, metadata = failure(result)
    for field in wrong:
        assert f"{field}: " in description
        assert f"| {field.replace('_', chr(92) + '_')} |" in metadata["problems"]
    assert not (project / "sources").exists()


def test_a_preview_shows_rows_totals_and_cost_and_writes_nothing(
    project: Path, instance: dg.DagsterInstance, resources: dict[str, Any]
) -> None:
    result = run("preview_import_source", project, instance, PREVIEWED, resources)
    assert result.success
    metadata = shown(result)
    header, _, *rows = metadata["rows"].splitlines()
    assert header == "| Title | Value |"
    assert 0 < len(rows) == min(20, metadata["total_results"])
    assert len(metadata["rows_as_json"]["rows"]) >= len(rows)
    assert all(row["value"]["value"] > 100 for row in metadata["rows_as_json"]["rows"])
    assert metadata["capped"] is False
    assert metadata["estimated_tokens"] > 0
    assert metadata["labels"] == {"title": "Title", "value": "Value"}
    assert list(project.iterdir()) == []


def test_a_preview_of_what_the_account_does_not_have_lists_all_problems(
    project: Path, instance: dg.DagsterInstance, resources: dict[str, Any]
) -> None:
    wrong = {
        "properties": ["titel"],
        "filters": {"conditions": [{"variable": "colour", "condition": "equals", "values": ["red"]}]},
    }
    result = run("preview_import_source", project, instance, PREVIEWED | wrong, resources)
    assert not result.success
    _, metadata = failure(result)
    assert len(metadata["problems"].splitlines()) == 4
    assert "titel" in metadata["problems"]
    assert "colour" in metadata["problems"]


def test_property_options_are_a_table_and_the_metadata_of_a_body(
    project: Path, instance: dg.DagsterInstance, resources: dict[str, Any]
) -> None:
    asked = {"context": {"object_type": "deals"}}
    result = run("resolve_property_options", project, instance, asked, resources)
    assert result.success
    metadata = shown(result)
    assert "| status | Status | " in metadata["options"]
    options = metadata["options_as_json"]["options"]
    assert len(options) == metadata["properties"] == len(metadata["options"].splitlines()) - 2
    assert SourceBody.parse(BODY | {"properties_metadata": options}).labels["title"] == "Title"


def test_property_options_of_an_unknown_object_type_are_refused(
    project: Path, instance: dg.DagsterInstance, resources: dict[str, Any]
) -> None:
    with pytest.raises(dg.DagsterInvalidConfigError):
        run("resolve_property_options", project, instance, {"context": {"object_type": "dealz"}}, resources)


@pytest.mark.parametrize("job", ["preview_import_source", "resolve_property_options"])
def test_jobs_without_an_account_say_so(
    job: str, project: Path, instance: dg.DagsterInstance, resources: dict[str, Any]
) -> None:
    resources["pipedrive"] = PipedriveResource(url="http://127.0.0.1:1", token="")
    body = PREVIEWED if job == "preview_import_source" else {"context": {"object_type": "deals"}}
    result = run(job, project, instance, body, resources)
    description, _ = failure(result)
    assert "User is not connected to 'pipedrive'." in description


def test_creating_holds_what_may_not_cost_that_much(
    project: Path, instance: dg.DagsterInstance, resources: dict[str, Any]
) -> None:
    body = BODY | {"options": {"max_tokens": 1}}
    assert run("create_import_source", project, instance, body, resources).success
    (created,) = store_of(project, instance).load().sources
    (hold,) = store_of(project, instance).holds.read([created.id]).items()
    assert (hold[0], hold[1].budget, hold[1].until) == (created.id, 1, None)


@pytest.mark.parametrize("changes", [{"name": "Deals"}, {"pull_mode": "static"}, {"options": {}}])
def test_a_preview_takes_exactly_what_decides_about_records(
    project: Path, instance: dg.DagsterInstance, resources: dict[str, Any], changes: dict[str, Any]
) -> None:
    with pytest.raises(dg.DagsterInvalidConfigError):
        run("preview_import_source", project, instance, PREVIEWED | changes, resources)


def default_yaml(job: dg.JobDefinition) -> str:
    """The text that Dagster's web server makes of the defaults of a job's config."""
    snapshot = job.get_job_snapshot()
    root = snapshot.mode_def_snaps[0].root_config_key
    assert root is not None
    schema = snapshot.config_schema_snapshot
    return default_values_yaml_from_type_snap(schema, schema.get_config_snap(root))


def examples() -> dict[str, Any]:
    """The config with which the Launchpad opens each job."""
    return {job.name: yaml.safe_load(default_yaml(job)) for job in build_jobs()}


def test_every_job_opens_with_an_example_of_which_a_run_takes_nothing(
    project: Path, instance: dg.DagsterInstance, resources: dict[str, Any]
) -> None:
    for name, example in examples().items():
        assert example, name
        if name != "sync_now":
            with pytest.raises(dg.DagsterInvalidConfigError):
                run(name, project, instance, {}, resources)


def test_the_examples_of_bodies_can_be_launched_as_they_are(
    project: Path, instance: dg.DagsterInstance, resources: dict[str, Any]
) -> None:
    for name in ("preview_import_source", "resolve_property_options", "create_import_source"):
        assert run(name, project, instance, examples()[name], resources).success, name


def test_the_examples_of_jobs_that_change_a_source_change_none(
    project: Path, instance: dg.DagsterInstance, resources: dict[str, Any]
) -> None:
    created(project, instance)
    before = (project / "sources" / "open_deals.yaml").read_text()
    for name in (*SLUGS, "edit_source", "sync_now"):
        description, _ = failure(run(name, project, instance, examples()[name], resources))
        assert description == "There is no source `name-of-a-source`. Sources: open_deals.", name
    assert (project / "sources" / "open_deals.yaml").read_text() == before


def created(project: Path, instance: dg.DagsterInstance) -> Source:
    """A source of the project, without the account having been asked."""
    return store_of(project, instance).create(SourceBody.parse(BODY))


def test_a_source_is_paused_resumed_and_deleted(project: Path, instance: dg.DagsterInstance) -> None:
    created(project, instance)
    asked = {"source": "open_deals"}
    assert shown(run("pause_source", project, instance, asked))["status"] == "paused"
    assert ScheduleStates(instance, LOCATION).stopped() == {"open_deals_schedule"}
    resumed = shown(run("resume_source", project, instance, asked))
    assert resumed["status"] == "active"
    assert "next_tick" in resumed
    assert ScheduleStates(instance, LOCATION).stopped() == set()
    assert (
        "DROP TABLE pipedrive.open_deals"
        in shown(run("delete_source", project, instance, asked))["what_stays"]
    )
    assert store_of(project, instance).load().sources == ()
    assert ScheduleStates(instance, LOCATION).stopped() == {"open_deals_schedule"}


def test_what_cannot_be_paused_says_why(project: Path, instance: dg.DagsterInstance) -> None:
    store_of(project, instance).create(SourceBody.parse(BODY | {"pull_mode": "static"}))
    for name in ("pause_source", "resume_source"):
        description, _ = failure(run(name, project, instance, {"source": "open_deals"}))
        assert "open_deals is static" in description


def test_editing_replaces_the_body_and_keeps_the_identity(
    project: Path, instance: dg.DagsterInstance, resources: dict[str, Any]
) -> None:
    before = created(project, instance)
    changed = BODY | {"properties": ["title", "status"], "schedule": "0 6 * * *"}
    result = run("edit_source", project, instance, {"source": "open_deals", "body": changed}, resources)
    assert shown(result)["changed"] == "properties, schedule"
    (after,) = store_of(project, instance).load().sources
    assert (after.slug, after.id, after.created_at) == (before.slug, before.id, before.created_at)
    assert after.body == before.body | {"properties": ["title", "status"], "schedule": "0 6 * * *"}


def test_editing_refuses_what_creating_does_and_what_was_fixed(
    project: Path, instance: dg.DagsterInstance, resources: dict[str, Any]
) -> None:
    created(project, instance)
    path = project / "sources" / "open_deals.yaml"
    before = path.read_text()
    cases: list[tuple[dict[str, Any], list[str]]] = [
        ({"schedule": "* *", "name": " "}, ["schedule", "name"]),
        ({"properties": ["titel"]}, ["titel"]),
        ({"object_type": "persons", "options": {}}, ["object\\_type", "options.partitions"]),
    ]
    for wrong, fields in cases:
        config = {"source": "open_deals", "body": BODY | wrong}
        _, metadata = failure(run("edit_source", project, instance, config, resources))
        for field in fields:
            assert field in metadata["problems"]
    assert path.read_text() == before


def test_a_sync_that_names_nothing_or_finds_no_web_server_says_so(
    project: Path, instance: dg.DagsterInstance
) -> None:
    created(project, instance)
    _, metadata = failure(run("sync_now", project, instance, {}))
    assert "Name a source, a workflow, or both." in metadata["problems"]
    description, _ = failure(run("sync_now", project, instance, {"source": "open_deals"}))
    assert (
        "The run was not launched. Dagster's web server at http://127.0.0.1:1 does not answer" in description
    )

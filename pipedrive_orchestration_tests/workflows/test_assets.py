"""Workflows as Dagster shows them, without a Dagster that runs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

from pipedrive_orchestration.orchestration import (
    PipedriveProject,
    PipedriveResource,
    WarehouseResource,
    build_definitions,
)
from pipedrive_orchestration.orchestration.source.table_metadata import plain_markdown
from pipedrive_orchestration.orchestration.workflow.automation import FOLLOW
from pipedrive_orchestration.services.names import DEFAULT_NAMES
from pipedrive_orchestration.sources import LoadedSources
from pipedrive_orchestration.warehouse import Warehouse
from pipedrive_orchestration.workflows import LoadedWorkflows, Workflow, WorkflowStore
from pipedrive_orchestration_tests.instances import dagster_instance
from pipedrive_orchestration_tests.workflows.bodies import body, source, sync, synced, workflow
from pipedrive_orchestration_tests.workflows.tables import SourceTable, new_warehouse, rows

pytestmark = pytest.mark.filterwarnings(
    # Dagster marks as beta and preview what it calls itself while it resolves definitions.
    "ignore::dagster.BetaWarning",
    "ignore::dagster.PreviewWarning",
)

ACTION = {
    "type": "sql",
    "name": "domain",
    "expression": "split_part(email, '@', 2)",
    "output": {"name": "domain"},
}
SOURCES = LoadedSources((source(), source("visitors")))


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return new_warehouse(tmp_path)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dagster_instance() as instance:
        yield instance


def definitions(*workflows: Workflow, sources: LoadedSources = SOURCES) -> dg.Definitions:
    return build_definitions(sources, LoadedWorkflows(workflows))


def materialize(
    made: dg.Definitions, warehouse: Warehouse, *keys: dg.AssetKey, raise_on_error: bool = True
) -> dg.ExecuteInProcessResult:
    with_warehouse = dg.Definitions.merge(
        dg.Definitions(
            assets=list(made.assets or []),
            resources={
                "pipedrive": PipedriveResource(),
                "warehouse": WarehouseResource(database=warehouse.database),
            },
        )
    )
    return with_warehouse.resolve_implicit_global_asset_job_def().execute_in_process(
        asset_selection=list(keys), raise_on_error=raise_on_error
    )


def metadata(result: dg.ExecuteInProcessResult, key: dg.AssetKey) -> dict[str, Any]:
    (event,) = [
        event.step_materialization_data.materialization
        for event in result.get_asset_materialization_events()
        if event.asset_key == key
    ]
    return {name: value.value for name, value in event.metadata.items()}


def checks(result: dg.ExecuteInProcessResult) -> dict[str, bool]:
    return {one.check_name: one.passed for one in result.get_asset_check_evaluations()}


def test_a_workflow_lies_below_its_sources_and_its_actions_below_it() -> None:
    made = workflow(
        syncs=[sync(), sync("visitors", field_mapping={"input.email": "score"})], actions=[ACTION]
    )
    graph = definitions(made).resolve_asset_graph()
    table, outputs = (
        graph.get(DEFAULT_NAMES.workflow_key("outreach")),
        graph.get(DEFAULT_NAMES.outputs_key("outreach")),
    )
    assert table.parent_keys == {DEFAULT_NAMES.asset_key("people"), DEFAULT_NAMES.asset_key("visitors")}
    assert outputs.parent_keys == {DEFAULT_NAMES.workflow_key("outreach")}
    assert table.automation_condition == outputs.automation_condition == FOLLOW
    lineage = table.metadata["dagster/column_lineage"].value
    assert lineage.deps_by_column == {
        "email": [
            dg.TableColumnDep(asset_key=DEFAULT_NAMES.asset_key("people"), column_name="emails"),
            dg.TableColumnDep(asset_key=DEFAULT_NAMES.asset_key("visitors"), column_name="score"),
        ],
        "first_name": [dg.TableColumnDep(asset_key=DEFAULT_NAMES.asset_key("people"), column_name="name")],
    }


def test_the_sensor_and_the_job_are_there_and_the_sensor_is_on() -> None:
    repository = definitions(workflow(actions=[ACTION])).get_repository_def()
    sensor = repository.get_sensor_def("workflow_automation_sensor")
    assert sensor.default_status is dg.DefaultSensorStatus.RUNNING
    job = repository.get_job("outreach_actions")
    assert job.asset_layer.executable_asset_keys == {DEFAULT_NAMES.outputs_key("outreach")}


def test_a_project_without_workflows_has_nothing_of_them() -> None:
    made = definitions()
    assert not [spec for spec in made.resolve_all_asset_specs() if "workflow" in spec.key.to_user_string()]
    assert not [one for one in made.get_repository_def().sensor_defs if "workflow" in one.name]


def test_a_materialisation_syncs_runs_the_actions_and_tells_of_both(
    warehouse: Warehouse, people: SourceTable
) -> None:
    people.put(1, 2)
    people.put(3, email="nonsense")
    made = definitions(workflow(actions=[ACTION]))
    result = materialize(
        made, warehouse, DEFAULT_NAMES.workflow_key("outreach"), DEFAULT_NAMES.outputs_key("outreach")
    )
    shown = metadata(result, DEFAULT_NAMES.workflow_key("outreach"))
    counts = ("dagster/row_count", "inserted", "updated", "rejected", "normalised", "queued")
    assert [shown[name] for name in counts] == [2, 2, 0, 1, 0, 2]
    assert shown["dagster/table_name"] == "workflows.outreach"
    assert "| 1 | queued | p1@example.com | Person 1 |" in shown["preview"]
    assert "| people | 3 | input.email | not\\_an\\_email | nonsense |" in shown["rejections"]
    assert {"row_id", "email", "_record_id"} <= {
        column.name for column in shown["dagster/column_schema"].columns
    }
    assert set(shown["dagster/column_lineage"].deps_by_column) == {"email", "first_name"}
    done = metadata(result, DEFAULT_NAMES.outputs_key("outreach"))
    assert [done[name] for name in ("completed", "failed", "waiting")] == [2, 0, 0]
    assert "| 1 | complete | p1@example.com | Person 1 | example.com |" in done["preview"]
    assert checks(result) == {"syncs_can_run": True, "nothing_rejected": False}


def test_a_deleted_source_is_reported_and_the_other_syncs_run(
    warehouse: Warehouse, people: SourceTable
) -> None:
    people.put(1)
    made = definitions(workflow(syncs=[sync("gone"), sync()]))
    (spec,) = [
        one for one in made.resolve_all_asset_specs() if one.key == DEFAULT_NAMES.workflow_key("outreach")
    ]
    problem = plain_markdown("syncs[0].source: There is no source `gone`")
    assert problem in (spec.description or "")
    assert {dep.asset_key for dep in spec.deps} == {DEFAULT_NAMES.asset_key("people")}
    result = materialize(made, warehouse, DEFAULT_NAMES.workflow_key("outreach"))
    assert [row[0] for row in rows(warehouse)] == [1]
    assert checks(result) == {"syncs_can_run": False, "nothing_rejected": True}
    (check,) = [one for one in result.get_asset_check_evaluations() if not one.passed]
    assert problem in str(check.metadata["problems"].value)


def test_a_workflow_can_be_materialised_before_there_is_anything(warehouse: Warehouse) -> None:
    for made in (workflow(syncs=[], actions=[ACTION]), workflow(syncs=[sync("gone")]), synced()):
        result = materialize(definitions(made), warehouse, DEFAULT_NAMES.workflow_key("outreach"))
        assert metadata(result, DEFAULT_NAMES.workflow_key("outreach"))["dagster/row_count"] == 0


def test_an_action_that_cannot_be_done_fails_its_run(warehouse: Warehouse, people: SourceTable) -> None:
    people.put(1)
    action = {
        "type": "http",
        "name": "post",
        "url": "http://127.0.0.1:9",
        "secret": "PIPEDRIVE_SECRET_NOT_SET",
    }
    made = definitions(workflow(actions=[action]))
    keys = DEFAULT_NAMES.workflow_key("outreach"), DEFAULT_NAMES.outputs_key("outreach")
    result = materialize(made, warehouse, *keys, raise_on_error=False)
    assert not result.success
    assert {event.asset_key for event in result.get_asset_materialization_events()} == {keys[0]}
    (failure,) = result.get_step_failure_events()
    assert "set the environment variable PIPEDRIVE_SECRET_NOT_SET" in str(failure.event_specific_data)


def test_a_bad_file_is_shown_and_breaks_nothing_else(tmp_path: Path) -> None:
    folder = tmp_path / "workflows"
    folder.mkdir()
    (folder / "outreach.yaml").write_text(yaml.safe_dump(body()))
    (folder / "broken.yaml").write_text(yaml.safe_dump(body(inputs=[{"name": "x", "type": "text"}])))
    made = build_definitions(SOURCES, WorkflowStore(tmp_path).load())
    dg.Definitions.validate_loadable(made)
    specs = {spec.key: spec for spec in made.resolve_all_asset_specs()}
    assert {
        DEFAULT_NAMES.workflow_key("outreach"),
        DEFAULT_NAMES.asset_key("people"),
        DEFAULT_NAMES.asset_key("visitors"),
    } <= specs.keys()
    assert DEFAULT_NAMES.workflow_key("broken") not in specs
    described = specs[DEFAULT_NAMES.project_files_key].description or ""
    assert "broken.yaml" in described
    assert plain_markdown("inputs[0].type") in described


def test_the_sensor_turns_the_check_of_the_files_red_once(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    (tmp_path / "workflows").mkdir()
    (tmp_path / "workflows" / "broken.yaml").write_text("name: [")
    made = build_definitions(SOURCES, WorkflowStore(tmp_path).load())
    sensor = made.resolve_sensor_def("project_files_sensor")
    with dg.build_sensor_context(instance=instance) as context:
        ticked = sensor.evaluate_tick(context)
    (event,) = ticked.asset_events
    assert isinstance(event, dg.AssetCheckEvaluation)
    assert (event.asset_key, event.passed) == (DEFAULT_NAMES.project_files_key, False)
    with dg.build_sensor_context(instance=instance, cursor=ticked.cursor) as context:
        assert sensor.evaluate_tick(context).asset_events == []


def test_a_workflow_that_dagster_refuses_is_left_out() -> None:
    refused = Workflow.model_construct(**dict(workflow()) | {"slug": "not-a-name"})
    made = definitions(workflow(), refused)
    specs = {spec.key: spec for spec in made.resolve_all_asset_specs()}
    assert DEFAULT_NAMES.workflow_key("outreach") in specs
    assert "workflows/not-a-name" in (specs[DEFAULT_NAMES.project_files_key].description or "")


def test_names_of_workflows_do_not_collide() -> None:
    slugs = ("outreach", "outreach__outputs", "outreach_actions", "people", "outputs")
    made = definitions(*(workflow(slug, actions=[ACTION]) for slug in slugs))
    dg.Definitions.validate_loadable(made)
    assert {DEFAULT_NAMES.workflow_key(slug) for slug in slugs} <= {
        one.key for one in made.resolve_all_asset_specs()
    }


def test_the_snapshot_carries_workflows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIPEDRIVE_PROJECT", str(tmp_path))
    for folder in ("sources", "workflows"):
        (tmp_path / folder).mkdir()
    file = tmp_path / "workflows" / "outreach.yaml"
    file.write_text(yaml.safe_dump(body(actions=[ACTION])))
    state, component = tmp_path / "state", PipedriveProject()
    component.write_state_to_path(state)
    file.unlink()
    context = dg.ComponentTree.for_test().load_context
    keys = {one.key for one in component.build_defs_from_state(context, state).resolve_all_asset_specs()}
    assert {
        DEFAULT_NAMES.workflow_key("outreach"),
        DEFAULT_NAMES.outputs_key("outreach"),
        DEFAULT_NAMES.project_files_key,
    } <= keys


def test_it_follows_partitioned_sources_and_sweeps(instance: dg.DagsterInstance) -> None:
    windows = dg.MonthlyPartitionsDefinition("2026-01-01", end_offset=1)

    @dg.asset(key=DEFAULT_NAMES.asset_key("people"), partitions_def=windows)
    def people() -> None: ...

    @dg.asset(key=DEFAULT_NAMES.workflow_key("outreach"), deps=[people], automation_condition=FOLLOW)
    def outreach() -> None: ...

    made = dg.Definitions(assets=[people, outreach])
    now = datetime(2026, 11, 21, 9, 31, tzinfo=UTC)
    cursor = None

    def requested(minutes: float) -> bool:
        nonlocal cursor, now
        now += timedelta(minutes=minutes)
        result = dg.evaluate_automation_conditions(made, instance, cursor=cursor, evaluation_time=now)
        cursor = result.cursor
        return result.total_requested > 0

    def committed(window: str) -> None:
        instance.report_runless_asset_event(
            dg.AssetMaterialization(DEFAULT_NAMES.asset_key("people"), partition=window)
        )

    def synced_now() -> None:
        dg.materialize([outreach], instance=instance, selection=[outreach])

    assert requested(0), "a new workflow is synced at once"
    assert not requested(1), "it was asked for"
    synced_now()
    assert not requested(1)
    committed("2026-01-01")
    assert requested(1), "one window of many is enough"
    committed("2026-11-01")
    assert requested(1), "what came after the request may have been too late for its run"
    synced_now()
    assert not requested(1)
    committed("2026-11-01")
    assert requested(1), "the same window again is an update as well"
    synced_now()
    committed("2026-11-01")
    assert requested(1), "what came after the run, before anybody looked"
    assert not requested(1)
    assert requested(10), "nothing is missed for longer than this"
    assert not requested(1)

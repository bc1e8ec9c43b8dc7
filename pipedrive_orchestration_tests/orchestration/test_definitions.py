from __future__ import annotations

import shutil
import subprocess
import sys
import time
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import dagster as dg
import pytest
import yaml
from hypothesis import given, settings

from pipedrive_orchestration.orchestration import (
    PipedriveProject,
    PipedriveResource,
    WarehouseResource,
    build_definitions,
)
from pipedrive_orchestration.orchestration.context import ProjectContext
from pipedrive_orchestration.orchestration.project_files import CHECK_NAME
from pipedrive_orchestration.services.names import DEFAULT_NAMES
from pipedrive_orchestration.settings import Settings
from pipedrive_orchestration.sources import InMemoryKeyValues, LoadedSources, Source, SourceBody, SourceStore
from pipedrive_orchestration_tests.chaos.sizes import in_full
from pipedrive_orchestration_tests.orchestration.conftest import source
from pipedrive_orchestration_tests.sources.bodies import active_body
from pipedrive_orchestration_tests.sources.test_model import BODIES

ROOT = Path(__file__).parents[2]
NAME = "pipedrive_orchestration"
FILES = DEFAULT_NAMES.project_files_key
OF_PROJECT = {"project_files", "status", "pipedrive/account"}
"""The assets that every project has."""

pytestmark = pytest.mark.filterwarnings(
    # Dagster marks as beta and preview what it calls itself while it resolves definitions.
    "ignore::dagster.BetaWarning",
    "ignore::dagster.PreviewWarning",
)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "sources").mkdir()
    monkeypatch.setenv("PIPEDRIVE_PROJECT", str(tmp_path))
    return tmp_path


def write(project: Path, slug: str, **changes: Any) -> None:
    (project / "sources" / f"{slug}.yaml").write_text(yaml.safe_dump(active_body(**changes)))


def loaded(project: Path) -> LoadedSources:
    return SourceStore(project, InMemoryKeyValues()).load()


def keys(definitions: dg.Definitions) -> set[str]:
    return {spec.key.to_user_string() for spec in definitions.resolve_all_asset_specs()}


def test_the_code_location_has_one_name() -> None:
    workspace = yaml.safe_load((ROOT / "workspace.yaml").read_text())
    (entry,) = workspace["load_from"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["dg"]["project"]
    assert entry["python_module"]["location_name"] == project["code_location_name"] == NAME
    assert entry["python_module"]["module_name"] == project["code_location_target_module"]


def test_the_template_project_loads_without_network_or_database(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "project" / "sources", tmp_path / "project" / "sources")
    script = (
        "import socket, duckdb\n"
        "def refuse(*_, **__): raise AssertionError('loading must not do this')\n"
        "socket.socket.connect = duckdb.connect = refuse\n"
        "from pipedrive_orchestration.definitions import defs\n"
        "import dagster as dg\n"
        "dg.Definitions.validate_loadable(defs)\n"
        "print(*(spec.key.to_user_string() for spec in defs.resolve_all_asset_specs()))\n"
    )
    command = [sys.executable, "-c", script]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    slugs = {path.stem for path in (ROOT / "project" / "sources").iterdir()}
    assert set(ran.stdout.split()) == {f"pipedrive/{slug}" for slug in slugs} | OF_PROJECT


def test_a_bad_file_is_shown_and_all_others_load(project: Path) -> None:
    write(project, "deals")
    write(project, "broken", object_type="dealz", properties=[])
    definitions = build_definitions(loaded(project))
    assert keys(definitions) == {"pipedrive/deals"} | OF_PROJECT
    (files,) = [spec for spec in definitions.resolve_all_asset_specs() if spec.key == FILES]
    shown = (files.description or "").replace("\\", "")  # what Markdown makes of it
    assert "broken.yaml" in shown
    assert "object_type: `dealz` is not an object type. Did you mean `deals`" in shown
    assert "properties: Must not be empty." in shown


def test_the_sensor_turns_the_check_red_once_and_green_again(
    project: Path, instance: dg.DagsterInstance
) -> None:
    def tick(cursor: str | None) -> tuple[bool | None, str | None]:
        definitions = build_definitions(loaded(project))
        sensor = definitions.resolve_sensor_def("project_files_sensor")
        with dg.build_sensor_context(instance=instance, cursor=cursor) as context:
            ticked = sensor.evaluate_tick(context)
        if not ticked.asset_events:
            return None, cursor
        (event,) = ticked.asset_events
        assert isinstance(event, dg.AssetCheckEvaluation)
        assert (event.asset_key, event.check_name) == (FILES, CHECK_NAME)
        return event.passed, ticked.cursor

    write(project, "deals")
    write(project, "broken", object_type="dealz")
    passed, cursor = tick(None)
    assert passed is False
    assert tick(cursor) == (None, cursor)
    write(project, "broken")
    passed, cursor = tick(cursor)
    assert passed is True
    assert tick(cursor) == (None, cursor)


def test_the_check_says_the_same_when_run_by_hand(project: Path, instance: dg.DagsterInstance) -> None:
    write(project, "broken", name="")
    definitions = build_definitions(loaded(project))
    result = definitions.resolve_implicit_global_asset_job_def().execute_in_process(instance=instance)
    (evaluation,) = result.get_asset_check_evaluations()
    assert not evaluation.passed
    assert "name: Must not be blank." in str(evaluation.metadata["problems"].value)


def test_a_source_that_dagster_refuses_is_left_out() -> None:
    good = source()
    refused = Source.model_construct(**dict(good) | {"slug": "not-a-name"})
    definitions = build_definitions(LoadedSources((good, refused)))
    assert keys(definitions) == {"pipedrive/all_deals"} | OF_PROJECT
    (files,) = [spec for spec in definitions.resolve_all_asset_specs() if spec.key == FILES]
    assert "sources/not-a-name" in (files.description or "")


@settings(max_examples=40, deadline=None)
@given(BODIES)
def test_every_valid_body_becomes_an_asset(body: dict[str, Any]) -> None:
    parsed = SourceBody.parse(body)
    built = Source(**dict(parsed), slug="x", id=source().id, created_at=source().created_at)
    definitions = build_definitions(LoadedSources((built,)))
    assert keys(definitions) == {"pipedrive/x"} | OF_PROJECT
    dg.Definitions.validate_loadable(definitions)


def test_a_token_in_the_environment_is_named_and_not_shown() -> None:
    settings = Settings.from_variables({"PIPEDRIVE_API_TOKEN": "0123456789abcdef"})
    resources = build_definitions(LoadedSources(), project=ProjectContext(settings)).resources or {}
    pipedrive, warehouse = resources["pipedrive"], resources["warehouse"]
    assert isinstance(pipedrive, PipedriveResource)
    assert isinstance(warehouse, WarehouseResource)
    assert "0123456789abcdef" not in repr(pipedrive)
    assert pipedrive.token == "PIPEDRIVE_API_TOKEN"
    assert warehouse.database == "./data/warehouse.duckdb"


def test_the_snapshot_is_what_a_run_loads(project: Path, tmp_path: Path) -> None:
    write(project, "deals")
    state = tmp_path / "state"
    component = PipedriveProject()
    component.write_state_to_path(state)
    (project / "sources" / "deals.yaml").unlink()
    context = dg.ComponentTree.for_test().load_context
    assert keys(component.build_defs_from_state(context, state)) == {"pipedrive/deals"} | OF_PROJECT
    assert keys(component.build_defs_from_state(context, None)) == OF_PROJECT


def test_a_load_takes_a_snapshot_only_when_the_folder_has_changed(
    project: Path, instance: dg.DagsterInstance
) -> None:
    storage = instance.defs_state_storage
    assert storage is not None
    write(project, "deals")
    context = dg.ComponentTree.for_test().load_context
    versions = []
    for slugs in (["deals"], ["deals"], ["deals", "more"]):
        for slug in slugs:
            write(project, slug)
        assert keys(PipedriveProject().build_defs(context)) == {
            *OF_PROJECT, *(f"pipedrive/{slug}" for slug in slugs)
        }  # fmt: skip
        versions.append(storage.get_latest_version("ImportSources"))
    assert versions[0] == versions[1] != versions[2]


@pytest.mark.parametrize(("count", "own_jobs"), [(100, 100), (101, 0)])
def test_up_to_a_hundred_sources_their_schedules_have_jobs_of_their_own(
    count: int, own_jobs: int, instance: dg.DagsterInstance
) -> None:
    sources = tuple(source(slug=f"source_{number}", id=str(uuid4())) for number in range(count))
    definitions = build_definitions(LoadedSources(sources))
    repository = definitions.get_repository_def()
    jobs = {schedule.job_name for schedule in repository.schedule_defs}
    assert len(jobs - {"__ASSET_JOB"}) == own_jobs
    schedule = repository.get_schedule_def("source_7_schedule")
    with dg.build_schedule_context(
        instance=instance,
        repository_def=repository,
        scheduled_execution_time=datetime(2026, 12, 5, tzinfo=UTC),
    ) as context:
        (request,) = schedule.evaluate_tick(context).run_requests or []
    assert request.asset_selection == [dg.AssetKey(["pipedrive", "source_7"])]


@pytest.mark.parametrize(("chosen", "limit"), [("", None), ("6", 6)])
def test_a_backfill_is_one_run_unless_the_settings_say_otherwise(chosen: str, limit: int | None) -> None:
    settings = Settings.from_variables({"PIPEDRIVE_WINDOWS_PER_RUN": chosen})
    assets = build_definitions(
        LoadedSources((source(),)), project=ProjectContext(settings)
    ).resolve_asset_graph()
    policy = assets.get(dg.AssetKey(["pipedrive", "all_deals"])).backfill_policy
    assert policy is not None
    assert policy.max_partitions_per_run == limit


@in_full
def test_hundreds_of_sources_build_in_seconds(project: Path) -> None:
    for number in range(500):
        write(project, f"source_{number}")
    began = time.process_time()
    definitions = build_definitions(loaded(project))
    definitions.get_repository_def().load_all_definitions()
    # A third of it was measured; the bound finds what grows faster than the number of sources.
    assert time.process_time() - began < 5


def test_the_run_of_one_of_many_sources_needs_that_one_alone() -> None:
    sources = tuple(source(slug=f"source_{number}", id=str(uuid4())) for number in range(101))
    loaded, key = LoadedSources(sources), dg.AssetKey(["pipedrive", "source_7"])
    alone = build_definitions(loaded, wanted=[key])
    assert [spec.key for spec in alone.resolve_all_asset_specs() if spec.key.path[-1] != "account"] == [key]
    everything = build_definitions(loaded, wanted=[key, dg.AssetKey("project_files")])
    assert len(everything.resolve_all_asset_specs()) > 101
    # Of few sources each schedule has a job of its own, by which its run is found.
    few = build_definitions(LoadedSources(sources[:9]), wanted=[key])
    assert len(few.resolve_all_asset_specs()) > 9


def test_sources_of_many_accounts_share_the_jobs_that_a_code_location_bears() -> None:
    sources = tuple(source(slug=f"source_{number}", id=str(uuid4())) for number in range(11))
    loaded = LoadedSources(sources)
    for accounts, own in ((9, 11), (10, 1)):
        definitions = build_definitions(loaded, project=ProjectContext(accounts=accounts))
        schedules = definitions.get_repository_def().schedule_defs
        assert len({schedule.job_name for schedule in schedules}) == own

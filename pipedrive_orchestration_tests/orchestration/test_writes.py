"""Writes in Dagster: assets below what they read, schedules, jobs, and what is applied by itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from pydantic import SecretStr

from pipedrive_orchestration.demo import DemoServer, running_demo
from pipedrive_orchestration.importing import Pull, import_source
from pipedrive_orchestration.orchestration import build_definitions
from pipedrive_orchestration.orchestration.context import ProjectContext
from pipedrive_orchestration.pipedrive.auth import Connection
from pipedrive_orchestration.services.deployment import store_of
from pipedrive_orchestration.settings import Settings
from pipedrive_orchestration.warehouse import Warehouse
from pipedrive_orchestration.writing.store import WriteStore
from pipedrive_orchestration_tests.conftest import account_settings

PIPELINES = (
    "name: Pipelines\nobject_type: pipelines\nproperties: [name]\npull_mode: active\nschedule: '@daily'\n"
)
NAMES = """\
name: Names of pipelines
object_type: pipelines
operation: update
rows: SELECT _id AS pipeline, name || '!' AS name FROM pipedrive.pipelines WHERE name NOT LIKE '%!'
match: {pipeline: id}
fields: {name: name}
schedule: "0 6 * * *"
"""


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[DemoServer]:
    with running_demo(account_settings(scale=0.005)) as server:
        # Where a run looks for the token.
        monkeypatch.setenv("PIPEDRIVE_API_TOKEN", server.token)
        yield server


class Written:
    """A project with a write, and the definitions that Dagster has of it."""

    def __init__(self, folder: Path, account: DemoServer, instance: dg.DagsterInstance, write: str) -> None:
        project = folder / "project"
        for name, text in (("sources/pipelines", PIPELINES), ("writes/names", write)):
            (project / name).parent.mkdir(parents=True, exist_ok=True)
            (project / f"{name}.yaml").write_text(text)
        database = str(folder / "warehouse.duckdb")
        self.instance = instance
        sources = store_of(project, instance).load()
        import_source(
            sources.find("pipelines"),
            connection=Connection.of(account.url, account.token),
            warehouse=Warehouse(database),
            staging=folder / "staging",
            pull=Pull.CHANGES,
        )
        settings = Settings(
            api_url=account.url,
            api_token=SecretStr(account.token),
            project=project,
            warehouse=database,
            allow_writes=True,
        )
        writes = WriteStore(project).load()
        self.definitions = build_definitions(sources, project=ProjectContext(settings), writes=writes)

    def materialize(self) -> dg.ExecuteInProcessResult:
        job = self.definitions.resolve_implicit_global_asset_job_def()
        return job.execute_in_process(
            asset_selection=[dg.AssetKey(["writes", "names"])], instance=self.instance, raise_on_error=False
        )

    def run(self, job: str, **config: Any) -> dict[str, Any]:
        """The metadata that a job's page shows."""
        result = self.definitions.resolve_job_def(job).execute_in_process(
            run_config={"write": "names"} | config, instance=self.instance
        )
        (event,) = [event for event in result.all_node_events if event.is_successful_output]
        return {key: value.value for key, value in event.step_output_data.metadata.items()}


def metadata_of(result: dg.ExecuteInProcessResult) -> dict[str, Any]:
    (event,) = result.asset_materializations_for_node("writes__names")
    return {key: value.value for key, value in event.metadata.items()}


def names_of(account: DemoServer) -> set[bool]:
    """Whether names of pipelines end in an exclamation mark."""
    return {
        one["name"].endswith("!") for one in account.account.records("pipelines") if not one["is_deleted"]
    }


def test_an_asset_is_a_plan_below_what_it_reads_and_jobs_apply_it_and_take_it_back(
    tmp_path: Path, account: DemoServer, instance: dg.DagsterInstance
) -> None:
    written = Written(tmp_path, account, instance, NAMES)
    key = dg.AssetKey(["writes", "names"])
    graph = written.definitions.resolve_asset_graph()
    assert graph.get(key).parent_keys == {dg.AssetKey(["pipedrive", "pipelines"])}
    schedule = written.definitions.resolve_schedule_def("names_write_schedule")
    assert schedule.cron_schedule == "0 6 * * *"
    result = written.materialize()
    assert result.success
    shown = metadata_of(result)
    count = shown["updates"]
    assert count > 0
    assert "| update |" in shown["plan"]
    assert "!" in shown["plan"]
    assert names_of(account) == {False}
    applied = written.run("apply_write")
    assert applied["outcome"] == f"{count} done"
    assert names_of(account) == {True}
    assert written.run("undo_write")["updates"] == count
    written.run("apply_write")
    assert names_of(account) == {False}
    assert written.run("plan_write", refresh=False)["status"] == "planned"


@pytest.mark.parametrize("most", [1, 1000])
def test_a_plan_is_applied_by_itself_only_within_its_limits(
    tmp_path: Path, account: DemoServer, instance: dg.DagsterInstance, most: int
) -> None:
    write = f"{NAMES}apply: automatic\nlimits: {{changes: {most}}}\n"
    result = Written(tmp_path, account, instance, write).materialize()
    assert result.success
    (check,) = result.get_asset_check_evaluations()
    assert (check.passed, check.severity) == (most == 1000, dg.AssetCheckSeverity.WARN)
    assert names_of(account) == {most == 1000}
    assert ("outcome" in metadata_of(result)) == (most == 1000)

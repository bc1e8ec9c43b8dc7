"""The component in a project that dg has made: found, scaffolded, checked, and two accounts side by side."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest
import yaml

from pipedrive_orchestration.demo import DemoServer, running_demo
from pipedrive_orchestration.orchestration import PipedriveProject, PipedriveResource, WarehouseResource
from pipedrive_orchestration.orchestration import defs as defs_module
from pipedrive_orchestration.orchestration.attributes import ConnectionAttributes, WarehouseAttributes
from pipedrive_orchestration.orchestration.model.loading import ModelAsset
from pipedrive_orchestration.services.dagster_internals import InstanceKeyValues, ScheduleStates
from pipedrive_orchestration.services.deployment import store_of
from pipedrive_orchestration.services.names import LOCATION, DagsterNames
from pipedrive_orchestration.sources import Hold, Source, SourceStore
from pipedrive_orchestration.workflows import Workflow
from pipedrive_orchestration.writing.model import Write
from pipedrive_orchestration_tests.chaos.sizes import in_full
from pipedrive_orchestration_tests.clocks import PRESENT, STARTUP
from pipedrive_orchestration_tests.conftest import account_settings
from pipedrive_orchestration_tests.instances import dagster_instance

ROOT = Path(__file__).parents[2]
ACCOUNTS = ("acme", "gx")
OUTREACH = """
name: Outreach
inputs: [{name: title, type: string}]
syncs: [{source: deals, field_mapping: {input.title: title}}]
"""

pytestmark = pytest.mark.filterwarnings(
    # Dagster marks as beta and preview what it calls itself while it resolves definitions.
    "ignore::dagster.BetaWarning",
    "ignore::dagster.PreviewWarning",
    # And what pydantic has renamed, while it reads a defs.yaml.
    "ignore:`parse_obj_as` is deprecated",
)


class DgProject:
    """A project of dg's own scaffolder with two accounts of ours, each with a source and a workflow.

    Attributes:
        said: what the commands said that look at it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "crm_data"
        self._home = folder
        ours = "pipedrive_orchestration.PipedriveProject"
        looking = ("dg list components --json", "dg check defs", "dg list defs --json")
        *_, components, check, defs = self._run(
            (folder, ["create-dagster", "project", "crm_data", "--no-uv-sync"]),
            (self.folder, f"dg scaffold defs {ours} acme".split()),
            (
                self.folder,
                f"dg scaffold defs {ours} globex --asset-key-prefix gx --project pipedrive/gx".split(),
            ),
            *(
                (self.folder, ["write", f"pipedrive/{account}/workflows/outreach.yaml", OUTREACH])
                for account in ACCOUNTS
            ),
            *((self.folder, command.split()) for command in looking),
        )
        self.said = dict(zip(looking, (components, check, defs), strict=True))

    def _run(self, *commands: tuple[Path, list[str]]) -> list[str]:
        """What commands say, that end well; they look for nothing in the network."""
        environment = {
            **os.environ,
            "HOME": str(self._home),
            "DAGSTER_HOME": str(self._home),
            "DAGSTER_DG_UPDATE_CHECK_ENABLED": "0",
            "DAGSTER_DISABLE_TELEMETRY": "true",
            "PYTHONPATH": os.pathsep.join([str(STARTUP), str(self.folder / "src"), str(ROOT)]),
        }
        ended = subprocess.run(
            [sys.executable, "-m", "pipedrive_orchestration_tests.orchestration.dg_commands"],
            input=json.dumps([(str(folder), words) for folder, words in commands]),
            env=environment, capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
        assert ended.returncode == 0, ended.stderr
        return list(json.loads(ended.stdout))

    def attributes(self, folder: str) -> dict[str, Any]:
        """What the defs.yaml of a component says."""
        content = yaml.safe_load(self._file(folder).read_text())
        assert content["type"] == "pipedrive_orchestration.PipedriveProject"
        return dict(content["attributes"])

    def write(self, folder: str, attributes: Mapping[str, Any]) -> None:
        content = {"type": "pipedrive_orchestration.PipedriveProject", "attributes": dict(attributes)}
        self._file(folder).write_text(yaml.safe_dump(content))

    def _file(self, folder: str) -> Path:
        return self.folder / "src" / "crm_data" / "defs" / folder / "defs.yaml"

    def load(self) -> dg.Definitions:
        return dg.ComponentTree.for_project(self.folder).build_defs()


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DgProject]:
    folder = tmp_path_factory.mktemp("dg")
    (folder / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    made = DgProject(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(made.folder / "src"))
        yield made
    for name in [name for name in sys.modules if name.split(".")[0] == "crm_data"]:
        del sys.modules[name]


def test_dg_shows_scaffolds_checks_and_lists_it(project: DgProject) -> None:
    components = json.loads(project.said["dg list components --json"])["items"]
    (ours,) = [one for one in components if one["key"] == "pipedrive_orchestration.PipedriveProject"]
    assert ours["summary"].startswith("A Pipedrive account in DuckDB")
    assert project.attributes("globex") == {
        "project": "pipedrive/gx",
        "asset_key_prefix": "gx",
        "connection": {"api_token": "{{ env.GX_PIPEDRIVE_API_TOKEN }}"},
        "warehouse": {"database": "data/gx.duckdb"},
    }
    assert "All component YAML validated successfully." in project.said["dg check defs"]
    assert "All definitions loaded successfully." in project.said["dg check defs"]

    defs = json.loads(project.said["dg list defs --json"])
    assert {asset["asset_key"] for asset in defs["assets"]} == {
        f"{account}/{rest}"
        for account in ACCOUNTS
        for rest in ("account", "deals", "project/files", "project/status", "workflows/outreach")
    }
    assert {one["name"] for one in defs["schedules"]} == {"deals_schedule__acme", "deals_schedule__gx"}
    assert len({one["name"] for one in defs["sensors"]}) == 2 * 7
    assert files_of(project.folder) == {
        "pipedrive/acme/sources/deals.yaml", "pipedrive/acme/workflows/outreach.yaml",
        "pipedrive/gx/sources/deals.yaml", "pipedrive/gx/workflows/outreach.yaml",
    }, "nothing is written but what was asked for"  # fmt: skip


def files_of(project: Path) -> set[str]:
    folders = (project / "pipedrive", project / "data")
    return {str(path.relative_to(project)) for each in folders for path in each.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def accounts() -> Iterator[dict[str, DemoServer]]:
    with (
        running_demo(account_settings(seed=2)) as acme,
        running_demo(account_settings(seed=3)) as gx,
    ):
        yield {"acme": acme, "gx": gx}


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dagster_instance() as instance:
        yield instance


@in_full
def test_two_accounts_in_one_code_location_do_not_meet(
    project: DgProject,
    accounts: dict[str, DemoServer],
    instance: dg.DagsterInstance,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for (account, server), folder in zip(accounts.items(), ("acme", "globex"), strict=True):
        monkeypatch.setenv(f"{account.upper()}_PIPEDRIVE_API_TOKEN", server.token)
        monkeypatch.setenv(f"{account.upper()}_URL", server.url)
        connection = {
            "api_token": f"{{{{ env.{account.upper()}_PIPEDRIVE_API_TOKEN }}}}",
            "api_url": f"{{{{ env.{account.upper()}_URL }}}}",
        }
        project.write(folder, project.attributes(folder) | {"connection": connection})
    definitions = project.load()
    repository = definitions.get_repository_def()

    # Before anything was imported each sensor asks for the first import of its own source, and no other.
    requests = {account: first_imports(repository, account, instance) for account in ACCOUNTS}
    assert {account: [one.asset_selection for one in asked] for account, asked in requests.items()} == {
        account: [[dg.AssetKey([account, "deals"])]] for account in ACCOUNTS
    }
    tags = [request.tags for asked in requests.values() for request in asked]
    assert len({tag["pipedrive/initial_import"] for tag in tags}) == 2
    assert {tag["pipedrive/source"] for tag in tags} == {"acme/deals", "gx/deals"}

    # A hold of one account is none of the other's, though their sources have the same id.
    stores = {
        one: store_of(project.folder / "pipedrive" / one, instance, DagsterNames(one)) for one in ACCOUNTS
    }
    (source_id,) = {store.load().find("deals").id for store in stores.values()}
    stores["gx"].holds.place(source_id, Hold(9, 1))
    assert [len(first_imports(repository, account, instance)) for account in ACCOUNTS] == [1, 0]
    stores["gx"].holds.lift(source_id)

    import_and_sync(definitions, "acme", instance, requests["acme"][0])
    assert not (project.folder / "data" / "gx.duckdb").exists()
    assert [len(first_imports(repository, account, instance)) for account in ACCOUNTS] == [0, 1]
    import_and_sync(definitions, "gx", instance, requests["gx"][0])
    for account, server in accounts.items():
        assert titles_in(project.folder, account, "pipedrive.deals") == titles_of(server)
        assert titles_in(project.folder, account, "workflows.outreach") == titles_of(server)
    assert titles_of(accounts["acme"]) != titles_of(accounts["gx"])

    # Pausing one schedule leaves the other's ticks alone.
    states = ScheduleStates(instance, LOCATION)
    states.stop("deals_schedule__acme", "*/30 * * * *")
    assert states.stopped() == {"deals_schedule__acme"}
    request = tick(repository, "deals_schedule__gx", instance)
    assert request.run_config == {"ops": {"gx__deals": {"config": {"pull": "changes"}}}}
    assert request.asset_selection == [dg.AssetKey(["gx", "deals"])]


def import_and_sync(
    definitions: dg.Definitions, account: str, instance: dg.DagsterInstance, first_import: dg.RunRequest
) -> None:
    """The runs that Dagster would launch of an account's source and workflow."""
    for key, tags in ((["deals"], first_import.tags), (["workflows", "outreach"], {})):
        ended = definitions.resolve_implicit_global_asset_job_def().execute_in_process(
            instance=instance,
            asset_selection=[dg.AssetKey([account, *key])],
            tags=dict(tags),
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        )
        assert ended.success


def first_imports(
    repository: dg.RepositoryDefinition, account: str, instance: dg.DagsterInstance
) -> list[dg.RunRequest]:
    sensor = repository.get_sensor_def(f"initial_import_sensor__{account}")
    with dg.build_sensor_context(
        instance=instance, repository_def=repository, resources=repository.get_top_level_resources()
    ) as context:
        return list(sensor.evaluate_tick(context).run_requests or [])


def tick(repository: dg.RepositoryDefinition, name: str, instance: dg.DagsterInstance) -> dg.RunRequest:
    with dg.build_schedule_context(
        instance=instance, repository_def=repository, scheduled_execution_time=PRESENT
    ) as context:
        (request,) = repository.get_schedule_def(name).evaluate_tick(context).run_requests or []
    return request


def titles_in(project: Path, account: str, table: str) -> list[str]:
    current = " WHERE _is_current" if table.startswith("pipedrive") else ""
    with duckdb.connect(str(project / "data" / f"{account}.duckdb"), read_only=True) as connection:
        rows = connection.execute(f"SELECT title FROM {table}{current}").fetchall()
    return sorted(row[0] for row in rows)


def titles_of(server: DemoServer) -> list[str]:
    """Of the deals that Pipedrive lists."""
    deals = server.account.records("deals")
    return sorted(deal["title"] for deal in deals if not (deal["is_deleted"] or deal["is_archived"]))


def written_project(folder: Path, slug: str = "deals", **changes: Any) -> Path:
    body = {"name": "Deals", "object_type": "deals", "properties": ["title"], "pull_mode": "static"}
    (folder / "sources").mkdir(parents=True)
    (folder / "sources" / f"{slug}.yaml").write_text(yaml.safe_dump(body | changes))
    return folder


def built(component: PipedriveProject) -> dg.Definitions:
    return component.build_defs(dg.ComponentTree.for_test().load_context)


def specs_of(component: PipedriveProject) -> dict[str, dg.AssetSpec]:
    return {spec.key.to_user_string(): spec for spec in built(component).resolve_all_asset_specs()}


def test_attributes_group_own_and_tag_all_assets(tmp_path: Path) -> None:
    written_project(tmp_path, options={"owners": ["team:sales", "team:crm"]})
    specs = specs_of(
        PipedriveProject(
            project=str(tmp_path),
            group_name="crm",
            owners=["team:crm", "ann@acme.com"],
            tags={"account": "a"},
        )
    )
    deals = specs["pipedrive/deals"]
    assert (deals.group_name, list(deals.owners)) == ("crm", ["team:sales", "team:crm", "ann@acme.com"])
    assert {**deals.tags, "account": "a", "pipedrive/object_type": "deals"} == deals.tags
    assert specs["project_files"].group_name == "crm"


class Described(PipedriveProject):
    """As a user would change what Dagster shows."""

    def get_asset_spec(
        self, spec: dg.AssetSpec, definition: Source | Workflow | ModelAsset | Write
    ) -> dg.AssetSpec:
        return spec.replace_attributes(description=f"{definition.name}, mine")


class Moved(PipedriveProject):
    """As a user might try to move assets."""

    def get_asset_spec(
        self, spec: dg.AssetSpec, definition: Source | Workflow | ModelAsset | Write
    ) -> dg.AssetSpec:
        return spec.replace_attributes(key=spec.key.with_prefix("crm"))


def test_a_subclass_has_the_last_word_on_specs_but_not_on_keys(tmp_path: Path) -> None:
    written_project(tmp_path)
    assert specs_of(Described(project=str(tmp_path)))["pipedrive/deals"].description == "Deals, mine"
    specs = specs_of(Moved(project=str(tmp_path)))
    assert specs.keys() == {"project_files", "status", "pipedrive/account"}
    assert "give the component another asset" in (specs["project_files"].description or "").replace("\\", "")


def resources_of(component: PipedriveProject) -> tuple[PipedriveResource, WarehouseResource]:
    resources = built(component).resources or {}
    account, database = (resources[f"{name}__acme"] for name in ("pipedrive", "warehouse"))
    assert isinstance(account, PipedriveResource)
    assert isinstance(database, WarehouseResource)
    return account, database


def test_secrets_are_named_and_nothing_is_taken_from_the_account_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PIPEDRIVE_API_TOKEN", "PIPEDRIVE_OAUTH_CLIENT_SECRET", "ACME_TOKEN"):
        monkeypatch.setenv(name, f"secret of {name}")
    monkeypatch.setenv("PIPEDRIVE_API_URL", "https://other.pipedrive.com")
    monkeypatch.setenv("PIPEDRIVE_PUBLISH", str(tmp_path / "copy.duckdb"))
    written_project(tmp_path / "acme")
    account, database = resources_of(
        PipedriveProject(
            project=str(tmp_path / "acme"),
            asset_key_prefix="acme",
            connection=ConnectionAttributes(api_token=dg.EnvVar("ACME_TOKEN")),
            warehouse=WarehouseAttributes(database=str(tmp_path / "acme.duckdb")),
        )
    )
    assert (account.token, account.url) == ("ACME_TOKEN", "https://api.pipedrive.com")
    assert isinstance(account.token, dg.EnvVar)
    assert (account.oauth_client_secret, account.oauth_refresh_token) == ("", "")
    assert (database.database, database.publish) == (str(tmp_path / "acme.duckdb"), "")


def test_what_the_attributes_leave_out_the_environment_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIPEDRIVE_API_TOKEN", "t")
    monkeypatch.setenv("PIPEDRIVE_WAREHOUSE", str(tmp_path / "of_the_environment.duckdb"))
    monkeypatch.setenv("PIPEDRIVE_PROJECT", str(written_project(tmp_path / "alone")))
    monkeypatch.chdir(tmp_path)
    definitions = built(PipedriveProject())
    resources = definitions.resources or {}
    assert resources["pipedrive"].token == "PIPEDRIVE_API_TOKEN"
    assert resources["warehouse"].database == str(tmp_path / "of_the_environment.duckdb")
    assert dg.AssetKey(["pipedrive", "deals"]) in {one.key for one in definitions.resolve_all_asset_specs()}

    # Another account has a database of its own, whatever the environment says of the one.
    written_project(tmp_path / "acme")
    account, database = resources_of(PipedriveProject(project="acme", asset_key_prefix="acme"))
    assert account.token == "PIPEDRIVE_API_TOKEN"
    assert database.database == str(tmp_path / "data" / "acme.duckdb")


@pytest.mark.parametrize(
    ("attributes", "said"),
    [
        ("connection: {api_token: 0123456789abcdef}", "A secret is written as '{{ env.NAME }}'"),
        ("connection: {api_token: '{{ env(\"A\") }}'}", "A secret is written as '{{ env.NAME }}'"),
        ("asset_key_prefix: Acme-1", "cannot be used. Write lower-case letters"),
        ("asset_key_prefix: acme", "Name the `project` folder"),
        ("windows_per_run: 0", "greater than 0"),
        ("projekt: x", "Extra inputs are not permitted"),
        ("project: $HOME/x", "nothing replaces $HOME here"),
        ("warehouse: {}", "Field required"),
    ],
)
def test_a_wrong_attribute_is_refused_in_a_sentence(attributes: str, said: str) -> None:
    with pytest.raises(Exception, match=re.escape(said)) as caught:
        built(PipedriveProject.resolve_from_yaml(attributes))
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("attributes", "said"),
    [
        ({"asset_key_prefix": "acme"}, "Two projects have the asset_key_prefix `acme`"),
        ({"warehouse": {"database": "data/acme.duckdb"}}, "have the same database"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*Multiple components have the same defs state key")
def test_accounts_that_would_meet_are_refused(
    project: DgProject, attributes: dict[str, Any], said: str
) -> None:
    before = project.attributes("globex")
    project.write("globex", before | attributes)
    try:
        with pytest.raises(Exception, match="Error while") as caught:
            project.load()
        assert said in str(caught.value.__cause__)
    finally:
        project.write("globex", before)


def first_window(component: PipedriveProject) -> str:
    asset = built(component).resolve_asset_graph().get(dg.AssetKey(["pipedrive", "deals"]))
    assert asset.partitions_def is not None
    return str(asset.partitions_def.get_first_partition_key())


def test_the_same_files_and_storage_have_the_same_windows_on_another_machine(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    here = written_project(tmp_path / "here")
    memory = InstanceKeyValues(instance, "pipedrive")
    SourceStore(here, memory, clock=lambda: datetime(2024, 3, 5, tzinfo=UTC)).load()
    elsewhere = tmp_path / "another machine"
    shutil.copytree(here, elsewhere)
    assert {path.name for path in elsewhere.rglob("*")} == {"sources", "deals.yaml"}
    with instance:
        assert first_window(PipedriveProject(project=str(here))) == "2022-03-01"
        assert first_window(PipedriveProject(project=str(elsewhere))) == "2022-03-01"
    with dagster_instance() as other:
        assert other.defs_state_storage
        assert first_window(PipedriveProject(project=str(elsewhere))) != "2022-03-01", "a storage of its own"


def test_runs_of_this_repository_need_no_second_process_also_after_a_refresh(
    instance: dg.DagsterInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIPEDRIVE_PROJECT", str(written_project(tmp_path / "project")))
    with instance:
        tree = dg.ComponentTree(defs_module=defs_module, project_root=tmp_path)
        assert tree.build_defs().executor is dg.in_process_executor
        (tmp_path / "project" / "sources" / "more.yaml").write_text(
            (tmp_path / "project" / "sources" / "deals.yaml").read_text()
        )
        refreshed = tree.reload_with_state([DagsterNames().state_key])
    assert refreshed.executor is dg.in_process_executor
    keys = {spec.key.to_user_string() for spec in refreshed.resolve_all_asset_specs()}
    of_project = {"project_files", "status", "pipedrive/account"}
    assert keys == {"pipedrive/deals", "pipedrive/more"} | of_project

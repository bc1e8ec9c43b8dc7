"""The files of a deployment over several hosts: what they name is there, and they say one thing."""

from __future__ import annotations

import configparser
import re
import shlex
import tomllib
from datetime import timedelta
from fnmatch import fnmatch
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import time_machine
import yaml
from dagster._core.instance.ref import InstanceRef

from pipedrive_orchestration.cli.app import OUTLINES
from pipedrive_orchestration.orchestration import snapshot_storage
from pipedrive_orchestration.orchestration.celery_launcher import WatchedCeleryRunLauncher
from pipedrive_orchestration.orchestration.run_monitoring import WatchedRunLauncher
from pipedrive_orchestration.orchestration.snapshot_storage import DatabaseSnapshotStorage
from pipedrive_orchestration.settings import Settings
from pipedrive_orchestration.template import PARTS
from pipedrive_orchestration_tests.clocks import PRESENT
from pipedrive_orchestration_tests.instances import dagster_instance
from pipedrive_orchestration_tests.warehouse.duckdbs import LAKE

CHECKOUT = Path(__file__).parents[2]
DEPLOY = CHECKOUT / "deploy"
VARIABLES = {Settings.variable(field) for field in Settings.model_fields}

ENVIRONMENT = {
    "DAGSTER_PG_HOST": "nowhere", "DAGSTER_PG_PORT": "5432", "DAGSTER_PG_USER": "crm",
    "DAGSTER_PG_PASSWORD": "none", "DAGSTER_PG_DB": "dagster",
    "CELERY_BROKER_URL": "redis://nowhere/0", "CELERY_RESULT_BACKEND": "redis://nowhere/1",
}  # fmt: skip


def read(name: str) -> Any:
    return yaml.safe_load((DEPLOY / name).read_text())


def dockerfile() -> str:
    return (DEPLOY / "Dockerfile").read_text()


def unit(file: Path) -> dict[str, str]:
    """The section of a unit that says how it runs."""
    read = configparser.ConfigParser(interpolation=None, strict=True)
    read.optionxform = str  # type: ignore[method-assign,assignment]
    read.read_string(file.read_text())
    return dict(read["Service"])


def test_every_variable_of_ours_is_a_setting() -> None:
    for file in DEPLOY.iterdir():
        named = set(re.findall(r"\bPIPEDRIVE_[A-Z0-9_]*[A-Z0-9]\b", file.read_text()))
        assert named <= VARIABLES, file.name


def test_every_command_is_one_that_there_is() -> None:
    services = read("compose.yaml")["services"].items()
    commands = [one["command"] for name, one in services if name != "redis" and "command" in one]
    commands += [shlex.split(unit(file)["ExecStart"]) for file in DEPLOY.glob("*.service")]
    ours = {outline.name: outline for outline in OUTLINES}
    for program, *words in commands:
        name = Path(program).name
        if name == "python":
            assert words[0] == "-m"
            assert find_spec(words[1]), words
        elif name == "pipedrive-orchestration":
            options = {option for parameter in ours[words[0]].load().params for option in parameter.opts}
            assert {word for word in words if word.startswith("-")} <= options, words
        else:
            assert name in {"dagster", "dagster-daemon", "celery"}
    assert len(commands) == 8


def test_what_has_to_be_filled_in_is_asked_for() -> None:
    """A variable without which the file is refused, and those that may be set in it, are in the example."""
    text = (DEPLOY / "compose.yaml").read_text()
    example = (DEPLOY / "env.example").read_text()
    needed = set(re.findall(r"\$\{(\w+):\?", text))
    assert needed == {"POSTGRES_PASSWORD"}
    assert needed <= set(re.findall(r"^(\w+)=$", example, re.MULTILINE))
    assert set(re.findall(r"\$\{(\w+)", text)) <= set(re.findall(r"^(?:# )?(\w+)=", example, re.MULTILINE))


def test_services_find_one_another() -> None:
    compose = read("compose.yaml")
    services, environment = compose["services"], compose["x-ours"]["environment"]
    server = read("workspace.yaml")["load_from"][0]["grpc_server"]
    code = services[server["host"]]["command"]
    assert code[code.index("-p") + 1] == str(server["port"])
    assert str(server["port"]) in services["code"]["healthcheck"]["test"][-1]
    assert code[code.index("--location-name") + 1] == server["location_name"]
    for name in ("web", "api"):
        (published,) = services[name]["ports"]
        address, outside, inside = published.split(":")
        assert (address, outside) == ("127.0.0.1", inside), "open to other machines"
        assert inside in services[name]["command"]
    assert environment["PIPEDRIVE_DAGSTER_URL"] == f"http://web:{services['web']['command'][-1]}"
    assert "web" in environment["PIPEDRIVE_DAGSTER_HOSTS"].split(",")
    assert environment["PGHOST"] in services
    assert environment["DAGSTER_PG_DB"] == services["postgres"]["environment"]["POSTGRES_DB"]
    (database,) = re.findall(r"CREATE DATABASE (\w+);", (DEPLOY / "databases.sql").read_text())
    assert environment["PIPEDRIVE_WAREHOUSE"] == f"ducklake:postgres:dbname={database}"


def test_no_run_waits_for_a_worker() -> None:
    """What waits long at the workers counts as failed; in Dagster's queue it does not."""
    replicas = read("compose.yaml")["services"]["worker"]["deploy"]["replicas"]
    assert replicas == read("dagster.yaml")["concurrency"]["runs"]["max_concurrent_runs"]


def test_services_write_to_volumes_alone() -> None:
    """As nobody in particular; the volumes' folders are the image's, of its user."""
    compose = read("compose.yaml")
    made = re.findall(r"(/home/crm/\w+)", dockerfile().split("install -d")[1].split("COPY")[0])
    for name, service in compose["services"].items():
        for volume in service["volumes"]:
            source, target = volume.split(":")[:2] if "{" not in volume else volume.rsplit("}:")
            if re.fullmatch(r"\w+", source):
                assert source in compose["volumes"]
                assert target in made or name in {"postgres", "redis"}
        if name not in {"postgres", "redis"}:
            assert service["read_only"] is True
            assert service["cap_drop"] == ["ALL"]
            assert service["security_opt"] == ["no-new-privileges:true"]


def test_the_image_is_made_of_what_is_here() -> None:
    """Its Python is one that is tested, its extras exist, and the build is sent the template."""
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    version = re.search(r"^ARG PYTHON=(\d+\.\d+)-", dockerfile(), re.MULTILINE)
    assert version
    assert f"Programming Language :: Python :: {version[1]}" in project["classifiers"]
    extras = re.search(r"^ARG EXTRAS=(.*)$", dockerfile(), re.MULTILINE)
    assert extras
    assert set(extras[1].split(",")) | {"kubernetes"} <= set(project["optional-dependencies"])
    assert f"duckdb=={LAKE}/" in dockerfile()
    rules = (CHECKOUT / ".dockerignore").read_text().splitlines()
    assert rules[1] == "*"
    needed = {*PARTS, "pyproject.toml", "constraints.txt", "README.md", "LICENSE", "hatch_build.py",
              "pipedrive_orchestration"}  # fmt: skip
    assert needed == {rule[1:] for rule in rules if rule.startswith("!")}
    assert any(fnmatch("project/.holds.json", rule) for rule in rules[1:] if rule != "*")


def test_units_are_confined() -> None:
    page = (CHECKOUT / "docs" / "deploy.md").read_text()
    units = list(DEPLOY.glob("*.service"))
    assert len(units) == 2
    for file in units:
        service = unit(file)
        assert service["ReadWritePaths"] == service["WorkingDirectory"]
        assert service["User"] != "root"
        for name, value in {"ProtectSystem": "strict", "ProtectHome": "yes", "NoNewPrivileges": "yes",
                            "CapabilityBoundingSet": "", "UMask": "0077"}.items():  # fmt: skip
            assert service[name] == value, file.name
        assert file.name in page
        assert f"127.0.0.1:{shlex.split(service['ExecStart'])[-1]}" in page


def test_the_values_of_the_chart_say_what_the_other_files_say() -> None:
    values = read("kubernetes-values.yaml")
    (deployment,) = values["dagster-user-deployments"]["deployments"]
    web, daemon = values["dagsterWebserver"], values["dagsterDaemon"]
    assert deployment["image"] == web["image"] == daemon["image"]
    code = read("compose.yaml")["services"]["code"]["command"]
    assert deployment["codeServerArgs"] == code[code.index("-m") :]
    assert values["dagster-user-deployments"]["includeInstance"] is True, "its pods would find no snapshot"
    (server,) = read("workspace.yaml")["load_from"]
    location = server["grpc_server"]["location_name"]
    assert web["workspace"]["servers"] == [
        {"host": deployment["name"], "port": deployment["port"], "name": location}
    ]
    url = f"http://{values['global']['dagsterInstanceConfigMap'].removesuffix('-instance')}-webserver"
    variables = {one["name"]: one["value"] for one in deployment["env"]}
    assert variables["PIPEDRIVE_DAGSTER_URL"] == f"{url}:{web['service']['port']}"
    assert web["service"]["port"] == web["readinessProbe"]["httpGet"]["port"] > 1023
    for pod in (deployment, web, daemon):
        assert f"USER {pod['podSecurityContext']['runAsUser']}\n" in dockerfile()
    assert f"{values['global']['dagsterHome']} " in dockerfile()
    mounts = {mount["mountPath"] for mount in deployment["volumeMounts"]}
    assert {variables["PIPEDRIVE_PROJECT"]} == mounts
    assert (
        values["additionalInstanceConfig"]["defs_state_storage"] == read("dagster.yaml")["defs_state_storage"]
    )
    postgres = read("dagster.yaml")["storage"]["postgres"]["postgres_db"]
    assert values["postgresql"]["postgresqlScheme"] == postgres["scheme"]
    assert values["telemetry"]["enabled"] is read("dagster.yaml")["telemetry"]["enabled"] is False


def test_no_secret_stands_in_a_file() -> None:
    services = read("compose.yaml")["services"]
    for name, service in services.items():
        for variable, value in service.get("environment", {}).items():
            if re.search("PASSWORD|TOKEN|SECRET|KEY", variable):
                assert re.fullmatch(r"\$\{[A-Z_]+(:\?[^}]*)?\}", value), f"{name}: {variable}"


def test_the_instance_is_what_its_file_says(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    instance = InstanceRef.from_dir(str(DEPLOY))
    assert isinstance(instance.run_launcher, WatchedCeleryRunLauncher)
    assert instance.defs_state_storage_data is not None
    assert isinstance(instance.defs_state_storage, DatabaseSnapshotStorage)


def test_the_dagster_yaml_that_0_1_0_laid_out_names_what_is_still_there(tmp_path: Path) -> None:
    """Such a file is its user's, and no new version changes it."""
    present = (CHECKOUT / "dagster.yaml").read_text()
    first = present.replace("orchestration.run_monitoring", "orchestration.run_workers")
    assert first != present
    (tmp_path / "dagster.yaml").write_text(first)
    assert isinstance(InstanceRef.from_dir(str(tmp_path)).run_launcher, WatchedRunLauncher)


def test_the_limits_are_those_of_one_machine() -> None:
    here, there = yaml.safe_load((CHECKOUT / "dagster.yaml").read_text()), read("dagster.yaml")
    assert there["concurrency"]["pools"] == here["concurrency"]["pools"]
    limits = there["concurrency"]["runs"]["tag_concurrency_limits"]
    assert limits == here["concurrency"]["runs"]["tag_concurrency_limits"]
    kubernetes = read("kubernetes-values.yaml")["concurrency"]
    assert kubernetes["runs"]["tagConcurrencyLimits"] == limits
    assert kubernetes["pools"]["defaultLimit"] == there["concurrency"]["pools"]["default_limit"]


def test_snapshots_in_a_database_are_those_that_were_put_there(tmp_path: Path) -> None:
    with dagster_instance() as instance:
        storage = DatabaseSnapshotStorage()
        storage.register_instance(instance)
        for version, content in {"v1": b"\0 bytes \xff", "v2": b"{}" * 100_000}.items():
            (tmp_path / "state").write_bytes(content)
            storage.upload_state_from_path("project", version, tmp_path / "state")
            assert storage.get_latest_version("project") == version
            storage.download_state_to_path("project", version, tmp_path / "back")
            assert (tmp_path / "back").read_bytes() == content
        storage.download_state_to_path("project", "v1", tmp_path / "back")
        assert (tmp_path / "back").read_bytes() == b"\0 bytes \xff"
        with pytest.raises(ValueError, match="no snapshot v3 of project"):
            storage.download_state_to_path("project", "v3", tmp_path / "back")


def test_of_snapshots_in_a_database_the_last_ones_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot_storage, "KEPT_SNAPSHOTS", 2)
    state = tmp_path / "state"
    state.write_bytes(b"{}")
    with dagster_instance() as instance:
        storage = DatabaseSnapshotStorage()
        storage.register_instance(instance)
        for day, version in ((0, "v1"), (1, "v2"), (2, "v3"), (5, "v4")):
            with time_machine.travel(PRESENT + timedelta(days=day)):
                storage.upload_state_from_path("project", version, state)
        kept = [version for version in ("v1", "v2", "v3", "v4") if _is_there(storage, version, state)]
    assert kept == ["v3", "v4"]


def _is_there(storage: DatabaseSnapshotStorage, version: str, state: Path) -> bool:
    try:
        storage.download_state_to_path("project", version, state)
    except ValueError:
        return False
    return True

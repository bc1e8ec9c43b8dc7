"""The files of a deployment over several hosts: what they name is there, and they say one thing."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from dagster._core.instance.ref import InstanceRef

from pipedrive_orchestration.orchestration.celery_launcher import WatchedCeleryRunLauncher
from pipedrive_orchestration.orchestration.snapshot_storage import DatabaseSnapshotStorage
from pipedrive_orchestration.settings import Settings
from pipedrive_orchestration_tests.instances import dagster_instance

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


def test_every_variable_of_ours_is_a_setting() -> None:
    for file in DEPLOY.iterdir():
        named = set(re.findall(r"\bPIPEDRIVE_[A-Z0-9_]*[A-Z0-9]\b", file.read_text()))
        assert named <= VARIABLES, file.name


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

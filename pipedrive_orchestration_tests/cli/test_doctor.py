"""``doctor``: each thing that can be wrong on a machine is found, with its remedy."""

from __future__ import annotations

import json
import shutil
import socket
from datetime import UTC, datetime, timedelta

import pytest

from pipedrive_orchestration.demo import DemoServer
from pipedrive_orchestration_tests.cli.conftest import PIPELINES, REPOSITORY, Project
from pipedrive_orchestration_tests.conftest import FreshDemo


@pytest.fixture
def well(project: Project, demo: DemoServer) -> Project:
    """A project with one imported source, and an account."""
    shutil.copy(REPOSITORY / "workspace.yaml", project.folder)
    project.write("pipelines", PIPELINES)
    project.connect_to(demo)
    (project.folder / ".env").chmod(0o600)
    project.bring("pipelines", demo)
    project.database.chmod(0o600)
    return project


def found(project: Project) -> dict[str, list[dict[str, str]]]:
    """What is not well, by subject."""
    ended = project.run("doctor", "--json")
    told = json.loads(ended.out)
    assert all(bool(one["remedy"]) == (one["verdict"] != "well") for one in told)
    assert ended.code == (1 if any(one["verdict"] == "wrong" for one in told) else 0)
    unwell: dict[str, list[dict[str, str]]] = {}
    for one in told:
        # That no daemon runs, who has a port meanwhile, and what time it is are this machine's matter.
        if one["verdict"] != "well" and one["subject"] not in ("dev", "ports", "clock"):
            unwell.setdefault(one["subject"], []).append(one)
    return unwell


def test_nothing_is_wrong_where_all_is_well(well: Project) -> None:
    assert found(well) == {}
    shown = well.run("doctor")
    assert shown.code == 0
    assert "✓ database: " in shown.out
    assert "opens; 1 sources have tables." in shown.out


def test_settings_that_cannot_be_used(well: Project) -> None:
    with (well.folder / ".env").open("a") as file:
        file.write("PIPEDRIVE_PUBLISH_EVERY=often\nPIPEDRIVE_WAREHOUSE=$HOME/x\n")
    unwell = found(well)
    assert [one["text"].split()[0] for one in unwell["settings"]] == [
        "PIPEDRIVE_WAREHOUSE",
        "PIPEDRIVE_PUBLISH_EVERY",
    ]


def test_files_that_others_can_read(well: Project) -> None:
    (well.folder / ".env").chmod(0o644)
    well.database.chmod(0o644)
    assert [one["remedy"] for one in found(well)["file modes"]] == [
        f"chmod 600 {well.folder / '.env'}",
        f"chmod 600 {well.database}",
    ]


def test_files_of_the_project_that_are_left_out(well: Project) -> None:
    well.write("broken", "name: [")
    (problem,) = found(well)["project"]
    assert "1 of 2 files" in problem["text"]
    assert "check" in problem["remedy"]


def test_a_database_that_is_none(well: Project) -> None:
    well.database.write_bytes(b"no database" * 1000)
    (problem,) = found(well)["database"]
    assert "cannot be opened as a DuckDB database" in problem["text"]


def test_a_lake_whose_catalogue_cannot_be_reached(well: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIPEDRIVE_WAREHOUSE", "ducklake:postgres:host=127.0.0.1 port=1 dbname=crm")
    unwell = found(well)
    (problem,) = unwell["database"]
    assert any(said in problem["text"] for said in ("no extension ducklake", "cannot be opened"))
    assert "disk" not in unwell


def test_a_damaged_state_of_dagster(well: Project) -> None:
    assert well.run("list").code == 0
    runs = well.folder / ".state" / "storage" / "history" / "runs.db"
    content = runs.read_bytes()
    runs.write_bytes(content[:4096] + b"\xff" * (len(content) - 4096))
    (problem,) = found(well)["Dagster's state"]
    assert str(runs) in problem["text"]
    assert "move it away" in problem["remedy"]


def test_an_account_that_does_not_answer_so(well: Project, demo: DemoServer) -> None:
    well.connect_to(demo, token="0" * 40)
    (problem,) = found(well)["account"]
    assert problem["text"].startswith("User is not connected to 'pipedrive'.")


@pytest.mark.parametrize(
    ("ahead", "said"),
    [(timedelta(hours=2), "behind"), (timedelta(hours=-2), "ahead of"), (timedelta(), "agrees with")],
)
def test_a_clock_that_is_not_pipedrives(
    well: Project, fresh_demo: FreshDemo, ahead: timedelta, said: str
) -> None:
    well.connect_to(fresh_demo(born=datetime.now(UTC) + ahead, clock_rate=1))
    (clock,) = [one for one in json.loads(well.run("doctor", "--json").out) if one["subject"] == "clock"]
    assert f"{said} Pipedrive's" in clock["text"]
    assert clock["verdict"] == ("warning" if ahead else "well")


def test_a_port_that_is_taken(well: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        monkeypatch.setattr("pipedrive_orchestration.services.diagnosis.PORTS", {port: "a server"})
        told = json.loads(well.run("doctor", "--json").out)
    (problem,) = [one for one in told if one["subject"] == "ports"]
    assert f"Port {port}" in problem["text"]
    assert f"--port {port + 1}" in problem["remedy"]


def test_alerts_are_tried_and_who_takes_none_is_named_without_the_address(well: Project) -> None:
    assert found(well).get("alerts") is None
    # Nobody listens at that port of this machine.
    with (well.folder / ".env").open("a") as file:
        file.write('PIPEDRIVE_ALERTS="json://user:s3cr3t@127.0.0.1:9/hook  nonsense"\n')
    tried = well.run("alerts", "test", "--json")
    assert tried.code == 1
    assert json.loads(tried.out)["addresses"] == [{"address": "address 1 (JSON)", "taken": False}]
    (problem,) = found(well)["alerts"]
    assert problem["text"] == "Address 2 of PIPEDRIVE_ALERTS is none that Apprise knows: see docs/alerts.md."
    assert "s3cr3t" not in tried.out + tried.err + json.dumps(found(well))

"""``create``, ``list``, ``show``, ``status``, ``schedule``, where no Dagster is running."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml

from pipedrive_orchestration.demo import DemoServer
from pipedrive_orchestration_tests.cli.conftest import PERSONS, PIPELINES, Project
from pipedrive_orchestration_tests.conftest import FreshDemo

STATE_KEYS = {
    "source", "source_instance_id", "name", "object_type", "pull_mode", "created_at", "status", "next_tick",
    "is_importing", "hold",
}  # fmt: skip


def draft(project: Project, body: dict[str, Any]) -> str:
    path = project.folder / "draft.yaml"
    path.write_text(yaml.safe_dump(body, sort_keys=False))
    return str(path)


def told(project: Project, *arguments: str) -> Any:
    ended = project.run(*arguments, "--json")
    assert (ended.code, ended.err) == (0, "")
    return json.loads(ended.out)


@pytest.fixture
def connected(project: Project, demo: DemoServer) -> Project:
    """A project without sources, connected to the shared account."""
    project.connect_to(demo)
    return project


def test_create_writes_a_file_that_list_and_show_know(connected: Project) -> None:
    created = told(connected, "create", draft(connected, PERSONS))
    assert created.keys() == STATE_KEYS | {"warning"}
    assert (created["source"], created["status"], created["hold"]) == ("all_persons", "active", None)
    assert "Dagster" in created["warning"]
    file = yaml.safe_load((connected.folder / "project" / "sources" / "all_persons.yaml").read_text())
    assert file["id"] == created["source_instance_id"]
    (listed,) = told(connected, "list")["sources"]
    assert listed.keys() == STATE_KEYS | {"rows", "watermark", "last_import", "quarantined"}
    assert listed["source_instance_id"] == created["source_instance_id"]
    assert listed["last_import"] is None
    shown = told(connected, "show", "all_persons")
    assert shown["body"] == PERSONS
    assert (shown["table"], shown["labeled_view"]) == (
        "pipedrive.all_persons",
        "pipedrive_labeled.all_persons",
    )


def test_create_takes_a_slug_and_refuses_a_taken_one(connected: Project) -> None:
    file = draft(connected, PIPELINES)
    ended = connected.run("create", file, "--slug", "funnels")
    assert ended.code == 0
    assert "Created project/sources/funnels.yaml" in ended.out
    again = connected.run("create", file, "--slug", "funnels")
    assert (again.code, again.out) == (2, "")
    assert "There is a source `funnels` already" in again.err


def test_create_checks_the_body_against_the_account_and_writes_nothing(connected: Project) -> None:
    file = draft(connected, {**PERSONS, "properties": ["id", "nme"]})
    ended = connected.run("create", file)
    assert (ended.code, ended.out) == (2, "")
    assert "did you mean name" in ended.err
    assert told(connected, "list") == {"sources": [], "bad_files": []}


def test_a_file_of_the_project_is_a_source_already(connected: Project) -> None:
    ended = connected.run("create", str(connected.write("all_persons", PERSONS)))
    assert ended.code == 2
    assert "a source already" in " ".join(ended.err.split())
    assert len(told(connected, "list")["sources"]) == 1


def test_an_import_that_the_budget_cannot_pay_waits_until_it_is_set_active(
    project: Project, fresh_demo: FreshDemo
) -> None:
    project.connect_to(fresh_demo())
    file = draft(project, {**PERSONS, "options": {"max_tokens": 5}})
    created = told(project, "create", file)
    assert created["status"] == "paused_out_of_credits"
    assert created["hold"]["budget"] == 5 < created["hold"]["estimated_tokens"]
    assert "set active" in project.run("show", "all_persons").out
    assert told(project, "status", "all_persons", "active")["status"] == "active"
    assert told(project, "show", "all_persons")["hold"] is None


def test_pausing_stops_the_ticks_and_resuming_brings_them_back(project: Project) -> None:
    project.write("all_persons", PERSONS)
    before = told(project, "schedule", "all_persons")
    paused = told(project, "status", "all_persons", "paused")
    assert (paused["status"], paused["next_tick"]) == ("paused", None)
    assert told(project, "schedule", "all_persons")["ticks"] == []
    assert "paused" in project.run("list").out
    assert "all_persons is paused" in project.run("schedule", "all_persons").out
    resumed = project.run("status", "all_persons", "active")
    assert (resumed.code, "all_persons is active; next tick " in resumed.out) == (0, True)
    assert told(project, "schedule", "all_persons")["ticks"][0] >= before["ticks"][0]


def test_a_static_source_has_nothing_to_pause(project: Project) -> None:
    static = {key: value for key, value in PERSONS.items() if key != "schedule"}
    project.write("all_persons", {**static, "pull_mode": "static"})
    ended = project.run("status", "all_persons", "paused")
    assert (ended.code, ended.out) == (2, "")
    assert "static" in ended.err
    assert "imported by hand only" in project.run("schedule", "all_persons").out
    assert project.run("status", "all_persons", "resting").code == 2


def test_ticks_follow_the_cron_up_to_the_last_day(project: Project) -> None:
    today = datetime.now(UTC).date()
    project.write("all_persons", {**PERSONS, "schedule": "0 12 * * *"})
    shown = told(project, "schedule", "all_persons", "-n", "3")
    assert (shown["schedule"], shown["status"]) == ("0 12 * * *", "active")
    ticks = [datetime.fromisoformat(tick) for tick in shown["ticks"]]
    assert [tick.hour for tick in ticks] == [12, 12, 12]
    assert ticks[2] - ticks[0] == timedelta(days=2)
    assert ticks[0] > datetime.now(UTC)
    project.write(
        "all_persons",
        {**PERSONS, "schedule": "0 12 * * *", "expiration_date": str(today + timedelta(days=4))},
    )
    last = datetime.fromisoformat(told(project, "schedule", "all_persons", "-n", "100")["ticks"][-1])
    assert last.date() == today + timedelta(days=4)


def test_list_shows_rows_and_the_files_that_are_left_out(small: Project, demo: DemoServer) -> None:
    small.write("broken", "name: x: y\n")
    small.bring("pipelines", demo)
    listed = told(small, "list")
    by_slug = {each["source"]: each for each in listed["sources"]}
    pipelines = [one for one in demo.account.records("pipelines") if not one["is_deleted"]]
    assert by_slug["pipelines"]["rows"] == len(pipelines)
    assert by_slug["pipelines"]["last_import"]["rows"]["inserted"] == len(pipelines)
    assert by_slug["all_persons"]["rows"] == 0
    (bad,) = listed["bad_files"]
    assert bad["path"] == "project/sources/broken.yaml"
    assert [problem["code"] for problem in bad["problems"]] == ["invalid_yaml"]
    ended = small.run("list")
    assert ended.code == 0
    assert "This is not YAML" in ended.err
    assert "│ pipelines   │" in ended.out


@pytest.mark.parametrize(
    "command",
    [("show", "nothing"), ("schedule", "nothing"), ("status", "nothing", "paused"), ("data", "nothing")],
)
def test_an_unknown_source_is_bad_input(project: Project, command: tuple[str, ...]) -> None:
    project.write("all_persons", PERSONS)
    ended = project.run(*command)
    assert (ended.code, ended.out) == (2, "")
    assert "There is no source `nothing`" in ended.err

"""``write``, and what ``check`` says of the files of writes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import yaml

from pipedrive_orchestration.demo import DemoServer, running_demo
from pipedrive_orchestration_tests.cli.conftest import PERSONS, Project
from pipedrive_orchestration_tests.conftest import account_settings


@pytest.fixture(scope="module")
def account() -> Iterator[DemoServer]:
    with running_demo(account_settings(scale=0.005)) as server:
        yield server


def write_file(project: Project, slug: str, body: Mapping[str, Any] | str) -> None:
    folder = project.folder / "project" / "writes"
    folder.mkdir(exist_ok=True)
    text = body if isinstance(body, str) else yaml.safe_dump(dict(body), sort_keys=False)
    (folder / f"{slug}.yaml").write_text(text)


def job_of(account: DemoServer, person_id: int) -> Any:
    person = account.account.record("persons", person_id)
    assert person is not None
    return person["job_title"]


JOBS = {
    "name": "Jobs",
    "object_type": "persons",
    "operation": "update",
    "file": "jobs.csv",
    "match": {"person": "id"},
    "fields": {"job": "Job title"},
}


def test_a_write_is_planned_applied_and_taken_back(project: Project, account: DemoServer) -> None:
    project.write("all_persons", PERSONS | {"properties": ["name", "job_title"]})
    project.connect_to(account)
    project.bring("all_persons", account)
    write_file(project, "jobs", JOBS)
    first, second = sorted(project.current("all_persons"))[:2]
    before = job_of(account, first)
    (project.folder / "project" / "jobs.csv").write_text(
        f"person,job\n{first},Pilot\n{second},Cook\nx,None\n"
    )
    planned = project.run("write", "plan", "jobs")
    assert planned.code == 0, planned.err
    assert "2 updated, 1 left out; about 20 tokens" in planned.out
    assert "Pilot" in planned.out
    refused = project.run("write", "apply", "jobs")
    assert (refused.code, "PIPEDRIVE_ALLOW_WRITES" in refused.err) == (2, True)
    with (project.folder / ".env").open("a") as file:
        file.write("PIPEDRIVE_ALLOW_WRITES=true\n")
    applied = json.loads(project.run("write", "apply", "jobs", "--json").out)
    assert (applied["is_complete"], applied["counts"]) == (True, {"done": 2})
    assert job_of(account, first) == "Pilot"
    listed = json.loads(project.run("write", "list", "--json").out)
    assert listed["writes"][0]["newest_plan"]["status"] == "applied"
    back = json.loads(project.run("write", "undo", "jobs", "--json").out)
    assert (back["updates"], back["undo_of"]) == (2, applied["plan"]["plan_id"])
    assert project.run("write", "apply", "jobs").code == 0
    assert job_of(account, first) == before
    shown = project.run("write", "show", "jobs", "--plan", applied["plan"]["plan_id"])
    assert "update: done" in shown.out
    assert project.run("write", "plan", "jbos").code == 2


def test_check_says_what_is_wrong_with_the_files_of_writes(project: Project) -> None:
    project.write("all_persons", PERSONS)
    write_file(project, "jobs", JOBS)
    write_file(
        project,
        "bad",
        "name: Bad\nobject_type: person\noperation: upsert\nrows: DELETE FROM x\nfile: ../x.csv\n"
        "match: {a: id}\nlimits: {delete: 1}\nschedule: never\non_conflict: mine\n",
    )
    write_file(
        project,
        "links",
        {**JOBS, "file": "there/is.csv", "source": "all_person", "fields": {"a": "x"}},
    )
    checked = json.loads(project.run("check", "--json").out)
    found = {
        (problem["path"].rsplit("/", 1)[1], problem["field"], problem["line"])
        for problem in checked["problems"]
    }
    assert found == {
        ("jobs.yaml", "file", 4),
        ("bad.yaml", "object_type", 2), ("bad.yaml", "rows", 4), ("bad.yaml", "file", 5),
        ("bad.yaml", "match.a", 6), ("bad.yaml", "limits.delete", 7), ("bad.yaml", "schedule", 8),
        ("bad.yaml", "on_conflict", 9), ("bad.yaml", "fields", 1),
        ("links.yaml", "source", 9), ("links.yaml", "file", 4),
    }  # fmt: skip

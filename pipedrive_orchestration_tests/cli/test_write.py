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


def test_a_spreadsheet_is_planned_by_its_headers_and_applied_without_a_write(
    project: Project, account: DemoServer
) -> None:
    project.write("all_persons", PERSONS | {"properties": ["name", "emails", "job_title"]})
    project.connect_to(account)
    project.bring("all_persons", account)
    with (project.folder / ".env").open("a") as file:
        file.write("PIPEDRIVE_ALLOW_WRITES=true\n")
    known = next(one for one in account.account.records("persons") if one["emails"] and not one["is_deleted"])
    (project.folder / "contacts.csv").write_text(
        "E-Mail,Full name,Job Title,Shoe size,Birthday\n"
        f"{known['emails'][0]['value'].upper()},{known['name']},Roofer,42,\n"
        "new@example.com,New One,Cook,43,\n"
    )
    planned = project.run("write", "plan", "--file", "contacts.csv", "--type", "persons", "--match", "email")
    assert planned.code == 0, planned.err
    for part in ("emails, by which", "no property is called so", "no source imports `birthday`", "Roofer"):
        assert part in planned.out, part
    plan_id = planned.out.rpartition("--plan ")[2].split("`")[0]
    applied = json.loads(project.run("write", "apply", "--plan", plan_id, "--json").out)
    assert applied["counts"] == {"done": 2}
    assert job_of(account, known["id"]) == "Roofer"
    again = project.run("write", "plan", "--file", "contacts.csv", "--type", "persons", "--match", "email")
    assert "2 as they are" in again.out or "unchanged" in again.out, again.out
    back = json.loads(project.run("write", "undo", "--plan", plan_id, "--json").out)
    assert (back["updates"], back["deletes"]) == (1, 1)
    assert project.run("write", "apply", "--plan", back["plan_id"], "--yes").code == 0
    assert job_of(account, known["id"]) == known["job_title"]
    wrong = project.run("write", "plan", "--file", "contacts.csv", "--type", "persons", "--match", "phone")
    assert (wrong.code, "No column is about `phone`" in wrong.err) == (2, True)
    told = json.loads(
        project.run(
            "write", "plan", "--file", "contacts.csv", "--type", "persons", "--match", "email", "--json"
        ).out
    )
    assert told["columns"]["match"] == {"E-Mail": "emails"}
    assert told["columns"]["left_out"].keys() == {"Shoe size", "Birthday"}
    (project.folder / "contacts.xlsx").write_bytes(b"PK")
    book = project.run("write", "plan", "--file", "contacts.xlsx", "--type", "persons", "--match", "email")
    assert (book.code, "save its sheet as CSV" in book.err) == (2, True)


def test_a_plan_of_a_schedule_that_nobody_has_applied_is_told_of(
    project: Project, account: DemoServer
) -> None:
    project.write("all_persons", PERSONS | {"properties": ["name", "job_title"]})
    project.connect_to(account)
    project.bring("all_persons", account)
    person = sorted(project.current("all_persons"))[2]
    (project.folder / "project" / "jobs.csv").write_text(f"person,job\n{person},Waiting\n")
    write_file(project, "jobs", JOBS)
    assert project.run("write", "plan", "jobs").code == 0
    assert json.loads(project.run("status", "--json").out)["waiting_plans"] == []
    write_file(project, "jobs", JOBS | {"schedule": "0 6 * * *", "limits": {"changes": 0}})
    assert project.run("write", "plan", "jobs").code == 0
    (waiting,) = json.loads(project.run("status", "--json").out)["waiting_plans"]
    assert waiting["write"] == "jobs"
    assert "above its limits" in waiting["remedy"]

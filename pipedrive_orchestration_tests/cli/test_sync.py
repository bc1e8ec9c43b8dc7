"""``sync``: a source's rows brought into a workflow, and the link kept in its file."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from pipedrive_orchestration.demo import DemoServer
from pipedrive_orchestration_tests.cli.conftest import PERSONS, Project

OUTREACH: dict[str, Any] = {
    "name": "Outreach",
    "inputs": [{"name": "email", "type": "email"}, {"name": "first name", "type": "string"}],
    "auto_run": False,
}
MAPPING = ("--map", "input.email=emails", "--map", "{{input.first_name}}=name")


@pytest.fixture
def linked(project: Project, demo: DemoServer) -> Project:
    """A project with an imported source and a workflow that it is not synced to."""
    project.write("all_persons", PERSONS)
    workflows = project.folder / "project" / "workflows"
    workflows.mkdir()
    (workflows / "outreach.yaml").write_text(yaml.safe_dump(OUTREACH, sort_keys=False))
    project.bring("all_persons", demo)
    return project


def syncs_of(project: Project) -> list[dict[str, Any]]:
    file = project.folder / "project" / "workflows" / "outreach.yaml"
    return list(yaml.safe_load(file.read_text()).get("syncs", []))


def test_a_link_is_made_kept_and_run_again_without_adding_anything_twice(linked: Project) -> None:
    made = linked.run("sync", "all_persons", "outreach", *MAPPING, "--run", "none", "--json")
    told = json.loads(made.out)
    assert (made.code, told["workflow"], told["source"], told["state"]) == (
        0, "outreach", "all_persons", "synced",
    )  # fmt: skip
    assert told["inserted"] > 0
    assert told["inserted"] + told["rejected"] == len(linked.current("all_persons"))
    (sync,) = syncs_of(linked)
    assert sync["source"] == "all_persons"
    assert sync["field_mapping"] == {"input.email": "emails", "input.first_name": "name"}
    assert sync["run"] == "none"
    (again,) = json.loads(linked.run("sync", "all_persons", "--json").out)
    assert (again["inserted"], again["rows"], again["sync_id"]) == (0, told["rows"], told["sync_id"])


def test_options_change_a_link_and_keep_its_mapping(linked: Project) -> None:
    assert linked.run("sync", "all_persons", "outreach", *MAPPING).code == 0
    ended = linked.run("sync", "all_persons", "outreach", "--on-remove", "delete")
    assert ended.code == 0
    assert "outreach" in ended.out
    (sync,) = syncs_of(linked)
    assert (sync["on_remove"], len(sync["field_mapping"])) == ("delete", 2)


def test_all_mistakes_of_a_mapping_are_said_and_nothing_is_written(linked: Project) -> None:
    ended = linked.run(
        "sync", "all_persons", "outreach", "--map", "input.emial=emails", "--map", "input.first_name=nme"
    )
    assert (ended.code, ended.out) == (2, "")
    assert "emial" in ended.err
    assert "nme" in ended.err
    assert syncs_of(linked) == []
    assert linked.run("sync", "all_persons", "outreach", "--map", "input.email").code == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("all_persons",), "not synced to any workflow"),
        (("all_persons", "outreach"), "Inputs: input.email, input.first_name."),
        (("all_persons", "outreech"), "Did you mean `outreach`?"),
        (("all_person", "outreach"), "Did you mean `all_persons`?"),
        (("all_persons", "--run", "all"), "name the workflow"),
    ],
)
def test_what_cannot_be_synced_says_how(linked: Project, arguments: tuple[str, ...], said: str) -> None:
    ended = linked.run("sync", *arguments)
    assert (ended.code, ended.out) == (2, "")
    assert said in " ".join(ended.err.split())

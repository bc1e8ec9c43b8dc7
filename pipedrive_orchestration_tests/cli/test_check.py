"""``check``: every problem of every file with its place, and nothing but the files is needed for it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipedrive_orchestration_tests.cli.conftest import PERSONS, PIPELINES, REPOSITORY, Project

WORKFLOW = """\
name: Outreach
inputs:
  - {name: email, type: email}
  - {name: first name, type: string}
syncs:
  - source: all_persons
    field_mapping:
      input.email: emails
      "{{ input.first_name }}": first_name
      input.nme: name
  - source: al_persons
    field_mapping: {input.email: emails}
  - source: broken
    field_mapping: {input.email: whatever}
"""


@pytest.fixture
def mistaken(project: Project) -> Project:
    """A project with mistakes within files and between them."""
    project.write("all_persons", PERSONS)
    project.write("broken", "name: [")
    project.write("nameless", 'name: ""\nobject_type: dealz\nproperties: [title]\npull_mode: static\n')
    copied = PIPELINES | {"id": "3fa85f64-5717-4562-b3fc-2c963f66afa6"}
    project.write("pipelines", copied)
    project.write("pipelines_copy", copied)
    project.write("Upper", PIPELINES)
    project.write("twice.yaml", PIPELINES)
    project.write("twice.yml", PIPELINES)
    (project.folder / "project" / "workflows").mkdir()
    (project.folder / "project" / "workflows" / "outreach.yaml").write_text(WORKFLOW)
    return project


def lines(project: Project, *arguments: str) -> list[str]:
    ended = project.run("check", *arguments)
    assert ended.code == (2 if ended.out else 0)
    return ended.out.splitlines()


def test_every_problem_of_every_file_is_a_line_with_its_place(mistaken: Project) -> None:
    found = lines(mistaken)
    assert [line.partition(": ")[0] for line in found] == [
        "project/sources/Upper.yaml:1:1",
        "project/sources/broken.yaml:1:8",
        "project/sources/nameless.yaml:1:7",
        "project/sources/nameless.yaml:2:14",
        "project/sources/pipelines_copy.yaml:9:5",
        "project/sources/twice.yaml:1:1",
        "project/sources/twice.yml:1:1",
        "project/workflows/outreach.yaml:9:33",
        "project/workflows/outreach.yaml:10:7",
        "project/workflows/outreach.yaml:11:13",
    ]
    assert re.fullmatch(
        r"\S+: object_type: `dealz` is not an object type\. Did you mean `deals`\?.*", found[3]
    )
    assert "This is the id of pipelines" in found[4]
    assert "`first_name` is not a property of the source `all_persons`" in found[7]
    assert "`input.nme` is not an input" in found[8]
    assert "There is no source `al_persons`" in found[9]
    assert "Did you mean `all_persons`?" in found[9]
    said = mistaken.run("check").err
    assert said == "10 problems in 7 of 9 files.\n"


def test_a_program_reads_the_same(mistaken: Project) -> None:
    ended = mistaken.run("check", "--json")
    told = json.loads(ended.out)
    assert (ended.code, ended.err, told["files"], len(told["problems"])) == (2, "", 9, 10)
    assert told["problems"][2] == {
        "path": "project/sources/nameless.yaml",
        "line": 1,
        "column": 7,
        "field": "name",
        "code": "blank",
        "message": "Must not be blank.",
    }


def test_the_template_has_no_problems(project: Project) -> None:
    shutil.copytree(REPOSITORY / "project", project.folder / "project", dirs_exist_ok=True)
    ended = project.run("check")
    assert (ended.code, ended.out) == (0, "")
    assert re.fullmatch(r"\d+ files, no problems\.\n", ended.err)


def test_what_is_named_is_checked_within_its_project(
    mistaken: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def names(*arguments: str) -> set[str]:
        return {Path(line.split(":")[0]).name for line in lines(mistaken, *arguments)}

    assert names("project/workflows") == {"outreach.yaml"}
    assert names("project/sources/all_persons.yaml") == set()
    assert names("project/sources/broken.yaml", "project/sources/Upper.yaml") == {"broken.yaml", "Upper.yaml"}
    assert names("project", "project/sources/broken.yaml") == names()
    monkeypatch.chdir(mistaken.folder / "project" / "workflows")
    assert lines(mistaken, "outreach.yaml")[0].startswith("outreach.yaml:9:33: syncs[0].")
    assert lines(mistaken, "..")[0].startswith("../sources/Upper.yaml:1:1: ")


def test_a_draft_lies_anywhere(project: Project) -> None:
    draft = project.folder / "My draft.yaml"
    draft.write_text(yaml.safe_dump(PERSONS))
    assert lines(project, str(draft)) == []
    draft.write_text("name: x\nobject_type: deals\n\tproperties: [title]\n")
    (line,) = lines(project, "My draft.yaml")
    assert line.startswith("My draft.yaml:3:1: This is not YAML")


@pytest.mark.parametrize("arguments", [(".",), ("nowhere.yaml",), ()])
def test_a_folder_that_is_no_project_is_bad_input(project: Project, arguments: tuple[str, ...]) -> None:
    shutil.rmtree(project.folder / "project")
    ended = project.run("check", *arguments)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err


def test_settings_that_cannot_be_used_are_bad_input(project: Project) -> None:
    (project.folder / ".env").write_text("PIPEDRIVE_PROJECT=$HOME/project\n")
    ended = project.run("check")
    assert (ended.code, ended.out) == (2, "")
    assert "PIPEDRIVE_PROJECT" in ended.err


def test_what_a_file_holds_commands_no_terminal(project: Project) -> None:
    project.write("nasty", '"\\e[31m\\nname": x\nobject_type: "\\e[2J"\n')
    ended = project.run("check")
    assert ended.code == 2
    assert "\x1b" not in ended.out
    assert all(line.startswith("project/sources/nasty.yaml:") for line in ended.out.splitlines())


PROGRAM = """
import sys
from pipedrive_orchestration.cli.app import app
try:
    app(["check"])
finally:
    needless = {"dagster", "httpx", "pandas", "fastapi"}
    print(*needless & sys.modules.keys(), file=sys.stderr)
"""


def test_the_files_are_all_it_needs_and_stay_all_there_is(project: Project) -> None:
    project.write("all_persons", PERSONS)
    before = sorted(project.folder.rglob("*"))
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=project.folder, capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "1 file, no problems.\n\n")
    assert sorted(project.folder.rglob("*")) == before


def hook() -> dict[str, Any]:
    (declared,) = yaml.safe_load((REPOSITORY / ".pre-commit-hooks.yaml").read_text())
    return dict(declared)


def test_the_hook_runs_for_the_files_of_a_project(project: Project) -> None:
    files = re.compile(hook()["files"])
    assert all(
        files.search(str(path.relative_to(REPOSITORY))) for path in REPOSITORY.glob("project/*/*.yaml")
    )
    assert not files.search("dagster.yaml")
    assert not files.search("project/sources/readme.md")
    project.write("broken", "name: [")
    command, *arguments = hook()["entry"].split()
    assert command == "pipedrive-orchestration"
    assert project.run(*arguments).code == 2


def test_what_the_documentation_gives_to_copy_runs_check(mistaken: Project) -> None:
    text = (REPOSITORY / "docs" / "check.md").read_text()
    documents = [
        yaml.safe_load(block) for block in re.findall(r"```(?:yaml|json)\n(.*?)```", text, re.DOTALL)
    ]
    (workflow,) = [document for document in documents if "jobs" in document]
    runs = [step.get("run", "") for job in workflow["jobs"].values() for step in job["steps"]]
    assert any("pipedrive-orchestration check" in run for run in runs)
    (config,) = [document for document in documents if "repos" in document]
    assert config["repos"][0]["hooks"] == [{"id": hook()["id"]}]
    (matcher,) = [document for document in documents if "problemMatcher" in document]
    (pattern,) = matcher["problemMatcher"][0]["pattern"]
    matches = [re.fullmatch(pattern["regexp"], line) for line in lines(mistaken)]
    assert all(match and (mistaken.folder / match[pattern["file"]]).is_file() for match in matches)

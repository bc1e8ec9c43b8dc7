"""What commands say of a state of Dagster's that cannot be used."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from pipedrive_orchestration_tests.cli.conftest import PIPELINES, REPOSITORY, Project


@pytest.fixture
def listed(project: Project) -> Project:
    """A project whose state has been opened once."""
    project.write("pipelines", PIPELINES)
    project.reach("http://127.0.0.1:9", "a" * 40)
    assert project.run("list").code == 0
    return project


@pytest.mark.parametrize("command", [("list",), ("import",), ("dev",)])
def test_noise_in_a_file_of_the_state_is_a_sentence(listed: Project, command: tuple[str, ...]) -> None:
    shutil.copy(REPOSITORY / "workspace.yaml", listed.folder)
    runs = listed.folder / ".state" / "storage" / "history" / "runs.db"
    runs.write_bytes(b"noise" + runs.read_bytes()[5:])
    ended = listed.run(*command)
    assert (ended.code, ended.out) == (1, "")
    assert f"Dagster's state is damaged: {runs}." in ended.err
    assert "move it away" in ended.err


def test_damage_behind_the_head_is_a_sentence_too(listed: Project) -> None:
    runs = listed.folder / ".state" / "storage" / "history" / "runs.db"
    content = runs.read_bytes()
    runs.write_bytes(content[:100] + b"\xff" * (len(content) - 100))
    for log in runs.parent.glob("runs.db-*"):
        log.unlink()
    ended = listed.run("list")
    assert (ended.code, ended.out) == (1, "")
    assert ended.err.startswith("Dagster's state cannot be used: ")


@pytest.mark.parametrize("content", [b"storage: [", b"\xff\xfe\x00", b"storge: {}"])
def test_a_configuration_that_dagster_cannot_use_is_a_sentence(project: Project, content: bytes) -> None:
    configuration = project.folder / "dagster.yaml"
    configuration.write_bytes(content)
    ended = project.run("list")
    assert (ended.code, ended.out) == (1, "")
    assert ended.err.startswith(f"{configuration} cannot be used: ")
    assert "Mend it" in ended.err


@pytest.mark.parametrize(("name", "code"), [("50%20off", 2), ("why?", 2), ("100%", 0), ("a b # c", 0)])
def test_a_folder_whose_name_dagster_cannot_use(
    project: Project, name: str, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = project.folder / name
    folder.mkdir()
    shutil.copy(REPOSITORY / "dagster.yaml", folder)
    (folder / "project" / "sources").mkdir(parents=True)
    monkeypatch.chdir(folder)
    ended = Project(Path(folder)).run("list")
    assert ended.code == code
    if code:
        assert str(folder) in ended.err
        assert "Rename the folder" in ended.err
        assert not (folder / ".state").exists()


LISTED_BY_SEVERAL = """
    import os, sys
    from pipedrive_orchestration.cli.app import app
    import pipedrive_orchestration.cli.commands.list

    first = os.fork()
    second = os.fork() if first else None
    try:
        app(["list"])
    except SystemExit as ended:
        code = ended.code
    if not (first and second):
        sys.stdout.flush()
        os._exit(code)
    sys.exit(code or max(os.waitpid(process, 0)[1] for process in (first, second)))
"""
"""Three processes that have imported all that they need when they begin."""


def test_several_processes_open_a_fresh_state_at_once(project: Project) -> None:
    project.write("pipelines", PIPELINES)
    project.reach("http://127.0.0.1:9", "a" * 40)
    ended = subprocess.run(
        [sys.executable, "-c", dedent(LISTED_BY_SEVERAL)], capture_output=True, text=True, timeout=120,
        check=False,
    )  # fmt: skip
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.count("\n│ pipelines ") == 3

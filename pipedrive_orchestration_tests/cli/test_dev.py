"""What ``dev`` refuses before it starts anything."""

from __future__ import annotations

import shutil
import socket

import pytest
from filelock import FileLock

from pipedrive_orchestration_tests.cli.conftest import REPOSITORY, Project


@pytest.fixture
def laid_out(project: Project) -> Project:
    """A project with an account that nobody asks."""
    shutil.copy(REPOSITORY / "workspace.yaml", project.folder)
    project.reach("http://127.0.0.1:9", "a" * 40)
    return project


def test_a_port_in_use_is_named_with_another_one(laid_out: Project) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ended = laid_out.run("dev", "--port", str(port))
    assert ended.code == 1
    assert f"Port {port} of this machine is in use." in ended.err
    assert f"dev --port {port + 1}" in ended.err


def test_a_second_one_on_the_same_state_is_refused(laid_out: Project) -> None:
    state = laid_out.folder / ".state"
    state.mkdir()
    with FileLock(state / "dev.lock", thread_local=False):
        ended = laid_out.run("dev")
    assert (ended.code, ended.out) == (1, "")
    assert f"Another `dev` is running on {laid_out.folder}." in ended.err


@pytest.mark.parametrize("missing", ["workspace.yaml", "dagster.yaml"])
def test_a_folder_that_is_not_laid_out_is_named(laid_out: Project, missing: str) -> None:
    (laid_out.folder / missing).unlink()
    ended = laid_out.run("dev")
    assert ended.code == 2
    assert f"There is no {missing} in {laid_out.folder}." in ended.err
    assert "pipedrive-orchestration init" in ended.err


@pytest.mark.parametrize("command", [("import",), ("list",), ("serve", "--demo", "--port", "0")])
def test_no_other_command_litters_such_a_folder(laid_out: Project, command: tuple[str, ...]) -> None:
    (laid_out.folder / "dagster.yaml").unlink()
    before = {path.name for path in laid_out.folder.iterdir()}
    ended = laid_out.run(*command)
    assert ended.code == 2
    assert "There is no dagster.yaml" in ended.err
    assert {path.name for path in laid_out.folder.iterdir()} == before

"""What the command line says and does where it cannot talk to the account."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable

import pytest

from pipedrive_orchestration.demo import DemoServer
from pipedrive_orchestration.pipedrive import client
from pipedrive_orchestration_tests.cli.conftest import PERSONS, PIPELINES, Project
from pipedrive_orchestration_tests.pipedrive.asking import SHORT

NOT_CONNECTED = "User is not connected to 'pipedrive'."
WRONG_TOKEN = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize("arguments", [("import",), ("import", "pipelines")])
def test_without_a_token_it_says_so_and_leaves_no_trace(project: Project, arguments: tuple[str, ...]) -> None:
    project.write("pipelines", PIPELINES)
    before = sorted(project.folder.rglob("*"))
    ended = project.run(*arguments)
    assert (ended.code, ended.out) == (4, "")
    assert ended.err.startswith(NOT_CONNECTED)
    assert "PIPEDRIVE_API_TOKEN" in ended.err
    assert sorted(project.folder.rglob("*")) == before


def test_a_blank_token_is_no_token(project: Project, demo: DemoServer) -> None:
    project.write("pipelines", PIPELINES)
    project.reach(demo.url, "")
    assert project.run("import").code == 4


def test_a_refused_token_is_said_once_and_not_tried_again(
    project: Project, fresh_demo: Callable[..., DemoServer]
) -> None:
    account = fresh_demo()
    project.write("pipelines", PIPELINES)
    project.write("all_persons", PERSONS)
    project.connect_to(account, token=WRONG_TOKEN)
    ended = project.run("import")
    assert (ended.code, ended.out) == (4, "")
    assert ended.err.startswith(NOT_CONNECTED)
    assert (ended.err.count(NOT_CONNECTED), ended.err.count("\n")) == (1, 1)
    assert [request.status for request in account.account.requests] == [401]
    assert not project.database.exists()


def test_a_token_that_is_revoked_later_leaves_what_was_imported(small: Project, demo: DemoServer) -> None:
    assert small.run("import").code == 0
    persons = small.current("all_persons")
    small.connect_to(demo, token=WRONG_TOKEN)
    ended = small.run("import")
    assert (ended.code, ended.out) == (4, "")
    assert small.current("all_persons") == persons != set()


def test_a_token_of_the_process_wins_over_the_one_in_the_file(
    small: Project, demo: DemoServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    small.connect_to(demo, token=WRONG_TOKEN)
    monkeypatch.setenv("PIPEDRIVE_API_TOKEN", demo.token)
    assert small.run("import", "pipelines").code == 0


def test_an_unreachable_host_is_one_clear_paragraph(
    project: Project, demo: DemoServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "USUAL_PATIENCE", SHORT)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
        project.write("pipelines", PIPELINES)
        project.reach(f"http://127.0.0.1:{listener.getsockname()[1]}", demo.token)
        ended = project.run("import")
    assert (ended.code, ended.err) == (1, "")
    (said,) = [line for line in ended.out.splitlines() if line.startswith("pipelines: ")]
    assert re.search(r"GET /\S+ got no usable answer", said)
    assert "Check the network and PIPEDRIVE_API_URL" in said
    assert "Traceback" not in ended.out
    assert not project.database.exists()


def test_an_account_without_tokens_left_says_when_to_come_back(
    project: Project, fresh_demo: Callable[..., DemoServer]
) -> None:
    account = fresh_demo(daily_tokens=8)
    project.write("all_persons", PERSONS)
    project.write("pipelines", PIPELINES)
    project.connect_to(account)
    ended = project.run("import", "pipelines", "all_persons")
    assert ended.code == 1
    (said,) = [line for line in ended.out.splitlines() if line.startswith("all_persons: ")]
    assert "daily token budget" in said
    assert "UTC" in said
    pipelines = account.account.records("pipelines")
    assert project.current("pipelines") == {record["id"] for record in pipelines if not record["is_deleted"]}

"""The demo account of a folder: one, whichever commands work on it at once."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest
from rich.console import Console

from pipedrive_orchestration.cli.demo_account import DemoAccount, demo_account
from pipedrive_orchestration.cli.environment import DEMO_DATABASE, DEMO_FOLDER
from pipedrive_orchestration.demo import DemoServer
from pipedrive_orchestration.settings import Settings
from pipedrive_orchestration_tests.cli.conftest import PIPELINES, Project

SCALE = 0.01


@pytest.fixture
def settings(project: Project) -> Settings:
    return Settings(home=project.folder)


def _create_person(account: DemoAccount, name: str) -> None:
    headers = {"x-api-token": account.token}
    httpx.post(f"{account.url}/api/v2/persons", json={"name": name}, headers=headers).raise_for_status()


def _finds_person(account: DemoAccount, name: str) -> bool:
    headers = {"x-api-token": account.token}
    query = {"term": name, "exact_match": "true"}
    found = httpx.get(f"{account.url}/api/v2/persons/search", params=query, headers=headers)
    return bool(found.raise_for_status().json()["data"]["items"])


def test_a_second_command_works_on_the_account_that_runs(settings: Settings) -> None:
    console = Console(quiet=True)
    with demo_account(SCALE, settings, console) as first:
        with demo_account(SCALE, settings, console) as second:
            assert (second.url, second.token, second.is_new) == (first.url, first.token, False)
            _create_person(second, "Ada Lovelace")
        # The end of the second ends nothing.
        assert _finds_person(first, "Ada Lovelace")
    # The scale is that of a new account; this one has its own.
    with demo_account(1.0, settings, console) as third:
        assert not third.is_new
        assert _finds_person(third, "Ada Lovelace")


def test_what_a_killed_command_left_is_no_account(settings: Settings) -> None:
    DEMO_FOLDER.mkdir(parents=True)
    address = DEMO_FOLDER / "address.json"
    address.write_text(json.dumps({"url": "http://127.0.0.1:9", "token": "a" * 40}))
    with demo_account(SCALE, settings, Console(quiet=True)) as account:
        assert json.loads(address.read_text())["url"] == account.url
        assert Path(address).stat().st_mode & 0o777 == 0o600
        assert not _finds_person(account, "Nobody")
    assert not address.exists()


def test_without_an_account_the_other_commands_show_what_the_demo_imported(
    project: Project, demo: DemoServer
) -> None:
    project.write("pipelines", PIPELINES)
    project.bring("pipelines", demo)
    rows = len(project.current("pipelines"))
    DEMO_FOLDER.mkdir(parents=True)
    project.database.rename(DEMO_DATABASE)
    assert json.loads(project.run("data", "pipelines", "--json").out)["total_count"] == rows
    assert json.loads(project.run("list", "--json").out)["sources"][0]["rows"] == rows
    # An account has a database of its own, from the first moment on.
    project.connect_to(demo)
    assert json.loads(project.run("list", "--json").out)["sources"][0]["rows"] == 0

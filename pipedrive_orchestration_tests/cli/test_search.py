"""``search``: what Pipedrive's search finds, with names and addresses."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pipedrive_orchestration.demo import DemoServer
from pipedrive_orchestration_tests.cli.conftest import Project
from pipedrive_orchestration_tests.conftest import FreshDemo


@pytest.fixture
def account(project: Project, fresh_demo: FreshDemo) -> DemoServer:
    """An account in which Ada works for a firm and has a deal, a lead and 120 namesakes."""
    server = fresh_demo(daily_tokens=100_000)
    project.connect_to(server)
    firm = create(server, "/api/v2/organizations", {"name": "Zyzzyva Engines"})
    person = {"name": "Ada Zyzzyva", "emails": [{"value": "ada@zyzzyva.example"}], "org_id": firm}
    ada = create(server, "/api/v2/persons", person)
    create(server, "/api/v2/deals", {"title": "Zyzzyva order", "person_id": ada, "org_id": firm})
    create(server, "/v1/leads", {"title": "Zyzzyva idea", "person_id": ada})
    return server


def create(server: DemoServer, path: str, body: dict[str, Any]) -> Any:
    return server.write("POST", path, body)["id"]


def test_it_finds_items_of_every_type_with_their_addresses(project: Project, account: DemoServer) -> None:
    told = json.loads(project.run("search", "ZYZZYVA", "--json").out)
    assert {(item["type"], item["name"]) for item in told["items"]} == {
        ("organizations", "Zyzzyva Engines"),
        ("persons", "Ada Zyzzyva"),
        ("deals", "Zyzzyva order"),
        ("leads", "Zyzzyva idea"),
    }
    domain = account.account.me["company_domain"]
    deal = next(item for item in told["items"] if item["type"] == "deals")
    assert deal["address"] == f"https://{domain}.pipedrive.com/deal/{deal['id']}"
    assert told["tokens"] == 22
    shown = project.run("search", "zyzzyva", "--in", "persons")
    assert "1 found, for 22 tokens" in shown.out
    assert "Zyzzyva Engines, ada@zyzzyva.example" in " ".join(shown.out.split())


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (("zyzzyva", "--in", "deals,leads"), {"Zyzzyva order", "Zyzzyva idea"}),
        (("zyzzyva", "--fields", "email"), {"Ada Zyzzyva"}),
        (("zyzzyva engines", "--exact"), {"Zyzzyva Engines"}),
        (("zyzzyva", "--exact"), set()),
    ],
)
def test_it_can_be_limited(
    project: Project, account: DemoServer, arguments: tuple[str, ...], names: set[str]
) -> None:
    told = json.loads(project.run("search", *arguments, "--json").out)
    assert {item["name"] for item in told["items"]} == names
    searches = [one for one in account.account.requests if one.path == "/api/v2/itemSearch"]
    assert [one.tokens for one in searches] == [20]


def test_it_reads_as_many_pages_as_it_is_asked_for(project: Project, account: DemoServer) -> None:
    for number in range(120):
        create(account, "/api/v2/persons", {"name": f"Qwyjibo {number}"})
    told = json.loads(project.run("search", "qwyjibo", "--most", "1000", "--json").out)
    assert len({item["id"] for item in told["items"]}) == 120
    assert told["tokens"] == 42
    few = json.loads(project.run("search", "qwyjibo", "--most", "7", "--json").out)
    assert (len(few["items"]), few["tokens"]) == (7, 22)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("a",), "at least two characters"),
        (("ada", "--in", "perons,deals"), "did you mean"),
        (("ada", "--fields", "mail"), "email"),
    ],
)
def test_what_cannot_be_searched_is_bad_input(
    project: Project, arguments: tuple[str, ...], said: str
) -> None:
    ended = project.run("search", *arguments)
    assert ended.code == 2
    assert said in " ".join(ended.err.split())


def test_without_a_connection_it_says_how_to_connect(project: Project) -> None:
    ended = project.run("search", "ada")
    assert (ended.code, ended.out) == (4, "")
    assert ended.err.startswith("User is not connected to 'pipedrive'.")

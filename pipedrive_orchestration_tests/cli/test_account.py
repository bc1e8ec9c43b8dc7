"""``connect``, ``options``, ``preview``: what they show of the account, and that they change nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pipedrive_orchestration.demo import DemoServer
from pipedrive_orchestration.demo.operations import SCOPES
from pipedrive_orchestration.sources import SourceBody
from pipedrive_orchestration_tests.cli.conftest import PERSONS, Project
from pipedrive_orchestration_tests.cli.secrets_in_files import files_with
from pipedrive_orchestration_tests.conftest import FreshDemo

NOT_CONNECTED = "User is not connected to 'pipedrive'."


def test_connect_shows_whose_account_it_is_and_what_it_may_ask(
    project: Project, fresh_demo: FreshDemo
) -> None:
    account = fresh_demo(burst=80, daily_tokens=5_000)
    project.connect_to(account)
    told = json.loads(project.run("connect", "--json").out)
    me = account.account.me
    assert told == {
        "connected": True,
        "signed_in_with": "api_token",
        "company": me["company_name"],
        "company_id": me["company_id"],
        "domain": me["company_domain"],
        "user": me["name"],
        "email": me["email"],
        "is_admin": True,
        "burst_limit": 80,
        "burst_seconds": 2.0,
        "daily_tokens": 5_000,
        "daily_tokens_left": 4_998,
        "missing_rights": [],
    }
    ended = project.run("connect")
    assert ended.code == 0
    for said in (me["company_name"], me["email"], "80 requests in 2 s", "5,000 tokens", "4,996 tokens"):
        assert said in ended.out
    assert account.token not in ended.out


@pytest.mark.parametrize("command", [("connect",), ("options", "deals"), ("preview", "draft.yaml")])
def test_without_a_connection_they_say_how_to_connect(project: Project, command: tuple[str, ...]) -> None:
    (project.folder / "draft.yaml").write_text(json.dumps(PERSONS))
    ended = project.run(*command)
    assert (ended.code, ended.out) == (4, "")
    assert ended.err.startswith(NOT_CONNECTED)
    assert "PIPEDRIVE_API_TOKEN" in ended.err


def oauth_of(account: DemoServer) -> str:
    app = account.oauth
    return (
        f"PIPEDRIVE_OAUTH_URL={account.url}\nPIPEDRIVE_OAUTH_CLIENT_ID={app.client_id}\n"
        f"PIPEDRIVE_OAUTH_CLIENT_SECRET={app.client_secret}\nPIPEDRIVE_OAUTH_REFRESH_TOKEN={app.refresh_token}\n"
    )


def test_an_installed_app_imports_as_a_token_does(project: Project, fresh_demo: FreshDemo) -> None:
    account = fresh_demo()
    (project.folder / ".env").write_text(oauth_of(account))
    project.write("all_persons", PERSONS)
    assert json.loads(project.run("connect", "--json").out)["signed_in_with"] == "oauth"
    assert project.run("import").code == 0
    account.oauth.revoke_access()
    assert project.run("import").code == 0
    persons = account.account.records("persons")
    assert project.current("all_persons") == {one["id"] for one in persons if not one["is_deleted"]}
    assert account.oauth.refreshes == 2
    secret = account.oauth.client_secret
    assert files_with(secret, project.folder) == {".env"}
    account.oauth.uninstall()
    ended = project.run("import")
    assert (ended.code, ended.out) == (4, "")
    assert ended.err.startswith(NOT_CONNECTED)
    assert "PIPEDRIVE_OAUTH_REFRESH_TOKEN" in ended.err


def test_what_an_app_may_not_read_is_said_beforehand(project: Project, fresh_demo: FreshDemo) -> None:
    account = fresh_demo()
    account.oauth.scopes = SCOPES - {"recents:read", "search:read", "admin", "products:read", "products:full"}
    (project.folder / ".env").write_text(oauth_of(account))
    told = json.loads(project.run("connect", "--json").out)["missing_rights"]
    effects = {(one["object_type"], one["effect"].split(",")[0]) for one in told}
    assert effects >= {
        ("products", "they cannot be imported"),
        ("activities", "labels and options are the built-in ones"),
        ("persons", "removals show only when windows are read again"),
    }
    # Deleted deals are in the list of deals.
    affected = {one for one, _ in effects}
    assert affected >= {"products", "activities", "persons", "organizations", "notes", "roles"}
    assert affected.isdisjoint({"deals", "stages", "leads", "projects", "call_logs"})
    said = " ".join(project.run("connect").out.split())
    assert "persons: removals show only when windows are read again" in said
    assert "an app needs the scope recents:read or search:read for it" in said
    path = project.folder / "draft.yaml"
    path.write_text(json.dumps({**PERSONS, "properties": ["name"]}))
    notes = json.loads(project.run("preview", str(path), "--json").out)["notes"]
    assert [note.split(",")[0] for note in notes] == [
        "persons: removals show only when windows are read again"
    ]
    created = json.loads(project.run("create", str(path), "--json").out)
    assert "an app needs the scope recents:read or search:read" in created["warning"]


def test_an_app_that_is_set_in_part_says_what_is_missing(project: Project) -> None:
    (project.folder / ".env").write_text("PIPEDRIVE_OAUTH_CLIENT_ID=app\n")
    ended = project.run("connect")
    assert ended.code == 4
    assert "PIPEDRIVE_OAUTH_CLIENT_SECRET is not set. PIPEDRIVE_OAUTH_REFRESH_TOKEN is not set." in ended.err


def test_options_are_accepted_as_metadata_as_they_are(project: Project, demo: DemoServer) -> None:
    project.connect_to(demo)
    told = json.loads(project.run("options", "persons", "--json").out)
    keys = [option["value"] for option in told]
    assert {"id", "name", "emails"} <= set(keys)
    body: dict[str, Any] = {**PERSONS, "properties": keys, "properties_metadata": told}
    assert SourceBody.parse(body).labels["name"] == "Name"


def test_options_for_a_person_name_labels_and_types(project: Project, demo: DemoServer) -> None:
    project.connect_to(demo)
    ended = project.run("options", "deals")
    assert ended.code == 0
    (line,) = [line for line in ended.out.splitlines() if line.startswith("│ expected_close_date ")]
    assert [cell.strip() for cell in line.strip("│").split("│")][1:4] == [
        "Expected close date",
        "date",
        "DATE",
    ]
    assert "Open, Won, Lost" in ended.out


def test_an_unknown_object_type_is_bad_input_with_near_ones(project: Project, demo: DemoServer) -> None:
    project.connect_to(demo)
    ended = project.run("options", "dealz")
    assert (ended.code, ended.out) == (2, "")
    assert "Did you mean `deals`?" in ended.err


OPEN_DEALS = {
    "name": "Open deals",
    "object_type": "deals",
    "properties": ["id", "title", "value", "stage_id", "update_time"],
    "filters": {"conditions": [{"variable": "status", "condition": "equals", "values": ["open"]}]},
    "pull_mode": "static",
}


def test_preview_shows_what_an_import_would_bring(project: Project, demo: DemoServer) -> None:
    project.connect_to(demo)
    path = project.write("open_deals", OPEN_DEALS)
    before = sorted(project.folder.rglob("*"))
    deals = [
        one for one in demo.account.records("deals") if one["status"] == "open" and not one["is_deleted"]
    ]
    wanted = {one["id"]: one["title"] for one in deals if not one["is_archived"]}
    told = json.loads(project.run("preview", str(path), "--json", "--rows", "100").out)
    assert told["total_results"] == len(wanted)
    assert told["capped"] is False
    assert told["pushed_down"] == {"status": "open"}
    assert told["estimated_tokens"] > 0
    assert told["labels"]["title"] == "Title"
    shown = {row["id"]["value"]: row["title"]["value"] for row in told["rows"]}
    assert shown.items() <= wanted.items()
    assert len(shown) == min(100, len(wanted))
    assert told["rows"][0]["title"]["label"] == "Title"

    ended = project.run("preview", str(path))
    assert ended.code == 0
    assert f"{len(wanted):,} records match, of all that there are." in ended.out
    assert "Pipedrive itself filters by status=open." in ended.out
    assert "│ Title" in ended.out or "┃ Title" in ended.out or "Title" in ended.out.splitlines()[1]
    assert f"costs about {told['estimated_tokens']:,} tokens" in ended.out
    assert sorted(project.folder.rglob("*")) == before


def test_a_draft_is_previewed_under_any_name_and_all_of_its_mistakes_are_said(
    project: Project, demo: DemoServer
) -> None:
    project.connect_to(demo)
    draft = project.folder / "My draft.yaml"
    draft.write_text(json.dumps({**OPEN_DEALS, "properties": ["id", "titel"]}))
    unknown = project.run("preview", str(draft))
    assert (unknown.code, unknown.out) == (2, "")
    assert "properties[1]" in unknown.err
    assert "did you mean title" in unknown.err
    draft.write_text(json.dumps({**OPEN_DEALS, "object_type": "deal", "x": 1, "filters": {"y": 1}}))
    wrong = project.run("preview", str(draft))
    assert wrong.code == 2
    assert all(word in wrong.err for word in ("object_type", "x", "filters.y"))
    assert project.run("preview", "nowhere.yaml").code == 2


def test_a_preview_goes_by_what_decides_about_records(project: Project, demo: DemoServer) -> None:
    project.connect_to(demo)
    draft = project.folder / "draft.yaml"

    def total(**content: Any) -> int:
        draft.write_text(json.dumps(content))
        return int(json.loads(project.run("preview", str(draft), "--json").out)["total_results"])

    four = {key: OPEN_DEALS[key] for key in ("object_type", "properties", "filters")}
    alone = total(**four)
    unfinished = {"name": " ", "pull_mode": "sometimes", "schedule": "never", "pull_existing": "no"}
    assert total(**four, **unfinished) == alone > 0
    assert total(**four, options={"include_archived": True}) > alone

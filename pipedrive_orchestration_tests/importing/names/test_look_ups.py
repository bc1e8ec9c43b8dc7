"""What looking names up costs, and what becomes of names that may not be read."""

from __future__ import annotations

from pathlib import Path

from pipedrive_orchestration_tests.exactness.trial import Trial
from pipedrive_orchestration_tests.importing.accounts import UPDATED, account
from pipedrive_orchestration_tests.importing.canned import DENIED, found_by_ids, serving
from pipedrive_orchestration_tests.importing.imports import query, rows, run, source
from pipedrive_orchestration_tests.importing.names.expected import (
    ONE_WINDOW,
    Names,
    offered,
    wrong_names,
)

ACME = {"id": 77, "name": "Acme", "update_time": UPDATED}


def test_names_cost_what_the_documents_say(own_trial: Trial) -> None:
    """What a tick costs is a list of changes and of each short list; first, each id once."""
    trial = own_trial
    plain = trial.source("persons", slug="plain", properties=("name",), options=ONE_WINDOW)
    named = trial.source(
        "persons", slug="named", properties=("name", "org_name", "owner_name"), options=ONE_WINDOW
    )
    # The first import of all asks who the token's user is, for two tokens.
    first = [trial.windows(plain).tokens - 2, trial.windows(named).tokens]
    organizations = trial.ask("SELECT count(DISTINCT _org_id) FROM pipedrive.named")[0][0]
    assert 0 < organizations <= 100
    assert first[1] - first[0] == 20 + 10 + 10, "users, organizations by ids, and how many there are"
    ticks = [trial.changes(one).tokens for one in (plain, named)]
    assert ticks[1] - ticks[0] == 20 + 10, "users, and changes of organizations"


def test_an_unfiltered_source_spares_looking_names_up(own_trial: Trial) -> None:
    trial = own_trial
    organizations = trial.source("organizations", properties=("name",), options=ONE_WINDOW)
    trial.windows(organizations)
    trial.changes(organizations)
    what = trial.source("persons", properties=("name", "org_name"), options=ONE_WINDOW)
    asked = len(trial.demo.account.requests)
    trial.windows(what)
    queries = [
        one.query for one in trial.demo.account.requests[asked:] if one.path == "/api/v2/organizations"
    ]
    # Those whose deletion is known are not looked up either.
    assert [sorted(query) for query in queries if "ids" not in query] == [
        ["limit", "sort_by", "sort_direction", "updated_since"]
    ]
    gone = {one["id"] for one in trial.demo.account.records("organizations") if one["is_deleted"]}
    looked_up = {int(one) for query in queries if "ids" in query for one in query["ids"].split(",")}
    assert looked_up <= gone
    options = [one for one in offered(trial.demo, "persons") if one["value"] in ("org_id", "org_name")]
    assert wrong_names(trial, what, Names(trial.demo.account, options)) == []


def test_what_the_token_may_not_see_has_no_name_and_is_not_asked_for_at_every_tick(tmp_path: Path) -> None:
    person = {"id": 1, "name": "Ann", "org_id": 77, "update_time": UPDATED}
    nobody = found_by_ids()
    what = source("persons", ["name", "org_name"])
    with serving(account("persons", [person]) | {"/api/v2/organizations": nobody}) as served:
        run(what, served.connection, tmp_path)
        run(what, served.connection, tmp_path)
        asked = [one.query["ids"] for one in served.asked if "ids" in one.query]
    assert rows(tmp_path, "persons")[1]["org_name"] is None
    assert asked == ["77"]


def test_a_right_that_is_missing_costs_only_the_names(tmp_path: Path) -> None:
    person = {"id": 1, "name": "Ann", "org_id": 77, "owner_id": 5, "update_time": UPDATED}
    replies = account("persons", [person]) | {
        "/api/v2/organizations": found_by_ids(ACME),
        "/v1/users": lambda _: DENIED,
    }
    with serving(replies) as served:
        report = run(source("persons", ["name", "org_name", "owner_name"]), served.connection, tmp_path)
    row = rows(tmp_path, "persons")[1]
    assert (row["name"], row["org_name"], row["owner_name"]) == ("Ann", "Acme", None)
    assert any("users:read" in note and "owner_name" in note for note in report.notes)


def test_columns_that_nobody_asked_for_show_nowhere_but_in_the_table(tmp_path: Path) -> None:
    person = {"id": 1, "name": "Ann", "org_id": 77, "update_time": UPDATED}
    known = {"/api/v2/organizations": found_by_ids(ACME)}
    with serving(account("persons", [person]) | known) as served:
        run(source("persons", ["org_name", "name"]), served.connection, tmp_path)
    assert list(rows(tmp_path, "persons")[1])[:4] == ["_id", "org_name", "name", "_org_id"]
    assert query(tmp_path, "SELECT * FROM pipedrive_labeled.persons") == [("Acme", "Ann")]

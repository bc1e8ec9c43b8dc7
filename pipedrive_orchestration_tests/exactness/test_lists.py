"""Short lists of the account: after one more pull, their tables are the truth."""

from __future__ import annotations

import json
from datetime import timedelta
from random import Random
from typing import Any

import pytest

from pipedrive_orchestration.demo import DemoServer
from pipedrive_orchestration.pipedrive.catalogue import BUILT_IN, FIELD_TABLES
from pipedrive_orchestration_tests.chaos.sizes import in_full, sample
from pipedrive_orchestration_tests.exactness.churn import FAMILIES
from pipedrive_orchestration_tests.exactness.conftest import FreshTrial
from pipedrive_orchestration_tests.exactness.list_writes import NEW, write_list

LISTS = [
    name
    for name, one in BUILT_IN.items()
    if not (name in FAMILIES or one.partitioned or one.parent or one in FIELD_TABLES)
]
SOME = ("projects", "phases", "goals", "call_logs", "lead_sources")
"""One of each kind; all of them with the long runs."""

SOME_FIELDS = ("deal_fields", "lead_fields", "note_fields")


def change(demo: DemoServer, name: str, rng: Random) -> None:
    """Take a record out, give another one other texts, and add one."""
    account = demo.account
    with account.lock:
        collection = account[name]
        gone, changed, copied = rng.sample([dict(one) for one in collection], 3)
        collection.remove(gone["id"])
        own = BUILT_IN[name].id_key
        texts = [key for key in ("name", "title", "note") if isinstance(changed.get(key), str) and key != own]
        collection.put(changed | stamp(account.stamp(name), changed) | dict.fromkeys(texts[:1], "Other"))
        new = f"{copied['id']}-new" if isinstance(copied["id"], str) else copied["id"] + 1_000
        collection.put(copied | {own: new, "id": new} | stamp(account.stamp(name), copied))


def stamp(time: str, record: dict[str, Any]) -> dict[str, str]:
    return {"update_time": time} if "update_time" in record else {}


@pytest.mark.parametrize("seed", [1])
def test_every_list_is_what_the_account_has_after_changes(fresh_trial: FreshTrial, seed: int) -> None:
    trial, rng = fresh_trial(scale=0.005), Random(seed)
    sources = [trial.source(name) for name in sample(LISTS, *SOME)]
    sources.append(trial.source("projects", slug="every_project", options={"include_archived": True}))
    for source in sources:
        trial.windows(source)
        assert trial.rows(source), source.slug
        assert trial.differences(source) == [], source.slug
    trial.demo.account.clock.advance(timedelta(minutes=1))
    for name in sorted({source.object_type for source in sources}):
        if len(trial.demo.account[name]) > 2:
            change(trial.demo, name, rng)
    for source in sources:
        report = trial.changes(source)
        assert trial.differences(source) == [], source.slug
        assert report.quarantined == 0


def test_what_is_written_to_a_list_is_in_its_table(fresh_trial: FreshTrial) -> None:
    trial = fresh_trial(scale=0.005)
    sources = [trial.source(name) for name in sample(list(NEW), "projects", "users", "goals", "call_logs")]
    for source in sources:
        trial.windows(source)
    trial.demo.account.clock.advance(timedelta(minutes=1))
    for source in sources:
        write_list(trial.demo, source.object_type)
    for source in sources:
        report = trial.changes(source)
        assert report.rows.inserted in {2, 3}, source.slug
        assert trial.differences(source) == [], source.slug


@in_full
def test_a_project_that_is_archived_leaves_and_comes_back(fresh_trial: FreshTrial) -> None:
    trial = fresh_trial(scale=0.005)
    source = trial.source("projects")
    trial.windows(source)
    account = trial.demo.account
    first, second, third = [int(one) for one, row in trial.rows(source).items() if row["_is_current"]][:3]
    states: list[dict[int, dict[str, Any]]] = [
        {first: {"archive_time": account.stamp("projects")}, second: {"status": "deleted"}},
        {first: {"archive_time": None}, third: {"archive_time": account.stamp("projects")}},
    ]
    for state in states:
        account.clock.advance(timedelta(minutes=1))
        for one, keys in state.items():
            project = account.record("projects", one)
            assert project is not None
            account.save("projects", project | keys)
        trial.changes(source)
        assert trial.differences(source) == []
    removals = {one: trial.rows(source)[str(one)]["_removal"] for one in (first, second, third)}
    assert removals == {first: None, second: "deleted", third: "archived"}


def test_the_password_of_a_webhook_is_nowhere(fresh_trial: FreshTrial) -> None:
    trial = fresh_trial(scale=0.005)
    source = trial.source("webhooks")
    password = trial.demo.account.records("webhooks")[0]["http_auth_password"]
    trial.windows(source)
    assert trial.differences(source) == []
    assert (
        "http_auth_password"
        not in trial.ask("SELECT string_agg(column_name, ' ') FROM information_schema.columns")[0][0]
    )
    for file in trial.folder.rglob("*"):
        assert not file.is_file() or password.encode() not in file.read_bytes()


def test_a_phase_of_a_board_that_is_deleted_meanwhile_is_gone(fresh_trial: FreshTrial) -> None:
    trial = fresh_trial(scale=0.005)
    source = trial.source("phases")
    trial.windows(source)
    account = trial.demo.account
    with account.lock:
        account["boards"].remove(2)
        for phase in [one for one in account["phases"] if one["board_id"] == 2]:
            account["phases"].remove(phase["id"])
    report = trial.changes(source)
    assert report.rows.removed == 3
    assert trial.differences(source) == []


def test_names_of_what_is_gone_are_not_looked_for_with_every_import(fresh_trial: FreshTrial) -> None:
    trial = fresh_trial(scale=0.005)
    with trial.demo.account.lock:
        trial.demo.account["projects"].remove(1)
    source = trial.source("tasks")
    first = trial.windows(source)
    assert first.tokens > 30
    assert trial.ask('SELECT count(*) FROM pipedrive_labeled.tasks WHERE "Project ID" = 1') != [(0,)]
    assert trial.changes(source).tokens == 10


def test_fields_and_their_options_are_tables(fresh_trial: FreshTrial) -> None:
    trial = fresh_trial(scale=0.005)
    sources = [trial.source(one) for one in sample([one.name for one in FIELD_TABLES], *SOME_FIELDS)]
    for source in sources:
        trial.windows(source)
        assert trial.differences(source) == [], source.slug
    path = "/api/v2/dealFields"
    body = {"field_name": "Roof", "field_type": "enum", "options": [{"label": "Flat"}, {"label": "Steep"}]}
    roof = trial.demo.write("POST", path, body)
    gone = trial.demo.write("POST", path, {"field_name": "Gone", "field_type": "text"})
    first, second = (option["id"] for option in roof["options"])
    trial.changes(sources[0])
    options = "SELECT id, label FROM pipedrive_lists.deal_fields_options WHERE _id = ? ORDER BY position"
    assert trial.ask(options, roof["field_code"]) == [(str(first), "Flat"), (str(second), "Steep")]
    trial.demo.write("DELETE", f"{path}/{gone['field_code']}")
    trial.demo.write("PATCH", f"{path}/{roof['field_code']}/options", [{"id": first, "label": "Level"}])
    trial.demo.write("DELETE", f"{path}/{roof['field_code']}/options", [{"id": second}])
    for source in sources:
        trial.changes(source)
        assert trial.differences(source) == [], source.slug
    assert trial.ask(options, roof["field_code"]) == [(str(first), "Level")]
    assert trial.rows(sources[0])[gone["field_code"]]["_removal"] == "deleted"


def test_filters_come_with_their_conditions_where_these_are_asked_for(fresh_trial: FreshTrial) -> None:
    trial = fresh_trial(scale=0.005)
    source = trial.source("filters", properties=("name", "conditions"))
    report = trial.windows(source)
    stored = {str(one["id"]): one["conditions"] for one in trial.demo.account.records("filters")}
    found = {one: json.loads(row["conditions"]) for one, row in trial.rows(source).items()}
    assert found.keys() == stored.keys()
    for one, conditions in found.items():
        (group, _) = conditions["conditions"]
        assert group["conditions"][0].pop("field_code")
        assert conditions == stored[one]
    assert report.tokens == 2 + 20 + 2 * len(stored)
    plain = trial.windows(trial.source("filters", slug="plain", properties=("name",)))
    assert plain.tokens == 20

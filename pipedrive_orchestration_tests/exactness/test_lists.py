"""Collections that the demo account only shows: after one more pull, their tables are the truth."""

from __future__ import annotations

from datetime import timedelta
from random import Random
from typing import Any

import pytest

from pipedrive_orchestration.demo import DemoServer
from pipedrive_orchestration.pipedrive.object_types import CATALOGUE
from pipedrive_orchestration_tests.chaos.sizes import sample
from pipedrive_orchestration_tests.exactness.churn import FAMILIES
from pipedrive_orchestration_tests.exactness.conftest import FreshTrial

LISTS = [name for name, one in CATALOGUE.items() if name not in FAMILIES and one.parent is None]
SOME = ("projects", "phases", "goals", "call_logs", "lead_sources")
"""One of each kind; all of them with the long runs."""


def change(demo: DemoServer, name: str, rng: Random) -> None:
    """Take a record out, give another one other texts, and add one."""
    account = demo.account
    with account.lock:
        collection = account[name]
        gone, changed, copied = rng.sample([dict(one) for one in collection], 3)
        collection.remove(gone["id"])
        own = CATALOGUE[name].id_key
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

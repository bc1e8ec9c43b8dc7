"""The requests of pulls that have little to find out: what lists prove is not asked for record by record."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

from pipedrive_orchestration_tests.chaos.sizes import in_full, sample
from pipedrive_orchestration_tests.exactness.conftest import FreshTrial
from pipedrive_orchestration_tests.exactness.trial import Trial

LISTS: dict[str, tuple[str, dict[str, Any]]] = {
    "leads": ("/v1/leads", {"title": "One of many"}),
    "notes": ("/v1/notes", {"content": "One of many"}),
}


FEW = ("id", "add_time", "update_time")


def with_many(trial: Trial, object_type: str, count: int) -> list[Any]:
    """So many new records, an hour ago. Returns their ids."""
    path, body = LISTS[object_type]
    account = trial.demo.account
    person = next(one["id"] for one in account.records("persons") if not one["is_deleted"])
    with account.clock.at(account.clock.now() - timedelta(hours=1)):
        return [trial.demo.write("POST", path, body | {"person_id": person})["id"] for _ in range(count)]


def asked(trial: Trial, start: int) -> Counter[str]:
    """How often each path was asked since; records that were asked for one by one count as one path."""
    requests = trial.demo.account.requests[start:]
    return Counter("one by one" if _is_one(request.path) else request.path for request in requests)


def _is_one(path: str) -> bool:
    collection, _, last = path.rpartition("/")
    return collection in ("/v1/leads", "/v1/notes") and last != "archived"


@pytest.mark.parametrize("include_archived", sample([False, True], True))
def test_a_tick_on_unchanged_leads_asks_for_what_changed_alone(
    fresh_trial: FreshTrial, monkeypatch: pytest.MonkeyPatch, include_archived: bool
) -> None:
    """However many pages of leads there are, archived ones too: the second tick reads pages of 20."""
    trial = fresh_trial()
    for lead in with_many(trial, "leads", 100)[:50]:
        trial.demo.write("PATCH", f"/v1/leads/{lead}", {"is_archived": True})
    trial.demo.account.clock.advance(timedelta(hours=1))
    source = trial.source("leads", properties=FEW, options={"include_archived": include_archived})
    trial.windows(source)
    trial.changes(source)
    for page_size in (500, 20):
        monkeypatch.setattr("pipedrive_orchestration.pipedrive.pagination.MAX_PAGE_SIZE", page_size)
        trial.demo.account.clock.advance(timedelta(hours=1))
        start = len(trial.demo.account.requests)
        report = trial.changes(source)
        counted = asked(trial, start)
        fields = counted.pop("/api/v2/dealFields")
        assert counted == {"/v1/leads": 1, "/v1/leads/archived": 1}
        assert report.tokens == fields * 10 + 20 + 40
        assert page_size == 20 or report.requests == 3
    assert trial.differences(source) == []


@in_full
@pytest.mark.parametrize("include_archived", sample([False, True], False))
def test_many_deleted_leads_are_found_missing_by_lists(
    fresh_trial: FreshTrial, include_archived: bool
) -> None:
    """Neither list has them, and the list of live ones, which is short, has been asked before and after."""
    trial = fresh_trial(scale=0.005)
    leads = with_many(trial, "leads", 700)
    source = trial.source("leads", properties=FEW, options={"include_archived": include_archived})
    trial.windows(source)
    for lead in leads[:400]:
        trial.demo.write("DELETE", f"/v1/leads/{lead}")
    trial.demo.write("PATCH", f"/v1/leads/{leads[-1]}", {"is_archived": True})
    start = len(trial.demo.account.requests)
    report = trial.windows(source)
    assert asked(trial, start) == {
        "/v1/users/me": 1,
        "/api/v2/dealFields": 1,
        "/v1/leads": 2,
        "/v1/leads/archived": 1 + include_archived,
    }
    assert report.tokens == 2 + 10 + 2 * 20 + (1 + include_archived) * 40
    assert report.rows.removed == 400 + (not include_archived)
    assert trial.differences(source) == []


def test_few_missing_leads_are_asked_for_one_by_one(fresh_trial: FreshTrial) -> None:
    trial = fresh_trial(scale=0.005)
    leads = with_many(trial, "leads", 40)
    source = trial.source("leads", properties=FEW)
    trial.windows(source)
    for lead in leads[:20]:
        trial.demo.write("DELETE", f"/v1/leads/{lead}")
    for lead in leads[20:29]:
        trial.demo.write("PATCH", f"/v1/leads/{lead}", {"is_archived": True})
    start = len(trial.demo.account.requests)
    report = trial.windows(source)
    # Two tokens each, where a page of both lists costs 60.
    assert asked(trial, start)["one by one"] == 29
    assert asked(trial, start)["/v1/leads/archived"] == 0
    assert report.rows.removed == 29
    assert trial.differences(source) == []


def test_leads_that_moved_to_a_window_that_is_not_read_are_found(fresh_trial: FreshTrial) -> None:
    """Of one window alone no list proves anything: 60 have changed since, 40 are archived, 40 deleted."""
    trial = fresh_trial(scale=0.005)
    account = trial.demo.account
    with account.clock.at(account.clock.now() - timedelta(days=70)):
        leads = with_many(trial, "leads", 150)
    source = trial.source("leads", properties=FEW)
    trial.windows(source)
    (window,) = (
        window
        for window in trial.all_windows(source)
        if (window.start or window.end) <= account.clock.now() - timedelta(days=70) < window.end
    )
    for lead in leads[:60]:
        trial.demo.write("PATCH", f"/v1/leads/{lead}", {"title": "Changed since"})
    for lead in leads[60:100]:
        trial.demo.write("PATCH", f"/v1/leads/{lead}", {"is_archived": True})
    for lead in leads[100:140]:
        trial.demo.write("DELETE", f"/v1/leads/{lead}")
    start = len(account.requests)
    trial.windows(source, [window])
    # The window, its changes since, and every list: the live one before and after the archived one.
    assert asked(trial, start)["one by one"] == 0
    assert asked(trial, start)["/v1/leads/archived"] == 1
    assert trial.differences(source) == []


def test_a_long_list_is_left_where_asking_one_by_one_costs_less(
    fresh_trial: FreshTrial, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The archived list is long: it is read until it has cost what 40 leads cost, and no further."""
    trial = fresh_trial(scale=0.005)
    leads = with_many(trial, "leads", 240)
    for lead in leads[:160]:
        trial.demo.write("PATCH", f"/v1/leads/{lead}", {"is_archived": True})
    source = trial.source("leads", properties=FEW)
    trial.windows(source)
    for lead in leads[200:]:
        trial.demo.write("DELETE", f"/v1/leads/{lead}")
    monkeypatch.setattr("pipedrive_orchestration.pipedrive.pagination.MAX_PAGE_SIZE", 20)
    start = len(trial.demo.account.requests)
    trial.windows(source)
    counted = asked(trial, start)
    assert counted["one by one"] == 40
    assert counted["/v1/leads/archived"] == 3
    assert trial.differences(source) == []


def test_many_deleted_notes_are_proven_by_their_list(fresh_trial: FreshTrial) -> None:
    trial = fresh_trial(scale=0.005)
    notes = with_many(trial, "notes", 600)
    source = trial.source("notes", properties=FEW)
    trial.windows(source)
    trial.changes(source)
    for note in notes[:400]:
        trial.demo.write("DELETE", f"/v1/notes/{note}")
    start = len(trial.demo.account.requests)
    report = trial.windows(source)
    # The feed says that they were deleted, and when.
    assert asked(trial, start) == {"/v1/users/me": 1, "/v1/notes": 1, "/v1/recents": 1}
    assert report.tokens == 2 + 20 + 20
    assert report.rows.removed == 400
    assert trial.differences(source) == []

"""Every object type, while users write: after the writes stop and one more pull, the table is the truth."""

from __future__ import annotations

import itertools
from datetime import timedelta
from typing import Any

import pytest

from pipedrive_orchestration.pipedrive.catalogue import BUILT_IN
from pipedrive_orchestration.sources import Source
from pipedrive_orchestration_tests.chaos.sizes import sample
from pipedrive_orchestration_tests.exactness.churn import FAMILIES, Churn, over_http
from pipedrive_orchestration_tests.exactness.conftest import FreshTrial
from pipedrive_orchestration_tests.exactness.disturbances import WritesBetweenPages
from pipedrive_orchestration_tests.exactness.trial import Trial

pytestmark = pytest.mark.usefixtures("small_pages")

PARTITIONED = [name for name, object_type in BUILT_IN.items() if object_type.partitioned]
SNAPSHOTS = [name for name in FAMILIES if name not in PARTITIONED]
WITH_ARCHIVE = [name for name in PARTITIONED if BUILT_IN[name].archived_path]


@pytest.mark.parametrize("object_type", sample(PARTITIONED, "deals", "leads"))
def test_writes_during_pulls_of_records(fresh_trial: FreshTrial, object_type: str) -> None:
    trial = fresh_trial()
    source = (trial.whole_source if object_type == "deals" else trial.wide_source)(object_type)
    with over_http(trial.demo) as write:
        churn = Churn(trial.demo, seed=1, write=write)
        with churn.running(per_second=80):
            trial.windows(source)
        churn.steps(40)
        trial.changes(source, listener=WritesBetweenPages(churn, 5))
        trial.changes(source)
        if object_type == "leads":
            # Nothing tells of deleted leads before windows are read again.
            trial.windows(source)
        assert trial.differences(source) == []
        churn.steps(60)
    # What was archived and deleted since is deleted for a pull of changes alone; its row is gone either way.
    trial.changes(source)
    trial.windows(source)
    assert trial.differences(source, unstamped=True) == []


@pytest.mark.parametrize("object_type", sample(SNAPSHOTS, "stages"))
def test_writes_during_pulls_of_snapshots(fresh_trial: FreshTrial, object_type: str) -> None:
    trial = fresh_trial()
    source = trial.source(object_type)
    with over_http(trial.demo) as write:
        churn = Churn(trial.demo, seed=1, write=write)
        with churn.running(per_second=80):
            trial.windows(source)
        churn.steps(100)
    trial.changes(source)
    assert trial.differences(source) == []


@pytest.mark.parametrize("object_type", sample(["deals", "notes", "stages"], "notes"))
def test_pulling_every_window_again_leaves_what_a_fresh_import_does(
    fresh_trial: FreshTrial, object_type: str
) -> None:
    trial = fresh_trial()
    source = trial.wide_source(object_type)
    trial.windows(source)
    Churn(trial.demo, seed=2).steps(150)
    trial.windows(source)
    fresh = trial.fresh()
    fresh.windows(source)
    assert current_rows(trial, source) == current_rows(fresh, source)
    assert all(row["_is_current"] for row in fresh.rows(source).values())


def current_rows(trial: Trial, source: Source) -> dict[str, dict[str, Any]]:
    """Every current row without the times at which it came here."""
    return {
        record_id: {name: cell for name, cell in row.items() if not name.endswith("imported_at")}
        for record_id, row in trial.rows(source).items()
        if row["_is_current"]
    }


@pytest.mark.parametrize("object_type", sample(WITH_ARCHIVE, "leads"))
def test_archived_records_are_members_where_the_source_says_so(
    fresh_trial: FreshTrial, object_type: str
) -> None:
    trial = fresh_trial()
    source = trial.wide_source(object_type, options={"include_archived": True})
    churn = Churn(trial.demo, seed=3, families=(object_type,))
    churn.steps(20)
    trial.windows(source, listener=WritesBetweenPages(churn))
    churn.steps(60)
    trial.changes(source, listener=WritesBetweenPages(churn))
    trial.changes(source)
    if object_type == "leads":
        trial.windows(source)
    assert trial.differences(source) == []
    archived = [row for row in trial.rows(source).values() if row["_is_archived"] and row["_is_current"]]
    assert archived
    churn.steps(40)
    trial.windows(source)
    assert trial.differences(source) == []


STATES: dict[str, list[tuple[str, dict[str, bool] | None]]] = {
    "live": [],
    "deleted": [("DELETE", None)],
    "archived": [("PATCH", {"is_archived": True})],
}
BACK: dict[str, list[tuple[str, dict[str, bool] | None]]] = {
    "live": [],
    "deleted": [("PATCH", {"is_deleted": False})],
    "archived": [("PATCH", {"is_archived": False})],
}


@pytest.mark.parametrize("only_windows", sample([False, True], False))
def test_deals_in_every_state_coming_to_every_other(fresh_trial: FreshTrial, only_windows: bool) -> None:
    trial = fresh_trial()
    source = trial.source("deals")
    trial.windows(source)
    deals = [one for one, row in trial.rows(source).items() if row["_is_current"] and not row["_is_archived"]]
    ways = list(zip(itertools.product(STATES, repeat=3), deals, strict=False))
    assert len(ways) == 27
    for turn in range(3):
        for states, deal in ways:
            before = BACK[states[turn - 1]] if turn else []
            for method, body in [*before, *STATES[states[turn]]]:
                trial.demo.write(method, f"/api/v2/deals/{deal}", body)
        trial.demo.account.clock.advance(timedelta(minutes=1))
        if turn == 1 or only_windows:
            trial.windows(source)
        if not only_windows:
            trial.changes(source)
        assert trial.differences(source) == []


def test_a_deal_restored_and_archived_between_two_window_pulls_is_archived(fresh_trial: FreshTrial) -> None:
    """Nobody pulls changes: the row was marked as deleted, and no list of windows has the deal again."""
    trial = fresh_trial(scale=0.005)
    source = trial.source("deals")
    trial.windows(source)
    restored, deleted, *_ = (one for one, row in trial.rows(source).items() if row["_is_current"])
    for deal in (restored, deleted):
        trial.demo.write("DELETE", f"/api/v2/deals/{deal}")
    trial.windows(source)
    assert [trial.rows(source)[deal]["_removal"] for deal in (restored, deleted)] == ["deleted", "deleted"]
    trial.demo.account.clock.advance(timedelta(minutes=1))
    trial.demo.write("PATCH", f"/api/v2/deals/{restored}", {"is_deleted": False})
    trial.demo.write("PATCH", f"/api/v2/deals/{restored}", {"is_archived": True})
    trial.windows(source)
    assert trial.differences(source) == []
    assert [trial.rows(source)[deal]["_removal"] for deal in (restored, deleted)] == ["archived", "deleted"]


def test_persons_merged_away_say_so(fresh_trial: FreshTrial) -> None:
    trial = fresh_trial()
    source = trial.source("persons")
    trial.windows(source)
    alive = sorted(trial.rows(source), key=int)
    trial.demo.write("PUT", f"/v1/persons/{alive[0]}/merge", {"merge_with_id": int(alive[1])})
    trial.demo.write("DELETE", f"/api/v2/persons/{alive[2]}")
    trial.changes(source)
    rows = trial.rows(source)
    assert [rows[one]["_removal"] for one in alive[:4]] == ["merged", None, "deleted", None]
    assert trial.differences(source) == []


@pytest.mark.parametrize("at_once", sample([False, True], True))
def test_a_person_who_outlived_a_merge_and_was_deleted_later(fresh_trial: FreshTrial, at_once: bool) -> None:
    """Both name the other one of the merge in the feed, which tells of the first one once, or of both."""
    trial = fresh_trial(scale=0.005)
    source = trial.source("persons")
    trial.windows(source)
    first, second, third = sorted(trial.rows(source), key=int)[:3]
    for loser, survivor in ((first, second), (second, third)):
        trial.demo.write("PUT", f"/v1/persons/{loser}/merge", {"merge_with_id": int(survivor)})
        trial.demo.account.clock.advance(timedelta(hours=1))
        if not at_once:
            trial.changes(source)
    trial.demo.write("DELETE", f"/api/v2/persons/{third}")
    trial.changes(source)
    rows = trial.rows(source)
    assert [rows[one]["_removal"] for one in (first, second, third)] == ["merged", "merged", "deleted"]
    assert trial.differences(source) == []


@pytest.mark.parametrize("object_type", sample(["organizations", "deals"], "organizations"))
def test_merges_of_which_nothing_tells_are_deletions(fresh_trial: FreshTrial, object_type: str) -> None:
    """CASES A27: neither lists nor the feed name the other one of such a merge, as OpenAPI has them."""
    trial = fresh_trial(scale=0.005)
    source = trial.source(object_type)
    trial.windows(source)
    loser, survivor = sorted((one for one, row in trial.rows(source).items()), key=int)[:2]
    trial.demo.write("PUT", f"/v1/{object_type}/{loser}/merge", {"merge_with_id": int(survivor)})
    trial.changes(source)
    assert trial.rows(source)[loser]["_removal"] == "deleted"
    assert trial.differences(source) == []


def test_a_complete_reading_brings_what_changed_without_a_new_update_time(fresh_trial: FreshTrial) -> None:
    trial = fresh_trial()
    source = trial.source("notes")
    trial.windows(source)
    alive = {one["id"] for one in trial.demo.account.records("persons") if not one["is_deleted"]}
    notes = trial.demo.account.records("notes")
    note = next(one for one in notes if one["active_flag"] and one["person_id"] in alive)
    trial.demo.write("PATCH", f"/api/v2/persons/{note['person_id']}", {"name": "Renamed since"})
    assert trial.differences(source, unstamped=True)
    trial.windows(source)
    assert trial.differences(source, unstamped=True) == []

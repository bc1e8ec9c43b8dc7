"""Every object type, while users write: after the writes stop and one more pull, the table is the truth."""

from __future__ import annotations

import pytest

from pipedrive_orchestration.pipedrive.catalogue import CATALOGUE
from pipedrive_orchestration_tests.exactness.churn import Churn, over_http
from pipedrive_orchestration_tests.exactness.conftest import FreshTrial
from pipedrive_orchestration_tests.exactness.disturbances import WritesBetweenPages

pytestmark = pytest.mark.usefixtures("small_pages")

OBJECT_TYPES = list(CATALOGUE)
WITH_ARCHIVE = [name for name, object_type in CATALOGUE.items() if object_type.archived_path]


@pytest.mark.parametrize("object_type", OBJECT_TYPES)
def test_changes_after_an_import_under_writes_make_it_exact(
    fresh_trial: FreshTrial, object_type: str
) -> None:
    trial = fresh_trial()
    source = trial.source(object_type)
    with over_http(trial.demo) as write:
        churn = Churn(trial.demo, seed=1, write=write)
        with churn.running(per_second=150):
            trial.windows(source)
        trial.changes(source)
        assert trial.differences(source) == []
        for _ in range(2):
            churn.steps(40)
            trial.changes(source, listener=WritesBetweenPages(churn, 5))
            trial.changes(source)
            assert trial.differences(source) == []


@pytest.mark.parametrize("object_type", OBJECT_TYPES)
def test_pulling_every_window_again_leaves_what_a_fresh_import_does(
    fresh_trial: FreshTrial, object_type: str
) -> None:
    trial = fresh_trial()
    source = trial.source(object_type)
    churn = Churn(trial.demo, seed=2)
    churn.steps(50)
    trial.windows(source)
    churn.steps(150)
    trial.windows(source)
    fresh = trial.fresh()
    fresh.windows(source)
    assert trial.differences(source, unstamped=True) == []
    imported = {"_first_imported_at", "_imported_at"}
    ours, theirs = (
        {
            record_id: {name: cell for name, cell in row.items() if name not in imported}
            for record_id, row in one.rows(source).items()
            if row["_is_current"]
        }
        for one in (trial, fresh)
    )
    assert ours == theirs


@pytest.mark.parametrize("object_type", WITH_ARCHIVE)
def test_archived_records_are_members_where_the_source_says_so(
    fresh_trial: FreshTrial, object_type: str
) -> None:
    trial = fresh_trial()
    source = trial.source(object_type, options={"include_archived": True})
    churn = Churn(trial.demo, seed=3, families=(object_type,))
    churn.steps(20)
    trial.windows(source, listener=WritesBetweenPages(churn))
    for _ in range(3):
        churn.steps(40)
        trial.changes(source, listener=WritesBetweenPages(churn))
    trial.changes(source)
    assert trial.differences(source) == []
    archived = [row for row in trial.rows(source).values() if row["_is_archived"] and row["_is_current"]]
    assert archived
    churn.steps(40)
    trial.windows(source)
    assert trial.differences(source) == []


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


def test_a_complete_reading_brings_what_changed_without_a_new_update_time(fresh_trial: FreshTrial) -> None:
    trial = fresh_trial()
    source = trial.source("notes")
    trial.windows(source)
    note = next(one for one in trial.demo.account.records("notes") if one["active_flag"] and one["person_id"])
    trial.demo.write("PATCH", f"/api/v2/persons/{note['person_id']}", {"name": "Renamed since"})
    assert trial.differences(source, unstamped=True)
    trial.windows(source)
    assert trial.differences(source, unstamped=True) == []

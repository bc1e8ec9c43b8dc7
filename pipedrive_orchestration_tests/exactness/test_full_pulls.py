"""When changes alone cannot bring the table up to date, everything is read, and the import says why."""

from __future__ import annotations

from datetime import timedelta

import pytest

from pipedrive_orchestration_tests.chaos.sizes import sample
from pipedrive_orchestration_tests.exactness.churn import Churn
from pipedrive_orchestration_tests.exactness.conftest import FreshTrial

LONG_AGO = timedelta(days=40)


@pytest.mark.parametrize("object_type", sample(["persons", "deals", "notes"], "deals"))
def test_a_gap_longer_than_pipedrive_remembers(fresh_trial: FreshTrial, object_type: str) -> None:
    """What was deleted in the gap is purged, and no feed or list tells of it any more."""
    trial = fresh_trial()
    source = trial.source(object_type)
    trial.windows(source)
    Churn(trial.demo, seed=1).steps(150)
    trial.demo.account.clock.advance(LONG_AGO + timedelta(minutes=1))
    report = trial.changes(source)
    assert [note for note in report.notes if note.startswith("full pull: the last one was 40 days ago")]
    assert trial.differences(source) == []
    Churn(trial.demo, seed=2).steps(40)
    report = trial.changes(source)
    assert report.notes == ()
    assert trial.differences(source) == []


def test_other_properties(fresh_trial: FreshTrial) -> None:
    trial = fresh_trial()
    every = trial.wide_source("persons")
    few = trial.source("persons", properties=every.properties[:3], created_at=every.created_at)
    churn = Churn(trial.demo, seed=3)
    trial.windows(few)
    trial.changes(few)
    churn.steps(30)
    report = trial.changes(every)
    assert "full pull: the source's properties, filter or include_archived have changed" in report.notes
    assert trial.differences(every) == []
    churn.steps(30)
    report = trial.changes(every)
    assert report.notes == ()
    assert trial.differences(every) == []
    trial.changes(few)
    assert trial.differences(few) == []


def test_archived_records_that_are_asked_for_later(fresh_trial: FreshTrial) -> None:
    trial = fresh_trial()
    without = trial.source("deals")
    trial.windows(without)
    trial.changes(without)
    Churn(trial.demo, seed=4, families=("deals",)).steps(40)
    every = trial.source("deals", created_at=without.created_at, options={"include_archived": True})
    for source in (every, without):
        report = trial.changes(source)
        assert any(note.startswith("full pull") for note in report.notes)
        assert trial.differences(source) == []


def test_records_added_before_a_source_that_starts_empty_stay_out(fresh_trial: FreshTrial) -> None:
    trial = fresh_trial()
    source = trial.source("persons", pull_existing=False, properties=("id", "add_time", "update_time"))
    before = {str(record["id"]) for record in trial.demo.account.records("persons")}
    churn = Churn(trial.demo, seed=5, families=("persons",))
    for pull in (trial.changes, trial.windows, trial.changes):
        churn.steps(25)
        pull(source)
        added = {
            str(record["id"])
            for record in trial.demo.account.records("persons")
            if str(record["id"]) not in before and not record["is_deleted"]
        }
        current = {record_id for record_id, row in trial.rows(source).items() if row["_is_current"]}
        assert current == added
        assert trial.differences(source, only=frozenset(added)) == []
    assert not trial.rows(source).keys() & before


def test_records_without_update_time_come_with_every_complete_reading(fresh_trial: FreshTrial) -> None:
    trial = fresh_trial()
    source = trial.source("persons")
    undated = {str(one["id"]) for one in trial.demo.account.records("persons") if one["update_time"] is None}
    assert undated
    trial.windows(source, trial.all_windows(source)[:1])
    assert undated <= trial.rows(source).keys()
    first, second, *_ = sorted(undated)
    trial.demo.write("DELETE", f"/api/v2/persons/{first}")
    trial.demo.write("PATCH", f"/api/v2/persons/{second}", {"name": "Dated now"})
    trial.windows(source)
    assert trial.differences(source) == []

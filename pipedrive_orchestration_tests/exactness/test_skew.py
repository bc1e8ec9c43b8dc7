"""Two clocks: ours may be ahead of Pipedrive's or behind it by any time, and nothing is lost."""

from __future__ import annotations

from datetime import timedelta

import pytest

from pipedrive_orchestration_tests.chaos.sizes import sample
from pipedrive_orchestration_tests.exactness.churn import FAMILIES, Churn
from pipedrive_orchestration_tests.exactness.conftest import FreshTrial
from pipedrive_orchestration_tests.exactness.disturbances import EndsAt, Interrupted
from pipedrive_orchestration_tests.exactness.trial import SkewedClock

SKEWS = [
    sign * skew
    for skew in (timedelta(minutes=10), timedelta(days=40), timedelta(seconds=30), timedelta(hours=1))
    for sign in (1, -1)
]
"""How far our clock is ahead."""

FEW = {"properties": ("id", "add_time", "update_time")}
"""A source that is quickly read."""


def spread(object_type: str) -> timedelta:
    """One skew for each object type, so that all of both come in turn."""
    return SKEWS[FAMILIES.index(object_type) % len(SKEWS)]


@pytest.mark.parametrize("object_type", sample(FAMILIES, "deals", "leads", "notes", "stages"))
def test_changes_are_not_missed_whatever_our_clock_shows(fresh_trial: FreshTrial, object_type: str) -> None:
    """CASES A1: the source is made, imported, and changed a little longer after that than the overlap."""
    trial = fresh_trial(scale=0.005)
    SkewedClock(trial, spread(object_type))
    source = trial.source(object_type)
    churn = Churn(trial.demo, seed=1)
    trial.windows(source)
    churn.steps(40)
    trial.demo.account.clock.advance(timedelta(minutes=5, seconds=30))
    report = trial.changes(source)
    assert not [note for note in report.notes if "full pull" in note]
    found = trial.differences(source)
    if object_type == "leads":
        # Nothing tells of deleted leads before windows are read again.
        found = [each for each in found if not each.endswith("should not be current")]
    assert found == []


@pytest.mark.parametrize("skew", sample(SKEWS, *SKEWS[2:4]), ids=str)
def test_changes_come_by_pulls_of_changes_with_every_skew(fresh_trial: FreshTrial, skew: timedelta) -> None:
    """Notes have no fields to be asked for, so no answer tells the clock before the pull is planned."""
    trial = fresh_trial(scale=0.005)
    SkewedClock(trial, skew)
    source = trial.source("notes", **FEW)
    churn = Churn(trial.demo, seed=2, families=("notes",))
    churn.steps(10)
    trial.changes(source)
    trial.windows(source)
    churn.steps(30)
    trial.demo.account.clock.advance(timedelta(minutes=6))
    report = trial.changes(source)
    assert not [note for note in report.notes if "full pull" in note]
    assert report.watermark is not None
    assert trial.demo.account.clock.now() - report.watermark < timedelta(seconds=2)
    assert trial.differences(source) == []


@pytest.mark.parametrize("skew", sample(SKEWS, SKEWS[0]), ids=str)
def test_what_is_added_after_a_source_that_starts_empty_enters(
    fresh_trial: FreshTrial, skew: timedelta
) -> None:
    """CASES A4; the clock is set right later, when what it showed at the creation is long gone."""
    trial = fresh_trial(scale=0.005)
    clock = SkewedClock(trial, skew)
    account = trial.demo.account
    account.clock.advance(timedelta(minutes=1))
    source = trial.source("persons", pull_existing=False, **FEW)
    before = {str(record["id"]) for record in account.records("persons")}
    account.clock.advance(timedelta(seconds=10))
    for number in range(3):
        trial.demo.write("POST", "/api/v2/persons", {"name": f"Added {number}"})
        (trial.windows if number == 1 else trial.changes)(source)
        account.clock.advance(timedelta(minutes=10))
        clock.ahead = clock.ahead if number == 0 else timedelta()
        added = {str(record["id"]) for record in account.records("persons")} - before
        assert trial.rows(source).keys() == added


@pytest.mark.parametrize("skew", sample(SKEWS, SKEWS[1]), ids=str)
def test_deletions_older_than_the_overlap_are_found_with_every_skew(
    fresh_trial: FreshTrial, skew: timedelta
) -> None:
    trial = fresh_trial(scale=0.005)
    SkewedClock(trial, skew)
    source = trial.source("persons", options={"history": True}, **FEW)
    trial.windows(source)
    trial.changes(source)
    gone = next(one for one, row in trial.rows(source).items() if row["_is_current"])
    trial.demo.write("DELETE", f"/api/v2/persons/{gone}")
    deleted_at = trial.demo.account.clock.now()
    trial.demo.account.clock.advance(timedelta(hours=2))
    trial.changes(source)
    assert trial.differences(source) == []
    assert trial.ask("SELECT _valid_to FROM pipedrive_history.persons WHERE _id = ?", int(gone)) == [
        (deleted_at,)
    ]


def test_a_pull_that_is_resumed_after_the_clock_was_set_right_misses_nothing(fresh_trial: FreshTrial) -> None:
    """What changed since the first attempt began is caught up with, by Pipedrive's clock."""
    trial = fresh_trial(scale=0.005)
    clock = SkewedClock(trial, timedelta(minutes=30))
    source = trial.source("persons", **FEW)
    churn = Churn(trial.demo, seed=3, families=("persons",))
    with pytest.raises(Interrupted):
        trial.windows(source, listener=EndsAt(commit=20))
    clock.ahead = timedelta()
    churn.steps(40)
    trial.demo.account.clock.advance(timedelta(hours=1))
    trial.windows(source)
    assert trial.differences(source) == []

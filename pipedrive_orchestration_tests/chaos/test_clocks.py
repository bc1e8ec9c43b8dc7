"""Clocks that are wrong or moved: no change is missed, and a watermark of the future is not believed."""

from __future__ import annotations

from datetime import timedelta

import pytest

from pipedrive_orchestration.demo import Fault, Faults
from pipedrive_orchestration_tests.chaos.enduring import assert_right
from pipedrive_orchestration_tests.chaos.sizes import in_full
from pipedrive_orchestration_tests.exactness.churn import Churn
from pipedrive_orchestration_tests.exactness.conftest import FreshTrial
from pipedrive_orchestration_tests.exactness.trial import SkewedClock

FAR = timedelta(hours=6)


@in_full
@pytest.mark.parametrize(
    ("first", "object_type"), [(FAR, "persons"), (-FAR, "deals")], ids=["ahead", "behind"]
)
def test_a_machine_whose_clock_is_wrong_and_then_set_right(
    fresh_trial: FreshTrial, first: timedelta, object_type: str
) -> None:
    trial = fresh_trial(scale=0.005)
    clock = SkewedClock(trial)
    source = trial.source(object_type)
    churn = Churn(trial.demo, seed=1)
    for ahead in (first, timedelta()):
        clock.ahead = ahead
        trial.windows(source)
        churn.steps(40)
        trial.changes(source)
        assert trial.differences(source) == []
    churn.steps(40)
    trial.windows(source)
    assert_right(trial, source)


@in_full
def test_a_clock_that_is_moved_during_an_import(fresh_trial: FreshTrial) -> None:
    trial = fresh_trial(scale=0.005)
    clock = SkewedClock(trial)
    source = trial.source("persons")
    churn = Churn(trial.demo, seed=2, families=("persons",))
    trial.windows(source)
    for ahead in (FAR, -FAR):

        def move(_event: object, ahead: timedelta = ahead) -> None:
            clock.ahead = ahead
            churn.steps(1)

        trial.changes(source, listener=move)
        churn.steps(5)
        trial.changes(source)
        assert trial.differences(source) == []
    assert_right(trial, source)


def test_dates_that_are_wrong_now_and_then(fresh_trial: FreshTrial) -> None:
    """Half of the answers of each pull say that it is six hours later; changes come right after it."""
    trial = fresh_trial(scale=0.005, faults=Faults(0.5, (Fault.CLOCK_AHEAD,)))
    source = trial.source("deals")
    churn = Churn(trial.demo, seed=3)
    trial.windows(source)
    for _ in range(3):
        churn.steps(5)
        # Deals are listed, archived and not, and so are their fields: at least one of the answers is right.
        report = trial.changes(source)
        assert report.watermark is not None
        assert trial.differences(source) == []
    assert trial.demo.injected[Fault.CLOCK_AHEAD] > 0


def test_a_watermark_of_the_future_is_answered_by_a_full_pull(fresh_trial: FreshTrial) -> None:
    trial = fresh_trial(scale=0.005)
    source = trial.source("persons")
    trial.windows(source)
    trial.changes(source)
    Churn(trial.demo, seed=4, families=("persons",)).steps(20)
    with trial.warehouse.writing() as connection:
        ahead = trial.demo.account.clock.now() + FAR
        connection.execute("UPDATE import_ledger.watermarks SET watermark = ?", [ahead])
        # What changed since is older than any overlap.
        connection.execute("UPDATE pipedrive.persons SET name = 'as it was before'")
    report = trial.changes(source)
    assert any("lies in the future" in note for note in report.notes)
    assert report.watermark is not None
    assert report.watermark <= trial.demo.account.clock.now()
    assert trial.differences(source) == []
    assert not any("lies in the future" in note for note in trial.changes(source).notes)

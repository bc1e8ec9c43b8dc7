"""Versions of every record: one after the other, the last one equal to its row, the past as it was."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from pipedrive_orchestration.sources import FilterGroup, Options, Source
from pipedrive_orchestration_tests.chaos.sizes import in_full, sample
from pipedrive_orchestration_tests.exactness.churn import Churn
from pipedrive_orchestration_tests.exactness.conftest import FreshTrial
from pipedrive_orchestration_tests.exactness.disturbances import WritesBetweenPages
from pipedrive_orchestration_tests.exactness.hidden_records import hide, show
from pipedrive_orchestration_tests.exactness.trial import Trial
from pipedrive_orchestration_tests.exactness.versions import Past, at, broken_versions, versions
from pipedrive_orchestration_tests.importing.filters.demo_truth import ONE_WINDOW

pytestmark = pytest.mark.usefixtures("small_pages")


def gaps(trial: Trial, source: Source) -> int:
    """How often a version begins later than the one before it ended: the record was gone meanwhile."""
    ((count,),) = trial.ask(
        f"""
        SELECT count(*) FROM (
            SELECT _valid_from, lag(_valid_to) OVER versions AS ended
            FROM pipedrive_history."{source.slug}"
            WINDOW versions AS (PARTITION BY _id ORDER BY _valid_from, _valid_to)
        ) WHERE ended <> _valid_from"""
    )
    return int(count)


def test_versions_chain(fresh_trial: FreshTrial) -> None:
    trial = fresh_trial()
    source = trial.wide_source("persons", options={"history": True})
    churn = Churn(trial.demo, seed=1)
    trial.windows(source, listener=WritesBetweenPages(churn))
    for round_ in range(3):
        churn.steps(60)
        (trial.windows if round_ == 1 else trial.changes)(source, listener=WritesBetweenPages(churn))
        assert broken_versions(trial, source) == []
    trial.changes(source)
    assert trial.differences(source) == []
    assert broken_versions(trial, source) == []
    ((versions, records),) = trial.ask(
        f'SELECT count(*), count(DISTINCT _id) FROM pipedrive_history."{source.slug}"'
    )
    assert versions > records
    assert gaps(trial, source) == 0, "a person that is gone does not come back"


def test_a_deal_that_came_back_has_a_gap_as_long_as_it_was_gone(fresh_trial: FreshTrial) -> None:
    trial = fresh_trial()
    source = trial.source("deals", options={"history": True})
    trial.windows(source)
    deal = int(next(iter(trial.rows(source))))
    for body in ({"is_archived": True}, {"is_archived": False}):
        trial.demo.write("PATCH", f"/api/v2/deals/{deal}", body)
        trial.demo.account.clock.advance(timedelta(hours=1))
        trial.changes(source)
        assert broken_versions(trial, source) == []
    assert gaps(trial, source) == 1


def test_history_that_is_asked_for_later_begins_with_what_is_there(fresh_trial: FreshTrial) -> None:
    trial = fresh_trial()
    plain = trial.source("persons")
    trial.windows(plain)
    trial.changes(plain)
    source = trial.source("persons", created_at=plain.created_at, options={"history": True})
    Churn(trial.demo, seed=2, families=("persons",)).steps(10)
    trial.changes(source)
    assert trial.differences(source) == []
    assert broken_versions(trial, source) == []


FEW = {"properties": ("id", "owner_id"), "options": ONE_WINDOW | {"history": True}}
"""A source with history that is quickly read."""


def filtered(source: Source, *leaves: dict[str, Any]) -> Source:
    filters = FilterGroup.model_validate({"conditions": list(leaves)}) if leaves else None
    return source.model_copy(update={"filters": filters})


def pass_time(trial: Trial, **by: float) -> None:
    trial.demo.account.clock.advance(timedelta(**by))


def test_rows_that_were_hidden_for_a_while_have_a_gap(fresh_trial: FreshTrial) -> None:
    """CASES A23: a weaker user is accepted, and then the first one reads again."""
    trial = fresh_trial(scale=0.005)
    source = trial.source("persons", **FEW)
    trial.windows(source)
    past = Past(trial, source)
    past.look()
    count = len(at(trial, source, trial.demo.account.clock.now()))
    hidden = hide(trial, "persons", 5)
    for back in (False, True):
        pass_time(trial, hours=1)
        if back:
            show(trial, "persons", hidden)
        trial.windows(source, accept_user=True)
        assert broken_versions(trial, source) == []
        past.look()
    now = trial.demo.account.clock.now()
    hours = [now - timedelta(minutes=minutes) for minutes in (90, 30, -1)]
    assert [len(at(trial, source, instant)) for instant in hours] == [count, count - 5, count]


@pytest.mark.parametrize("on_leave", sample(["flag", "delete"], "delete"))
def test_another_filter_does_not_change_the_past(fresh_trial: FreshTrial, on_leave: str) -> None:
    """CASES A24: rows that leave, and rows that enter, do so when the filter is changed."""
    trial = fresh_trial()
    options = ONE_WINDOW | {"history": True, "on_leave": on_leave}
    every = trial.source("deals", properties=("title", "status"), options=options)
    dear = filtered(every, {"variable": "value", "condition": ">", "value": 9_000})
    past = Past(trial, every)
    counts = []
    for source, pull in ((dear, trial.windows), (every, trial.changes), (dear, trial.changes)):
        pull(source)
        past.look()
        assert broken_versions(trial, every) == []
        pass_time(trial, hours=1)
        counts.append(len(at(trial, every, trial.demo.account.clock.now())))
    assert counts[0] == counts[2] < counts[1]
    now = trial.demo.account.clock.now()
    before = [now - timedelta(hours=hours, minutes=-30) for hours in (3, 2, 1)]
    assert [len(at(trial, every, instant)) for instant in before] == counts


def test_a_removal_that_is_found_late_does_not_change_the_past(fresh_trial: FreshTrial) -> None:
    """The feed dates a deletion two days before a pull that has not looked at that window."""
    trial = fresh_trial(scale=0.005)
    source = trial.source("persons", properties=("id", "owner_id"), options={"history": True})
    trial.windows(source)
    past = Past(trial, source)
    past.look()
    rows = trial.rows(source)
    person = max(
        (one for one in rows if rows[one]["_update_time"]), key=lambda one: rows[one]["_update_time"]
    )
    trial.demo.write("DELETE", f"/api/v2/persons/{person}")
    pass_time(trial, days=1)
    trial.windows(source, trial.all_windows(source)[:1])
    past.look()
    pass_time(trial, days=1)
    trial.changes(source)
    past.look()
    assert trial.rows(source)[person]["_removal"] == "deleted"
    assert broken_versions(trial, source) == []
    ((ended,),) = trial.ask("SELECT _valid_to FROM pipedrive_history.persons WHERE _id = ?", int(person))
    assert ended >= trial.demo.account.clock.now()


def test_a_change_is_dated_as_pipedrive_dates_it(fresh_trial: FreshTrial) -> None:
    trial = fresh_trial(scale=0.005)
    source = trial.source("persons", **FEW)
    trial.windows(source)
    trial.changes(source)
    changed, deleted, *_ = (int(one) for one in trial.rows(source))
    pass_time(trial, hours=1)
    moment = trial.demo.account.clock.now()
    trial.demo.write("PATCH", f"/api/v2/persons/{changed}", {"name": "Changed"})
    trial.demo.write("DELETE", f"/api/v2/persons/{deleted}")
    pass_time(trial, hours=8)
    trial.changes(source)
    ends = dict(trial.ask("SELECT _id, _valid_to FROM pipedrive_history.persons WHERE _valid_to IS NOT NULL"))
    assert ends == {changed: moment, deleted: moment}
    ((begun,),) = trial.ask(
        "SELECT _valid_from FROM pipedrive_history.persons WHERE _id = ? AND _valid_to IS NULL", changed
    )
    assert begun == moment


@in_full
def test_versions_that_were_not_kept_for_a_while(fresh_trial: FreshTrial) -> None:
    trial = fresh_trial(scale=0.005)
    source = trial.source("persons", **FEW)
    without = source.model_copy(update={"options": Options.model_validate(ONE_WINDOW)})
    trial.windows(source)
    past = Past(trial, source)
    past.look()
    pass_time(trial, hours=1)
    churn = Churn(trial.demo, seed=3, families=("persons",))
    churn.steps(30)
    trial.changes(without)
    pass_time(trial, hours=1)
    churn.steps(10)
    trial.changes(source)
    assert broken_versions(trial, source) == []
    past.look()
    pass_time(trial, hours=1)
    trial.windows(source)
    assert broken_versions(trial, source) == []
    past.look()


@in_full
def test_the_first_reading_of_a_window_begins_with_what_pipedrive_says(fresh_trial: FreshTrial) -> None:
    """Windows that are read one after the other, days apart: of those left nothing was said before."""
    trial = fresh_trial(scale=0.005)
    source = trial.source("persons", properties=("id",), options={"history": True})
    every = trial.all_windows(source)
    for part in (every[:20], every[20:]):
        trial.windows(source, part)
        pass_time(trial, days=1)
    assert broken_versions(trial, source) == []
    late = trial.ask("SELECT _id FROM pipedrive_history.persons WHERE _valid_from > _update_time")
    assert late == []
    assert len(versions(trial, source)) == len(trial.rows(source))

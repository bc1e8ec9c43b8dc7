"""Another token: of a user who sees less, or of another company. Nothing is removed for that alone."""

from __future__ import annotations

import pytest

from pipedrive_orchestration.importing.visibility import HiddenRowsError, OtherCompanyError
from pipedrive_orchestration.pipedrive.auth import Connection
from pipedrive_orchestration.sources import Source
from pipedrive_orchestration_tests.conftest import FreshDemo
from pipedrive_orchestration_tests.exactness.conftest import FreshTrial
from pipedrive_orchestration_tests.exactness.trial import Trial


def hide(trial: Trial, source: Source, count: int) -> None:
    """Take records out of every answer, without a trace, as Pipedrive does for who may not see them."""
    rows = trial.rows(source).values()
    with trial.demo.account.lock:
        for record_id in [row["_id"] for row in rows if row["_is_current"]][:count]:
            trial.demo.account[source.object_type].remove(record_id)


def connect_as(trial: Trial, name: str) -> None:
    """From now on the account says that somebody else asks."""
    trial.demo.account.me |= {"id": 7, "name": name, "is_admin": 0}


def current(trial: Trial, source: Source) -> int:
    return sum(row["_is_current"] for row in trial.rows(source).values())


def test_a_user_who_sees_less_removes_nothing_unless_told_to(
    fresh_trial: FreshTrial, request: pytest.FixtureRequest
) -> None:
    trial = fresh_trial(scale=0.005)
    sources = [trial.source("persons"), trial.source("stages")]
    name = trial.demo.account.me["name"]
    for source in sources:
        trial.windows(source)
        hide(trial, source, 11)
    connect_as(trial, "Ada Lesser")
    request.getfixturevalue("small_pages")
    for source in sources:
        rows = current(trial, source)
        for _ in range(2):
            with pytest.raises(HiddenRowsError) as caught:
                trial.windows(source)
            message = str(caught.value)
            assert message.startswith(f"11 of {rows} rows of {source.slug} ")
            assert "Ada Lesser (user 7)" in message
            assert f"{name} (administrator" in message
            assert "--accept-user" in message
            assert current(trial, source) == rows, "something was marked"
        trial.windows(source, accept_user=True)
        assert current(trial, source) == rows - 11
        assert not any("before as" in note for note in trial.changes(source).notes), "she counts from now on"


def test_few_rows_go_with_another_user_and_many_with_the_same(fresh_trial: FreshTrial) -> None:
    trial = fresh_trial(scale=0.005)
    source = trial.source("persons")
    trial.windows(source)
    rows = current(trial, source)
    hide(trial, source, 10)
    connect_as(trial, "Ada Lesser")
    report = trial.windows(source)
    assert any("read as Ada Lesser (user 7), and before as" in note for note in report.notes)
    assert current(trial, source) == rows - 10
    hide(trial, source, 15)
    trial.windows(source)
    assert current(trial, source) == rows - 25


def test_another_company_is_refused_before_anything_is_changed(
    fresh_trial: FreshTrial, fresh_demo: FreshDemo
) -> None:
    trial = fresh_trial(scale=0.005)
    source = trial.source("persons")
    trial.windows(source)
    trial.changes(source)
    asked = [one.path for one in trial.demo.account.requests if one.path.endswith("/users/me")]
    assert len(asked) == 1, "whose token it is is asked once"
    other = fresh_demo(scale=0.005, seed=2)
    other.account.me |= {"company_id": 4711, "company_name": "Wrong Ltd"}
    for run in (trial.windows, trial.changes):
        with pytest.raises(OtherCompanyError) as caught:
            run(source, connection=Connection.of(other.url, other.token))
        message = str(caught.value)
        assert "Wrong Ltd (company 4711)" in message
        assert trial.demo.account.me["company_name"] in message
        assert "PIPEDRIVE_WAREHOUSE" in message
    trial.changes(source)
    assert trial.differences(source) == []

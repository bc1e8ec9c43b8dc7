"""Wherever an import ends too early, what it committed is whole and the next pull completes the rest."""

from __future__ import annotations

from datetime import timedelta

import pytest

from pipedrive_orchestration.importing import ImportEvent, Window, WindowReport
from pipedrive_orchestration.pipedrive.errors import BudgetSpent
from pipedrive_orchestration.sources import Source
from pipedrive_orchestration_tests.chaos.sizes import in_full, sample
from pipedrive_orchestration_tests.exactness.churn import Churn
from pipedrive_orchestration_tests.exactness.conftest import FreshTrial
from pipedrive_orchestration_tests.exactness.disturbances import EndsAt, EndsInTransaction, Interrupted
from pipedrive_orchestration_tests.exactness.trial import Trial
from pipedrive_orchestration_tests.exactness.truth import members
from pipedrive_orchestration_tests.exactness.values import instant
from pipedrive_orchestration_tests.warehouse.backends import KIND

pytestmark = pytest.mark.usefixtures("small_pages")


def ids_in(trial: Trial, source: Source, window: Window) -> frozenset[str]:
    """The members whose ``update_time`` lies in a window."""
    return frozenset(
        record_id
        for record_id, record in members(trial.demo.account, source).items()
        if (updated := record["update_time"]) is not None
        and (window.start is None or window.start <= instant(updated))
        and instant(updated) < window.end
    )


@pytest.mark.parametrize("object_type", sample(["persons", "notes"], "persons"))
def test_a_window_is_reported_once_all_its_rows_are_committed(
    fresh_trial: FreshTrial, object_type: str
) -> None:
    trial = fresh_trial()
    source = trial.source(object_type, properties=("id", "add_time", "update_time"))
    checked = []

    def check(event: ImportEvent) -> None:
        if isinstance(event, WindowReport) and event.window is not None:
            ids = ids_in(trial, source, event.window)
            assert trial.differences(source, only=ids) == []
            recorded = trial.ask('SELECT 1 FROM import_ledger.windows WHERE "window" = ?', event.window.key)
            assert recorded == [(1,)]
            checked.append(len(ids))

    trial.windows(source, listener=check)
    assert len(checked) == 25
    assert sum(checked) + 4 >= len(members(trial.demo.account, source))


@pytest.mark.parametrize("event", sample([1, 4, 29], 29))
def test_an_import_that_ended_at_any_event_is_gone_on_with(fresh_trial: FreshTrial, event: int) -> None:
    trial = fresh_trial()
    source = trial.source("persons")
    churn = Churn(trial.demo, seed=event)
    listener = EndsAt(event=event)
    with pytest.raises(Interrupted):
        trial.windows(source, listener=listener)
    churn.steps(40)
    report = trial.windows(source)
    again = [one.window.key for one in report.windows if one.window is not None]
    assert not set(again) & set(listener.committed), "committed windows are not read again"
    assert any("goes on with" in note for note in report.notes) == bool(listener.committed)
    churn.steps(10)
    trial.changes(source)
    assert trial.differences(source) == []


@pytest.mark.skipif(KIND != "duckdb", reason="it breaks off commits to a file")
@pytest.mark.parametrize("at", sample([1, 3], 1))
def test_a_commit_that_fails_leaves_nothing_of_itself(fresh_trial: FreshTrial, at: int) -> None:
    trial = fresh_trial()
    source = trial.source("deals")
    with pytest.raises(Interrupted):
        trial.windows(source, warehouse=EndsInTransaction(trial.folder / "warehouse.duckdb", at))
    if at == 1:
        assert trial.ask(
            "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'pipedrive'"
        ) == [(0,)]
    Churn(trial.demo, seed=at).steps(30)
    with pytest.raises(Interrupted):
        trial.changes(source, warehouse=EndsInTransaction(trial.folder / "warehouse.duckdb", 1))
    trial.windows(source)
    trial.changes(source)
    assert trial.differences(source) == []


def test_changes_that_were_not_committed_do_not_move_the_watermark(fresh_trial: FreshTrial) -> None:
    trial = fresh_trial()
    source = trial.source("organizations", properties=("id", "name", "update_time"))
    trial.windows(source)
    before = trial.changes(source).watermark
    Churn(trial.demo, seed=7).steps(30)
    for broken in (EndsInTransaction(trial.folder / "warehouse.duckdb", 1), None):
        listener = EndsAt(event=1) if broken is None else EndsAt()
        with pytest.raises(Interrupted):
            trial.changes(source, listener=listener, warehouse=broken)
        assert trial.ask("SELECT watermark FROM import_ledger.watermarks") == [(before,)]
    assert trial.differences(source) != []
    trial.changes(source)
    assert trial.differences(source) == []


@in_full
def test_a_budget_that_runs_out_again_and_again(fresh_trial: FreshTrial) -> None:
    """Each day pays for a part of the import; what is committed is not paid for twice."""
    trial = fresh_trial(daily_tokens=65)
    source = trial.source("activities", properties=("id", "subject", "update_time"))
    churn = Churn(trial.demo, seed=8)
    committed: list[str] = []

    def note(event: ImportEvent) -> None:
        if isinstance(event, WindowReport) and event.window is not None:
            committed.append(event.window.key)

    for _day in range(6):
        try:
            trial.windows(source, listener=note)
        except BudgetSpent:
            churn.steps(5)
            trial.demo.account.clock.advance(timedelta(days=1))
        else:
            break
    else:
        pytest.fail("the import never came to its end")
    assert len(committed) == len(set(committed)) == 25
    trial.demo.account.clock.advance(timedelta(days=1))
    trial.changes(source)
    assert trial.differences(source) == []

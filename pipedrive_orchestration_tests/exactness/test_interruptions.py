"""Wherever an import ends too early, what it committed is whole and the next pull completes the rest."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipedrive_orchestration.importing import windows_until
from pipedrive_orchestration.pipedrive.errors import BudgetSpent, Unavailable
from pipedrive_orchestration_tests.exactness.churn import Churn
from pipedrive_orchestration_tests.exactness.conftest import FreshTrial
from pipedrive_orchestration_tests.exactness.disturbances import EndsAt, EndsInTransaction, Interrupted
from pipedrive_orchestration_tests.exactness.trial import Trial, all_windows
from pipedrive_orchestration_tests.exactness.truth import members
from pipedrive_orchestration_tests.exactness.values import instant


@pytest.mark.usefixtures("small_pages")
@pytest.mark.parametrize("object_type", ["persons", "notes", "products"])
@pytest.mark.parametrize("commit", [1, 3])
def test_a_committed_window_has_all_its_rows(
    fresh_trial: FreshTrial, object_type: str, commit: int
) -> None:
    trial = fresh_trial()
    source = trial.source(object_type)
    listener = EndsAt(commit=commit)
    with pytest.raises(Interrupted):
        trial.windows(source, listener=listener)
    windows = {window.key: window for window in all_windows(source)}
    done = [windows[row[0]] for row in trial.ask('SELECT "window" FROM import_ledger.windows')]
    assert {window.key for window in done} >= set(listener.committed)
    ids = {
        record_id
        for record_id, record in members(trial.demo.account, source).items()
        for window in done
        if (updated := record["update_time"]) is not None
        and (window.start is None or window.start <= instant(updated))
        and instant(updated) < window.end
    }
    assert trial.differences(source, only=frozenset(ids)) == []

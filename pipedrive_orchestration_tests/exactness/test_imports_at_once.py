"""Imports side by side: of different sources into one warehouse, and of the same source."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from pipedrive_orchestration.importing import ImportReport
from pipedrive_orchestration.sources import Source
from pipedrive_orchestration_tests.exactness.churn import Churn
from pipedrive_orchestration_tests.exactness.conftest import FreshTrial
from pipedrive_orchestration_tests.exactness.disturbances import WritesBetweenPages
from pipedrive_orchestration_tests.exactness.trial import Trial

pytestmark = pytest.mark.usefixtures("small_pages")


def at_once(*imports: Callable[[], ImportReport]) -> list[ImportReport]:
    """Runs imports in threads that start together."""
    ready = threading.Barrier(len(imports))

    def start(one: Callable[[], ImportReport]) -> ImportReport:
        ready.wait(timeout=10)
        return one()

    with ThreadPoolExecutor(len(imports)) as pool:
        return list(pool.map(start, imports))


def assert_ended_well(trial: Trial, source: Source, imports: int) -> None:
    statuses = trial.ask("SELECT status FROM import_ledger.imports WHERE source = ?", source.slug)
    assert statuses == [("succeeded",)] * imports
    assert trial.differences(source) == []


def test_different_sources_into_one_new_warehouse(fresh_trial: FreshTrial) -> None:
    trial = fresh_trial()
    sources = [trial.source(name) for name in ("persons", "deals", "stages")]
    sources.append(trial.source("persons", slug="the_same_persons"))
    churn = Churn(trial.demo, seed=1)
    with churn.running(per_second=100):
        at_once(*(lambda source=source: trial.windows(source) for source in sources))
    at_once(*(lambda source=source: trial.changes(source) for source in sources))
    for source in sources:
        assert_ended_well(trial, source, imports=2)


def test_the_same_source_twice(fresh_trial: FreshTrial) -> None:
    trial = fresh_trial()
    source = trial.source("deals", options={"history": True})
    churn = Churn(trial.demo, seed=2)
    writing = WritesBetweenPages(churn)
    at_once(lambda: trial.windows(source, listener=writing), lambda: trial.windows(source))
    churn.steps(30)
    at_once(lambda: trial.windows(source), lambda: trial.changes(source, listener=writing))
    churn.steps(30)
    at_once(lambda: trial.changes(source), lambda: trial.changes(source))
    trial.changes(source)
    assert_ended_well(trial, source, imports=7)

"""Whatever happened, ticks alone end in the truth once answers are right again and `reconcile` has passed.

``EXACTNESS_HISTORIES`` sets how many histories are tried; by default few, and always the same ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from pipedrive_orchestration.demo import ODD_ANSWERS, odd
from pipedrive_orchestration.demo.odd_answers import is_left_out
from pipedrive_orchestration.importing import ImportReport, Window, run
from pipedrive_orchestration.importing.definition import UnfitSourceError
from pipedrive_orchestration.pipedrive.client import Client, Patience
from pipedrive_orchestration.pipedrive.errors import PipedriveError
from pipedrive_orchestration.sources import Source
from pipedrive_orchestration_tests.chaos.sizes import FULL, size
from pipedrive_orchestration_tests.exactness.churn import FAMILIES, Churn
from pipedrive_orchestration_tests.exactness.disturbances import (
    EndsInTransaction,
    Interrupted,
    writes_and_end,
)
from pipedrive_orchestration_tests.exactness.hidden_changes import HIDDEN, TITLES, hide_change
from pipedrive_orchestration_tests.exactness.trial import Trial, small_trial

HISTORIES = size("EXACTNESS_HISTORIES", 40 if FULL else 2)

IMPATIENT = Patience(deadline=0, first_deadline=0, attempt=20, blocked=0, odd=0, refused=0)
"""No second try: what is asked for again within an import is tried in ``chaos/test_faults.py``."""

RECONCILED = timedelta(days=7, hours=1)
"""A little longer than the usual ``reconcile``."""

MAX_TICKS = 12
"""As many ticks have to suffice where there is no daily budget."""


@dataclass(frozen=True)
class Change:
    """Users change so many records; one change of the account is hidden where a name is given."""

    count: int
    hidden: str | None


@dataclass(frozen=True)
class Disturbance:
    """What befalls an import: odd answers, writes after each of its events, its end at one or in a commit."""

    odd: tuple[str, ...]
    share: float
    writes: int
    ends_at_event: int | None
    ends_in_commit: int | None


@dataclass(frozen=True)
class Tick:
    """The schedule's next tick, so many minutes after what was before."""

    minutes: int
    disturbance: Disturbance | None


@dataclass(frozen=True)
class Deviation:
    """A run of some windows from the launchpad, with another filter or without some properties."""

    filtered: bool
    windows: int
    disturbance: Disturbance | None


Step = Change | Tick | Deviation

disturbances = st.none() | st.builds(
    Disturbance,
    odd=st.lists(st.sampled_from(sorted(ODD_ANSWERS)), max_size=2, unique=True).map(tuple),
    share=st.sampled_from((1.0, 0.3)),
    writes=st.integers(0, 2),
    ends_at_event=st.none() | st.integers(1, 20),
    ends_in_commit=st.none() | st.integers(1, 3),
)
steps = st.one_of(
    st.builds(Change, count=st.integers(0, 20), hidden=st.none() | st.sampled_from(sorted(HIDDEN))),
    st.builds(Tick, minutes=st.sampled_from((15, 15, 600, 4_000)), disturbance=disturbances),
    st.builds(Deviation, filtered=st.booleans(), windows=st.sampled_from((2, 25)), disturbance=disturbances),
)
choices = st.sampled_from(
    [
        ("persons", {}),
        ("deals", {}),
        ("deals", {"include_archived": True}),
        ("organizations", {"history": True}),
        ("activities", {"partitions": "weekly"}),
        ("leads", {}),
        ("leads", {"include_archived": True}),
        ("notes", {}),
        ("products", {}),
        ("stages", {}),
    ]
)


class History:
    """An account and a source through everything that happens to them.

    Args:
        trial: the account.
        source: of it.
        seed: of what is drawn.
        tell: is told how imports end too early.
    """

    def __init__(self, trial: Trial, source: Source, seed: int, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self.trial = trial
        self.source = source
        self._untold: set[str] = set()
        self._met: set[str] = set()
        self.churn = Churn(trial.demo, seed, FAMILIES)
        self._rng = Random(seed)

    def begin(self, disturbance: Disturbance | None) -> None:
        """The first import; the sensor launches it again some hours after it has failed."""
        while self._disturbed(self.trial.windows, self.source, disturbance) is None:
            self.trial.demo.account.clock.advance(timedelta(hours=6))
            disturbance = None

    def take(self, step: Step) -> None:
        """Takes a step."""
        account = self.trial.demo.account
        match step:
            case Change():
                self.churn.steps(step.count)
                if step.hidden is not None:
                    self._untold.add(
                        str(hide_change(account, self.source.object_type, step.hidden, self._rng))
                    )
            case Tick():
                account.clock.advance(timedelta(minutes=step.minutes))
                self._disturbed(self.trial.changes, self.source, step.disturbance)
            case Deviation():
                pull = partial(self.trial.windows, windows=self._some(step.windows))
                self._disturbed(pull, self._deviating(step), step.disturbance)

    def end(self) -> None:
        """Answers are right from now on, and ticks go on for as long as windows are read again.

        Raises:
            AssertionError: that never ends.
        """
        self.trial.demo.account.clock.advance(RECONCILED)
        for _ in range(MAX_TICKS):
            report = self.trial.changes(self.source)
            if not any(one.startswith("reads ") for one in report.notes):
                return
            self.trial.demo.account.clock.advance(timedelta(minutes=15))
        raise AssertionError(f"windows are read again and again: {report.notes}")

    def wrong(self) -> list[str]:
        """What differs from the account."""
        return self.trial.differences(self.source, unstamped=True, untold=self._is_untold)

    def _is_untold(self, record_id: str) -> bool:
        """Whether nothing has told why a record is gone, or only answers that left out what counts."""
        merged = any(str(one) == record_id for _, one in self.trial.demo.account.merged)
        return (
            record_id in self._untold
            or (merged and bool(self._met & {"unexplained-recents", "left-out-records"}))
            or ("left-out-records" in self._met and is_left_out(record_id))
        )

    def _some(self, count: int) -> list[Window]:
        return self.trial.all_windows(self.source)[-count:]

    def _deviating(self, step: Deviation) -> Source:
        if not step.filtered:
            kept = self.source.properties[: len(self.source.properties) // 2]
            return self.source.model_copy(update={"properties": kept})
        text = TITLES.get(self.source.object_type, "name")
        filters = {"conditions": [{"variable": text, "condition": "contains", "values": ["e"]}]}
        other = self.trial.source(self.source.object_type, filters=filters)
        return self.source.model_copy(update={"filters": other.filters})

    def _disturbed(self, pull: Any, source: Source, disturbance: Disturbance | None) -> ImportReport | None:
        """An import that may end too early; None if it did."""
        if disturbance is None:
            report: ImportReport = pull(source)
            return report
        warehouse = EndsInTransaction(self.trial.folder / "warehouse.duckdb", disturbance.ends_in_commit)
        listener = writes_and_end(self.churn, disturbance.writes, disturbance.ends_at_event)
        self._met |= set(disturbance.odd)
        self.trial.demo.odd.follow(*(odd(name, share=disturbance.share) for name in disturbance.odd))
        try:
            report = pull(source, listener=listener, warehouse=warehouse)
        except (Interrupted, PipedriveError, UnfitSourceError) as error:
            self._tell(f"  ended with {type(error).__name__}: {error}")
            return None
        finally:
            self.trial.demo.odd.follow()
        return report


@contextmanager
def impatient_trial(page_size: int) -> Iterator[Trial]:
    """A small trial whose importer is `IMPATIENT`."""
    with small_trial(page_size) as trial, pytest.MonkeyPatch.context() as patched:
        patched.setattr(run, "Client", partial(Client, patience=IMPATIENT))
        yield trial


@settings(
    max_examples=HISTORIES,
    derandomize=not FULL,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
@given(
    choice=choices,
    first=disturbances,
    history=st.lists(steps, min_size=2, max_size=6),
    seed=st.integers(0, 999),
    page_size=st.sampled_from((8, 20, 500)),
)
def test_ticks_alone_end_in_the_truth(
    choice: tuple[str, dict[str, object]],
    first: Disturbance | None,
    history: list[Step],
    seed: int,
    page_size: int,
) -> None:
    object_type, options = choice
    with impatient_trial(page_size) as trial:
        lived = History(trial, trial.wide_source(object_type, options=options), seed, note)
        lived.begin(first)
        for step in history:
            note(str(step))
            lived.take(step)
        lived.end()
        assert lived.wrong() == []

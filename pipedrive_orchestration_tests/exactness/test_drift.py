"""Clocks that differ and drift apart while an import is under way: nothing is lost, in any pull.

``EXACTNESS_SKEWS`` sets how many are tried; by default few, and always the same ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from pipedrive_orchestration.pipedrive.catalogue import BUILT_IN
from pipedrive_orchestration_tests.chaos.sizes import FULL, size
from pipedrive_orchestration_tests.exactness.churn import Churn
from pipedrive_orchestration_tests.exactness.trial import SkewedClock, Trial, small_trial


@dataclass(frozen=True)
class Drift:
    """A pull, and what the clocks do at each of its events.

    Attributes:
        pull: ``changes`` or ``windows``.
        ahead: how far our clock is ahead when it begins.
        drift: by how much it is further ahead after each event.
        pace: the time that passes at the account with each event.
    """

    pull: str
    ahead: timedelta
    drift: timedelta
    pace: timedelta


skews = st.timedeltas(timedelta(days=-40), timedelta(days=40)) | st.sampled_from(
    [sign * timedelta(seconds=seconds) for sign in (-1, 1) for seconds in (1, 30, 299, 301, 600, 3_600)]
)
drifts = st.builds(
    Drift,
    pull=st.sampled_from(("changes", "windows")),
    ahead=skews,
    drift=st.timedeltas(timedelta(minutes=-20), timedelta(minutes=20)) | st.just(timedelta()),
    pace=st.timedeltas(timedelta(), timedelta(minutes=2)),
)


class Moving:
    """A listener during which users write, time passes and our clock drifts."""

    def __init__(self, trial: Trial, clock: SkewedClock, churn: Churn, drift: Drift) -> None:
        self._account, self._clock, self._churn, self._drift = trial.demo.account, clock, churn, drift

    def __call__(self, _event: Any) -> None:
        self._churn.steps(1)
        self._account.clock.advance(self._drift.pace)
        self._clock.ahead += self._drift.drift


@settings(
    max_examples=size("EXACTNESS_SKEWS", 40 if FULL else 2),
    derandomize=not FULL,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
@given(
    object_type=st.sampled_from([name for name, one in BUILT_IN.items() if one.partitioned]),
    pulls=st.lists(drifts, min_size=1, max_size=3),
    last=skews,
    seed=st.integers(0, 999),
    page_size=st.sampled_from((8, 500)),
)
def test_nothing_is_lost_while_clocks_drift_apart(
    object_type: str, pulls: list[Drift], last: timedelta, seed: int, page_size: int
) -> None:
    with small_trial(page_size) as trial:
        clock = SkewedClock(trial, pulls[0].ahead)
        source = trial.source(object_type)
        churn = Churn(trial.demo, seed)
        trial.windows(source, listener=Moving(trial, clock, churn, pulls[0]))
        for drift in pulls:
            note(str(drift))
            clock.ahead = drift.ahead
            churn.steps(10)
            trial.demo.account.clock.advance(timedelta(minutes=6))
            pull = trial.changes if drift.pull == "changes" else trial.windows
            pull(source, listener=Moving(trial, clock, churn, drift))
        clock.ahead = last
        churn.steps(5)
        trial.demo.account.clock.advance(timedelta(minutes=6))
        report = trial.changes(source)
        assert trial.differences(source) == []
        assert report.watermark is not None
        assert report.watermark <= trial.demo.account.clock.now() + timedelta(seconds=1)

"""Every fault of the network alone, and all of them mixed: right in the end, and bounded on the way."""

from __future__ import annotations

import time
from functools import partial

import pytest

from pipedrive_orchestration.demo import Fault, Faults
from pipedrive_orchestration.pipedrive.errors import BudgetSpent, Refused
from pipedrive_orchestration_tests.chaos.enduring import assert_right, until_it_succeeds
from pipedrive_orchestration_tests.chaos.figures import FIGURES
from pipedrive_orchestration_tests.chaos.sizes import ALONE, FULL, MIXES, SEED
from pipedrive_orchestration_tests.exactness.churn import Churn
from pipedrive_orchestration_tests.exactness.conftest import FreshTrial
from pipedrive_orchestration_tests.exactness.trial import Trial
from pipedrive_orchestration_tests.importing.canned import serving

pytestmark = pytest.mark.usefixtures("hurried", "short_pages")

ENDS_IMPORTS = {Fault.DAILY: BudgetSpent, Fault.REDIRECT: Refused}
"""Faults that end an import at once; the others are waited out."""

BOUND = 90.0
"""Seconds that a small import with faults may take on a machine that is busy with other tests."""


FAMILIES = [
    (Fault.BURST, Fault.ERROR_500, Fault.ERROR_502, Fault.ERROR_503, Fault.ERROR_504, Fault.BLOCKED),
    (Fault.RESET_BEFORE, Fault.RESET_DURING, Fault.RESET_AFTER),
    (Fault.STALL_BEFORE, Fault.STALL_DURING, Fault.DRIP),
    (Fault.TRUNCATED, Fault.HTML, Fault.CONTENT_TYPE, Fault.NO_SUCCESS),
    (Fault.NULL_DATA, Fault.NO_ADDITIONAL_DATA, Fault.DUPLICATES),
    (Fault.LOST_CURSOR, Fault.CURSOR_CYCLE),
    (Fault.CLOCK_AHEAD, Fault.CLOCK_BEHIND),
    (Fault.DAILY, Fault.REDIRECT),
]
ALL_ALONE = [((fault,), seed) for fault in Fault for seed in range(SEED, SEED + ALONE)]
TOGETHER = [(family, SEED) for family in FAMILIES]


def count_faults(trial: Trial) -> None:
    """Adds to the figures."""
    assert trial.demo.injected.total() > 0, "nothing was tried"
    FIGURES["faults injected"] += trial.demo.injected.total()


def test_every_fault_belongs_to_a_family() -> None:
    assert sorted(fault for family in FAMILIES for fault in family) == sorted(Fault)


@pytest.mark.parametrize(("kinds", "seed"), ALL_ALONE or TOGETHER, ids=str)
def test_faults_of_one_kind(fresh_trial: FreshTrial, kinds: tuple[Fault, ...], seed: int) -> None:
    with serving({}) as elsewhere:
        faults = Faults(0.5, kinds, seed, stall_seconds=1.5, drip_seconds=0.1, elsewhere=elsewhere.url)
        trial = fresh_trial(scale=0.005, faults=faults)
        source = trial.source("deals")
        churn = Churn(trial.demo, seed=seed)
        began = time.monotonic()
        _, errors = until_it_succeeds(lambda: trial.windows(source), trial)
        churn.steps(20)
        errors += until_it_succeeds(lambda: trial.changes(source), trial)[1]
        assert time.monotonic() - began < BOUND
        assert elsewhere.asked == [], "a redirect was followed"
    count_faults(trial)
    assert {type(error) for error in errors} <= {ENDS_IMPORTS.get(kind) for kind in kinds}
    assert_right(trial, source)


@pytest.mark.parametrize("seed", range(SEED, SEED + MIXES))
def test_all_faults_mixed_while_users_write(fresh_trial: FreshTrial, seed: int) -> None:
    faults = Faults(0.05, seed=seed, stall_seconds=1.5, drip_seconds=0.1)
    trial = fresh_trial(scale=0.3 if FULL else 0.005, faults=faults)
    names = ("persons", "leads", "deals", "notes", "stages") if FULL else ("leads",)
    sources = [trial.source(name) for name in names]
    churn = Churn(trial.demo, seed=seed)
    with churn.running(per_second=20):
        for source in sources:
            until_it_succeeds(partial(trial.windows, source), trial)
    for source in sources:
        until_it_succeeds(partial(trial.changes, source), trial)
        if source.object_type == "leads":
            # Nothing tells of deleted leads before windows are read again.
            until_it_succeeds(partial(trial.windows, source), trial)
        assert_right(trial, source)
    count_faults(trial)

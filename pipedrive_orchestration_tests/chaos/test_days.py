"""Days of ticks with odd answers in random places, after which ticks alone make the tables right.

``CHAOS_DAYS`` sets how many.
"""

from __future__ import annotations

from random import Random

from pipedrive_orchestration.demo import ODD_ANSWERS
from pipedrive_orchestration_tests.chaos.figures import FIGURES
from pipedrive_orchestration_tests.chaos.sizes import FULL, SEED, size
from pipedrive_orchestration_tests.exactness.hidden_changes import HIDDEN
from pipedrive_orchestration_tests.exactness.test_reconciliation import (
    Change,
    Deviation,
    Disturbance,
    History,
    Step,
    Tick,
    impatient_trial,
)

DAYS = size("CHAOS_DAYS", 20 * FULL)
HOURS = 24 * DAYS or 6

TYPES = ("persons", "deals", "leads", "notes") if FULL else ("persons",)


def disturbance(rng: Random) -> Disturbance | None:
    """One tick in two is disturbed: by odd answers in a fifth of the places, kills now and then."""
    if rng.random() < 0.5:
        return None
    return Disturbance(
        odd=tuple(rng.sample(sorted(ODD_ANSWERS), 2)),
        share=rng.choice((0.2, 1.0)),
        writes=rng.randrange(2),
        ends_at_event=rng.randrange(1, 20) if rng.random() < 0.1 else None,
        ends_in_commit=rng.randrange(1, 3) if rng.random() < 0.1 else None,
    )


def steps_of_an_hour(rng: Random) -> list[Step]:
    """Users write, something happens that nothing tells of, and the schedule ticks."""
    hidden = rng.choice(sorted(HIDDEN)) if rng.random() < 0.2 else None
    steps: list[Step] = [Change(rng.randrange(8), hidden), Tick(60, disturbance(rng))]
    if rng.random() < 0.02:
        steps.append(Deviation(rng.random() < 0.5, 6, disturbance(rng)))
    return steps


def _silent(_told: str) -> None:
    pass


def test_days_of_odd_answers_end_in_the_truth() -> None:
    rng = Random(SEED)
    with impatient_trial(page_size=20) as trial:
        # Users of one seed would give two things the same name, which Pipedrive refuses of some.
        lives = [
            History(trial, trial.wide_source(name), SEED + number, _silent)
            for number, name in enumerate(TYPES)
        ]
        for life in lives:
            life.begin(disturbance(rng))
        for _hour in range(HOURS):
            for life in lives:
                for step in steps_of_an_hour(rng):
                    life.take(step)
        for life in lives:
            life.end()
            assert life.wrong() == []
        FIGURES["hours of ticks"] += HOURS
        FIGURES["odd answers"] += trial.demo.odd.given.total()
    assert trial.demo.odd.given.total() > 0, "nothing was tried"

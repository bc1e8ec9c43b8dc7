"""Any schedule of writes, pulls and interruptions ends in the truth.

``EXACTNESS_SCHEDULES`` sets how many schedules are tried; by default few, and always the same ones.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st

from pipedrive_orchestration.sources import Source
from pipedrive_orchestration_tests.chaos.sizes import FULL, size
from pipedrive_orchestration_tests.exactness.churn import FAMILIES, Churn
from pipedrive_orchestration_tests.exactness.disturbances import (
    EndsInTransaction,
    Interrupted,
    writes_and_end,
)
from pipedrive_orchestration_tests.exactness.trial import Trial, small_trial

SCHEDULES = size("EXACTNESS_SCHEDULES", 5 if FULL else 2)


@dataclass(frozen=True)
class Write:
    """Users write so often, and then so many seconds pass."""

    count: int
    seconds: int


@dataclass(frozen=True)
class Pull:
    """A pull of changes, of every window, or of some; users write after each event of it.

    It ends too early at an event, or inside a commit, where a number is given.
    """

    what: str
    writes: int = 0
    ends_at_event: int | None = None
    ends_in_commit: int | None = None


Step = Write | Pull

pulls = st.builds(
    Pull,
    what=st.sampled_from(("changes", "changes", "windows", "first windows", "last windows")),
    writes=st.integers(0, 3),
    ends_at_event=st.none() | st.integers(1, 30),
    ends_in_commit=st.none() | st.integers(1, 4),
)
writes = st.builds(Write, count=st.integers(1, 25), seconds=st.sampled_from((0, 0, 1, 90, 3_600)))
schedules = st.lists(writes | pulls, min_size=2, max_size=7)
choices = st.sampled_from(
    [
        ("deals", {"include_archived": True}),
        ("deals", {"history": True}),
        ("deals", {"partitions": "weekly"}),
        ("persons", {"history": True}),
        ("leads", {"include_archived": True}),
        ("leads", {}),
        ("notes", {}),
        ("products", {}),
        ("stages", {}),
    ]
)


def run(trial: Trial, source: Source, churn: Churn, step: Step) -> bool:
    """Takes a step. Returns whether everything was imported by it."""
    if isinstance(step, Write):
        churn.steps(step.count)
        trial.demo.account.clock.advance(timedelta(seconds=step.seconds))
        return False
    warehouse = EndsInTransaction(trial.folder / "warehouse.duckdb", step.ends_in_commit)
    listener = writes_and_end(churn, step.writes, step.ends_at_event)
    with suppress(Interrupted):
        if step.what == "changes":
            trial.changes(source, listener=listener, warehouse=warehouse)
        else:
            every = trial.all_windows(source)
            part = {"windows": every, "first windows": every[:20], "last windows": every[20:]}[step.what]
            trial.windows(source, part, listener=listener, warehouse=warehouse)
            return part == every
    return False


@settings(
    max_examples=SCHEDULES,
    derandomize="EXACTNESS_SCHEDULES" not in os.environ,
    database=None,
    deadline=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)
@given(choice=choices, schedule=schedules, seed=st.integers(0, 999), page_size=st.sampled_from((6, 15, 500)))
def test_every_schedule_ends_in_the_truth(
    choice: tuple[str, dict[str, object]], schedule: list[Step], seed: int, page_size: int
) -> None:
    object_type, options = choice
    with small_trial(page_size) as trial:
        source = trial.wide_source(object_type, options=options)
        churn = Churn(trial.demo, seed, FAMILIES)
        complete = False
        for step in schedule:
            note(str(step))
            complete |= run(trial, source, churn, step)
        # Nothing tells of deleted leads before windows are read again.
        if not complete or object_type == "leads":
            trial.windows(source)
        trial.changes(source)
        assert trial.differences(source) == []

"""Any history of records, membership, rights and filters leaves the past as it was answered.

Few are tried by default, and always the same ones; more by `make chaos`.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st

from pipedrive_orchestration.importing import Window
from pipedrive_orchestration.sources import FilterGroup, Source
from pipedrive_orchestration_tests.chaos.sizes import FULL, size
from pipedrive_orchestration_tests.exactness.churn import Churn
from pipedrive_orchestration_tests.exactness.disturbances import EndsInTransaction, Interrupted
from pipedrive_orchestration_tests.exactness.hidden_records import Record, hide, show
from pipedrive_orchestration_tests.exactness.trial import Trial, small_trial
from pipedrive_orchestration_tests.exactness.versions import Past, broken_versions

PASTS = size("CHAOS_PASTS", 300 if FULL else 2)
"""Histories that are tried."""


@dataclass(frozen=True)
class Write:
    """Users write so often."""

    count: int


@dataclass(frozen=True)
class Hide:
    """The user loses sight of so many records; 0 shows all that were hidden again."""

    count: int


@dataclass(frozen=True)
class Refilter:
    """From now on the source has another filter; see `FILTERS`."""

    number: int


@dataclass(frozen=True)
class Unkept:
    """A pull of changes while no versions are kept."""


@dataclass(frozen=True)
class Pull:
    """A pull, so many seconds after what was before; it ends inside a commit where a number is given."""

    seconds: int
    what: str
    ends_in_commit: int | None = None


Step = Write | Hide | Refilter | Unkept | Pull

pulls = st.builds(
    Pull,
    seconds=st.sampled_from((0, 1, 200, 7_200, 7_200, 700_000, 3_000_000)),
    what=st.sampled_from(("changes", "changes", "changes", "windows", "first windows", "last windows")),
    ends_in_commit=st.none() | st.none() | st.integers(1, 3),
)
steps = st.one_of(
    pulls,
    pulls,
    st.builds(Write, count=st.integers(1, 25)),
    st.builds(Hide, count=st.sampled_from((0, 0, 1, 5))),
    st.builds(Refilter, number=st.integers(0, 4)),
    st.builds(Unkept),
)
choices = st.sampled_from(
    [
        ("persons", {}, True),
        ("persons", {}, False),
        ("deals", {}, True),
        ("deals", {"include_archived": True}, True),
        ("deals", {"on_leave": "delete"}, True),
        ("organizations", {"on_leave": "delete"}, False),
        ("leads", {}, True),
        ("notes", {}, True),
        ("stages", {}, True),
    ]
)

FILTERS: tuple[tuple[dict[str, Any], ...], ...] = (
    (),
    ({"variable": "id", "condition": "is not empty"},),
    ({"variable": "update_time", "condition": "after", "value": "2026-04-01"},),
    ({"variable": "update_time", "condition": "after", "value": "yesterday"},),
    ({"variable": "add_time", "condition": "before", "value": "2026-01-01"},),
)
"""The conditions of filters that every object type takes; the dates of one move on with every day."""


@dataclass
class Life:
    """An account and a source with history through everything that happens to them."""

    trial: Trial
    source: Source
    churn: Churn
    past: Past = field(init=False)
    hidden: list[Record] = field(default_factory=list)
    unkept: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.past = Past(self.trial, self.source)

    def take(self, step: Step) -> None:
        """Takes a step; after a pull that came to its end the past has to be what it was.

        Raises:
            AssertionError: it is not, or versions are broken.
        """
        trial, object_type = self.trial, self.source.object_type
        match step:
            case Write():
                self.churn.steps(step.count)
            case Hide(0):
                show(trial, object_type, self.hidden)
                self.hidden = []
            case Hide():
                self.hidden += hide(trial, object_type, step.count)
            case Refilter():
                leaves = list(FILTERS[step.number])
                filters = FilterGroup.model_validate({"conditions": leaves}) if leaves else None
                self.source = self.source.model_copy(update={"filters": filters})
            case Unkept():
                before = trial.rows(self.source).keys()
                options = self.source.options.model_copy(update={"history": False})
                trial.changes(self.source.model_copy(update={"options": options}))
                self.unkept |= trial.rows(self.source).keys() - before
            case Pull():
                trial.demo.account.clock.advance(timedelta(seconds=step.seconds))
                if self._has_pulled(step):
                    assert broken_versions(trial, self.source, self.unkept) == []
                    self.past.look()

    def _has_pulled(self, pull: Pull) -> bool:
        trial = self.trial
        warehouse = EndsInTransaction(trial.folder / "warehouse.duckdb", pull.ends_in_commit)
        with suppress(Interrupted):
            if pull.what == "changes":
                trial.changes(self.source, warehouse=warehouse)
            else:
                trial.windows(self.source, self._windows(pull.what), warehouse=warehouse)
            return True
        return False

    def _windows(self, what: str) -> list[Window]:
        every = self.trial.all_windows(self.source)
        return {"windows": every, "first windows": every[:-2], "last windows": every[-2:]}[what]


@settings(
    max_examples=PASTS,
    derandomize=PASTS < 10,
    database=None,
    deadline=None,
    phases=(Phase.explicit, Phase.generate, *((Phase.shrink,) if PASTS >= 10 else ())),
    suppress_health_check=list(HealthCheck),
)
@given(
    choice=choices,
    steps=st.lists(steps, min_size=4, max_size=12),
    seed=st.integers(0, 999),
    page_size=st.sampled_from((10, 500)),
)
def test_the_past_stays_as_it_was_answered(
    choice: tuple[str, dict[str, object], bool], steps: list[Step], seed: int, page_size: int
) -> None:
    object_type, options, pull_existing = choice
    with small_trial(page_size) as trial:
        source = trial.source(
            object_type,
            properties=("id", "add_time"),
            options={"history": True, "partitions_start": "2026-02"} | options,
            pull_existing=pull_existing,
        )
        life = Life(
            trial,
            source,
            Churn(trial.demo, seed, (object_type,) if object_type != "notes" else ("notes", "persons")),
        )
        life.take(Pull(0, "windows" if pull_existing else "changes"))
        for step in steps:
            note(str(step))
            life.take(step)
        life.take(Pull(7_200, "changes"))

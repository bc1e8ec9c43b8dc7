"""Import processes killed at any moment: the next ordinary run ends in the truth and says what happened."""

from __future__ import annotations

from random import Random

import pytest

from pipedrive_orchestration_tests.chaos.doomed import MOMENTS, Doom, executioner
from pipedrive_orchestration_tests.chaos.enduring import assert_right
from pipedrive_orchestration_tests.chaos.figures import FIGURES
from pipedrive_orchestration_tests.chaos.sizes import KILLS, SEED
from pipedrive_orchestration_tests.exactness.churn import Churn
from pipedrive_orchestration_tests.exactness.conftest import FreshTrial
from pipedrive_orchestration_tests.exactness.trial import Trial

KILLS_PER_ACCOUNT = 25


def statuses(trial: Trial, slug: str) -> list[str]:
    if not trial.warehouse.exists:
        return []
    return [
        status for (status,) in trial.ask("SELECT status FROM import_ledger.imports WHERE source = ?", slug)
    ]


@pytest.mark.parametrize("series", range(-(-KILLS // KILLS_PER_ACCOUNT)))
def test_an_import_that_is_killed_at_any_moment(fresh_trial: FreshTrial, series: int) -> None:
    trial = fresh_trial(scale=0.005)
    rng = Random(SEED + series)
    sources = [
        trial.source("deals", options={"include_archived": True}),
        trial.source("persons", options={"history": True}),
        trial.source("notes"),
        trial.source("stages"),
    ]
    imported: set[str] = set()
    churn = Churn(trial.demo, seed=SEED + series)
    kills = min(KILLS_PER_ACCOUNT, KILLS - series * KILLS_PER_ACCOUNT)
    with executioner() as killer:
        for number in range(kills):
            source = rng.choice(sources)
            moment = MOMENTS[number % len(MOMENTS)]
            nth = rng.randint(20, 500) if moment == "any" else rng.choice((1, 1, 2))
            pull = rng.choice(("window", "changes"))
            account, folder = (trial.demo.url, trial.demo.token), str(trial.folder)
            killed = killer.run(Doom(*account, folder, source.model_dump_json(), pull, moment, nth))
            FIGURES["import processes killed" if killed else "imports done before they were killed"] += 1
            under_way = statuses(trial, source.slug).count("running")
            interrupted = statuses(trial, source.slug).count("interrupted")
            churn.steps(5)
            if source.slug not in imported and source.type.partitioned:
                trial.windows(source)
                imported.add(source.slug)
            trial.changes(source)
            assert_right(trial, source)
            assert statuses(trial, source.slug).count("interrupted") == interrupted + under_way

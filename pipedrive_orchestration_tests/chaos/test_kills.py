"""Import processes killed at any moment: the next ordinary run ends in the truth and says what happened."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta
from random import Random

import duckdb
import pytest

from pipedrive_orchestration.sources import Source
from pipedrive_orchestration_tests.chaos.enduring import assert_right
from pipedrive_orchestration_tests.chaos.figures import FIGURES
from pipedrive_orchestration_tests.chaos.killed_imports import MOMENTS, KilledImport, import_killer
from pipedrive_orchestration_tests.chaos.sizes import KILLS, SEED
from pipedrive_orchestration_tests.exactness.churn import Churn
from pipedrive_orchestration_tests.exactness.conftest import FreshTrial
from pipedrive_orchestration_tests.exactness.trial import Trial

KILLS_PER_ACCOUNT = 25
LONGEST_MILLISECONDS = {"any": 400.0, "committing": 30.0}


def statuses(trial: Trial, slug: str) -> list[str]:
    if not trial.warehouse.exists:
        return []
    with trial.warehouse.reading() as connection, suppress(duckdb.CatalogException):
        # Whoever was killed in the first transaction of all has left a database without tables.
        rows = connection.execute("SELECT status FROM import_ledger.imports WHERE source = ?", [slug])
        return [status for (status,) in rows.fetchall()]
    return []


def killed_import_of(number: int, rng: Random, trial: Trial, source: Source) -> KilledImport:
    """One moment after the other, each drawn anew."""
    moment = list(MOMENTS)[number % len(MOMENTS)]
    return KilledImport(
        url=trial.demo.url,
        token=trial.demo.token,
        folder=str(trial.folder),
        source=source.model_dump_json(),
        pull=rng.choice(("window", "changes")),
        moment=moment,
        nth=rng.randint(1, MOMENTS[moment]),
        after=rng.uniform(0, LONGEST_MILLISECONDS.get(moment, 0)),
        began=trial.clock().isoformat(),
    )


def watermark_of(trial: Trial, source: Source) -> datetime:
    ((watermark,),) = trial.ask(
        "SELECT watermark FROM import_ledger.watermarks WHERE source = ?", source.slug
    )
    assert isinstance(watermark, datetime)
    return watermark


@pytest.mark.parametrize("series", range(-(-KILLS // KILLS_PER_ACCOUNT)))
def test_an_import_that_is_killed_at_any_moment(fresh_trial: FreshTrial, series: int) -> None:
    trial = fresh_trial(scale=0.005)
    rng = Random(SEED + series)
    sources = [
        trial.wide_source("deals", options={"include_archived": True}),
        trial.wide_source("persons", options={"history": True}),
        trial.source("notes"),
        trial.source("stages"),
    ]
    imported: set[str] = set()
    churn = Churn(trial.demo, seed=SEED + series)
    first = series * KILLS_PER_ACCOUNT
    with import_killer() as killer:
        for number in range(first, min(KILLS, first + KILLS_PER_ACCOUNT)):
            source = rng.choice(sources)
            killed = killed_import_of(number, rng, trial, source)
            killer.kill(killed)
            FIGURES[f"import processes killed: {killed.moment}"] += 1
            under_way = statuses(trial, source.slug).count("running")
            interrupted = statuses(trial, source.slug).count("interrupted")
            churn.steps(5)
            if source.slug not in imported and source.type.partitioned:
                trial.windows(source)
                imported.add(source.slug)
            began = trial.demo.account.clock.now()
            trial.changes(source)
            assert_right(trial, source)
            assert watermark_of(trial, source) >= began - timedelta(seconds=2), "changes are read twice"
            assert statuses(trial, source.slug).count("interrupted") == interrupted + under_way
        FIGURES["imports that were done before their moment, and run again"] += killer.missed

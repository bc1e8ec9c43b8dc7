"""All of Dagster killed in the middle of an import, as a power cut does: it runs again afterwards.

A killed run worker and a killed API are tried where those are tested.
"""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from pipedrive_orchestration_tests.chaos.enduring import assert_right
from pipedrive_orchestration_tests.chaos.figures import FIGURES
from pipedrive_orchestration_tests.chaos.sizes import DAGSTERS, SEED
from pipedrive_orchestration_tests.conftest import FreshDemo
from pipedrive_orchestration_tests.exactness.churn import Churn
from pipedrive_orchestration_tests.exactness.trial import Trial
from pipedrive_orchestration_tests.orchestration.live import LiveDagster, wait_for


@pytest.mark.skipif(not DAGSTERS, reason="part of `make chaos`")
def test_a_dagster_that_is_killed_again_and_again(tmp_path: Path, fresh_demo: FreshDemo) -> None:
    account = fresh_demo(latency_ms=60, burst=6)
    dagster = LiveDagster(tmp_path, account)
    trial = Trial(account, tmp_path)
    source = trial.source("persons")
    rng, churn = Random(SEED), Churn(account, seed=SEED)
    body = {"name": "Persons", "object_type": "persons", "properties": list(source.properties)}
    dagster.write("persons", **body, pull_mode="static")
    for _ in range(DAGSTERS):
        wanted = len(account.account.requests) + rng.randint(1, 8)

        def asked(wanted: int = wanted) -> bool:
            return len(account.account.requests) >= wanted

        dagster.start()
        try:
            wait_for("request of an import", asked)
        finally:
            dagster.stop()
        FIGURES["Dagsters killed with all their processes"] += 1
        churn.steps(10)

    dagster.start()
    try:
        windows = dagster.partitions("persons")["all"]
        tags = {
            "dagster/asset_partition_range_start": windows[0],
            "dagster/asset_partition_range_end": windows[-1],
            "pipedrive/source": "persons",
        }
        run = dagster.launch("__ASSET_JOB", {}, assets=["persons"], tags=tags)
        assert dagster.wait_for_run(run) == "SUCCESS"
    finally:
        dagster.stop()
    trial.changes(source)
    assert_right(trial, source)

"""Deleting a source whose import is under way."""

from __future__ import annotations

from pathlib import Path

import dagster as dg

from pipedrive_orchestration.services.deployment import Deployment, store_of
from pipedrive_orchestration.services.lifecycle import delete_source
from pipedrive_orchestration.services.names import DEFAULT_NAMES
from pipedrive_orchestration.sources import SourceBody
from pipedrive_orchestration_tests.api.serving import NOBODY, STAGES


@dg.asset(key=DEFAULT_NAMES.asset_key("stages"))
def stages() -> None:
    """An asset for a run that is never executed."""


def test_an_import_that_cannot_be_cancelled_is_told_of(tmp_path: Path) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        store = store_of(tmp_path / "project", instance)
        mine, other = (store.create(SourceBody.parse(STAGES)) for _ in range(2))
        instance.create_run_for_job(
            dg.Definitions(assets=[stages]).resolve_implicit_global_asset_job_def(),
            asset_selection=frozenset({DEFAULT_NAMES.asset_key(mine.slug)}),
            status=dg.DagsterRunStatus.STARTED,
        )
        deployment = Deployment(store, instance, NOBODY)
        assert "was not cancelled" in (delete_source(deployment, mine) or "")
        assert "was not cancelled" not in (delete_source(deployment, other) or "")
        assert store.load().sources == (), "they are deleted all the same"

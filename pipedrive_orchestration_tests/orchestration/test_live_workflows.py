"""A workflow below a source, in a Dagster that really runs: nobody asks for it, and its rows follow."""

from __future__ import annotations

from typing import Any

import duckdb

from pipedrive_orchestration.demo import DemoServer
from pipedrive_orchestration_tests.orchestration.live import FINISHED, LiveDagster, wait_for

CHECKS = """query($k: AssetKeyInput!) { assetNodeOrError(assetKey: $k) { ... on AssetNode {
    assetChecksOrError { ... on AssetChecks { checks { name executionForLatestMaterialization { status } } } }
} } }"""


def ask(dagster: LiveDagster, sql: str) -> list[tuple[Any, ...]]:
    """What the warehouse answers, or nothing while somebody writes it or before it is there."""
    try:
        with duckdb.connect(str(dagster.warehouse), read_only=True) as connection:
            return connection.execute(sql).fetchall()
    except duckdb.Error:
        return []


def answer(dagster: LiveDagster, sql: str) -> list[tuple[Any, ...]]:
    """What the warehouse answers once nobody writes it; there must be something."""
    return wait_for("answer of the warehouse", lambda: ask(dagster, sql), seconds=60)


AUTOMATIC = {"dagster/from_automation_condition": "true"}
QUEUED = "SELECT count(*), count(DISTINCT row_id) FROM workflows._runs WHERE workflow = 'capitals'"
COMPLETE = "SELECT name, shouted FROM workflows.capitals WHERE row_status = 'complete'"


def test_a_workflow_follows_its_source_by_itself(live_dagster: LiveDagster, live_account: DemoServer) -> None:
    dagster, asset = live_dagster, {"path": ["workflows", "capitals"]}
    persons = [record for record in live_account.account.records("persons") if not record["is_deleted"]]

    def all_complete() -> bool:
        return len(ask(dagster, COMPLETE)) == len(persons)

    wait_for("rows of the first import", all_complete)
    assert all(shouted == (name or "").upper() or name is None for name, shouted in answer(dagster, COMPLETE))

    live_account.write("POST", "/api/v2/persons", {"name": "Ada Lovelace"})
    newest = dagster.partitions("persons")["all"][-1]
    tags = {"dagster/asset_partition_range_start": newest, "dagster/asset_partition_range_end": newest}
    changes = {"ops": {"pipedrive__persons": {"config": {"pull": "changes"}}}}
    dagster.launch("__ASSET_JOB", changes, assets=["persons"], tags=tags)
    wait_for("the new row", lambda: ("Ada Lovelace", "ADA LOVELACE") in ask(dagster, COMPLETE))
    assert answer(dagster, QUEUED) == [(len(persons) + 1, len(persons) + 1)]

    automatic = [run for run in dagster.runs(**AUTOMATIC) if asset in (run["assetSelection"] or [])]
    assert automatic
    assert {run["status"] for run in automatic if run["status"] in FINISHED} == {"SUCCESS"}
    checks = dagster.ask(CHECKS, k=asset)["assetChecksOrError"]["checks"]
    latest = {check["name"]: check["executionForLatestMaterialization"] for check in checks}
    assert latest["syncs_can_run"]["status"] == "FAILED", "the source `gone` is not there"
    assert latest["nothing_rejected"]["status"] == "SUCCEEDED"

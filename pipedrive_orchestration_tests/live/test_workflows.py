"""A workflow below a source, in a Dagster that really runs: nobody asks for it, and its rows follow."""

from __future__ import annotations

from typing import Any

import duckdb

from pipedrive_orchestration.demo import DemoServer
from pipedrive_orchestration_tests.chaos.sizes import in_full
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


CAPITALS = {"path": ["workflows", "capitals"]}


def complete(dagster: LiveDagster, account: DemoServer) -> int:
    """How many rows the workflow has, once every person of the account is one of them."""
    persons = [record for record in account.account.records("persons") if not record["is_deleted"]]
    wait_for("row of every person", lambda: len(ask(dagster, COMPLETE)) == len(persons))
    return len(persons)


def test_a_workflow_follows_its_source_by_itself(dagster: LiveDagster, account: DemoServer) -> None:
    complete(dagster, account)
    assert all(shouted == (name or "").upper() or name is None for name, shouted in answer(dagster, COMPLETE))

    automatic = [run for run in dagster.runs(**AUTOMATIC) if CAPITALS in (run["assetSelection"] or [])]
    assert automatic
    assert {run["status"] for run in automatic if run["status"] in FINISHED} <= {"SUCCESS"}

    def checked() -> dict[str, Any] | None:
        checks = dagster.ask(CHECKS, k=CAPITALS)["assetChecksOrError"]["checks"]
        latest = {check["name"]: check["executionForLatestMaterialization"] for check in checks}
        return latest if all(latest.values()) else None

    latest = wait_for("verdict of every check", checked, seconds=60)
    assert latest["syncs_can_run"]["status"] == "FAILED", "the source `gone` is not there"
    assert latest["nothing_rejected"]["status"] == "SUCCEEDED"


@in_full
def test_what_changes_is_followed_and_nothing_twice(dagster: LiveDagster, account: DemoServer) -> None:
    persons = complete(dagster, account)
    account.write("POST", "/api/v2/persons", {"name": "Ada Lovelace"})
    newest = dagster.partitions("persons")["all"][-1]
    tags = {"dagster/asset_partition_range_start": newest, "dagster/asset_partition_range_end": newest}
    changes = {"ops": {"pipedrive__persons": {"config": {"pull": "changes"}}}}
    dagster.launch("__ASSET_JOB", changes, assets=["persons"], tags=tags)
    wait_for("the new row", lambda: ("Ada Lovelace", "ADA LOVELACE") in ask(dagster, COMPLETE))
    assert answer(dagster, QUEUED) == [(persons + 1, persons + 1)]

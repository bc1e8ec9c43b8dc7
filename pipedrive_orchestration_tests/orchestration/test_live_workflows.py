"""A workflow below a source, in a Dagster that really runs: nobody asks for it, and its rows follow."""

from __future__ import annotations

from typing import Any

import duckdb
import pytest
import yaml

from pipedrive_orchestration.demo import DemoServer
from pipedrive_orchestration_tests.orchestration.live import FINISHED, LiveDagster, wait_for

WORKFLOW = {
    "name": "Outreach",
    "inputs": [{"name": "email", "type": "email"}, {"name": "name", "type": "string"}],
    "syncs": [
        {"source": "persons", "field_mapping": {"input.email": "emails", "input.name": "name"}},
        {"source": "gone", "field_mapping": {"input.name": "name"}},
    ],
    "actions": [{"type": "sql", "name": "shout", "expression": "upper(name)", "output": {"name": "shouted"}}],
}
CHECKS = """query($k: AssetKeyInput!) { assetNodeOrError(assetKey: $k) { ... on AssetNode {
    assetChecksOrError { ... on AssetChecks { checks { name executionForLatestMaterialization { status } } } }
} } }"""


@pytest.fixture(scope="module")
def dagster(live_dagster: LiveDagster) -> LiveDagster:
    live_dagster.write("persons", name="Persons", object_type="persons", properties=["name", "emails"],
                       pull_mode="active", schedule="0 0 1 1 *")  # fmt: skip
    folder = live_dagster.project / "workflows"
    folder.mkdir()
    (folder / "outreach.yaml").write_text(yaml.safe_dump(WORKFLOW))
    (folder / "broken.yaml").write_text("name: [")
    live_dagster.reload()
    return live_dagster


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


COMPLETE = "SELECT name, shouted FROM workflows.outreach WHERE row_status = 'complete'"


def test_a_workflow_follows_its_source_by_itself(dagster: LiveDagster, live_account: DemoServer) -> None:
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
    assert answer(dagster, "SELECT count(*), count(DISTINCT row_id) FROM workflows._runs") == [
        (len(persons) + 1, len(persons) + 1)
    ]

    automatic = [
        run
        for run in dagster.runs()
        if any(tag["key"] == "dagster/from_automation_condition" for tag in run["tags"])
    ]
    assert automatic
    assert {run["status"] for run in automatic if run["status"] in FINISHED} == {"SUCCESS"}
    checks = dagster.ask(CHECKS, k={"path": ["workflows", "outreach"]})["assetChecksOrError"]["checks"]
    latest = {check["name"]: check["executionForLatestMaterialization"] for check in checks}
    assert latest["syncs_can_run"]["status"] == "FAILED", "the source `gone` is not there"
    assert latest["nothing_rejected"]["status"] == "SUCCEEDED"

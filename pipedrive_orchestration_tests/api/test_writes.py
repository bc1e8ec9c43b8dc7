"""Plans of writes, their application and undoing, over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipedrive_orchestration.demo import DemoServer, running_demo
from pipedrive_orchestration_tests.api.conftest import StartApi, variables_of
from pipedrive_orchestration_tests.api.serving import DEALS, write_titles
from pipedrive_orchestration_tests.api.test_order_of_checks import problems, refused
from pipedrive_orchestration_tests.conftest import account_settings


@pytest.fixture(scope="module")
def account() -> Iterator[DemoServer]:
    with running_demo(account_settings(scale=0.005)) as server:
        yield server


def test_a_write_is_planned_applied_and_taken_back(
    start_api: StartApi, account: DemoServer, tmp_path: Path
) -> None:
    variables = {
        **variables_of(account),
        "PIPEDRIVE_ALLOW_WRITES": "true",
        "PIPEDRIVE_WAREHOUSE": str(tmp_path / "writes.duckdb"),
    }
    api = start_api(variables=variables)
    api.run_import(api.add(**DEALS))
    write = write_titles(api)
    (listed,) = api.get("/writes").json()["data"]
    assert (listed["write_id"], listed["slug"]) == (str(write.id), "titles")
    path = f"/writes/{write.id}"
    refused(api.get(f"{path}/plan"), 409)
    assert problems(api.post(f"{path}/plan", json={"refresh": 1, "x": 2})) == {
        ("refresh", "bool_type"), ("x", "unknown_field"),
    }  # fmt: skip
    plan = api.post(f"{path}/plan", json={}).json()["data"]
    assert (plan["updates"], len(plan["rows"])) == (2, 2)
    assert plan["rows"][0]["changes"][0]["new"].endswith("!")
    applied = api.post(f"{path}/apply", json={"plan_id": plan["plan_id"]}).json()["data"]
    assert applied["counts"] == {"done": 2}
    assert api.get(f"{path}/apply").json()["data"]["plan"]["status"] == "applied"
    refused(api.post(f"{path}/apply", json={}), 409)
    assert [one["plan_id"] for one in api.get(f"{path}/undo").json()["data"]] == [plan["plan_id"]]
    back = api.post(f"{path}/undo", json={}).json()["data"]
    assert back["undo_of"] == plan["plan_id"]
    assert api.post(f"{path}/apply", json={}).json()["data"]["counts"] == {"done": 2}
    assert {request.method for request in account.account.requests} == {"GET", "PATCH"}


def test_nothing_is_applied_where_nothing_may_be_written(start_api: StartApi, account: DemoServer) -> None:
    api = start_api(account)
    api.run_import(api.add(**DEALS))
    write = write_titles(api)
    assert api.post(f"/writes/{write.id}/plan", json={"refresh": False}).status_code == 200
    assert "PIPEDRIVE_ALLOW_WRITES" in refused(api.post(f"/writes/{write.id}/apply", json={}), 403)["message"]

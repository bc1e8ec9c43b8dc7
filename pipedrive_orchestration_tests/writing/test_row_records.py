"""Rows of workflows become records of the account, once, and get their ids."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from pipedrive_orchestration.pipedrive.client import Client, Written
from pipedrive_orchestration.services.row_records import record_writer
from pipedrive_orchestration.sources import InvalidBodyError
from pipedrive_orchestration.workflows.actions.reach import Reach
from pipedrive_orchestration.workflows.actions.runner import ActionsReport, run_actions
from pipedrive_orchestration.workflows.model import Workflow, WorkflowFile
from pipedrive_orchestration.workflows.sync import run_sync
from pipedrive_orchestration_tests.chaos.sizes import sample
from pipedrive_orchestration_tests.writing.trial import WriteTrial, write_trial

ACTION: dict[str, Any] = {
    "type": "pipedrive",
    "name": "Make a deal",
    "object_type": "deals",
    "match": {"deal_title": "title"},
    "fields": {"deal_title": "title", "person": "person_id", "amount": "value"},
    "output": {"name": "Deal id", "type": "number"},
}


def outreach(slug: str = "outreach", **of_action: Any) -> Workflow:
    body = {
        "name": "Outreach",
        "inputs": [{"name": "Person", "type": "number"}, {"name": "Full name", "type": "string"}],
        "syncs": [
            {
                "source": "persons",
                "field_mapping": {"input.person": "id", "input.full_name": "name"},
                "push_existing": True,
            }
        ],
        "actions": [
            {
                "type": "sql",
                "name": "title",
                "expression": f"'{slug}: ' || full_name || ' ' || person::INTEGER",
                "output": {"name": "Deal title"},
            },
            {
                "type": "sql",
                "name": "amount",
                "expression": "CASE WHEN person::INTEGER % 5 <> 0 THEN 100 ELSE 250 END",
                "output": {"name": "Amount", "type": "number"},
            },
            ACTION | of_action,
        ],
    }
    return Workflow.of(slug, WorkflowFile.parse(body))


@pytest.fixture(scope="module")
def trial() -> Iterator[WriteTrial]:
    deals = ("title", "person_id", "value", "expected_close_date")
    with write_trial(only={"persons": ("name",), "deals": deals}) as trial:
        trial.account.clock.advance(timedelta(minutes=1))
        yield trial


def run(trial: WriteTrial, workflow: Workflow, *, allowed: bool = True) -> ActionsReport:
    writer = record_writer(lambda: trial.planning, allowed=allowed)
    return run_actions(trial.trial.warehouse, workflow, replace(Reach(), write=writer))


def made_by(trial: WriteTrial, slug: str = "outreach") -> list[dict[str, Any]]:
    return [one for one in trial.account.records("deals") if one["title"].startswith(f"{slug}: ")]


def rows_of(trial: WriteTrial, slug: str = "outreach") -> list[tuple[Any, ...]]:
    with trial.trial.warehouse.reading() as connection:
        return connection.execute(
            f"SELECT person::INTEGER, deal_id::INTEGER, row_status FROM workflows.{slug} ORDER BY row_seq"
        ).fetchall()


def run_again(trial: WriteTrial) -> None:
    with trial.trial.warehouse.writing() as connection:
        connection.execute("UPDATE workflows._runs SET status = 'queued', attempts = 0, available_at = now()")


def test_rows_become_records_once_and_get_their_ids(trial: WriteTrial) -> None:
    workflow = outreach()
    queued = run_sync(trial.trial.warehouse, workflow, trial.sources[0]).queued
    refused = run(trial, workflow, allowed=False)
    assert "PIPEDRIVE_ALLOW_WRITES" in str(refused.error)
    assert made_by(trial) == []
    run_again(trial)
    report = run(trial, workflow)
    assert (report.completed, report.failed, report.error) == (queued, 0, None)
    by_id = {one["id"]: one for one in made_by(trial)}
    rows = rows_of(trial)
    assert len(by_id) == queued == len(rows)
    assert all(by_id[deal_id]["person_id"] == person for person, deal_id, _ in rows)
    run_again(trial)
    sent = len(trial.writes())
    assert run(trial, workflow).completed == queued
    assert (len(trial.writes()), rows_of(trial)) == (sent, rows)
    changed = outreach(fields={"deal_title": "title", "person": "expected_close_date"})
    run_again(trial)
    report = run(trial, changed)
    assert (report.completed, report.failed) == (0, queued)
    assert len(made_by(trial)) == queued


class KilledError(BaseException):
    """The process has ended here."""


@pytest.mark.parametrize("survivors", sample(range(0, 36, 3), 6))
def test_rows_whose_run_was_killed_become_records_once(
    trial: WriteTrial, survivors: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    slug = f"killed_{survivors}"
    workflow = outreach(slug)
    queued = run_sync(trial.trial.warehouse, workflow, trial.sources[0]).queued
    send, sent = Client.send, iter(range(10_000))

    async def killed(self: Client, method: str, path: str, body: Any, **how: Any) -> Written:
        answer = await send(self, method, path, body, **how)
        if next(sent) >= survivors:
            raise KilledError
        return answer

    with monkeypatch.context() as patched:
        patched.setattr(Client, "send", killed)
        with pytest.raises(KilledError):
            run(trial, workflow)
    assert made_by(trial, slug)
    trial.account.clock.advance(timedelta(minutes=1))
    with trial.trial.warehouse.writing() as connection:
        connection.execute("UPDATE workflows._runs SET lease_until = now() - INTERVAL 1 second")
    report = run(trial, workflow)
    assert (report.completed, report.failed, report.error) == (queued, 0, None)
    assert len(made_by(trial, slug)) == queued
    assert {deal_id for _, deal_id, _ in rows_of(trial, slug)} == {one["id"] for one in made_by(trial, slug)}


def test_an_action_says_which_columns_there_are() -> None:
    with pytest.raises(InvalidBodyError) as caught:
        outreach(match={"deal_titel": "title"}, object_type="deals", operation="delete")
    assert {problem.code for problem in caught.value.problems} == {"unknown_column", "literal_error"}

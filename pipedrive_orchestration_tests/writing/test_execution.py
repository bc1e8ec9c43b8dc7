"""One change is made once, whatever becomes of its answer."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from pipedrive_orchestration.demo import DemoServer, Fault, Faults, Rule, running_demo
from pipedrive_orchestration.demo.responses import FullResponse, answer
from pipedrive_orchestration.pipedrive.auth import Connection
from pipedrive_orchestration.pipedrive.client import Client, Patience
from pipedrive_orchestration.pipedrive.errors import BudgetSpent, Refused
from pipedrive_orchestration.pipedrive.requests import WRITABLE
from pipedrive_orchestration.writing.changes import Change, Kind
from pipedrive_orchestration.writing.execution import Executor, Outcome, Status
from pipedrive_orchestration.writing.properties import read_properties
from pipedrive_orchestration_tests.conftest import account_settings

LOST = (
    Fault.ERROR_500, Fault.ERROR_503, Fault.RESET_BEFORE, Fault.RESET_DURING, Fault.TRUNCATED, Fault.HTML,
    Fault.NO_SUCCESS, Fault.NULL_DATA, Fault.BURST, Fault.BLOCKED,
)  # fmt: skip
"""Faults after which a write may have been carried out, or may not."""

HASTY = Patience(deadline=20, first_deadline=20, attempt=10, blocked=0.05, odd=5, refused=5)


@pytest.fixture(scope="module")
def troubled() -> Iterator[DemoServer]:
    """A very small account where every second answer is lost."""
    faults = Faults(0.5, LOST, seed=7, of_writes=True)
    with running_demo(account_settings(scale=0.005, faults=faults)) as server:
        yield server


@pytest.fixture(scope="module")
def account() -> Iterator[DemoServer]:
    with running_demo(account_settings(scale=0.005)) as server:
        yield server


def carried_out(server: DemoServer, name: str, *changes: Change) -> list[Outcome]:
    """The outcomes of changes, one after the other."""

    async def carrying_out() -> list[Outcome]:
        async with Client(Connection.of(server.url, server.token), patience=HASTY) as client:
            properties = await read_properties(client, WRITABLE[name])
            executor = Executor(client, properties, settling=0)
            return [await executor.carry_out(change) for change in changes]

    return asyncio.run(carrying_out())


NEW: dict[str, dict[str, Any]] = {
    "deals": {"title": "New", "value": 5},
    "persons": {"name": "Ada Lovelace", "emails": [{"value": "ada@example.com", "primary": True}]},
    "leads": {"title": "Lead", "organization_id": 1},
    "notes": {"content": "<b>Hi</b>", "org_id": 1, "pinned_to_organization_flag": 1},
    "lead_labels": {"name": "Frosty", "color": "blue"},
    "activity_types": {"name": "Visit", "icon_key": "car"},
}
CHANGED: dict[str, dict[str, Any]] = {
    "leads": {"value": {"amount": 7, "currency": "EUR"}}, "notes": {"content": "other"},
    "deals": {"title": "Other"},
}  # fmt: skip
REMAINING = 2


@pytest.mark.parametrize("name", NEW)
def test_every_change_is_made_once_though_answers_are_lost(troubled: DemoServer, name: str) -> None:
    before = {record["id"] for record in troubled.account.records(name)}
    called = next(iter(NEW[name]))
    bodies = [NEW[name] | {called: f"{NEW[name][called]} {number}"} for number in range(2 * REMAINING)]
    made = carried_out(troubled, name, *(Change(Kind.CREATE, after=body) for body in bodies))
    assert not [outcome.reason for outcome in made if outcome.status is not Status.DONE]
    ids = {outcome.record_id for outcome in made}
    assert {record["id"] for record in troubled.account.records(name)} - before == ids
    values: dict[str, Any] = CHANGED.get(name, {"name": f"Other {called}"})
    kept, gone = list(ids)[:REMAINING], list(ids)[REMAINING:]
    changed = carried_out(troubled, name, *(Change(Kind.UPDATE, one, after=values) for one in kept))
    assert {outcome.status for outcome in changed} == {Status.DONE}
    deleted = carried_out(troubled, name, *(Change(Kind.DELETE, one) for one in gone))
    assert {outcome.status for outcome in deleted} <= {Status.DONE}
    now = {record["id"]: record for record in troubled.account.records(name)}
    assert all(values.items() <= now[one].items() for one in kept)
    assert not [one for one in gone if one in now and not _is_deleted(now[one])]


def _is_deleted(record: dict[str, Any]) -> bool:
    return bool(record.get("is_deleted")) or record.get("active_flag") is False


def test_a_change_that_was_refused_says_why(account: DemoServer) -> None:
    (outcome,) = carried_out(account, "deals", Change(Kind.CREATE, after={"title": "x", "person_id": 987654}))
    assert outcome.status is Status.REFUSED
    assert "There is no record 987654 among persons" in str(outcome.reason)
    (outcome,) = carried_out(account, "deals", Change(Kind.DELETE, 987654))
    assert (outcome.status, outcome.reason) == (Status.DONE, "it was gone already")


def test_the_right_one_of_several_new_records_is_found(account: DemoServer) -> None:
    account.account.clock.advance(timedelta(minutes=1))
    other = account.write("POST", "/api/v2/deals", {"title": "The same", "value": 8})
    account.odd.follow(Rule("lost", answer(b"", 502, {}), path="/api/v2/deals", method="POST", times=1))
    (outcome,) = carried_out(account, "deals", Change(Kind.CREATE, after={"title": "The same", "value": 7}))
    made = account.account.record("deals", outcome.record_id or 0)
    assert made is not None
    assert (outcome.status, made["value"], made["id"] != other["id"]) == (Status.DONE, 7, True)


def test_changes_that_were_sent_together_are_told_apart(account: DemoServer) -> None:
    """What the second made looks like the first, of which nothing came."""
    account.account.clock.advance(timedelta(minutes=1))
    changes = {
        n: Change(Kind.CREATE, after={"title": "Alike", "value": value}) for n, value in enumerate((1, 2))
    }
    made = account.write("POST", "/api/v2/deals", dict(changes[1].after))

    async def settling() -> dict[int, Outcome]:
        async with Client(Connection.of(account.url, account.token), patience=HASTY) as client:
            executor = Executor(client, await read_properties(client, WRITABLE["deals"]), settling=0)
            since = account.account.clock.now()
            return {n: outcome async for n, outcome in executor.settle_all(changes, since, set())}

    outcomes = asyncio.run(settling())
    assert {outcome.status for outcome in outcomes.values()} == {Status.DONE}
    assert outcomes[1].record_id == made["id"]
    alike = [one["value"] for one in account.account.records("deals") if one["title"] == "Alike"]
    assert sorted(alike) == [1, 2]


def test_a_record_that_only_looks_alike_is_left_to_a_person(account: DemoServer) -> None:
    def changed_at_once(response: FullResponse) -> FullResponse:
        # As an automation of the account does it, before anybody can look.
        record_id = response.json()["data"]["id"]
        account.write("PATCH", f"/api/v2/deals/{record_id}", {"value": 99})
        return FullResponse(502)

    account.account.clock.advance(timedelta(minutes=1))
    account.odd.follow(Rule("lost", changed_at_once, path="/api/v2/deals", method="POST", times=1))
    before = len(account.account.records("deals"))
    (outcome,) = carried_out(account, "deals", Change(Kind.CREATE, after={"title": "Odd one", "value": 7}))
    assert outcome.status is Status.UNCERTAIN
    assert "looks like" in str(outcome.reason)
    assert len(account.account.records("deals")) == before + 1


def test_what_may_not_be_written_and_cannot_be_paid_ends_everything(account: DemoServer) -> None:
    with running_demo(account_settings(scale=0.005, daily_tokens=14)) as poor, pytest.raises(BudgetSpent):
        carried_out(poor, "pipelines", *[Change(Kind.CREATE, after={"name": "x"})] * 9)
    denied = answer({"success": False, "error": "Scope and URL mismatch", "errorCode": 403}, 403,
                    {"content-type": "application/json"})  # fmt: skip
    account.odd.follow(Rule("denied", denied, path="/api/v2/pipelines", method="POST"))
    with pytest.raises(Refused) as refused:
        carried_out(account, "pipelines", Change(Kind.CREATE, after={"name": "x"}))
    assert "Nothing was changed" in str(refused.value)

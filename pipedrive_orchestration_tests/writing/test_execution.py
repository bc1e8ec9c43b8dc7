"""One change is made once, whatever becomes of its answer."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from pipedrive_orchestration.demo import DemoServer, Fault, Faults, Rule, running_demo
from pipedrive_orchestration.demo.responses import FullResponse, answer
from pipedrive_orchestration.pipedrive.auth import Connection
from pipedrive_orchestration.pipedrive.client import Client, Patience
from pipedrive_orchestration.pipedrive.errors import BudgetSpent, Refused
from pipedrive_orchestration.pipedrive.requests import WRITABLE
from pipedrive_orchestration.writing.changes import Change, Kind
from pipedrive_orchestration.writing.execution import Executor
from pipedrive_orchestration.writing.outcome import Outcome, Status
from pipedrive_orchestration.writing.properties import read_properties
from pipedrive_orchestration.writing.records import (
    PreparedChange,
    UnknownRecordError,
    prepare_creation,
    prepare_deletion,
    prepare_update,
)
from pipedrive_orchestration_tests.chaos.sizes import sample
from pipedrive_orchestration_tests.conftest import account_settings
from pipedrive_orchestration_tests.writing import actions_table
from pipedrive_orchestration_tests.writing.samples import samples

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


@pytest.fixture(scope="module")
def upload(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The path of a small file."""
    file = tmp_path_factory.mktemp("files") / "offer (1).txt"
    file.write_bytes(b"An offer\r\n\x00\xff")
    return str(file)


def carried_out(server: DemoServer, name: str, *changes: Change) -> list[Outcome]:
    """The outcomes of changes, one after the other."""

    async def carrying_out() -> list[Outcome]:
        async with Client(Connection.of(server.url, server.token), patience=HASTY) as client:
            properties = await read_properties(client, WRITABLE[name])
            executor = Executor(client, properties, settling=0)
            return [await executor.carry_out(change) for change in changes]

    return asyncio.run(carrying_out())


def test_every_collection_has_a_sample(account: DemoServer, upload: str) -> None:
    assert samples(account, upload).keys() == WRITABLE.keys()


LOST_OF = sample(WRITABLE, "deals", "leads", "files", "roles", "deal_discounts", "organization_relationships")
"""Collections whose changes are made where every second answer is lost; it takes seconds to ask again."""


DOCUMENT = Path(__file__).parents[3] / "shared" / "documents" / "001_9c50455bcb94e564.txt"
"""The actions of a connector of Pipedrive, which is not part of the project."""

CALLED_OTHERWISE = {"teams": "legacy_teams", "mailbox": "mail_threads"}
"""Words of addresses, and what the collection is called here."""


def test_every_action_of_a_common_connector_is_in_the_table_of_the_page() -> None:
    if not DOCUMENT.is_file():
        pytest.skip(f"no document at {DOCUMENT}")
    known = {row[:2] for row in actions_table.rows()}
    lines = DOCUMENT.read_text().splitlines()
    missing = set()
    for number, line in enumerate(lines):
        found: re.Match[str] | None = re.fullmatch(r"- \[(Create|Update|Delete)\] action", line)
        if found is not None:
            address = next((one for one in lines[number + 1 : number + 6] if one.startswith("/")), "")
            word = address.split("/")[1] if address else "subscriptions"
            name = re.sub("([A-Z])", r"_\1", word).lower()
            if (CALLED_OTHERWISE.get(name, name), str(found[1]).lower()) not in known:
                missing.add(name)
    assert missing == {"subscriptions"}, "which Pipedrive has taken away"


def test_the_page_has_the_table_of_writes() -> None:
    page, again = actions_table.PAGE.read_text(), "python -m ...writing.actions_table writes it anew"
    shown = page.partition(actions_table.BEGIN)[2].partition(actions_table.END)[0]
    assert shown == actions_table.table(), again
    shown = page.partition(actions_table.BULK_BEGIN)[2].partition(actions_table.BULK_END)[0]
    assert shown == actions_table.bulk_table(), again


@pytest.mark.parametrize("name", LOST_OF)
def test_every_change_is_made_once_though_answers_are_lost(
    troubled: DemoServer, name: str, upload: str
) -> None:
    change_a_record_of(troubled, name, upload)


@pytest.mark.parametrize("name", WRITABLE)
def test_a_record_of_every_collection_is_made_changed_and_deleted(
    account: DemoServer, name: str, upload: str
) -> None:
    change_a_record_of(account, name, upload)


def change_a_record_of(server: DemoServer, name: str, upload: str) -> None:
    """Make, change and delete a record, as somebody writes it; each takes one request that is carried out."""
    example, writable = samples(server, upload)[name], WRITABLE[name]
    server.account.clock.advance(timedelta(minutes=1))

    async def changing() -> None:
        async with Client(Connection.of(server.url, server.token), patience=HASTY) as client:
            record_id = example.existing
            if writable.create is not None:
                parents = tuple(filter(None, [example.below]))
                made = await done(client, await prepare_creation(client, writable, example.new, parents))
                record_id = str(made.record_id)
            if writable.update is not None:
                again = await prepare_update(client, writable, record_id, example.changed)
                assert not again.is_empty
                await done(client, again)
                assert (await prepare_update(client, writable, record_id, example.changed)).is_empty
            if writable.delete is not None:
                await done(client, await prepare_deletion(client, writable, record_id))
                with pytest.raises(UnknownRecordError):
                    await prepare_deletion(client, writable, record_id)

    written = carried_out_by(server)
    asyncio.run(changing())
    assert carried_out_by(server) - written == len(writable.operations)


def carried_out_by(server: DemoServer) -> int:
    """How many writes the account has carried out."""
    return sum(one.method != "GET" and one.status < 300 for one in server.account.requests)


async def done(client: Client, prepared: PreparedChange) -> Outcome:
    """The outcome of a prepared change, which has to be made."""
    outcome = await Executor(client, prepared.properties, settling=0).carry_out(prepared.change)
    assert outcome.status is Status.DONE, outcome.reason
    return outcome


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

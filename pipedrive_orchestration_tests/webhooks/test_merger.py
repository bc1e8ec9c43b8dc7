"""Events that are merged: the tables equal the account, whatever becomes of the events."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipedrive_orchestration_tests.chaos.sizes import FULL
from pipedrive_orchestration_tests.exactness.churn import Churn
from pipedrive_orchestration_tests.exactness.trial import Trial, small_trial
from pipedrive_orchestration_tests.webhooks.wire import Wire

TYPES = ("deals", "persons", "organizations", "activities", "products")


@pytest.fixture(scope="module")
def imported() -> Iterator[Trial]:
    with small_trial(100) as trial:
        yield trial


def wired(trial: Trial, *types: str) -> Wire:
    """Sources of some types, imported, with a wire to them."""
    sources = [trial.wide_source(object_type) for object_type in types]
    for source in sources:
        trial.windows(source)
        trial.changes(source)
    wire = Wire(trial, sources)
    trial.demo.account.clock.advance(timedelta(seconds=2))
    return wire


def differences(wire: Wire) -> list[str]:
    found = [found for source in wire.sources for found in wire.trial.differences(source)]
    # A list shows what was merged as deleted; events know better.
    return [one for one in found if not one.endswith("_removal is merged, should be deleted")]


def test_what_comes_in_order_is_there_without_a_pull_and_without_a_token(imported: Trial) -> None:
    wire, account = wired(imported, *TYPES), imported.demo.account
    asked = len(account.requests)
    write = imported.demo.write
    person = write("POST", "/api/v2/persons", {"name": "Zoë New"})["id"]
    account.clock.advance(timedelta(seconds=1))
    deal = write("POST", "/api/v2/deals", {"title": "Sold at once", "person_id": person})["id"]
    account.clock.advance(timedelta(seconds=1))
    activity = write("POST", "/api/v2/activities", {"subject": "Call", "deal_id": deal})["id"]
    wire.deliver()
    merged = wire.merge()
    assert {one.source.slug for one in merged.sources} >= {"deals", "persons", "activities"}
    account.clock.advance(timedelta(seconds=3))
    write("PATCH", f"/api/v2/deals/{deal}", {"status": "won", "value": 12.5})
    write("DELETE", f"/api/v2/activities/{activity}")
    wire.deliver()
    merged = wire.merge()
    (won,) = (one.report.rows.won for one in merged.sources if one.source.slug == "deals")
    assert won == 1
    assert differences(wire) == []
    assert [(one.path, dict(one.query)) for one in account.requests[asked:]] == []
    assert wire.inbox.files() == []


def test_churn_in_order_ends_equal_to_the_account_without_a_pull(imported: Trial) -> None:
    types = TYPES if FULL else ("deals", "products")
    wire = wired(imported, *types)
    churn = Churn(imported.demo, 7, types)
    for _ in range(30 if FULL else 5):
        churn.steps(8)
        imported.demo.account.clock.advance(timedelta(seconds=2))
        wire.deliver()
        merged = wire.merge()
        assert merged.failures == {}
    assert differences(wire) == []


def test_a_merger_that_was_killed_before_it_could_forget_events_does_no_harm(imported: Trial) -> None:
    wire, write = wired(imported, "persons"), imported.demo.write
    advance = imported.demo.account.clock.advance
    person = write("POST", "/api/v2/persons", {"name": "First"})["id"]
    wire.emit()
    sent = list(wire.under_way)
    wire.deliver()
    wire.merge()
    advance(timedelta(seconds=2))
    write("PATCH", f"/api/v2/persons/{person}", {"name": "Second"})
    wire.deliver()
    wire.merge()
    advance(timedelta(seconds=2))
    write("DELETE", f"/api/v2/persons/{person}")
    wire.deliver()
    wire.merge()
    # Its files are there when the next one starts.
    wire.inbox.add(sent)
    wire.merger = wire.new_merger()
    assert wire.merge().failures == {}
    assert differences(wire) == []
    assert wire.inbox.files() == []


@pytest.mark.parametrize("is_pulled_first", [False, True])
def test_what_comes_back_within_the_second_of_its_deletion_is_back(
    imported: Trial, *, is_pulled_first: bool
) -> None:
    wire, write, clock = wired(imported, "deals"), imported.demo.write, imported.demo.account.clock
    deal = write("POST", "/api/v2/deals", {"title": "Gone for a moment"})["id"]
    wire.deliver()
    wire.merge()
    clock.advance(timedelta(seconds=3, microseconds=200_000 - clock.exactly_now().microsecond))
    write("DELETE", f"/api/v2/deals/{deal}")
    wire.emit()
    deletion = list(wire.under_way)
    clock.advance(timedelta(milliseconds=200))
    write("PATCH", f"/api/v2/deals/{deal}", {"is_deleted": False})
    clock.advance(timedelta(seconds=1))
    if is_pulled_first:
        imported.changes(wire.sources[0])
    # What tells that it is back is lost.
    wire.inbox.add(deletion)
    assert wire.merge().failures == {}
    if not is_pulled_first:
        imported.changes(wire.sources[0])
    assert differences(wire) == []


@settings(max_examples=25 if FULL else 1, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_any_interleaving_of_writes_events_and_pulls_ends_equal_to_the_account(seed: int) -> None:
    rng = Random(seed)
    with small_trial(20) as trial:
        wire = wired(trial, "deals", "persons")
        churn = Churn(trial.demo, seed, ("deals", "persons"))
        for _ in range(rng.randint(3, 12 if FULL else 7)):
            churn.steps(rng.randint(0, 6))
            trial.demo.account.clock.advance(timedelta(seconds=rng.choice((0, 0.2, 1, 30, 100))))
            wire.deliver_some(rng)
            if rng.random() < 0.7:
                assert wire.merge().failures == {}
            if rng.random() < 0.2:
                trial.changes(rng.choice(wire.sources))
            if rng.random() < 0.1:
                wire.merger = wire.new_merger()
        wire.merge()
        for source in wire.sources:
            trial.changes(source)
        # What is still on its way comes after the pull, and changes nothing for the worse.
        wire.deliver_some(rng)
        wire.merge()
        assert differences(wire) == []

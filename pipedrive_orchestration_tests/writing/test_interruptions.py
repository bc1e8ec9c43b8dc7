"""Plans are applied once and wholly, whatever answers are lost and wherever their applications are killed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from itertools import count
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from pipedrive_orchestration.demo import Faults
from pipedrive_orchestration.pipedrive.client import Client, Written
from pipedrive_orchestration.pipedrive.errors import OutcomeUnknown
from pipedrive_orchestration.writing.apply import NotAppliedError
from pipedrive_orchestration.writing.ledger import Plan
from pipedrive_orchestration_tests.chaos.sizes import WRITES
from pipedrive_orchestration_tests.writing.interruptions import LOST, KillSwitch, applied, switch
from pipedrive_orchestration_tests.writing.trial import WriteTrial, write_trial

__all__ = ["switch"]

EXAMPLES = count()
"""Numbers of the examples of this run."""

PERSONS = {"persons": ("name", "emails", "job_title")}


@pytest.fixture(scope="module")
def troubled() -> Iterator[WriteTrial]:
    """A very small account that loses every fourth answer."""
    with write_trial(only=PERSONS, faults=Faults(0.25, LOST, seed=5, of_writes=True)) as trial:
        yield trial


@settings(
    max_examples=WRITES,
    derandomize=WRITES < 10,
    database=None,
    deadline=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    seed=st.integers(0, 2**32),
    kills=st.lists(st.integers(0, 30), min_size=1, max_size=3),
    undo_kills=st.lists(st.integers(0, 30), max_size=1),
)
# New ones that are called alike were under way, and not all of them had been carried out.
@example(seed=0, kills=[21, 4, 19], undo_kills=[])
def test_a_plan_is_applied_once_and_undone_wholly(
    troubled: WriteTrial, switch: KillSwitch, seed: int, kills: list[int], undo_kills: list[int]
) -> None:
    trial, rng = troubled, Random(seed)
    # A seed that comes again finds in the account what it has made there before.
    mark = f"{seed}-{next(EXAMPLES)}"
    trial.account.clock.advance(timedelta(minutes=1))
    before = {one["id"]: one for one in trial.account.records("persons")}
    known = rng.sample([one for one in trial.live("persons", 60) if one["emails"]], 6)
    # Some of the new ones are alike in all that is written but their address.
    new = [{"email": f"{n}@{mark}.example", "name": f"New {n % 3}", "job": f"Pilot {mark}"} for n in range(8)]
    old = [{"email": one["emails"][0]["value"], "name": one["name"], "job": f"Cook {mark}"} for one in known]
    rows = rng.sample([*new, *old], len(new) + len(old))
    trial.rows(*rows)
    fields = {"name": "name", "job": "job_title"}
    write = trial.write(operation="upsert", match={"email": "email"}, fields=fields)
    plan = trial.plan(write)
    assert plan.creates == len(new)
    applied(trial, plan, write, switch, kills)
    assert {row.status for row in trial.ledger(plan) if row.status} == {"done"}, reasons(trial, plan)
    now = {one["id"]: one for one in trial.account.records("persons")}
    made = [one for one in now.values() if one["id"] not in before]
    assert sorted(as_row(one) for one in made) == sorted(tuple(row.values()) for row in new)
    changed = [one for one in now.values() if one["id"] in before and one["job_title"] == f"Cook {mark}"]
    assert len(changed) == plan.updates
    again = trial.plan(write)
    assert (again.creates, again.updates, again.deletes, again.conflicts) == (0, 0, 0, 0)
    applied(trial, trial.undo(plan), write, switch, undo_kills)
    for one in trial.account.records("persons"):
        if one["id"] in before:
            assert without_time(one) == without_time(before[one["id"]])
        else:
            assert one["is_deleted"]


def reasons(trial: WriteTrial, plan: Plan) -> list[tuple[Any, ...]]:
    """What is said of the changes of a plan that are not made."""
    with trial.trial.warehouse.reading() as connection:
        return connection.execute(
            "SELECT seq, status, reason FROM write_ledger.changes WHERE plan_id = ? AND status <> 'done'",
            [plan.plan_id],
        ).fetchall()


def as_row(person: dict[str, Any]) -> tuple[Any, ...]:
    return (person["emails"][0]["value"], person["name"], person["job_title"])


def without_time(record: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in record.items() if key != "update_time"}


def test_what_is_never_answered_is_settled_by_the_next_application(monkeypatch: pytest.MonkeyPatch) -> None:
    async def unanswered(_: Client, method: str, path: str, body: Any, **how: Any) -> Written:
        raise OutcomeUnknown(f"{method} {path}", f"no answer to {len(body)} values, {how}")

    with write_trial(only=PERSONS) as trial:
        trial.rows({"email": "ada@never.example", "name": "Ada Never"})
        write = trial.write(operation="upsert", match={"email": "email"}, fields={"name": "name"})
        plan = trial.plan(write)
        with monkeypatch.context() as patch:
            patch.setattr(Client, "send", unanswered)
            with pytest.raises(OutcomeUnknown):
                trial.apply(plan, write)
        assert [row.status for row in trial.ledger(plan)] == ["sent"]
        assert trial.apply(plan, write).is_complete
        assert [row.status for row in trial.ledger(plan)] == ["done"]
        assert [one["name"] for one in trial.account.records("persons")].count("Ada Never") == 1


def test_two_applications_at_once_are_one(switch: KillSwitch) -> None:
    with write_trial(only=PERSONS) as trial:
        trial.rows(*({"email": f"new{n}@example.com", "name": f"New {n}"} for n in range(20)))
        write = trial.write(operation="upsert", match={"email": "email"}, fields={"name": "name"})
        plan = trial.plan(write)

        async def both() -> list[Any]:
            tries = (asyncio.to_thread(trial.apply, plan, write) for _ in range(2))
            return await asyncio.gather(*tries, return_exceptions=True)

        ends = asyncio.run(both())
        refused = [end for end in ends if isinstance(end, NotAppliedError)]
        assert len(refused) == 1
        assert switch.left is None
        made = [one for one in trial.account.records("persons") if one["name"].startswith("New ")]
        assert len(made) == 20

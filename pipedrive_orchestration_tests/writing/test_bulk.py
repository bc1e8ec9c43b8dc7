"""Changes that one request makes together: each once, named where it is refused, and taken back."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from pipedrive_orchestration.demo import Rule
from pipedrive_orchestration.demo.responses import FullResponse, answer
from pipedrive_orchestration.pipedrive.client import Client, Written
from pipedrive_orchestration.pipedrive.errors import OutcomeUnknown
from pipedrive_orchestration_tests.chaos.sizes import sample
from pipedrive_orchestration_tests.writing.interruptions import KillSwitch, applied, switch
from pipedrive_orchestration_tests.writing.trial import WriteTrial, write_trial

__all__ = ["switch"]

LINES = "/api/v2/deals/{}/products"


@pytest.fixture(scope="module")
def shared() -> Iterator[WriteTrial]:
    with write_trial("deals", "deal_products", "filters") as trial:
        yield trial


@pytest.fixture
def trial(shared: WriteTrial) -> WriteTrial:
    """The shared account, a minute later."""
    shared.account.clock.advance(timedelta(minutes=1))
    return shared


def lines_of(trial: WriteTrial, deal_id: int) -> list[dict[str, Any]]:
    return list(trial.account.children.of("deal_products", deal_id))


def quantities(trial: WriteTrial, deal_id: int) -> list[tuple[int, float]]:
    return sorted((one["product_id"], one["quantity"]) for one in lines_of(trial, deal_id))


def bare_deals(trial: WriteTrial, count: int) -> list[int]:
    """Deals without products."""
    return [one["id"] for one in trial.live("deals", 500) if not lines_of(trial, one["id"])][:count]


def lines_to_add(trial: WriteTrial, deals: list[int], each: int) -> list[dict[str, Any]]:
    products = [one["id"] for one in trial.live("products", each)]
    assert len(products) == each
    return [
        {"deal": deal, "product": product, "price": 10 + n, "quantity": n + 1}
        for deal in deals
        for n, product in enumerate(products)
    ]


def the_write(trial: WriteTrial, operation: str = "upsert", **how: Any) -> Any:
    fields = {} if operation == "delete" else {"price": "item_price", "quantity": "quantity"}
    match = {"deal": "deal_id", "product": "product_id"}
    return trial.write("deal_products", operation=operation, match=match, fields=fields, **how)


def requests_since(trial: WriteTrial, count: int) -> list[tuple[str, str]]:
    return [(method, path.partition("?")[0]) for method, path in trial.writes()[count:]]


def test_lines_of_deals_are_added_together_and_taken_back_together(trial: WriteTrial) -> None:
    first, second = bare_deals(trial, 2)
    rows = [*lines_to_add(trial, [first], 7), *lines_to_add(trial, [second], 2)]
    trial.rows(*rows)
    write, sent = the_write(trial), len(trial.writes())
    plan = trial.plan(write)
    assert (plan.creates, plan.rejects, plan.estimated_tokens) == (9, 0, 25 + 2 * 5)
    report = trial.apply(plan, write)
    assert report.counts == {"done": 9}
    assert requests_since(trial, sent) == [
        ("POST", LINES.format(first) + "/bulk"),
        *[("POST", LINES.format(second))] * 2,
    ]
    for deal in (first, second):
        wanted = [(row["product"], row["quantity"]) for row in rows if row["deal"] == deal]
        assert quantities(trial, deal) == sorted(wanted)
    made = trial.ledger(plan)
    assert {row.entry.record_id for row in made} == {
        f"{deal}/{one['id']}" for deal in (first, second) for one in lines_of(trial, deal)
    }
    with trial.trial.warehouse.reading() as connection:
        spent = "SELECT sum(tokens)::INTEGER FROM write_ledger.changes WHERE plan_id = ?"
        assert connection.execute(spent, [plan.plan_id]).fetchone() == (35,)
    again = trial.plan(write)
    assert (again.creates, again.updates, again.unchanged) == (0, 0, 9)
    back, sent = trial.undo(plan), len(trial.writes())
    assert (back.deletes, back.estimated_tokens) == (9, 15 + 2 * 3 + 10)
    assert trial.apply(back, write).counts == {"done": 9}
    assert [quantities(trial, deal) for deal in (first, second)] == [[], []]
    assert len(requests_since(trial, sent)) == 3


@pytest.mark.parametrize("is_carried_out", [True, False])
def test_lines_whose_answer_is_lost_are_added_once(
    trial: WriteTrial, monkeypatch: pytest.MonkeyPatch, *, is_carried_out: bool
) -> None:
    (deal,) = bare_deals(trial, 1)
    rows = lines_to_add(trial, [deal], 6)
    trial.rows(*rows)
    write = the_write(trial)
    plan = trial.plan(write)
    bulk, send = LINES.format(deal) + "/bulk", Client.send
    trial.demo.odd.follow(Rule("lost", answer(b"", 502, {}), path=bulk, method="POST", times=1))

    async def lost_on_the_way(self: Client, method: str, path: str, body: Any, **how: Any) -> Written:
        if path == bulk and not is_carried_out:
            raise OutcomeUnknown(f"{method} {path}", "no answer")
        return await send(self, method, path, body, **how)

    monkeypatch.setattr(Client, "send", lost_on_the_way)
    assert trial.apply(plan, write).counts == {"done": 6}
    assert quantities(trial, deal) == sorted((row["product"], row["quantity"]) for row in rows)
    assert trial.apply(trial.undo(plan), write).counts == {"done": 6}
    assert lines_of(trial, deal) == []


@pytest.mark.parametrize("moments", sample(range(14), 4))
def test_lines_are_added_and_deleted_once_though_applications_are_killed(
    trial: WriteTrial, switch: KillSwitch, moments: int
) -> None:
    (deal,) = bare_deals(trial, 1)
    rows = lines_to_add(trial, [deal], 6)
    trial.rows(*rows)
    write = the_write(trial)
    plan = trial.plan(write)
    applied(trial, plan, write, switch, [moments])
    assert quantities(trial, deal) == sorted((row["product"], row["quantity"]) for row in rows)
    assert {row.status for row in trial.ledger(plan)} == {"done"}
    applied(trial, trial.undo(plan), write, switch, [moments])
    assert lines_of(trial, deal) == []


def test_the_one_that_is_refused_is_named_and_the_others_are_made(trial: WriteTrial) -> None:
    (deal,) = bare_deals(trial, 1)
    rows = lines_to_add(trial, [deal], 6)
    trial.rows(*rows, {"deal": deal, "product": 987654, "price": 1, "quantity": 1})
    write = the_write(trial)
    plan = trial.plan(write)
    assert trial.apply(plan, write).counts == {"done": 6, "refused": 1}
    (refused,) = [row for row in trial.ledger(plan) if row.status == "refused"]
    assert refused.entry.row == {"deal": str(deal), "product": "987654"}
    assert "987654" in str(refused.entry.reason)
    assert quantities(trial, deal) == sorted((row["product"], row["quantity"]) for row in rows)


def test_what_somebody_changed_meanwhile_is_not_deleted_with_the_others(trial: WriteTrial) -> None:
    (deal,) = bare_deals(trial, 1)
    rows = lines_to_add(trial, [deal], 7)
    trial.rows(*rows)
    write = the_write(trial)
    plan = trial.plan(write)
    trial.apply(plan, write)
    trial.account.clock.advance(timedelta(minutes=1))
    back, moved = trial.undo(plan), lines_of(trial, deal)[0]
    trial.demo.write("PATCH", f"{LINES.format(deal)}/{moved['id']}", {"quantity": 99})
    assert trial.apply(back, write).counts == {"done": 6, "moved": 1}
    assert quantities(trial, deal) == [(moved["product_id"], 99)]


def test_filters_are_deleted_by_one_request(trial: WriteTrial) -> None:
    body = next(one for one in trial.account.records("filters") if one["type"] == "deals")
    shared = {"type": "deals", "conditions": body["conditions"]}
    made = [trial.demo.write("POST", "/v1/filters", {"name": f"Old {n}", **shared}) for n in range(4)]
    trial.rows(*({"id": one["id"]} for one in made))
    write = trial.write("filters", operation="delete", match={"id": "id"}, fields={})
    plan, sent = trial.plan(write), len(trial.writes())
    assert (plan.deletes, plan.estimated_tokens) == (4, 10 + 10)
    # Somebody is quicker with one of them, after it was looked at again.
    gone = made[0]["id"]
    trial.demo.odd.follow(Rule("quicker", quicker(trial, gone), path="/v1/filters/*", times=1))
    assert trial.apply(plan, write).counts == {"done": 4}
    assert requests_since(trial, sent) == [("DELETE", "/v1/filters")]
    assert not {one["id"] for one in made} & {one["id"] for one in trial.live("filters", 1000)}
    reasons = {row.entry.record_id: row.entry.reason for row in trial.ledger(plan)}
    assert reasons == {str(one["id"]): "found gone" if one["id"] == gone else None for one in made}


def quicker(trial: WriteTrial, filter_id: int) -> Any:
    def delete(response: FullResponse) -> FullResponse:
        trial.demo.write("DELETE", f"/v1/filters/{filter_id}")
        return response

    return delete


def test_options_of_a_field_are_added_renamed_and_deleted_together(trial: WriteTrial) -> None:
    region = next(
        one for one in trial.account.fields["deals"] if one["field_name"] == "Equipment" and one["options"]
    )

    def labels() -> dict[str, int]:
        field = trial.account.fields["deals"].get(region["field_code"])
        assert field is not None
        return {option["label"]: option["id"] for option in field["options"]}

    before = labels()
    rows = [{"field": "equipment", "label": label} for label in ("Meter", "Heat pump, air", *before)]
    trial.rows(*rows, {"field": "Equipmnt", "label": "x"})
    write = trial.write(
        "deal_field_options",
        operation="create",
        match={"field": "field_code", "label": "label"},
        fields={"label": "label"},
    )
    plan, sent = trial.plan(write), len(trial.writes())
    assert (plan.creates, plan.unchanged, plan.rejects, plan.estimated_tokens) == (2, len(before), 1, 5)
    (rejected,) = [row.entry.reason for row in trial.ledger(plan) if row.entry.kind == "reject"]
    assert "Did you mean `Equipment`" in str(rejected)
    assert trial.apply(plan, write).counts == {"done": 2}
    path = f"/api/v2/dealFields/{region['field_code']}/options"
    assert requests_since(trial, sent) == [("POST", path)]
    assert labels().keys() == {*before, "Meter", "Heat pump, air"}
    trial.rows(
        {"field": region["field_code"], "old": "Meter", "new": "Smart meter"},
        {"field": "Equipment", "old": "Heat pump, air", "new": "Air pump"},
    )
    renaming = trial.write(
        "deal_field_options", match={"field": "field_code", "old": "label"}, fields={"new": "label"}
    )
    renamed = trial.plan(renaming)
    assert (renamed.updates, renamed.rejects) == (2, 0)
    assert trial.apply(renamed, renaming).counts == {"done": 2}
    assert labels().keys() == {*before, "Smart meter", "Air pump"}
    assert trial.apply(trial.undo(renamed), renaming).counts == {"done": 2}
    sent = len(trial.writes())
    assert trial.apply(trial.undo(plan), write).counts == {"done": 2}
    assert requests_since(trial, sent) == [("DELETE", path)]
    assert labels() == before

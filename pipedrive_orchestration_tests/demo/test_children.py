"""What lies below a deal agrees with the deal: its times, counts, value and end."""

from __future__ import annotations

from typing import Any

import pytest

from pipedrive_orchestration.demo import DemoServer

Record = dict[str, Any]


def v1(time: str) -> str:
    return time.replace("T", " ").removesuffix("Z")


@pytest.fixture(scope="module")
def deals(demo: DemoServer) -> list[Record]:
    return demo.account.records("deals")


def test_changes_of_a_deal_say_what_its_times_say(demo: DemoServer, deals: list[Record]) -> None:
    """The stage it is in and since when, how and when it ended; nothing before it was there."""
    moved = ended = 0
    for deal in deals:
        changes = demo.account.children.of("deal_changes", deal["id"])
        assert [one["time"] for one in changes] == sorted((one["time"] for one in changes), reverse=True)
        assert all(one["time"] >= v1(deal["add_time"]) for one in changes)
        stages = [one for one in changes if one["field_key"] == "stage_id"]
        assert bool(stages) == bool(deal["stage_change_time"])
        if stages:
            moved += 1
            assert stages[0]["time"] == v1(deal["stage_change_time"])
            assert stages[0]["new_value"] == str(deal["stage_id"])
            chain = [one["old_value"] for one in stages]
            assert chain[:-1] == [one["new_value"] for one in stages[1:]]
        ends = [(one["new_value"], one["time"]) for one in changes if one["field_key"] == "status"]
        if deal["close_time"]:
            ended += 1
            assert ends == [("won" if deal["won_time"] else "lost", v1(deal["close_time"]))]
    assert moved > 20
    assert ended > 20


def test_counts_of_a_deal_are_what_lies_below_it(demo: DemoServer, deals: list[Record]) -> None:
    below = demo.account.children
    counted = {
        "products_count": "deal_products",
        "followers_count": "deal_followers",
        "email_messages_count": "deal_mail_messages",
    }
    for deal in deals:
        for count, name in counted.items():
            assert len(below.of(name, deal["id"])) == deal[count], (deal["id"], name)
        participants = below.of("deal_participants", deal["id"])
        if demo.account["persons"].get(deal["person_id"]) is not None:
            assert len(participants) == deal["participants_count"]
        came = {one["person_id"] for one in below.of("deal_participant_changes", deal["id"])}
        assert came == {one["person_id"]["value"] for one in participants}


def test_installments_add_up_to_the_deal(demo: DemoServer, deals: list[Record]) -> None:
    paid = 0
    for deal in deals:
        parts = demo.account.children.of("deal_installments", deal["id"])
        if parts:
            paid += 1
            assert round(sum(one["amount"] for one in parts), 2) == round(deal["value"], 2)
            assert all(one["billing_date"] > deal["add_time"][:10] for one in parts)
    assert paid > 5

"""The records below others, such as the products of a deal: what each parent had when the account began.

Each parent draws from a stream of its own, so that nothing has to be made before somebody asks for it, and
the order of questions does not matter.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from random import Random

from pipedrive_orchestration.demo.clock import V1_TIME
from pipedrive_orchestration.demo.generator.business import PRODUCTS, Business
from pipedrive_orchestration.demo.generator.randomness import pick, stream
from pipedrive_orchestration.demo.records import Record, RecordId, blank

Maker = Callable[[Business, Record, Random], list[Record]]


def children_at_birth(business: Business, name: str, parent_id: RecordId) -> list[Record]:
    """The records of a kind that a parent had when the account began; none of one that came later."""
    parents, make = MAKERS[name]
    parent = business[parents].get(parent_id)
    if parent is None:
        return []
    return make(business, parent, stream(business.seed, f"{name} of {parent_id}"))


def _products(business: Business, deal: Record, rng: Random) -> list[Record]:
    return [_product(business, deal, number, rng) for number in range(deal["products_count"])]


def _product(business: Business, deal: Record, number: int, rng: Random) -> Record:
    product = business["products"][1 + rng.getrandbits(16) % PRODUCTS]
    price = float(product["prices"][0]["price"])
    quantity, discount = pick(rng, (1, 2, 4, 12, 1.5)), pick(rng, (0, 0, 0, 5, 10.5))
    return blank("deal_products") | {
        "id": 10 * int(deal["id"]) + number,
        "deal_id": deal["id"],
        "product_id": product["id"],
        "name": product["name"],
        "order_nr": 50 * (number + 1),
        "item_price": price,
        "quantity": quantity,
        "sum": round(price * quantity * (1 - discount / 100), 2),
        "discount": discount,
        "discount_type": "percentage",
        "tax": product["tax"],
        "tax_method": "exclusive",
        "currency": deal["currency"],
        "comments": "",
        "is_enabled": rng.random() < 0.95,
        "billing_frequency": product["billing_frequency"],
        "billing_frequency_cycles": product["billing_frequency_cycles"],
        "billing_start_date": None if product["billing_frequency"] == "one-time" else deal["add_time"][:10],
        "add_time": deal["add_time"],
        "update_time": None if rng.random() < 0.3 else deal["add_time"],
    }


def _deal_changes(business: Business, deal: Record, rng: Random) -> list[Record]:
    """The way of a deal through the stages of its pipeline, and how it was closed: what its times say."""
    stages = [one["id"] for one in business["stages"].values() if one["pipeline_id"] == deal["pipeline_id"]]
    changes = []
    if deal["stage_change_time"] and deal["stage_id"] in stages:
        way = stages[: stages.index(deal["stage_id"]) + 1] or [deal["stage_id"]]
        first, last = _second(deal["add_time"]), _second(deal["stage_change_time"])
        times = sorted(first + int((last - first) * rng.random()) for _ in way[2:])
        for before, after, time in zip(way, way[1:], [*times, last], strict=False):
            changes.append(change(business.owners[0], "stage_id", before, after, time))
    if deal["close_time"]:
        status = "won" if deal["won_time"] else "lost"
        changes.append(change(business.owners[0], "status", "open", status, _second(deal["close_time"])))
    return sorted(changes, key=lambda one: one["time"], reverse=True)


def change(user_id: int, key: str, before: object, after: object, second: float) -> Record:
    """One entry of a changelog."""
    return {
        "field_key": key,
        "old_value": None if before is None else str(before),
        "new_value": None if after is None else str(after),
        "actor_user_id": user_id,
        "time": f"{datetime.fromtimestamp(second, UTC):{V1_TIME}}",
        "change_source": "app",
        "change_source_user_agent": "Mozilla/5.0",
        "is_bulk_update_flag": False,
    }


def _second(time: str) -> int:
    return int(datetime.fromisoformat(time).timestamp())


MAKERS: dict[str, tuple[str, Maker]] = {
    "deal_products": ("deals", _products),
    "deal_changes": ("deals", _deal_changes),
}
"""Of every kind of children: their parents, and what makes those of one."""

"""What the company sells, in v2 shape (docs/pipedrive-api.md#records)."""

from __future__ import annotations

from random import Random

from pipedrive_orchestration.demo.generator.account import Company
from pipedrive_orchestration.demo.generator.custom_values import CustomFieldSet
from pipedrive_orchestration.demo.generator.moments import Calendar, v2_time
from pipedrive_orchestration.demo.generator.randomness import Record, pick, sample_positions, stream

PRODUCTS = 60

_KINDS = (
    ("Terra panel", "pcs", "Module", 190),
    ("Tera inverter", "pcs", "Inverter", 1_450),
    ("Nox battery", "pcs", "Storage", 6_900),
    ("Charger", "pcs", "Charging", 890),
    ("Mounting kit", "set", "Mounting", 75),
    ("Inspection", "visit", "Service", 320),
    ("Monitoring", "month", "Service", 19),
)
_SIZES = ("S", "M", "L", "XL", "200", "300", "400", "500", "Pro")
_EXCHANGE = (("EUR", 1.0), ("USD", 1.08), ("GBP", 0.86), ("JPY", 162.0), ("BRL", 5.9))


def make_products(company: Company, custom: CustomFieldSet) -> dict[int, Record]:
    """Products by id, priced in one to five currencies."""
    rng = stream(company.seed, "products")
    add_times, _ = company.calendar.add_times(rng, PRODUCTS)
    deleted = sample_positions(rng, PRODUCTS, 0.05)
    products = (
        _product(position + 1, rng, added, company.calendar, custom, is_deleted=position in deleted)
        for position, added in enumerate(add_times)
    )
    return {product["id"]: product | {"owner_id": pick(rng, company.owners)} for product in products}


def _product(
    identifier: int, rng: Random, added: int, calendar: Calendar, custom: CustomFieldSet, *, is_deleted: bool
) -> Record:
    kind, unit, category, price = pick(rng, _KINDS)
    is_monthly = unit == "month"
    updated = calendar.deletion(rng, added) if is_deleted else calendar.later(rng, added)
    return {
        "id": identifier,
        "name": f"{kind} {pick(rng, _SIZES)}",
        "code": f"BF-{identifier:04}" if identifier % 7 else None,
        "description": f"{kind} for roofs and car parks" if identifier % 3 else None,
        "unit": unit,
        "tax": pick(rng, (0, 19, 7, 20)),
        "category": category if identifier % 5 else None,
        "is_linkable": True,
        "is_deleted": is_deleted,
        "visible_to": 3,
        "owner_id": None,
        "add_time": v2_time(added),
        "update_time": v2_time(updated),
        "billing_frequency": "monthly" if is_monthly else "one-time",
        "billing_frequency_cycles": 12 if is_monthly else None,
        "prices": [
            {
                "product_id": identifier,
                "price": round(price * rate, 2),
                "currency": currency,
                "cost": round(price * rate * 0.6, 2),
                "direct_cost": None if rng.random() < 0.5 else round(price * rate * 0.1, 2),
                "notes": "",
            }
            for currency, rate in _EXCHANGE[: 1 + rng.getrandbits(8) % len(_EXCHANGE)]
        ],
        "custom_fields": custom.draw(rng),
    }

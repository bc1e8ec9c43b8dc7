"""What the company sells, in v2 shape (docs/pipedrive-api.md#records)."""

from __future__ import annotations

from random import Random

from pipedrive_orchestration.demo.generator.business import Business, Draft
from pipedrive_orchestration.demo.generator.moments import v2_time
from pipedrive_orchestration.demo.generator.randomness import pick, stream
from pipedrive_orchestration.demo.records import Record, Records, blank

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


def products(business: Business) -> Records:
    """Products by id, priced in one to five currencies."""
    rng = stream(business.seed, "products")
    drafts = business.drafts(rng, "products", deleted=0.05)
    return {
        draft.id: _product(business, rng, draft) | {"owner_id": pick(rng, business.owners)}
        for draft in drafts
    }


def _product(business: Business, rng: Random, draft: Draft) -> Record:
    kind, unit, category, price = pick(rng, _KINDS)
    is_monthly = unit == "month"
    updated = business.updated(rng, draft)
    return blank("products") | {
        "id": draft.id, "name": f"{kind} {pick(rng, _SIZES)}", "unit": unit,
        "code": f"BF-{draft.id:04}" if draft.id % 7 else None,
        "description": f"{kind} for roofs and car parks" if draft.id % 3 else None,
        "tax": pick(rng, (0, 19, 7, 20)), "category": category if draft.id % 5 else None,
        "is_linkable": True, "is_deleted": draft.is_deleted, "visible_to": 3,
        "add_time": v2_time(draft.added), "update_time": v2_time(updated),
        "billing_frequency": "monthly" if is_monthly else "one-time",
        "billing_frequency_cycles": 12 if is_monthly else None,
        "prices": [
            {
                "product_id": draft.id, "price": round(price * rate, 2), "currency": currency,
                "cost": round(price * rate * 0.6, 2), "notes": "",
                "direct_cost": None if rng.random() < 0.5 else round(price * rate * 0.1, 2),
            }
            for currency, rate in _EXCHANGE[: 1 + rng.getrandbits(8) % len(_EXCHANGE)]
        ],
        "custom_fields": business.custom("products").draw(rng),
    }  # fmt: skip

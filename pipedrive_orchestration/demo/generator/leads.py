"""Leads in v1 shape: uuid ids, millisecond times, custom values flat (docs/pipedrive-api.md#records)."""

from __future__ import annotations

from pipedrive_orchestration.demo.generator.account import COMPANY_DOMAIN, Company
from pipedrive_orchestration.demo.generator.custom_values import CustomFieldSet, flat_v1_values
from pipedrive_orchestration.demo.generator.deals import Market
from pipedrive_orchestration.demo.generator.moments import DAY, date_text, millisecond_time, v2_time
from pipedrive_orchestration.demo.generator.randomness import (
    Record,
    draw,
    pick,
    pool_of,
    sample_positions,
    stream,
    uuid_text,
)

_ARCHIVED_SHARE = 0.12
_SOURCES = ("Manually created", "Web forms", "Import", "API", "Live chat", "Deal")
_INTERESTS = ("rooftop plant", "storage", "charging park", "maintenance")


def make_leads(
    company: Company, count: int, market: Market, label_ids: list[str], custom: CustomFieldSet
) -> dict[str, Record]:
    """Leads by uuid in the order they were added; each has a person, an organization or both.

    Args:
        company: whose leads.
        count: how many.
        market: where customers are found.
        label_ids: uuids of the lead labels.
        custom: the custom fields of deals, which leads inherit.
    """
    rng, calendar = stream(company.seed, "leads"), company.calendar
    archived = sample_positions(rng, count, _ARCHIVED_SHARE)
    owners = pool_of(rng, company.owners)
    labels = pool_of(rng, [[], *([label] for label in label_ids), label_ids[:2]])
    leads: dict[str, Record] = {}
    add_times, _ = calendar.add_times(rng, count)
    for position, added in enumerate(add_times):
        customer, chance = market.customer(rng, v2_time(added)), rng.random()
        if customer.person_id is None and customer.org_id is None:
            continue
        identifier, is_archived = uuid_text(rng), position in archived
        updated = calendar.later(rng, added)
        archive_time = calendar.later(rng, updated) if is_archived else None
        milliseconds = rng.getrandbits(9)
        expected = calendar.now + int(chance * 400) * DAY
        leads[identifier] = {
            "id": identifier,
            "title": f"{customer.name} – {pick(rng, _INTERESTS)}",
            "owner_id": draw(rng, owners),
            "creator_id": draw(rng, owners),
            "label_ids": draw(rng, labels),
            "person_id": customer.person_id,
            "organization_id": customer.org_id,
            "source_name": pick(rng, _SOURCES),
            "origin": "ManuallyCreated",
            "origin_id": None,
            "channel": None,
            "channel_id": None,
            "source_deal_id": None,
            "is_archived": is_archived,
            "was_seen": chance < 0.7,
            "value": _value(chance, customer.currency),
            "expected_close_date": date_text(expected) if chance < 0.25 else None,
            "next_activity_id": None,
            "add_time": millisecond_time(added, milliseconds),
            "update_time": millisecond_time(archive_time or updated, milliseconds),
            "archive_time": millisecond_time(archive_time, milliseconds) if archive_time else None,
            "visible_to": "3",
            "cc_email": f"{COMPANY_DOMAIN}+lead{identifier[:8]}@pipedrivemail.example",
            **flat_v1_values(custom.draw(rng), custom.fields),
        }
    return leads


def _value(chance: float, currency: str) -> Record | None:
    return {"amount": round(chance * 60_000), "currency": currency} if chance > 0.35 else None

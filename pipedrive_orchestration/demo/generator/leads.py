"""Leads in v1 shape: uuid ids, millisecond times, custom values flat (docs/pipedrive-api.md#records)."""

from __future__ import annotations

from pipedrive_orchestration.demo.generator.business import Business
from pipedrive_orchestration.demo.generator.company import COMPANY_DOMAIN
from pipedrive_orchestration.demo.generator.deals import customer
from pipedrive_orchestration.demo.generator.moments import DAY, date_text, millisecond_time, v2_time
from pipedrive_orchestration.demo.generator.randomness import (
    draw,
    pick,
    pool_of,
    sample_positions,
    stream,
    uuid_text,
)
from pipedrive_orchestration.demo.records import Records, blank, flat_custom_values

_ARCHIVED_SHARE = 0.12
_SOURCES = ("Manually created", "Web forms", "Import", "API", "Live chat", "Deal")
_INTERESTS = ("rooftop plant", "storage", "charging park", "maintenance")


def leads(business: Business) -> Records:
    """Leads by uuid in the order they were added; each has a person, an organization or both."""
    rng, calendar, count = stream(business.seed, "leads"), business.calendar, len(business.ids("leads"))
    archived = sample_positions(rng, count, _ARCHIVED_SHARE)
    owners, label_ids = pool_of(rng, business.owners), list(business["lead_labels"])
    labels = pool_of(rng, [[], *([label] for label in label_ids), label_ids[:2]])
    custom = business.custom("deals")
    records: Records = {}
    add_times, _ = calendar.add_times(rng, count)
    for position, added in enumerate(add_times):
        who, chance = customer(business, rng, v2_time(added)), rng.random()
        if who.person_id is None and who.org_id is None:
            continue
        identifier, is_archived = uuid_text(rng), position in archived
        updated = calendar.later(rng, added)
        archive_time = calendar.later(rng, updated) if is_archived else None
        milliseconds = rng.getrandbits(9)
        value = {"amount": round(chance * 60_000), "currency": who.currency} if chance > 0.35 else None
        expected = calendar.now + int(chance * 400) * DAY
        records[identifier] = blank("leads") | {
            "id": identifier,
            "title": f"{who.name} – {pick(rng, _INTERESTS)}",
            "owner_id": draw(rng, owners),
            "creator_id": draw(rng, owners),
            "label_ids": draw(rng, labels),
            "person_id": who.person_id,
            "organization_id": who.org_id,
            "source_name": pick(rng, _SOURCES),
            "origin": "ManuallyCreated",
            "is_archived": is_archived,
            "was_seen": chance < 0.7,
            "value": value,
            "expected_close_date": date_text(expected) if chance < 0.25 else None,
            "add_time": millisecond_time(added, milliseconds),
            "update_time": millisecond_time(archive_time or updated, milliseconds),
            "archive_time": millisecond_time(archive_time, milliseconds) if archive_time else None,
            "visible_to": "3",
            "cc_email": f"{COMPANY_DOMAIN}+lead{identifier[:8]}@pipedrivemail.example",
            **flat_custom_values(custom.draw(rng), custom.fields),
        }
    return records

"""Organizations and the persons who work there, in v2 shape (docs/pipedrive-api.md#records)."""

from __future__ import annotations

from random import Random

from pipedrive_orchestration.demo.generator.account import COMPANY_DOMAIN, Company, label_options
from pipedrive_orchestration.demo.generator.custom_values import CustomFieldSet
from pipedrive_orchestration.demo.generator.moments import (
    DAY,
    Chronicle,
    date_text,
    v2_time,
)
from pipedrive_orchestration.demo.generator.randomness import (
    Record,
    draw,
    pick,
    pool_of,
    sample_positions,
    stream,
)
from pipedrive_orchestration.demo.generator.world import Place

_DEAL_COUNTS: Record = dict.fromkeys(
    (
        "open_deals_count",
        "related_open_deals_count",
        "closed_deals_count",
        "related_closed_deals_count",
        "won_deals_count",
        "related_won_deals_count",
        "lost_deals_count",
        "related_lost_deals_count",
    ),
    0,
)
LINKED_COUNTS: Record = {
    "next_activity_id": None,
    "last_activity_id": None,
    "email_messages_count": 0,
    "activities_count": 0,
    "done_activities_count": 0,
    "undone_activities_count": 0,
    "files_count": 0,
    "notes_count": 0,
    "followers_count": 1,
}
"""What include_fields can add to a deal, a person or an organization before anything is linked to it."""

_DELETED_SHARE = 0.012
_IMPORTED = {"organizations": 250, "persons": 650}
"""Most records that came in one bulk import; more persons than the largest page holds."""


def label_pool(rng: Random, object_type: str) -> list[list[int]]:
    """A pool of ``label_ids``: mostly none, sometimes one or two."""
    ids = [option["id"] for option in label_options(object_type)]
    return pool_of(rng, [[], [ids[0]], [ids[1]], [ids[2], ids[0]]], [70, 15, 10, 5])


Homes = dict[int, tuple[Place, str]]
"""Each organization's country and mail domain, in the order the organizations were added."""


def make_organizations(
    company: Company, ids: list[int], custom: CustomFieldSet
) -> tuple[dict[int, Record], Homes]:
    """Organizations by id, in the order they were added, and where each of them is."""
    rng, calendar, world = stream(company.seed, "organizations"), company.calendar, company.world
    add_times, imported = calendar.add_times(rng, len(ids), imported=_IMPORTED["organizations"])
    deleted = sample_positions(rng, len(ids), _DELETED_SHARE)
    labels, owner_pool = label_pool(rng, "organizations"), pool_of(rng, company.owners)
    organizations: dict[int, Record] = {}
    homes: Homes = {}
    for position, (identifier, added) in enumerate(zip(ids, add_times, strict=True)):
        place, chance = draw(rng, world.pool), rng.random()
        firm = pick(rng, place.firms)
        homes[identifier] = (place, firm.ascii)
        is_deleted = position in deleted
        if is_deleted:
            updated = calendar.deletion(rng, added)
        else:
            updated = added if position in imported else calendar.later(rng, added)
        organizations[identifier] = {
            "id": identifier,
            "name": firm.written,
            "owner_id": draw(rng, owner_pool),
            "add_time": v2_time(added),
            "update_time": v2_time(updated),
            "is_deleted": is_deleted,
            "visible_to": 3 if chance < 0.8 else 7,
            "address": pick(rng, place.addresses) if chance < 0.85 else None,
            "label_ids": draw(rng, labels),
            "website": f"https://www.{firm.ascii}" if chance < 0.6 else None,
            "linkedin": f"https://www.linkedin.com/company/{firm.ascii}" if chance < 0.3 else None,
            "industry": 1 + rng.getrandbits(4) if chance < 0.5 else None,
            "annual_revenue": rng.getrandbits(26) if chance < 0.4 else None,
            "employee_count": 1 + rng.getrandbits(11) if chance < 0.45 else None,
            "custom_fields": custom.draw(rng),
            **_DEAL_COUNTS,
            **LINKED_COUNTS,
            "people_count": 0,
            "smart_bcc_email": f"{COMPANY_DOMAIN}+org{identifier}@pipedrivemail.example",
        }
    return organizations, homes


def make_persons(
    company: Company,
    ids: list[int],
    organizations: dict[int, Record],
    homes: Homes,
    custom: CustomFieldSet,
) -> dict[int, Record]:
    """Persons by id, most of them at an organization that was there before and speaks their language."""
    rng, calendar, world = stream(company.seed, "persons"), company.calendar, company.world
    add_times, imported = calendar.add_times(rng, len(ids), imported=_IMPORTED["persons"])
    deleted = sample_positions(rng, len(ids), _DELETED_SHARE)
    labels, owner_pool = label_pool(rng, "persons"), pool_of(rng, company.owners)
    employers = Chronicle(organizations)
    persons: dict[int, Record] = {}
    for position, (identifier, added) in enumerate(zip(ids, add_times, strict=True)):
        chance, add_time = rng.random(), v2_time(added)
        organization_id = employers.one_before(rng, add_time) if chance < 0.88 else None
        if organization_id is None:
            place, domain = draw(rng, world.pool), "mail.example"
        else:
            place, domain = homes[organization_id]
        given, family = place.person_name(rng)
        mailbox = f"{given.ascii}.{family.ascii}"
        is_deleted = position in deleted
        if is_deleted:
            updated = calendar.deletion(rng, added)
        else:
            updated = added if position in imported else calendar.later(rng, added)
        persons[identifier] = {
            "id": identifier,
            "name": f"{given.written} {family.written}",
            "first_name": given.written,
            "last_name": family.written,
            "owner_id": draw(rng, owner_pool),
            "org_id": organization_id,
            "add_time": add_time,
            "update_time": v2_time(updated),
            "emails": _emails(rng, mailbox, domain),
            "phones": _phones(rng, place),
            "is_deleted": is_deleted,
            "visible_to": 3 if chance < 0.8 else 7,
            "label_ids": draw(rng, labels),
            "picture_id": identifier + 40_000 if chance < 0.05 else None,
            "postal_address": pick(rng, place.addresses) if chance < 0.2 else None,
            "notes": pick(rng, world.sentences) if chance < 0.04 else None,
            "im": [],
            "birthday": date_text(rng.getrandbits(14) * DAY) if chance < 0.1 else None,
            "job_title": pick(rng, world.job_titles) if chance < 0.6 else None,
            "custom_fields": custom.draw(rng),
            **_DEAL_COUNTS,
            "participant_open_deals_count": 0,
            "participant_closed_deals_count": 0,
            **LINKED_COUNTS,
            "last_incoming_mail_time": v2_time(calendar.later(rng, added)) if chance < 0.3 else None,
            "last_outgoing_mail_time": v2_time(calendar.later(rng, added)) if chance < 0.4 else None,
            "marketing_status": "subscribed" if chance < 0.2 else "no_consent",
            "doi_status": "not_started",
            "smart_bcc_email": f"{COMPANY_DOMAIN}+person{identifier}@pipedrivemail.example",
        }
    return persons


def _emails(rng: Random, mailbox: str, domain: str) -> list[Record]:
    chance = rng.random()
    if chance < 0.06:
        return []
    first = {"value": f"{mailbox}@{domain}", "primary": True, "label": "work"}
    if chance < 0.85:
        return [first]
    return [
        first,
        {"value": f"{mailbox}{rng.getrandbits(7)}@mail.example", "primary": False, "label": "home"},
    ]


def _phones(rng: Random, place: Place) -> list[Record]:
    chance = rng.random()
    if chance < 0.15:
        return []
    first = {"value": place.phone(rng), "primary": True, "label": "work"}
    if chance < 0.8:
        return [first]
    return [first, {"value": place.phone(rng), "primary": False, "label": "mobile"}]

"""Organizations and the persons who work there, in v2 shape (docs/pipedrive-api.md#records)."""

from __future__ import annotations

from collections import Counter
from random import Random

from pipedrive_orchestration.demo.generator.business import Business
from pipedrive_orchestration.demo.generator.company import COMPANY_DOMAIN
from pipedrive_orchestration.demo.generator.edge_cases import odd_organizations, odd_persons
from pipedrive_orchestration.demo.generator.fields import label_options
from pipedrive_orchestration.demo.generator.moments import DAY, date_text, v2_time
from pipedrive_orchestration.demo.generator.randomness import draw, pick, pool_of, stream
from pipedrive_orchestration.demo.generator.world import Place
from pipedrive_orchestration.demo.records import Record, Records, blank

_DELETED_SHARE = 0.012


def label_pool(rng: Random, name: str) -> list[list[int]]:
    """A pool of ``label_ids``: mostly none, sometimes one or two."""
    ids = [option["id"] for option in label_options(name)]
    return pool_of(rng, [[], [ids[0]], [ids[1]], [ids[2], ids[0]]], [70, 15, 10, 5])


def organizations(business: Business) -> Records:
    """Organizations by id, in the order they were added."""
    rng, world = stream(business.seed, "organizations"), business.world
    drafts = business.drafts(rng, "organizations", imported=250, deleted=_DELETED_SHARE)
    labels, owners = label_pool(rng, "organizations"), pool_of(rng, business.owners)
    records: Records = {}
    known: Counter[str] = Counter()
    for draft in drafts:
        place, chance = draw(rng, world.pool), rng.random()
        firm = pick(rng, place.firms)
        known[firm.written] += 1
        business.homes[draft.id] = (place, firm.ascii)
        updated = business.updated(rng, draft)
        records[draft.id] = blank("organizations") | {
            "id": draft.id,
            "name": _branch(firm.written, known[firm.written], pick(rng, place.addresses)["locality"]),
            "owner_id": draw(rng, owners), "visible_to": 3 if chance < 0.8 else 7,
            "add_time": v2_time(draft.added), "update_time": v2_time(updated), "is_deleted": draft.is_deleted,
            "address": pick(rng, place.addresses) if chance < 0.85 else None, "label_ids": draw(rng, labels),
            "website": f"https://www.{firm.ascii}" if chance < 0.6 else None,
            "linkedin": f"https://www.linkedin.com/company/{firm.ascii}" if chance < 0.3 else None,
            "industry": 1 + rng.getrandbits(4) if chance < 0.5 else None,
            "annual_revenue": rng.getrandbits(26) if chance < 0.4 else None,
            "employee_count": 1 + rng.getrandbits(11) if chance < 0.45 else None,
            "custom_fields": business.custom("organizations").draw(rng),
            "followers_count": 1, "email_messages_count": draft.id % 2,
            "smart_bcc_email": f"{COMPANY_DOMAIN}+org{draft.id}@pipedrivemail.example",
        }  # fmt: skip
    odd_organizations(records)
    return records


def _branch(name: str, number: int, town: str) -> str:
    """The name of a firm's office: firms have several, each in a town, and a town may have two."""
    return name if number == 1 else f"{name}, {town} {number}"


def persons(business: Business) -> Records:
    """Persons by id, most of them at an organization that was there before and speaks their language."""
    rng, calendar, world = stream(business.seed, "persons"), business.calendar, business.world
    # More persons came in one second than the largest page holds.
    drafts = business.drafts(rng, "persons", imported=650, deleted=_DELETED_SHARE)
    labels, owners = label_pool(rng, "persons"), pool_of(rng, business.owners)
    records: Records = {}
    for draft in drafts:
        chance, add_time = rng.random(), v2_time(draft.added)
        org_id = business.one_before(rng, "organizations", add_time) if chance < 0.88 else None
        place, domain = business.homes[org_id] if org_id else (draw(rng, world.pool), "mail.example")
        given, family = place.person_name(rng)
        updated = business.updated(rng, draft)
        records[draft.id] = blank("persons") | {
            "id": draft.id, "name": f"{given.written} {family.written}",
            "first_name": given.written, "last_name": family.written,
            "owner_id": draw(rng, owners), "org_id": org_id, "visible_to": 3 if chance < 0.8 else 7,
            "add_time": add_time, "update_time": v2_time(updated), "is_deleted": draft.is_deleted,
            "emails": _emails(rng, f"{given.ascii}.{family.ascii}", domain), "phones": _phones(rng, place),
            "label_ids": draw(rng, labels), "im": [],
            "picture_id": draft.id + 40_000 if chance < 0.05 else None,
            "postal_address": pick(rng, place.addresses) if chance < 0.2 else None,
            "notes": pick(rng, world.sentences) if chance < 0.04 else None,
            "birthday": date_text(rng.getrandbits(14) * DAY) if chance < 0.1 else None,
            "job_title": pick(rng, world.job_titles) if chance < 0.6 else None,
            "custom_fields": business.custom("persons").draw(rng),
            "followers_count": 1, "email_messages_count": draft.id % 2,
            "last_incoming_mail_time": v2_time(calendar.later(rng, draft.added)) if chance < 0.3 else None,
            "last_outgoing_mail_time": v2_time(calendar.later(rng, draft.added)) if chance < 0.4 else None,
            "marketing_status": "subscribed" if chance < 0.2 else "no_consent", "doi_status": "not_started",
            "smart_bcc_email": f"{COMPANY_DOMAIN}+person{draft.id}@pipedrivemail.example",
        }  # fmt: skip
    odd_persons(records)
    return records


def _emails(rng: Random, mailbox: str, domain: str) -> list[Record]:
    chance = rng.random()
    if chance < 0.06:
        return []
    first = {"value": f"{mailbox}@{domain}", "primary": True, "label": "work"}
    if chance < 0.85:
        return [first]
    other = f"{mailbox}{rng.getrandbits(7)}@mail.example"
    return [first, {"value": other, "primary": False, "label": "home"}]


def _phones(rng: Random, place: Place) -> list[Record]:
    chance = rng.random()
    if chance < 0.15:
        return []
    first = {"value": place.phone(rng), "primary": True, "label": "work"}
    if chance < 0.8:
        return [first]
    return [first, {"value": place.phone(rng), "primary": False, "label": "mobile"}]

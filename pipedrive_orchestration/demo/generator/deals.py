"""Deals in v2 shape, each with a history that its times agree with, and leads in v1 shape.

See docs/pipedrive-api.md#records.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from pipedrive_orchestration.demo.generator.business import Business, Draft
from pipedrive_orchestration.demo.generator.company import COMPANY_DOMAIN, Funnel, funnels
from pipedrive_orchestration.demo.generator.contacts import label_pool
from pipedrive_orchestration.demo.generator.moments import DAY, Calendar, date_text, millisecond_time, v2_time
from pipedrive_orchestration.demo.generator.randomness import (
    draw,
    pick,
    pool_of,
    sample_positions,
    stream,
    uuid_text,
)
from pipedrive_orchestration.demo.generator.trends import (
    EUROS_A_POUND,
    LOST_AT_PERMIT,
    MAINTENANCE,
    NEW_PLANTS,
    PERMIT,
    STORAGE,
    Seller,
    euro,
    is_in_season,
    reorganisation,
    seller,
    who_left,
)
from pipedrive_orchestration.demo.records import Record, Records, blank, flat_custom_values

_CYCLE_DAYS = 75
"""How long a deal stays open on average."""

_LOST_REASONS = ("Price", "Chose a competitor", "No budget this year", "No answer", "Roof not suitable")
_THINGS = ("rooftop plant", "carport", "storage", "maintenance", "extension", "charging park")
_ARCHIVED_LEADS = 0.12
_LEAD_SOURCES = ("Manually created", "Web forms", "Import", "API", "Live chat", "Deal")
_INTERESTS = ("rooftop plant", "storage", "charging park", "maintenance")
_ORIGINS = ("ManuallyCreated", "ManuallyCreated", "ManuallyCreated", "Import", "API", "WebForms")


@dataclass(frozen=True, slots=True)
class Customer:
    """Who a deal or a lead is made with, and the currency of their country."""

    person_id: int | None
    org_id: int | None
    name: str
    currency: str = "EUR"


def customer(business: Business, rng: Random, time: str) -> Customer:
    """Anyone known by then: a person with their organization, or one of the two alone."""
    person_id = business.one_before(rng, "persons", time) if rng.random() < 0.86 else None
    if person_id is None:
        org_id, name = business.one_before(rng, "organizations", time), "Enquiry by phone"
    else:
        org_id, name = business["persons"][person_id]["org_id"], business["persons"][person_id]["name"]
    if org_id is None:
        return Customer(person_id, None, name)
    place, _ = business.homes[org_id]
    return Customer(person_id, org_id, business["organizations"][org_id]["name"], place.country.currency)


@dataclass(slots=True)
class _History:
    """What happened to a deal and when, in seconds since 1970."""

    status: str
    stage_id: int
    stage_changed: int | None = None
    closed: int | None = None
    archived: int | None = None
    updated: int = 0


def deals(business: Business) -> Records:
    """Deals by id in the order they were added."""
    rng, calendar = stream(business.seed, "deals"), business.calendar
    drafts = business.drafts(rng, "deals", imported=300, deleted=0.03, archived=0.08, season=is_in_season)
    used = funnels(business)
    funnel_pool = pool_of(rng, used, [funnel.weight for funnel in used])
    labels, owners = label_pool(rng, "deals"), pool_of(rng, business.owners)
    records: Records = {}
    left = who_left(business)
    stays = [one for one in business.owners if one != left]
    for draft in drafts:
        funnel, owner = draw(rng, funnel_pool), draw(rng, owners)
        if draft.is_imported:
            # A spreadsheet that nobody touched is of deals that have always been where they are.
            funnel = used[MAINTENANCE - 1] if funnel.pipeline_id == STORAGE else funnel
            history = _History("open", funnel.stage_ids[0], updated=draft.added)
        else:
            history = _history(rng, calendar, funnel, draft.added, seller(business, owner))
            funnel = _reorganised(calendar, used, funnel, draft.added, history)
        if owner == left and history.status == "open":
            owner = pick(rng, stays)
        if draft.is_deleted:
            history.updated = max(history.updated, calendar.deletion(rng, draft.added))
        elif draft.is_archived:
            history.archived = history.updated = calendar.later(rng, history.updated)
        records[draft.id] = _deal(business, rng, draft, history) | {
            "pipeline_id": funnel.pipeline_id,
            "owner_id": owner,
            "creator_user_id": draw(rng, owners),
            "label_ids": draw(rng, labels),
            "custom_fields": business.custom("deals").draw(rng),
            "expected_close_date": _expected_close(rng, calendar, draft.added, history),
        }
    return records


def _history(rng: Random, calendar: Calendar, funnel: Funnel, added: int, by: Seller) -> _History:
    stages = funnel.stage_ids
    end = added + int(rng.expovariate(1 / (_CYCLE_DAYS * by.pace)) * DAY)
    if end >= calendar.now:
        reached = int(len(stages) * rng.random() ** 1.6)
        moved = calendar.later(rng, added) if reached else None
        return _History("open", stages[reached], moved, updated=calendar.later(rng, moved or added))
    is_won = rng.random() < by.wins
    reached = len(stages) - 1 if is_won else int(len(stages) * rng.random())
    if not is_won and funnel.pipeline_id == NEW_PLANTS and rng.random() < LOST_AT_PERMIT:
        reached = PERMIT
    moved = added + int((end - added) * rng.random()) if reached else None
    updated = end if rng.random() < 0.8 else calendar.later(rng, end)
    return _History("won" if is_won else "lost", stages[reached], moved, end, updated=updated)


def _reorganised(
    calendar: Calendar, used: list[Funnel], funnel: Funnel, added: int, history: _History
) -> Funnel:
    """The pipeline in which a deal ends: storage was in that of maintenance until it had its own."""
    instant = reorganisation(calendar)
    if funnel.pipeline_id != STORAGE or added >= instant:
        return funnel
    if history.closed is not None and history.closed <= instant:
        before = used[MAINTENANCE - 1]
        history.stage_id = before.stage_ids[funnel.stage_ids.index(history.stage_id)]
        return before
    history.stage_changed = max(history.stage_changed or 0, instant)
    history.updated = max(history.updated, history.stage_changed)
    return funnel


def _expected_close(rng: Random, calendar: Calendar, added: int, history: _History) -> str | None:
    chance = rng.random()
    if chance < 0.3:
        return None
    start = calendar.now if history.status == "open" and chance < 0.8 else added
    return date_text(start + int(rng.random() * 120) * DAY)


def _deal(business: Business, rng: Random, draft: Draft, history: _History) -> Record:
    who, chance = customer(business, rng, v2_time(draft.added)), rng.random()
    won = history.closed if history.status == "won" else None
    lost = history.closed if history.status == "lost" else None
    value = round(900 + rng.expovariate(1 / 24_000), 0 if who.currency == "JPY" else 2)
    currency = who.currency
    if currency == "GBP" and (
        draft.added >= euro(business.calendar) or _is_exchanged(business, draft, history)
    ):
        currency, value = "EUR", round(value * EUROS_A_POUND, 2)
    is_recurring = chance < 0.1
    return blank("deals") | {
        "id": draft.id, "title": f"{who.name} – {pick(rng, _THINGS)}", "value": value, "currency": currency,
        "person_id": who.person_id, "org_id": who.org_id, "stage_id": history.stage_id,
        "status": "deleted" if draft.is_deleted else history.status, "is_deleted": draft.is_deleted,
        "is_archived": history.archived is not None, "archive_time": _time(history.archived),
        "probability": int(chance * 100) if chance < 0.25 else None,
        "lost_reason": pick(rng, _LOST_REASONS) if lost and chance < 0.9 else None,
        "visible_to": 3 if chance < 0.8 else 7,
        "add_time": v2_time(draft.added), "update_time": v2_time(history.updated),
        "stage_change_time": _time(history.stage_changed), "close_time": _time(history.closed),
        "won_time": _time(won), "first_won_time": _time(won), "lost_time": _time(lost),
        "local_won_date": _date(won), "local_lost_date": _date(lost),
        "local_close_date": _date(history.closed),
        "origin": pick(rng, _ORIGINS), "source_lead_id": uuid_text(rng) if chance < 0.04 else None,
        "arr": round(value * 1.2, 2) if is_recurring else None,
        "mrr": round(value / 10, 2) if is_recurring else None,
        "acv": value if is_recurring else None,
        "followers_count": 1, "email_messages_count": (chance < 0.3) + (chance < 0.2),
        "products_count": rng.getrandbits(2),
        "participants_count": 0 if who.person_id is None else 1 + rng.getrandbits(1),
        "last_incoming_mail_time": v2_time(history.updated) if chance < 0.2 else None,
        "last_outgoing_mail_time": v2_time(history.updated) if chance < 0.3 else None,
        "smart_bcc_email": f"{COMPANY_DOMAIN}+deal{draft.id}@pipedrivemail.example",
    }  # fmt: skip


def _is_exchanged(business: Business, draft: Draft, history: _History) -> bool:
    """Whether a deal in pounds was open, and worked on, when they were changed to euros."""
    instant = euro(business.calendar)
    closed_later = history.closed is None or history.closed > instant
    return not draft.is_imported and closed_later and history.updated > instant


def _time(instant: int | None) -> str | None:
    return None if instant is None else v2_time(instant)


def _date(instant: int | None) -> str | None:
    return None if instant is None else date_text(instant)


def leads(business: Business) -> Records:
    """Leads by uuid in the order they were added; each has a person, an organization or both."""
    rng, calendar, count = stream(business.seed, "leads"), business.calendar, len(business.ids("leads"))
    archived = sample_positions(rng, count, _ARCHIVED_LEADS)
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
            "id": identifier, "title": f"{who.name} – {pick(rng, _INTERESTS)}", "value": value,
            "owner_id": draw(rng, owners), "creator_id": draw(rng, owners), "label_ids": draw(rng, labels),
            "person_id": who.person_id, "organization_id": who.org_id,
            "source_name": pick(rng, _LEAD_SOURCES), "origin": "ManuallyCreated",
            "is_archived": is_archived, "was_seen": chance < 0.7, "visible_to": "3",
            "expected_close_date": date_text(expected) if chance < 0.25 else None,
            "add_time": millisecond_time(added, milliseconds),
            "update_time": millisecond_time(archive_time or updated, milliseconds),
            "archive_time": millisecond_time(archive_time, milliseconds) if archive_time else None,
            "cc_email": f"{COMPANY_DOMAIN}+lead{identifier[:8]}@pipedrivemail.example",
            **flat_custom_values(custom.draw(rng), custom.fields),
        }  # fmt: skip
    return records

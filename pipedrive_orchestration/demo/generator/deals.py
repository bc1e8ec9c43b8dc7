"""Deals in v2 shape (docs/pipedrive-api.md#records), each with a history that its times agree with."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from pipedrive_orchestration.demo.generator.account import COMPANY_DOMAIN, Company, Funnel
from pipedrive_orchestration.demo.generator.contacts import LINKED_COUNTS, Homes, label_pool
from pipedrive_orchestration.demo.generator.custom_values import CustomFieldSet
from pipedrive_orchestration.demo.generator.moments import (
    DAY,
    Calendar,
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
    uuid_text,
)

_IMPORTED = 300
_DELETED_SHARE = 0.03
_ARCHIVED_SHARE = 0.08
_CYCLE_DAYS = 75
"""How long a deal stays open on average."""

_LOST_REASONS = ("Price", "Chose a competitor", "No budget this year", "No answer", "Roof not suitable")
_THINGS = ("rooftop plant", "carport", "storage", "maintenance", "extension", "charging park")
_ORIGINS = ("ManuallyCreated", "ManuallyCreated", "ManuallyCreated", "Import", "API", "WebForms")


@dataclass(frozen=True, slots=True)
class Customer:
    """Who a deal or a lead is made with, and the currency of their country."""

    person_id: int | None
    org_id: int | None
    name: str
    currency: str


class Market:
    """The persons and organizations among whom customers are found."""

    def __init__(self, persons: dict[int, Record], organizations: dict[int, Record], homes: Homes) -> None:
        self._persons, self._organizations, self._homes = persons, organizations, homes
        self._known_persons = Chronicle(persons)
        self._known_organizations = Chronicle(organizations)

    def customer(self, rng: Random, time: str) -> Customer:
        """Anyone known by then: a person with their organization, or one of the two alone."""
        if rng.random() < 0.86:
            person_id = self._known_persons.one_before(rng, time)
            if person_id is not None:
                person = self._persons[person_id]
                return self._customer(person_id, person["org_id"], person["name"])
        org_id = self._known_organizations.one_before(rng, time)
        return self._customer(None, org_id, "Enquiry by phone")

    def _customer(self, person_id: int | None, org_id: int | None, name: str) -> Customer:
        if org_id is None:
            return Customer(person_id, None, name, "EUR")
        place, _ = self._homes[org_id]
        return Customer(person_id, org_id, self._organizations[org_id]["name"], place.country.currency)


@dataclass(slots=True)
class _History:
    """What happened to a deal and when, in seconds since 1970."""

    status: str
    stage_id: int
    stage_changed: int | None = None
    closed: int | None = None
    archived: int | None = None
    updated: int = 0

    def closed_as(self, status: str) -> int | None:
        return self.closed if self.closed is not None and self.status == status else None


def make_deals(
    company: Company,
    ids: list[int],
    market: Market,
    funnels: list[Funnel],
    custom: CustomFieldSet,
) -> dict[int, Record]:
    """Deals by id in the order they were added."""
    rng, calendar = stream(company.seed, "deals"), company.calendar
    add_times, imported = calendar.add_times(rng, len(ids), imported=_IMPORTED)
    deleted = sample_positions(rng, len(ids), _DELETED_SHARE)
    archived = sample_positions(rng, len(ids), _ARCHIVED_SHARE, besides=deleted)
    funnel_pool = pool_of(rng, funnels, [funnel.weight for funnel in funnels])
    labels, owner_pool = label_pool(rng, "deals"), pool_of(rng, company.owners)
    deals: dict[int, Record] = {}
    for position, (identifier, added) in enumerate(zip(ids, add_times, strict=True)):
        funnel = draw(rng, funnel_pool)
        if position in imported:
            history = _History("open", funnel.stage_ids[0], updated=added)
        else:
            history = _unfold(rng, calendar, funnel, added)
        if position in deleted:
            history.updated = max(history.updated, calendar.deletion(rng, added))
        elif position in archived:
            history.archived = history.updated = calendar.later(rng, history.updated)
        deal = _deal(
            identifier,
            rng,
            added,
            history,
            market.customer(rng, v2_time(added)),
            is_deleted=position in deleted,
        )
        deal["pipeline_id"] = funnel.pipeline_id
        deal["owner_id"] = draw(rng, owner_pool)
        deal["creator_user_id"] = draw(rng, owner_pool)
        deal["label_ids"] = draw(rng, labels)
        deal["custom_fields"] = custom.draw(rng)
        deal["expected_close_date"] = _expected_close(rng, calendar, added, history)
        deals[identifier] = deal
    return deals


def _unfold(rng: Random, calendar: Calendar, funnel: Funnel, added: int) -> _History:
    stages = funnel.stage_ids
    end = added + int(rng.expovariate(1 / _CYCLE_DAYS) * DAY)
    if end >= calendar.now:
        reached = int(len(stages) * rng.random() ** 1.6)
        moved = calendar.later(rng, added) if reached else None
        return _History("open", stages[reached], moved, updated=calendar.later(rng, moved or added))
    is_won = rng.random() < 0.36
    reached = len(stages) - 1 if is_won else int(len(stages) * rng.random())
    moved = added + int((end - added) * rng.random()) if reached else None
    updated = end if rng.random() < 0.8 else calendar.later(rng, end)
    return _History("won" if is_won else "lost", stages[reached], moved, end, updated=updated)


def _expected_close(rng: Random, calendar: Calendar, added: int, history: _History) -> str | None:
    chance = rng.random()
    if chance < 0.3:
        return None
    start = calendar.now if history.status == "open" and chance < 0.8 else added
    return date_text(start + int(rng.random() * 120) * DAY)


def _deal(
    identifier: int, rng: Random, added: int, history: _History, customer: Customer, *, is_deleted: bool
) -> Record:
    chance = rng.random()
    won, lost, closed = history.closed_as("won"), history.closed_as("lost"), history.closed
    value = round(900 + rng.expovariate(1 / 24_000), 0 if customer.currency == "JPY" else 2)
    is_recurring = chance < 0.1
    return {
        "id": identifier,
        "title": f"{customer.name} – {pick(rng, _THINGS)}",
        "creator_user_id": None,
        "owner_id": None,
        "person_id": customer.person_id,
        "org_id": customer.org_id,
        "pipeline_id": None,
        "stage_id": history.stage_id,
        "value": value,
        "currency": customer.currency,
        "add_time": v2_time(added),
        "update_time": v2_time(history.updated),
        "stage_change_time": _time(history.stage_changed),
        "status": "deleted" if is_deleted else history.status,
        "is_deleted": is_deleted,
        "is_archived": history.archived is not None,
        "archive_time": _time(history.archived),
        "probability": int(chance * 100) if chance < 0.25 else None,
        "lost_reason": pick(rng, _LOST_REASONS) if lost and chance < 0.9 else None,
        "visible_to": 3 if chance < 0.8 else 7,
        "close_time": _time(closed),
        "won_time": _time(won),
        "lost_time": _time(lost),
        "local_won_date": _date(won),
        "local_lost_date": _date(lost),
        "local_close_date": _date(closed),
        "expected_close_date": None,
        "label_ids": [],
        "origin": pick(rng, _ORIGINS),
        "origin_id": None,
        "channel": None,
        "channel_id": None,
        "source_lead_id": uuid_text(rng) if chance < 0.04 else None,
        "arr": round(value * 1.2, 2) if is_recurring else None,
        "mrr": round(value / 10, 2) if is_recurring else None,
        "acv": value if is_recurring else None,
        "custom_fields": {},
        **LINKED_COUNTS,
        "first_won_time": _time(won),
        "products_count": rng.getrandbits(2),
        "participants_count": 0 if customer.person_id is None else 1 + rng.getrandbits(1),
        "last_incoming_mail_time": v2_time(history.updated) if chance < 0.2 else None,
        "last_outgoing_mail_time": v2_time(history.updated) if chance < 0.3 else None,
        "smart_bcc_email": f"{COMPANY_DOMAIN}+deal{identifier}@pipedrivemail.example",
    }


def _time(instant: int | None) -> str | None:
    return None if instant is None else v2_time(instant)


def _date(instant: int | None) -> str | None:
    return None if instant is None else date_text(instant)

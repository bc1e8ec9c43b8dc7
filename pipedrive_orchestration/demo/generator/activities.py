"""Activities in v2 shape: calls and visits around deals, leads and contacts.

See docs/pipedrive-api.md#records.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from pipedrive_orchestration.demo.generator.account import Company
from pipedrive_orchestration.demo.generator.moments import (
    DAY,
    HOUR,
    Calendar,
    Chronicle,
    clock_text,
    date_text,
    millisecond_time,
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

_IMPORTED = 350
_DELETED_SHARE = 0.012
_SUBJECTS = {
    "call": ("Call about the offer", "First call", "Call back"),
    "meeting": ("Offer presentation", "Kick-off", "Yearly review"),
    "task": ("Send data sheets", "Calculate the offer", "Ask for the meter readings"),
    "deadline": ("Offer expires", "Tender closes"),
    "email": ("Send the offer", "Remind of the invoice"),
    "lunch": ("Lunch", "Lunch with the owner"),
    "site_visit": ("Measure the roof", "Inspect the meter room"),
}
_ON_SITE = ("meeting", "lunch", "site_visit")
_HAS_TIME = ("call", *_ON_SITE)


@dataclass(frozen=True, slots=True)
class _Link:
    """What an activity is about."""

    deal_id: int | None = None
    lead_id: str | None = None
    person_id: int | None = None
    org_id: int | None = None


class Agenda:
    """Everything an activity can be about."""

    def __init__(
        self, deals: dict[int, Record], leads: dict[str, Record], persons: dict[int, Record]
    ) -> None:
        self._deals, self._leads, self._persons = deals, leads, persons
        self._known_deals, self._known_leads = Chronicle(deals), Chronicle(leads)
        self._known_persons = Chronicle(persons)

    def link(self, rng: Random, added: int) -> _Link:
        """Something that was there at that second; nothing at all for the odd reminder to oneself."""
        chance = rng.random()
        if chance < 0.68:
            deal_id = self._known_deals.one_before(rng, v2_time(added))
            if deal_id is not None:
                deal = self._deals[deal_id]
                return _Link(deal_id=deal_id, person_id=deal["person_id"], org_id=deal["org_id"])
        elif chance < 0.78:
            lead_id = self._known_leads.one_before(rng, millisecond_time(added))
            if lead_id is not None:
                lead = self._leads[lead_id]
                return _Link(lead_id=lead_id, person_id=lead["person_id"], org_id=lead["organization_id"])
        elif chance < 0.97:
            person_id = self._known_persons.one_before(rng, v2_time(added))
            if person_id is not None:
                return _Link(person_id=person_id, org_id=self._persons[person_id]["org_id"])
        return _Link()

    def attendees(self, person_id: int) -> list[Record]:
        """The invitation of a person who has an email address, with an answer."""
        person = self._persons[person_id]
        return [
            {
                "email": email["value"],
                "name": person["name"],
                "status": "accepted",
                "is_organizer": False,
                "person_id": person_id,
                "user_id": None,
            }
            for email in person["emails"][:1]
        ]


def make_activities(company: Company, ids: list[int], agenda: Agenda) -> dict[int, Record]:
    """Activities by id in the order they were added; about a third still lies ahead."""
    rng, calendar = stream(company.seed, "activities"), company.calendar
    add_times, imported = calendar.add_times(rng, len(ids), imported=_IMPORTED)
    deleted = sample_positions(rng, len(ids), _DELETED_SHARE)
    owners = pool_of(rng, company.owners)
    kinds = pool_of(rng, list(_SUBJECTS), [30, 15, 20, 5, 18, 4, 8])
    activities: dict[int, Record] = {}
    for position, (identifier, added) in enumerate(zip(ids, add_times, strict=True)):
        is_deleted = position in deleted
        activity = _activity(identifier, rng, company, draw(rng, kinds), agenda, added)
        activity["owner_id"], activity["creator_user_id"] = draw(rng, owners), draw(rng, owners)
        if position in imported and not activity["done"]:
            activity["update_time"] = v2_time(added)
        if is_deleted:
            activity["is_deleted"] = True
            deletion = v2_time(calendar.deletion(rng, added))
            activity["update_time"] = max(activity["update_time"], deletion)
        activities[identifier] = activity
    return activities


def _activity(
    identifier: int, rng: Random, company: Company, kind: str, agenda: Agenda, added: int
) -> Record:
    link, chance = agenda.link(rng, added), rng.random()
    due, done_at = _schedule(rng, company.calendar, added)
    has_time = kind in _HAS_TIME and chance < 0.85
    is_online = kind == "meeting" and chance < 0.4
    updated = done_at if done_at is not None else company.calendar.later(rng, added)
    return {
        "id": identifier,
        "subject": pick(rng, _SUBJECTS[kind]),
        "type": kind,
        "owner_id": None,
        "creator_user_id": None,
        "is_deleted": False,
        "add_time": v2_time(added),
        "update_time": v2_time(updated),
        "deal_id": link.deal_id,
        "lead_id": link.lead_id,
        "person_id": link.person_id,
        "org_id": link.org_id,
        "project_id": None,
        "due_date": date_text(due) if chance < 0.97 else None,
        "due_time": clock_text((8 + rng.getrandbits(3)) * HOUR + rng.getrandbits(2) * 900)
        if has_time
        else None,
        "duration": clock_text((1 + rng.getrandbits(2)) * 1_800) if has_time else None,
        "busy": has_time,
        "done": done_at is not None,
        "marked_as_done_time": None if done_at is None else v2_time(done_at),
        "location": pick(rng, draw(rng, company.world.pool).addresses)
        if kind in _ON_SITE and not is_online
        else None,
        "participants": [] if link.person_id is None else [{"person_id": link.person_id, "primary": True}],
        "attendees": agenda.attendees(link.person_id) if is_online and link.person_id is not None else None,
        "conference_meeting_client": "google_meet" if is_online else None,
        "conference_meeting_url": f"https://meet.example/{identifier:x}" if is_online else None,
        "conference_meeting_id": f"{identifier:x}" if is_online else None,
        "public_description": pick(rng, company.world.sentences) if chance < 0.15 else None,
        "priority": 1 + rng.getrandbits(1) if chance < 0.2 else None,
        "note": f"<p>{pick(rng, company.world.sentences)}</p>" if chance < 0.3 else None,
        "outcome": None,
    }


def _schedule(rng: Random, calendar: Calendar, added: int) -> tuple[int, int | None]:
    """When an activity was or is due, and when it was done if it was."""
    due = added + int(rng.random() * 21) * DAY
    if due < calendar.now and rng.random() < 0.85:
        return due, min(calendar.now, due + int(rng.random() * 2 * DAY))
    return (
        due if due > calendar.now or rng.random() < 0.3 else calendar.now + int(rng.random() * 40) * DAY
    ), None

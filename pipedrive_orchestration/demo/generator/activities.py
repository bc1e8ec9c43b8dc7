"""Activities in v2 shape: calls and visits around deals, leads and contacts; and what the phone logged.

See docs/pipedrive-api.md#records.
"""

from __future__ import annotations

from random import Random

from pipedrive_orchestration.demo.generator.business import Business, Draft
from pipedrive_orchestration.demo.generator.company import COMPANY_ID, hex_key
from pipedrive_orchestration.demo.generator.moments import (
    DAY,
    HOUR,
    Calendar,
    clock_text,
    date_text,
    millisecond_time,
    seconds_of,
    v2_time,
)
from pipedrive_orchestration.demo.generator.randomness import draw, pick, pool_of, stream
from pipedrive_orchestration.demo.records import Record, Records, blank, taken

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
_OUTCOMES = ("connected", "connected", "no_answer", "left_voicemail", "busy", "wrong_number")
_FEWEST_CALLS = 60


def activities(business: Business) -> Records:
    """Activities by id in the order they were added; about a third still lies ahead."""
    rng = stream(business.seed, "activities")
    drafts = business.drafts(rng, "activities", imported=350, deleted=0.012)
    owners = pool_of(rng, business.owners)
    kinds = pool_of(rng, list(_SUBJECTS), [30, 15, 20, 5, 18, 4, 8])
    records: Records = {}
    for draft in drafts:
        record = _activity(business, rng, draft, draw(rng, kinds))
        record |= {"owner_id": draw(rng, owners), "creator_user_id": draw(rng, owners)}
        if draft.is_imported and not record["done"]:
            record["update_time"] = v2_time(draft.added)
        if draft.is_deleted:
            deletion = v2_time(business.calendar.deletion(rng, draft.added))
            record |= {"is_deleted": True, "update_time": max(record["update_time"], deletion)}
        records[draft.id] = record
    return records


def _activity(business: Business, rng: Random, draft: Draft, kind: str) -> Record:
    link, chance = _link(business, rng, draft.added), rng.random()
    person_id = link.get("person_id")
    due, done_at = _schedule(rng, business.calendar, draft.added)
    has_time = kind in _HAS_TIME and chance < 0.85
    is_online = kind == "meeting" and chance < 0.4
    updated = done_at if done_at is not None else business.calendar.later(rng, draft.added)
    record = blank("activities") | link
    record |= {
        "id": draft.id,
        "subject": pick(rng, _SUBJECTS[kind]),
        "type": kind,
        "add_time": v2_time(draft.added),
        "update_time": v2_time(updated),
        "due_date": date_text(due) if chance < 0.97 else None,
        "busy": has_time,
        "done": done_at is not None,
        "marked_as_done_time": None if done_at is None else v2_time(done_at),
        "participants": [] if person_id is None else [{"person_id": person_id, "primary": True}],
    }
    if has_time:
        record["due_time"] = clock_text((8 + rng.getrandbits(3)) * HOUR + rng.getrandbits(2) * 900)
        record["duration"] = clock_text((1 + rng.getrandbits(2)) * 1_800)
    if kind in _ON_SITE and not is_online:
        record["location"] = pick(rng, draw(rng, business.world.pool).addresses)
    if is_online:
        record |= {
            "attendees": None if person_id is None else _attendees(business["persons"][person_id]),
            "conference_meeting_client": "google_meet",
            "conference_meeting_url": f"https://meet.example/{draft.id:x}",
            "conference_meeting_id": f"{draft.id:x}",
        }
    if chance < 0.15:
        record["public_description"] = pick(rng, business.world.sentences)
    if chance < 0.2:
        record["priority"] = 1 + rng.getrandbits(1)
    if chance < 0.3:
        record["note"] = f"<p>{pick(rng, business.world.sentences)}</p>"
    return record


def _link(business: Business, rng: Random, added: int) -> Record:
    """Something that was there at that second; nothing at all for the odd reminder to oneself."""
    chance = rng.random()
    if chance < 0.68:
        deal_id = business.one_before(rng, "deals", v2_time(added))
        if deal_id is not None:
            return {"deal_id": deal_id, **taken(business["deals"][deal_id], "person_id org_id")}
    elif chance < 0.78:
        lead_id = business.one_before(rng, "leads", millisecond_time(added))
        if lead_id is not None:
            lead = business["leads"][lead_id]
            return {"lead_id": lead_id, "person_id": lead["person_id"], "org_id": lead["organization_id"]}
    elif chance < 0.97:
        person_id = business.one_before(rng, "persons", v2_time(added))
        if person_id is not None:
            return {"person_id": person_id, **taken(business["persons"][person_id], "org_id")}
    return {}


def _attendees(person: Record) -> list[Record]:
    """The invitation of a person who has an email address, with an answer."""
    invited = {"name": person["name"], "status": "accepted", "person_id": person["id"]}
    return [
        {"email": email["value"], **invited, "is_organizer": False, "user_id": None}
        for email in person["emails"][:1]
    ]


def _schedule(rng: Random, calendar: Calendar, added: int) -> tuple[int, int | None]:
    """When an activity was or is due, and when it was done if it was."""
    due = added + int(rng.random() * 21) * DAY
    if due < calendar.now and rng.random() < 0.85:
        return due, min(calendar.now, due + int(rng.random() * 2 * DAY))
    if due > calendar.now or rng.random() < 0.3:
        return due, None
    return calendar.now + int(rng.random() * 40) * DAY, None


def call_logs(business: Business) -> Records:
    """The calls of the token's user, each of an activity that is done; nothing says when they were added."""
    rng, me = stream(business.seed, "call logs"), business.owners[0]
    calls = [one for one in business["activities"].values() if one["type"] == "call" and one["done"]]
    records: Records = {}
    for activity in calls[: max(_FEWEST_CALLS, len(calls) // 8)]:
        identifier = "CA" + hex_key(business, f"call {activity['id']}")[:26]
        begun, seconds = seconds_of(activity["add_time"]), rng.getrandbits(10)
        place = pick(rng, business.world.places)
        records[identifier] = blank("call_logs") | {
            "id": identifier, "user_id": me, "company_id": COMPANY_ID, "activity_id": activity["id"],
            **taken(activity, "person_id org_id deal_id lead_id subject"),
            "duration": str(seconds), "outcome": pick(rng, _OUTCOMES),
            "from_phone_number": place.phone(rng) if rng.random() < 0.8 else None,
            "to_phone_number": place.phone(rng), "has_recording": rng.random() < 0.2,
            "start_time": millisecond_time(begun), "end_time": millisecond_time(begun + seconds),
            "note": pick(rng, business.world.sentences) if rng.random() < 0.3 else None,
        }  # fmt: skip
    return records

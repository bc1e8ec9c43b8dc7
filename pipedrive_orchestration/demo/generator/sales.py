"""What the sales team is measured by, in v1 shape: its goals, and the calls of the token's user."""

from __future__ import annotations

import hashlib
from typing import Any

from pipedrive_orchestration.demo.generator.business import Business
from pipedrive_orchestration.demo.generator.moments import DAY, date_text, millisecond_time, seconds_of
from pipedrive_orchestration.demo.generator.randomness import pick, stream
from pipedrive_orchestration.demo.records import Records, blank

_GOALS: tuple[tuple[str, str, str, dict[str, Any], str, int, bool], ...] = (
    ("New plants", "deals_won", "company", {"pipeline_id": [1]}, "sum", 900_000, True),
    ("Deals begun", "deals_started", "person", {"pipeline_id": [1, 2]}, "quantity", 12, True),
    ("Calls of a week", "activities_completed", "person", {"activity_type_id": [1]}, "quantity", 40, True),
    ("Offers sent", "deals_progressed", "team", {"pipeline_id": [1], "stage_id": 3}, "quantity", 20, True),
    ("Visits of the pilot", "activities_added", "company", {"activity_type_id": [7]}, "quantity", 5, False),
)
"""Of each: title, type, assignee's type, the type's parameters, metric, target, and whether it is active."""

_OUTCOMES = ("connected", "connected", "no_answer", "left_voicemail", "busy", "wrong_number")
_FEWEST_CALLS = 60


def goals(business: Business) -> Records:
    """The goals of the company, of a team and of persons, by their 32-hex ids."""
    owners, calendar = business.owners, business.calendar
    assignees = {"company": 7_431_205, "person": owners[1], "team": 1}
    records: Records = {}
    for place, (title, kind, assignee, parameters, metric, target, is_active) in enumerate(_GOALS):
        identifier = _hex(business, f"goal {place}")
        outcome: dict[str, Any] = {"target": target, "tracking_metric": metric}
        records[identifier] = {
            "id": identifier,
            "owner_id": owners[0],
            "title": title,
            "type": {"name": kind, "params": parameters},
            # The second one is the token's own: asked for nothing, the list has no more than that.
            "assignee": {"type": assignee, "id": owners[0] if place == 1 else assignees[assignee]},
            "interval": "weekly" if metric == "quantity" else "monthly",
            "duration": {
                "start": date_text(calendar.opened + 30 * DAY),
                "end": date_text(calendar.now + 200 * DAY),
            },
            "expected_outcome": outcome | ({"currency_id": 1} if metric == "sum" else {}),
            "is_active": is_active,
            "report_ids": [_hex(business, f"report {place}")] if place < 3 else [],
        }
    return records


def call_logs(business: Business) -> Records:
    """The calls of the token's user, each of an activity that is done; nothing says when they were added."""
    rng, me = stream(business.seed, "call logs"), business.owners[0]
    calls = [one for one in business["activities"].values() if one["type"] == "call" and one["done"]]
    records: Records = {}
    for activity in calls[: max(_FEWEST_CALLS, len(calls) // 8)]:
        identifier = "CA" + _hex(business, f"call {activity['id']}")[:26]
        begun, seconds = seconds_of(activity["add_time"]), rng.getrandbits(10)
        place = pick(rng, business.world.places)
        records[identifier] = blank("call_logs") | {
            "id": identifier,
            "user_id": me,
            "company_id": 7_431_205,
            "activity_id": activity["id"],
            "person_id": activity["person_id"],
            "org_id": activity["org_id"],
            "deal_id": activity["deal_id"],
            "lead_id": activity["lead_id"],
            "subject": activity["subject"],
            "duration": str(seconds),
            "outcome": pick(rng, _OUTCOMES),
            "from_phone_number": place.phone(rng) if rng.random() < 0.8 else None,
            "to_phone_number": place.phone(rng),
            "has_recording": rng.random() < 0.2,
            "start_time": millisecond_time(begun),
            "end_time": millisecond_time(begun + seconds),
            "note": pick(rng, business.world.sentences) if rng.random() < 0.3 else None,
        }
    return records


def _hex(business: Business, what: str) -> str:
    return hashlib.sha256(f"{business.seed}/{what}".encode()).hexdigest()[:32]

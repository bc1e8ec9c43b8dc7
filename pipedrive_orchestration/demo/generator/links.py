"""Counts and activity ids that follow from what is linked to a deal, a person or an organization.

They are computed from finished records, so that a reader who counts for himself comes to the same.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

from pipedrive_orchestration.demo.generator.business import Business
from pipedrive_orchestration.demo.records import Record

PARENTS = {"deal_id": "deals", "person_id": "persons", "org_id": "organizations"}
"""Properties that link a record to one that counts it."""

Linked = Callable[[str, str, Any], Iterable[Record]]
"""The records of a collection of which a property names a record: collection, property, the record's id."""


def count_links(business: Business) -> None:
    """Fill in every ``*_count``, ``next_activity_id`` and ``last_activity_id``; changes the records."""
    tables: dict[tuple[str, str], defaultdict[Any, list[Record]]] = defaultdict(lambda: defaultdict(list))
    for name in ("notes", "files", "activities", "deals", "persons"):
        for record in business[name].values():
            for prop in (*PARENTS, "lead_id"):
                if record.get(prop) is not None:
                    tables[name, prop][record[prop]].append(record)

    def linked(name: str, prop: str, record_id: Any) -> Iterable[Record]:
        return tables[name, prop].get(record_id, ())

    for prop, name in PARENTS.items():
        for record in business[name].values():
            record.update(counts(linked, prop, record["id"]))
    for lead in business["leads"].values():
        lead["next_activity_id"] = activity_counts(linked, "lead_id", lead["id"])["next_activity_id"]


def counts(linked: Linked, prop: str, record_id: Any) -> Record:
    """What a record says of those whose property names it; what is deleted or archived does not count."""
    found = activity_counts(linked, prop, record_id)
    for kind in ("notes", "files"):
        found[f"{kind}_count"] = sum(one["active_flag"] for one in linked(kind, prop, record_id))
    if prop != "deal_id":
        found |= _deal_counts("", linked("deals", prop, record_id))
    if prop == "org_id":
        staff = list(linked("persons", prop, record_id))
        found["people_count"] = sum(not person["is_deleted"] for person in staff)
        deals = (deal for person in staff for deal in linked("deals", "person_id", person["id"]))
        found |= _deal_counts("related_", (deal for deal in deals if deal["org_id"] != record_id))
    return found


def _deal_counts(prefix: str, deals: Iterable[Record]) -> Record:
    statuses = [deal["status"] for deal in deals if not (deal["is_deleted"] or deal["is_archived"])]
    opened, won, lost = (statuses.count(status) for status in ("open", "won", "lost"))
    return {
        f"{prefix}open_deals_count": opened,
        f"{prefix}closed_deals_count": won + lost,
        f"{prefix}won_deals_count": won,
        f"{prefix}lost_deals_count": lost,
    }


def activity_counts(linked: Linked, prop: str, record_id: Any) -> Record:
    """How many activities a record has, which one was the last, and which one is next."""
    alive = [activity for activity in linked("activities", prop, record_id) if not activity["is_deleted"]]
    done = [activity for activity in alive if activity["done"]]
    undone = [activity for activity in alive if not activity["done"]]
    return {
        "activities_count": len(alive),
        "done_activities_count": len(done),
        "undone_activities_count": len(undone),
        "next_activity_id": min((_due(one), one["id"]) for one in undone)[1] if undone else None,
        "last_activity_id": -max((_due(one), -one["id"]) for one in done)[1] if done else None,
    }


def _due(activity: Record) -> tuple[str, str]:
    """When an activity is due; one without a date comes last."""
    return activity["due_date"] or "9999", activity["due_time"] or ""

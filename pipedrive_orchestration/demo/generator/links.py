"""Counts and activity ids that follow from what is linked to a deal, a person or an organization.

They are computed from the finished account, so that a reader who counts for himself comes to the same.
"""

from __future__ import annotations

from collections.abc import Iterator

from pipedrive_orchestration.demo.generator.business import Business
from pipedrive_orchestration.demo.records import Record

PARENTS = {"deal_id": "deals", "person_id": "persons", "org_id": "organizations"}
"""Properties that link a record to one that counts it."""


def count_links(business: Business) -> None:
    """Fill in every ``*_count``, ``next_activity_id`` and ``last_activity_id``; changes the records.

    Deleted activities, notes and persons do not count, nor do deleted or archived deals.
    """
    for deal in _live(business, "deals"):
        _count_deal(business, deal)
    for person in _live(business, "persons"):
        if organization := business["organizations"].get(person["org_id"]):
            organization["people_count"] += 1
    for activity in _live(business, "activities"):
        for parent in _parents(business, activity):
            _count_activity(business, activity, parent)
        lead = business["leads"].get(activity["lead_id"])
        if lead and not activity["done"]:
            lead["next_activity_id"] = activity["id"]
    for name in ("notes", "files"):
        for record in _live(business, name):
            for parent in _parents(business, record):
                parent[f"{name}_count"] += 1


def _live(business: Business, name: str) -> Iterator[Record]:
    for record in business[name].values():
        if record.get("active_flag", True) and not (record.get("is_deleted") or record.get("is_archived")):
            yield record


def _count_deal(business: Business, deal: Record) -> None:
    person = business["persons"].get(deal["person_id"])
    organization = business["organizations"].get(deal["org_id"])
    employer = business["organizations"].get(person["org_id"]) if person else None
    for kind in ("open",) if deal["status"] == "open" else ("closed", deal["status"]):
        for parent in filter(None, (person, organization)):
            parent[f"{kind}_deals_count"] += 1
        if employer and employer is not organization:
            employer[f"related_{kind}_deals_count"] += 1


def _parents(business: Business, record: Record) -> Iterator[Record]:
    for link, name in PARENTS.items():
        parent = business[name].get(record[link])
        if parent is not None:
            yield parent


def _count_activity(business: Business, activity: Record, parent: Record) -> None:
    done = activity["done"]
    parent["activities_count"] += 1
    parent["done_activities_count" if done else "undone_activities_count"] += 1
    key = "last_activity_id" if done else "next_activity_id"
    current = business["activities"].get(parent[key])
    if current is None or (due(activity) > due(current) if done else due(activity) < due(current)):
        parent[key] = activity["id"]


def due(activity: Record) -> tuple[str, str]:
    """When an activity is due, to compare it with others; one without a date comes last."""
    return activity["due_date"] or "9999", activity["due_time"] or ""

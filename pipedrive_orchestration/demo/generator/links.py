"""Counts and activity ids that follow from what is linked to a deal, a person or an organization.

They are computed from the finished account, so that a reader who counts for himself comes to the same.
"""

from __future__ import annotations

from collections.abc import Iterable

from pipedrive_orchestration.demo.generator.randomness import Record


def count_links(
    deals: dict[int, Record],
    persons: dict[int, Record],
    organizations: dict[int, Record],
    leads: dict[str, Record],
    activities: dict[int, Record],
    notes: dict[int, Record],
) -> None:
    """Fill in every ``*_count``, ``next_activity_id`` and ``last_activity_id``; changes the records.

    Deleted activities, notes and persons do not count, nor do deleted or archived deals.
    """
    for deal in deals.values():
        if not (deal["is_deleted"] or deal["is_archived"]):
            _count_deal(deal, persons, organizations)
    for person in persons.values():
        organization = organizations.get(person["org_id"])
        if organization and not person["is_deleted"]:
            organization["people_count"] += 1
    for activity in activities.values():
        if not activity["is_deleted"]:
            targets = _targets(activity, deals, persons, organizations)
            _count_activity(activity, targets, activities)
            _note_next_activity_of_lead(activity, leads)
    for note in notes.values():
        if note["active_flag"]:
            for target in _targets(note, deals, persons, organizations):
                target["notes_count"] += 1


def _count_deal(deal: Record, persons: dict[int, Record], organizations: dict[int, Record]) -> None:
    person, organization = persons.get(deal["person_id"]), organizations.get(deal["org_id"])
    kinds = ("open",) if deal["status"] == "open" else ("closed", deal["status"])
    for target in filter(None, (person, organization)):
        for kind in kinds:
            target[f"{kind}_deals_count"] += 1
    employer = organizations.get(person["org_id"]) if person else None
    if employer and employer is not organization:
        for kind in kinds:
            employer[f"related_{kind}_deals_count"] += 1


def _targets(
    linked: Record, deals: dict[int, Record], persons: dict[int, Record], organizations: dict[int, Record]
) -> Iterable[Record]:
    candidates = (
        deals.get(linked["deal_id"]),
        persons.get(linked["person_id"]),
        organizations.get(linked["org_id"]),
    )
    return [target for target in candidates if target is not None]


def _count_activity(activity: Record, targets: Iterable[Record], activities: dict[int, Record]) -> None:
    done = activity["done"]
    for target in targets:
        target["activities_count"] += 1
        target["done_activities_count" if done else "undone_activities_count"] += 1
        key = "last_activity_id" if done else "next_activity_id"
        current = activities.get(target[key])
        if current is None or (_due(activity) > _due(current) if done else _due(activity) < _due(current)):
            target[key] = activity["id"]


def _note_next_activity_of_lead(activity: Record, leads: dict[str, Record]) -> None:
    lead = leads.get(activity["lead_id"])
    if lead and not activity["done"]:
        lead["next_activity_id"] = activity["id"]


def _due(activity: Record) -> tuple[str, str]:
    return activity["due_date"] or "9999", activity["due_time"] or ""

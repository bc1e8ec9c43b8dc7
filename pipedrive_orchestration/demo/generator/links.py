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
    tables = {
        (name, prop): _table(business[name].values(), prop)
        for name in ("notes", "files", "activities", "deals", "persons")
        for prop in (*PARENTS, "lead_id")
    }

    def linked(name: str, prop: str, record_id: Any) -> Iterable[Record]:
        return tables[name, prop].get(record_id, ())

    for prop, name in PARENTS.items():
        named = {target for (_, link), table in tables.items() if link == prop for target in table}
        for record_id in named & business[name].keys():
            business[name][record_id].update(counts(linked, prop, record_id))
    for lead_id in tables["activities", "lead_id"].keys() & business["leads"].keys():
        found = activity_counts(linked, "lead_id", lead_id)
        business["leads"][lead_id]["next_activity_id"] = found["next_activity_id"]


def _table(records: Iterable[Record], prop: str) -> dict[Any, list[Record]]:
    """The records that name another one, by the one they name."""
    table: defaultdict[Any, list[Record]] = defaultdict(list)
    for record in records:
        if (target := record.get(prop)) is not None:
            table[target].append(record)
    return table


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
    """How many activities a record has, and which were the last and the next; one without a date is late."""
    done: list[tuple[str, str, int]] = []
    undone: list[tuple[str, str, int]] = []
    for activity in linked("activities", prop, record_id):
        if not activity["is_deleted"]:
            due, time, number = activity["due_date"] or "9999", activity["due_time"] or "", activity["id"]
            if activity["done"]:
                done.append((due, time, -number))
            else:
                undone.append((due, time, number))
    return {
        "activities_count": len(done) + len(undone),
        "done_activities_count": len(done),
        "undone_activities_count": len(undone),
        "next_activity_id": min(undone)[-1] if undone else None,
        "last_activity_id": -max(done)[-1] if done else None,
    }

"""What follows from a record's links: counts and activity ids of its parents, names in its notes.

Pipedrive keeps these in step without touching a parent's ``update_time`` (docs/pipedrive-api.md#times).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from operator import itemgetter

from pipedrive_orchestration.demo.account.account import Account
from pipedrive_orchestration.demo.generator.links import PARENTS, due
from pipedrive_orchestration.demo.generator.notes import NOTED
from pipedrive_orchestration.demo.records import Record, RecordId


def follow_up(account: Account, name: str, before: Record | None, after: Record | None) -> None:
    """Brings everything into step that depends on a record's links and name.

    Args:
        account: the account, in which the change has been stored.
        name: the record's collection.
        before: the record as it was; none if it is new.
        after: the record as it is now; none if it is gone.
    """
    versions = [version for version in (before, after) if version is not None]
    for prop, parent_name in PARENTS.items():
        for parent_id in {version.get(prop) for version in versions}:
            _recount(account, parent_name, parent_id)
    if name == "deals":
        for version in versions:
            person = account["persons"].get(version["person_id"])
            if person is not None and person["org_id"] is not None:
                _recount(account, "organizations", person["org_id"])
    for lead_id in {version["lead_id"] for version in versions} if name == "activities" else ():
        _find_next_activity(account, lead_id)
    if after is not None:
        _rename_in_notes(account, name, after)


def _recount(account: Account, name: str, record_id: RecordId | None) -> None:
    record = account[name].get(record_id)
    if record is None:
        return
    counted = {**record, **_counts(account, name, record)}
    if counted != record:
        account[name].put(counted)


def _counts(account: Account, name: str, record: Record) -> Record:
    prop = next(prop for prop, parent in PARENTS.items() if parent == name)
    record_id = record["id"]
    counts: Record = {}
    for kind in ("notes", "files"):
        linked = _records(account, kind, account[kind].linked(prop, record_id))
        counts[f"{kind}_count"] = sum(one["active_flag"] for one in linked)
    counts |= _activity_counts(account, prop, record_id)
    if name != "deals":
        counts |= _deal_counts("", _open_to_view(account, prop, record_id))
    if name == "organizations":
        staff = _records(account, "persons", account["persons"].linked("org_id", record_id))
        counts["people_count"] = sum(not person["is_deleted"] for person in staff)
        related = (
            deal
            for person in staff
            for deal in _open_to_view(account, "person_id", person["id"])
            if deal["org_id"] != record_id
        )
        counts |= _deal_counts("related_", related)
    return counts


def _records(account: Account, name: str, ids: Iterable[RecordId]) -> list[Record]:
    return [record for record_id in ids if (record := account[name].get(record_id)) is not None]


def _open_to_view(account: Account, prop: str, parent_id: RecordId) -> Iterator[Record]:
    """Deals of the parent that are neither deleted nor archived."""
    for deal in _records(account, "deals", account["deals"].linked(prop, parent_id)):
        if not (deal["is_deleted"] or deal["is_archived"]):
            yield deal


def _deal_counts(prefix: str, deals: Iterable[Record]) -> Record:
    statuses = [deal["status"] for deal in deals]
    opened, won, lost = (statuses.count(status) for status in ("open", "won", "lost"))
    return {
        f"{prefix}open_deals_count": opened,
        f"{prefix}closed_deals_count": won + lost,
        f"{prefix}won_deals_count": won,
        f"{prefix}lost_deals_count": lost,
    }


def _activity_counts(account: Account, prop: str, parent_id: RecordId) -> Record:
    linked = _records(account, "activities", account["activities"].linked(prop, parent_id))
    alive = sorted((one for one in linked if not one["is_deleted"]), key=itemgetter("id"))
    done = [activity for activity in alive if activity["done"]]
    undone = [activity for activity in alive if not activity["done"]]
    return {
        "activities_count": len(alive),
        "done_activities_count": len(done),
        "undone_activities_count": len(undone),
        "next_activity_id": min(undone, key=due)["id"] if undone else None,
        "last_activity_id": max(done, key=due)["id"] if done else None,
    }


def _find_next_activity(account: Account, lead_id: RecordId | None) -> None:
    lead = account["leads"].get(lead_id)
    if lead is not None:
        next_id = _activity_counts(account, "lead_id", lead["id"])["next_activity_id"]
        account["leads"].put({**lead, "next_activity_id": next_id})


def _rename_in_notes(account: Account, name: str, record: Record) -> None:
    for link, (target, key, title) in NOTED.items():
        if target == name:
            for note in _records(account, "notes", account["notes"].linked(link, record["id"])):
                if note[key] != {title: record[title]}:
                    account["notes"].put({**note, key: {title: record[title]}})

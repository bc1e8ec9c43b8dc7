"""What follows from a record's links: counts and activity ids of its parents, names in its notes.

Pipedrive keeps these in step without touching a parent's ``update_time`` (docs/pipedrive-api.md#times).
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

from pipedrive_orchestration.demo.account.account import Account
from pipedrive_orchestration.demo.generator.documents import NOTED
from pipedrive_orchestration.demo.generator.links import PARENTS, activity_counts, counts
from pipedrive_orchestration.demo.records import Record, taken


def follow_up(account: Account, name: str, before: Record | None, after: Record | None) -> None:
    """Brings everything into step that depends on a record's links and name.

    Args:
        account: the account, in which the change has been stored.
        name: the record's collection.
        before: the record as it was; none if it is new.
        after: the record as it is now; none if it is gone.
    """
    versions = [version for version in (before, after) if version is not None]
    for prop in PARENTS:
        for parent_id in {version.get(prop) for version in versions}:
            _recount(account, prop, parent_id)
    if name == "deals":
        for version in versions:
            person = account["persons"].get(version["person_id"])
            _recount(account, "org_id", person and person["org_id"])
    if name == "activities":
        for lead_id in {version["lead_id"] for version in versions}:
            _find_next_activity(account, lead_id)
    if after is not None:
        _rename_in_notes(account, name, after)


def _linked(account: Account, name: str, prop: str, record_id: Any) -> Iterable[Record]:
    return filter(None, map(account[name].get, account[name].linked(prop, record_id)))


def _recount(account: Account, prop: str, record_id: Any) -> None:
    collection = account[PARENTS[prop]]
    if (record := collection.get(record_id)) is not None:
        counted = record | counts(partial(_linked, account), prop, record_id)
        if counted != record:
            collection.put(counted)


def _find_next_activity(account: Account, lead_id: Any) -> None:
    if (lead := account["leads"].get(lead_id)) is not None:
        found = activity_counts(partial(_linked, account), "lead_id", lead_id)
        account["leads"].put(lead | taken(found, "next_activity_id"))


def _rename_in_notes(account: Account, name: str, record: Record) -> None:
    for link, (target, key, title) in NOTED.items():
        if target == name:
            for note in _linked(account, "notes", link, record["id"]):
                if note[key] != taken(record, title):
                    account["notes"].put({**note, key: taken(record, title)})

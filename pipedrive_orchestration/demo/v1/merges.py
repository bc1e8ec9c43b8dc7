"""Merges: the record named by ``merge_with_id`` survives and its values win.

See docs/pipedrive-api.md#deletions-merges-and-archiving.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pipedrive_orchestration.demo.account.account import Account
from pipedrive_orchestration.demo.account.collection import Record, RecordId
from pipedrive_orchestration.demo.account.counts import follow_up
from pipedrive_orchestration.demo.bodies import read
from pipedrive_orchestration.demo.call import Answer, Call, success
from pipedrive_orchestration.demo.errors import bad_request, not_found
from pipedrive_orchestration.demo.parameters import Query, parse
from pipedrive_orchestration.demo.v1.bodies import Merge
from pipedrive_orchestration.demo.v1.records import SHAPES

_LINKS: dict[str, tuple[tuple[str, str], ...]] = {
    "deals": (("activities", "deal_id"), ("notes", "deal_id")),
    "persons": (
        ("deals", "person_id"),
        ("activities", "person_id"),
        ("notes", "person_id"),
        ("leads", "person_id"),
    ),
    "organizations": (
        ("persons", "org_id"),
        ("deals", "org_id"),
        ("activities", "org_id"),
        ("notes", "org_id"),
        ("leads", "organization_id"),
    ),
}
"""What points at a record of each kind and moves to the survivor."""

_NEVER_INHERITED = frozenset(
    {"id", "add_time", "update_time", "is_deleted", "is_archived", "archive_time", "status"}
)
_UNITED = frozenset({"emails", "phones"})


def merge(name: str) -> Callable[[Call], Answer]:
    """The endpoint that merges two records of a collection."""

    def merge_records(call: Call) -> Answer:
        parse(call, Query)
        loser = _alive(call, name, call.id)
        survivor_id = read(call, Merge)["merge_with_id"]
        if survivor_id == loser["id"]:
            raise bad_request("v1", ["merge_with_id: A record cannot be merged with itself."])
        survivor = _alive(call, name, survivor_id)
        merged = _merge(call.account, name, loser, survivor)
        if name == "organizations":
            return success({"id": survivor_id})
        return success({**SHAPES[name](call.account, merged), "merge_what_id": loser["id"]})

    return merge_records


def _alive(call: Call, name: str, record_id: RecordId) -> Record:
    record = call.account[name].get(record_id)
    if record is None or record["is_deleted"]:
        raise not_found()
    if record.get("is_archived"):
        raise bad_request("v1", ["An archived record cannot be merged."])
    return record


def _merge(account: Account, name: str, loser: Record, survivor: Record) -> Record:
    inherited = {prop: _inherited(prop, survivor[prop], loser.get(prop)) for prop in survivor}
    account.save(name, inherited)
    deleted = {**loser, "is_deleted": True}
    if name == "deals":
        deleted["status"] = "deleted"
    deleted = account.save(name, deleted)
    for linked_name, prop in _LINKS[name]:
        for record_id in sorted(account[linked_name].linked(prop, loser["id"]), key=str):
            _move(account, linked_name, prop, record_id, survivor["id"])
    follow_up(account, name, loser, deleted)
    account.merged[name, loser["id"]] = survivor["id"]
    account.merged[name, survivor["id"]] = loser["id"]
    merged = account[name].get(survivor["id"])
    assert merged is not None, "it has just been stored"
    follow_up(account, name, survivor, merged)
    return account[name].get(survivor["id"]) or merged


def _inherited(prop: str, own: Any, other: Any) -> Any:
    if prop in _NEVER_INHERITED or other in (None, "", []):
        return own
    if prop in _UNITED:
        known = {contact["value"] for contact in own}
        return own + [{**one, "primary": not own} for one in other if one["value"] not in known]
    if prop == "custom_fields":
        return {code: value if value is not None else other.get(code) for code, value in (own or {}).items()}
    return other if own in (None, "", []) else own


def _move(account: Account, name: str, prop: str, record_id: RecordId, target: RecordId) -> None:
    before = account[name].get(record_id)
    assert before is not None, "a link table names a record that is gone"
    moved = {**before, prop: target}
    if name == "activities" and prop == "person_id":
        moved["participants"] = [
            {**one, "person_id": target} if one["person_id"] == before[prop] else one
            for one in before["participants"] or ()
        ]
    shelf = account[name].shelf(before)
    if shelf.deleted:
        account[name].put(moved)  # saving would postpone its purge
    else:
        moved = account.save(name, moved)
    follow_up(account, name, before, moved)

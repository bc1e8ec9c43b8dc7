"""Merges: the record named by ``merge_with_id`` survives and its values win.

See docs/pipedrive-api.md#deletions-merges-and-archiving.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pipedrive_orchestration.demo.account.account import Account
from pipedrive_orchestration.demo.account.counts import follow_up
from pipedrive_orchestration.demo.account.references import TARGETS
from pipedrive_orchestration.demo.account.v1_shapes import v1_record
from pipedrive_orchestration.demo.bodies import read
from pipedrive_orchestration.demo.call import Answer, Call, success
from pipedrive_orchestration.demo.errors import not_found
from pipedrive_orchestration.demo.records import Record, RecordId

_NEVER_INHERITED = frozenset(
    {"id", "add_time", "update_time", "is_deleted", "is_archived", "archive_time", "status"}
)
_UNITED = frozenset({"emails", "phones"})


def merged(call: Call) -> Answer:
    """Two records of a collection become one."""
    account, name = call.account, call.name
    loser = _alive(call, call.id)
    survivor_id = read(call, table="id: merge_with_id!!")["merge_with_id"]
    if survivor_id == loser["id"]:
        raise call.refusal("merge_with_id: A record cannot be merged with itself.")
    record = _merge(account, name, loser, _alive(call, survivor_id))
    if name == "organizations":
        return success({"id": survivor_id})
    return success({**v1_record(account, name, record), "merge_what_id": loser["id"]})


def _alive(call: Call, record_id: RecordId) -> Record:
    record = call.collection.get(record_id)
    if record is None or record["is_deleted"]:
        raise not_found()
    if record.get("is_archived"):
        raise call.refusal("An archived record cannot be merged.")
    return record


def _merge(account: Account, name: str, loser: Record, survivor: Record) -> Record:
    account.save(name, {prop: _inherited(prop, survivor[prop], loser.get(prop)) for prop in survivor})
    deleted = account.save(name, {**loser, **(account[name].schema.deleted or {})})
    for linked_name, prop in _links_to(account, name):
        for record_id in sorted(account[linked_name].linked(prop, loser["id"]), key=str):
            _move(account, linked_name, prop, record_id, survivor["id"])
    follow_up(account, name, loser, deleted)
    account.merged[name, loser["id"]] = survivor["id"]
    account.merged[name, survivor["id"]] = loser["id"]
    follow_up(account, name, survivor, account[name].get(survivor["id"]))
    return account[name].get(survivor["id"]) or survivor


def _links_to(account: Account, name: str) -> Iterator[tuple[str, str]]:
    """Every property of a collection that points at records of the given one."""
    for other, collection in account.collections.items():
        yield from ((other, prop) for prop in collection.schema.links if TARGETS[prop] == name)


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
    after = {**before, prop: target}
    if name == "activities" and prop == "person_id":
        after["participants"] = [
            {**one, "person_id": target} if one["person_id"] == before[prop] else one
            for one in before["participants"] or ()
        ]
    if account[name].schema.state(before).deleted:
        account[name].put(after)  # saving would postpone its purge
    else:
        after = account.save(name, after)
    follow_up(account, name, before, after)

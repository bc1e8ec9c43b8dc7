"""The writes of records: what creates, changes and deletes one, in every collection alike."""

from __future__ import annotations

from pipedrive_orchestration.demo.account import deals
from pipedrive_orchestration.demo.account.account import Account
from pipedrive_orchestration.demo.account.counts import follow_up
from pipedrive_orchestration.demo.account.custom_values import (
    split_flat,
    with_custom_fields,
    with_flat_values,
)
from pipedrive_orchestration.demo.account.rules import after_deletion, blank, problems, settled
from pipedrive_orchestration.demo.bodies import read
from pipedrive_orchestration.demo.call import Answer, Call, success, success_encoded
from pipedrive_orchestration.demo.endpoints.projection import projection
from pipedrive_orchestration.demo.errors import not_found
from pipedrive_orchestration.demo.records import Record


def created(call: Call) -> Answer:
    """A record is added."""
    record = add(call, call.name, _changes(call))
    return _shown(call, record, call.collection.schema.created)


def add(call: Call, name: str, changes: Record) -> Record:
    """Adds a record to a collection, which need not be the one that the call is about.

    Raises:
        ApiError: 400 if something speaks against it.
    """
    account = call.account
    before = blank(account, name)
    _check(call, name, before, changes)
    before["id"] = account.new_id(name)
    if "add_time" in before:
        before["add_time"] = account.stamp(name)
    return _written(account, name, before, changes)


def _shown(call: Call, record: Record, status: int = 200) -> Answer:
    """The answer to a write that left a record."""
    match call.name:
        case "roles":
            return success({"id": record["id"]}, status)
        case "goals":
            return success({"goal": record}, status)
        case _:
            return success_encoded(projection(call)(record["id"]), status)


def updated(call: Call) -> Answer:
    """A record is changed; an archived one can be brought back and a deleted deal restored, and no more.

    See docs/pipedrive-api.md#deletions-merges-and-archiving.
    """
    account, name, before = call.account, call.name, call.record()
    changes = _changes(call)
    if before.get("is_deleted"):
        record = _restored(call, before, changes)
    elif before.get("is_archived") and changes != {"is_archived": False}:
        raise call.refusal(f"An archived {name[:-1]} can only be un-archived, with is_archived false.")
    else:
        _check(call, name, before, changes)
        record = _written(account, name, before, changes)
    return _shown(call, record)


def archived(call: Call) -> Answer:
    """A project is archived; nothing brings it back."""
    record = call.record()
    if call.collection.schema.is_deleted(record) or record["archive_time"] is not None:
        raise not_found()
    saved = call.account.save(call.name, {**record, "archive_time": call.account.stamp(call.name)})
    return _shown(call, saved)


def deleted(call: Call) -> Answer:
    """A record is deleted."""
    record = call.record()
    if call.collection.schema.is_deleted(record):
        raise not_found()
    gone = delete(call.account, call.name, record)
    match call.name:
        case "notes":
            return success(data=True)
        case "goals" | "call_logs":
            return Answer(b'{"success":true}')
        case "activity_types":
            return success(gone)
        case _:
            return success({"id": record["id"]})


def several_deleted(call: Call) -> Answer:
    """Records are deleted by their ids, as far as they are there."""
    found = [record for one in call.query["ids"] if (record := call.collection.get(one)) is not None]
    there = [record for record in found if not call.collection.schema.is_deleted(record)]
    for record in there:
        delete(call.account, call.name, record)
    return success({"id": [record["id"] for record in there]})


def _changes(call: Call) -> Record:
    """The keys that the body gives, with custom values in v2 form under ``custom_fields``."""
    schema = call.collection.schema
    if schema.fields is None or not schema.flat:
        return read(call)
    content = call.json()
    values: Record = {}
    if isinstance(content, dict):
        content, values = split_flat(call.account.fields[schema.fields], content)
    return read(call, content) | ({"custom_fields": values} if values else {})


def _check(call: Call, name: str, before: Record, changes: Record) -> None:
    if found := list(problems(call.account, name, before, changes)):
        raise call.refusal(*found)


def _written(account: Account, name: str, before: Record, changes: Record) -> Record:
    """The record as it is once the keys have been written and all that follows has been done."""
    schema, former = account[name].schema, account[name].get(before["id"])
    built_in = {key: changes[key] for key in changes if key != "custom_fields"}
    record = settled(account, name, before, built_in)
    if schema.fields is not None and schema.flat:
        record = with_flat_values(account.fields[schema.fields], record, changes.get("custom_fields", {}))
    elif schema.fields is not None:
        record = with_custom_fields(account.fields[schema.fields], record, changes)
    record = account.save(name, record)
    follow_up(account, name, former, record)
    return delete(account, name, record) if record.get("is_deleted") else record


def delete(account: Account, name: str, record: Record) -> Record:
    """The record as its deletion leaves it, or as it was if it leaves none."""
    current, schema = account[name].get(record["id"]) or record, account[name].schema
    if schema.deleted is None:
        account[name].remove(record["id"])
        gone = current
    else:
        gone = account.save(name, {**current, **schema.deleted})
    follow_up(account, name, current, gone)
    after_deletion(account, name, gone)
    return gone


def _restored(call: Call, before: Record, changes: Record) -> Record:
    if call.name != "deals":
        raise not_found()
    if changes != {"is_deleted": False}:
        raise call.refusal("is_deleted: A deleted deal can only be restored, with is_deleted false.")
    record = call.account.save(call.name, deals.restored(before))
    follow_up(call.account, call.name, before, record)
    return record

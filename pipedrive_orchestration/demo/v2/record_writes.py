"""The v2 writes of records: POST, PATCH and DELETE."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pipedrive_orchestration.demo.account import deals
from pipedrive_orchestration.demo.account.account import Account
from pipedrive_orchestration.demo.account.collection import Record
from pipedrive_orchestration.demo.account.counts import follow_up
from pipedrive_orchestration.demo.account.rules import RULES, blank, problems, with_custom_fields
from pipedrive_orchestration.demo.bodies import Body, read
from pipedrive_orchestration.demo.call import Answer, Call, success, success_encoded
from pipedrive_orchestration.demo.errors import bad_request, not_found
from pipedrive_orchestration.demo.parameters import Query, parse


def create(name: str, model: type[Body], status: int = 200) -> Callable[[Call], Answer]:
    """The endpoint that adds a record.

    Args:
        name: the collection.
        model: what the body may hold.
        status: HTTP status of success (201 where OpenAPI v2 says so).
    """

    def create_record(call: Call) -> Answer:
        parse(call, Query)
        changes = read(call, model)
        before = blank(call.account, name)
        _check(call, name, before, changes)
        before["id"] = call.account.new_id(name)
        before["add_time"] = call.account.stamp(name)
        record = _apply(call.account, name, before, changes)
        if record.get("is_deleted"):
            record = _delete(call.account, name, record)
        return success_encoded(call.account[name].encoded(record["id"]), status)

    return create_record


def update(name: str, model: type[Body]) -> Callable[[Call], Answer]:
    """The endpoint that changes a record."""

    def update_record(call: Call) -> Answer:
        parse(call, Query)
        before = call.record(name)
        changes = read(call, model)
        if before["is_deleted"]:
            record = _restore(call, name, before, changes)
        else:
            _refuse_archived(before, changes)
            _check(call, name, before, changes)
            record = _apply(call.account, name, before, changes)
            if record["is_deleted"]:
                record = _delete(call.account, name, record)
        return success_encoded(call.account[name].encoded(record["id"]))

    return update_record


def delete(name: str) -> Callable[[Call], Answer]:
    """The endpoint that soft-deletes a record."""

    def delete_record(call: Call) -> Answer:
        parse(call, Query)
        record = call.record(name)
        if record["is_deleted"]:
            raise not_found()
        _delete(call.account, name, record)
        return success({"id": record["id"]})

    return delete_record


def _check(call: Call, name: str, before: Record, changes: Record) -> None:
    found = list(problems(call.account, name, before, changes))
    if found:
        raise bad_request("v2", found)


def _apply(account: Account, name: str, before: Record, changes: Record) -> Record:
    former = account[name].get(before["id"])
    settled = RULES[name](account, before, {key: changes[key] for key in changes if key != "custom_fields"})
    record = account.save(name, with_custom_fields(account, name, settled, changes))
    follow_up(account, name, former, record)
    return _current(account, name, record)


def _delete(account: Account, name: str, record: Record) -> Record:
    deleted = {**record, "is_deleted": True}
    if name == "deals":
        deleted["status"] = "deleted"
    follow_up(account, name, record, account.save(name, deleted))
    return _current(account, name, record)


def _restore(call: Call, name: str, before: Record, changes: Record) -> Record:
    """A deleted deal can be restored and nothing else.

    See docs/pipedrive-api.md#deletions-merges-and-archiving.
    """
    if name != "deals" or changes != {"is_deleted": False}:
        if name == "deals":
            raise bad_request(
                "v2", ["is_deleted: A deleted deal can only be restored, with is_deleted false."]
            )
        raise not_found()
    record = call.account.save(name, deals.restored(before))
    follow_up(call.account, name, before, record)
    return _current(call.account, name, record)


def _refuse_archived(before: Record, changes: dict[str, Any]) -> None:
    """An archived deal is read-only until it is un-archived.

    See docs/pipedrive-api.md#deletions-merges-and-archiving.
    """
    if before.get("is_archived") and changes != {"is_archived": False}:
        raise bad_request("v2", ["An archived deal can only be un-archived, with is_archived false."])


def _current(account: Account, name: str, record: Record) -> Record:
    current = account[name].get(record["id"])
    assert current is not None, "it has just been stored"
    return current

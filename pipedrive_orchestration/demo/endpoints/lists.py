"""Lists and single reads of records."""

from __future__ import annotations

from itertools import islice
from typing import Any

from pipedrive_orchestration.demo.call import Answer, Call, success, success_encoded, success_list
from pipedrive_orchestration.demo.endpoints.paging import cursor_after, offset_page, position
from pipedrive_orchestration.demo.endpoints.projection import projection
from pipedrive_orchestration.demo.endpoints.selection import selected, sorting_of
from pipedrive_orchestration.demo.operations import Paging


def listed(call: Call) -> Answer:
    """The records of a collection that are neither archived nor, unless asked for, deleted."""
    return _page(call, archived=False)


def archived(call: Call) -> Answer:
    """The archived records of a collection."""
    return _page(call, archived=True)


def _page(call: Call, *, archived: bool) -> Answer:
    encode = projection(call)
    if call.operation.paging is Paging.WHOLE:
        return success_list(map(encode, selected(call)), **_beside(call))
    if call.operation.paging is Paging.OFFSET:
        return offset_page(call, selected(call, archived=archived), encode)
    ((prop, _),) = sorting_of(call)
    direction, limit = call.query["sort_direction"], call.query["limit"]
    after = position(call, prop, direction)
    ids = list(islice(selected(call, after, archived=archived), limit + 1))
    last = call.collection.get(ids[limit - 1]) if len(ids) > limit else None
    cursor = cursor_after(last, prop, direction) if last else None
    return success_list(map(encode, ids[:limit]), additional_data={"next_cursor": cursor})


def one(call: Call) -> Answer:
    """One record, archived or not; a deleted one too, until it is purged."""
    record = call.record()
    return success_encoded(projection(call)(record["id"]), **_beside(call))


def _beside(call: Call) -> dict[str, Any]:
    """What answers hold beside the data: of users, whose company they are."""
    if call.name == "users":
        return {"additional_data": {"company_id": call.account.me["company_id"]}}
    return {}


def me(call: Call) -> Answer:
    """Whose token it is, and the company."""
    return success(call.account.me)

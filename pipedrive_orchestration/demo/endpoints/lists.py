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
    direction, limit = call.query.get("sort_direction", "asc"), call.query["limit"]
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
    if call.name == "webhooks":
        return {"status": "ok"}
    is_list = call.operation.paging is Paging.WHOLE
    return {"additional_data": None} if is_list and call.operation.version == "v2" else {}


_OF_EVERYONE = ("type.", "expected_outcome.", "assignee.type")
"""The parameters with which the list of goals has everyone's; without one it has the user's own."""


def goals(call: Call) -> Answer:
    """The goals that satisfy every parameter, under a key of their own."""
    asked = {name: value for name, value in call.query.items() if value is not None}
    asked.setdefault("is_active", True)
    if not any(name.startswith(_OF_EVERYONE) for name in asked):
        asked.setdefault("assignee.id", call.account.me["id"])
    found = [goal for goal in call.collection if all(_has(goal, *one) for one in asked.items())]
    return success({"goals": found})


def _has(goal: Any, name: str, wanted: Any) -> bool:
    """Whether a goal has a value at a place such as ``type.params.stage_id``, or among several there."""
    if name.startswith("period."):
        first, last = goal["duration"]["start"], goal["duration"]["end"]
        return bool(first <= wanted if name == "period.end" else last >= wanted)
    value = goal
    for key in name.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return wanted in value if isinstance(value, list) else bool(value == wanted)


def connections(call: Call) -> Answer:
    """The connections of the token's user: by service, its id there or false."""
    return success({one["service"]: one["third_party_id"] for one in call.collection})


def me(call: Call) -> Answer:
    """Whose token it is, and the company."""
    return success(call.account.me)

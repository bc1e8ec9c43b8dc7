"""Lists of records below others: those of one parent, or of several that the query names."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable
from typing import Any

import orjson

from pipedrive_orchestration.demo.account.children import parents_of
from pipedrive_orchestration.demo.account.collection import sort_key
from pipedrive_orchestration.demo.account.derived_children import progress
from pipedrive_orchestration.demo.call import Answer, Call, success, success_list
from pipedrive_orchestration.demo.endpoints.paging import offset_page
from pipedrive_orchestration.demo.errors import not_found
from pipedrive_orchestration.demo.operations import Paging
from pipedrive_orchestration.demo.records import Record, RecordId

_FOLLOWED = ("deal", "person", "organization", "product")

LISTS = {
    "/deals/products": "deal_products",
    "/deals/installments": "deal_installments",
    "/deals/{id}/discounts": "deal_discounts",
    "/deals/{id}/changelog": "deal_changes",
    "/persons/{id}/changelog": "person_changes",
    "/organizations/{id}/changelog": "organization_changes",
    "/deals/{id}/participants": "deal_participants",
    "/deals/{id}/participantsChangelog": "deal_participant_changes",
    "/notes/{id}/comments": "note_comments",
    "/products/{id}/variations": "product_variations",
    "/products/{id}/images": "product_images",
    "/products/{id}/deals": "product_deals",
    "/persons/{id}/products": "person_products",
    "/goals/{id}/results": "goal_results",
    **{f"/{one}s/{{id}}/flow": f"{one}_flow" for one in _FOLLOWED[:3]},
    "/organizationRelationships": "organization_relationships",
    "/users/{id}/followers": "user_followers",
    "/mailbox/mailThreads/{id}/mailMessages": "mail_messages",
    "/users/{id}/permissions": "user_permissions",
    "/roles/{id}/assignments": "role_assignments",
    "/roles/{id}/pipelines": "role_pipelines",
    "/permissionSets/{id}/assignments": "permission_set_assignments",
    "/projects/{id}/changelog": "project_changes",
    "/projects/{id}/plan": "project_plan",
    "/projects/{id}/groups": "project_groups",
    "/projects/{id}/permittedUsers": "project_permitted_users",
    **{f"/{one}s/{{id}}/mailMessages": f"{one}_mail_messages" for one in _FOLLOWED[:3]},
    **{f"/{one}s/{{id}}/followers": f"{one}_followers" for one in _FOLLOWED},
    **{f"/{one}s/{{id}}/followers/changelog": f"{one}_follower_changes" for one in _FOLLOWED},
    **{f"/{one}s/{{id}}/permittedUsers": f"{one}_permitted_users" for one in (*_FOLLOWED, "lead")},
}
"""The children that a path lists."""


_OBJECTS: dict[str, Callable[[list[Any]], Record]] = {
    "role_pipelines": lambda ids: {"pipeline_ids": ids, "visible": True},
    "user_permissions": lambda granted: {
        "can_bulk_edit_items": False,
        **{one["permission"]: True for one in granted},
    },
}
"""The children that come as an object, and how that is made of them."""


def listed(call: Call) -> Answer:
    """The children of a parent, or of those that are there among some."""
    name = LISTS[call.operation.path]
    below = call.account.children
    children = [child for parent_id in _parents(call, name) for child in below.of(name, parent_id)]
    if name in _CHOSEN:
        children = _CHOSEN[name](call, children)
    if call.operation.paging is None:
        if not children:
            raise not_found(call.name)
        return success(children[0])
    if "sort_by" in call.query:
        prop, down = call.query["sort_by"], call.query["sort_direction"] == "desc"
        children = sorted(children, key=lambda one: sort_key(one, prop), reverse=down)
    if name in _OBJECTS:
        return success(_OBJECTS[name](children))
    if call.operation.paging is Paging.OFFSET:
        return offset_page(call, children, orjson.dumps)
    if call.operation.paging is Paging.WHOLE:
        return success_list(map(orjson.dumps, children))
    start, limit = _position(call), call.query["limit"]
    more = len(children) > start + limit
    cursor = _cursor(start + limit) if more else None
    return success_list(_encoded(children[start : start + limit]), additional_data={"next_cursor": cursor})


def _in_period(call: Call, results: list[Record]) -> list[Record]:
    """The result of a goal for the span that is asked for, which has to lie within the goal's own."""
    start, end = call.query["period.start"], call.query["period.end"]
    for result in results:
        duration = result["goal"]["duration"]
        if start < duration["start"] or end < start or (duration["end"] and end > duration["end"]):
            raise call.refusal("period: The period has to lie within the duration of the goal.")
        result["progress"] = progress(call.account, result["goal"], start, end)
    return results


_CHOSEN: dict[str, Callable[[Call, list[Any]], list[Any]]] = {
    "goal_results": _in_period,
    "person_products": lambda _call, links: [
        {str(link["deal_id"]): {"deal": link["deal"], "product": link["product"]}} for link in links
    ],
    "product_deals": lambda call, deals: [
        deal for deal in deals if not call.query["status"] or _has_status(deal, call.query["status"])
    ],
    **{
        f"{one}_flow": lambda call, items: [
            item for item in items if not call.query["items"] or item["object"] in call.query["items"]
        ]
        for one in _FOLLOWED[:3]
    },
}
"""What of some children an answer has, and how it writes them."""


def _has_status(deal: Record, wanted: Iterable[str]) -> bool:
    return "all_not_deleted" in wanted or deal["status"] in wanted


def _encoded(children: Iterable[Record]) -> Iterable[bytes]:
    return map(orjson.dumps, children)


def _parents(call: Call, name: str) -> list[RecordId]:
    collection = call.account[parents_of(name)]
    if "deal_ids" in call.query:
        return [one for one in dict.fromkeys(call.query["deal_ids"]) if one in collection]
    if call.name == "mailbox":
        parent_id: RecordId = int(call.path["id"]) if call.path["id"].isdigit() else 0
    else:
        parent_id = call.id if "id" in call.path else call.query["org_id"]
    if collection.get(parent_id) is None:
        raise not_found(collection.name)
    return [parent_id]


def _cursor(start: int) -> str:
    return base64.urlsafe_b64encode(b"id:%d" % start).rstrip(b"=").decode()


def _position(call: Call) -> int:
    cursor = call.query["cursor"]
    if cursor is None:
        return 0
    try:
        mark, _, start = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_").partition(b":")
    except (binascii.Error, ValueError):
        mark, start = b"", b""
    if mark != b"id" or not start.isdigit():
        raise call.refusal("cursor: This value is not a valid cursor.")
    return int(start)

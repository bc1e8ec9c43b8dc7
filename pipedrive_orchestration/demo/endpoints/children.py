"""Records below others: their lists, of one parent or of several that the query names, and their writes."""

from __future__ import annotations

import base64
import binascii
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson

from pipedrive_orchestration.demo.account.children import parents_of, progress
from pipedrive_orchestration.demo.account.collection import sort_key
from pipedrive_orchestration.demo.account.references import reference_problems
from pipedrive_orchestration.demo.bodies import BODIES, read
from pipedrive_orchestration.demo.call import Answer, Call, success, success_list
from pipedrive_orchestration.demo.clock import LEAD_TIME, V1_TIME, V2_TIME
from pipedrive_orchestration.demo.endpoints.paging import offset_page
from pipedrive_orchestration.demo.errors import not_found
from pipedrive_orchestration.demo.generator.children import (
    FOLLOWED,
    as_seen,
    assignment,
    participant,
    relationship,
)
from pipedrive_orchestration.demo.operations import Paging
from pipedrive_orchestration.demo.records import Record, RecordId, blank, taken

LISTS = {
    "/deals/products": "deal_products",
    "/deals/installments": "deal_installments",
    "/deals/{id}/discounts": "deal_discounts",
    "/deals/{id}/participants": "deal_participants",
    "/deals/{id}/participantsChangelog": "deal_participant_changes",
    "/notes/{id}/comments": "note_comments",
    "/products/{id}/variations": "product_variations",
    "/products/{id}/images": "product_images",
    "/products/{id}/deals": "product_deals",
    "/persons/{id}/products": "person_products",
    "/goals/{id}/results": "goal_results",
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
    **{f"/{one}s/{{id}}/changelog": f"{one}_changes" for one in FOLLOWED[:3]},
    **{f"/{one}s/{{id}}/flow": f"{one}_flow" for one in FOLLOWED[:3]},
    **{f"/{one}s/{{id}}/mailMessages": f"{one}_mail_messages" for one in FOLLOWED[:3]},
    **{f"/{one}s/{{id}}/followers": f"{one}_followers" for one in FOLLOWED},
    **{f"/{one}s/{{id}}/followers/changelog": f"{one}_follower_changes" for one in FOLLOWED},
    **{f"/{one}s/{{id}}/permittedUsers": f"{one}_permitted_users" for one in (*FOLLOWED, "lead")},
}
"""The children that a path lists."""


def listed(call: Call) -> Answer:
    """The children of a parent, or of those that are there among some."""
    name, query = LISTS[call.operation.path], call.query
    below = call.account.children
    children = [child for parent_id in _parents(call, name) for child in below.of(name, parent_id)]
    if name in _CHOSEN:
        children = _CHOSEN[name](call, children)
    if "sort_by" in query:
        prop, is_descending = query["sort_by"], query["sort_direction"] == "desc"
        children = sorted(children, key=lambda one: sort_key(one, prop), reverse=is_descending)
    if name in _OBJECTS:
        return success(_OBJECTS[name](children))
    match call.operation.paging:
        case Paging.OFFSET:
            return offset_page(call, children, orjson.dumps)
        case Paging.WHOLE:
            return success_list(map(orjson.dumps, children))
        case Paging.CURSOR:
            start, end = (first := _position(call)), first + query["limit"]
            cursor = _cursor(end) if len(children) > end else None
            page = map(orjson.dumps, children[start:end])
            return success_list(page, additional_data={"next_cursor": cursor})
        case _:
            if not children:
                raise not_found(call.name)
            return success(children[0])


_OBJECTS: dict[str, Callable[[list[Any]], Record]] = {
    "role_pipelines": lambda ids: {"pipeline_ids": ids, "visible": True},
    "user_permissions": lambda granted: {
        "can_bulk_edit_items": False,
        **{one["permission"]: True for one in granted},
    },
}
"""The children that come as an object, and how that is made of them."""


def _in_period(call: Call, results: list[Record]) -> list[Record]:
    """The result of a goal for the span that is asked for, which has to lie within the goal's own."""
    start, end = call.query["period.start"], call.query["period.end"]
    for result in results:
        duration = result["goal"]["duration"]
        if start < duration["start"] or end < start or (duration["end"] and end > duration["end"]):
            raise call.refusal("period: The period has to lie within the duration of the goal.")
        result["progress"] = progress(call.account, result["goal"], start, end)
    return results


def _with_status(call: Call, deals: list[Record]) -> list[Record]:
    wanted = call.query["status"]
    if not wanted or "all_not_deleted" in wanted:
        return deals
    return [deal for deal in deals if deal["status"] in wanted]


def _of_kinds(call: Call, items: list[Record]) -> list[Record]:
    wanted = call.query["items"]
    return [item for item in items if not wanted or item["object"] in wanted]


_CHOSEN: dict[str, Callable[[Call, list[Any]], list[Any]]] = {
    "goal_results": _in_period,
    "person_products": lambda _call, links: [
        {str(link["deal_id"]): taken(link, "deal product")} for link in links
    ],
    "product_deals": _with_status,
    **{f"{one}_flow": _of_kinds for one in FOLLOWED[:3]},
}
"""What of some children an answer has, and how it writes them."""


def _parents(call: Call, name: str) -> list[RecordId]:
    collection = call.account[parents_of(name)]
    if "deal_ids" in call.query:
        return [one for one in dict.fromkeys(call.query["deal_ids"]) if one in collection]
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


Make = Callable[[Call, Record, Record, Record], Record]
"""A call, the parent, the child as it was or a blank one, and the body: the child as it is then."""


@dataclass(frozen=True, slots=True)
class ChildKind:
    """A kind of records below others that can be written.

    Attributes:
        name: what it is called, and its bodies are.
        make: the child after a write.
        key: tells it from the others of its parent.
        counted: the parent's count of them, if it has one.
        created: HTTP status of an answer that created one.
    """

    name: str
    make: Make
    key: str = "id"
    counted: str | None = None
    created: int = 200


def _now(call: Call, form: str = V2_TIME) -> str:
    return call.account.clock.now().strftime(form)


def _follower(call: Call, _parent: Record, _before: Record, given: Record) -> Record:
    return {"user_id": given["user_id"], "add_time": _now(call)}


def _deal_product(call: Call, deal: Record, before: Record, given: Record) -> Record:
    usual = {
        "deal_id": deal["id"], "currency": deal["currency"], "tax": 0, "discount": 0, "comments": "",
        "discount_type": "percentage", "tax_method": "exclusive", "is_enabled": True,
        "billing_frequency": "one-time", "order_nr": 50, "add_time": _now(call),
    }  # fmt: skip
    record = (before if before["deal_id"] else before | usual) | given | {"update_time": _now(call)}
    product = call.account["products"].get(record["product_id"])
    assert product is not None, "references were checked"
    full, discount = record["item_price"] * record["quantity"], record["discount"]
    off = full * discount / 100 if record["discount_type"] == "percentage" else discount
    return record | {"name": product["name"], "sum": round(full - off, 2)}


def _discount(call: Call, deal: Record, before: Record, given: Record) -> Record:
    me, now = call.account.me["id"], _now(call)
    born = {"deal_id": deal["id"], "created_at": before["created_at"] or now, "created_by": me}
    return before | born | given | {"updated_at": now, "updated_by": me}


def _installment(_call: Call, deal: Record, before: Record, given: Record) -> Record:
    return before | {"deal_id": deal["id"]} | given


def _variation(_call: Call, product: Record, before: Record, given: Record) -> Record:
    usual: Record = {"cost": 0, "direct_cost": None, "notes": "", "product_variation_id": before["id"]}
    record = before | {"product_id": product["id"], "prices": before["prices"] or []} | given
    return record | {"prices": [usual | price for price in record["prices"]]}


def _participant(call: Call, deal: Record, before: Record, given: Record) -> Record:
    person = call.account["persons"].get(given["person_id"])
    assert person is not None, "references were checked"
    return before | participant(deal, person, call.account.me, _now(call, V1_TIME))


def _comment(call: Call, note: Record, before: Record, given: Record) -> Record:
    me, now = call.account.me, _now(call, LEAD_TIME)
    born = {
        "active_flag": True, "add_time": before["add_time"] or now, "object_id": str(note["id"]),
        "object_type": "note", "user_id": me["id"], "company_id": me["company_id"],
    }  # fmt: skip
    updater = {"updater_id": me["id"]} if before["add_time"] else {}
    return before | born | given | updater | {"update_time": now}


def _assignment(_call: Call, role: Record, before: Record, given: Record) -> Record:
    return before | assignment(role, given["user_id"])


MOST_AT_ONCE = 100
"""Children that one request adds or deletes."""

KINDS = {
    "/deals/{id}/products": ChildKind("deal_products", _deal_product, counted="products_count", created=201),
    "/deals/{id}/discounts": ChildKind("deal_discounts", _discount, created=201),
    "/deals/{id}/installments": ChildKind("deal_installments", _installment),
    "/deals/{id}/participants": ChildKind("deal_participants", _participant, counted="participants_count"),
    "/products/{id}/variations": ChildKind("product_variations", _variation, created=201),
    "/notes/{id}/comments": ChildKind("note_comments", _comment, "uuid"),
    "/roles/{id}/assignments": ChildKind("role_assignments", _assignment, "user_id"),
    "/products/{id}/followers": ChildKind("product_followers", _follower, "user_id", created=201),
    **{
        f"/{one}s/{{id}}/followers": ChildKind(
            f"{one}_followers", _follower, "user_id", "followers_count", created=201
        )
        for one in FOLLOWED[:3]
    },
}
"""The kinds of children that can be written, by the paths of their lists."""


def kind_of(path: str) -> ChildKind | None:
    """The kind of children that a path is about, its own or that of one of them."""
    return KINDS.get(path) or KINDS.get(path.rpartition("/")[0])


def one(call: Call) -> Answer:
    """One child."""
    _, _, children, place = _found(call)
    return success(children[place])


def created(call: Call) -> Answer:
    """A child is added."""
    kind, parent = _kind(call), _parent(call)
    given = _given(call, kind)
    children = call.account.children.of(kind.name, parent["id"])
    blank_one = blank(kind.name)
    if kind.key != "user_id":
        blank_one[kind.key] = _new_id(call, kind)
    elif any(child["user_id"] == given["user_id"] for child in children):
        raise call.refusal("user_id: The user is there already.")
    child = kind.make(call, parent, blank_one, given)
    _keep(call, kind, parent, [*children, child])
    return success(
        taken(child, "user_id role_id") if kind.name == "role_assignments" else child, kind.created
    )


def several_created(call: Call) -> Answer:
    """Several children are added, or none of them if one of them is refused."""
    kind, parent = KINDS[call.operation.path.removesuffix("/bulk")], _parent(call)
    content = call.json()
    listed = content.get("data") if isinstance(content, dict) else None
    if not isinstance(listed, list) or not 1 <= len(listed) <= MOST_AT_ONCE:
        raise call.refusal(f"data: Should be a list of 1 to {MOST_AT_ONCE} objects.")
    given = [_given(call, kind, one) for one in listed]
    children = [
        kind.make(call, parent, {**blank(kind.name), kind.key: _new_id(call, kind)}, one) for one in given
    ]
    _keep(call, kind, parent, [*call.account.children.of(kind.name, parent["id"]), *children])
    return success(children, kind.created)


def several_deleted(call: Call) -> Answer:
    """Children are deleted by their ids, as far as they are there; the first hundred if no ids are given."""
    kind, parent = _kind(call), _parent(call)
    children = call.account.children.of(kind.name, parent["id"])
    wanted = call.query["ids"] or [str(child[kind.key]) for child in children[:MOST_AT_ONCE]]
    if len(wanted) > MOST_AT_ONCE:
        raise call.refusal(f"ids: Up to {MOST_AT_ONCE} ids can be given.")
    gone = {str(one) for one in wanted}
    kept = [child for child in children if str(child[kind.key]) not in gone]
    _keep(call, kind, parent, kept)
    ids = [child[kind.key] for child in children if str(child[kind.key]) in gone]
    more = {"more_items_in_collection": bool(kept) and not call.query["ids"]}
    return success({"ids": ids}, additional_data=more)


def updated(call: Call) -> Answer:
    """A child is changed."""
    kind, parent, children, place = _found(call)
    child = kind.make(call, parent, children[place], _given(call, kind))
    _keep(call, kind, parent, [*children[:place], child, *children[place + 1 :]])
    return success(child)


def deleted(call: Call) -> Answer:
    """A child is deleted."""
    kind, parent, children, place = _found(call)
    _keep(call, kind, parent, [*children[:place], *children[place + 1 :]])
    if kind.name == "note_comments":
        return success(data=True)
    if kind.name == "role_assignments":
        return success({"id": parent["id"]})
    return success({kind.key: children[place][kind.key]})


def _kind(call: Call) -> ChildKind:
    kind = kind_of(call.operation.path)
    assert kind is not None, "the path is one of them"
    return kind


def _parent(call: Call) -> Record:
    parent = call.record()
    if call.collection.schema.is_deleted(parent):
        raise not_found(call.name)
    return parent


def _given(call: Call, kind: ChildKind, content: Any = None) -> Record:
    given = read(call, content, BODIES[kind.name])
    if found := list(reference_problems(call.account, given)):
        raise call.refusal(*found)
    return given


def _new_id(call: Call, kind: ChildKind) -> RecordId:
    if kind.name in ("note_comments", "deal_discounts"):
        return str(uuid.UUID(str(call.account.new_id("leads"))))
    return _new_number(call, kind.name)


def _new_number(call: Call, name: str) -> int:
    # Those that were there from the beginning have ten times their parents' ids, and the next nine.
    return 10_000_000 + int(call.account.new_id(name))


def _found(call: Call) -> tuple[ChildKind, Record, list[Any], int]:
    kind, parent = _kind(call), _parent(call)
    children = call.account.children.of(kind.name, parent["id"])
    if kind.name == "role_assignments":
        wanted = str(read(call, table=BODIES[kind.name])["user_id"])
    else:
        wanted = call.path[call.operation.path.rpartition("{")[2].rstrip("}")]
    for place, child in enumerate(children):
        if str(child[kind.key]) == wanted:
            return kind, parent, children, place
    raise not_found(kind.name)


def _keep(call: Call, kind: ChildKind, parent: Record, children: list[Any]) -> None:
    call.account.children.replace(kind.name, parent["id"], children)
    if kind.counted is not None:
        call.account.save(call.name, {**parent, kind.counted: len(children)})


_RELATIONSHIPS = "organization_relationships"
_SIDES = ("rel_owner_org_id", "rel_linked_org_id")


def relationship_shown(call: Call) -> Answer:
    """One relationship of two organizations."""
    found = _relationship(call)
    return success(relationship(found, *({"id": found[side]["value"], **found[side]} for side in _SIDES)))


def relationship_created(call: Call) -> Answer:
    """Two organizations are related."""
    return success(_related(call, {"id": _new_number(call, _RELATIONSHIPS), "add_time": _now(call, V1_TIME)}))


def relationship_updated(call: Call) -> Answer:
    """A relationship is changed."""
    before = _relationship(call)
    ids = {side: before[side]["value"] for side in _SIDES}
    return success(_related(call, taken(before, "id type add_time") | ids))


def relationship_deleted(call: Call) -> Answer:
    """A relationship is ended."""
    gone = _relationship(call)
    _without(call, gone)
    return success({"id": gone["id"]})


def _relationship(call: Call) -> Record:
    for organization in call.account["organizations"]:
        for found in call.account.children.of(_RELATIONSHIPS, organization["id"]):
            if str(found["id"]) == call.path["id"]:
                return dict(found)
    raise not_found(_RELATIONSHIPS)


def _without(call: Call, gone: Record) -> None:
    for side in _SIDES:
        kept = call.account.children.of(_RELATIONSHIPS, gone[side]["value"])
        others = [one for one in kept if one["id"] != gone["id"]]
        call.account.children.replace(_RELATIONSHIPS, gone[side]["value"], others)


def _related(call: Call, before: Record) -> Record:
    given = before | read(call, table=BODIES[_RELATIONSHIPS])
    ids = {side: given[side] for side in _SIDES}
    found = list(reference_problems(call.account, ids))
    if len(set(ids.values())) == 1:
        found.append("rel_linked_org_id: An organization cannot be related to itself.")
    if found:
        raise call.refusal(*found)
    if "type" in before:
        _without(call, _relationship(call))
    given["update_time"] = _now(call, V1_TIME)
    owner, linked = filter(None, map(call.account["organizations"].get, ids.values()))
    whole = relationship(given, owner, linked)
    for organization in (owner, linked):
        kept = call.account.children.of(_RELATIONSHIPS, organization["id"])
        seen = whole | as_seen(given, owner, linked, organization)
        call.account.children.replace(_RELATIONSHIPS, organization["id"], [*kept, seen])
    return whole

"""Writes of records below others, by a table: what a new one is like, and how one is told from the others."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pipedrive_orchestration.demo.account.references import reference_problems
from pipedrive_orchestration.demo.bodies import BODIES, read
from pipedrive_orchestration.demo.call import Answer, Call, success
from pipedrive_orchestration.demo.clock import LEAD_TIME, V1_TIME, V2_TIME
from pipedrive_orchestration.demo.errors import not_found
from pipedrive_orchestration.demo.records import Record, RecordId, blank

Make = Callable[[Call, Record, Record, Record], Record]
"""A call, the parent, the child as it was or a blank one, and the body: the child as it is then."""


@dataclass(frozen=True, slots=True)
class ChildKind:
    """A kind of records below others.

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
    record["name"] = product["name"]
    full, discount = record["item_price"] * record["quantity"], record["discount"]
    off = full * discount / 100 if record["discount_type"] == "percentage" else discount
    return record | {"sum": round(full - off, 2)}


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
    person, me = call.account["persons"].get(given["person_id"]), call.account.me["id"]
    assert person is not None, "references were checked"
    return before | {
        "person_id": {"active_flag": True, "name": person["name"], "value": person["id"]},
        "person": {"id": person["id"], "name": person["name"]},
        "add_time": _now(call, V1_TIME),
        "active_flag": True,
        "added_by_user_id": {"id": me, "value": me, "name": call.account.me["name"]},
        "related_item_type": "deal",
        "related_item_id": deal["id"],
        "related_item_data": {"deal_id": deal["id"], "title": deal["title"]},
    }


def _comment(call: Call, note: Record, before: Record, given: Record) -> Record:
    me, now = call.account.me, _now(call, LEAD_TIME)
    born = {
        "active_flag": True, "add_time": before["add_time"] or now, "object_id": str(note["id"]),
        "object_type": "note", "user_id": me["id"], "company_id": me["company_id"],
    }  # fmt: skip
    updater = {"updater_id": me["id"]} if before["add_time"] else {}
    return before | born | given | updater | {"update_time": now}


def _assignment(_call: Call, role: Record, before: Record, given: Record) -> Record:
    same = {key: role[key] for key in ("parent_role_id", "name")}
    return before | same | given | {"role_id": role["id"], "active_flag": True, "type": "1"}


_FOLLOWERS = {
    f"/{one}s/{{id}}/followers": ChildKind(
        f"{one}_followers",
        _follower,
        "user_id",
        None if one == "product" else "followers_count",
        created=201,
    )
    for one in ("deal", "person", "organization", "product")
}

MOST_AT_ONCE = 100
"""Children that one request adds or deletes."""

KINDS = {
    **_FOLLOWERS,
    "/deals/{id}/products": ChildKind("deal_products", _deal_product, counted="products_count", created=201),
    "/deals/{id}/discounts": ChildKind("deal_discounts", _discount, created=201),
    "/deals/{id}/installments": ChildKind("deal_installments", _installment),
    "/deals/{id}/participants": ChildKind("deal_participants", _participant, counted="participants_count"),
    "/products/{id}/variations": ChildKind("product_variations", _variation, created=201),
    "/notes/{id}/comments": ChildKind("note_comments", _comment, "uuid"),
    "/roles/{id}/assignments": ChildKind("role_assignments", _assignment, "user_id"),
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
    if kind.key == "user_id" and any(child["user_id"] == given["user_id"] for child in children):
        raise call.refusal("user_id: The user is there already.")
    blank_one = blank(kind.name)
    if kind.key != "user_id":
        blank_one[kind.key] = _new_id(call, kind)
    child = kind.make(call, parent, blank_one, given)
    _keep(call, kind, parent, [*children, child])
    if kind.name == "role_assignments":
        child = {key: child[key] for key in ("user_id", "role_id")}
    return success(child, kind.created)


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
    child = children[place]
    _keep(call, kind, parent, [*children[:place], *children[place + 1 :]])
    if kind.name == "note_comments":
        return success(data=True)
    if kind.name == "role_assignments":
        return success({"id": parent["id"]})
    return success({kind.key: child[kind.key]})


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
    # Those that were there from the beginning have ten times their parents' ids, and the next nine.
    return 10_000_000 + int(call.account.new_id(kind.name))


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


def relationship(call: Call) -> Answer:
    """One relationship of two organizations."""
    return success(_seen(_relationship(call)))


def relationship_created(call: Call) -> Answer:
    """Two organizations are related."""
    return success(
        _related(call, {"id": 10_000_000 + int(call.account.new_id("organization_relationships"))})
    )


def relationship_updated(call: Call) -> Answer:
    """A relationship is changed."""
    before = _relationship(call)
    ids = {key: before[key]["value"] for key in ("rel_owner_org_id", "rel_linked_org_id")}
    kept = {key: before[key] for key in ("id", "type", "add_time")} | ids
    return success(_related(call, kept))


def relationship_deleted(call: Call) -> Answer:
    """A relationship is ended."""
    gone = _relationship(call)
    _without(call, gone)
    return success({"id": gone["id"]})


_SEEN = ("calculated_type", "calculated_related_org_id", "related_organization_name")


def _seen(found: Record) -> Record:
    return {key: value for key, value in found.items() if key not in _SEEN}


def _relationship(call: Call) -> Record:
    for organization in call.account["organizations"]:
        for found in call.account.children.of("organization_relationships", organization["id"]):
            if str(found["id"]) == call.path["id"]:
                return dict(found)
    raise not_found("organization_relationships")


def _without(call: Call, gone: Record) -> None:
    for key in ("rel_owner_org_id", "rel_linked_org_id"):
        kept = call.account.children.of("organization_relationships", gone[key]["value"])
        others = [one for one in kept if one["id"] != gone["id"]]
        call.account.children.replace("organization_relationships", gone[key]["value"], others)


def _related(call: Call, before: Record) -> Record:
    given = before | read(call, table=BODIES["organization_relationships"])
    found = list(
        reference_problems(call.account, {key: given[key] for key in given if key.startswith("rel_")})
    )
    if given["rel_owner_org_id"] == given["rel_linked_org_id"]:
        found.append("rel_linked_org_id: An organization cannot be related to itself.")
    if found:
        raise call.refusal(*found)
    if "type" in before:
        _without(call, _relationship(call))
    sides = [call.account["organizations"].get(given[f"rel_{side}_org_id"]) for side in ("owner", "linked")]
    owner, linked = (side for side in sides if side is not None)
    now = _now(call, V1_TIME)
    whole = {
        "id": given["id"],
        "type": given["type"],
        "rel_owner_org_id": {"name": owner["name"], "value": owner["id"]},
        "rel_linked_org_id": {"name": linked["name"], "value": linked["id"]},
        "add_time": given.get("add_time") or now,
        "update_time": now,
        "active_flag": "true",
    }
    for seen_from, other, as_what in ((owner, linked, "daughter"), (linked, owner, "parent")):
        kept = call.account.children.of("organization_relationships", seen_from["id"])
        as_seen = {
            "calculated_type": as_what if given["type"] == "parent" else "related",
            "calculated_related_org_id": other["id"],
            "related_organization_name": other["name"],
        }
        call.account.children.replace(
            "organization_relationships", seen_from["id"], [*kept, {**whole, **as_seen}]
        )
    return whole

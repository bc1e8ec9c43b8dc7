"""The records below others, such as the products of a deal: what each parent had when the account began.

Each parent draws from a stream of its own, so that nothing has to be made before somebody asks for it, and
the order of questions does not matter.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from random import Random
from typing import Any

from pipedrive_orchestration.demo.clock import V1_TIME
from pipedrive_orchestration.demo.generator.business import PRODUCTS, Business
from pipedrive_orchestration.demo.generator.moments import DAY, date_text, seconds_of
from pipedrive_orchestration.demo.generator.randomness import pick, stream, uuid_text
from pipedrive_orchestration.demo.generator.trends import (
    EUROS_A_POUND,
    MAINTENANCE,
    STORAGE,
    euro,
    reorganisation,
    was_handed_over,
    was_in_pounds,
)
from pipedrive_orchestration.demo.records import Record, RecordId, blank, taken

Maker = Callable[[Business, Record, Random], list[Any]]

FOLLOWED = ("deal", "person", "organization", "product")
"""What users follow."""


def children_at_birth(business: Business, name: str, parent_id: RecordId) -> list[Any]:
    """The records of a kind that a parent had when the account began; none of one that came later."""
    parents, make = MAKERS[name]
    parent = business[parents].get(parent_id)
    if parent is None:
        return []
    return make(business, parent, stream(business.seed, f"{name} of {parent_id}"))


def _child_id(parent: Record, number: int) -> int:
    """The id of one of at most ten children."""
    return 10 * int(parent["id"]) + number


def _v1(time: str) -> str:
    return time.replace("T", " ").removesuffix("Z")


def _products(business: Business, deal: Record, rng: Random) -> list[Record]:
    return [_product(business, deal, number, rng) for number in range(deal["products_count"])]


def _product(business: Business, deal: Record, number: int, rng: Random) -> Record:
    product = business["products"][1 + rng.getrandbits(16) % PRODUCTS]
    price = float(product["prices"][0]["price"])
    quantity, discount = pick(rng, (1, 2, 4, 12, 1.5)), pick(rng, (0, 0, 0, 5, 10.5))
    is_once = product["billing_frequency"] == "one-time"
    return (
        blank("deal_products")
        | taken(product, "name tax billing_frequency billing_frequency_cycles")
        | taken(deal, "currency add_time")
        | {
            "id": _child_id(deal, number), "deal_id": deal["id"], "product_id": product["id"],
            "order_nr": 50 * (number + 1), "comments": "", "is_enabled": rng.random() < 0.95,
            "item_price": price, "quantity": quantity, "discount": discount, "discount_type": "percentage",
            "sum": round(price * quantity * (1 - discount / 100), 2), "tax_method": "exclusive",
            "billing_start_date": None if is_once else deal["add_time"][:10],
            "update_time": None if rng.random() < 0.3 else deal["add_time"],
        }
    )  # fmt: skip


def _deal_changes(business: Business, deal: Record, rng: Random) -> list[Record]:
    """The way of a deal through the stages of its pipeline, and how it was closed: what its times say."""
    calendar, actor = business.calendar, business.owners[0]
    stages = _stages_of(business, deal["pipeline_id"])
    changes, first = [], seconds_of(deal["add_time"])
    if was_handed_over(business, deal):
        first = reorganisation(calendar)
        changes = [
            change(actor, "pipeline", MAINTENANCE, STORAGE, first),
            change(actor, "stage_id", _stages_of(business, MAINTENANCE)[0], stages[0], first),
        ]
    if deal["stage_change_time"] and deal["stage_id"] in stages:
        way = stages[: stages.index(deal["stage_id"]) + 1] or [deal["stage_id"]]
        last = seconds_of(deal["stage_change_time"])
        times = sorted(first + int((last - first) * rng.random()) for _ in way[2:])
        for before, after, time in zip(way, way[1:], [*times, last], strict=False):
            changes.append(change(actor, "stage_id", before, after, time))
    if was_in_pounds(business, deal):
        pounds = round(deal["value"] / EUROS_A_POUND, 2)
        changes += [
            change(actor, "currency", "GBP", "EUR", euro(calendar)),
            change(actor, "value", pounds, deal["value"], euro(calendar)),
        ]
    if deal["close_time"]:
        status = "won" if deal["won_time"] else "lost"
        changes.append(change(actor, "status", "open", status, seconds_of(deal["close_time"])))
    # The latest first, of those of one second as well.
    changes.sort(key=lambda one: one["time"])
    changes.reverse()
    return changes


def _stages_of(business: Business, pipeline_id: int) -> list[int]:
    return [one["id"] for one in business["stages"].values() if one["pipeline_id"] == pipeline_id]


def change(user_id: int, key: str, before: object, after: object, second: float) -> Record:
    """One entry of a changelog."""
    return {
        "field_key": key,
        "old_value": None if before is None else str(before),
        "new_value": None if after is None else str(after),
        "actor_user_id": user_id,
        "time": f"{datetime.fromtimestamp(second, UTC):{V1_TIME}}",
        "change_source": "app", "change_source_user_agent": "Mozilla/5.0", "is_bulk_update_flag": False,
    }  # fmt: skip


def _installments(_business: Business, deal: Record, rng: Random) -> list[Record]:
    """Parts of a deal's value, which they add up to, a month from each other from the deal's end on."""
    count = rng.getrandbits(2)
    if not deal["products_count"] or not count:
        return []
    value, agreed = deal["value"], seconds_of(deal["close_time"] or deal["add_time"])
    part = round(value / count, 2)
    return [
        {
            "id": _child_id(deal, number),
            "deal_id": deal["id"],
            "amount": part if number < count - 1 else round(value - part * (count - 1), 2),
            "billing_date": date_text(agreed + 30 * DAY * (number + 1)),
            "description": f"Instalment {number + 1}",
        }
        for number in range(count)
    ]


def _discounts(business: Business, deal: Record, rng: Random) -> list[Record]:
    if not deal["products_count"] or rng.random() < 0.5:
        return []
    return [
        {
            "id": uuid_text(rng), "deal_id": deal["id"], "description": "Discount for a friend",
            "type": "percentage", "amount": pick(rng, (5, 10, 12.5)),
            **dict.fromkeys(("created_at", "updated_at"), deal["add_time"]),
            **dict.fromkeys(("created_by", "updated_by"), business.owners[0]),
        }
    ]  # fmt: skip


def _participants(business: Business, deal: Record, rng: Random) -> list[Record]:
    """The deal's own person, and somebody else where it has more."""
    own = business["persons"].get(deal["person_id"])
    if own is None:
        return []
    people = list(business["persons"].values())
    others = [pick(rng, people) for _ in range(deal["participants_count"] - 1)]
    adder, time = {"id": business.owners[0], "name": "Somebody"}, _v1(deal["add_time"])
    return [
        participant(deal, person, adder, time) | {"id": _child_id(deal, number)}
        for number, person in enumerate([own, *others])
    ]


def participant(deal: Record, person: Record, adder: Record, time: str) -> Record:
    """A participant of a deal, who has no id yet, and the user who added them."""
    return {
        "person_id": {"active_flag": True, "name": person["name"], "value": person["id"]},
        "person": taken(person, "id name"),
        "add_time": time,
        "active_flag": True,
        "added_by_user_id": {**taken(adder, "id name"), "value": adder["id"]},
        "related_item_type": "deal",
        "related_item_id": deal["id"],
        "related_item_data": {"deal_id": deal["id"], "title": deal["title"]},
    }


def _participant_changes(business: Business, deal: Record, _rng: Random) -> list[Record]:
    """How each of the deal's participants came to it."""
    return [
        {
            "person_id": one["person_id"]["value"],
            "actor_user_id": one["added_by_user_id"]["value"],
            "action": "added",
            "time": one["add_time"],
        }
        for one in children_at_birth(business, "deal_participants", deal["id"])
    ]


def _contact_changes(business: Business, contact: Record, _rng: Random) -> list[Record]:
    """A name that was changed when the record was, if it ever was."""
    if contact["update_time"] in (None, contact["add_time"]):
        return []
    second = seconds_of(contact["update_time"])
    return [change(business.owners[0], "name", f"{contact['name']} (old)", contact["name"], second)]


def _followers(business: Business, followed: Record, _rng: Random) -> list[Record]:
    count = followed.get("followers_count", 1)
    time = followed.get("add_time") or "2025-01-01T00:00:00Z"
    others = [one for one in business.owners if one != followed["id"]]
    return [{"user_id": one, "add_time": time} for one in others[:count]]


def _follower_changes(business: Business, followed: Record, rng: Random) -> list[Record]:
    added = {"action": "added", "actor_user_id": business.owners[0]}
    return [
        added | {"follower_user_id": one["user_id"], "time": one["add_time"]}
        for one in _followers(business, followed, rng)
    ]


def _permitted_users(business: Business, record: Record, _rng: Random) -> list[int]:
    return sorted({business.owners[0], record["owner_id"]})


def _comments(business: Business, note: Record, rng: Random) -> list[Record]:
    time = f"{note['add_time'].replace(' ', 'T')}.250Z"
    return [
        {
            "uuid": uuid_text(rng), "content": "Seen.", "user_id": business.owners[0], "updater_id": None,
            "active_flag": True, "add_time": time, "update_time": time,
            "object_type": "note", "object_id": str(note["id"]), "company_id": 7,
        }
        for _ in range(rng.getrandbits(2) // 2)
    ]  # fmt: skip


def _variations(_business: Business, product: Record, _rng: Random) -> list[Record]:
    names = ("Basic", "Extended")[: int(product["id"]) % 3]
    price = {"price": 12.5, "currency": "EUR", "cost": 5, "direct_cost": 1, "notes": ""}
    return [
        {
            "id": (number := _child_id(product, place)),
            "product_id": product["id"],
            "name": name,
            "prices": [price | {"product_variation_id": number}],
        }
        for place, name in enumerate(names)
    ]


def _relationships(business: Business, organization: Record, _rng: Random) -> list[Record]:
    """Every fifth organization has the one after it as a daughter."""
    ids = business.ids("organizations")
    place = ids.index(organization["id"])
    pairs = [(one, one + 1) for one in (place, place - 1) if one % 5 == 0 and one + 1 < len(ids)]
    relationships = []
    for pair in pairs:
        owner, linked = (business["organizations"][ids[one]] for one in pair)
        times = dict.fromkeys(("add_time", "update_time"), _v1(owner["add_time"]))
        known = {"id": owner["id"], "type": "parent", **times}
        relationships.append(relationship(known, owner, linked) | as_seen(known, owner, linked, organization))
    return relationships


def relationship(known: Record, owner: Record, linked: Record) -> Record:
    """A relationship of two organizations, of which id, type and times are known."""
    return {
        **taken(known, "id type add_time update_time"),
        "rel_owner_org_id": {"name": owner["name"], "value": owner["id"]},
        "rel_linked_org_id": {"name": linked["name"], "value": linked["id"]},
        "active_flag": "true",
    }


def as_seen(known: Record, owner: Record, linked: Record, seen_from: Record) -> Record:
    """What the list of one of the two organizations says of their relationship beside it."""
    is_owner = seen_from["id"] == owner["id"]
    other = linked if is_owner else owner
    calculated = "related" if known["type"] == "related" else "daughter" if is_owner else "parent"
    return {
        "calculated_type": calculated,
        "calculated_related_org_id": other["id"],
        "related_organization_name": other["name"],
    }


def _assignments(business: Business, role: Record, _rng: Random) -> list[Record]:
    users = (user for user in business["users"].values() if user["role_id"] == role["id"])
    return [assignment(role, user["id"]) for user in users]


def assignment(role: Record, user_id: int) -> Record:
    """The assignment of a user to a role."""
    told = {"user_id": user_id, "role_id": role["id"], "active_flag": True, "type": "1"}
    return told | taken(role, "parent_role_id name")


def _pipelines_of_role(business: Business, role: Record, _rng: Random) -> list[int]:
    return [one for one in business["pipelines"] if one <= role["id"]]


def _members_of_set(business: Business, permission_set: Record, _rng: Random) -> list[Record]:
    return [
        {"user_id": user["id"], "permission_set_id": permission_set["id"], "name": permission_set["name"]}
        for user in business["users"].values()
        if any(access["permission_set_id"] == permission_set["id"] for access in user["access"])
    ]


def _permissions(_business: Business, user: Record, _rng: Random) -> list[Record]:
    granted = ("can_add_products", "can_edit_deals_closed_date", "can_use_api")
    more = ("can_delete_deals", "can_merge_deals") if user["is_admin"] else ()
    return [{"permission": one, "is_granted": True} for one in (*granted, *more)]


def _project_changes(business: Business, project: Record, _rng: Random) -> list[Record]:
    return [
        {
            "old_values": {"phase_id": None}, "new_values": taken(project, "phase_id"),
            "actor_user_id": business.owners[0], "time": project["update_time"],
            "change_source": "app", "change_source_user_agent": "Mozilla/5.0",
        }
    ]  # fmt: skip


def _plan(_business: Business, project: Record, _rng: Random) -> list[Record]:
    places = {"phase_id": project["phase_id"], "group_id": 1}
    return [{"item_id": project["id"], "item_type": kind, **places} for kind in ("task", "activity")]


def _groups(_business: Business, project: Record, _rng: Random) -> list[Record]:
    return [{"id": 1 + int(project["id"]) % 2, "name": "Roof", "order_nr": 1}]


def _message(business: Business, kind: str, thread: Record, number: int, time: str) -> Record:
    """A message of mail with nobody in particular."""
    party = {"id": 1, "email_address": "a@firm.example", "name": "A", "linked_person_id": 1}
    return {
        **dict.fromkeys((key for key in blank(kind) if key.endswith("_flag")), 0),
        "id": _child_id(thread, number), "mail_thread_id": thread["id"], "account_id": "a1",
        "user_id": business.owners[0], "from": [party], "to": [party], "cc": [], "bcc": [],
        "subject": f"Your roof ({number})", "snippet": "We have looked at",
        "body_url": "https://mail.example/1", "message_time": time, "add_time": time, "update_time": time,
    }  # fmt: skip


def _messages_of_thread(business: Business, thread: Record, _rng: Random) -> list[Record]:
    return [
        _message(business, "mail_messages", thread, number, thread["add_time"])
        | taken(thread, "subject snippet")
        for number in range(thread["message_count"])
    ]


def _messages(business: Business, linked: Record, _rng: Random) -> list[Record]:
    more = {"external_deleted_flag": False, "item_type": "mailMessage", "company_id": 7}
    time = linked["add_time"]
    messages = (
        _message(business, "deal_mail_messages", linked, number, time.replace("Z", ".000Z")) | more
        for number in range(linked["email_messages_count"])
    )
    return [{"object": "mailMessage", "timestamp": _v1(time), "data": message} for message in messages]


MAKERS: dict[str, tuple[str, Maker]] = {
    "deal_products": ("deals", _products),
    "deal_installments": ("deals", _installments),
    "deal_discounts": ("deals", _discounts),
    "deal_changes": ("deals", _deal_changes),
    "person_changes": ("persons", _contact_changes),
    "organization_changes": ("organizations", _contact_changes),
    "deal_participants": ("deals", _participants),
    "deal_participant_changes": ("deals", _participant_changes),
    "note_comments": ("notes", _comments),
    "product_variations": ("products", _variations),
    "organization_relationships": ("organizations", _relationships),
    "user_followers": ("users", _followers),
    "role_assignments": ("roles", _assignments),
    "role_pipelines": ("roles", _pipelines_of_role),
    "permission_set_assignments": ("permission_sets", _members_of_set),
    "user_permissions": ("users", _permissions),
    "project_changes": ("projects", _project_changes),
    "project_plan": ("projects", _plan),
    "project_groups": ("projects", _groups),
    "project_permitted_users": ("projects", _permitted_users),
    "mail_messages": ("mail_threads", _messages_of_thread),
    **{f"{one}_mail_messages": (f"{one}s", _messages) for one in FOLLOWED[:3]},
    **{f"{one}_followers": (f"{one}s", _followers) for one in FOLLOWED},
    **{f"{one}_follower_changes": (f"{one}s", _follower_changes) for one in FOLLOWED},
    **{f"{one}_permitted_users": (f"{one}s", _permitted_users) for one in (*FOLLOWED, "lead")},
}
"""Of every kind of children: their parents, and what makes those of one."""

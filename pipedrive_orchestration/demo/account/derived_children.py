"""Children that follow from what else the account holds: what happened to a record, what it was sold with.

Unlike other children they are made whenever somebody asks, so that they always agree with the records.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from datetime import date
from typing import TYPE_CHECKING, Any

from pipedrive_orchestration.demo.account.v1_shapes import v1_record, v1_time
from pipedrive_orchestration.demo.records import Record, blank

if TYPE_CHECKING:
    from pipedrive_orchestration.demo.account.account import Account

Derivation = Callable[["Account", Record], list[Any]]


def _sold(account: Account, deal: Record) -> list[Record]:
    """The products of a deal that lists show."""
    if deal["is_deleted"] or deal["is_archived"] or not deal["products_count"]:
        return []
    return account.children.of("deal_products", deal["id"])


def _deals_of_product(account: Account, product: Record) -> list[Record]:
    return [
        _deal(account, deal)
        for deal in account["deals"]
        if any(sold["product_id"] == product["id"] for sold in _sold(account, deal))
    ]


def _deal(account: Account, deal: Record) -> Record:
    """A deal as v1 lists it, with the records that it refers to around their ids."""
    shape = v1_record(account, "deals", deal)
    stage = account["stages"].get(deal["stage_id"]) or {}
    own = blank("product_deals") | {key: shape[key] for key in blank("product_deals") if key in shape}
    upcoming = account["activities"].get(deal["next_activity_id"]) or {}
    worth = f"{deal['value'] or 0:,.2f} {deal['currency']}"
    return own | {
        "creator_user_id": _user(account, deal["creator_user_id"]),
        "user_id": _user(account, deal["owner_id"]),
        "person_id": _person(account, deal["person_id"]),
        "org_id": _organization(account, deal["org_id"]),
        "stage_order_nr": stage.get("order_nr"),
        "next_activity_subject": upcoming.get("subject"),
        "next_activity_type": upcoming.get("type"),
        "next_activity_duration": upcoming.get("duration"),
        "next_activity_note": upcoming.get("note"),
        "formatted_value": worth,
        "weighted_value": deal["value"],
        "formatted_weighted_value": worth,
        "weighted_value_currency": deal["currency"],
    }


def _user(account: Account, user_id: int) -> Record | None:
    user = account["users"].get(user_id)
    if user is None:
        return None
    told = {key: user[key] for key in ("id", "name", "email", "active_flag")}
    return {**told, "has_pic": False, "pic_hash": None, "value": user_id}


def _person(account: Account, person_id: int | None) -> Record | None:
    person = account["persons"].get(person_id)
    if person is None:
        return None
    return {
        "active_flag": not person["is_deleted"],
        "name": person["name"],
        "email": person["emails"],
        "phone": person["phones"],
        "owner_id": person["owner_id"],
        "value": person_id,
    }


def _organization(account: Account, org_id: int | None) -> Record | None:
    organization = account["organizations"].get(org_id)
    if organization is None:
        return None
    return {
        "name": organization["name"],
        "people_count": organization["people_count"],
        "owner_id": organization["owner_id"],
        "address": (organization["address"] or {}).get("value"),
        "active_flag": not organization["is_deleted"],
        "cc_email": organization["smart_bcc_email"],
        "value": org_id,
    }


def _products_of_person(account: Account, person: Record) -> list[Record]:
    found = []
    for deal_id in account["deals"].linked("person_id", person["id"]):
        deal = account["deals"].get(deal_id)
        assert deal is not None
        for product_id in dict.fromkeys(sold["product_id"] for sold in _sold(account, deal)):
            product = account["products"].get(product_id)
            if product is not None:
                linked = {"deal": _plain_deal(account, deal), "product": _product(account, product, deal_id)}
                found.append({"deal_id": deal_id, "product_id": product_id, **linked})
    return found


_OF_DEAL = list(blank("product_deals"))
_OF_DEAL = list(blank("product_deals"))
_OF_PLAIN_DEAL = [key for key in _OF_DEAL[: _OF_DEAL.index("stage_order_nr")] if key != "is_archived"]
"""What of a deal comes with the products of its person."""
"""What of a deal comes with the products of its person."""


def _plain_deal(account: Account, deal: Record) -> Record:
    shape = v1_record(account, "deals", deal)
    told = {key: shape.get(key) for key in _OF_PLAIN_DEAL}
    return told | {"company_id": account.me["company_id"], "first_add_time": shape["add_time"]}


def _product(account: Account, product: Record, deal_id: Any) -> Record:
    shape = v1_record(account, "products", product)
    known = {key: value for key, value in shape.items() if not _is_custom(key) and key != "prices"}
    return {
        **known,
        "visible_to": str(product["visible_to"]),
        "company_id": account.me["company_id"],
        "deal_id": deal_id,
    }


def _is_custom(key: str) -> bool:
    return len(key) >= 40


def _flow_of(name: str, link: str) -> Derivation:
    """What happened to the records of a collection, the latest first.

    Args:
        name: one of them, such as ``deal``.
        link: by which others refer to it.
    """

    def flow(account: Account, record: Record) -> list[Record]:
        items = [
            *_changes(account, name, record),
            *_linked(account, "activities", "activity", link, record),
            *_linked(account, "notes", "note", link, record),
            *_linked(account, "files", "file", link, record),
        ]
        return sorted(items, key=lambda item: (item["timestamp"], item["data"]["id"]), reverse=True)

    return flow


def _changes(account: Account, name: str, record: Record) -> Iterator[Record]:
    for change in account.children.of(f"{name}_changes", record["id"]):
        said = f"{change['time']} {change['field_key']} {change['old_value']} {change['new_value']}"
        yield _item(
            f"{name}Change",
            change["time"],
            {
                "id": zlib.crc32(f"{name} {record['id']} {said}".encode()),
                "item_id": record["id"],
                "user_id": change["actor_user_id"],
                "field_key": change["field_key"],
                "old_value": change["old_value"],
                "new_value": change["new_value"],
                "is_bulk_update_flag": None,
                "log_time": change["time"],
                "change_source": change["change_source"],
                "change_source_user_agent": change["change_source_user_agent"],
                "additional_data": {},
            },
        )


def _linked(account: Account, name: str, kind: str, link: str, record: Record) -> Iterator[Record]:
    collection = account[name]
    for linked_id in collection.linked(link, record["id"]):
        linked = collection.get(linked_id)
        if linked is not None and not collection.schema.is_deleted(linked):
            shape = v1_record(account, name, linked)
            yield _item(kind, str(shape["add_time"]), shape)


def _item(kind: str, timestamp: str, data: Record) -> Record:
    return {"object": kind, "timestamp": timestamp, "data": data}


def _results(account: Account, goal: Record) -> list[Record]:
    return [{"progress": progress(account, goal, **goal["duration"]), "goal": goal}]


def progress(account: Account, goal: Record, start: str, end: str | None) -> int:
    """What of a goal has been reached between two days, these included; None is open."""
    kind, parameters = goal["type"]["name"], goal["type"]["params"]
    last = end or date.max.isoformat()
    collection, when = _COUNTED[kind]
    found = [
        record
        for record in account[collection]
        if not record["is_deleted"] and record[when] and start <= record[when][:10] <= last
    ]
    if goal["assignee"]["type"] == "person":
        found = [record for record in found if record["owner_id"] == goal["assignee"]["id"]]
    if collection == "deals":
        found = [deal for deal in found if deal["pipeline_id"] in parameters["pipeline_id"]]
    else:
        types = [account["activity_types"].get(one) for one in parameters["activity_type_id"]]
        keys = [one["key_string"] for one in types if one is not None]
        found = [activity for activity in found if activity["type"] in keys]
    if "stage_id" in parameters:
        found = [deal for deal in found if deal["stage_id"] == parameters["stage_id"]]
    if goal["expected_outcome"]["tracking_metric"] == "quantity":
        return len(found)
    return round(sum(deal["value"] or 0 for deal in found))


_COUNTED = {
    "deals_won": ("deals", "won_time"),
    "deals_started": ("deals", "add_time"),
    "deals_progressed": ("deals", "stage_change_time"),
    "activities_completed": ("activities", "marked_as_done_time"),
    "activities_added": ("activities", "add_time"),
}
"""What counts for each type of goal, and by which of its times."""


def _images(account: Account, product: Record) -> list[Record]:
    """The picture of a product; every third one has none."""
    number = int(product["id"])
    if number % 3 == 0:
        return []
    return [
        {
            "id": 100 + number,
            "product_id": number,
            "company_id": str(account.me["company_id"]),
            "public_url": f"https://images.pipedrive.example/{number:08}.png",
            "add_time": str(v1_time(product["add_time"]))[:10],
            "mime_type": "image/png",
            "name": f"{product['code'] or number}.png",
        }
    ]


DERIVED: dict[str, tuple[str, Derivation]] = {
    "product_images": ("products", _images),
    "product_deals": ("products", _deals_of_product),
    "person_products": ("persons", _products_of_person),
    "goal_results": ("goals", _results),
    "deal_flow": ("deals", _flow_of("deal", "deal_id")),
    "person_flow": ("persons", _flow_of("person", "person_id")),
    "organization_flow": ("organizations", _flow_of("organization", "org_id")),
}
"""Of every kind of derived children: their parents, and what makes those of one."""

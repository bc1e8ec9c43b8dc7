"""The records below others, by parent: as they were when the account began, until somebody changes them.

Some follow from what else the account holds, such as what happened to a record; these are made whenever
somebody asks, so that they always agree with the records.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from datetime import date
from functools import partial
from typing import TYPE_CHECKING, Any

from pipedrive_orchestration.demo.account.v1_shapes import v1_record, v1_time
from pipedrive_orchestration.demo.generator import Business
from pipedrive_orchestration.demo.generator.children import MAKERS, change, children_at_birth
from pipedrive_orchestration.demo.records import Record, RecordId, blank, taken

if TYPE_CHECKING:
    from pipedrive_orchestration.demo.account.account import Account

Derivation = Callable[["Account", Record], list[Any]]

_LOGGED = {
    "deals": "deal_changes",
    "persons": "person_changes",
    "organizations": "organization_changes",
}
"""The collections whose changes are kept, and what they are called."""

_UNCHANGED_KEYS = (
    *("title", "name", "value", "currency", "status", "stage_id", "person_id", "org_id"),
    *("expected_close_date", "probability", "lost_reason"),
)
_KEYS_IN_LOG = {key: key for key in _UNCHANGED_KEYS} | {"pipeline_id": "pipeline", "owner_id": "user_id"}
"""The properties of which changes are kept, and their keys in the log, which are those of v1."""


class Children:
    """The children of every parent.

    Args:
        business: the account as it began.
        account: the account, from which some children follow.

    Attributes:
        told: is told which children a record had and has, when it gets others.
    """

    def __init__(self, business: Business, account: Account) -> None:
        self.told: Callable[[str, list[Any], list[Any]], None] | None = None
        self._business = business
        self._account = account
        self._lists: dict[tuple[str, RecordId], list[Any]] = {}

    def of(self, name: str, parent_id: RecordId) -> list[Any]:
        """The children of a parent, in the order in which lists show them."""
        if name in DERIVED:
            parents, derive = DERIVED[name]
            parent = self._account[parents].get(parent_id)
            return [] if parent is None else derive(self._account, parent)
        key = name, parent_id
        if key not in self._lists:
            self._lists[key] = children_at_birth(self._business, name, parent_id)
        return self._lists[key]

    def replace(self, name: str, parent_id: RecordId, children: list[Any]) -> None:
        """Let a parent have other children."""
        if self.told is not None:
            self.told(name, self.of(name, parent_id), children)
        self._lists[name, parent_id] = children

    def log(self, name: str, before: Record, after: Record, user_id: int, second: float) -> None:
        """Keep what of a record has changed, where changes of its collection are kept."""
        if name not in _LOGGED:
            return
        changes = [
            change(user_id, key, before.get(prop), after.get(prop), second)
            for prop, key in _KEYS_IN_LOG.items()
            if before.get(prop) != after.get(prop)
        ]
        if changes:
            kept = self.of(_LOGGED[name], after["id"])
            self.replace(_LOGGED[name], after["id"], [*changes, *kept])


def parents_of(name: str) -> str:
    """The collection that the parents of a kind of children are in."""
    return (DERIVED if name in DERIVED else MAKERS)[name][0]


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
        **{f"next_activity_{key}": upcoming.get(key) for key in ("subject", "type", "duration", "note")},
        "formatted_value": worth,
        "weighted_value": deal["value"],
        "formatted_weighted_value": worth,
        "weighted_value_currency": deal["currency"],
    }


def _user(account: Account, user_id: int) -> Record | None:
    user = account["users"].get(user_id)
    named = user and taken(user, "id name email active_flag")
    return named and {**named, "has_pic": False, "pic_hash": None, "value": user_id}


def _person(account: Account, person_id: int | None) -> Record | None:
    person = account["persons"].get(person_id)
    return person and {
        **taken(person, "name owner_id"),
        "email": person["emails"],
        "phone": person["phones"],
        "active_flag": not person["is_deleted"],
        "value": person_id,
    }


def _organization(account: Account, org_id: int | None) -> Record | None:
    organization = account["organizations"].get(org_id)
    return organization and {
        **taken(organization, "name people_count owner_id"),
        "address": (organization["address"] or {}).get("value"),
        "active_flag": not organization["is_deleted"],
        "cc_email": organization["smart_bcc_email"],
        "value": org_id,
    }


def _products_of_person(account: Account, person: Record) -> list[Record]:
    found = []
    for deal_id in account["deals"].linked("person_id", person["id"]):
        deal = account["deals"].get(deal_id)
        assert deal is not None, "a link table names a record that is gone"
        for product_id in dict.fromkeys(sold["product_id"] for sold in _sold(account, deal)):
            product = account["products"].get(product_id)
            if product is not None:
                linked = {"deal": _plain_deal(account, deal), "product": _product(account, product, deal_id)}
                found.append({"deal_id": deal_id, "product_id": product_id, **linked})
    return found


_OF_DEAL = list(blank("product_deals"))
_OF_PLAIN_DEAL = [key for key in _OF_DEAL[: _OF_DEAL.index("stage_order_nr")] if key != "is_archived"]
"""What of a deal comes with the products of its person."""

_LENGTH_OF_CODE = 40
"""Keys of custom fields are so long, or longer."""


def _plain_deal(account: Account, deal: Record) -> Record:
    shape = v1_record(account, "deals", deal)
    told = {key: shape.get(key) for key in _OF_PLAIN_DEAL}
    return told | {"company_id": account.me["company_id"], "first_add_time": shape["add_time"]}


def _product(account: Account, product: Record, deal_id: Any) -> Record:
    shape = v1_record(account, "products", product)
    known = {key: shape[key] for key in shape if len(key) < _LENGTH_OF_CODE and key != "prices"}
    visible = {"visible_to": str(product["visible_to"]), "company_id": account.me["company_id"]}
    return known | visible | {"deal_id": deal_id}


def _flow(kind: str, link: str, account: Account, record: Record) -> list[Record]:
    """What happened to a record of a kind such as ``deal``, to which others refer by a link, latest first."""
    items = [
        {"object": f"{kind}Change", "timestamp": one["time"], "data": _change(kind, record["id"], one)}
        for one in account.children.of(f"{kind}_changes", record["id"])
    ]
    for name, linked_kind in (("activities", "activity"), ("notes", "note"), ("files", "file")):
        items.extend(
            {"object": linked_kind, "timestamp": str(shape["add_time"]), "data": shape}
            for shape in _linked(account, name, link, record)
        )
    return sorted(items, key=lambda item: (item["timestamp"], item["data"]["id"]), reverse=True)


def _change(kind: str, record_id: RecordId, entry: Record) -> Record:
    said = f"{entry['time']} {entry['field_key']} {entry['old_value']} {entry['new_value']}"
    return {
        "id": zlib.crc32(f"{kind} {record_id} {said}".encode()),
        "item_id": record_id,
        "user_id": entry["actor_user_id"],
        **taken(entry, "field_key old_value new_value change_source change_source_user_agent"),
        "is_bulk_update_flag": None,
        "log_time": entry["time"],
        "additional_data": {},
    }


def _linked(account: Account, name: str, link: str, record: Record) -> Iterator[Record]:
    collection = account[name]
    for linked in map(collection.get, collection.linked(link, record["id"])):
        if linked is not None and not collection.schema.is_deleted(linked):
            yield v1_record(account, name, linked)


def _results(account: Account, goal: Record) -> list[Record]:
    return [{"progress": progress(account, goal, **goal["duration"]), "goal": goal}]


def progress(account: Account, goal: Record, start: str, end: str | None) -> int:
    """What of a goal has been reached between two days, these included; None is open."""
    parameters, last = goal["type"]["params"], end or date.max.isoformat()
    collection, when = _COUNTED[goal["type"]["name"]]
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
    picture = {
        "id": 100 + number,
        "product_id": number,
        "company_id": str(account.me["company_id"]),
        "public_url": f"https://images.pipedrive.example/{number:08}.png",
        "add_time": str(v1_time(product["add_time"]))[:10],
        "mime_type": "image/png",
        "name": f"{product['code'] or number}.png",
    }
    return [picture] if number % 3 else []


DERIVED: dict[str, tuple[str, Derivation]] = {
    "product_images": ("products", _images),
    "product_deals": ("products", _deals_of_product),
    "person_products": ("persons", _products_of_person),
    "goal_results": ("goals", _results),
    "deal_flow": ("deals", partial(_flow, "deal", "deal_id")),
    "person_flow": ("persons", partial(_flow, "person", "person_id")),
    "organization_flow": ("organizations", partial(_flow, "organization", "org_id")),
}
"""Of every kind of derived children: their parents, and what makes those of one."""

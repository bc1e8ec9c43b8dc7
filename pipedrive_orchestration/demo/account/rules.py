"""How each v2 collection turns the keys of a write into a record.

Every rule takes the record as it was (a blank one when it is created) and the checked keys, and returns
the record as it will be; or it collects what speaks against the write.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from pipedrive_orchestration.demo.account import deals
from pipedrive_orchestration.demo.account.account import Account
from pipedrive_orchestration.demo.account.collection import Record
from pipedrive_orchestration.demo.account.custom_values import (
    completed,
    completed_address,
    currency_problem,
    custom_value_problems,
)
from pipedrive_orchestration.demo.account.layouts import optional_properties
from pipedrive_orchestration.demo.account.references import (
    currency_problems,
    label_problems,
    reference_problems,
)
from pipedrive_orchestration.pipedrive.object_types import CATALOGUE

Rule = Callable[[Account, Record, Record], Record]


def blank(account: Account, name: str) -> Record:
    """A record of the collection before anything was written into it."""
    object_type = CATALOGUE[name]
    record: Record = {prop.key: None for prop in object_type.properties}
    record |= dict.fromkeys(optional_properties(name))
    record |= {prop: 0 for prop in record if prop.endswith("_count")}
    record |= {prop.key: False for prop in object_type.properties if prop.field_type == "boolean"}
    if name in account.fields and name != "activities":
        record["custom_fields"] = dict.fromkeys(account.fields[name].custom_codes())
    return record | _DEFAULTS.get(name, {}) | ({"owner_id": account.me["id"]} if "owner_id" in record else {})


_DEFAULTS: dict[str, Record] = {
    "deals": {
        "status": "open",
        "value": 0,
        "visible_to": 3,
        "label_ids": [],
        "origin": "API",
    },
    "persons": {
        "visible_to": 3,
        "label_ids": [],
        "emails": [],
        "phones": [],
        "im": [],
        "marketing_status": "no_consent",
        "doi_status": "not_started",
    },
    "organizations": {"visible_to": 3, "label_ids": []},
    "activities": {"participants": []},
    "products": {
        "visible_to": 3,
        "tax": 0,
        "is_linkable": True,
        "prices": [],
        "billing_frequency": "one-time",
    },
    "stages": {"deal_probability": 100},
}


def problems(account: Account, name: str, before: Record, changes: Record) -> Iterator[str]:
    """Everything that speaks against a write, one sentence per key."""
    yield from reference_problems(account, changes)
    if name in {"deals", "persons", "organizations"}:
        yield from label_problems(account, name, changes)
    yield from currency_problems(account, changes)
    yield from custom_value_problems(account, name, changes.get("custom_fields", {}))
    yield from _OBJECTIONS.get(name, _none)(account, before, changes)


def _none(_account: Account, _before: Record, _changes: Record) -> Iterator[str]:
    return iter(())


def _activity_objections(account: Account, _before: Record, changes: Record) -> Iterator[str]:
    kind = changes.get("type")
    if kind is not None and not any(
        one["key_string"] == kind and one["active_flag"] for one in account["activity_types"]
    ):
        yield "type: There is no activity type in use with this key_string."
    for participant in changes.get("participants", ()):
        yield from (
            f"participants.{sentence}"
            for sentence in reference_problems(account, {"person_id": participant["person_id"]})
        )
    if changes.get("project_id") is not None:
        yield "project_id: This account has no projects."


def _product_objections(account: Account, _before: Record, changes: Record) -> Iterator[str]:
    for price in changes.get("prices", ()):
        if (problem := currency_problem(account, price["currency"])) is not None:
            yield f"prices.currency: {problem}"


_OBJECTIONS: dict[str, Callable[[Account, Record, Record], Iterator[str]]] = {
    "deals": deals.objections,
    "activities": _activity_objections,
    "products": _product_objections,
}


def with_custom_fields(account: Account, name: str, before: Record, changes: Record) -> Record:
    """The record with the written custom fields; an empty object clears all of them."""
    if "custom_fields" not in changes:
        return before
    written = changes["custom_fields"]
    kept = before["custom_fields"] or {}
    if not written:
        return {**before, "custom_fields": dict.fromkeys(kept)}
    fields = account.fields[name]
    new = {code: completed(fields.custom(code) or {}, value) for code, value in written.items()}
    return {**before, "custom_fields": {**kept, **new}}


def person(_account: Account, before: Record, changes: Record) -> Record:
    """A person: first and last name follow from the name, one contact of each kind is primary."""
    record = {**before, **changes}
    if "name" in changes:
        first, _, last = changes["name"].partition(" ")
        record |= {"first_name": first, "last_name": last or None}
    for prop in ("emails", "phones", "im"):
        if prop in changes:
            record[prop] = _contacts(changes[prop])
    if changes.get("postal_address") is not None:
        record["postal_address"] = completed_address(changes["postal_address"])
    return record


def _contacts(given: list[Record]) -> list[Record]:
    primary = next((position for position, contact in enumerate(given) if contact.get("primary")), 0)
    return [
        {
            "value": contact["value"],
            "primary": position == primary,
            "label": contact.get("label", "work"),
        }
        for position, contact in enumerate(given)
    ]


def organization(_account: Account, before: Record, changes: Record) -> Record:
    """An organization."""
    record = {**before, **changes}
    if changes.get("address") is not None:
        record["address"] = completed_address(changes["address"])
    return record


def activity(account: Account, before: Record, changes: Record) -> Record:
    """An activity: its person is the primary participant, its type gives it a subject."""
    record = {**before, **changes}
    if record["type"] is None:
        record["type"] = next(one["key_string"] for one in account["activity_types"] if one["active_flag"])
    if record["subject"] is None:
        types = {one["key_string"]: one["name"] for one in account["activity_types"]}
        record["subject"] = types[record["type"]]
    if record["creator_user_id"] is None:
        record["creator_user_id"] = account.me["id"]
    if record["done"] != before["done"]:
        record["marked_as_done_time"] = account.stamp("activities") if record["done"] else None
    if changes.get("location") is not None:
        record["location"] = completed_address(changes["location"])
    if "participants" in changes:
        record |= _participants(changes["participants"])
    return record


def _participants(given: list[Record]) -> Record:
    primary = next((one["person_id"] for one in given if one.get("primary")), None)
    if primary is None and given:
        primary = given[0]["person_id"]
    participants = [{"person_id": one["person_id"], "primary": one["person_id"] == primary} for one in given]
    return {"participants": participants, "person_id": primary}


def product(_account: Account, before: Record, changes: Record) -> Record:
    """A product: its category is written as a number and answered as text."""
    record = {**before, **changes}
    if changes.get("category") is not None:
        record["category"] = str(changes["category"]).removesuffix(".0")
    if "prices" in changes:
        defaults: Record = {"cost": 0, "direct_cost": None, "notes": ""}
        record["prices"] = [{"product_id": before["id"], **defaults, **price} for price in changes["prices"]]
    return record


def pipeline(account: Account, before: Record, changes: Record) -> Record:
    """A pipeline; a new one goes to the end."""
    record = {**before, **changes}
    if record["order_nr"] is None:
        record["order_nr"] = 1 + max((one["order_nr"] for one in account["pipelines"]), default=0)
    return record


def stage(account: Account, before: Record, changes: Record) -> Record:
    """A stage; one that is new or new in its pipeline goes to the pipeline's end."""
    record = {**before, **changes}
    if record["pipeline_id"] != before["pipeline_id"]:
        siblings = deals.stages_of(account, record["pipeline_id"])
        record["order_nr"] = 1 + max((one["order_nr"] for one in siblings), default=0)
    return record


RULES: dict[str, Rule] = {
    "deals": deals.settled,
    "persons": person,
    "organizations": organization,
    "activities": activity,
    "products": product,
    "pipelines": pipeline,
    "stages": stage,
}
"""By collection."""

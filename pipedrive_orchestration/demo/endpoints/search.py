"""The search for records of one type, and that for items of several (docs/pipedrive-api.md#search)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from pipedrive_orchestration.demo.account.account import Account
from pipedrive_orchestration.demo.account.collection import LIVE, Collection, State
from pipedrive_orchestration.demo.call import Answer, Call, success
from pipedrive_orchestration.demo.endpoints.paging import cursor_after, position
from pipedrive_orchestration.demo.records import Record, taken

MAX_ITEMS = 100
"""The most that a page of the search for items of several types has."""

_ARCHIVED = State(archived=True)

_SEARCHED_TYPES = {"address", "varchar", "text", "varchar_auto", "double", "monetary", "phone"}
"""Types of custom fields in which is searched."""

_SEARCHED_FIELDS = {
    "deals": ("custom_fields", "notes", "title"),
    "leads": ("custom_fields", "notes", "title"),
    "organizations": ("address", "custom_fields", "notes", "name"),
    "persons": ("custom_fields", "email", "notes", "phone", "name"),
    "products": ("code", "custom_fields", "name"),
}
_NOTES_BY = {"deals": "deal_id", "leads": "lead_id", "organizations": "org_id", "persons": "person_id"}
_EXACT_SCORE, _PARTIAL_SCORE = 1.0, 0.5

Hits = Mapping[str, list[str]]
"""The texts that were found in a record, by the field of the search."""


def found(call: Call) -> Answer:
    """The records of one collection in which the term is found, in the order of ids."""
    limit = call.query["limit"]
    _refuse_short(call)
    ids = call.collection.walk([LIVE], "id", after=position(call, "id"))
    hits = list(islice(_hits(call, call.name, filter(None, map(call.collection.get, ids))), limit + 1))
    page = hits[:limit]
    cursor = cursor_after(page[-1][0], "id") if len(hits) > limit else None
    items = [_item(call, call.name, record, texts) for record, texts in page]
    return success({"items": items}, additional_data={"next_cursor": cursor})


def items_found(call: Call) -> Answer:
    """The records of several collections in which the term is found, by collection and then by id."""
    types, limit = call.query["item_types"], call.query["limit"]
    _refuse_short(call)
    if limit > MAX_ITEMS:
        raise call.refusal(f"limit: This value should be less than or equal to {MAX_ITEMS}.")
    every = [
        (name, record, hits)
        for name in _SEARCHED_FIELDS
        if not types or _type(name) in types
        for record, hits in _hits(call, name, _live(call.account[name]))
    ]
    after = position(call, "id")
    start = after[-1] if after else 0
    end = min(start + limit, len(every))
    cursor = cursor_after({"id": end}, "id") if len(every) > end else None
    items = [_item(call, name, record, hits) for name, record, hits in every[start:end]]
    return success({"items": items, "related_items": []}, additional_data={"next_cursor": cursor})


def _refuse_short(call: Call) -> None:
    if len(call.query["term"]) < (1 if call.query["exact_match"] else 2):
        raise call.refusal("term: This value is too short.")


def _live(collection: Collection) -> Iterator[Record]:
    return filter(None, map(collection.get, collection.walk([LIVE, _ARCHIVED], "id")))


def _type(name: str) -> str:
    return name.removesuffix("s")


def _hits(call: Call, name: str, records: Iterable[Record]) -> Iterator[tuple[Record, Hits]]:
    account, query = call.account, call.query
    organization_id = query.get("organization_id")
    fields = [field for field in query["fields"] or _SEARCHED_FIELDS[name] if field in _SEARCHED_FIELDS[name]]
    term = query["term"].casefold()
    for record in records:
        if organization_id is None or record["org_id"] == organization_id:
            hits = {
                field: [
                    text
                    for text in _texts(account, name, record, field)
                    if (term == text.casefold() if query["exact_match"] else term in text.casefold())
                ]
                for field in fields
            }
            if any(hits.values()):
                yield record, hits


def _texts(account: Account, name: str, record: Record, field: str) -> list[str]:
    match field:
        case "name" | "title" | "code":
            return [record[field] or ""]
        case "email" | "phone":
            return _contacts(record[f"{field}s"])
        case "address":
            return [(record["address"] or {}).get("value") or ""]
        case "notes":
            ids = account["notes"].linked(_NOTES_BY[name], record["id"])
            notes = filter(None, map(account["notes"].get, sorted(ids)))
            return [note["content"] for note in notes if note["active_flag"] and note["content"]]
        case _:
            return _custom_texts(account, name, record)


def _contacts(contacts: list[Record] | None) -> list[str]:
    return [contact["value"] for contact in contacts or () if contact["value"]]


def _custom_texts(account: Account, name: str, record: Record) -> list[str]:
    schema = account[name].schema
    values = record if schema.flat else record["custom_fields"] or {}
    texts = []
    for field in account.fields[schema.fields or name]:
        value = values.get(field["field_code"])
        if value is not None and field["is_custom_field"] and field["field_type"] in _SEARCHED_TYPES:
            texts.append(str(value.get("value") if isinstance(value, dict) else value))
    return texts


def _item(call: Call, name: str, record: Record, hits: Hits) -> Record:
    keys, links = _SHOWN[name]
    item = taken(record, f"id visible_to {keys}") | {
        "type": _type(name),
        "owner": {"id": record["owner_id"]},
        "custom_fields": hits.get("custom_fields", []),
    }
    if name != "products":
        item["notes"] = hits.get("notes", [])
    for key, (target, link) in links.items():
        item[key] = _reference(call.account, target, record[link])
    match name:
        case "persons":
            item |= _ways_to(record)
        case "organizations":
            item["address"] = (record["address"] or {}).get("value")
        case "leads":
            value = record["value"] or {}
            item |= {"value": value.get("amount"), "currency": value.get("currency")}
            item |= _ways_to(call.account["persons"].get(record["person_id"]))
    return {"result_score": _EXACT_SCORE if call.query["exact_match"] else _PARTIAL_SCORE, "item": item}


_OF_A_PERSON = ("persons", "person_id")
_OF_AN_ORGANIZATION = ("organizations", "org_id")
_SHOWN: dict[str, tuple[str, dict[str, tuple[str, str]]]] = {
    "deals": (
        "title value currency status is_archived",
        {"stage": ("stages", "stage_id"), "person": _OF_A_PERSON, "organization": _OF_AN_ORGANIZATION},
    ),
    "leads": (
        "title is_archived",
        {"person": _OF_A_PERSON, "organization": ("organizations", "organization_id")},
    ),
    "organizations": ("name", {}),
    "persons": ("name", {"organization": _OF_AN_ORGANIZATION}),
    "products": ("name code", {}),
}
"""What items of a collection repeat of their records, and whom they name that these are linked to."""


def _ways_to(person: Record | None) -> Record:
    return {key: _contacts(person[key]) if person else [] for key in ("phones", "emails")}


def _reference(account: Account, name: str, record_id: Any) -> Record | None:
    found = None if record_id is None else account[name].get(record_id)
    return found and taken(found, "id name")

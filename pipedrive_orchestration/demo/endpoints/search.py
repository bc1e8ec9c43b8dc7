"""The search for records of one type, and that for items of several (docs/pipedrive-api.md#search)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from pipedrive_orchestration.demo.account.account import Account
from pipedrive_orchestration.demo.account.collection import LIVE, Collection, Shelf
from pipedrive_orchestration.demo.call import Answer, Call, success
from pipedrive_orchestration.demo.endpoints.paging import cursor_after, position
from pipedrive_orchestration.demo.records import Record

MAX_ITEMS = 100
"""The most that a page of the search for items of several types has."""

_ARCHIVED = Shelf(archived=True)

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
    records = filter(None, map(call.collection.get, ids))
    hits = list(islice(_hits(call, call.name, records), limit + 1))
    page = hits[:limit]
    cursor = cursor_after(page[-1][0], "id") if len(hits) > limit else None
    items = [_item(call, call.name, record, texts) for record, texts in page]
    return success({"items": items}, additional_data={"next_cursor": cursor})


def items_found(call: Call) -> Answer:
    """The records of several collections in which the term is found, by collection and then by id."""
    query = call.query
    _refuse_short(call)
    if query["limit"] > MAX_ITEMS:
        raise call.refusal(f"limit: This value should be less than or equal to {MAX_ITEMS}.")
    types = query["item_types"]
    names = [name for name in _SEARCHED_FIELDS if not types or _type(name) in types]
    every = [
        (name, record, hits)
        for name in names
        for record, hits in _hits(call, name, _live(call.account[name]))
    ]
    after = position(call, "id")
    start = after[-1] if after else 0
    page = every[start : start + query["limit"]]
    end = start + len(page)
    cursor = cursor_after({"id": end}, "id") if len(every) > end else None
    items = [_item(call, name, record, hits) for name, record, hits in page]
    return success({"items": items, "related_items": []}, additional_data={"next_cursor": cursor})


def _refuse_short(call: Call) -> None:
    if len(call.query["term"]) < (1 if call.query["exact_match"] else 2):
        raise call.refusal("term: This value is too short.")


def _live(collection: Collection) -> Iterator[Record]:
    return filter(None, map(collection.get, collection.walk([LIVE, _ARCHIVED], "id")))


def _type(name: str) -> str:
    return name.removesuffix("s")


def _hits(call: Call, name: str, records: Iterable[Record]) -> Iterator[tuple[Record, Hits]]:
    organization_id = call.query.get("organization_id")
    asked = call.query["fields"] or _SEARCHED_FIELDS[name]
    fields = [field for field in asked if field in _SEARCHED_FIELDS[name]]
    for record in records:
        if organization_id is None or record["org_id"] == organization_id:
            hits = {
                field: [text for text in _texts(call.account, name, record, field) if _fits(text, call.query)]
                for field in fields
            }
            if any(hits.values()):
                yield record, hits


def _fits(text: str, query: Mapping[str, Any]) -> bool:
    text, term = text.casefold(), query["term"].casefold()
    return text == term if query["exact_match"] else term in text


def _texts(account: Account, name: str, record: Record, field: str) -> list[str]:
    match field:
        case "name" | "title" | "code":
            return [record[field] or ""]
        case "email" | "phone":
            return _contacts(record[f"{field}s"])
        case "address":
            return [(record["address"] or {}).get("value") or ""]
        case "notes":
            return _notes(account, name, record)
        case _:
            return _custom_texts(account, name, record)


def _contacts(contacts: list[Record] | None) -> list[str]:
    return [contact["value"] for contact in contacts or () if contact["value"]]


def _notes(account: Account, name: str, record: Record) -> list[str]:
    notes = account["notes"]
    linked = filter(None, map(notes.get, sorted(notes.linked(_NOTES_BY[name], record["id"]))))
    return [note["content"] for note in linked if note["active_flag"] and note["content"]]


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
    account = call.account
    common = {
        "id": record["id"],
        "type": _type(name),
        "visible_to": record["visible_to"],
        "owner": {"id": record["owner_id"]},
        "custom_fields": hits.get("custom_fields", []),
    }
    own = _OWN[name](account, record)
    notes = {} if name == "products" else {"notes": hits.get("notes", [])}
    score = _EXACT_SCORE if call.query["exact_match"] else _PARTIAL_SCORE
    return {"result_score": score, "item": common | own | notes}


def _of_person(account: Account, record: Record) -> Record:
    return {
        "name": record["name"],
        "phones": _contacts(record["phones"]),
        "emails": _contacts(record["emails"]),
        "organization": _reference(account, "organizations", record["org_id"]),
    }


def _of_organization(_: Account, record: Record) -> Record:
    return {"name": record["name"], "address": (record["address"] or {}).get("value")}


def _of_product(_: Account, record: Record) -> Record:
    return {"name": record["name"], "code": record["code"]}


def _of_deal(account: Account, record: Record) -> Record:
    return {
        "title": record["title"],
        "value": record["value"],
        "currency": record["currency"],
        "status": record["status"],
        "stage": _reference(account, "stages", record["stage_id"]),
        "person": _reference(account, "persons", record["person_id"]),
        "organization": _reference(account, "organizations", record["org_id"]),
        "is_archived": bool(record["is_archived"]),
    }


def _of_lead(account: Account, record: Record) -> Record:
    value = record["value"] or {}
    person = account["persons"].get(record["person_id"])
    return {
        "title": record["title"],
        "value": value.get("amount"),
        "currency": value.get("currency"),
        "person": _reference(account, "persons", record["person_id"]),
        "organization": _reference(account, "organizations", record["organization_id"]),
        "phones": _contacts(person["phones"]) if person else [],
        "emails": _contacts(person["emails"]) if person else [],
        "is_archived": bool(record["is_archived"]),
    }


def _reference(account: Account, name: str, record_id: Any) -> Record | None:
    found = None if record_id is None else account[name].get(record_id)
    return found and {"id": found["id"], "name": found["name"]}


_OWN = {
    "deals": _of_deal,
    "leads": _of_lead,
    "organizations": _of_organization,
    "persons": _of_person,
    "products": _of_product,
}

"""The search for persons and organizations (docs/pipedrive-api.md#search)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from pipedrive_orchestration.demo.account.collection import LIVE
from pipedrive_orchestration.demo.call import Answer, Call, success
from pipedrive_orchestration.demo.endpoints.paging import cursor_after, position
from pipedrive_orchestration.demo.records import Record

_SEARCHED_TYPES = {"address", "varchar", "text", "varchar_auto", "double", "monetary", "phone"}
"""Types of custom fields in which is searched."""

_SEARCHED_FIELDS = {
    "organizations": ("address", "custom_fields", "notes", "name"),
    "persons": ("custom_fields", "email", "notes", "phone", "name"),
}
_EXACT_SCORE, _PARTIAL_SCORE = 1.0, 0.5

Hits = Mapping[str, list[str]]
"""The texts that were found in a record, by the field of the search."""


def found(call: Call) -> Answer:
    """The records in which the term is found, in the order of ids."""
    query, limit = call.query, call.query["limit"]
    if len(query["term"]) < (1 if query["exact_match"] else 2):
        raise call.refusal("term: This value is too short.")
    ids = call.collection.walk([LIVE], "id", after=position(call, "id"))
    hits = list(islice(_hits(call, filter(None, map(call.collection.get, ids))), limit + 1))
    page = hits[:limit]
    cursor = cursor_after(page[-1][0], "id") if len(hits) > limit else None
    items = [_item(call, record, texts) for record, texts in page]
    return success({"items": items}, additional_data={"next_cursor": cursor})


def _hits(call: Call, records: Iterator[Record]) -> Iterator[tuple[Record, Hits]]:
    organization_id = call.query.get("organization_id")
    fields = call.query["fields"] or _SEARCHED_FIELDS[call.name]
    for record in records:
        if organization_id is None or record["org_id"] == organization_id:
            hits = {
                field: [text for text in _texts(call, record, field) if _fits(text, call.query)]
                for field in fields
            }
            if any(hits.values()):
                yield record, hits


def _fits(text: str, query: Mapping[str, Any]) -> bool:
    text, term = text.casefold(), query["term"].casefold()
    return text == term if query["exact_match"] else term in text


def _texts(call: Call, record: Record, field: str) -> list[str]:
    match field:
        case "name":
            return [record["name"] or ""]
        case "email" | "phone":
            return _contacts(record[f"{field}s"])
        case "address":
            return [(record["address"] or {}).get("value") or ""]
        case "notes":
            return _notes(call, record)
        case _:
            return _custom_texts(call, record)


def _contacts(contacts: list[Record] | None) -> list[str]:
    return [contact["value"] for contact in contacts or () if contact["value"]]


def _notes(call: Call, record: Record) -> list[str]:
    notes = call.account["notes"]
    ids = notes.linked("person_id" if call.name == "persons" else "org_id", record["id"])
    linked = filter(None, map(notes.get, sorted(ids)))
    return [note["content"] for note in linked if note["active_flag"] and note["content"]]


def _custom_texts(call: Call, record: Record) -> list[str]:
    values = record["custom_fields"] or {}
    texts = []
    for field in call.account.fields[call.name]:
        value = values.get(field["field_code"])
        if value is not None and field["field_type"] in _SEARCHED_TYPES:
            texts.append(str(value.get("value") if isinstance(value, dict) else value))
    return texts


def _item(call: Call, record: Record, hits: Hits) -> Record:
    item = {
        "id": record["id"],
        "type": call.name.removesuffix("s"),
        "name": record["name"],
        "visible_to": record["visible_to"],
        "owner": {"id": record["owner_id"]},
        "custom_fields": hits.get("custom_fields", []),
        "notes": hits.get("notes", []),
    }
    if call.name == "persons":
        organization = call.account["organizations"].get(record["org_id"])
        item["phones"] = _contacts(record["phones"])
        item["emails"] = _contacts(record["emails"])
        item["organization"] = organization and {"id": organization["id"], "name": organization["name"]}
    else:
        item["address"] = (record["address"] or {}).get("value")
    return {"result_score": _EXACT_SCORE if call.query["exact_match"] else _PARTIAL_SCORE, "item": item}

"""The search for persons and organizations (OpenAPI ``/persons/search`` and ``/organizations/search``)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Annotated

from pipedrive_orchestration.demo.account.account import Account
from pipedrive_orchestration.demo.account.collection import LIVE, Record
from pipedrive_orchestration.demo.call import Answer, Call, success
from pipedrive_orchestration.demo.errors import bad_request
from pipedrive_orchestration.demo.parameters import Boolean, Integer, Names, choices, parse
from pipedrive_orchestration.demo.v2.cursor import decode, encode
from pipedrive_orchestration.demo.v2.queries import PageQuery

_SEARCHABLE_TYPES = {"address", "varchar", "text", "varchar_auto", "double", "monetary", "phone"}
"""Types of custom fields in which is searched (docs/pipedrive-api.md#search)."""

_EXACT_SCORE, _PARTIAL_SCORE = 1.0, 0.5


class SearchQuery(PageQuery):
    """What all searches take."""

    term: str
    exact_match: Boolean = False
    fields: Names = ()


class OrganizationSearch(SearchQuery):
    """``GET /organizations/search``."""

    fields: Annotated[Names, choices("address", "custom_fields", "notes", "name")] = (
        "address",
        "custom_fields",
        "notes",
        "name",
    )


class PersonSearch(SearchQuery):
    """``GET /persons/search``; nobody has a picture here, so that there is none to include."""

    fields: Annotated[Names, choices("custom_fields", "email", "notes", "phone", "name")] = (
        "custom_fields",
        "email",
        "notes",
        "phone",
        "name",
    )
    organization_id: Integer | None = None
    include_fields: Annotated[Names, choices("person.picture")] = ()


Hits = dict[str, list[str]]
"""The texts that were found in a record, by the field of the search."""


def search(name: str, model: type[SearchQuery]) -> Callable[[Call], Answer]:
    """The endpoint that searches a collection, in the order of ids.

    Args:
        name: ``persons`` or ``organizations``.
        model: its query parameters.
    """

    def find(call: Call) -> Answer:
        query = parse(call, model)
        if len(query.term) < (1 if query.exact_match else 2):
            raise bad_request("v2", ["term: This value is too short."])
        after = decode(query.cursor, "id", "asc") if query.cursor is not None else None
        ids = call.account[name].walk([LIVE], "id", after=after)
        records = filter(None, map(call.account[name].get, ids))
        found = list(islice(_found(call.account, name, records, query), query.limit + 1))
        shown = found[: query.limit]
        more = len(found) > query.limit
        items = [_item(call.account, name, record, hits, query) for record, hits in shown]
        cursor = encode(shown[-1][0], "id", "asc") if more else None
        return success({"items": items}, additional_data={"next_cursor": cursor})

    return find


def _found(
    account: Account, name: str, records: Iterator[Record], query: SearchQuery
) -> Iterator[tuple[Record, Hits]]:
    organization_id = getattr(query, "organization_id", None)
    for record in records:
        if organization_id is not None and record["org_id"] != organization_id:
            continue
        hits = {
            field: [text for text in _texts(account, name, record, field) if _fits(text, query)]
            for field in query.fields
        }
        if any(hits.values()):
            yield record, hits


def _fits(text: str, query: SearchQuery) -> bool:
    text, term = text.casefold(), query.term.casefold()
    return text == term if query.exact_match else term in text


def _texts(account: Account, name: str, record: Record, field: str) -> list[str]:
    match field:
        case "name":
            return [record["name"] or ""]
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
    link = "person_id" if name == "persons" else "org_id"
    return [
        note["content"]
        for note in account["notes"]
        if note["active_flag"] and note[link] == record["id"] and note["content"]
    ]


def _custom_texts(account: Account, name: str, record: Record) -> list[str]:
    values = record["custom_fields"] or {}
    texts = []
    for field in account.fields[name]:
        value = values.get(field["field_code"])
        if value is not None and field["field_type"] in _SEARCHABLE_TYPES:
            texts.append(str(value.get("value") if isinstance(value, dict) else value))
    return texts


def _item(account: Account, name: str, record: Record, hits: Hits, query: SearchQuery) -> Record:
    item = {
        "id": record["id"],
        "type": name.removesuffix("s"),
        "name": record["name"],
        "visible_to": record["visible_to"],
        "owner": {"id": record["owner_id"]},
        "custom_fields": hits.get("custom_fields", []),
        "notes": hits.get("notes", []),
    }
    if name == "persons":
        organization = account["organizations"].get(record["org_id"])
        item["phones"] = _contacts(record["phones"])
        item["emails"] = _contacts(record["emails"])
        item["organization"] = organization and {"id": organization["id"], "name": organization["name"]}
    else:
        item["address"] = (record["address"] or {}).get("value")
    return {"result_score": _EXACT_SCORE if query.exact_match else _PARTIAL_SCORE, "item": item}

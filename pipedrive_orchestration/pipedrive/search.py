"""Pipedrive's search over items of several types (docs/pipedrive-api.md#search)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from pipedrive_orchestration.pipedrive.client import Client
from pipedrive_orchestration.pipedrive.responses import BrokenBody, whole_characters

SEARCH_PATH = "/api/v2/itemSearch"
SEARCH_COST = 20
MAX_PAGE_SIZE = 100
"""The most items of a page; OpenAPI v2 ``/itemSearch``."""

ITEM_TYPES = {
    "deals": "deal",
    "persons": "person",
    "organizations": "organization",
    "products": "product",
    "leads": "lead",
    "files": "file",
    "mail_attachments": "mail_attachment",
    "projects": "project",
}
"""What is searched, by our plural, and Pipedrive's word for one."""

SEARCH_FIELDS = (
    "address",
    "code",
    "custom_fields",
    "description",
    "email",
    "name",
    "notes",
    "phone",
    "title",
)
"""The fields that a search can be limited to."""


@dataclass(frozen=True, slots=True)
class FoundItem:
    """An item that a search has found.

    Attributes:
        item_type: one of `ITEM_TYPES`.
        id: a UUID where Pipedrive has one, else a number.
        name: its name or title.
        score: how well it fits, by Pipedrive.
        item: all that the answer says of it.
    """

    item_type: str
    id: int | str
    name: str
    score: float
    item: Mapping[str, Any]


class _Hit(msgspec.Struct):
    item: dict[str, Any]
    result_score: float = 0.0


class _Hits(msgspec.Struct):
    items: list[_Hit]


class _End(msgspec.Struct):
    next_cursor: str | None = None


class _Body(msgspec.Struct):
    data: _Hits
    additional_data: _End | None = None


def shortest_term(*, exact: bool) -> int:
    """The fewest characters that a term may have."""
    return 1 if exact else 2


async def search(
    client: Client,
    term: str,
    *,
    item_types: Collection[str] = (),
    fields: Collection[str] = (),
    exact: bool = False,
    most: int = MAX_PAGE_SIZE,
) -> list[FoundItem]:
    """The items in which a term is found, the best first as Pipedrive gives them; 20 tokens for each hundred.

    Args:
        client: the connection in use.
        term: not shorter than `shortest_term` says.
        item_types: some of `ITEM_TYPES`; all if empty.
        fields: some of `SEARCH_FIELDS`; all if empty.
        exact: whole values are compared, without regard to case.
        most: how many to read.

    Raises:
        PipedriveError: see :meth:`Client.get`.
    """
    query: dict[str, str | int] = {"term": term, "limit": min(most, MAX_PAGE_SIZE)}
    if item_types:
        query["item_types"] = ",".join(ITEM_TYPES[name] for name in item_types)
    if fields:
        query["fields"] = ",".join(fields)
    if exact:
        query["exact_match"] = "true"
    found: list[FoundItem] = []
    while True:
        body = await client.get(SEARCH_PATH, query, cost=SEARCH_COST, read=_body)
        found += map(_found, body.data.items)
        cursor = body.additional_data.next_cursor if body.additional_data else None
        if cursor is None or len(found) >= most:
            return found[:most]
        query["cursor"] = cursor


def _body(content: bytes) -> _Body:
    try:
        return msgspec.json.decode(whole_characters(content), type=_Body)
    except msgspec.DecodeError as error:
        raise BrokenBody(f"the body holds no items of a search ({error})") from None


def _found(hit: _Hit) -> FoundItem:
    item = hit.item
    singular = str(item.get("type"))
    item_type = next((plural for plural, word in ITEM_TYPES.items() if word == singular), singular)
    name = item.get("name") or item.get("title") or ""
    return FoundItem(item_type, item["id"], str(name), hit.result_score, item)

"""Names in a filter that stand for records: owners, organizations, persons, stages, pipelines, labels.

Short lists (users, stages, pipelines, labels of leads) are read once; organizations and persons are
found through Pipedrive's search, which compares whole names (OpenAPI ``/organizations/search`` and
``/persons/search``; a new record can take some seconds to be found, API facts 2.7).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from uuid import UUID

import msgspec

from pipedrive_orchestration.pipedrive.client import Client
from pipedrive_orchestration.pipedrive.object_types import LEAD_LABELS, PIPELINES, STAGES, USERS
from pipedrive_orchestration.pipedrive.pagination import pages
from pipedrive_orchestration.pipedrive.responses import BrokenBody

_LISTS = {"user": USERS, "stage": STAGES, "pipeline": PIPELINES, "uuids": LEAD_LABELS}
_SEARCHES = {"org": "/api/v2/organizations/search", "people": "/api/v2/persons/search"}

SEARCH_COST = 20
"""Tokens of one search (OpenAPI, ``x-token-cost``)."""

SEARCH_LIMIT = 100
"""Results asked for at once: above that, some accounts answer 400 (API facts 2.7)."""

NAMED_TYPES = {
    "user": "user",
    "stage": "stage",
    "pipeline": "pipeline",
    "uuids": "label",
    "org": "organization",
    "people": "person",
}
"""Field types whose values can be given by name, and what they name."""

Id = int | UUID

_ID = re.compile(r"\d{1,18}", re.ASCII)


@dataclass(slots=True)
class Names:
    """Ids by name, for each field type."""

    entries: dict[str, list[tuple[str, Id]]] = field(default_factory=dict)

    def ids(self, field_type: str, name: str, *, case_sensitive: bool) -> list[Id]:
        """All records of that name; several can have the same."""
        entries = self.entries.get(field_type, [])
        if case_sensitive:
            return [record_id for known, record_id in entries if known == name]
        return [record_id for known, record_id in entries if known.casefold() == name.casefold()]

    def known(self, field_type: str) -> list[str]:
        """The names that were read."""
        return [known for known, _ in self.entries.get(field_type, [])]


def id_of(field_type: str, value: object) -> Id | None:
    """The id that a value is, or None where it is a name."""
    if isinstance(value, bool):
        return None
    if field_type == "uuids":
        try:
            return UUID(str(value))
        except ValueError:
            return None
    text = str(value).strip()
    return int(text) if _ID.fullmatch(text) else None


async def read_names(client: Client, wanted: Mapping[str, Iterable[str]]) -> Names:
    """Look up names.

    Args:
        client: the connection in use.
        wanted: names by field type, all of `NAMED_TYPES`.

    Raises:
        PipedriveError: see :meth:`Client.get`.
    """
    names = Names()
    for field_type, texts in wanted.items():
        if field_type in _LISTS:
            names.entries[field_type] = await _read_list(client, field_type)
        else:
            names.entries[field_type] = [
                entry
                for text in sorted(texts)
                for entry in await _search(client, _SEARCHES[field_type], text)
            ]
    return names


class _Named(msgspec.Struct):
    id: int | str
    name: str | None = None


class _Hit(msgspec.Struct):
    item: _Named


class _Hits(msgspec.Struct):
    items: list[_Hit] = []


class _More(msgspec.Struct):
    next_cursor: str | None = None


class _Found(msgspec.Struct):
    success: bool
    data: _Hits | None = None
    additional_data: _More | None = None


_named = msgspec.json.Decoder(_Named)
_found = msgspec.json.Decoder(_Found)


async def _read_list(client: Client, field_type: str) -> list[tuple[str, Id]]:
    entries = []
    async for page in pages(client, _LISTS[field_type], {}):
        for record in page.whole_records():
            named = _named.decode(record)
            record_id = id_of(field_type, named.id)
            if named.name and record_id is not None:
                entries.append((named.name, record_id))
    return entries


async def _search(client: Client, path: str, name: str) -> list[tuple[str, Id]]:
    asked: dict[str, str | int] = {
        "term": name,
        "fields": "name",
        "exact_match": "true",
        "limit": SEARCH_LIMIT,
    }
    entries: list[tuple[str, Id]] = []
    while True:
        found = await client.get(path, asked, cost=SEARCH_COST, read=_open_search)
        hits = found.data.items if found.data else []
        entries += [(hit.item.name, int(hit.item.id)) for hit in hits if hit.item.name]
        following = found.additional_data.next_cursor if found.additional_data else None
        if not following or following == asked.get("cursor"):
            return entries
        asked["cursor"] = following


def _open_search(body: bytes) -> _Found:
    try:
        found = _found.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BrokenBody(f"the body is not a list of search results ({error})") from None
    if not found.success:
        raise BrokenBody("the body says success: false")
    return found

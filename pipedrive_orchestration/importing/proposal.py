"""A proposal for the properties of an object type: those that one page of its records shows, with types."""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from pipedrive_orchestration.importing.children import lines_of
from pipedrive_orchestration.importing.preview import newest_parents, pages_of_children
from pipedrive_orchestration.pipedrive.auth import Connection
from pipedrive_orchestration.pipedrive.catalogue import BUILT_IN
from pipedrive_orchestration.pipedrive.client import Client
from pipedrive_orchestration.pipedrive.fields import is_custom_key
from pipedrive_orchestration.pipedrive.object_types import Catalogue, CustomFields, ObjectType
from pipedrive_orchestration.pipedrive.pagination import latest_first, pages
from pipedrive_orchestration.pipedrive.references import REFERENCED
from pipedrive_orchestration.pipedrive.responses import parse_time, whole_characters
from pipedrive_orchestration.sources.object_types import ObjectTypeDraft

MAX_PARENTS = 10
"""The number of requests for children before it is taken that there are none."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """The properties that were seen.

    Attributes:
        properties: key to type, in the order in which they came.
        unseen: those of them of which no value was seen, so that the type is a guess.
        records: how many records were read.
        tokens: what that cost.
    """

    properties: Mapping[str, str]
    unseen: tuple[str, ...]
    records: int
    tokens: int


def propose_properties(
    name: str, draft: ObjectTypeDraft, catalogue: Catalogue, *, connection: Connection
) -> Proposal:
    """Read one page of an object type, and tell what its records have.

    Args:
        name: of the object type.
        draft: what its file says of it, but for the properties.
        catalogue: has its parent.
        connection: the account.

    Raises:
        PipedriveError: the account cannot be read, or refuses what the file says.
    """
    object_type = draft.object_type(name, catalogue, ())
    records, tokens = asyncio.run(_read(object_type, connection))
    values: dict[str, list[Any]] = {}
    for record in records:
        for key, value in record.items():
            if not _is_apart(key, object_type):
                values.setdefault(key, []).append(value)
    return Proposal(
        properties={key: field_type_of(key, seen) for key, seen in values.items()},
        unseen=tuple(key for key, seen in values.items() if all(value is None for value in seen)),
        records=len(records),
        tokens=tokens,
    )


def _is_apart(key: str, object_type: ObjectType) -> bool:
    """Whether a key of a record is none of a property: the custom fields are in the account's list."""
    if object_type.custom_fields is CustomFields.FLAT:
        return is_custom_key(key[:40])
    return object_type.custom_fields is CustomFields.NESTED and key == "custom_fields"


async def _read(object_type: ObjectType, connection: Connection) -> tuple[list[dict[str, Any]], int]:
    async with Client(connection) as client:
        lines = [line async for line in _first_page(client, object_type)]
        records = [json.loads(whole_characters(line)) for line in b"".join(lines).splitlines()]
        if object_type.inner:
            records = [record.get(object_type.inner) for record in records]
        return [record for record in records if isinstance(record, dict)], client.usage.tokens


async def _first_page(client: Client, object_type: ObjectType) -> AsyncIterator[bytes]:
    """The records of the first page that has any, one per line."""
    parent = object_type.parent
    if parent is None:
        query = latest_first(object_type.listing)
        async for page in pages(client, object_type.listing, query, may_be_empty=True):
            yield lines_of(object_type, page)
            return
        return
    parents, _ = await newest_parents(client, parent)
    for start in range(0, min(len(parents), MAX_PARENTS * parent.batch), parent.batch):
        asked = parents[start : start + parent.batch]
        async for page in pages_of_children(client, object_type, asked, {}):
            if page.records:
                yield lines_of(object_type, page)
                return
            break


def field_type_of(key: str, values: Iterable[Any]) -> str:
    """The type that a property has by its values; where they leave it open, that of the built-in ones.

    Args:
        key: of the property.
        values: of some records.
    """
    seen = [value for value in values if value is not None]
    usual = [
        field_type for field_type in _usual_types(key) if all(_fits(value, field_type) for value in seen)
    ]
    if usual:
        return usual[0]
    return _by_value(seen) if seen else "varchar"


def _usual_types(key: str) -> list[str]:
    """The types that a key has in the built-in object types, the most frequent first."""
    counted = Counter(
        prop.field_type for one in BUILT_IN.values() for prop in one.properties if prop.key == key
    )
    return [field_type for field_type, _ in counted.most_common()]


def _by_value(seen: Sequence[Any]) -> str:
    kinds = ("boolean", "int", "double", "date", "datetime", "uuid", "varchar")
    return next((kind for kind in kinds if all(_fits(value, kind) for value in seen)), "json")


def _fits(value: Any, field_type: str) -> bool:
    """Whether a value that is not null can be one of a type."""
    if field_type in _WRITTEN:
        return isinstance(value, str) and _reads(value, field_type)
    kinds = _KINDS.get(field_type) or _kinds_of_reference(field_type)
    # To Python a boolean is a number.
    return isinstance(value, kinds) and (not isinstance(value, bool) or field_type == "boolean")


_WRITTEN = ("date", "datetime", "uuid")
"""Types whose values are texts of one form."""

_KINDS: dict[str, tuple[type, ...]] = {
    "json": (dict, list),
    "boolean": (bool,),
    "double": (int, float),
    "visible_to": (int,),
    "int": (int,),
    "role": (int,),
    "ids": (list,),
    "texts": (list,),
    "contacts": (list,),
    "address": (dict,),
    "amount": (dict,),
}


def _kinds_of_reference(field_type: str) -> tuple[type, ...]:
    referenced = REFERENCED.get(field_type)
    if referenced is None:
        return (str,)
    if referenced.is_list:
        return (list,)
    return (str,) if BUILT_IN[referenced.object_type].id_type == "uuid" else (int,)


def _reads(text: str, field_type: str) -> bool:
    with suppress(ValueError):
        if field_type == "uuid":
            return str(UUID(text)) == text.lower()
        if field_type == "date":
            return date.fromisoformat(text).isoformat() == text
        return bool(re.match(r"\d{4}-\d\d-\d\d[T ]\d\d:", text)) and bool(parse_time(text))
    return False

"""Pages of a list: by a cursor in v2, by the number of the first record in v1, or the whole list at once.

A cursor says where a page ended: base64url without padding of the sort value and the id of its last record,
``{"field", "fieldValue", "sortDirection", "id"}``, as the examples of the OpenAPI file have it
(docs/pipedrive-api.md#pagination).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any, TypeVar

import orjson

from pipedrive_orchestration.demo.account.collection import Key, sort_key
from pipedrive_orchestration.demo.call import Answer, Call, success_list
from pipedrive_orchestration.demo.records import Record

T = TypeVar("T")

_KEYS = {"field", "fieldValue", "sortDirection", "id"}


def cursor_after(record: Record, field: str, direction: str = "asc") -> str:
    """The cursor of the page that follows the record."""
    marker = {
        "field": field,
        "fieldValue": record.get(field),
        "sortDirection": direction,
        "id": record["id"],
    }
    return base64.urlsafe_b64encode(orjson.dumps(marker)).rstrip(b"=").decode()


def position(call: Call, field: str, direction: str = "asc") -> Key | None:
    """The sort key after which the page begins that a call asks for; none if it is the first page.

    Args:
        call: the call.
        field: the property the list is sorted by, which has to be the cursor's.
        direction: ``asc`` or ``desc``, likewise.

    Raises:
        ApiError: 400 if the cursor is none, or one of a differently sorted list.
    """
    cursor = call.query["cursor"]
    if cursor is None:
        return None
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        marker: Any = orjson.loads(raw)
    except (binascii.Error, ValueError):
        marker = None
    if not isinstance(marker, dict) or marker.keys() != _KEYS or type(marker["id"]) is not int:
        raise call.refusal("cursor: This value is not a valid cursor.")
    if (marker["field"], marker["sortDirection"]) != (field, direction):
        raise call.refusal("cursor: This cursor belongs to a list that is sorted differently.")
    value = marker["fieldValue"]
    if type(value) is not int if field in {"id", "order_nr"} else not isinstance(value, str | None):
        raise call.refusal("cursor: This value is not a valid cursor.")
    return sort_key({"id": marker["id"], field: value}, field)


def pagination(start: int, limit: int, *, more: bool) -> dict[str, Any]:
    """The pagination block of v1; ``next_start`` is absent on the last page."""
    block = {"start": start, "limit": limit, "more_items_in_collection": more}
    return {**block, "next_start": start + limit} if more else block


def offset_page(call: Call, items: Iterable[T], encode: Callable[[T], bytes]) -> Answer:
    """The page that a call asks for of things that come in order."""
    start, limit = call.query["start"], call.query["limit"]
    found = list(islice(items, start, start + limit + 1))
    block = pagination(start, limit, more=len(found) > limit)
    return success_list(map(encode, found[:limit]), additional_data={"pagination": block})

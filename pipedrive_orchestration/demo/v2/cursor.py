"""Keyset cursors: where a page ended, as the sort value and the id of its last record.

The form is that of the OpenAPI examples: base64url without padding of
``{"field", "fieldValue", "sortDirection", "id"}`` (docs/pipedrive-api.md#pagination).
"""

from __future__ import annotations

import base64
import binascii
from typing import Any

import orjson

from pipedrive_orchestration.demo.account.collection import Key, Record, sort_key
from pipedrive_orchestration.demo.errors import ApiError, bad_request

_KEYS = {"field", "fieldValue", "sortDirection", "id"}


def encode(record: Record, field: str, direction: str) -> str:
    """The cursor of the page that follows the record."""
    marker = {
        "field": field,
        "fieldValue": record.get(field),
        "sortDirection": direction,
        "id": record["id"],
    }
    return base64.urlsafe_b64encode(orjson.dumps(marker)).rstrip(b"=").decode()


def decode(cursor: str, field: str, direction: str) -> Key:
    """The sort key that a cursor names.

    Args:
        cursor: as it came in the query.
        field: the property the list is sorted by, which has to be the cursor's.
        direction: ``asc`` or ``desc``, likewise.

    Raises:
        ApiError: 400 if it is no cursor, or one of a differently sorted list.
    """
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        marker: Any = orjson.loads(raw)
    except (binascii.Error, ValueError):
        raise _bad_cursor("This value is not a valid cursor.") from None
    if not isinstance(marker, dict) or marker.keys() != _KEYS or type(marker["id"]) is not int:
        raise _bad_cursor("This value is not a valid cursor.")
    if (marker["field"], marker["sortDirection"]) != (field, direction):
        raise _bad_cursor("This cursor belongs to a list that is sorted differently.")
    if not _fits(marker["fieldValue"], field):
        raise _bad_cursor("This value is not a valid cursor.")
    return sort_key({"id": marker["id"], field: marker["fieldValue"]}, field)


def _fits(value: Any, field: str) -> bool:
    if field in {"id", "order_nr"}:
        return type(value) is int
    return value is None or isinstance(value, str)


def _bad_cursor(sentence: str) -> ApiError:
    return bad_request("v2", [f"cursor: {sentence}"])

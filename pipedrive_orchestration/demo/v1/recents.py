"""Recents: what changed since an instant, deletions included, one month back at most.

See docs/pipedrive-api.md#recents.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice
from typing import Annotated

from pipedrive_orchestration.demo.account.account import Account
from pipedrive_orchestration.demo.account.collection import SHELVES, RecordId
from pipedrive_orchestration.demo.call import Answer, Call, success
from pipedrive_orchestration.demo.clock import V1_TIME
from pipedrive_orchestration.demo.parameters import Names, V1Instant, choices, parse
from pipedrive_orchestration.demo.v1.paging import OffsetQuery, pagination
from pipedrive_orchestration.demo.v1.records import SHAPES, v1_time
from pipedrive_orchestration.pipedrive.object_types import CATALOGUE, RECENTS_DAYS

_NAMES = {
    object_type.recents_item: name for name, object_type in CATALOGUE.items() if object_type.recents_item
}
"""Collections by what recents calls them; files, which the demo account does not have, are never there."""

Change = tuple[str, str, RecordId]
"""When (in v1 form), what and which."""


class RecentsQuery(OffsetQuery):
    """``GET /recents``."""

    since_timestamp: V1Instant
    items: Annotated[Names, choices("file", *_NAMES)] = ()


def list_recents(call: Call) -> Answer:
    """``GET /recents``: oldest change first; an empty page has null for data."""
    query = parse(call, RecentsQuery)
    account = call.account
    earliest = account.clock.now() - timedelta(days=RECENTS_DAYS)
    changes = _changes(account, max(query.since_timestamp, earliest), query.items or tuple(_NAMES))
    found = list(islice(changes, query.start, query.start + query.limit + 1))
    more = len(found) > query.limit
    shown = found[: query.limit]
    additional_data = {
        "since_timestamp": query.since_timestamp.strftime(V1_TIME),
        "last_timestamp_on_page": shown[-1][0] if shown else None,
        "pagination": pagination(query.start, query.limit, more=more),
    }
    data = [_item(account, item, record_id) for _, item, record_id in shown]
    return success(data or None, additional_data=additional_data)


def _changes(account: Account, since: datetime, items: tuple[str, ...]) -> Iterator[Change]:
    return heapq.merge(*(_changes_of(account, item, since) for item in sorted({*items} - {"file"})))


def _changes_of(account: Account, item: str, since: datetime) -> Iterator[Change]:
    collection = account[_NAMES[item]]
    stamp = "modified" if item == "user" else "update_time"
    window = (collection.time(since), None)
    for record_id in collection.walk(SHELVES, stamp, window=window):
        record = collection.get(record_id)
        assert record is not None, "an index names a record that is gone"
        yield v1_time(record[stamp]) or "", item, record_id


def _item(account: Account, item: str, record_id: RecordId) -> dict[str, object]:
    name = _NAMES[item]
    record = account[name].get(record_id)
    assert record is not None, "an index names a record that is gone"
    return {"item": item, "id": record_id, "data": SHAPES[name](account, record)}

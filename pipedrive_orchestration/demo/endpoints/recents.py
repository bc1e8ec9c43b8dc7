"""Recents: what changed since an instant, deletions included, one month back at most.

See docs/pipedrive-api.md#recents.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice

from pipedrive_orchestration.demo.account.account import Account
from pipedrive_orchestration.demo.account.collection import STATES
from pipedrive_orchestration.demo.account.v1_shapes import v1_record, v1_time
from pipedrive_orchestration.demo.call import Answer, Call, success
from pipedrive_orchestration.demo.clock import V1_TIME
from pipedrive_orchestration.demo.endpoints.paging import pagination
from pipedrive_orchestration.demo.records import Record, RecordId

REACH = timedelta(days=30)

_COLLECTIONS = {
    "activity": "activities",
    "activityType": "activity_types",
    "deal": "deals",
    "file": "files",
    "filter": "filters",
    "note": "notes",
    "organization": "organizations",
    "person": "persons",
    "pipeline": "pipelines",
    "product": "products",
    "stage": "stages",
    "user": "users",
}
"""By what recents calls their records."""

Change = tuple[str, str, RecordId]
"""When (in v1 form), what and which."""


def listed(call: Call) -> Answer:
    """The changes, the oldest first; an empty page has null for data."""
    account, query = call.account, call.query
    start, limit = query["start"], query["limit"]
    since = max(query["since_timestamp"], account.clock.now() - REACH)
    items = sorted(_COLLECTIONS.keys() & set(query["items"] or _COLLECTIONS))
    changes = heapq.merge(*(_changes(account, item, since) for item in items))
    found = list(islice(changes, start, start + limit + 1))
    page = found[:limit]
    return success(
        [_entry(account, item, record_id) for _, item, record_id in page] or None,
        additional_data={
            "since_timestamp": query["since_timestamp"].strftime(V1_TIME),
            "last_timestamp_on_page": page[-1][0] if page else None,
            "pagination": pagination(start, limit, more=len(found) > limit),
        },
    )


def _changes(account: Account, item: str, since: datetime) -> Iterator[Change]:
    collection = account[_COLLECTIONS[item]]
    stamp = "modified" if item == "user" else "update_time"
    for record_id in collection.walk(STATES, stamp, window=(collection.time(since), None)):
        yield v1_time(collection[record_id][stamp]) or "", item, record_id


def _entry(account: Account, item: str, record_id: RecordId) -> Record:
    name = _COLLECTIONS[item]
    return {"item": item, "id": record_id, "data": v1_record(account, name, account[name][record_id])}

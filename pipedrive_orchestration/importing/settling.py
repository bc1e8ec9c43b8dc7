"""Settling what became of rows that a complete reading did not bring: look them up by id."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial

import msgspec

from pipedrive_orchestration.importing.definition import Definition
from pipedrive_orchestration.importing.reading import Span
from pipedrive_orchestration.importing.removals import RemovedId
from pipedrive_orchestration.pipedrive.catalogue import (
    DEALS,
    MAX_IDS_PER_REQUEST,
    MAX_PAGE_SIZE,
    RECENTS_COST,
    RECENTS_PATH,
    ObjectType,
    Paging,
)
from pipedrive_orchestration.pipedrive.client import Client
from pipedrive_orchestration.pipedrive.envelope import (
    BrokenBody,
    Page,
    open_page,
    parse_time,
    whole_characters,
)
from pipedrive_orchestration.pipedrive.errors import EndlessList, Refused

EVERY_STATUS = {"status": "open,won,lost,deleted"}
"""Makes a list of deals give those of every status, the deleted ones of the last 30 days included."""


@dataclass(slots=True)
class Settled:
    """What a look-up has found.

    Attributes:
        spans: records that are still there, in whatever state.
        gone: ids that nothing was found for.
    """

    spans: list[Span] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)


class _Found(msgspec.Struct):
    id: int | str


async def look_up(client: Client, definition: Definition, ids: Sequence[str]) -> Settled:
    """Ask for records by their ids: 100 at a time where the list takes ids, else one by one.

    Raises:
        PipedriveError: see :meth:`Client.get`.
    """
    object_type = definition.object_type
    settled = Settled()
    if object_type.paging is Paging.OFFSET:
        for record_id in ids:
            await _look_up_one(client, object_type, record_id, settled)
        return settled
    remaining = list(ids)
    lists = [(object_type.path, object_type.list_cost)]
    if object_type.archived_path:
        lists.append((object_type.archived_path, object_type.archived_cost))
    for path, cost in lists:
        remaining = await _look_up_in(client, definition, path, cost, remaining, settled)
    settled.gone += remaining
    return settled


async def _look_up_in(
    client: Client, definition: Definition, path: str, cost: int, ids: Sequence[str], settled: Settled
) -> list[str]:
    found: set[str] = set()
    parameters = definition.parameters | (EVERY_STATUS if definition.object_type is DEALS else {})
    for start in range(0, len(ids), MAX_IDS_PER_REQUEST):
        asked = ",".join(ids[start : start + MAX_IDS_PER_REQUEST])
        page = await client.get(
            path,
            {**parameters, "ids": asked, "limit": MAX_PAGE_SIZE},
            cost=cost,
            read=partial(open_page, paging=definition.object_type.paging),
        )
        found |= {str(msgspec.json.decode(record, type=_Found).id) for record in page.records}
        settled.spans.append(Span.of(page, None))
    return [record_id for record_id in ids if record_id not in found]


class _One(msgspec.Struct):
    success: bool
    data: msgspec.Raw


class _State(msgspec.Struct):
    active_flag: bool = True


async def _look_up_one(client: Client, object_type: ObjectType, record_id: str, settled: Settled) -> None:
    assert object_type.get_cost is not None
    try:
        record = await client.get(
            f"{object_type.path}/{record_id}", {}, cost=object_type.get_cost, read=_open_one
        )
    except Refused as refused:
        if refused.status not in (404, 410):
            raise
        settled.gone.append(record_id)
        return
    # A deleted note is still answered, as inactive (API facts 2.4).
    if msgspec.json.decode(record, type=_State).active_flag:
        settled.spans.append(Span.of(Page([record], None), None))
    else:
        settled.gone.append(record_id)


def _open_one(body: bytes) -> msgspec.Raw:
    try:
        one = msgspec.json.decode(whole_characters(body), type=_One)
    except msgspec.DecodeError as error:
        raise BrokenBody(f"the body is not a record ({error})") from None
    if not one.success:
        raise BrokenBody("the body says success: false")
    return one.data.copy()


async def recent_changes(client: Client, object_type: ObjectType, since: datetime) -> AsyncIterator[Page]:
    """The recents feed of a collection since an instant: the last state of what changed, deleted or not.

    The feed comes in ascending ``update_time`` and shifts like any v1 list (see
    :func:`~pipedrive_orchestration.pipedrive.paging.keyset_pages`): what changes meanwhile moves to its end.
    So it is followed by its times, and by offset only where one second fills more than a page.

    Raises:
        EndlessList: a page has nothing new and says that there is more.
        PipedriveError: see :meth:`Client.get`.
    """
    assert object_type.recents_item is not None
    start = 0
    seen: set[int | str | None] = set()
    while True:
        asked: dict[str, str | int] = {
            "since_timestamp": f"{since.astimezone(UTC):%Y-%m-%d %H:%M:%S}",
            "items": object_type.recents_item,
            "limit": MAX_PAGE_SIZE,
            "start": start,
        }
        page = await client.get(
            RECENTS_PATH, asked, cost=RECENTS_COST, read=partial(open_page, paging=Paging.OFFSET)
        )
        yield page
        ids = page.ids()
        if start and (not ids or ids[0] not in seen):
            start = max(0, start - MAX_PAGE_SIZE)
            continue
        if page.next is None:
            return
        if len(ids) <= bool(start):
            raise EndlessList(RECENTS_PATH, page.next)
        seen.update(ids)
        reached = _changed_at(page.records[-1])
        # Whether the bound is inclusive is not documented, so the last second is asked for once more.
        if reached is not None and reached - timedelta(seconds=1) > since:
            since, start, seen = reached - timedelta(seconds=1), 0, set()
        else:
            start += len(ids) - 1


class _Change(msgspec.Struct):
    data: dict[str, object] | None = None


def _changed_at(item: msgspec.Raw) -> datetime | None:
    changed = (msgspec.json.decode(item, type=_Change).data or {}).get("update_time")
    return parse_time(changed) if isinstance(changed, str) else None


def reasons(
    gone: Sequence[str], recent: Sequence[RemovedId], *, all_seen_in_recents: bool
) -> list[RemovedId]:
    """Why records are gone.

    Args:
        gone: their ids.
        recent: removals that the recents feed shows.
        all_seen_in_recents: whether every deletion that could explain them would be in the feed; one
            that is not there is then hidden from the token's user rather than deleted.
    """
    known = {removal[0]: removal for removal in recent}
    otherwise = "invisible" if all_seen_in_recents else "deleted"
    return [known.get(record_id, (record_id, otherwise, None)) for record_id in gone]

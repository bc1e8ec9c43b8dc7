"""Looking records up by their ids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from pipedrive_orchestration.importing.definition import Definition
from pipedrive_orchestration.importing.ranges import Span
from pipedrive_orchestration.pipedrive.client import Client
from pipedrive_orchestration.pipedrive.errors import Refused
from pipedrive_orchestration.pipedrive.object_type import ObjectType, Paging
from pipedrive_orchestration.pipedrive.object_types import DEALS, MAX_IDS_PER_REQUEST, MAX_PAGE_SIZE
from pipedrive_orchestration.pipedrive.pagination import page_reader
from pipedrive_orchestration.pipedrive.responses import BrokenBody, Page, whole_characters

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
            read=page_reader(definition.object_type.paging),
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
        settled.spans.append(Span.of(Page([record]), None))
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

"""What a pull will cost, said before it begins.

Pipedrive counts no list, so the number of records is taken from the rows that are here already, or, the
first time, from the newest id: ids are given out in order, so it is no less than what can come.
"""

from __future__ import annotations

from functools import partial

import msgspec

from pipedrive_orchestration.importing.definition import Definition
from pipedrive_orchestration.importing.planning import Plan
from pipedrive_orchestration.importing.remembering import Memory
from pipedrive_orchestration.importing.report import Pull
from pipedrive_orchestration.pipedrive.catalogue import MAX_PAGE_SIZE, RECENTS_COST
from pipedrive_orchestration.pipedrive.client import Client
from pipedrive_orchestration.pipedrive.envelope import open_page
from pipedrive_orchestration.pipedrive.object_type import ObjectType, Paging


class _Newest(msgspec.Struct):
    id: int


async def estimate_tokens(client: Client, definition: Definition, plan: Plan, memory: Memory) -> int:
    """Tokens that the pull will cost from here on, rounded up to whole pages.

    Asks once for the newest record where nothing else tells how many there are.

    Raises:
        PipedriveError: see :meth:`Client.get`.
    """
    object_type = definition.object_type
    if not object_type.partitioned:
        return object_type.list_cost
    if plan.pull is Pull.CHANGES:
        feed = RECENTS_COST if object_type.recents_item else 0
        return object_type.list_cost + object_type.archived_cost + feed
    # Rows tell how many records there are only where every record has one.
    rows = memory.rows_in_windows if definition.source.filters is None else 0
    records = rows or await newest_id(client, object_type)
    archived = object_type.archived_cost if definition.source.options.include_archived else 0
    return (object_type.list_cost + archived) * max(1, -(-records // MAX_PAGE_SIZE))


async def newest_id(client: Client, object_type: ObjectType) -> int:
    """The newest record's id: no list has more records than that. 0 where it cannot be asked for.

    Raises:
        PipedriveError: see :meth:`Client.get`.
    """
    if object_type.paging is not Paging.CURSOR:
        return 0
    page = await client.get(
        object_type.path,
        {"sort_by": "id", "sort_direction": "desc", "limit": 1},
        cost=object_type.list_cost,
        read=partial(open_page, paging=object_type.paging),
    )
    return msgspec.json.decode(page.records[0], type=_Newest).id if page.records else 0

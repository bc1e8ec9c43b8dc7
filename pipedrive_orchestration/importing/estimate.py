"""What a pull will cost, said before it begins.

Pipedrive counts no list, so the number of records is taken from the rows that are here already, or, the
first time, from the newest id: ids are given out in order, so it is no less than what can come.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

import msgspec

from pipedrive_orchestration.importing.definition import Definition, colliding_properties, unknown_properties
from pipedrive_orchestration.importing.filters.compile import select
from pipedrive_orchestration.importing.filters.selection import Selection
from pipedrive_orchestration.importing.plan import Plan
from pipedrive_orchestration.importing.prior_state import Memory
from pipedrive_orchestration.importing.report import Pull
from pipedrive_orchestration.pipedrive.auth import Connection
from pipedrive_orchestration.pipedrive.client import Client
from pipedrive_orchestration.pipedrive.fields import Field, read_fields
from pipedrive_orchestration.pipedrive.object_type import ObjectType, Paging
from pipedrive_orchestration.pipedrive.object_types import MAX_PAGE_SIZE, RECENTS_COST
from pipedrive_orchestration.pipedrive.responses import open_page
from pipedrive_orchestration.sources import InvalidBodyError, SourceBody


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


@dataclass(frozen=True, slots=True)
class Appraisal:
    """What the first import of a body would cost.

    Attributes:
        tokens: at most, from the first request on (API facts 5.2).
        daily_tokens_left: of the account's budget for today, None where Pipedrive does not say.
    """

    tokens: int
    daily_tokens_left: int | None


def appraise(body: SourceBody, *, connection: Connection) -> Appraisal:
    """Ask the account what it takes to say what a body's first import costs; reads no records.

    Raises:
        InvalidBodyError: properties or filter do not fit the account; names everything that is wrong.
        PipedriveError: the account cannot be read.
    """
    return asyncio.run(_appraise(body, connection))


async def _appraise(body: SourceBody, connection: Connection) -> Appraisal:
    async with Client(connection) as client:
        fields = await read_fields(client, body.type)
        selection = await select(client, body, fields, datetime.now(UTC))
        wanted_fields(body, fields, selection)
        records = await _cost_of_first_import(client, body)
        return Appraisal(client.usage.tokens + records, client.daily_tokens_left)


async def _cost_of_first_import(client: Client, body: SourceBody) -> int:
    if body.pull_existing or not body.type.partitioned:
        return await cost_of_all(client, body)
    if body.pull_mode == "static":
        return 0
    feed = RECENTS_COST if body.type.recents_item else 0
    return body.type.list_cost + body.type.archived_cost + feed


async def cost_of_all(client: Client, body: SourceBody) -> int:
    """Tokens for reading every record there is, a page at least.

    Raises:
        PipedriveError: see :meth:`Client.get`.
    """
    archived = body.type.archived_cost if body.options.include_archived else 0
    pages = -(-await newest_id(client, body.type) // MAX_PAGE_SIZE)
    return (body.type.list_cost + archived) * max(1, pages)


def wanted_fields(body: SourceBody, fields: Sequence[Field], selection: Selection) -> list[Field]:
    """The account's fields for the properties of a body, in its order.

    Raises:
        InvalidBodyError: properties or filter do not fit the account; names everything that is wrong.
    """
    by_key = {field.key: field for field in fields}
    unknown = [key for key in body.properties if key not in by_key]
    problems = [*unknown_properties(body, unknown, fields), *colliding_properties(body), *selection.problems]
    if problems:
        raise InvalidBodyError(problems)
    return [by_key[key] for key in body.properties]

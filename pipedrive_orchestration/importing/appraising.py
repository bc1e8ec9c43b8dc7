"""What importing a body would cost, and whether the account has what it asks for, before it is a source.

Pipedrive counts no list, so the newest id stands for the number of records.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from pipedrive_orchestration.importing.definition import colliding_properties, unknown_properties
from pipedrive_orchestration.importing.estimating import newest_id
from pipedrive_orchestration.importing.filtering import select
from pipedrive_orchestration.importing.selection import Selection
from pipedrive_orchestration.pipedrive.catalogue import MAX_PAGE_SIZE, RECENTS_COST
from pipedrive_orchestration.pipedrive.client import Client
from pipedrive_orchestration.pipedrive.connection import Connection
from pipedrive_orchestration.pipedrive.fields import Field, read_fields
from pipedrive_orchestration.sources import InvalidBodyError, SourceBody


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

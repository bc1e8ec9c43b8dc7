"""The estimate of what an import will cost, made before it begins.

Pipedrive counts no list, so the number of records is taken from the rows that are here already, or, the
first time, from the newest id: ids are given out in order, so it is no less than what can come.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from pipedrive_orchestration.importing.context import ImportContext
from pipedrive_orchestration.importing.definition import understood_fields, wanted_fields
from pipedrive_orchestration.importing.filters.compile import select
from pipedrive_orchestration.importing.plan import PullPlan
from pipedrive_orchestration.importing.prior_state import PriorState
from pipedrive_orchestration.importing.reference_names import tokens_of_names
from pipedrive_orchestration.importing.references import References
from pipedrive_orchestration.importing.removals import count_in_windows
from pipedrive_orchestration.importing.report import Estimate, Pull
from pipedrive_orchestration.pipedrive.auth import Connection
from pipedrive_orchestration.pipedrive.catalogue import BUILT_IN, RECENTS, RECENTS_SCOPES
from pipedrive_orchestration.pipedrive.client import Client, next_budget
from pipedrive_orchestration.pipedrive.fields import Field, read_fields
from pipedrive_orchestration.pipedrive.lookup import newest_id
from pipedrive_orchestration.pipedrive.pagination import page_size, timestamp
from pipedrive_orchestration.pipedrive.rights import missing_rights
from pipedrive_orchestration.sources import PreviewBody, SourceBody


async def announce_estimate(
    context: ImportContext, plan: PullPlan, prior: PriorState, names: References
) -> list[str]:
    """Tell the listener what a planned import will cost, with what it has cost until now.

    Asks once for the newest record where nothing else tells how many there are, of the records themselves
    and of what they refer to.

    Returns:
        A sentence for the import's report where the day's budget does not pay it.

    Raises:
        PipedriveError: see :meth:`Client.get`.
    """
    return tell_estimate(context, await _tokens_of(context, plan, prior, names))


def tell_estimate(context: ImportContext, more: int) -> list[str]:
    """Tell the listener what an import will cost that needs so many tokens more.

    Returns:
        A sentence for the import's report where the day's budget does not pay it.
    """
    left = context.client.tokens_free
    context.reporter.estimated(Estimate(context.client.usage.tokens + more, left))
    if left is None or left >= more:
        return []
    return [
        f"about {more:,} tokens are needed and {left:,} are left today: the import goes as far as it "
        "can, and the next one goes on from there"
    ]


async def _tokens_of(context: ImportContext, plan: PullPlan, prior: PriorState, names: References) -> int:
    object_type = context.object_type
    if not object_type.partitioned:
        each = (object_type.get_cost or 0) * prior.listed_rows if context.definition.one_by_one else 0
        return _tokens_for(context.source, prior.listed_rows) + each
    if plan.pull is Pull.CHANGES:
        feed = RECENTS.cost if object_type.recents_item else 0
        return object_type.list_cost + object_type.archived_cost + feed
    # Rows tell how many records there are only where every record has one.
    records = 0
    if context.source.filters is None and plan.resumed_from is None:
        records = prior.rows_in_windows
    if not records:
        records = await newest_id(context.client, object_type)
        if plan.resumed_from is not None:
            records = max(0, records - await asyncio.to_thread(_rows_committed, context, plan))
    return _tokens_for(context.source, records) + await names.estimate(records)


def _rows_committed(context: ImportContext, plan: PullPlan) -> int:
    """The number of rows that an interrupted pull has read and that are not read again."""
    slug, asked, left = context.source.slug, plan.asked, plan.windows
    with context.warehouse.reading() as connection:
        return count_in_windows(connection, slug, asked) - count_in_windows(connection, slug, left)


def savings(context: ImportContext, plan: PullPlan) -> list[str]:
    """A sentence on the tokens that were saved, where Pipedrive itself has filtered."""
    since, until = plan.updated
    bounds = {"updated_since": since, "updated_until": until}
    restrictions = {**plan.restrictions, **{key: timestamp(at) for key, at in bounds.items() if at}}
    if not restrictions:
        return []
    asked = ", ".join(f"{name}={value}" for name, value in restrictions.items())
    spent, estimated = context.client.usage.tokens, context.reporter.estimate.tokens
    note = f"Pipedrive itself filtered by {asked}: {spent:,} tokens were spent"
    if plan.ranges != ((None, None),) or estimated <= spent:
        return [note]
    return [f"{note}, where reading every record would have cost up to {estimated:,}"]


def estimate_first_import(body: SourceBody, *, connection: Connection) -> Estimate:
    """The estimate of a body's first import; asks the account, and reads no records.

    Raises:
        InvalidBodyError: properties or filter do not fit the account; names everything that is wrong.
        PipedriveError: the account cannot be read.
    """
    return asyncio.run(_estimate_first_import(body, connection))


async def _estimate_first_import(body: SourceBody, connection: Connection) -> Estimate:
    async with Client(connection) as client:
        listed = await read_fields(client, body.type)
        fields = understood_fields(body, listed)
        selection = await select(client, body, fields)
        wanted = wanted_fields(body, fields, selection)
        records = await _cost_of_first_import(client, body)
        records += await _cost_of_names(client, body, [*wanted, *selection.fields])
        notes = (*listed.notes, *unread_removals(body, connection))
        return Estimate(
            client.usage.tokens + records, client.daily_tokens_left, notes, next_budget(client.clock)
        )


def unread_removals(body: PreviewBody, connection: Connection) -> tuple[str, ...]:
    """A sentence on removals, where an installed app has no right to the feed that tells of them.

    Of fields that may not be read, the answer to the question for them tells.

    Raises:
        OAuthStateError: the app's tokens cannot be read.
    """
    missing = missing_rights(connection.scopes(), [body.type])
    return tuple(str(right) for right in missing if right.scopes == RECENTS_SCOPES)


async def _cost_of_first_import(client: Client, body: SourceBody) -> int:
    if body.type.parent is not None:
        return await cost_of_all(client, body)
    if body.pull_existing or not body.type.partitioned:
        return await cost_of_all(client, body)
    if body.pull_mode == "static":
        return 0
    feed = RECENTS.cost if body.type.recents_item else 0
    return body.type.list_cost + body.type.archived_cost + feed


async def _cost_of_names(client: Client, body: SourceBody, fields: Sequence[Field]) -> int:
    """Tokens for the names behind the references of a first import, as far as properties are derived."""
    derived = {field.derived.object_type for field in fields if field.derived is not None}
    if not derived:
        return 0
    records = await newest_id(client, body.type) if body.pull_existing else 0
    tokens = 0
    for name in sorted(derived):
        object_type = BUILT_IN[name]
        if object_type.partitioned:
            tokens += tokens_of_names(object_type, await newest_id(client, object_type), records)
        else:
            tokens += object_type.list_cost
    return tokens


async def cost_of_all(client: Client, body: PreviewBody) -> int:
    """Tokens for reading every record there is, a page at least.

    Raises:
        PipedriveError: see :meth:`Client.get`.
    """
    parent = body.type.parent
    if parent is None:
        return _tokens_for(body, await newest_id(client, body.type))
    parents = await newest_id(client, parent.type)
    return body.type.list_cost * -(-parents // parent.batch)


def _tokens_for(body: PreviewBody, records: int) -> int:
    archived = body.type.archived_cost if body.include_archived else 0
    pages = max(1, -(-records // page_size(body.type.listing)))
    parents = body.type.parents.cost if body.type.parents else 0
    return (body.type.list_cost + archived) * max(pages, len(body.type.questions)) + parents

"""One change carried out at Pipedrive, once: what is not answered is looked up before it is tried again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from typing import Any

import msgspec

from pipedrive_orchestration.pipedrive.account import read_user
from pipedrive_orchestration.pipedrive.client import Client, Query, Written
from pipedrive_orchestration.pipedrive.errors import OutcomeUnknown, Refused
from pipedrive_orchestration.pipedrive.lookup import records_by_ids
from pipedrive_orchestration.pipedrive.object_types import MAX_PAGE_SIZE, Listing, Paging
from pipedrive_orchestration.pipedrive.pagination import page_reader, pages
from pipedrive_orchestration.pipedrive.requests import ADD_TIMES, WritableType
from pipedrive_orchestration.pipedrive.responses import OddBody, Page, data_of, parse_time
from pipedrive_orchestration.writing.bundles import ids_in, said_together, several_in, shares
from pipedrive_orchestration.writing.changes import (
    Change,
    Kind,
    above_of,
    content_of,
    operation_of,
    own_id,
    parents_of,
    values_of,
)
from pipedrive_orchestration.writing.properties import Properties
from pipedrive_orchestration.writing.stored import same

Record = Mapping[str, Any]

TRIES = 4
"""How often a change is sent whose answers do not come and that was not carried out."""

SETTLING_SECONDS = 2.0
"""How long a request whose answer did not come may still be under way at Pipedrive."""

TOLERANCE = timedelta(seconds=5)
"""How far the instant of a request and that of the record which it made may lie apart."""

NULLS = 3
"""After how many answers of ``data: null`` it is believed that a list of v1 is empty."""

NAMES = ("title", "name", "subject", "content", "field_name", "label", "description")
"""Keys under which records say what they are called, the better ones first."""

FOUND_TOGETHER = frozenset(
    {"deals", "persons", "organizations", "activities", "products", "leads", "notes", "files"}
)
"""The collections of which many records can be looked for at once: by their ids, or in a sorted list."""

TOLD_BY_VALUES = frozenset({"call_logs"})
"""The collections of which no two records are alike although none says when it was made: calls have times."""

SORTED = FOUND_TOGETHER | {"pipelines", "stages"}
"""The collections whose lists can be had newest first; others are read whole."""

_FORBIDDEN = (402, 403)
"""Answers that would come to every other change as well."""

_GONE = (404, 410)


class Status(StrEnum):
    """The states of a change."""

    PLANNED = "planned"
    """It has not been sent."""
    SENT = "sent"
    """It has been, or is about to be, and its outcome is not recorded."""
    DONE = "done"
    MOVED = "moved"
    """It was not made, since the record is not as it was when the change was planned."""
    REFUSED = "refused"
    """Pipedrive would not make it."""
    UNCERTAIN = "uncertain"
    """Something like it is there, and it cannot be told whether it is this; a person has to look."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of a change.

    Attributes:
        status: what became of it.
        record_id: of the record, a new one's too.
        after: the values that the record has now, by the answer.
        request_id: Pipedrive's name for the request that made the change, where it is known.
        reason: why it was not made, or how it is known that it was.
        cost: its share, in tokens, of a request that made several; None where it had one of its own.
    """

    status: Status
    record_id: str | int | None = None
    after: Mapping[str, Any] = field(default_factory=dict)
    request_id: str | None = None
    reason: str | None = None
    cost: int | None = None


class Executor:
    """Carries out changes of the records of one collection.

    Args:
        client: the connection in use.
        properties: of the collection.
        settling: seconds to leave a request whose answer did not come.
    """

    def __init__(self, client: Client, properties: Properties, *, settling: float = SETTLING_SECONDS) -> None:
        self._client = client
        self._properties = properties
        self._writable = properties.writable
        self._settling = settling

    async def carry_out(self, change: Change) -> Outcome:
        """Make a change, and find out what became of it.

        Raises:
            PipedriveError: it was not made; see :meth:`send`. Or it is not known, since the account cannot be
                read after an answer that did not come.
        """
        clock = self._client.clock
        before = await self._ids_before(change)
        began = clock.now()
        try:
            return await self.send(change)
        except OutcomeUnknown:
            await asyncio.sleep(self._settling)
            if not clock.is_told:
                await read_user(self._client)
            return await self.settle(change, clock.at_pipedrive(began), before)

    async def _ids_before(self, change: Change) -> set[str]:
        """The ids of the records that are there before a new one is made that will not say when it was."""
        writable = self._writable
        is_told = writable.is_dated or writable.is_named_by_what_it_is or writable.name in TOLD_BY_VALUES
        if change.kind is not Kind.CREATE or is_told:
            return set()
        began = self._client.clock.now()
        return {str(self._id(one, parents)) async for parents, one in self._recent([change], began)}

    async def settle_all(
        self, sent: Mapping[int, Change], since: datetime, ours: set[str]
    ) -> AsyncIterator[tuple[int, Outcome]]:
        """Find out what became of changes that were sent together, and make those of which nothing did.

        All are looked up at once, and told apart before any is sent again: what another change has made is
        no reason to doubt this one.

        Args:
            sent: the changes, by a number of each.
            since: when the first of them was sent, by Pipedrive's clock.
            ours: ids of records that are known to have been made by other changes; those that these changes
                made are added.

        Raises:
            PipedriveError: see :meth:`carry_out`; what was found out by then was yielded.
        """
        creations = {number: change for number, change in sent.items() if change.kind is Kind.CREATE}
        others = {number: change for number, change in sent.items() if change.kind is not Kind.CREATE}
        found: dict[int, Outcome] = {}
        if creations:
            found |= await self._look_up_new(creations, since, ours)
        if others:
            found |= await self._look_up_known(others)
        for number, outcome in found.items():
            yield number, outcome
        for number, change in sent.items():
            if number not in found:
                outcome = await self._send_again(change, since, ours)
                if change.kind is Kind.CREATE and outcome.status is Status.DONE:
                    ours.add(str(outcome.record_id))
                yield number, outcome

    async def settle(self, change: Change, since: datetime, ours: Collection[str] = ()) -> Outcome:
        """Find out what became of a change that was sent and not answered, and make it if nothing did.

        Args:
            change: what was sent.
            since: when, by Pipedrive's clock.
            ours: ids of records that are known to have been made by other changes.

        Raises:
            OutcomeUnknown: it was sent several times and never answered; it is to be settled later.
            PipedriveError: see :meth:`carry_out`.
        """
        return await self.look_up(change, since, ours) or await self._send_again(change, since, ours)

    async def _send_again(self, change: Change, since: datetime, ours: Collection[str]) -> Outcome:
        """Make a change that was not carried out; where its answer is lost as well, look it up once more."""
        for _ in range(TRIES - 1):
            try:
                return await self.send(change)
            except OutcomeUnknown:
                await asyncio.sleep(self._settling)
            outcome = await self.look_up(change, since, ours)
            if outcome is not None:
                return outcome
        return await self.send(change)

    async def send_several(self, changes: Mapping[int, Change]) -> dict[int, Outcome]:
        """Make changes of one kind by one request, as `bundles_of` puts them together.

        Args:
            changes: by a number of each.

        Returns:
            The outcomes of those that the answer tells of; what became of the others is not known. Where the
            request was refused, that is all of them: each by itself is then made, or refused with its reason.

        Raises:
            OutcomeUnknown: they may have been made.
            NotConnected, BudgetSpent, Unavailable: none was made.
            Refused: no change would be, since the token's user may not write here.
        """
        first = next(iter(changes.values()))
        operation = operation_of(self._writable, first.kind)
        assert operation is not None, "what cannot be done is not planned"
        bulk = operation.bulk
        assert bulk is not None, "changes that no request can say together are not put together"
        address = self._writable.bulk_address(bulk, parents_of(first))
        query, body = said_together(self._properties, bulk, list(changes.values()))
        try:
            answer = await self._client.send(bulk.method, address, body, cost=bulk.cost, query=query)
        except Refused as refused:
            if refused.status in _FORBIDDEN:
                raise
            return {}
        costs = dict(zip(changes, shares(bulk.cost, len(changes)), strict=True))
        outcomes = self._told_together(changes, first.kind, answer)
        return {number: replace(outcome, cost=costs[number]) for number, outcome in outcomes.items()}

    def _told_together(
        self, changes: Mapping[int, Change], kind: Kind, answer: Written
    ) -> dict[int, Outcome]:
        """What an answer says of several changes."""
        if kind is Kind.DELETE:
            gone = ids_in(answer.data)
            return {
                number: Outcome(Status.DONE, change.record_id, request_id=answer.request_id)
                for number, change in changes.items()
                if own_id(change) in gone
            }
        records = [one for one in several_in(answer.data) if isinstance(one, Mapping)]
        outcomes = {}
        for number, change in changes.items():
            made = next((one for one in records if self.agrees(one, change.after)), None)
            if made is not None:
                # Each record is that of one change, also where two are alike.
                records.remove(made)
                outcomes[number] = self._done(change, made, answer.request_id)
        return outcomes

    async def send(self, change: Change) -> Outcome:
        """Make a change by one request.

        Raises:
            OutcomeUnknown: it may have been made.
            NotConnected, BudgetSpent, Unavailable: it was not made.
            Refused: no change would be, since the token's user may not write here.
        """
        operation = operation_of(self._writable, change.kind)
        assert operation is not None, "what cannot be done is not planned"
        address = self._writable.address(operation, change.record_id, change.parents)
        body = content_of(self._properties, operation, change)
        try:
            answer = await self._client.send(operation.method, address, body, cost=operation.cost)
        except Refused as refused:
            if refused.status in _FORBIDDEN:
                raise
            if change.kind is Kind.DELETE and refused.status in _GONE:
                return Outcome(Status.DONE, change.record_id, reason="it was gone already")
            return Outcome(Status.REFUSED, change.record_id, reason=f"{refused.reason} ({refused.status})")
        if change.kind is Kind.DELETE:
            return Outcome(Status.DONE, change.record_id, request_id=answer.request_id)
        return self._done(change, _opened(answer.data, self._writable), answer.request_id)

    def _done(
        self, change: Change, record: Any, request_id: str | None = None, reason: str | None = None
    ) -> Outcome:
        if not isinstance(record, Mapping) or self._writable.id_key not in record:
            raise OutcomeUnknown(self._writable.path, "the answer is no record")
        record_id = change.record_id if change.record_id is not None else self._id(record, change.parents)
        after = dict(change.after)
        if not self._writable.tells_id_alone:
            after |= values_of(self._properties, record, {key: None for key in after if self._is_read(key)})
        return Outcome(Status.DONE, record_id, after, request_id, reason)

    def _id(self, record: Record, parents: Sequence[str]) -> str | int:
        """The id of a record as it is given: below others, with theirs before it."""
        own: str | int = record[self._writable.id_key]
        return "/".join((*parents, str(own))) if parents else own

    def _is_read(self, key: str) -> bool:
        return bool(self._properties.by_key(key).read_key)

    async def look_up(self, change: Change, since: datetime, ours: Collection[str] = ()) -> Outcome | None:
        """The outcome of a change that was sent and not answered; None where it was not carried out.

        Args:
            change: what was sent.
            since: when, by Pipedrive's clock.
            ours: ids of records that are known to have been made by other changes.

        Raises:
            PipedriveError: the account cannot be read.
        """
        if change.kind is Kind.CREATE:
            return (await self._look_up_new({0: change}, since, set(ours))).get(0)
        return (await self._look_up_known({0: change})).get(0)

    async def _look_up_known(self, changes: Mapping[int, Change]) -> dict[int, Outcome]:
        """The outcomes of those changes of records, and deletions, that were carried out."""
        ids = [change.record_id for change in changes.values() if change.record_id is not None]
        records = await self.read(ids, {key for change in changes.values() for key in change.after})
        looked_up = {
            number: self._seen(change, records.get(str(change.record_id)))
            for number, change in changes.items()
        }
        return {number: outcome for number, outcome in looked_up.items() if outcome is not None}

    def _seen(self, change: Change, record: Record | None) -> Outcome | None:
        """The outcome of a change by what its record is now; None where it was not carried out."""
        if change.kind is Kind.DELETE:
            return Outcome(Status.DONE, change.record_id, reason="found gone") if record is None else None
        if record is None:
            # One that was to be brought back is still deleted.
            is_restoration = change.after.get("is_deleted") is False
            return None if is_restoration else Outcome(Status.MOVED, change.record_id, reason="It is gone.")
        if self.agrees(record, change.after):
            return self._done(change, record, reason="found as it was to be")
        return None

    async def _look_up_new(
        self, creations: Mapping[int, Change], since: datetime, ours: set[str]
    ) -> dict[int, Outcome]:
        """The outcomes of those creations whose records are there, or perhaps are.

        Records that are just as one was to be come first, and are added to ``ours``; what is left and is only
        called alike leaves a creation uncertain.
        """
        found: dict[int, Outcome] = {}
        left = []
        # What says more is looked for first: its record is also like one that was to have less.
        creations = dict(sorted(creations.items(), key=lambda one: -len(one[1].after)))
        async for parents, record in self._recent(list(creations.values()), since):
            record_id = str(self._id(record, parents))
            if record_id in ours:
                continue
            number = next(
                (
                    number
                    for number, change in creations.items()
                    if number not in found and self._is_made_by(parents, record, change)
                ),
                None,
            )
            if number is None:
                left.append((parents, record))
            else:
                found[number] = self._done(creations[number], record, reason="found among the new records")
                ours.add(record_id)
        for number, change in creations.items():
            alike = [
                str(self._id(record, parents))
                for parents, record in left
                if self._is_beside(parents, change) and self._is_called_alike(record, change.after)
            ]
            if number not in found and alike:
                reason = f"looks like {', '.join(alike[:3])}, which was made at that time and differs"
                found[number] = Outcome(Status.UNCERTAIN, reason=reason)
        return found

    def _is_made_by(self, parents: Sequence[str], record: Record, change: Change) -> bool:
        return self._is_beside(parents, change) and self.agrees(record, change.after)

    def _is_beside(self, parents: Sequence[str], change: Change) -> bool:
        """Whether what is below those parents can be what a creation has made."""
        return not self._writable.parents or tuple(parents) == change.parents

    def agrees(self, record: Record, values: Mapping[str, Any]) -> bool:
        """Whether a record has values that were to be written, as far as answers have them."""
        values = {key: value for key, value in values.items() if self._is_read(key)}
        has = values_of(self._properties, record, values)
        return all(same(self._properties.by_key(key), has[key], value) for key, value in values.items())

    def _is_called_alike(self, record: Record, values: Mapping[str, Any]) -> bool:
        named = [key for key in NAMES if key in values][:1] or list(values)[:1]
        return self.agrees(record, {key: values[key] for key in named})

    async def read(
        self, ids: Sequence[str | int], keys: Collection[str] | Mapping[str, Any] = ()
    ) -> dict[str, Record]:
        """The records of some ids as they are now, by id as text; those that are deleted are left out.

        Args:
            ids: which; 100 of them are one request where a list takes ids.
            keys: of the properties that are looked at.

        Raises:
            PipedriveError: see :meth:`Client.get`.
        """
        query = self._query(keys)
        object_type = self._writable.object_type
        if self._costs_less_singly(len(ids)):
            read = [await self._read_one(one, query) for one in ids]
            return {str(one): record for one, record in zip(ids, read, strict=True) if record is not None}
        if self._writable.parents:
            return await self._read_below(ids)
        assert object_type is not None, "what is in no list is read singly, or below others"
        if object_type.paging is Paging.NONE or not self._writable.get_cost:
            wanted = {str(one) for one in ids}
            id_key = self._writable.id_key
            records = [one for one in await self._whole(object_type.listing) if str(one[id_key]) in wanted]
            return {str(record[id_key]): record for record in records if not _is_deleted(record)}
        found = await records_by_ids(self._client, object_type, query, [str(one) for one in ids])
        records = [record for page in found.pages for record in _decoded(page)]
        return {str(record["id"]): record for record in records if not _is_deleted(record)}

    async def read_whatever(self, record_id: str | int) -> Record | None:
        """A record by its id as it is now, deleted or not; None where it is not there any more.

        Raises:
            PipedriveError: see :meth:`Client.get`.
        """
        try:
            return await self._client.get(
                self._writable.place(record_id),
                {},
                cost=self._writable.get_cost,
                read=partial(_one_record, self._writable),
            )
        except Refused as refused:
            if refused.status in _GONE:
                return None
            raise

    async def _read_below(self, ids: Sequence[str | int]) -> dict[str, Record]:
        """Records below others, out of the lists of their parents."""
        wanted = {str(one) for one in ids}
        found = {}
        for parents, records in (await self._lists_below({above_of(one) for one in wanted})).items():
            for record in records:
                record_id = str(self._id(record, parents))
                if record_id in wanted and not _is_deleted(record):
                    found[record_id] = record
        return found

    async def _lists_below(self, above: Collection[tuple[str, ...]]) -> dict[tuple[str, ...], list[Record]]:
        """The records below each of some parents, of as many at once as one list can name."""
        object_type = self._writable.object_type
        parent = object_type.parent if object_type else None
        if object_type is None or parent is None or parent.batch == 1 or parent.property is None:
            return {parents: await self._below(parents) for parents in sorted(above)}
        found: dict[tuple[str, ...], list[Record]] = {parents: [] for parents in above}
        named = sorted(one for (one,) in above)
        for start in range(0, len(named), parent.batch):
            listing, query = object_type.children_listing(named[start : start + parent.batch])
            async for page in pages(self._client, listing, query, may_be_empty=True):
                for record in _decoded(page):
                    found.setdefault((str(record[parent.property]),), []).append(record)
        return found

    async def _below(self, parents: Sequence[str]) -> list[Record]:
        """The records below some others; none where a parent is gone."""
        object_type = self._writable.object_type
        try:
            if object_type is None:
                # Options of a field come with it.
                above = self._writable.within(list(parents)).rpartition("/")[0]
                field = await self._client.get(above, {}, cost=1, read=_field)
                return list(field["options"] or ())
            listing, query = object_type.children_listing(parents)
            listed = pages(self._client, listing, query, may_be_empty=True)
            return [record async for page in listed for record in _decoded(page)]
        except Refused as refused:
            if refused.status in _GONE:
                return []
            raise

    def _costs_less_singly(self, count: int) -> bool:
        """Whether so many records cost less one by one than as a list, or no list takes their ids."""
        object_type, cost = self._writable.object_type, self._writable.get_cost
        if not cost or object_type is None:
            return bool(cost)
        if object_type.paging is not Paging.NONE and object_type.name not in FOUND_TOGETHER:
            return True
        return count * cost < object_type.list_cost

    def _query(self, keys: Collection[str] | Mapping[str, Any]) -> Query:
        object_type = self._writable.object_type
        optional = [key for key in (object_type.include_fields if object_type else ()) if key in keys]
        return {"include_fields": ",".join(optional)} if optional else {}

    async def _read_one(self, record_id: str | int, query: Query) -> Record | None:
        try:
            record = await self._client.get(
                self._writable.place(record_id),
                query,
                cost=self._writable.get_cost,
                read=partial(_one_record, self._writable),
            )
        except Refused as refused:
            if refused.status in _GONE:
                return None
            raise
        return None if _is_deleted(record) else record

    async def _recent(
        self, creations: Sequence[Change], since: datetime
    ) -> AsyncIterator[tuple[Sequence[str], Record]]:
        """Records that were made since an instant, newest first, and perhaps some older ones.

        With each come the ids of what it is below.
        """
        object_type = self._writable.object_type
        dated_by_hand = any("add_time" in change.after for change in creations)
        if self._writable.parents or object_type is None or object_type.parent is not None:
            for parents, record in await self._beside(creations):
                if dated_by_hand or _made_since(record, since):
                    yield parents, record
            return
        listings = [object_type.listing]
        if object_type.archived_listing is not None and any(
            one.after.get("is_archived") for one in creations
        ):
            listings.append(object_type.archived_listing)
        for listing in listings:
            if object_type.name not in SORTED:
                records = await self._whole(listing)
            else:
                newest = self._newest(listing, since, only_one=dated_by_hand)
                records = [record async for page in newest for record in _decoded(page)]
            for record in records:
                if dated_by_hand or _made_since(record, since):
                    yield (), record

    async def _whole(self, listing: Listing) -> list[Record]:
        """The records of a list that comes in one answer; an empty answer is believed once it is repeated."""
        if listing.paging is not Paging.NONE or not listing.is_plain:
            listed = pages(self._client, listing, {}, may_be_empty=True)
            return [record async for page in listed for record in _decoded(page)]
        read = page_reader(listing, nulls=NULLS)
        return _decoded(await self._client.get(listing.path, {}, cost=listing.cost, read=read))

    async def _beside(self, creations: Sequence[Change]) -> list[tuple[Sequence[str], Record]]:
        """All records below the parents of new ones; a relationship is below its owner."""
        owner = "rel_owner_org_id"
        parents = {
            (str(change.after[owner]),) if owner in change.after else change.parents for change in creations
        }
        if not self._writable.parents:
            return [((), record) for one in sorted(parents) for record in await self._below(one)]
        lists = await self._lists_below(parents)
        return [(one, record) for one, records in lists.items() for record in records]

    async def _newest(self, listing: Listing, since: datetime, *, only_one: bool) -> AsyncIterator[Page]:
        """Pages of a list by descending id, or by age where ids have no order, to what is older."""
        if listing.paging is Paging.CURSOR:
            query: dict[str, str | int] = {"sort_by": "id", "sort_direction": "desc"}
        else:
            query = {"sort": "add_time DESC" if self._writable.name == "leads" else "id DESC"}
        size = min(MAX_PAGE_SIZE, listing.page_size)
        query["limit"] = size
        read = partial(page_reader, listing, nulls=NULLS)
        while True:
            page = await self._client.get(listing.path, query, cost=listing.cost, read=read())
            yield page
            records = _decoded(page)
            is_last = page.next is None or not page.goes_on(size)
            if only_one or is_last or not records or not _made_since(records[-1], since):
                return
            assert page.next is not None
            query["cursor" if listing.paging is Paging.CURSOR else "start"] = page.next


def _field(body: bytes) -> Record:
    field = data_of(body)
    if not isinstance(field, Mapping) or "options" not in field:
        raise OddBody("the body has no field")
    return field


def _opened(answer: Any, writable: WritableType) -> Any:
    """The record that an answer has, out of what it lies in."""
    if isinstance(answer, list) and len(answer) == 1:
        return answer[0]
    return answer.get(writable.inner) if writable.inner and isinstance(answer, Mapping) else answer


def _one_record(writable: WritableType, body: bytes) -> Record:
    record = _opened(data_of(body), writable)
    if not isinstance(record, Mapping) or record.get(writable.id_key) is None:
        # One that is not there is answered with 404.
        raise OddBody("the body has no record")
    return record


def _decoded(page: Page) -> list[Record]:
    return [msgspec.json.decode(record) for record in page.whole_records()]


def _is_deleted(record: Record) -> bool:
    if record.get("is_deleted") or record.get("deleted_flag") or record.get("status") == "deleted":
        return True
    # A user who is not active is still there.
    return record.get("active_flag") is False and "is_you" not in record


def _made_since(record: Record, since: datetime) -> bool:
    written = next((record[key] for key in ADD_TIMES if record.get(key)), None)
    return not written or parse_time(str(written)) >= since - TOLERANCE

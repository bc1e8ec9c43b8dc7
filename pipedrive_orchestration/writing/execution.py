"""One change carried out at Pipedrive, once: what is not answered is looked up before it is tried again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from pipedrive_orchestration.pipedrive.account import read_user
from pipedrive_orchestration.pipedrive.client import Client, Written
from pipedrive_orchestration.pipedrive.errors import OutcomeUnknown, Refused
from pipedrive_orchestration.writing.bundles import ids_in, said_together, several_in, shares
from pipedrive_orchestration.writing.changes import (
    Change,
    Kind,
    content_of,
    operation_of,
    own_id,
    parents_of,
    values_of,
)
from pipedrive_orchestration.writing.current import GONE, CurrentRecords, Record, opened
from pipedrive_orchestration.writing.outcome import Outcome, Status
from pipedrive_orchestration.writing.properties import Properties
from pipedrive_orchestration.writing.stored import same

TRIES = 4
"""How often a change is sent whose answers do not come and that was not carried out."""

SETTLING_SECONDS = 2.0
"""How long a request whose answer did not come may still be under way at Pipedrive."""

NAMES = ("title", "name", "subject", "content", "field_name", "label", "description")
"""Keys under which records say what they are called, the better ones first."""

TOLD_BY_VALUES = frozenset({"call_logs"})
"""The collections of which no two records are alike although none says when it was made: calls have times."""

_FORBIDDEN = (402, 403)
"""Answers that would come to every other change as well."""


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
        self._current = CurrentRecords(client, properties.writable)
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
        there = self._current.made_since([change], began)
        return {str(self._current.id_of(one, parents)) async for parents, one in there}

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
            if change.kind is Kind.DELETE and refused.status in GONE:
                return Outcome(Status.DONE, change.record_id, reason="it was gone already")
            return Outcome(Status.REFUSED, change.record_id, reason=f"{refused.reason} ({refused.status})")
        if change.kind is Kind.DELETE:
            return Outcome(Status.DONE, change.record_id, request_id=answer.request_id)
        return self._done(change, opened(answer.data, self._writable), answer.request_id)

    def _done(
        self, change: Change, record: Any, request_id: str | None = None, reason: str | None = None
    ) -> Outcome:
        if not isinstance(record, Mapping) or self._writable.id_key not in record:
            raise OutcomeUnknown(self._writable.path, "the answer is no record")
        record_id = change.record_id
        if record_id is None:
            record_id = self._current.id_of(record, change.parents)
        after = dict(change.after)
        if not self._writable.tells_id_alone:
            after |= values_of(self._properties, record, {key: None for key in after if self._is_read(key)})
        return Outcome(Status.DONE, record_id, after, request_id, reason)

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
        records = await self._current.read(ids, {key for change in changes.values() for key in change.after})
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
        async for parents, record in self._current.made_since(list(creations.values()), since):
            record_id = str(self._current.id_of(record, parents))
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
                str(self._current.id_of(record, parents))
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

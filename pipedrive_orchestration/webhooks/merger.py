"""The merger: takes events out of the inbox and merges them into the tables of the sources that they concern.

An event is a hint, and as far as it can be trusted the record itself. It is trusted where it is fresh, holds
what the source needs, and nothing that is known speaks against it; else the record is looked up. So events
that come twice, late or in another order do no harm, and what never comes is for the next pull.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

from pipedrive_orchestration.importing import ImportReport, Pull, StagingError, import_source
from pipedrive_orchestration.importing.definition import Definition
from pipedrive_orchestration.importing.pushed import (
    KnownSource,
    Pushed,
    RowState,
    define_known,
    import_pushed,
    is_imported,
    known_source,
    let_parents_be_due,
    row_states,
)
from pipedrive_orchestration.importing.removals import RemovedId
from pipedrive_orchestration.pipedrive.auth import Connection
from pipedrive_orchestration.pipedrive.clock import utc_now
from pipedrive_orchestration.pipedrive.errors import PipedriveError
from pipedrive_orchestration.settings import Settings
from pipedrive_orchestration.sources import InvalidBodyError, Source
from pipedrive_orchestration.warehouse import Warehouse, WarehouseError
from pipedrive_orchestration.webhooks.events import Event, UnusableEventError, parse, record_of
from pipedrive_orchestration.webhooks.inbox import Inbox, inbox_folder, lines_of

FRESH = timedelta(seconds=60)
"""The age up to which an event is trusted; a pull of changes reads again what is up to five minutes old."""

REMEMBERED = timedelta(minutes=10)
"""How long the merger knows which states it has merged, and which records are gone."""

DEFINED_FOR = timedelta(minutes=10)
"""How long the meaning of a source's filter counts as known."""

LISTS_EVERY = timedelta(seconds=5)
"""How often something is asked anew at most that comes as a whole: a list, or what belongs to a record."""

KEPT = timedelta(days=1)
"""How long events wait that cannot be merged; then the next pull has to bring what they told of."""

log = logging.getLogger(__name__)

Order = tuple[str, datetime]


@dataclass(frozen=True, slots=True)
class MergedEvents:
    """What became of the events that concern a source."""

    source: Source
    events: int
    report: ImportReport


@dataclass(slots=True)
class Merged:
    """What became of a look into the inbox.

    Attributes:
        sources: those that events were merged into.
        unusable: how many events were set aside.
        failures: why events of a source wait, by slug.
        postponed: slugs of sources that were asked a moment ago, so that their events wait for the next look.
    """

    sources: list[MergedEvents] = field(default_factory=list)
    unusable: int = 0
    failures: dict[str, str] = field(default_factory=dict)
    postponed: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class _State:
    """A state of a record that was merged: its order, what it was, and when it was merged."""

    order: Order
    data: Mapping[str, Any] | None
    merged_at: datetime


@dataclass(slots=True)
class _Memory:
    """What the merger remembers of a source.

    Attributes:
        orders: of the newest state that was merged of each record, and when that was.
        gone: when a record was found to be gone.
        known, definition, defined_at: what the source means, and since when that is known.
        asked_at: when something that comes as a whole was asked last.
    """

    orders: dict[str, _State] = field(default_factory=dict)
    gone: dict[str, datetime] = field(default_factory=dict)
    known: KnownSource | None = None
    definition: Definition | None = None
    defined_at: datetime | None = None
    asked_at: datetime | None = None

    def forget(self, before: datetime) -> None:
        """Forget what was merged before an instant."""
        self.orders = {key: state for key, state in self.orders.items() if state.merged_at >= before}
        self.gone = {key: at for key, at in self.gone.items() if at >= before}


class Merger:
    """Merges the events of an inbox.

    Args:
        inbox: where they are.
        connection: the account, for look-ups.
        warehouse: where the rows are.
        staging: the folder for records that are not merged yet.
        clock: tells our time.

    Attributes:
        inbox: the same.
    """

    def __init__(
        self,
        inbox: Inbox,
        connection: Connection,
        warehouse: Warehouse,
        staging: Path,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self.inbox = inbox
        self._connection = connection
        self._warehouse = warehouse
        self._staging = staging
        self._clock = clock
        self._began_at = clock()
        self._memories: dict[str, _Memory] = {}

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """The merger of the account, database and inbox that the settings name.

        Raises:
            NotConnected: they name no account.
        """
        warehouse = Warehouse.from_settings(settings)
        staging = settings.staging or warehouse.folder / "staging"
        inbox = Inbox(inbox_folder(settings))
        return cls(inbox, Connection.from_settings(settings), warehouse, staging)

    def merge(self, sources: Iterable[Source]) -> Merged:
        """Merge what is in the inbox; nothing where another process is at it.

        Files stay in the inbox as long as a source could not take their events; those that could are not
        harmed by seeing them again.

        Args:
            sources: those of the project.

        Raises:
            OSError: the inbox cannot be read or written.
        """
        merged = Merged()
        with self.inbox.taking() as is_ours:
            files = self.inbox.files() if is_ours else []
            if not files:
                return merged
            by_type: dict[str, list[Event]] = {}
            for line in lines_of(files):
                try:
                    event = parse(line)
                except UnusableEventError:
                    self.inbox.set_aside(line)
                    merged.unusable += 1
                else:
                    by_type.setdefault(event.object_type, []).append(event)
            # What belongs to others comes along these.
            for source in sorted(sources, key=lambda source: source.type.parent is not None):
                if source.object_type in by_type:
                    self._merge_into(source, by_type[source.object_type], merged)
            waits = merged.failures or merged.postponed
            self.inbox.remove([file for file in files if not waits or self._is_old(file)])
        return merged

    def _is_old(self, file: Path) -> bool:
        try:
            came_at = datetime.fromtimestamp(file.stat().st_mtime, UTC)
        except FileNotFoundError:
            return True
        return datetime.now(UTC) - came_at > KEPT

    def _merge_into(self, source: Source, events: Sequence[Event], merged: Merged) -> None:
        memory = self._memories.setdefault(source.slug, _Memory())
        try:
            if source.type.partitioned:
                report = self._import_events(source, events, memory)
            else:
                report = self._import_whole(source, events, memory, merged)
        except InvalidBodyError as error:
            log.warning("%s takes no events: %s", source.slug, error)
        except (PipedriveError, StagingError, WarehouseError) as error:
            merged.failures[source.slug] = str(error)
            memory.known = memory.definition = None
        else:
            if report is not None:
                merged.sources.append(MergedEvents(source, len(events), report))
        memory.forget(self._clock() - REMEMBERED)

    def _import_whole(
        self, source: Source, events: Sequence[Event], memory: _Memory, merged: Merged
    ) -> ImportReport | None:
        """Read anew what events show too little of: a short list, or what belongs to a record."""
        news = [event for event in events if self._is_news(event, memory)]
        if not news or not is_imported(self._warehouse, source):
            return None
        now = self._clock()
        if memory.asked_at is not None and abs(now - memory.asked_at) < LISTS_EVERY:
            merged.postponed.add(source.slug)
            return None
        memory.asked_at = now
        if source.type.parent is not None:
            parent_ids = {event.parent_id for event in news if event.parent_id is not None}
            orphans = {event.record_id for event in news if event.parent_id is None}
            if not let_parents_be_due(self._warehouse, source, parent_ids, orphans):
                return None
        report = import_source(
            source,
            connection=self._connection,
            warehouse=self._warehouse,
            staging=self._staging,
            pull=Pull.CHANGES,
            clock=self._clock,
        )
        self._remember(news, memory)
        return report

    def _import_events(self, source: Source, events: Sequence[Event], memory: _Memory) -> ImportReport | None:
        known = known_source(self._warehouse, source)
        definition = self._define(source, known, memory) if known else None
        news = [event for event in events if self._is_news(event, memory)]
        if known is None or definition is None or not news:
            # A pull of everything is due, or has been: it reads what the events tell.
            return None
        by_id: dict[str, list[Event]] = {}
        for event in news:
            by_id.setdefault(event.record_id, []).append(event)
        rows = row_states(self._warehouse, source, by_id)
        sorting = _Sorting(definition, self._trusted_since(known), memory.gone, memory.orders)
        for record_id, told in by_id.items():
            sorting.take(record_id, told, rows.get(record_id))
        report = None
        if sorting.has_any:
            report = import_pushed(
                definition,
                known,
                sorting.pushed(),
                connection=self._connection,
                warehouse=self._warehouse,
                staging=self._staging,
                clock=self._clock,
            )
        self._remember(news, memory)
        return report

    def _define(self, source: Source, known: KnownSource, memory: _Memory) -> Definition | None:
        now = self._clock()
        is_fresh = memory.defined_at is not None and now - memory.defined_at < DEFINED_FOR
        same = memory.definition is not None and memory.definition.source == source
        if not (is_fresh and same and memory.known == known):
            memory.definition = define_known(source, known, self._connection, self._clock)
            memory.known, memory.defined_at = known, now
        return memory.definition

    def _trusted_since(self, known: KnownSource) -> datetime:
        """Since when events are trusted, by Pipedrive's clock: what is older may have been overtaken."""
        return max(self._clock() - FRESH, self._began_at) + known.offset

    @staticmethod
    def _is_news(event: Event, memory: _Memory) -> bool:
        before = memory.orders.get(event.record_id)
        if event.is_removal or before is None or event.order > before.order:
            return True
        return event.order == before.order and event.data != before.data

    def _remember(self, events: Iterable[Event], memory: _Memory) -> None:
        now = self._clock()
        for event in events:
            if event.is_removal:
                memory.gone[event.record_id] = now
                continue
            before = memory.orders.get(event.record_id)
            if before is None or event.order >= before.order:
                memory.orders[event.record_id] = _State(event.order, event.data, now)


@dataclass(slots=True)
class _Sorting:
    """The events of a source, sorted by whether they can be believed.

    Attributes:
        definition: what the source needs of a record.
        trusted_since: older events are no more than hints.
        gone: records that were found to be gone of late.
        orders: of the states that were merged of late.
    """

    definition: Definition
    trusted_since: datetime
    gone: Mapping[str, datetime]
    orders: Mapping[str, _State]
    records: list[bytes] = field(default_factory=list)
    removed: list[RemovedId] = field(default_factory=list)
    unsure: list[str] = field(default_factory=list)
    reasons: dict[str, str] = field(default_factory=dict)

    @property
    def has_any(self) -> bool:
        """Whether there is anything to be merged."""
        return bool(self.records or self.removed or self.unsure)

    def pushed(self) -> Pushed:
        """What became known."""
        return Pushed(self.records, self.removed, self.unsure, self.reasons)

    def take(self, record_id: str, events: Sequence[Event], row: RowState | None) -> None:
        """Sort the events of a record, of which the table has that row."""
        removals = [event for event in events if event.is_removal]
        states = [event for event in events if not event.is_removal]
        for event in removals:
            self.reasons[record_id] = "merged" if event.merged_into else "deleted"
        if not states:
            self._take_removal(record_id, max(removals, key=lambda event: event.at), row)
            return
        newest = max(states, key=lambda event: event.order)
        is_tied = any(event.order == newest.order and event.data != newest.data for event in states)
        is_doubtful = bool(removals) or is_tied or self._is_doubtful(newest, row)
        record = None if is_doubtful else self._record(newest)
        if record is None:
            self.unsure.append(record_id)
        elif not _is_overtaken(newest, row):
            self.records.append(record)

    def _take_removal(self, record_id: str, event: Event, row: RowState | None) -> None:
        if row is None or not row.is_current:
            return
        # Records tell whole seconds: one that comes back within the second is not older than its deletion.
        at = event.at.replace(microsecond=0)
        if row.update_time is not None and row.update_time >= at:
            # It may have been restored since.
            self.unsure.append(record_id)
        else:
            self.removed.append((record_id, self.reasons[record_id], at))

    def _is_doubtful(self, event: Event, row: RowState | None) -> bool:
        """Whether something that is known speaks against a state."""
        if event.at < self.trusted_since or event.record_id in self.gone:
            return True
        if row is None:
            return False
        if not row.is_current and row.removal != "left_segment":
            return True
        merged = self.orders.get(event.record_id)
        if merged is not None:
            return merged.order == event.order
        # A pull has brought a state of the same second; which of the two is newer cannot be told.
        return row.update_time is not None and row.update_time == _update_time(event)

    def _record(self, event: Event) -> bytes | None:
        columns = (*self.definition.columns, *self.definition.selection.columns)
        wanted = {key for column in columns if not column.nested for key in column.cast.leaves}
        custom = {key for column in columns if column.nested for key in column.cast.leaves}
        own = {"is_archived"} if self.definition.source.type.archived_listing is not None else set()
        return record_of(event, {"id", "add_time"} | own | wanted, custom)


def _update_time(event: Event) -> datetime | None:
    try:
        instant = datetime.fromisoformat(str((event.data or {}).get("update_time")))
    except ValueError:
        return None
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


def _is_overtaken(event: Event, row: RowState | None) -> bool:
    told = _update_time(event)
    return bool(row and row.update_time and told and row.update_time > told)

"""Alerts: who is told when something ceases to be well, and when it is well again, once each.

What is open, and which address has been told of it, is kept in Dagster's storage, written after every message
that an address has taken. So a restart repeats nothing; only a process that dies in the milliseconds between
the two makes a message come twice rather than never.
"""

from __future__ import annotations

import hashlib
import logging
import queue
import re
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib import import_module
from typing import Any

from pydantic import TypeAdapter, ValidationError

from pipedrive_orchestration.services.overview import Overview, SourceOverview
from pipedrive_orchestration.services.troubles import Trouble, TroubleKind
from pipedrive_orchestration.sources.key_values import KeyValues

STORED_AS = "alerts"

TOLD_OF = frozenset(TroubleKind) - {TroubleKind.EXPIRED}
"""Kinds that are told of. An end that stands in a source's own file is none."""

ABSENT_FOR = timedelta(minutes=10)
"""How long nobody may have looked before what is late is taken for a consequence of that."""

CATCHES_UP_WITHIN = timedelta(minutes=20)
"""How long sources may be late without a word after nobody has looked for so long."""

UNREADABLE_FOR = timedelta(minutes=15)
"""How long the database may be unreadable without a word; a large import holds it for a while."""

FORGOTTEN_AFTER = timedelta(days=3)
"""How long an address that takes no message is still to be told of what has ended."""

SHORTEST_PAUSE, LONGEST_PAUSE = timedelta(minutes=1), timedelta(hours=1)
"""How long an address that took no message is left alone: doubled with each try."""

SEND_SECONDS = 20.0
"""How long all addresses together may take; those that take longer are tried again."""

MOST_LINES = 30
"""Troubles that one message names."""


@dataclass(slots=True)
class Incident:
    """Something that was wrong when somebody looked, from then until it was well again.

    Attributes:
        key: of the trouble.
        subject: whose it is.
        brief: what the messages say of it.
        since: when it was seen first.
        ended: when it was seen to be over; None while it is not.
        told, told_end: ids of the addresses that know of its beginning, and of its end.
    """

    key: str
    subject: str
    brief: str
    since: datetime
    ended: datetime | None = None
    told: list[str] = field(default_factory=list)
    told_end: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Refusal:
    """An address that takes no message: since when, how often it was tried, and when it is tried again."""

    since: datetime
    tries: int
    next_try: datetime


@dataclass(slots=True)
class AlertState:
    """What is known of incidents from one look to the next.

    Attributes:
        incidents: those that are open, or of whose end somebody is to be told, by key and beginning.
        refusals: addresses that take no message, by id.
        looked_at: when somebody looked last.
        resumed_at: when somebody looked first after nobody had for long.
        unreadable_since: since when the database could not be read; None where it could.
    """

    incidents: list[Incident] = field(default_factory=list)
    refusals: dict[str, Refusal] = field(default_factory=dict)
    looked_at: datetime | None = None
    resumed_at: datetime | None = None
    unreadable_since: datetime | None = None

    @property
    def open(self) -> list[Incident]:
        """Incidents that have not ended."""
        return [incident for incident in self.incidents if incident.ended is None]


_STATE = TypeAdapter(AlertState)


def read_state(values: KeyValues) -> AlertState:
    """What is known; nothing where nothing was stored, or what was stored cannot be read."""
    stored = values.read([STORED_AS]).get(STORED_AS)
    try:
        return _STATE.validate_json(stored) if stored else AlertState()
    except ValidationError:
        return AlertState()


@dataclass(frozen=True, slots=True)
class Message:
    """What an address is told."""

    title: str
    body: str
    is_good: bool = False


@dataclass(frozen=True, slots=True)
class Sink:
    """An address that messages go to.

    Attributes:
        sink_id: tells it apart in what is stored, without saying it.
        name: its place in the settings and its kind, such as ``address 2 (Slack)``.
        send: gives a message to it; whether it was taken.
    """

    sink_id: str
    name: str
    send: Callable[[Message], bool] = field(repr=False)


class AlertAddressError(Exception):
    """An address that is none of Apprise's; the sentence says which by its place, not what stands there."""


def sinks_of(addresses: str) -> tuple[list[Sink], list[AlertAddressError]]:
    """The sinks of the setting, and what is wrong with the others.

    Args:
        addresses: separated by blanks, or by commas where an address begins after them.
    """
    sinks, wrong = [], []
    for number, address in enumerate(_split(addresses), 1):
        server = _server_of(address)
        if server is None:
            wrong.append(
                AlertAddressError(
                    f"Address {number} of PIPEDRIVE_ALERTS is none that Apprise knows: see docs/alerts.md."
                )
            )
            continue
        sink_id = hashlib.sha256(address.encode()).hexdigest()[:16]
        sinks.append(Sink(sink_id, f"address {number} ({server.service_name})", _sender(server)))
    return sinks, wrong


def _split(addresses: str) -> list[str]:
    return [part for part in re.split(r"[\s,]+(?=[A-Za-z][\w+.-]*://)|\s+", addresses.strip()) if part]


def _server_of(address: str) -> Any:
    """Apprise's plugin for an address; None where it understands it not."""
    with warnings.catch_warnings():
        # Its plug-ins use what later Pythons have no more, where they have it.
        warnings.simplefilter("ignore", DeprecationWarning)
        return _apprise().Apprise.instantiate(address, suppress_exceptions=True)


@cache
def _apprise() -> Any:
    """The library, which takes a quarter of a second to import."""
    # What it says of an address may repeat it.
    logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)
    return import_module("apprise")


def _sender(server: Any) -> Callable[[Message], bool]:
    def send(message: Message) -> bool:
        apprise = _apprise()
        kind = apprise.NotifyType.SUCCESS if message.is_good else apprise.NotifyType.WARNING
        one = apprise.Apprise()
        one.add(server)
        return bool(one.notify(message.body, message.title, kind, body_format=apprise.NotifyFormat.TEXT))

    return send


def send_to(messages: Mapping[str, tuple[Sink, Message]], seconds: float = SEND_SECONDS) -> Iterator[str]:
    """Send each sink its message, all at once; yields the ids of those that took it, as they do."""
    answers: queue.SimpleQueue[tuple[str, bool]] = queue.SimpleQueue()

    def give(sink: Sink, message: Message) -> None:
        try:
            taken = sink.send(message)
        except Exception:  # noqa: BLE001 - whatever a plug-in fails with, the address took no message
            taken = False
        answers.put((sink.sink_id, taken))

    for sink, message in messages.values():
        # One that never answers must not keep the process from its end.
        threading.Thread(target=give, args=(sink, message), daemon=True).start()
    until = time.monotonic() + seconds
    for _ in messages:
        try:
            sink_id, taken = answers.get(timeout=max(0.0, until - time.monotonic()))
        except queue.Empty:
            return
        if taken:
            yield sink_id


@dataclass(frozen=True, slots=True)
class Look:
    """What came of a look: how many addresses were told, and the names of those that took no message."""

    told: int
    refused: Sequence[str]
    open: int

    def __str__(self) -> str:
        parts = [f"{self.open} incidents are open", f"{self.told} addresses were told"]
        if self.refused:
            parts.append(f"{', '.join(self.refused)} took no message and will be tried again")
        return "; ".join(parts) + "."


def look(
    overview: Overview | None,
    values: KeyValues,
    sinks: Sequence[Sink],
    now: datetime,
    *,
    page: str,
    label: str = "",
) -> Look:
    """Take in how things are, and tell every address what it does not know yet.

    Args:
        overview: how the project is; None where the database could not be read.
        values: where incidents are kept.
        sinks: who is told.
        now: by our clock.
        page: address of Dagster's UI.
        label: of the account, where there are several.
    """
    state = read_state(values)
    _note_absence(state, now)
    _take_in(state, overview, now)
    _prune(state, [sink.sink_id for sink in sinks], now)
    _store(values, state)
    due = [sink for sink in sinks if _is_due(state.refusals.get(sink.sink_id), now)]
    messages = {
        sink.sink_id: (sink, message)
        for sink in due
        if (message := _message(state, sink.sink_id, page, label)) is not None
    }
    refused = dict(messages)
    for sink_id in send_to(messages):
        del refused[sink_id]
        state.refusals.pop(sink_id, None)
        for incident in state.incidents:
            _note_told(incident, sink_id)
        _store(values, state)
    for sink_id in refused:
        _note_refusal(state, sink_id, now)
    if refused:
        _store(values, state)
    return Look(len(messages) - len(refused), [sink.name for sink, _ in refused.values()], len(state.open))


def _store(values: KeyValues, state: AlertState) -> None:
    values.put(STORED_AS, _STATE.dump_json(state).decode())


def _note_absence(state: AlertState, now: datetime) -> None:
    if state.looked_at is not None and now - state.looked_at > ABSENT_FOR:
        state.resumed_at = now
    state.looked_at = now


def _take_in(state: AlertState, overview: Overview | None, now: datetime) -> None:
    if overview is None:
        state.unreadable_since = state.unreadable_since or now
        if now - state.unreadable_since >= UNREADABLE_FOR:
            _open(state, _UNREADABLE, now)
        return
    state.unreadable_since = None
    troubles = {trouble.key: trouble for trouble in overview.troubles if trouble.kind in TOLD_OF}
    sources = {source.slug: source for source in overview.sources}
    for incident in state.open:
        if incident.key not in troubles and _is_over(incident, sources.get(incident.subject)):
            incident.ended = now
    catches_up = state.resumed_at is not None and now - state.resumed_at < CATCHES_UP_WITHIN
    for trouble in troubles.values():
        if not (catches_up and trouble.kind is TroubleKind.LATE):
            _open(state, trouble, now)


_UNREADABLE = Trouble(
    "database",
    TroubleKind.DATABASE,
    "",
    f"The database could not be read for {UNREADABLE_FOR.total_seconds() / 60:g} minutes: "
    "`pipedrive-orchestration doctor` says why.",
)


def _open(state: AlertState, trouble: Trouble, now: datetime) -> None:
    if all(incident.key != trouble.key for incident in state.open):
        brief = _one_line(trouble.brief)
        state.incidents.append(Incident(trouble.key, _one_line(trouble.subject), brief, now))


def _one_line(text: str) -> str:
    """A text of which no file name makes more than a line, or anything but a text."""
    return re.sub(r"[\x00-\x1f\x7f<>&@|]+", " ", text)[:500]


def _is_over(incident: Incident, source: SourceOverview | None) -> bool:
    """Whether an incident whose trouble is no longer seen has ended: a run under way may hide it."""
    if source is None:
        return True
    if incident.key.startswith((f"{TroubleKind.FAILED}/", f"{TroubleKind.CLOSED}/")):
        # It ends with a run that brings something, not with one that was cancelled or has not ended.
        success = source.last_success
        return success is not None and success.finished_at > incident.since
    if incident.key.startswith(f"{TroubleKind.LATE}/"):
        return source.freshness is None or not source.freshness.is_late
    return True


def _prune(state: AlertState, sink_ids: Sequence[str], now: datetime) -> None:
    """Forget incidents of whose end everybody knows, and addresses that are no longer set."""

    def is_settled(incident: Incident) -> bool:
        if incident.ended is None:
            return False
        waits = [one for one in incident.told if one in sink_ids and one not in incident.told_end]
        return not waits or now - incident.ended > FORGOTTEN_AFTER

    state.incidents = [incident for incident in state.incidents if not is_settled(incident)]
    state.refusals = {sink: refusal for sink, refusal in state.refusals.items() if sink in sink_ids}


def _is_due(refusal: Refusal | None, now: datetime) -> bool:
    return refusal is None or now >= refusal.next_try


def _note_told(incident: Incident, sink_id: str) -> None:
    if incident.ended is None:
        if sink_id not in incident.told:
            incident.told.append(sink_id)
    elif sink_id in incident.told and sink_id not in incident.told_end:
        incident.told_end.append(sink_id)


def _note_refusal(state: AlertState, sink_id: str, now: datetime) -> None:
    refusal = state.refusals.setdefault(sink_id, Refusal(now, 0, now))
    refusal.next_try = now + min(LONGEST_PAUSE, SHORTEST_PAUSE * 2 ** min(refusal.tries, 10))
    refusal.tries += 1


def _message(state: AlertState, sink_id: str, page: str, label: str) -> Message | None:
    """What a sink does not know yet; None where it knows everything."""
    begun = [one for one in state.open if sink_id not in one.told]
    ended = [
        one
        for one in state.incidents
        if one.ended is not None and sink_id in one.told and sink_id not in one.told_end
    ]
    if not begun and not ended:
        return None
    lines = [
        *(f"- {one.subject}: {one.brief}" for one in begun[:MOST_LINES]),
        *_more(begun),
        *(f"- {one.subject}: well again ({_span(one)})." for one in ended[:MOST_LINES]),
        *_more(ended),
        "",
        f"{len(state.open)} open in all. `pipedrive-orchestration status` says what to do; Dagster: {page}",
    ]
    counts = [
        *([f"{len(begun)} not well"] if begun else []),
        *([f"{len(ended)} well again"] if ended else []),
    ]
    name = f"Pipedrive {label}" if label else "Pipedrive"
    return Message(f"{name}: {', '.join(counts)}", "\n".join(lines), is_good=not begun)


def _more(incidents: Sequence[Incident]) -> Iterable[str]:
    more = len(incidents) - MOST_LINES
    return [f"- and {more} more"] if more > 0 else []


def _span(incident: Incident) -> str:
    assert incident.ended is not None
    since, ended = incident.since.astimezone(UTC), incident.ended.astimezone(UTC)
    kind = incident.key.partition("/")[0].replace("_", " ")
    return f"{kind} from {since:%Y-%m-%d %H:%M} to {ended:%Y-%m-%d %H:%M} UTC"

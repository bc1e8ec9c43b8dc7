"""Whether a source keeps up with its own schedule.

A tick moves the watermark to its own instant. So as long as ticks do their work, no more than one of
them lies between the watermark and now; ticks are ours, so the watermark counts by our clock here.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

import duckdb

from pipedrive_orchestration.sources import Source, is_expired, next_ticks
from pipedrive_orchestration.warehouse import ledger

GRACE = timedelta(minutes=10)
"""How long a tick may take until its changes are in."""


class Lateness(StrEnum):
    """How a source stands to its schedule."""

    FRESH = "fresh"
    LATE = "late"
    VERY_LATE = "very late"
    AT_REST = "at rest"
    CLOSED = "closed"
    """Its collection is closed to the account or its user, as its last import found."""


@dataclass(frozen=True, slots=True)
class Freshness:
    """What is known of a source: its watermark, when the tick after it was due, and why it is closed."""

    lateness: Lateness
    watermark: datetime
    due: datetime | None
    closed: str | None = None

    @property
    def is_late(self) -> bool:
        """Whether a tick has not brought its changes."""
        return self.lateness in (Lateness.LATE, Lateness.VERY_LATE)

    def __str__(self) -> str:
        loaded = f"Changes are loaded up to {self.watermark:%Y-%m-%d %H:%M} UTC"
        if self.closed is not None:
            return f"{loaded}; {self.closed}."
        if self.lateness is Lateness.AT_REST:
            return f"{loaded}; the schedule is stopped or has expired."
        if self.lateness is Lateness.FRESH or self.due is None:
            return f"{loaded}."
        return f"{loaded}; the tick of {self.due:%Y-%m-%d %H:%M} UTC has not brought its changes."


def freshness_of(source: Source, watermark: datetime, now: datetime, *, stopped: bool) -> Freshness:
    """How an active source with that watermark stands to its schedule."""
    assert source.schedule is not None
    # While webhooks are live, ticks leave out pulls for that long.
    left_out = source.options.poll_when_live_after or timedelta()
    ticks = next_ticks(source.schedule, watermark + left_out, 2)
    due = ticks[0] if ticks else None
    if stopped or is_expired(source, now):
        return Freshness(Lateness.AT_REST, watermark, due)
    missed = sum(now > tick + GRACE for tick in ticks)
    return Freshness((Lateness.FRESH, Lateness.LATE, Lateness.VERY_LATE)[missed], watermark, due)


def freshness_in(
    connection: duckdb.DuckDBPyConnection, source: Source, now: datetime, *, stopped: bool
) -> Freshness | None:
    """The freshness of an active source as the warehouse has it; None if it was never imported."""
    return freshness_of_all(connection, [source], now, {source.slug} if stopped else ()).get(source.slug)


def freshness_of_all(
    connection: duckdb.DuckDBPyConnection,
    sources: Sequence[Source],
    now: datetime,
    stopped: Collection[str],
) -> dict[str, Freshness]:
    """The freshness of active sources by slug, those that were never imported left out.

    Args:
        connection: to the warehouse.
        sources: active ones.
        now: by our clock.
        stopped: slugs of those whose schedules are stopped.
    """
    slugs = [source.slug for source in sources]
    watermarks, newest = ledger.watermarks_of(connection, slugs), ledger.last_imports(connection, slugs)
    found = {}
    for source in sources:
        known, last = watermarks.get(source.slug), newest.get(source.slug)
        if known is not None and last is not None and last.is_skipped:
            found[source.slug] = Freshness(Lateness.CLOSED, known.by_our_clock, None, last.note)
        elif known is not None:
            is_stopped = source.slug in stopped
            found[source.slug] = freshness_of(source, known.by_our_clock, now, stopped=is_stopped)
    return found

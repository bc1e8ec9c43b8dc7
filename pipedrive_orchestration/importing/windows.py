"""Windows: half-open intervals of ``update_time`` that are pulled and committed one by one.

A window is a unit of pull work, never a slice of the table: a record leaves its window whenever it
changes. The grid of windows belongs to the source and never changes after its creation.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pipedrive_orchestration.sources import Source

HISTORY_MONTHS = 24
"""The months before its creation at which a source's grid begins, unless its options say otherwise."""


@dataclass(frozen=True, slots=True)
class Window:
    """``[start, end)`` in UTC, aligned to days, weeks or months.

    Attributes:
        key: the nominal start as ``YYYY-MM-DD``; the partition key of the window.
        start: None for the first window of a grid, which is open to the left: nothing is older than it.
        begun: when what lies before the start of a rest was read, by Pipedrive's clock; None for what is no
            rest.
    """

    key: str
    start: datetime | None
    end: datetime
    begun: datetime | None = None


def grid_start(source: Source) -> datetime:
    """The nominal start of a source's first window."""
    chosen = source.options.partitions_start
    if chosen:
        month = datetime.strptime(chosen, "%Y-%m").replace(tzinfo=UTC)
    else:
        created = source.created_at.astimezone(UTC)
        index = created.year * 12 + created.month - 1 - HISTORY_MONTHS
        month = datetime(index // 12, index % 12 + 1, 1, tzinfo=UTC)
    if source.options.partitions == "weekly":
        return month - timedelta(days=(month.weekday() + 1) % 7)
    return month


def windows_until(source: Source, now: datetime) -> list[Window]:
    """All windows of a source's grid, the one that holds ``now`` included and last."""
    starts = list(_starts(source, now))
    return [
        Window(
            key=f"{start:%Y-%m-%d}",
            start=None if index == 0 else start,
            end=_next(start, source.options.partitions),
        )
        for index, start in enumerate(starts)
    ]


def windows_between(windows: Sequence[Window], first: str | None, last: str | None) -> list[Window]:
    """The windows whose keys lie between two keys or months (``YYYY-MM``), both inclusive."""
    return [
        window
        for window in windows
        if (first is None or window.key[: len(first)] >= first)
        and (last is None or window.key[: len(last)] <= last)
    ]


def _starts(source: Source, now: datetime) -> Iterator[datetime]:
    start = grid_start(source)
    while start <= now:
        yield start
        start = _next(start, source.options.partitions)


def _next(start: datetime, cadence: str) -> datetime:
    if cadence == "daily":
        return start + timedelta(days=1)
    if cadence == "weekly":
        return start + timedelta(weeks=1)
    return start.replace(year=start.year + start.month // 12, month=start.month % 12 + 1)

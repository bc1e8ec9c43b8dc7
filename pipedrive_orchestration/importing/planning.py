"""Deciding what one pull has to read, before the first record is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pipedrive_orchestration.importing.definition import Definition
from pipedrive_orchestration.importing.report import Pull
from pipedrive_orchestration.importing.windows import Window, windows_until
from pipedrive_orchestration.pipedrive.catalogue import RECENTS_DAYS

OVERLAP = timedelta(minutes=5)
"""How far before the watermark a ``changes`` pull begins: changes can become visible late."""

Range = tuple[datetime | None, datetime | None]
"""``[since, until)`` of ``update_time``; None is open."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to read.

    Attributes:
        windows: to be reported when they are complete; empty for snapshots and for small pulls.
        ranges: to be read; empty for snapshots, which are read in full.
        watermark: where the watermark moves at the end, or None to leave it.
        notes: why this is not the pull that was asked for, if it is not.
    """

    windows: tuple[Window, ...]
    ranges: tuple[Range, ...]
    watermark: datetime | None
    notes: tuple[str, ...] = ()


def make_plan(
    definition: Definition,
    pull: Pull,
    windows: Sequence[Window],
    known: tuple[datetime, str] | None,
    now: datetime,
) -> Plan:
    """Plan a pull.

    Args:
        definition: the source joined with the account's fields.
        pull: as asked for.
        windows: of a ``WINDOW`` pull, oldest first.
        known: the watermark and the fingerprint of the definition it was reached with, if any.
        now: the instant the pull starts.
    """
    moves = now if pull is Pull.CHANGES else None
    if not definition.object_type.partitioned:
        return Plan((), (), moves)
    if pull is Pull.WINDOW:
        return Plan(tuple(windows), tuple(ranges_of(windows, now)), None)
    reason = _reason_for_full_pull(definition, known, now)
    if reason is None:
        watermark = known[0] if known else definition.source.created_at
        return Plan((), ((watermark - OVERLAP, None),), moves)
    everything = windows_until(definition.source, now)
    return Plan(tuple(everything), tuple(ranges_of(everything, now)), moves, (reason,))


def _reason_for_full_pull(
    definition: Definition, known: tuple[datetime, str] | None, now: datetime
) -> str | None:
    if known is None:
        return None
    watermark, fingerprint = known
    if fingerprint != definition.fingerprint:
        return "full pull: the source's properties or filter have changed"
    if now - watermark > timedelta(days=RECENTS_DAYS):
        days = (now - watermark).days
        return (
            f"full pull: the last one was {days} days ago, and Pipedrive shows deletions "
            f"of {RECENTS_DAYS} days only"
        )
    return None


def ranges_of(windows: Sequence[Window], now: datetime) -> list[Range]:
    """The ranges that cover some windows; windows that touch share one.

    A range that reaches ``now`` is left open to the right: what changes while it is read then comes at
    its end.
    """
    ranges: list[Range] = []
    for window in windows:
        until = None if window.end > now else window.end
        if ranges and ranges[-1][1] is not None and ranges[-1][1] == window.start:
            ranges[-1] = (ranges[-1][0], until)
        else:
            ranges.append((window.start, until))
    return ranges

"""Deciding what one pull has to read, before the first record is asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from pipedrive_orchestration.importing.definition import Definition, differ_only_in_values, is_same_filter
from pipedrive_orchestration.importing.prior_state import Memory
from pipedrive_orchestration.importing.report import Pull
from pipedrive_orchestration.importing.windows import Window, windows_until
from pipedrive_orchestration.pipedrive.object_types import RECENTS_DAYS

OVERLAP = timedelta(minutes=5)
"""How far before the watermark a ``changes`` pull begins: changes can become visible late."""

Range = tuple[datetime | None, datetime | None]
"""``[since, until)`` of ``update_time``; None is open."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to read.

    Attributes:
        pull: ``WINDOW`` also where a pull of changes has to read everything.
        asked: the windows that the pull is about; empty for snapshots and pulls of changes.
        windows: those of them that are still to be read, to be reported when they are complete.
        ranges: to be read; empty for snapshots, which are read in full.
        changed_since: from when on changes have to be caught up with after the windows.
        watermark: where the watermark moves at the end, or None to leave it.
        restrictions: parameters by which Pipedrive itself leaves out records that do not satisfy the
            filter while windows are read.
        notes: why this is not the pull that was asked for, if it is not.
        resumes: whether an interrupted pull is gone on with.
    """

    pull: Pull
    asked: tuple[Window, ...]
    windows: tuple[Window, ...]
    ranges: tuple[Range, ...]
    changed_since: datetime
    watermark: datetime | None
    restrictions: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    resumes: bool = False


def make_plan(
    definition: Definition,
    pull: Pull,
    windows: Sequence[Window],
    memory: Memory,
    now: datetime,
    clock_offset: timedelta = timedelta(),
) -> Plan:
    """Plan a pull.

    Args:
        definition: what is to be imported.
        pull: as asked for.
        windows: of a ``WINDOW`` pull, oldest first.
        memory: what the warehouse knows of the source.
        now: the instant the pull starts.
        clock_offset: how far Pipedrive's clock is ahead of ours.
    """
    if not definition.object_type.partitioned:
        return Plan(pull, (), (), (), now, now if pull is Pull.CHANGES else None)
    if pull is Pull.WINDOW:
        return _plan_windows(definition, tuple(windows), memory, now)
    reason = _reason_for_full_pull(definition, memory, now + clock_offset)
    if reason is None:
        since = (memory.watermark or definition.source.created_at) - OVERLAP
        return Plan(pull, (), (), ((since, None),), since, now)
    everything = _plan_windows(definition, tuple(windows_until(definition.source, now)), memory, now)
    return replace(everything, watermark=everything.changed_since, notes=(reason, *everything.notes))


def _restrictions(definition: Definition, memory: Memory) -> Mapping[str, str]:
    # Rows that Pipedrive leaves out are looked up by their ids. After a change of the filter these can
    # be most of them, and reading all records costs less.
    if memory.definition is not None and not is_same_filter(memory.definition, definition.fingerprint):
        return {}
    return definition.selection.restrictions


def _plan_windows(definition: Definition, windows: tuple[Window, ...], memory: Memory, now: datetime) -> Plan:
    plan = Plan(
        pull=Pull.WINDOW,
        asked=windows,
        windows=windows,
        ranges=tuple(ranges_of(windows, now)),
        changed_since=now,
        watermark=None,
        restrictions=_restrictions(definition, memory),
    )
    interrupted = memory.interrupted
    if interrupted is None:
        return plan
    left = tuple(window for window in windows if window.key not in interrupted.windows)
    note = (
        f"goes on with the pull of {interrupted.started_at:%Y-%m-%d %H:%M} UTC, which ended early: "
        f"{len(windows) - len(left)} of {len(windows)} windows are committed already"
    )
    return replace(
        plan,
        windows=left,
        ranges=tuple(ranges_of(left, now)),
        changed_since=interrupted.started_at,
        notes=(note,),
        resumes=True,
    )


def _reason_for_full_pull(definition: Definition, memory: Memory, now: datetime) -> str | None:
    if memory.watermark is None:
        return None
    fingerprint = definition.fingerprint
    if memory.definition is not None and memory.definition != fingerprint:
        if differ_only_in_values(memory.definition, fingerprint):
            return "full pull: dates, names or options of the filter stand for something else by now"
        return "full pull: the source's properties, filter or include_archived have changed"
    if _is_in_the_future(memory.watermark, now):
        return (
            f"full pull: the watermark {memory.watermark:%Y-%m-%d %H:%M} UTC lies in the future, so a clock "
            "was wrong when it was set"
        )
    if now - memory.watermark > timedelta(days=RECENTS_DAYS):
        days = (now - memory.watermark).days
        return (
            f"full pull: the last one was {days} days ago, and Pipedrive shows deletions "
            f"of {RECENTS_DAYS} days only"
        )
    return None


def known_until(memory: Memory, now: datetime) -> datetime | None:
    """From when on the recents feed may tell news: the watermark, unless a wrong clock has set it.

    Then it is an instant before everything that the feed can tell.
    """
    if memory.watermark is not None and _is_in_the_future(memory.watermark, now):
        return now - timedelta(days=RECENTS_DAYS + 1)
    return memory.watermark


def _is_in_the_future(watermark: datetime, now: datetime) -> bool:
    return watermark > now + OVERLAP


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

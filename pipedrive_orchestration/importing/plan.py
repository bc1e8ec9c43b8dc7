"""The plan of a pull: what it has to read, decided before the first record is asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from pipedrive_orchestration.importing.context import ImportContext
from pipedrive_orchestration.importing.definition import (
    ALWAYS,
    Definition,
    Span,
    differ_only_in_values,
    is_same_filter,
)
from pipedrive_orchestration.importing.doubt import Reading, doubt_of, rest_of
from pipedrive_orchestration.importing.filters.pushdown import askable, of_all
from pipedrive_orchestration.importing.prior_state import PriorState
from pipedrive_orchestration.importing.ranges import Range
from pipedrive_orchestration.importing.references import Recheck
from pipedrive_orchestration.importing.report import Pull
from pipedrive_orchestration.importing.visibility import Visibility
from pipedrive_orchestration.importing.windows import Window, windows_until
from pipedrive_orchestration.pipedrive.catalogue import RECENTS_DAYS
from pipedrive_orchestration.warehouse.window_readings import WindowState

OVERLAP = timedelta(minutes=5)
"""The time before the watermark at which a ``changes`` pull begins: changes can become visible late."""


@dataclass(frozen=True, slots=True)
class PullPlan:
    """The plan of one pull.

    Attributes:
        pull: ``WINDOW`` also where a pull of changes has to read everything.
        asked: the windows that the pull is about; empty for snapshots and pulls of changes.
        windows: those of them, or the rests of those, that are still to be read, to be reported when they are
            complete.
        ranges: to be read; empty for snapshots, which are read in full.
        moves_watermark: whether the watermark moves at the end, to the instant at which the pull began.
        is_complete: whether everything that the user sees of the source will have been read.
        restrictions: query parameters by which Pipedrive itself leaves out records that do not satisfy the
            filter while windows are read.
        updated: the span that the ranges keep to: nothing that was changed outside satisfies the filter.
        rechecks: records to be read besides, which have not changed and may have become members or left.
        notes: why this is not the pull that was asked for, if it is not.
        resumed_from: when the reading of what is not read again began, by Pipedrive's clock, where an
            interrupted pull is gone on with.
        may_be_empty: whether an odd way to say that the list has no records is believed, since the source
            has none from it that could be lost.
    """

    pull: Pull
    asked: tuple[Window, ...]
    windows: tuple[Window, ...]
    ranges: tuple[Range, ...]
    moves_watermark: bool
    is_complete: bool
    restrictions: Mapping[str, str] = field(default_factory=dict)
    updated: Span = ALWAYS
    rechecks: tuple[Recheck, ...] = ()
    notes: tuple[str, ...] = ()
    resumed_from: datetime | None = None
    may_be_empty: bool = False

    @property
    def committed(self) -> tuple[Window, ...]:
        """The windows that an interrupted pull has committed already."""
        left = {window.key for window in self.windows}
        return tuple(window for window in self.asked if window.key not in left)

    def began(self, context: ImportContext) -> datetime:
        """When the pull began, in an earlier attempt if it goes on with one, by Pipedrive's clock."""
        return self.resumed_from or context.began

    def changed_since(self, context: ImportContext) -> datetime:
        """From when on changes are read, after windows too, by Pipedrive's clock.

        What has changed since an earlier attempt began lies in what that has left, unless Pipedrive leaves it
        out by now.
        """
        if self.pull is Pull.CHANGES and self.ranges and self.ranges[0][0] is not None:
            return self.ranges[0][0]
        leaves_out = self.restrictions or self.updated != ALWAYS
        return self.began(context) if leaves_out else context.began


def make_plan(
    context: ImportContext, prior: PriorState, visibility: Visibility, rechecks: Sequence[Recheck] | None
) -> PullPlan:
    """Plan a pull.

    Args:
        context: the import.
        prior: what the warehouse knows of the source.
        visibility: what another user has read of an interrupted pull is not gone on with.
        rechecks: what has to be read again since names in the filter have changed; None if that is all.
    """
    pull, started_at = context.request.pull, context.started_at
    if not context.object_type.partitioned:
        return PullPlan(
            pull,
            (),
            (),
            (),
            moves_watermark=pull is Pull.CHANGES,
            is_complete=True,
            may_be_empty=prior.listed_rows == 0,
        )
    reading = Reading.of(context.definition, visibility.user)
    if visibility.is_other:
        prior = replace(prior, interrupted={})
    if pull is Pull.WINDOW:
        return _plan_windows(context, context.request.windows, prior, reading)
    reason = _reason_for_full_pull(context.definition, prior, context.began)
    if reason is None and rechecks is None:
        reason = "full pull: many names that the filter looks at have changed"
    if reason is None:
        since = (prior.watermark or context.created) - OVERLAP
        return PullPlan(
            pull, (), (), ((since, None),), moves_watermark=True, is_complete=False,
            rechecks=tuple(rechecks or ()),
        )  # fmt: skip
    windows = tuple(windows_until(context.source, started_at))
    everything = _plan_windows(context, windows, prior, reading)
    return replace(everything, moves_watermark=True, notes=(reason, *everything.notes))


def _may_leave_out(definition: Definition, prior: PriorState) -> bool:
    """Whether Pipedrive may leave out what does not satisfy the filter."""
    # Rows that it leaves out are looked up by their ids. After a change of the filter these can be most of
    # them, and reading all records costs less.
    return prior.definition is None or is_same_filter(prior.definition, definition.fingerprint)


def _plan_windows(
    context: ImportContext, windows: tuple[Window, ...], prior: PriorState, reading: Reading
) -> PullPlan:
    started_at, selection = context.started_at, context.definition.selection
    leaves_out = _may_leave_out(context.definition, prior)
    updated = askable(selection.updated, context.began) if leaves_out else ALWAYS
    plan = PullPlan(
        pull=Pull.WINDOW,
        asked=windows,
        windows=windows,
        ranges=tuple(ranges_of(windows, started_at, updated)),
        moves_watermark=False,
        is_complete=len(windows) == len(windows_until(context.source, started_at)),
        restrictions=selection.restrictions if leaves_out else {},
        updated=updated,
        may_be_empty=prior.listed_rows == 0,
    )
    left, resumed_from = _left_of(context, windows, prior.interrupted, reading)
    if resumed_from is None:
        return plan
    begun = sum(window.begun is not None for window in left)
    note = (
        f"goes on with the pull of {resumed_from:%Y-%m-%d %H:%M} UTC, which ended early: "
        f"{len(windows) - len(left)} of {len(windows)} windows are committed already"
        + (f", and parts of {begun}" if begun else "")
    )
    return replace(
        plan,
        windows=left,
        ranges=tuple(ranges_of(left, started_at, updated)),
        is_complete=False,
        notes=(note,),
        resumed_from=resumed_from,
    )


def _left_of(
    context: ImportContext,
    windows: Sequence[Window],
    readings: Mapping[str, WindowState],
    reading: Reading,
) -> tuple[tuple[Window, ...], datetime | None]:
    """What earlier attempts have left to be read, and when the first reading began that need not be repeated.

    Args:
        context: the import.
        windows: those that are asked for.
        readings: those of the attempts, by window key; see `interrupted_readings`.
        reading: how they would be read now.
    """
    left: list[Window] = []
    began: list[datetime] = []
    for window in windows:
        state = readings.get(window.key, WindowState())
        rest = rest_of(window, state.part, reading, datetime.min.replace(tzinfo=UTC))
        # What has changed since another window was read lies in those that had not ended by then.
        is_certain = doubt_of(state, reading, context.began, timedelta.max) is None
        if state.read_at is not None and is_certain and _had_ended(context, window, state):
            began.append(state.read_at)
            continue
        left.append(rest)
        if rest.begun is not None:
            began.append(rest.begun)
    return tuple(left), min(began, default=None)


def _had_ended(context: ImportContext, window: Window, state: WindowState) -> bool:
    """Whether a window had ended when its reading, or the last part of that, began."""
    last = [state.import_began and context.clock.at_pipedrive(state.import_began), state.read_at]
    return window.end <= max(filter(None, last)) - OVERLAP


def _reason_for_full_pull(definition: Definition, prior: PriorState, now: datetime) -> str | None:
    if prior.watermark is None:
        return None
    fingerprint = definition.fingerprint
    if prior.definition is not None and prior.definition != fingerprint:
        if differ_only_in_values(prior.definition, fingerprint):
            return "full pull: dates, names or options of the filter stand for something else by now"
        return "full pull: the source's properties, filter or include_archived have changed"
    if _is_in_the_future(prior.watermark, now):
        return (
            f"full pull: the watermark {prior.watermark:%Y-%m-%d %H:%M} UTC lies in the future, so a clock "
            "was wrong when it was set"
        )
    if now - prior.watermark > timedelta(days=RECENTS_DAYS):
        days = (now - prior.watermark).days
        return (
            f"full pull: the last one was {days} days ago, and Pipedrive shows deletions "
            f"of {RECENTS_DAYS} days only"
        )
    return None


def known_until(context: ImportContext, prior: PriorState) -> datetime | None:
    """From when on the recents feed may tell news: it was read up to then, unless a wrong clock says so.

    Then it is an instant before everything that the feed can tell.
    """
    now = context.began
    if prior.watermark is not None and _is_in_the_future(prior.watermark, now):
        return now - timedelta(days=RECENTS_DAYS + 1)
    return prior.removals_until


def _is_in_the_future(watermark: datetime, now: datetime) -> bool:
    return watermark > now + OVERLAP


def ranges_of(windows: Sequence[Window], now: datetime, updated: Span = ALWAYS) -> list[Range]:
    """The ranges that cover some windows as far as they lie in a span; windows that touch share one.

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
    kept = [of_all([each, updated]) for each in ranges]
    return [(low, high) for low, high in kept if low is None or high is None or low < high]

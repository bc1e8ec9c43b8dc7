"""Doubt: which windows of a source a scheduled import reads again although nobody asked, and why.

A pull of changes does not see everything: deletions that no feed tells of, new records without
``update_time``, archiving that bumps nothing. And a window may have been read under another definition, by
another user, or while something was odd. So every window is read again completely from time to time, the one
whose reading is oldest first, for a tenth of the tokens that are left of the day.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from pipedrive_orchestration.importing.context import ImportContext
from pipedrive_orchestration.importing.definition import Definition
from pipedrive_orchestration.importing.removals import count_in_windows, instant_after_rows
from pipedrive_orchestration.importing.report import Pull
from pipedrive_orchestration.importing.windows import Window, windows_until
from pipedrive_orchestration.pipedrive.account import ConnectedUser
from pipedrive_orchestration.warehouse.window_readings import WindowPart, WindowState

SHARE_OF_TOKENS = 10
"""What is left of the day's tokens, divided by this, may be spent on windows in doubt by one import."""

LEAST_DAILY_TOKENS = 30_000
"""The daily budget of the smallest plan, where Pipedrive does not say what is left."""


@dataclass(frozen=True, slots=True)
class DoubtfulWindow:
    """A window to be read again, or a part of one: what to read, and why."""

    window: Window
    reason: str


@dataclass(frozen=True, slots=True)
class Reading:
    """How an import reads: under which definition, which columns, as whom."""

    definition: str
    columns: str
    reader: str

    @classmethod
    def of(cls, definition: Definition, user: ConnectedUser) -> Reading:
        """The reading of an import."""
        columns = {column.column.key: column.column.sql_type for column in definition.columns}
        reader = f"{user.company_id}/{user.user_id}/{user.is_admin}"
        return cls(definition.fingerprint, json.dumps(columns, sort_keys=True), reader)


def reconciles(context: ImportContext) -> bool:
    """Whether windows in doubt are read again after an import."""
    is_scheduled = context.object_type.partitioned and context.request.pull is Pull.CHANGES
    return is_scheduled and context.source.options.reconcile_after is not None


async def windows_to_reconcile(
    context: ImportContext, reading: Reading, states: Mapping[str, WindowState]
) -> list[DoubtfulWindow]:
    """The windows in doubt that may be read again now, oldest reading first.

    Args:
        context: the import of changes that has just ended.
        reading: how it has read.
        states: what is known of the source's windows.

    Raises:
        WarehouseError: the database cannot be opened.
    """
    doubtful = windows_in_doubt(context, reading, states)
    if not doubtful:
        return []
    left = context.client.tokens_free
    allowed = (LEAST_DAILY_TOKENS if left is None else left) // SHARE_OF_TOKENS
    return await asyncio.to_thread(_affordable, context, doubtful, allowed)


def windows_in_doubt(
    context: ImportContext, reading: Reading, states: Mapping[str, WindowState]
) -> list[DoubtfulWindow]:
    """All windows of the source that are in doubt, oldest reading first; of one begun, what is left."""
    source, now = context.source, context.began
    after = source.options.reconcile_after or timedelta.max
    found: list[tuple[datetime, DoubtfulWindow]] = []
    for window in windows_until(source, now):
        state = states.get(window.key, WindowState())
        # A source that was never imported is not imported this way, nor what is older than a source that
        # takes new records only.
        unread = source.pull_existing and not states
        if state.read_at is None and (unread or window.end <= context.created):
            continue
        reason = doubt_of(state, reading, now, after)
        if reason is not None:
            begun = rest_of(window, state.part, reading, now - after)
            found.append((state.read_at or context.created, DoubtfulWindow(begun, reason)))
    return [window for _, window in sorted(found, key=lambda each: (each[0], each[1].window.key))]


def doubt_of(state: WindowState, reading: Reading, now: datetime, after: timedelta) -> str | None:
    """Why a window is in doubt, if it is.

    Args:
        state: what is known of its last complete reading.
        reading: how it would be read now.
        now: by Pipedrive's clock.
        after: how old a reading may get.
    """
    if state.read_at is None:
        return "never read completely"
    if state.doubt is not None:
        return state.doubt
    if state.definition is not None and state.definition != reading.definition:
        return "read under another definition"
    changed = _changed_columns(state.columns, reading.columns)
    if changed:
        return f"read without {', '.join(changed)}, or as another type"
    if state.reader is not None and state.reader != reading.reader:
        return "read as another user"
    age = now - state.read_at
    return f"last read {age.days} days ago" if age >= after else None


def windows_without_columns(
    states: Mapping[str, WindowState], windows: Sequence[Window], since: datetime, reading: Reading
) -> list[str]:
    """The keys of windows that have just been given records without values that they had before.

    Args:
        states: what is known of the windows.
        windows: the source's.
        since: from when on changes were read.
        reading: how they were read.
    """
    touched = [window.key for window in windows if window.end > since]
    return [
        key
        for key in touched
        if (state := states.get(key)) and _changed_columns(reading.columns, state.columns or "{}")
    ]


def _changed_columns(before: str | None, after: str) -> list[str]:
    """Columns of ``after`` that ``before`` lacks, or has with another type; none where it is not known."""
    if before is None:
        return []
    known = json.loads(before)
    return [key for key, sql_type in json.loads(after).items() if known.get(key) != sql_type]


def rest_of(window: Window, part: WindowPart | None, reading: Reading, since: datetime) -> Window:
    """What is left of a window after a part that was read in the same way since an instant."""
    if part is None or part.read_at < since:
        return window
    is_same = (part.definition, part.columns, part.reader) == (
        reading.definition,
        reading.columns,
        reading.reader,
    )
    return replace(window, start=part.read_until, begun=part.read_at) if is_same else window


def _affordable(
    context: ImportContext, doubtful: Sequence[DoubtfulWindow], allowed: int
) -> list[DoubtfulWindow]:
    source = context.source
    archived = source.type.archived_cost if source.options.include_archived else 0
    cost = source.type.list_cost + archived
    chosen: list[DoubtfulWindow] = []
    with context.warehouse.reading() as connection:
        for each in doubtful:
            rows = count_in_windows(connection, source.slug, [each.window])
            # Records that came since the window was read last may make a page more.
            tokens = cost * (-(-rows // source.type.page_size) + 1)
            if tokens <= allowed:
                chosen.append(each)
                allowed -= tokens
                continue
            pages = allowed // cost - 1
            if not chosen and pages > 0:
                end = instant_after_rows(connection, source.slug, each.window, pages * source.type.page_size)
                chosen.append(replace(each, window=replace(each.window, end=end)))
            break
    return chosen

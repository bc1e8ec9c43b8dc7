"""The windows of a source as Dagster's partitions, key by key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import dagster as dg

from pipedrive_orchestration.importing import Window, grid_start, windows_between, windows_until
from pipedrive_orchestration.sources import Source


def partitions_of(source: Source) -> dg.TimeWindowPartitionsDefinition | None:
    """The grid of a source in UTC with the current window, or None for a snapshot.

    It depends on nothing but the source's creation and options, so that keys never move.
    """
    if not source.type.partitioned:
        return None
    start = grid_start(source)
    match source.options.partitions:
        case "daily":
            return dg.DailyPartitionsDefinition(start_date=start, timezone="UTC", end_offset=1)
        case "weekly":
            return dg.WeeklyPartitionsDefinition(start_date=start, timezone="UTC", end_offset=1)
        case "monthly":
            return dg.MonthlyPartitionsDefinition(start_date=start, timezone="UTC", end_offset=1)


def requested_windows(
    context: dg.AssetExecutionContext, source: Source, now: datetime, chosen: Mapping[str, str | None]
) -> Sequence[Window]:
    """The windows a run asks for: its partition, its range of partitions, or all if it names none.

    Args:
        context: the run.
        source: whose windows they are.
        now: by our clock.
        chosen: ``first`` and ``last`` of the run's config, which count where the run names no partitions.
    """
    if not source.type.partitioned:
        return []
    windows = windows_until(source, now)
    if not context.has_partition_key_range and not context.has_partition_key:
        return windows_between(windows, chosen["first"], chosen["last"])
    keys = context.partition_key_range
    return windows_between(windows, keys.start, keys.end)

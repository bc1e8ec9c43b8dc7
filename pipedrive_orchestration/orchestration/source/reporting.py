"""Telling Dagster what an import does while it does it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import dagster as dg
import duckdb

from pipedrive_orchestration.importing import (
    Estimate,
    ImportEvent,
    ImportReport,
    Progress,
    Pull,
    RowCounts,
    Window,
    WindowReport,
)
from pipedrive_orchestration.orchestration.sensors.publish import metadata_of_copy
from pipedrive_orchestration.orchestration.source.table_metadata import (
    plain_markdown,
    table_metadata,
    table_name,
    windows_committed_since,
)
from pipedrive_orchestration.orchestration.watching import tell_watcher
from pipedrive_orchestration.sources import Source
from pipedrive_orchestration.warehouse import Warehouse, WarehouseError
from pipedrive_orchestration.warehouse.connection import Wait
from pipedrive_orchestration.warehouse.publish import KeptPublished

LOG_SECONDS = 5.0
"""Longest silence of the log while pages come."""

LOOK_SECONDS = 5.0
"""How old the look at the table may be that a window's event shows."""

LOOK_PATIENCE_SECONDS = 2.0
"""How long an event waits for a database that another run is writing."""


@dataclass(frozen=True, slots=True)
class _Figures:
    rows: RowCounts
    requests: int
    tokens: int
    seconds: float


class Reporter:
    """Listens to one import: logs progress and reports every window as it commits.

    A window that was reported stays materialised if the run fails later.
    """

    def __init__(
        self, context: dg.AssetExecutionContext, source: Source, pull: Pull, windows: Sequence[Window],
        warehouse: Warehouse, published: KeptPublished,
    ) -> None:  # fmt: skip
        self._context = context
        self._source = source
        self._pull = pull
        self._requested = windows
        self._warehouse = warehouse.with_patience(LOOK_PATIENCE_SECONDS)
        self._published = published
        self._reported: set[str] = set()
        self._estimate: Estimate | None = None
        self._began_at = datetime.now(UTC)
        self._began = self._logged_at = time.monotonic()
        self._waited_at = self._looked_at = float("-inf")
        self._look: dict[str, dg.MetadataValue] = {}

    def __call__(self, event: ImportEvent) -> None:
        """Takes an event of the import."""
        tell_watcher(event)
        match event:
            case Estimate():
                self._estimate = event
                self._context.log.info(_announcement(event))
            case Progress():
                self._log_progress(event)
            case WindowReport(window=Window() as window):
                self._report_window(event, window)
                self._published.after_merge()

    def wait(self, wait: Wait | None) -> None:
        """Logs that the database is waited for, no more often than progress."""
        now = time.monotonic()
        if wait is not None and now - self._waited_at >= LOG_SECONDS:
            self._waited_at = now
            self._context.log.info(str(wait))

    def finish(self, report: ImportReport) -> None:
        """Reports what no window's commit has reported, and the totals."""
        for note in report.notes:
            self._context.log.info(note)
        self._context.log.info(summary(report))
        self._published.at_end()
        if self._published.problem:
            self._context.log.warning(self._published.problem)
        self._looked_at = float("-inf")
        totals = self._metadata(report) | _metadata_of_import(report)
        if self._estimate:
            totals["estimated_tokens"] = dg.MetadataValue.int(self._estimate.tokens)
        if not self._source.type.partitioned:
            self._materialize(None, totals)
        elif report.pull is Pull.CHANGES and not self._reported.issuperset(w.key for w in self._requested):
            self._report_covered_windows(totals)
        else:
            self._context.log_event(dg.AssetObservation(self._context.asset_key, metadata=totals))

    def report_committed_windows(self) -> None:
        """Reports windows that an import committed before it ended early and could not tell of.

        A cancelled run is interrupted wherever it is, also between a commit and its report.
        """
        try:
            with self._warehouse.reading() as connection:
                committed = windows_committed_since(connection, self._source, self._began_at)
        except (WarehouseError, duckdb.CatalogException):
            return
        for window in self._requested:
            if window.key in committed and window.key not in self._reported:
                self._reported.add(window.key)
                rows = {f"rows_{name}": dg.MetadataValue.int(n) for name, n in committed[window.key].items()}
                own = {"pull": dg.MetadataValue.text(self._pull.value), **rows}
                self._materialize(window.key, own | _metadata_of_window(window))

    def _log_progress(self, progress: Progress) -> None:
        now = time.monotonic()
        if now - self._logged_at < LOG_SECONDS:
            return
        self._logged_at = now
        reached = f", up to {progress.reached:%Y-%m-%d %H:%M}" if progress.reached else ""
        self._context.log.info(
            f"{progress.records:,} records in {progress.pages:,} pages{reached}; {progress.requests:,} "
            f"requests, {progress.tokens:,} tokens{self._outlook(now)}"
        )

    def _outlook(self, now: float) -> str:
        done, wanted = len(self._reported), len(self._requested)
        if not 0 < done < wanted:
            return ""
        seconds_left = (now - self._began) / done * (wanted - done)
        return f"; {done} of {wanted} windows committed, about {seconds_left:,.0f} s left"

    def _report_window(self, report: WindowReport, window: Window) -> None:
        self._reported.add(window.key)
        if len(self._reported) == len(self._requested):
            self._looked_at = float("-inf")
        metadata = self._metadata(report) | _metadata_of_window(window)
        metadata["dagster/partition_row_count"] = dg.MetadataValue.int(report.rows.read)
        self._materialize(window.key, metadata)
        self._context.log.info(
            f"Committed {window.key}: {report.rows.read:,} records, {report.rows.changed:,} rows changed"
        )

    def _report_covered_windows(self, totals: dict[str, dg.MetadataValue]) -> None:
        # A pull of changes reaches over windows; its figures stand at the newest.
        for window in self._requested:
            newest = window is self._requested[-1]
            own = totals if newest else {"pull": dg.MetadataValue.text(self._pull.value)}
            self._materialize(window.key, own | _metadata_of_window(window))

    def _materialize(self, partition: str | None, metadata: dict[str, dg.MetadataValue]) -> None:
        self._context.log_event(
            dg.AssetMaterialization(self._context.asset_key, partition=partition, metadata=metadata)
        )

    def _metadata(self, report: WindowReport | ImportReport) -> dict[str, dg.MetadataValue]:
        figures = _Figures(report.rows, report.requests, report.tokens, report.seconds)
        return {
            "dagster/row_count": dg.MetadataValue.int(report.rows.current),
            "dagster/table_name": dg.MetadataValue.text(table_name(self._source)),
            "dagster/uri": dg.MetadataValue.text(self._warehouse.database),
            "pull": dg.MetadataValue.text(self._pull.value),
            **_metadata_of_figures(figures),
            **self._look_at_table(),
            **metadata_of_copy(self._published),
        }

    def _look_at_table(self) -> dict[str, dg.MetadataValue]:
        if time.monotonic() - self._looked_at >= LOOK_SECONDS:
            self._look = table_metadata(self._warehouse, self._source)
            self._looked_at = time.monotonic()
        return self._look


def _announcement(estimate: Estimate) -> str:
    left = "" if estimate.daily_tokens_left is None else f"; {estimate.daily_tokens_left:,} are left today"
    return f"This pull will cost about {estimate.tokens:,} tokens{left}"


def summary(report: ImportReport) -> str:
    """One sentence on an import."""
    rows = report.rows
    return (
        f"{report.source}: {rows.read:,} records read, {rows.inserted:,} rows inserted, {rows.updated:,} "
        f"updated, {rows.removed:,} removed, {rows.current:,} current; {report.requests:,} requests, "
        f"{report.tokens:,} tokens, {report.seconds:.1f} s"
    )


def _metadata_of_figures(figures: _Figures) -> dict[str, dg.MetadataValue]:
    per_second = figures.rows.read / figures.seconds if figures.seconds > 0 else 0.0
    return {
        "rows_read": dg.MetadataValue.int(figures.rows.read),
        "rows_inserted": dg.MetadataValue.int(figures.rows.inserted),
        "rows_updated": dg.MetadataValue.int(figures.rows.updated),
        "rows_removed": dg.MetadataValue.int(figures.rows.removed),
        "requests": dg.MetadataValue.int(figures.requests),
        "tokens": dg.MetadataValue.int(figures.tokens),
        "seconds": dg.MetadataValue.float(round(figures.seconds, 3)),
        "records_per_second": dg.MetadataValue.float(round(per_second, 1)),
    }


def _metadata_of_window(window: Window) -> dict[str, dg.MetadataValue]:
    metadata: dict[str, dg.MetadataValue] = {"window_end": _timestamp(window.end)}
    if window.start is not None:
        metadata["window_start"] = _timestamp(window.start)
    return metadata


def _metadata_of_import(report: ImportReport) -> dict[str, dg.MetadataValue]:
    metadata: dict[str, dg.MetadataValue] = {"quarantined": dg.MetadataValue.int(report.quarantined)}
    if report.watermark is not None:
        metadata["watermark"] = _timestamp(report.watermark)
    if report.notes:
        metadata["notes"] = dg.MetadataValue.md("\n".join(f"- {_line(note)}" for note in report.notes))
    return metadata


def _line(note: str) -> str:
    # Notes tell of labels, and a label may hold anything.
    return plain_markdown(" ".join(note.split()))


def _timestamp(instant: datetime) -> dg.MetadataValue:
    return dg.MetadataValue.timestamp(instant)

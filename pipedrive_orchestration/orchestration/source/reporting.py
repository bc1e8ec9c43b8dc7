"""Telling Dagster what an import does while it does it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import dagster as dg

from pipedrive_orchestration.importing import (
    Estimate,
    ImportEvent,
    ImportReport,
    Note,
    Progress,
    Pull,
    Resumption,
    RowCounts,
    Window,
    WindowReport,
    set_aside,
)
from pipedrive_orchestration.orchestration.cosmetics import reason_of, shown
from pipedrive_orchestration.orchestration.in_process import tell_listener
from pipedrive_orchestration.orchestration.sensors.publish import metadata_of_copy
from pipedrive_orchestration.orchestration.source.table_metadata import (
    in_words,
    plain_markdown,
    table_metadata,
    table_name,
    windows_committed,
)
from pipedrive_orchestration.services.dagster_internals import store_materializations
from pipedrive_orchestration.sources import Source
from pipedrive_orchestration.warehouse import Warehouse
from pipedrive_orchestration.warehouse.publish import KeptPublished
from pipedrive_orchestration.warehouse.waits import Wait

LOG_SECONDS = 5.0
"""Longest silence of the log while pages come."""

LOOK_SECONDS = 5.0
"""How old the look at the table may be that a window's event shows."""

LOOK_MEMORY = "1GB"
"""What a look may use: DuckDB reads thousands of rows to show five, and texts may be long."""

LOOK_PATIENCE_SECONDS = 2.0
"""How long an event waits for a database that another run is writing."""


class RunLog:
    """The log of one run: listens to its import, logs progress, and reports every window as it commits.

    A window that was reported stays materialised if the run fails later. The newest of the windows that the
    run asks for is reported last and carries the totals of the import.
    """

    def __init__(
        self, context: dg.AssetExecutionContext, source: Source, pull: Pull, windows: Sequence[Window],
        warehouse: Warehouse, published: KeptPublished,
    ) -> None:  # fmt: skip
        self._context = context
        self._source = source
        self._pull = pull
        self._requested = windows
        self._warehouse = warehouse.with_patience(LOOK_PATIENCE_SECONDS).with_memory(LOOK_MEMORY)
        self._published = published
        self._committing: list[WindowReport] = []
        self._reported: set[str] = set()
        self._newest: dict[str, dg.MetadataValue] | None = None
        self._noted: set[str] = set()
        self._resumed = 0
        self._estimate: Estimate | None = None
        self._began_at = datetime.now(UTC)
        self._began = self._logged_at = time.monotonic()
        self._waited_at = self._looked_at = float("-inf")
        if windows and pull is Pull.WINDOW:
            context.log.info(f"Reads {_named(windows)} of {source.object_type}.")

    def __call__(self, event: ImportEvent) -> None:
        """Takes an event of the import."""
        shown(self._context.log, "signs of progress", lambda: tell_listener(event))
        if isinstance(event, WindowReport):
            if event.window is not None:
                self._committing.append(event)
            return
        # Windows that are committed together are reported together.
        self._report_commit()
        match event:
            case Estimate():
                self._estimate = event
                self._context.log.info(_announcement(event))
            case Note(text=text):
                self._note(text)
            case Progress():
                self._log_progress(event)
            case Resumption():
                self._report_resumed(event)

    def wait(self, wait: Wait | None) -> None:
        """Logs that the database is waited for, no more often than progress."""
        now = time.monotonic()
        if wait is not None and now - self._waited_at >= LOG_SECONDS:
            self._waited_at = now
            self._context.log.info(str(wait))

    def finish(self, report: ImportReport) -> None:
        """Reports what no window's commit has reported, and the totals."""
        self._report_commit()
        for note in report.notes:
            self._note(note)
        self._context.log.info(summary(report))
        if report.quarantined:
            self._context.log.warning(set_aside(report.source, report.quarantined))
        self._published.at_end()
        if self._published.problem:
            self._context.log.warning(self._published.problem)
        self._looked_at = float("-inf")
        totals = self._totals(report)
        if report.skipped:
            # Nothing came, so nothing is materialised; the source's page says why.
            self._context.log.warning(report.skipped)
            totals["skipped"] = dg.MetadataValue.text(report.skipped)
            self._context.log_event(
                dg.AssetObservation(self._context.asset_key, report.skipped, metadata=totals)
            )
        elif not self._source.type.partitioned:
            self._materialize(None, totals)
        elif not self._requested:
            self._context.log_event(dg.AssetObservation(self._context.asset_key, metadata=totals))
        else:
            # A pull of changes reaches over windows; its figures stand at the newest.
            *earlier, newest = self._requested
            covered = [window for window in earlier if window.key not in self._reported]
            self._materialize_windows({window: self._own_metadata(window) for window in covered})
            # What the import did in words comes first, and stays there.
            own = self._newest or self._own_metadata(newest)
            self._materialize(newest.key, totals | own | totals)

    def report_committed_windows(self) -> None:
        """Reports windows that are committed, by this run or an interrupted one before it, and not told of.

        A cancelled run is interrupted wherever it is, also between a commit and its report. One that fails
        may have failed before it knew what it goes on with.
        """
        self._report_commit()
        committed = shown(self._context.log, "windows that were committed last", self._committed) or {}
        events = {
            window: self._own_metadata(window) | committed[window.key]
            for window in self._requested
            if window.key in committed and window.key not in self._reported
        }
        self._materialize_windows(events)
        if self._newest is not None:
            self._materialize(self._requested[-1].key, self._newest)

    def remainder(self) -> str:
        """A sentence on what of the run stays, and what is left of it."""
        if not self._source.type.partitioned or self._pull is Pull.CHANGES:
            return "What was committed stays; the next run goes on from there."
        done = sum(window.key in self._reported for window in self._requested)
        if not done:
            return "No window was committed."
        left = len(self._requested) - done
        return f"{done} of {len(self._requested)} windows are committed and stay; " + (
            f"the next run of the same windows reads the {left} that are left." if left else "none is left."
        )

    def _committed(self) -> dict[str, dict[str, dg.MetadataValue]]:
        if not self._warehouse.exists:
            return {}
        with self._warehouse.reading() as connection:
            committed = windows_committed(connection, self._source, self._pull, self._began_at)
            return {
                key: {f"window_rows_{name}": dg.MetadataValue.int(count) for name, count in counts.items()}
                for key, counts in committed.items()
            }

    def _note(self, text: str) -> None:
        if text not in self._noted:
            self._noted.add(text)
            self._context.log.info(text)

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
        done, wanted = len(self._reported) - self._resumed, len(self._requested) - self._resumed
        if not 0 < done < wanted:
            return ""
        seconds_left = (now - self._began) / done * (wanted - done)
        return f"; {done} of {wanted} windows committed, about {seconds_left:,.0f} s left"

    def _report_resumed(self, resumption: Resumption) -> None:
        """Reports windows that an interrupted run has committed, so that nothing stays red that is whole."""
        self._resumed = len(resumption.committed)
        earlier = {"committed_by": dg.MetadataValue.text("an earlier run, which this one goes on with")}
        self._materialize_windows(
            {window: self._own_metadata(window) | earlier for window in resumption.committed}
        )

    def _report_commit(self) -> None:
        reports, self._committing = self._committing, []
        windows = {report.window: report for report in reports if report.window}
        if not windows:
            return
        rows = RowCounts()
        for report in reports:
            rows = rows.plus(report.rows)
        self._context.log.info(
            f"Committed {_named(list(windows))}: {rows.read:,} records, {rows.changed:,} rows changed"
        )
        events = {
            window: self._own_metadata(window) | _metadata_of_rows(report.rows)
            for window, report in windows.items()
        }
        newest = max(windows, key=lambda window: window.end)
        if time.monotonic() - self._looked_at >= LOOK_SECONDS:
            events[newest] |= self._look()
        self._materialize_windows(events)
        self._published.after_merge()

    def _materialize_windows(self, events: Mapping[Window, dict[str, dg.MetadataValue]]) -> None:
        """Reports windows, but for the newest, which waits for the totals until the run ends."""
        newest = self._requested[-1].key if self._requested else None
        self._reported.update(window.key for window in events)
        for window, metadata in events.items():
            if window.key == newest:
                self._newest = (self._newest or {}) | metadata
        materializations = [
            dg.AssetMaterialization(self._context.asset_key, partition=window.key, metadata=metadata)
            for window, metadata in events.items()
            if window.key != newest
        ]
        try:
            store_materializations(self._context, materializations)
        except Exception as error:  # noqa: BLE001 - a Dagster that stores events otherwise
            self._context.log.warning(f"Windows are reported one by one: {reason_of(error)}")
            for materialization in materializations:
                self._context.log_event(materialization)

    def _materialize(self, partition: str | None, metadata: Mapping[str, dg.MetadataValue]) -> None:
        self._context.log_event(
            dg.AssetMaterialization(self._context.asset_key, partition=partition, metadata=metadata)
        )

    def _own_metadata(self, window: Window) -> dict[str, dg.MetadataValue]:
        metadata: dict[str, dg.MetadataValue] = {
            "dagster/table_name": dg.MetadataValue.text(table_name(self._source)),
            "pull": dg.MetadataValue.text(self._pull.value),
            "window_end": _timestamp(window.end),
        }
        if window.start is not None:
            metadata["window_start"] = _timestamp(window.start)
        return metadata

    def _totals(self, report: ImportReport) -> dict[str, dg.MetadataValue]:
        totals = {
            "dagster/row_count": dg.MetadataValue.int(report.rows.current),
            "dagster/table_name": dg.MetadataValue.text(table_name(self._source)),
            "dagster/uri": dg.MetadataValue.text(self._warehouse.database),
            "pull": dg.MetadataValue.text(self._pull.value),
            **_metadata_of_import(report),
        }
        news = report.pull is Pull.WINDOW or report.rows.changed or report.reconciled
        looked = self._look(report.rows if news else None)
        summary = looked.pop("summary", dg.MetadataValue.text(in_words(report.rows)))
        totals = {"summary": summary, **totals, **looked}
        if self._estimate:
            totals["estimated_tokens"] = dg.MetadataValue.int(self._estimate.tokens)
        if self._resumed:
            totals["resumed_windows"] = dg.MetadataValue.int(self._resumed)
        return totals

    def _look(self, news: RowCounts | None = None) -> dict[str, dg.MetadataValue]:
        self._looked_at = time.monotonic()
        log = self._context.log
        copy = shown(log, "facts of the published copy", lambda: metadata_of_copy(self._published))
        return table_metadata(log, self._warehouse, self._source, news) | (copy or {})


def _named(windows: Sequence[Window]) -> str:
    if len(windows) == 1:
        return f"window {windows[0].key}"
    return f"{len(windows):,} windows ({windows[0].key} to {windows[-1].key})"


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


def _metadata_of_rows(rows: RowCounts) -> dict[str, dg.MetadataValue]:
    """Figures of one window, under keys of their own."""
    return {
        "dagster/partition_row_count": dg.MetadataValue.int(rows.read),
        "window_rows_read": dg.MetadataValue.int(rows.read),
        "window_rows_inserted": dg.MetadataValue.int(rows.inserted),
        "window_rows_updated": dg.MetadataValue.int(rows.updated),
        "window_rows_removed": dg.MetadataValue.int(rows.removed),
    }


def _metadata_of_import(report: ImportReport) -> dict[str, dg.MetadataValue]:
    per_second = report.rows.read / report.seconds if report.seconds > 0 else 0.0
    metadata: dict[str, dg.MetadataValue] = {
        "rows_read": dg.MetadataValue.int(report.rows.read),
        "rows_inserted": dg.MetadataValue.int(report.rows.inserted),
        "rows_updated": dg.MetadataValue.int(report.rows.updated),
        "rows_removed": dg.MetadataValue.int(report.rows.removed),
        "requests": dg.MetadataValue.int(report.requests),
        "tokens": dg.MetadataValue.int(report.tokens),
        "seconds": dg.MetadataValue.float(round(report.seconds, 3)),
        "records_per_second": dg.MetadataValue.float(round(per_second, 1)),
        "quarantined": dg.MetadataValue.int(report.quarantined),
    }
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

"""Whether a source keeps up with its own schedule.

A tick moves the watermark to its own instant. So as long as ticks do their work, no more than one of
them lies between the watermark and now; ticks are ours, so the watermark counts by our clock here.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

import dagster as dg
import duckdb

from pipedrive_orchestration.orchestration.context import ALONE, ProjectContext
from pipedrive_orchestration.sources import Source, is_expired, next_ticks
from pipedrive_orchestration.warehouse import Warehouse, WarehouseError, ledger

CHECK_NAME = "freshness"
SENSOR_NAME = "freshness_sensor"
_SENSOR_SECONDS = 60

GRACE = timedelta(minutes=10)
"""How long a tick may take until its changes are in."""

PATIENCE_SECONDS = 2.0
"""How long the sensor waits for a database that a run is writing; it looks again a minute later."""


class Lateness(StrEnum):
    """How a source stands to its schedule."""

    FRESH = "fresh"
    LATE = "late"
    VERY_LATE = "very late"
    AT_REST = "at rest"


@dataclass(frozen=True, slots=True)
class Freshness:
    """What is known of a source: its watermark, and when the tick after it was due."""

    lateness: Lateness
    watermark: datetime
    due: datetime | None

    def result(self, key: dg.AssetKey) -> dg.AssetCheckResult:
        """What the check says: late is a warning, a second tick gone by is an error."""
        return dg.AssetCheckResult(
            asset_key=key,
            check_name=CHECK_NAME,
            passed=self.lateness in (Lateness.FRESH, Lateness.AT_REST),
            severity=_severity(self.lateness),
            description=self._sentence(),
            metadata=self._metadata(),
        )

    def evaluation(self, key: dg.AssetKey) -> dg.AssetCheckEvaluation:
        """The same to be recorded outside a run."""
        result = self.result(key)
        return dg.AssetCheckEvaluation(
            asset_key=key,
            check_name=CHECK_NAME,
            passed=result.passed,
            severity=result.severity,
            description=result.description,
            metadata=result.metadata,
        )

    def _sentence(self) -> str:
        loaded = f"Changes are loaded up to {self.watermark:%Y-%m-%d %H:%M} UTC"
        if self.lateness is Lateness.AT_REST:
            return f"{loaded}; the schedule is stopped or has expired."
        if self.lateness is Lateness.FRESH or self.due is None:
            return f"{loaded}."
        return f"{loaded}; the tick of {self.due:%Y-%m-%d %H:%M} UTC has not brought its changes."

    def _metadata(self) -> dict[str, dg.MetadataValue]:
        metadata: dict[str, dg.MetadataValue] = {"watermark": dg.MetadataValue.timestamp(self.watermark)}
        if self.due:
            metadata["due"] = dg.MetadataValue.timestamp(self.due)
        return metadata


def _severity(lateness: Lateness) -> dg.AssetCheckSeverity:
    return dg.AssetCheckSeverity.ERROR if lateness is Lateness.VERY_LATE else dg.AssetCheckSeverity.WARN


def freshness_of(source: Source, watermark: datetime, now: datetime, *, stopped: bool) -> Freshness:
    """How an active source with that watermark stands to its schedule."""
    assert source.schedule is not None
    ticks = next_ticks(source.schedule, watermark, 2)
    due = ticks[0] if ticks else None
    if stopped or is_expired(source, now):
        return Freshness(Lateness.AT_REST, watermark, due)
    missed = sum(now > tick + GRACE for tick in ticks)
    return Freshness((Lateness.FRESH, Lateness.LATE, Lateness.VERY_LATE)[missed], watermark, due)


def freshness_in(
    connection: duckdb.DuckDBPyConnection, source: Source, now: datetime, *, stopped: bool
) -> Freshness | None:
    """The freshness of an active source as the warehouse has it; None if it was never imported."""
    known = ledger.watermark_of(connection, source.slug)
    return freshness_of(source, known.by_our_clock, now, stopped=stopped) if known else None


def build_freshness_sensor(
    sources: Sequence[Source],
    project: ProjectContext = ALONE,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> dg.SensorDefinition:
    """Reports the freshness check of a source when it becomes late, and when it no longer is.

    Imports report the check themselves; the sensor sees what does not happen. Its cursor names the
    sources that are late.
    """
    active = [source for source in sources if source.schedule]

    @dg.sensor(
        name=project.names.own(SENSOR_NAME),
        required_resource_keys={project.warehouse_key},
        minimum_interval_seconds=_SENSOR_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Watches whether every active source keeps up with its own schedule.",
    )
    def freshness_sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        try:
            watermarks = _watermarks(project.warehouse(context.resources).warehouse(), active)
        except WarehouseError as error:
            return dg.SkipReason(str(error))
        stopped = project.schedules(context).stopped()
        before: Mapping[str, str] = json.loads(context.cursor or "{}")
        now = clock()
        states = {
            source.slug: freshness_of(
                source, watermarks[source.slug], now, stopped=project.names.schedule(source.slug) in stopped
            )
            for source in active
            if source.slug in watermarks
        }
        changed = {
            slug: state
            for slug, state in states.items()
            if before.get(slug, Lateness.FRESH) != state.lateness
        }
        remembered = {
            slug: state.lateness for slug, state in states.items() if state.lateness is not Lateness.FRESH
        }
        return dg.SensorResult(
            asset_events=[state.evaluation(project.names.asset_key(slug)) for slug, state in changed.items()],
            skip_reason=None if changed else "Nothing has become late, or ceased to be.",
            cursor=json.dumps(remembered, sort_keys=True),
        )

    return freshness_sensor


def _watermarks(warehouse: Warehouse, sources: Sequence[Source]) -> dict[str, datetime]:
    patient = Warehouse(warehouse.database, patience=PATIENCE_SECONDS)
    with patient.reading() as connection:
        known = {source.slug: ledger.watermark_of(connection, source.slug) for source in sources}
    return {slug: watermark.by_our_clock for slug, watermark in known.items() if watermark}

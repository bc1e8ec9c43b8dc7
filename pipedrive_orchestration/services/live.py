"""Webhooks beside the API: a thread that merges what comes, and tells Dagster at a humane rate."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Self

import dagster as dg

from pipedrive_orchestration.importing import Pull, RowCounts, windows_until
from pipedrive_orchestration.importing.pushed import EVENTS
from pipedrive_orchestration.pipedrive.clock import utc_now
from pipedrive_orchestration.services.dagster_internals import last_verdict
from pipedrive_orchestration.services.deployment import Deployment
from pipedrive_orchestration.services.names import PULL_TAG, SOURCE_TAG, DagsterNames
from pipedrive_orchestration.sources import Source
from pipedrive_orchestration.webhooks.events import OBJECTS
from pipedrive_orchestration.webhooks.merger import MergedEvents, Merger

WEBHOOKS_CHECK = "webhooks_delivered"
"""The check of the account that says whether Pipedrive still delivers."""

ASKED_AT = "asked_at"
"""The entry of its metadata that says when Pipedrive was asked."""

BELIEVED_FOR = timedelta(hours=2, minutes=10)
"""How long it is believed; it is evaluated every hour."""


def are_live(instance: dg.DagsterInstance, names: DagsterNames, now: datetime) -> bool:
    """Whether webhooks were delivered when Pipedrive was asked last, and that is not long ago."""
    verdict = last_verdict(instance, dg.AssetCheckKey(names.account_key, WEBHOOKS_CHECK))
    if verdict is None or not verdict.passed:
        return False
    asked_at = verdict.metadata.get(ASKED_AT)
    return (
        isinstance(asked_at, dg.TimestampMetadataValue)
        and abs(now.timestamp() - asked_at.value) <= BELIEVED_FOR.total_seconds()
    )


def polled_until(
    source: Source, instance: dg.DagsterInstance, names: DagsterNames, now: datetime
) -> datetime | None:
    """Until when a source needs no pull since its webhooks are live; None where it needs one now."""
    span = source.options.poll_when_live_after
    if span is None or source.object_type not in OBJECTS.values():
        return None
    tags = {SOURCE_TAG: names.source_tag(source.slug), PULL_TAG: Pull.CHANGES.value}
    done = dg.RunsFilter(tags=tags, statuses=[dg.DagsterRunStatus.SUCCESS])
    records = instance.get_run_records(done, limit=1)
    if not records or records[0].start_time is None or not are_live(instance, names, now):
        return None
    until = datetime.fromtimestamp(records[0].start_time, UTC) + span
    return until if until > now else None


LOOK_SECONDS = 1.0
"""Seconds between two looks into the inbox."""

PAUSE_SECONDS = 10.0
"""The same after events could not be merged."""

END_SECONDS = 10.0
"""Seconds for which the end waits for a merge that is under way."""

REPORT_EVERY = timedelta(minutes=1)
"""How often a source is reported to Dagster at most."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Unreported:
    """What was merged into a source since it was reported last."""

    source: Source
    rows: RowCounts
    events: int
    tokens: int

    def plus(self, merged: MergedEvents) -> _Unreported:
        rows = self.rows.plus(merged.report.rows)
        return _Unreported(
            merged.source, rows, self.events + merged.events, self.tokens + merged.report.tokens
        )


class LiveMerge:
    """Merges what comes into the inbox of an account, in a thread of its own.

    Args:
        deployment: the project and its Dagster.
        merger: of its account.
        clock: tells our time.
    """

    def __init__(
        self, deployment: Deployment, merger: Merger, clock: Callable[[], datetime] = utc_now
    ) -> None:
        self._deployment = deployment
        self._merger = merger
        self._inbox = merger.inbox
        self._clock = clock
        self._unreported: dict[str, _Unreported] = {}
        self._reported_at: dict[str, datetime] = {}
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="webhooks", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        # A merge that waits for Pipedrive may take minutes; ended anywhere, it is made again by the next one.
        self._thread.join(END_SECONDS)
        self.report(everything=True)

    def merge(self) -> bool:
        """Merge what is there. Returns whether all of it could be."""
        if not self._inbox.files():
            return True
        merged = self._merger.merge(self._deployment.store.load().sources)
        for one in merged.sources:
            slug = one.source.slug
            before = self._unreported.get(slug) or _Unreported(one.source, RowCounts(), 0, 0)
            self._unreported[slug] = before.plus(one)
        for slug, reason in merged.failures.items():
            log.warning("Events of %s wait: %s", slug, reason)
        if merged.unusable:
            log.warning("%d events are set aside in %s", merged.unusable, self._inbox.folder)
        return not merged.failures

    def report(self, *, everything: bool = False) -> None:
        """Tell Dagster what was merged, of each source at most once in a while unless it is the end."""
        now = self._clock()
        for slug, unreported in list(self._unreported.items()):
            reported_at = self._reported_at.get(slug)
            if everything or reported_at is None or now - reported_at >= REPORT_EVERY:
                self._deployment.instance.report_runless_asset_event(self._materialization(unreported, now))
                del self._unreported[slug]
                self._reported_at[slug] = now

    def _materialization(self, unreported: _Unreported, now: datetime) -> dg.AssetMaterialization:
        source, rows = unreported.source, unreported.rows
        windows = windows_until(source, now) if source.type.partitioned else []
        return dg.AssetMaterialization(
            self._deployment.names.asset_key(source.slug),
            description=f"Merged {unreported.events:,} events of webhooks.",
            partition=windows[-1].key if windows else None,
            metadata={
                "pull": dg.MetadataValue.text(EVENTS),
                "events": dg.MetadataValue.int(unreported.events),
                "dagster/row_count": dg.MetadataValue.int(rows.current),
                "rows_inserted": dg.MetadataValue.int(rows.inserted),
                "rows_updated": dg.MetadataValue.int(rows.updated),
                "rows_removed": dg.MetadataValue.int(rows.removed),
                "tokens": dg.MetadataValue.int(unreported.tokens),
            },
        )

    def _run(self) -> None:
        pause = LOOK_SECONDS
        while not self._stopped.wait(pause):
            try:
                pause = LOOK_SECONDS if self.merge() else PAUSE_SECONDS
                self.report()
            except Exception:
                # Whatever it is, the next look may find it mended, and pulls bring everything meanwhile.
                log.exception("Webhooks could not be merged")
                pause = PAUSE_SECONDS

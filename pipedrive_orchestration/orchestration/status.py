"""How the sources are, and what they cost the account: two assets that are kept up by a sensor.

Both are external to Dagster, so nobody has to materialise them; the sensor reads what `status` on the command
line reads, and asks the account nothing. When the state of a source is another one, its own page is told so.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import dagster as dg

from pipedrive_orchestration.orchestration.charts import bars_by_name
from pipedrive_orchestration.orchestration.context import ALONE, ProjectContext
from pipedrive_orchestration.orchestration.cosmetics import shown
from pipedrive_orchestration.orchestration.source.table_metadata import markdown_table, plain_markdown
from pipedrive_orchestration.services.overview import DAYS, Overview, SourceOverview, read_overview
from pipedrive_orchestration.sources import Source
from pipedrive_orchestration.warehouse import WarehouseError
from pipedrive_orchestration.warehouse.account import KnownAccount

SENSOR_NAME = "status_sensor"
_SENSOR_SECONDS = 60

# Not the log of the context, which is a file for each tick that Dagster keeps for ever.
log = logging.getLogger(__name__)

REPORT_EVERY = timedelta(hours=1)
"""How often figures are reported anew while nothing is wrong, or nothing else than before."""


def status_definitions(sources: Sequence[Source], project: ProjectContext = ALONE) -> dg.Definitions:
    """The two assets, and the sensor that reports them.

    Args:
        sources: those of the project.
        project: whose they are.
    """
    names = project.names
    status = dg.AssetSpec(
        names.status_key,
        deps=[names.asset_key(source.slug) for source in sources],
        description="How every source is: state, last success, lateness, rows, changes, tokens, and what to "
        "do where something is wrong, in UTC. Looked at every minute; the command `status` shows the same.",
        group_name=project.group_of("project"),
        kinds={"pipedrive"},
    )
    account = dg.AssetSpec(
        names.account_key,
        description="The Pipedrive account that all sources read: whose it is, and what they cost of its "
        "daily budget of tokens, and what an import was last told is left of it. The command `connect` asks "
        "Pipedrive for that.",
        group_name=project.group_of("account"),
        kinds={"pipedrive"},
        metadata={"api": dg.MetadataValue.url(project.settings.api_url)},
    )
    return dg.Definitions(assets=[status, account], sensors=[build_status_sensor(project)])


def build_status_sensor(
    project: ProjectContext = ALONE, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> dg.SensorDefinition:
    """Reports both when something begins or ceases to be wrong, and every hour where figures changed.

    A source is told of its state when it becomes another one.
    """

    @dg.sensor(
        name=project.names.own(SENSOR_NAME),
        required_resource_keys={project.warehouse_key},
        minimum_interval_seconds=_SENSOR_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Looks how every source is, and what the sources cost.",
    )
    def status_sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        now = clock()
        try:
            overview = read_overview(project.deployment(context), project.looked_at(context.resources), now)
        except WarehouseError as error:
            return dg.SkipReason(str(error))
        before: dict[str, Any] = json.loads(context.cursor or "{}")
        states = {source.slug: _digest([source.state.sentence]) for source in overview.sources}
        told = before.get("states", {})
        events: list[dg.AssetMaterialization | dg.AssetObservation] = [
            _observation(source, project)
            for source in overview.sources
            if told.get(source.slug) != states[source.slug]
        ]
        found = {"health": _digest(_health(overview)), "figures": _digest(_figures(overview))}
        if _is_due(before, found, now):
            events += _events(overview, project)
            before = {**found, "at": now.isoformat()}
        if not events:
            return dg.SkipReason("Nothing new.")
        return dg.SensorResult(asset_events=events, cursor=json.dumps({**before, "states": states}))

    return status_sensor


def _observation(source: SourceOverview, project: ProjectContext) -> dg.AssetObservation:
    """What the source's own page says of whether it is active, paused, held or expired, and why."""
    return dg.AssetObservation(
        project.names.asset_key(source.slug),
        description=source.state.sentence,
        metadata={"state": dg.MetadataValue.text(source.state.sentence)},
    )


def _is_due(before: Mapping[str, str], found: Mapping[str, str], now: datetime) -> bool:
    if before.get("health") != found["health"]:
        return True
    waited = now - datetime.fromisoformat(before["at"])
    return before.get("figures") != found["figures"] and waited >= REPORT_EVERY


def _health(overview: Overview) -> list[Any]:
    """What tells whether something is wrong, without how long it has been so."""
    return [
        [
            source.slug,
            source.state.status.value,
            source.freshness and source.freshness.lateness.value,
            source.failure and source.failure.run_id,
            source.quarantined,
            bool(source.state.hold),
        ]
        for source in overview.sources
    ] + [bad.path for bad in overview.bad_files]


def _figures(overview: Overview) -> list[Any]:
    return [
        [source.rows, *source.changes, *source.tokens, *source.tokens_saved] for source in overview.sources
    ]


def _digest(content: list[Any]) -> str:
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def _events(overview: Overview, project: ProjectContext) -> Iterator[dg.AssetMaterialization]:
    sources = overview.sources
    days = [f"{overview.at - timedelta(days=back):%m-%d}" for back in reversed(range(DAYS))]
    status: dict[str, dg.MetadataValue] = {
        "summary": dg.MetadataValue.text(f"{overview}."),
        "sources": dg.MetadataValue.md(_table_of(overview)),
        "to_look_at": dg.MetadataValue.int(len(overview.unwell)),
        "rows": dg.MetadataValue.int(sum(source.rows for source in sources)),
        "rows_changed_today": dg.MetadataValue.int(sum(source.changes[-1] for source in sources)),
        "files_left_out": dg.MetadataValue.int(len(overview.bad_files)),
    }
    if overview.unwell:
        status["what_to_do"] = dg.MetadataValue.md(_remedies(overview.unwell))
    changes = _rows_of_chart([(source.slug, source.changes) for source in sources], days, "rows changed")
    draw = partial(_bars, "changes", changes, "rows changed", "Rows of each source that changed")
    status |= shown(log, "bars of changes", draw) or {}
    yield dg.AssetMaterialization(project.names.status_key, metadata=status)

    account: dict[str, dg.MetadataValue] = {
        "tokens_today": dg.MetadataValue.int(sum(source.tokens[-1] for source in sources)),
        "tokens_saved_today": dg.MetadataValue.int(sum(source.tokens_saved[-1] for source in sources)),
        "tokens_by_source": dg.MetadataValue.md(_table_of_tokens(overview)),
    }
    left = _tokens_left(overview.account)
    if left is not None:
        account["tokens_left"] = dg.MetadataValue.text(left)
    if overview.company is not None:
        account["company"] = dg.MetadataValue.text(overview.company)
    if overview.user is not None:
        account["user"] = dg.MetadataValue.text(overview.user)
    spent = _rows_of_chart([(source.slug, source.tokens) for source in sources], days, "tokens")
    draw = partial(_bars, "tokens_by_day", spent, "tokens", "Tokens that each source cost")
    account |= shown(log, "bars of tokens", draw) or {}
    yield dg.AssetMaterialization(project.names.account_key, metadata=account)


def _table_of(overview: Overview) -> str:
    header = [
        "source",
        "state",
        "last success",
        "late",
        "rows",
        "changed today",
        "tokens today",
        "next tick",
    ]
    rows = [
        [
            source.slug,
            source.state.status.value.replace("_", " "),
            _minute(source.last_success.finished_at if source.last_success else None),
            _late(source, overview.at),
            f"{source.rows:,}",
            f"{source.changes[-1]:,}",
            f"{source.tokens[-1]:,}",
            _minute(source.state.next_tick),
        ]
        for source in overview.sources
    ]
    return markdown_table(header, rows)


def _table_of_tokens(overview: Overview) -> str:
    ranked = sorted(overview.sources, key=lambda source: -source.tokens[-1])
    rows = [[source.slug, *_recent(source.tokens), *_recent(source.tokens_saved)] for source in ranked]
    days = f"in {DAYS} days"
    return markdown_table(["source", "tokens today", days, "saved by webhooks today", days], rows)


def _recent(tokens: Sequence[int]) -> tuple[str, str]:
    """Those of today, and those of all days that are shown."""
    return f"{tokens[-1]:,}", f"{sum(tokens):,}"


def _tokens_left(account: KnownAccount | None) -> str | None:
    """A sentence on the budget as an import last saw it; None where Pipedrive told nothing of it."""
    if account is None or account.daily_tokens_left is None:
        return None
    of = f" of {account.daily_tokens:,}" if account.daily_tokens is not None else ""
    return f"{account.daily_tokens_left:,}{of} tokens of the day were left at {_minute(account.seen_at)} UTC."


def _remedies(unwell: Sequence[SourceOverview]) -> str:
    return "\n".join(
        f"- {plain_markdown(source.slug)}: {plain_markdown(trouble.text)}"
        for source in unwell
        for trouble in source.troubles
    )


def _rows_of_chart(
    counts: Sequence[tuple[str, Sequence[int]]], days: Sequence[str], what: str
) -> list[dict[str, Any]]:
    """A row for every day of each source that has anything to show."""
    return [
        {"source": slug, "day": day, what: count}
        for slug, by_day in counts
        if any(by_day)
        for day, count in zip(days, by_day, strict=True)
    ]


def _bars(key: str, rows: Sequence[Mapping[str, Any]], y: str, what: str) -> dict[str, dg.MetadataValue]:
    """An entry with bars of each source for each day; none where there is nothing to show."""
    alternative = f"{what} on each of the last {DAYS} days"
    return {key: bars_by_name(rows, name="source", x="day", y=y, alternative=alternative)} if rows else {}


def _minute(instant: datetime | None) -> str:
    return f"{instant.astimezone(UTC):%m-%d %H:%M}" if instant else ""


def _late(source: SourceOverview, at: datetime) -> str:
    late = source.late_at(at)
    return "" if late is None else f"{late.total_seconds() / 3600:.1f} h"

"""Whether Pipedrive still delivers: a check of the account, and pulls that close the gap where it does not.

There is nothing of it where no webhooks are taken (docs/webhooks.md).
"""

import asyncio
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import dagster as dg

from pipedrive_orchestration.orchestration.context import ALONE, ProjectContext
from pipedrive_orchestration.pipedrive.errors import PipedriveError
from pipedrive_orchestration.services.live import ASKED_AT, WEBHOOKS_CHECK
from pipedrive_orchestration.services.run_requests import request_of_changes
from pipedrive_orchestration.sources import Source, is_expired
from pipedrive_orchestration.webhooks.events import OBJECTS
from pipedrive_orchestration.webhooks.subscriptions import Health, health_of, listed

SENSOR_NAME = "webhooks_sensor"

SENSOR_SECONDS = 3_600
"""Seconds between two questions to Pipedrive, at 10 tokens each."""


def webhook_definitions(
    sources: Sequence[Source],
    project: ProjectContext = ALONE,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> dg.Definitions:
    """The check, and the sensor that evaluates it every hour."""
    if project.settings.webhook_user is None:
        return dg.Definitions()
    live = [source for source in sources if source.object_type in OBJECTS.values()]

    @dg.asset_check(
        asset=project.names.account_key,
        name=WEBHOOKS_CHECK,
        required_resource_keys={project.pipedrive_key},
        description="Pipedrive delivers the webhooks that the sources need; to ask costs 10 tokens.",
    )
    def webhooks_delivered(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        subscriptions = asyncio.run(listed(project.pipedrive(context.resources).connection()))
        health, now = health_of(subscriptions, live, clock()), clock()
        return dg.AssetCheckResult(
            passed=health.is_well,
            severity=dg.AssetCheckSeverity.WARN,
            description=_sentence(health),
            metadata=_metadata(now),
        )

    @dg.sensor(
        name=project.names.own(SENSOR_NAME),
        required_resource_keys={project.pipedrive_key},
        # It launches runs of any of them.
        asset_selection=dg.AssetSelection.assets(*(project.names.asset_key(source.slug) for source in live)),
        minimum_interval_seconds=SENSOR_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Asks whether Pipedrive still delivers webhooks, and pulls what changed where it ceases "
        "to, and where it does so again.",
    )
    def webhooks_sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        now = clock()
        try:
            connection = project.pipedrive(context.resources).connection()
            health = health_of(asyncio.run(listed(connection)), live, now)
        except PipedriveError as error:
            return dg.SkipReason(str(error))
        before = json.loads(context.cursor or "true")
        # What was lost until now, and what was lost since, is asked for once each.
        has_gap = before != health.is_well
        stopped = project.schedules(context).stopped()
        requests = [
            request_of_changes(
                source, now, context.instance, project.names, run_key=f"{source.slug} {now.isoformat()}"
            )
            for source in live
            if has_gap
            and source.schedule is not None
            and not is_expired(source, now)
            and project.names.schedule(source.slug) not in stopped
        ]
        evaluation = dg.AssetCheckEvaluation(
            asset_key=project.names.account_key,
            check_name=WEBHOOKS_CHECK,
            passed=health.is_well,
            severity=dg.AssetCheckSeverity.WARN,
            description=_sentence(health),
            metadata=_metadata(now),
        )
        return dg.SensorResult(
            run_requests=requests, asset_events=[evaluation], cursor=json.dumps(health.is_well)
        )

    return dg.Definitions(asset_checks=[webhooks_delivered], sensors=[webhooks_sensor])


def _sentence(health: Health) -> str:
    return " ".join(health.problems) or "Nothing is known to be wrong with what the sources need."


def _metadata(now: datetime) -> dict[str, dg.MetadataValue]:
    return {ASKED_AT: dg.MetadataValue.timestamp(now)}

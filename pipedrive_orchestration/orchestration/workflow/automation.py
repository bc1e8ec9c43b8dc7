"""When a workflow's assets are materialised without anybody asking."""

from __future__ import annotations

from typing import Any

import dagster as dg

from pipedrive_orchestration.orchestration.context import ALONE, ProjectContext

SENSOR_NAME = "workflow_automation_sensor"
_SENSOR_SECONDS = 10

SWEEP = "*/10 * * * *"
"""When workflows are looked at although nothing was reported, so that nothing is missed for long."""

# Dagster's annotations do not let a condition on assets be combined further.
_UPDATED: dg.AutomationCondition[Any] = dg.AutomationCondition.any_deps_updated()
_IS_NEW = dg.AutomationCondition.initial_evaluation() | dg.AutomationCondition.code_version_changed()

FOLLOW: dg.AutomationCondition[Any] = (
    (_UPDATED | _IS_NEW | dg.AutomationCondition.cron_tick_passed(SWEEP)).since(
        dg.AutomationCondition.newly_requested() & ~_UPDATED
    )
    & ~dg.AutomationCondition.in_progress()
).with_label("follow upstream")
"""Whenever upstream has changed, whatever else is missing; when the workflow is new or changed; in sweeps.

The stock condition ``eager`` would wait for every partition of every source. What ``since_last_handled``
forgets, an update that comes between a request and the end of its run, is asked for again here.
"""


def build_automation_sensor(project: ProjectContext = ALONE) -> dg.AutomationConditionSensorDefinition:
    """The sensor that evaluates the condition; on by default, which Dagster's own is not."""
    return dg.AutomationConditionSensorDefinition(
        project.names.own(SENSOR_NAME),
        target=dg.AssetSelection.key_prefixes(project.names.workflows_prefix),
        minimum_interval_seconds=_SENSOR_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Syncs workflows when their sources have changed, and runs what they have queued.",
    )

"""When a workflow's assets are materialised without anybody asking."""

from __future__ import annotations

from typing import Any

import dagster as dg

from pipedrive_orchestration.orchestration.names import WORKFLOWS_PREFIX

SENSOR_NAME = "workflow_automation_sensor"
_SENSOR_SECONDS = 10

SWEEP = "*/10 * * * *"
"""When workflows are looked at although nothing was reported, so that nothing is missed for long."""

# Dagster's annotations do not let a condition on assets be combined further.
_DUE: dg.AutomationCondition[Any] = (
    dg.AutomationCondition.any_deps_updated() | dg.AutomationCondition.cron_tick_passed(SWEEP)
)

FOLLOW = (_DUE.since_last_handled() & ~dg.AutomationCondition.in_progress()).with_label("follow upstream")
"""After every upstream change, whatever else is missing, and at every sweep.

The stock condition ``eager`` would wait for every partition of every source. What comes while a run is
under way is found by that run or at the next sweep, since a sync takes over whatever it finds.
"""


def build_automation_sensor() -> dg.AutomationConditionSensorDefinition:
    """The sensor that evaluates the condition; on by default, which Dagster's own is not."""
    return dg.AutomationConditionSensorDefinition(
        SENSOR_NAME,
        target=dg.AssetSelection.key_prefixes(WORKFLOWS_PREFIX),
        minimum_interval_seconds=_SENSOR_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Syncs workflows when their sources have changed, and runs what they have queued.",
    )

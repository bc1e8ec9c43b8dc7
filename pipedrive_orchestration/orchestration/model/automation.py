"""When models are built without anybody asking."""

from __future__ import annotations

from typing import Any

import dagster as dg

from pipedrive_orchestration.orchestration.context import ALONE, ProjectContext

SENSOR_NAME = "model_automation_sensor"
_SENSOR_SECONDS = 30

# Dagster's annotations do not let a condition on assets be combined further.
_UPDATED: dg.AutomationCondition[Any] = dg.AutomationCondition.any_deps_updated()
_CAN_BEGIN = dg.AutomationCondition.any_deps_match(~dg.AutomationCondition.missing())
_IS_NEW = (
    dg.AutomationCondition.initial_evaluation() & _CAN_BEGIN
) | dg.AutomationCondition.code_version_changed()

FOLLOW: dg.AutomationCondition[Any] = (
    (_UPDATED | _IS_NEW).since(dg.AutomationCondition.newly_requested() & ~_UPDATED)
    & ~dg.AutomationCondition.in_progress()
).with_label("follow upstream")
"""Whenever upstream has changed, whatever else is missing, and when the model is new or changed. A new one
waits until something that it reads is there.

There are no sweeps as workflows have them: a build reads whatever is there, so one after the last change is
enough.
"""


def build_model_sensor(project: ProjectContext = ALONE) -> dg.AutomationConditionSensorDefinition:
    """The sensor that evaluates the condition; on by default, which Dagster's own is not."""
    return dg.AutomationConditionSensorDefinition(
        project.names.own(SENSOR_NAME),
        target=dg.AssetSelection.key_prefixes(project.names.models_prefix),
        minimum_interval_seconds=_SENSOR_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Builds models when what they read has changed.",
    )

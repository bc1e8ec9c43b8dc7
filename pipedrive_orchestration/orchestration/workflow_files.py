"""The workflow files as an asset of their own, where a file that is left out is seen with its problems.

There is none where a project has no workflows. Its check turns red when a file does not validate,
whether it is run by hand or reported by the sensor after a change of the folder.
"""

from __future__ import annotations

import hashlib

import dagster as dg

from pipedrive_orchestration.orchestration.tables import plain_markdown
from pipedrive_orchestration.orchestration.workflow_metadata import problems_as_markdown
from pipedrive_orchestration.workflows import LoadedWorkflows

ASSET_KEY = dg.AssetKey("workflow_files")
CHECK_NAME = "all_valid"
SENSOR_NAME = "workflow_files_sensor"
_SENSOR_SECONDS = 30


def workflow_files_definitions(loaded: LoadedWorkflows) -> dg.Definitions:
    """The asset, its check and the sensor that reports the check."""
    left_out = "\n\n".join(
        "\n".join([plain_markdown(bad.path), "", problems_as_markdown(bad.problems)])
        for bad in loaded.bad_files
    )
    passed = not loaded.bad_files
    metadata: dict[str, dg.MetadataValue] = {"left_out": dg.MetadataValue.int(len(loaded.bad_files))}
    if left_out:
        metadata["problems"] = dg.MetadataValue.md(left_out)

    @dg.asset_check(
        asset=ASSET_KEY,
        name=CHECK_NAME,
        description="Every file in the project's workflows folder is a workflow.",
    )
    def all_valid() -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=passed, metadata=metadata)

    @dg.sensor(
        name=SENSOR_NAME,
        minimum_interval_seconds=_SENSOR_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Reports which workflow files are left out, once after each change.",
    )
    def report(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        version = hashlib.sha256(left_out.encode()).hexdigest()
        if context.cursor == version:
            return dg.SkipReason("Reported already.")
        evaluation = dg.AssetCheckEvaluation(
            asset_key=ASSET_KEY, check_name=CHECK_NAME, passed=passed, metadata=metadata
        )
        return dg.SensorResult(asset_events=[evaluation], cursor=version)

    asset = dg.AssetSpec(
        ASSET_KEY,
        description=_description(loaded, left_out),
        group_name="workflows",
        kinds={"yaml"},
        metadata={"workflows": len(loaded.workflows), "left_out": len(loaded.bad_files)},
    )
    return dg.Definitions(assets=[asset], asset_checks=[all_valid], sensors=[report])


def _description(loaded: LoadedWorkflows, left_out: str) -> str:
    if not left_out:
        return f"All {len(loaded.workflows)} workflow files are valid."
    return f"{len(loaded.workflows)} workflows are loaded, {len(loaded.bad_files)} left out:\n\n{left_out}"

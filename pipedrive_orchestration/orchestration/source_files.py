"""The source files as an asset of their own, where a file that is left out is seen with its problems.

It is external to Dagster: users write it. Its check turns red when a file does not validate, whether it
is run by hand or reported by the sensor after a change of the folder.
"""

from __future__ import annotations

import hashlib

import dagster as dg

from pipedrive_orchestration.orchestration.tables import plain_markdown
from pipedrive_orchestration.sources import LoadedSources, Problem

ASSET_KEY = dg.AssetKey("source_files")
CHECK_NAME = "all_valid"
SENSOR_NAME = "source_files_sensor"
_SENSOR_SECONDS = 30


def source_files_definitions(loaded: LoadedSources) -> dg.Definitions:
    """The asset, its check and the sensor that reports the check."""
    asset = dg.AssetSpec(
        ASSET_KEY,
        description=_description(loaded),
        group_name="sources",
        kinds={"yaml"},
        metadata={"sources": len(loaded.sources), "left_out": len(loaded.bad_files)},
    )

    @dg.asset_check(
        asset=ASSET_KEY,
        name=CHECK_NAME,
        description="Every file in the project's sources folder is a source.",
    )
    def all_valid() -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=not loaded.bad_files, metadata=_metadata(loaded))

    return dg.Definitions(assets=[asset], asset_checks=[all_valid], sensors=[_sensor(loaded)])


def _sensor(loaded: LoadedSources) -> dg.SensorDefinition:
    version = hashlib.sha256(_problems(loaded).encode()).hexdigest()

    @dg.sensor(
        name=SENSOR_NAME,
        minimum_interval_seconds=_SENSOR_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Reports which source files are left out, once after each change.",
    )
    def report(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        if context.cursor == version:
            return dg.SkipReason("Reported already.")
        evaluation = dg.AssetCheckEvaluation(
            asset_key=ASSET_KEY,
            check_name=CHECK_NAME,
            passed=not loaded.bad_files,
            metadata=_metadata(loaded),
        )
        return dg.SensorResult(asset_events=[evaluation], cursor=version)

    return report


def _description(loaded: LoadedSources) -> str:
    if not loaded.bad_files:
        return f"All {len(loaded.sources)} source files are valid."
    return (
        f"{len(loaded.sources)} sources are loaded, {len(loaded.bad_files)} left out:\n\n{_problems(loaded)}"
    )


def _metadata(loaded: LoadedSources) -> dict[str, dg.MetadataValue]:
    metadata: dict[str, dg.MetadataValue] = {"left_out": dg.MetadataValue.int(len(loaded.bad_files))}
    if loaded.bad_files:
        metadata["problems"] = dg.MetadataValue.md(_problems(loaded))
    return metadata


def _problems(loaded: LoadedSources) -> str:
    return "\n\n".join(
        "\n".join([plain_markdown(bad.path), "", *(f"- {_line(problem)}" for problem in bad.problems)])
        for bad in loaded.bad_files
    )


def _line(problem: Problem) -> str:
    # Problems quote the file, which may hold anything.
    return plain_markdown(" ".join(str(problem).split()))

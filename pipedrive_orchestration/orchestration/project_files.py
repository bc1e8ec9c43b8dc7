"""What is wrong with the files of the project folder, as one asset with a check.

The asset is external to Dagster: users write the files. The check fails while a file is left out, whether
it is run by hand or reported by the sensor after a change of the folder.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import dagster as dg

from pipedrive_orchestration.orchestration.context import ALONE, ProjectContext
from pipedrive_orchestration.orchestration.model.loading import LoadedModels
from pipedrive_orchestration.orchestration.source.table_metadata import plain_markdown
from pipedrive_orchestration.sources import BadFile, LoadedSources, Problem
from pipedrive_orchestration.workflows import LoadedWorkflows
from pipedrive_orchestration.writing.store import LoadedWrites

CHECK_NAME = "all_valid"
SENSOR_NAME = "project_files_sensor"
_SENSOR_SECONDS = 30


def project_files_definitions(
    sources: LoadedSources,
    workflows: LoadedWorkflows,
    project: ProjectContext = ALONE,
    models: LoadedModels | None = None,
    writes: LoadedWrites | None = None,
) -> dg.Definitions:
    """The asset, its check, and the sensor that reports the check."""
    asset_key = project.names.project_files_key
    models, writes = models or LoadedModels(), writes or LoadedWrites()
    bad_files = (*sources.bad_files, *workflows.bad_files, *models.bad_files, *writes.bad_files)
    others = ((models.assets, "models"), (writes.writes, "writes"))
    optional = [f"{len(things)} {name}" for things, name in others if things]
    counts = [f"{len(sources.sources)} sources", f"{len(workflows.workflows)} workflows", *optional]
    found = f"{', '.join(counts[:-1])} and {counts[-1]} are loaded"
    off = "".join(f"\n- {plain_markdown(one)}" for one in models.switched_off)
    problems = _problems_of_files(bad_files)
    metadata: dict[str, dg.MetadataValue] = {"left_out": dg.MetadataValue.int(len(bad_files))}
    if bad_files:
        metadata["problems"] = dg.MetadataValue.md(problems)

    @dg.asset_check(
        asset=asset_key,
        name=CHECK_NAME,
        description="Every file of the project is what its folder is for, such as a source or a workflow.",
    )
    def all_valid() -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=not bad_files, metadata=metadata)

    @dg.sensor(
        name=project.names.own(SENSOR_NAME),
        minimum_interval_seconds=_SENSOR_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Reports which files are left out, once after each change.",
    )
    def report(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        version = hashlib.sha256(problems.encode()).hexdigest()
        if context.cursor == version:
            return dg.SkipReason("Reported already.")
        evaluation = dg.AssetCheckEvaluation(
            asset_key=asset_key, check_name=CHECK_NAME, passed=not bad_files, metadata=metadata
        )
        return dg.SensorResult(asset_events=[evaluation], cursor=version)

    asset = dg.AssetSpec(
        asset_key,
        description=f"{found}, {len(bad_files)} files left out:\n\n{problems}"
        if bad_files
        else f"{found}.{off}",
        group_name=project.group_of("project"),
        kinds={"yaml"},
        metadata={
            "sources": len(sources.sources),
            "workflows": len(workflows.workflows),
            "models": len(models.assets),
            "writes": len(writes.writes),
            "left_out": len(bad_files),
        },
    )
    return dg.Definitions(assets=[asset], asset_checks=[all_valid], sensors=[report])


def problems_as_markdown(problems: Iterable[Problem]) -> str:
    """Problems as a list; they quote a file, which may hold anything."""
    return "\n".join(f"- {plain_markdown(' '.join(str(problem).split()))}" for problem in problems)


def _problems_of_files(bad_files: Iterable[BadFile]) -> str:
    return "\n\n".join(
        f"{plain_markdown(bad.path)}\n\n{problems_as_markdown(bad.problems)}" for bad in bad_files
    )

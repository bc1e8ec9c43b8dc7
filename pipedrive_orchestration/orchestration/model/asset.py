"""Models as Dagster assets: one op builds those that a run asks for, in one build."""

from collections.abc import Iterator, Mapping, Sequence

import dagster as dg

from pipedrive_orchestration.models.build import BuildReport, build_models
from pipedrive_orchestration.models.dbt import OK, Result
from pipedrive_orchestration.models.dbt_project import FOLDER, DbtProject
from pipedrive_orchestration.models.errors import ModelsError
from pipedrive_orchestration.orchestration.context import ALONE, ProjectContext
from pipedrive_orchestration.orchestration.cosmetics import shown
from pipedrive_orchestration.orchestration.failures import foreseen
from pipedrive_orchestration.orchestration.model.automation import FOLLOW
from pipedrive_orchestration.orchestration.model.loading import LoadedModels, ModelAsset
from pipedrive_orchestration.orchestration.model.metadata import definition_metadata, table_metadata
from pipedrive_orchestration.orchestration.model.quality import quality_check_specs, quality_results
from pipedrive_orchestration.orchestration.model.report import link_of
from pipedrive_orchestration.services.dagster_internals import ForeseenFailure
from pipedrive_orchestration.sources import Source
from pipedrive_orchestration.warehouse import WarehouseError

GROUP = "models"
OP = "build_models"
SEEDS = "resource_type:seed"
"""dbt's words for all seeds."""


def model_definitions(
    loaded: LoadedModels, sources: Sequence[Source], project: ProjectContext = ALONE
) -> dg.Definitions:
    """The assets of models, with their tests as checks; nothing is touched until they run.

    Args:
        loaded: the models.
        sources: those there are.
        project: whose models they are.
    """
    if not loaded.assets:
        return dg.Definitions()
    names = project.names
    by_key = {names.model_key(model.name): model for model in loaded.assets}

    @dg.multi_asset(
        name=names.own(OP),
        specs=[_spec(model, project) for model in loaded.assets],
        check_specs=[
            dg.AssetCheckSpec(
                check.name,
                asset=names.model_key(model.name),
                description=check.description,
                metadata={"dbt": check.unique_id},
            )
            for model in loaded.assets
            for check in model.checks
        ]
        + [
            spec
            for model in loaded.assets
            for spec in quality_check_specs(model, names.model_key(model.name))
        ],
        can_subset=True,
        required_resource_keys={project.warehouse_key},
    )
    def build(
        context: dg.AssetExecutionContext,
    ) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
        chosen = [by_key[key] for key in sorted(context.selected_asset_keys)]
        # Seeds cost nothing, and a model may be the first that reads one.
        select = [] if len(chosen) == len(by_key) else [*(model.name for model in chosen), SEEDS]
        warehouse = project.warehouse(context.resources)
        with foreseen(ModelsError, WarehouseError, OSError):
            report = build_models(
                DbtProject.of(project.folder, sources, project.settings.report_zone),
                warehouse.warehouse(),
                project.models_folder,
                select=select,
            )
        context.log.info(
            f"{len(report.swapped)} tables in {report.seconds:.1f} s, of which imports had to wait for "
            f"{report.swap_seconds:.1f} s"
        )
        yield from _materialized(context, project, chosen, report)
        _tell_of_others(context, project, loaded.assets, report)
        yield from _checked(context, project, chosen, report)
        yield from quality_results(context, project, chosen, report)
        published = warehouse.kept_published()
        published.at_end()
        if published.problem:
            context.log.warning(published.problem)
        failed = [one for one in report.problems if not _is_of_test(one.message, report)]
        if failed:
            where = project.folder / FOLDER
            raise ForeseenFailure("\n".join(f"{where}/{problem}" for problem in failed), {})

    return dg.Definitions(assets=[build])


def _spec(model: ModelAsset, project: ProjectContext) -> dg.AssetSpec:
    spec = dg.AssetSpec(
        project.names.model_key(model.name),
        deps=[dg.AssetKey(dep) for dep in model.deps],
        description=model.description,
        group_name=model.group or project.group_of(GROUP),
        kinds={"dbt", "duckdb"},
        owners=list(model.owners),
        tags=model.tags,
        # What reads nothing is built with the models that read it.
        automation_condition=FOLLOW if model.deps else None,
        code_version=model.code_version,
        skippable=True,
        metadata={**definition_metadata(model, project.folder), **link_of(project, model)},
    )
    return project.spec_of(spec, model)


def _check_specs(model: ModelAsset, project: ProjectContext) -> Iterator[dg.AssetCheckSpec]:
    key = project.names.model_key(model.name)
    for check in model.checks:
        yield dg.AssetCheckSpec(
            check.name, asset=key, description=check.description, metadata={"dbt": check.unique_id}
        )
    yield from quality_check_specs(model, key)


def _materialized(
    context: dg.AssetExecutionContext,
    project: ProjectContext,
    chosen: Sequence[ModelAsset],
    report: BuildReport,
) -> Iterator[dg.MaterializeResult[None]]:
    by_id = {model.unique_id: model for model in chosen}
    # dbt builds what is read before what reads it, and Dagster asks for that order.
    seconds = {one.unique_id: one.seconds for one in report.results if one.status == OK}
    built = [by_id[unique_id] for unique_id in seconds if unique_id in by_id]
    warehouse = project.warehouse(context.resources).warehouse()
    metadata = shown(
        context.log, "figures and charts of models", lambda: table_metadata(context.log, warehouse, built)
    )
    for model in built:
        yield dg.MaterializeResult(
            asset_key=project.names.model_key(model.name),
            metadata={
                "seconds": seconds[model.unique_id],
                "as_of": dg.MetadataValue.timestamp(report.as_of),
                **(metadata or {}).get(model.name, {}),
            },
        )


def _tell_of_others(
    context: dg.AssetExecutionContext,
    project: ProjectContext,
    models: Sequence[ModelAsset],
    report: BuildReport,
) -> None:
    """Report what was built along with what the run had been asked for."""
    built = {one.unique_id for one in report.results if one.status == OK}
    for model in models:
        key = project.names.model_key(model.name)
        if model.unique_id in built and key not in context.selected_asset_keys:
            context.log_event(dg.AssetMaterialization(key, description="Built with what reads it."))


def _checked(
    context: dg.AssetExecutionContext,
    project: ProjectContext,
    chosen: Sequence[ModelAsset],
    report: BuildReport,
) -> Iterator[dg.AssetCheckResult]:
    results: Mapping[str, Result] = {one.unique_id: one for one in report.results if one.kind == "test"}
    selected = context.selected_asset_check_keys
    for model in chosen:
        key = project.names.model_key(model.name)
        for check in model.checks:
            result = results.get(check.unique_id)
            if result is None or dg.AssetCheckKey(key, check.name) not in selected:
                continue
            yield dg.AssetCheckResult(
                passed=result.status == OK and not result.failures,
                asset_key=key,
                check_name=check.name,
                severity=dg.AssetCheckSeverity.WARN if result.is_warning else dg.AssetCheckSeverity.ERROR,
                description=str(result.problem.message) if result.problem else None,
                metadata={"rows": result.failures, "seconds": result.seconds},
            )


def _is_of_test(message: str, report: BuildReport) -> bool:
    """Whether it is a test that failed, which its check shows."""
    return any(one.problem and one.problem.message == message for one in report.results if one.kind == "test")

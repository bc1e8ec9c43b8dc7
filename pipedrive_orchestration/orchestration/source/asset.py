"""A source as a Dagster asset."""

import warnings
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any

import dagster as dg

from pipedrive_orchestration.importing import (
    ImportReport,
    Pull,
    StagingError,
    UnknownPropertiesError,
    import_source,
    windows_until,
)
from pipedrive_orchestration.orchestration.config import config_schema_of, deviating_fields, source_of_run
from pipedrive_orchestration.orchestration.context import ALONE, ProjectContext
from pipedrive_orchestration.orchestration.cosmetics import shown
from pipedrive_orchestration.orchestration.failures import foreseen
from pipedrive_orchestration.orchestration.in_process import INTERRUPTIONS
from pipedrive_orchestration.orchestration.partitions import partitions_of, requested_windows
from pipedrive_orchestration.orchestration.sensors.initial_import import earlier_initial_import
from pipedrive_orchestration.orchestration.source.checks import (
    check_specs_of,
    evaluate_checks,
    evaluate_checks_after_failure,
)
from pipedrive_orchestration.orchestration.source.lineage import upstream_of
from pipedrive_orchestration.orchestration.source.reporting import RunLog
from pipedrive_orchestration.orchestration.source.table_metadata import plain_markdown, table_name
from pipedrive_orchestration.pipedrive.errors import PipedriveError
from pipedrive_orchestration.services.dagster_internals import Cancellation
from pipedrive_orchestration.services.freshness import GRACE
from pipedrive_orchestration.services.names import DEVIATION_TAG
from pipedrive_orchestration.services.run_requests import MANY_WINDOWS
from pipedrive_orchestration.sources import InvalidBodyError, Priority, Source, longest_gap
from pipedrive_orchestration.sources.filter_sentence import sentence_of
from pipedrive_orchestration.warehouse import WarehouseError
from pipedrive_orchestration.warehouse.tables import LABELED
from pipedrive_orchestration.warehouse.waits import telling_of_waits

POOL = "pipedrive"
"""Runs that read from an account share this pool, whose limit the instance sets."""

EXPECTED_ERRORS = (InvalidBodyError, PipedriveError, StagingError, UnknownPropertiesError, WarehouseError)
"""What can go wrong in ways whose message says all there is to know."""


def build_source_asset(
    source: Source,
    project: ProjectContext = ALONE,
    whole: Mapping[str, Source] = MappingProxyType({}),
    priorities: Mapping[str, Priority] = MappingProxyType({}),
) -> dg.AssetsDefinition:
    """The asset of a source with its checks; it touches neither network nor database until it runs.

    Args:
        source: what to import.
        project: whose source it is.
        whole: the sources to which it may be linked; see `whole_sources`.
        priorities: those of the project's sources, by slug, where they are not the usual one.
    """
    with warnings.catch_warnings():
        # How many windows a run reads, and where the file of an asset is, are marked as beta.
        for name in ("backfill_policy", "LocalFileCodeReference", "CodeReferencesMetadata"):
            warnings.filterwarnings("ignore", message=f".*`{name}", category=dg.BetaWarning)

        @dg.multi_asset(
            name=project.names.op(source.slug),
            specs=[project.spec_of(_spec_of(source, project, whole), source)],
            check_specs=check_specs_of(source, project),
            partitions_def=partitions_of(source),
            backfill_policy=_backfill_policy_of(source, project.settings.windows_per_run),
            required_resource_keys={project.pipedrive_key, project.warehouse_key},
            config_schema=config_schema_of(source),
            pool=project.names.own(POOL),
            # Makes checks that have nothing to say optional, and lets them be run without an import.
            can_subset=True,
        )
        def import_asset(context: dg.AssetExecutionContext) -> Iterator[dg.AssetCheckResult]:
            report = None
            with foreseen(*EXPECTED_ERRORS):
                if context.selected_asset_keys and not _imported_already(context):
                    try:
                        report = _import(context, source, project, priorities)
                    except EXPECTED_ERRORS:
                        # Checks look at the warehouse, which is as good as before.
                        yield from evaluate_checks_after_failure(context, source, project)
                        raise
                yield from evaluate_checks(context, source, project, report)

    return import_asset


def _spec_of(source: Source, project: ProjectContext, whole: Mapping[str, Source]) -> dg.AssetSpec:
    return dg.AssetSpec(
        project.names.asset_key(source.slug),
        deps=list(upstream_of(source, whole, project.names)),
        description=description_of(source),
        group_name=project.group_of(source.object_type),
        kinds={"pipedrive", "duckdb"},
        owners=list(source.options.owners),
        tags={"pipedrive/object_type": source.object_type, "pipedrive/pull_mode": source.pull_mode},
        metadata=metadata_of(source) | _code_reference(source, project),
        freshness_policy=_freshness_policy(source),
        # Windows are reported as they commit; an output would report all of them once more.
        skippable=True,
    )


def _freshness_policy(source: Source) -> dg.FreshnessPolicy | None:
    """Dagster's own badge: yellow after one tick that brought nothing, red after three."""
    if source.schedule is None:
        return None
    gap = longest_gap(source.schedule) + (source.options.poll_when_live_after or timedelta())
    return dg.FreshnessPolicy.time_window(fail_window=3 * gap + GRACE, warn_window=gap + GRACE)


def _code_reference(source: Source, project: ProjectContext) -> dict[str, Any]:
    """The file of the source, which the page opens in an editor."""
    paths = [project.folder / "sources" / f"{source.slug}{ending}" for ending in (".yaml", ".yml")]
    path = next((path for path in paths if path.exists()), None)
    if path is None:
        return {}
    reference = dg.LocalFileCodeReference(file_path=str(path.resolve()), line_number=1, label=path.name)
    references = dg.CodeReferencesMetadataValue(code_references=[reference])
    return {"dagster/code_references": references}


def _backfill_policy_of(source: Source, windows_per_run: int | None) -> dg.BackfillPolicy | None:
    if not source.type.partitioned:
        return None
    if windows_per_run is None and len(windows_until(source, source.created_at)) > MANY_WINDOWS:
        windows_per_run = MANY_WINDOWS
    if windows_per_run is None:
        return dg.BackfillPolicy.single_run()
    return dg.BackfillPolicy.multi_run(windows_per_run)


def _imported_already(context: dg.AssetExecutionContext) -> bool:
    earlier = earlier_initial_import(context.instance, context.run)
    if earlier:
        context.log.info(f"The run {earlier} was this source's initial import; this one has nothing to do.")
    return earlier is not None


def _import(
    context: dg.AssetExecutionContext,
    source: Source,
    project: ProjectContext,
    priorities: Mapping[str, Priority],
) -> ImportReport:
    pipedrive, warehouse = project.pipedrive(context.resources), project.warehouse(context.resources)
    config = context.op_execution_context.op_config
    own, pull = source, Pull(config["pull"])
    source = source_of_run(own, config)
    _tell_deviation(context, own, source)
    windows = requested_windows(context, source, datetime.now(UTC), config["windows"])
    published = warehouse.kept_published()
    log = RunLog(context, source, pull, windows, warehouse.warehouse(), published)
    try:
        with telling_of_waits(log.wait):
            report = import_source(
                source,
                connection=pipedrive.connection(),
                warehouse=warehouse.warehouse(),
                staging=warehouse.staging_folder(),
                pull=pull,
                windows=windows,
                listener=log,
                accept_user=config["accept_user"],
                priorities=priorities,
            )
    except INTERRUPTIONS:
        log.report_committed_windows()
        raise Cancellation(f"Cancelled. {log.remainder()}") from None
    except BaseException:
        log.report_committed_windows()
        context.log.info(log.remainder())
        raise
    log.finish(report)
    return report


def _tell_deviation(context: dg.AssetExecutionContext, own: Source, source: Source) -> None:
    """Say of a run that its config, as the Launchpad lets it be, is not what the source says."""
    fields = ", ".join(deviating_fields(own, source))
    if not fields:
        return
    heals = own.schedule is not None and own.options.reconcile_after is not None
    context.log.warning(
        f"This run deviates from its source in {fields}: what it reads is not what {own.slug} stands for. "
        + (
            "The schedule's next run reads these windows again."
            if heals
            else "Materialize them again without these changes when you are done."
        )
    )
    tags = {DEVIATION_TAG: fields}
    shown(context.log, "tags of the run", lambda: context.instance.add_run_tags(context.run.run_id, tags))


def description_of(source: Source) -> str:
    """What a reader of the asset's page wants to know first."""
    name = plain_markdown(source.name)
    lines = [f"{name}: {source.object_type} of Pipedrive, {len(source.properties)} properties."]
    if source.pull_mode == "active":
        until = f" until {source.expiration_date}" if source.expiration_date else ""
        lines.append(f"Follows changes at `{source.schedule}` (UTC){until}.")
    else:
        lines.append("Imported by hand only.")
    if source.filters is not None:
        lets_in = plain_markdown(sentence_of(source.filters, source.labels))
        lines.append(
            f"Only {source.object_type} of which {lets_in}." if lets_in else "Its filter lets all in."
        )
    lines.append(f"Rows in `{table_name(source)}`, under their labels in `{LABELED}.{source.slug}`.")
    return "\n\n".join(lines)


def metadata_of(source: Source) -> dict[str, dg.MetadataValue]:
    """What is known of a source before it is imported."""
    page = "".join(word.capitalize() for word in source.object_type.split("_"))
    return {
        "body": dg.MetadataValue.json(source.body),
        "created_at": dg.MetadataValue.timestamp(source.created_at),
        "dagster/table_name": dg.MetadataValue.text(table_name(source)),
        "labeled_view": dg.MetadataValue.text(f"{LABELED}.{source.slug}"),
        "api_reference": dg.MetadataValue.url(f"https://developers.pipedrive.com/docs/api/v1/{page}"),
    }

"""A source as a Dagster asset."""

import warnings
from collections.abc import Iterator
from datetime import UTC, datetime

import dagster as dg

from pipedrive_orchestration.importing import Pull, StagingError, UnknownPropertiesError, import_source
from pipedrive_orchestration.orchestration.config import config_schema_of, source_of_run
from pipedrive_orchestration.orchestration.names import asset_key, op_name
from pipedrive_orchestration.orchestration.partitions import partitions_of, requested_windows
from pipedrive_orchestration.orchestration.reporting import Reporter
from pipedrive_orchestration.orchestration.resources import PipedriveResource, WarehouseResource
from pipedrive_orchestration.orchestration.tables import table_name
from pipedrive_orchestration.pipedrive.errors import PipedriveError
from pipedrive_orchestration.sources import InvalidBodyError, Source
from pipedrive_orchestration.warehouse import WarehouseError
from pipedrive_orchestration.warehouse.tables import LABELED

POOL = "pipedrive"
"""Runs that read from an account share this pool, whose limit the instance sets."""

EXPECTED_ERRORS = (InvalidBodyError, PipedriveError, StagingError, UnknownPropertiesError, WarehouseError)
"""What can go wrong in ways whose message says all there is to know."""


def build_source_asset(source: Source) -> dg.AssetsDefinition:
    """The asset of a source; it touches neither network nor database until it runs."""
    with warnings.catch_warnings():
        # One run reads all windows of a backfill. The parameter that says so is marked as beta.
        warnings.filterwarnings("ignore", message=".*`backfill_policy`", category=dg.BetaWarning)

        @dg.asset(
            key=asset_key(source.slug),
            description=description_of(source),
            group_name=source.object_type,
            kinds={"pipedrive", "duckdb"},
            owners=list(source.options.owners),
            tags={"pipedrive/object_type": source.object_type, "pipedrive/pull_mode": source.pull_mode},
            metadata=metadata_of(source),
            partitions_def=partitions_of(source),
            backfill_policy=dg.BackfillPolicy.single_run() if source.type.partitioned else None,
            config_schema=config_schema_of(source),
            pool=POOL,
            # Windows are reported as they commit; an output would report all of them once more.
            output_required=False,
        )
        def import_asset(
            context: dg.AssetExecutionContext, pipedrive: PipedriveResource, warehouse: WarehouseResource
        ) -> Iterator[dg.AssetCheckResult]:
            try:
                _import(context, source, pipedrive, warehouse)
            except EXPECTED_ERRORS as error:
                raise dg.Failure(str(error), allow_retries=False) from None
            yield from ()

    assert import_asset.op.name == op_name(source.slug)
    return import_asset


def _import(
    context: dg.AssetExecutionContext,
    source: Source,
    pipedrive: PipedriveResource,
    warehouse: WarehouseResource,
) -> None:
    config = context.op_execution_context.op_config
    source, pull = source_of_run(source, config), Pull(config["pull"])
    windows = requested_windows(context, source, datetime.now(UTC))
    reporter = Reporter(context, source, pull, windows, warehouse.warehouse())
    report = import_source(
        source,
        connection=pipedrive.connection(),
        warehouse=warehouse.warehouse(),
        staging=warehouse.staging_folder(),
        pull=pull,
        windows=windows,
        listener=reporter,
    )
    reporter.finish(report)


def description_of(source: Source) -> str:
    """What a reader of the asset's page wants to know first."""
    lines = [f"**{source.name}**: {source.object_type} of Pipedrive, {len(source.properties)} properties."]
    if source.pull_mode == "active":
        until = f" until {source.expiration_date}" if source.expiration_date else ""
        lines.append(f"Follows changes at `{source.schedule}` (UTC){until}.")
    else:
        lines.append("Imported by hand only.")
    if source.filters is not None:
        lines.append("Only records that satisfy its filter.")
    lines.append(f"Rows in `{table_name(source)}`, under their labels in `{LABELED}.{source.slug}`.")
    return "\n\n".join(lines)


def metadata_of(source: Source) -> dict[str, dg.MetadataValue]:
    """What is known of a source before it is imported."""
    page = "".join(word.capitalize() for word in source.object_type.split("_"))
    return {
        "body": dg.MetadataValue.json(source.body),
        "id": dg.MetadataValue.text(str(source.id)),
        "created_at": dg.MetadataValue.timestamp(source.created_at),
        "dagster/table_name": dg.MetadataValue.text(table_name(source)),
        "labeled_view": dg.MetadataValue.text(f"{LABELED}.{source.slug}"),
        "api_reference": dg.MetadataValue.url(f"https://developers.pipedrive.com/docs/api/v1/{page}"),
    }

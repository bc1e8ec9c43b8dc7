"""The maintenance of a lake as a job, and its schedule at night."""

from datetime import timedelta

import dagster as dg

from pipedrive_orchestration.orchestration.context import ALONE, ProjectContext
from pipedrive_orchestration.orchestration.failures import foreseen
from pipedrive_orchestration.warehouse import Warehouse, WarehouseError
from pipedrive_orchestration.warehouse.maintenance import maintain

NAME = "maintain_warehouse"

CRON = "23 2 * * *"
"""Every night, at no full hour, by UTC."""


def maintenance_definitions(project: ProjectContext = ALONE) -> dg.Definitions:
    """The job and its schedule, where the warehouse is a lake; nothing where it is a file."""
    if Warehouse.from_settings(project.settings).lake is None:
        return dg.Definitions()
    keep = timedelta(days=project.settings.keep_snapshots_days)

    @dg.op(
        name=project.names.own("merge_files"),
        out=dg.Out(dg.Nothing),
        required_resource_keys={project.warehouse_key},
    )
    def merge_files(context: dg.OpExecutionContext) -> None:
        with foreseen(WarehouseError):
            done = maintain(project.warehouse(context.resources).warehouse(), keep)
        context.add_output_metadata(
            {
                "files_before": dg.MetadataValue.int(done.before.files),
                "files": dg.MetadataValue.int(done.after.files),
                "bytes_before": dg.MetadataValue.int(done.before.bytes),
                "bytes": dg.MetadataValue.int(done.after.bytes),
                "snapshots": dg.MetadataValue.int(done.after.snapshots),
                "files_removed": dg.MetadataValue.int(done.removed),
                "seconds": dg.MetadataValue.float(done.seconds),
            }
        )

    @dg.job(
        name=project.names.own(NAME),
        description="Merges the small files of the lake, forgets its past after "
        "PIPEDRIVE_KEEP_SNAPSHOTS_DAYS, and removes files that nothing needs. Imports go on meanwhile.",
    )
    def maintain_warehouse() -> None:
        merge_files()

    schedule = dg.ScheduleDefinition(
        job=maintain_warehouse,
        cron_schedule=CRON,
        execution_timezone="UTC",
        name=project.names.own(f"{NAME}_schedule"),
        default_status=dg.DefaultScheduleStatus.RUNNING,
    )
    return dg.Definitions(jobs=[maintain_warehouse], schedules=[schedule])

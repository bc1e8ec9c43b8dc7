"""What Dagster shows of a workflow: its table, where its columns come from, and what was done."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import dagster as dg

from pipedrive_orchestration.orchestration.source.table_metadata import (
    PREVIEW_ROWS,
    markdown_table,
)
from pipedrive_orchestration.services.names import DagsterNames
from pipedrive_orchestration.warehouse import Warehouse, WarehouseError, quoted
from pipedrive_orchestration.workflows import Sync, SyncReport, Workflow
from pipedrive_orchestration.workflows.actions.runner import ActionsReport
from pipedrive_orchestration.workflows.tables import SCHEMA

_COUNTS = ("inserted", "updated", "removed", "rejected", "normalised", "queued")


def table_name(workflow: Workflow) -> str:
    """The table's name within the database."""
    return f"{SCHEMA}.{workflow.slug}"


def column_lineage(workflow: Workflow, syncs: Iterable[Sync], names: DagsterNames) -> dg.TableColumnLineage:
    """From which properties of which sources each input is filled."""
    found: dict[str, list[dg.TableColumnDep]] = {}
    by_reference = {one.reference: one for one in workflow.inputs}
    for sync in syncs:
        for reference, name in sync.field_mapping.items():
            origin = dg.TableColumnDep(asset_key=names.asset_key(sync.source), column_name=name)
            found.setdefault(by_reference[reference].key, []).append(origin)
    return dg.TableColumnLineage(found)


def metadata_of_syncs(reports: Sequence[SyncReport]) -> dict[str, dg.MetadataValue]:
    """Totals, a line for each source, and the first of what was rejected."""
    metadata: dict[str, dg.MetadataValue] = {
        name: dg.MetadataValue.int(sum(getattr(report, name) for report in reports)) for name in _COUNTS
    }
    metadata["seconds"] = dg.MetadataValue.float(sum((report.seconds for report in reports), 0.0))
    if reports:
        lines = [
            [report.source, *(f"{getattr(report, name):,}" for name in ("rows", *_COUNTS)), report.note]
            for report in reports
        ]
        table = markdown_table(["source", "rows", *_COUNTS, "note"], lines)
        metadata["syncs"] = dg.MetadataValue.md(table)
    rejected = [
        [report.source, rejection.record_id, rejection.field, rejection.code, rejection.value]
        for report in reports
        for rejection in report.rejections
    ]
    if rejected:
        table = markdown_table(["source", "record", "field", "code", "value"], rejected)
        metadata["rejections"] = dg.MetadataValue.md(table)
    return metadata


def metadata_of_table(warehouse: Warehouse, workflow: Workflow) -> dict[str, dg.MetadataValue]:
    """The table's columns, how many rows it has, and its first rows.

    Where the database is busy it is left at that: nothing fails for its picture.
    """
    table = quoted(SCHEMA, workflow.slug)
    named = {"dagster/table_name": dg.MetadataValue.text(table_name(workflow))}
    nothing: dict[str, dg.MetadataValue] = {**named, "dagster/row_count": dg.MetadataValue.int(0)}
    if not warehouse.exists:
        return nothing
    try:
        with warehouse.reading() as connection:
            columns = connection.execute(
                "SELECT column_name, data_type, comment FROM duckdb_columns() WHERE schema_name = ? AND "
                "table_name = ? AND database_name = current_database() ORDER BY column_index",
                [SCHEMA, workflow.slug],
            ).fetchall()
            if not columns:
                return nothing
            counted = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
            shown = ["row_seq", "row_status", *_own_columns(workflow)]
            rows = connection.execute(
                f"SELECT {', '.join(f'{quoted(name)}::VARCHAR' for name in shown)} FROM {table} "
                f"ORDER BY row_seq LIMIT {PREVIEW_ROWS}"
            ).fetchall()
    except WarehouseError as error:
        return {**named, "preview": dg.MetadataValue.text(str(error))}
    schema = dg.TableSchema([dg.TableColumn(name, type_, comment) for name, type_, comment in columns])
    return {
        **named,
        "dagster/row_count": dg.MetadataValue.int(counted[0] if counted else 0),
        "dagster/column_schema": dg.MetadataValue.table_schema(schema),
        "preview": dg.MetadataValue.md(markdown_table(shown, rows)),
    }


def _own_columns(workflow: Workflow) -> list[str]:
    return [column.key for column in (*workflow.inputs, *workflow.outputs)]


def metadata_of_actions(
    warehouse: Warehouse, workflow: Workflow, report: ActionsReport
) -> dict[str, dg.MetadataValue]:
    """What became of the runs, and the table's first rows."""
    return {
        "completed": dg.MetadataValue.int(report.completed),
        "failed": dg.MetadataValue.int(report.failed),
        "waiting": dg.MetadataValue.int(report.waiting),
        "seconds": dg.MetadataValue.float(report.seconds),
        **metadata_of_table(warehouse, workflow),
    }


def metadata_of_errors(
    warehouse: Warehouse, workflow: Workflow, report: ActionsReport
) -> dict[str, dg.MetadataValue]:
    """The most frequent errors of runs; nothing where none has just failed."""
    if not report.failed:
        return {}
    with warehouse.reading() as connection:
        found = connection.execute(
            "SELECT error, count(*) FROM workflows._runs WHERE workflow = ? AND status = 'failed' "
            "GROUP BY error ORDER BY 2 DESC, 1 LIMIT 10",
            [workflow.slug],
        ).fetchall()
    rows = [[error, f"{count:,}"] for error, count in found]
    return {"errors": dg.MetadataValue.md(markdown_table(["error", "runs"], rows))}

"""What Dagster shows of a model: its file, its columns with their meanings, its first rows, its chart."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import dagster as dg
import duckdb

from pipedrive_orchestration.models.charts import model_chart
from pipedrive_orchestration.models.dbt_project import FOLDER, SCHEMA
from pipedrive_orchestration.orchestration.charts import image
from pipedrive_orchestration.orchestration.cosmetics import shown
from pipedrive_orchestration.orchestration.model.loading import ModelAsset
from pipedrive_orchestration.orchestration.source.table_metadata import (
    PREVIEW_ROWS,
    markdown_table,
    plain_markdown,
)
from pipedrive_orchestration.warehouse import Warehouse, quoted

Metadata = dict[str, dg.MetadataValue]


def definition_metadata(model: ModelAsset, project: Path) -> Metadata:
    """The table's name and the columns that are described, before it has been built."""
    columns = [dg.TableColumn(name, description=text) for name, text in model.columns.items()]
    file = (project / FOLDER / model.file).resolve()
    with warnings.catch_warnings():
        # What opens the file in an editor may change in Dagster; see the assets of sources.
        warnings.filterwarnings("ignore", category=dg.BetaWarning)
        reference = dg.LocalFileCodeReference(file_path=str(file), line_number=1, label=file.name)
        references = dg.CodeReferencesMetadataValue(code_references=[reference])
    return {
        "dagster/table_name": dg.MetadataValue.text(f"{SCHEMA}.{model.name}"),
        "dagster/code_references": references,
        **(
            {"dagster/column_schema": dg.MetadataValue.table_schema(dg.TableSchema(columns))}
            if columns
            else {}
        ),
    }


def table_metadata(
    log: logging.Logger, warehouse: Warehouse, models: Sequence[ModelAsset]
) -> dict[str, Metadata]:
    """Columns with types, row count, first rows and chart of each model, by its name.

    Args:
        log: takes a warning for what cannot be shown.
        warehouse: where the tables are.
        models: those that have been built.
    """
    found: dict[str, Metadata] = {}
    with warehouse.reading() as connection:
        for model in models:
            look = partial(_of, log, connection, model)
            found[model.name] = shown(log, f"figures of {model.name}", look) or {}
    return found


def _of(log: logging.Logger, connection: duckdb.DuckDBPyConnection, model: ModelAsset) -> Metadata:
    table = quoted(SCHEMA, model.name)
    columns = connection.execute(
        "SELECT column_name, data_type FROM duckdb_columns() WHERE schema_name = ? AND table_name = ? "
        "AND database_name = current_database() ORDER BY column_index",
        [SCHEMA, model.name],
    ).fetchall()
    counted = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
    names = [name for name, _ in columns]
    cells = ", ".join(f"{quoted(name)}::VARCHAR" for name in names)
    rows = connection.execute(f"SELECT {cells} FROM {table} LIMIT {PREVIEW_ROWS}").fetchall()
    schema = dg.TableSchema([dg.TableColumn(name, type_, model.columns.get(name)) for name, type_ in columns])
    metadata: Metadata = {
        "dagster/row_count": dg.MetadataValue.int(counted[0] if counted else 0),
        "dagster/column_schema": dg.MetadataValue.table_schema(schema),
        "preview": dg.MetadataValue.md(markdown_table(names, rows)),
    }
    if model.chart:
        drawn = shown(log, f"charts of {model.name}", lambda: _image(connection, model))
        metadata |= {"chart": drawn} if drawn else {}
    return metadata


def _image(connection: duckdb.DuckDBPyConnection, model: ModelAsset) -> dg.MarkdownMetadataValue | None:
    assert model.chart is not None
    drawn = model_chart(connection, model.name, model.chart)
    if drawn is None:
        return None
    notes = [plain_markdown(note) for note in drawn.cut_off]
    return image(drawn.svg, str(model.chart.get("title", model.name)), notes)

"""``data``: the rows of a source, a page for a person or all of them for a program.

A table of any size goes out in bounded memory: DuckDB writes it to a file, which is passed on once the
database is free again. So a reader that takes its time keeps no import waiting.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import duckdb
import typer

from pipedrive_orchestration.cli.arguments import AsJson, Slug
from pipedrive_orchestration.cli.environment import Environment
from pipedrive_orchestration.cli.errors import explained
from pipedrive_orchestration.cli.output import err, out, print_json
from pipedrive_orchestration.cli.pages import (
    MAX_PAGE_SIZE,
    PAGE_SIZE,
    columns_of,
    current_rows,
    page_of,
    read_labeled_page,
)
from pipedrive_orchestration.sources import Source
from pipedrive_orchestration.warehouse import Warehouse, quoted
from pipedrive_orchestration.warehouse.sql import literal


class Format(StrEnum):
    """A format of rows."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"
    PARQUET = "parquet"


_COPY_OPTIONS = {
    Format.JSON: "FORMAT json, ARRAY true",
    Format.CSV: "FORMAT csv, HEADER true",
    Format.PARQUET: "FORMAT parquet, COMPRESSION zstd",
}
"""DuckDB's options by format."""


def data(
    slug: Slug,
    *,
    page_no: Annotated[int | None, typer.Option(help="Which page, from 1.", min=1)] = None,
    page_size: Annotated[
        int | None, typer.Option(help=f"Rows of a page; {PAGE_SIZE} if not given.", min=1, max=MAX_PAGE_SIZE)
    ] = None,
    format_: Annotated[Format, typer.Option("--format", help="How to write the rows.")] = Format.TABLE,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write to, instead of standard output.")
    ] = None,
    json: AsJson = False,
) -> None:
    """Show the current rows of a source, or write all of them.

    A table shows one page under labels; csv, json and parquet write every row unless a page is given,
    whatever the size of the table and in no particular order, with columns named by property. --json
    prints one page.

    Try:

        pipedrive-orchestration data all_deals --page-no 2

        pipedrive-orchestration data all_deals --format csv > deals.csv

        pipedrive-orchestration data all_deals --format parquet --output deals.parquet
    """
    with explained(err):
        environment = Environment.read()
        source = environment.store.load().find(slug)
        if format_ is Format.TABLE or json:
            if output is not None:
                raise typer.BadParameter("a table is shown, not written: add --format csv, json or parquet.")
            page = read_labeled_page(environment.warehouse, source, page_no or 1, page_size or PAGE_SIZE)
            print_json(page.as_json()) if json else page.show(out)
            return
        if format_ is Format.PARQUET and output is None and sys.stdout.isatty():
            raise typer.BadParameter("parquet is not for a screen: add --output FILE, or pipe it on.")
        paged = page_no is not None or page_size is not None
        # All rows go out as they lie: to sort a table of any size takes memory or time of any size.
        limits = page_of(page_no or 1, page_size or PAGE_SIZE) if paged else ""
        _export(environment.warehouse, source, format_, output, limits)


def _export(warehouse: Warehouse, source: Source, format_: Format, output: Path | None, limits: str) -> None:
    """Write rows to a file beside the wanted one, or to a temporary one, and then where they belong."""
    folder = None if output is None else output.absolute().parent
    with tempfile.TemporaryDirectory(prefix=".pipedrive-export-", dir=folder) as temporary:
        written = Path(temporary) / f"rows.{format_}"
        with warehouse.reading() as connection:
            connection.execute(f"SET temp_directory = {literal(temporary)}")
            query = f"SELECT {_columns(connection, source, format_)} {current_rows(source)} {limits}"
            connection.execute(f"COPY ({query}) TO {literal(str(written))} ({_COPY_OPTIONS[format_]})")
        if output is not None:
            written.replace(output)
            return
        with written.open("rb") as rows:
            shutil.copyfileobj(rows, typer.get_binary_stream("stdout"))


def _columns(connection: duckdb.DuckDBPyConnection, source: Source, format_: Format) -> str:
    types = columns_of(connection, source)
    nested = {key for key, type_ in types.items() if type_.startswith("STRUCT") or type_.endswith("]")}
    # CSV has no nested values; as JSON they can be read back.
    as_json = nested if format_ is Format.CSV else set()
    return ", ".join(
        f"to_json({quoted(key)}) AS {quoted(key)}" if key in as_json else quoted(key) for key in types
    )

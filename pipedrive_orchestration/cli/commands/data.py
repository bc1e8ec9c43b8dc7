"""``data``: the rows of a source, a page for a person or all of them for a program.

A table of any size goes out in bounded memory: DuckDB writes it to a file, which is passed on once the
database is free again. So a reader that takes its time keeps no import waiting.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, BinaryIO

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
from pipedrive_orchestration.cli.spreadsheets import BYTE_ORDER_MARK, spreadsheet_cell
from pipedrive_orchestration.sources import Source
from pipedrive_orchestration.warehouse import Warehouse, quoted
from pipedrive_orchestration.warehouse.instances import configure
from pipedrive_orchestration.warehouse.sql import literal


class Format(StrEnum):
    """A format of rows."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"
    PARQUET = "parquet"


def _cell(key: str, type_: str) -> str:  # noqa: ARG001 - of any type
    return quoted(key)


def _flat_cell(key: str, type_: str) -> str:
    """CSV has no nested values; as JSON they can be read back."""
    return f"to_json({quoted(key)})" if _is_nested(type_) else quoted(key)


def _spreadsheet_cell(key: str, type_: str) -> str:
    return _flat_cell(key, type_) if _is_nested(type_) else spreadsheet_cell(key, type_)


def _is_nested(type_: str) -> bool:
    return type_.startswith("STRUCT") or type_.endswith("]")


@dataclass(frozen=True, slots=True)
class _Layout:
    """How rows are written.

    Attributes:
        options: DuckDB's options of COPY.
        cell: SQL for a cell, by its column and the column's type.
        mark: what the file begins with.
    """

    options: str
    cell: Callable[[str, str], str] = _cell
    mark: bytes = b""


_CSV = "FORMAT csv, HEADER true"
_LAYOUTS = {
    Format.JSON: _Layout("FORMAT json, ARRAY true"),
    Format.CSV: _Layout(_CSV, _flat_cell),
    Format.PARQUET: _Layout("FORMAT parquet, COMPRESSION zstd"),
}
_FOR_SPREADSHEETS = _Layout(_CSV, _spreadsheet_cell, BYTE_ORDER_MARK)


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
    for_spreadsheets: Annotated[
        bool,
        typer.Option(
            "--for-spreadsheets",
            help="With csv: a text such as =1+1 gets an apostrophe, so that no formula comes of it; the file "
            "begins with the mark of UTF-8; times are written as 2026-05-20 10:00:00, in UTC.",
        ),
    ] = False,
    json: AsJson = False,
) -> None:
    """Show the current rows of a source, or write all of them.

    A table shows one page under labels; csv, json and parquet write every row unless a page is given,
    whatever the size of the table and in no particular order, with columns named by property. --json
    prints one page.

    csv is exact, for programs: a name such as =HYPERLINK(...) is a live formula where a spreadsheet program
    opens it. For those programs there is --for-spreadsheets.

    Try:

        pipedrive-orchestration data all_deals --page-no 2

        pipedrive-orchestration data all_deals --format csv > deals.csv

        pipedrive-orchestration data all_deals --format csv --for-spreadsheets --output deals.csv

        pipedrive-orchestration data all_deals --format parquet --output deals.parquet
    """
    with explained(err):
        environment = Environment.read()
        source = environment.store.load().find(slug)
        if for_spreadsheets and (json or format_ is not Format.CSV):
            raise typer.BadParameter("spreadsheet programs are given CSV: add --format csv.")
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
        layout = _FOR_SPREADSHEETS if for_spreadsheets else _LAYOUTS[format_]
        _export(environment.warehouse, source, layout, output, limits)


def _export(warehouse: Warehouse, source: Source, layout: _Layout, output: Path | None, limits: str) -> None:
    """Write rows to a file beside the wanted one, or to a temporary one, and then where they belong."""
    folder = None if output is None else output.absolute().parent
    with tempfile.TemporaryDirectory(prefix=".pipedrive-export-", dir=folder) as temporary:
        written = Path(temporary) / "rows"
        with warehouse.apart().reading() as connection:
            configure(connection, temp_directory=temporary)
            types = columns_of(connection, source)
            cells = ", ".join(f"{layout.cell(key, type_)} AS {quoted(key)}" for key, type_ in types.items())
            query = f"SELECT {cells} {current_rows(source)} {limits}"
            connection.execute(f"COPY ({query}) TO {literal(str(written))} ({layout.options})")
        if output is None:
            _pass_on(written, layout.mark, typer.get_binary_stream("stdout"))
        elif not layout.mark:
            written.replace(output)
        else:
            marked = Path(temporary) / "marked"
            with marked.open("wb") as file:
                _pass_on(written, layout.mark, file)
            marked.replace(output)


def _pass_on(written: Path, mark: bytes, to: BinaryIO) -> None:
    to.write(mark)
    with written.open("rb") as rows:
        shutil.copyfileobj(rows, to)

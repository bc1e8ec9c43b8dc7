"""Tables of rows as a terminal shows them: as many columns as fit, a cell in a few characters."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import accumulate

import duckdb
from rich.table import Table
from rich.text import Text

from pipedrive_orchestration.warehouse import quoted
from pipedrive_orchestration.warehouse.tables import LABELED

_LONGEST_CELL = 28


def sample_table(connection: duckdb.DuckDBPyConnection, slug: str, *, rows: int, width: int) -> Table:
    """Some rows of a source under their labels, as many columns as fit."""
    sample = connection.execute(f"SELECT * FROM {quoted(LABELED, slug)} LIMIT {rows}")
    names = [column[0] for column in sample.description or []]
    table = rows_table(names, sample.fetchall(), width=width)
    table.title, table.title_justify = f"{LABELED}.{slug}", "left"
    return table


def rows_table(names: Sequence[str], rows: Iterable[Sequence[object]], *, width: int) -> Table:
    """Rows of any kind, as many columns as fit; the caption names the columns that do not."""
    header = [Text(name) for name in names]
    records = [[Text(cell_text(value)) for value in row] for row in rows]
    table = Table(caption_justify="left")
    shown = _columns_that_fit([header, *records], width)
    for name in header[:shown]:
        table.add_column(name, no_wrap=True)
    for record in records:
        table.add_row(*record[:shown])
    if names[shown:]:
        table.caption = Text(f"not shown: {', '.join(names[shown:])}", overflow="ellipsis")
    return table


def _columns_that_fit(lines: Sequence[Sequence[Text]], width: int) -> int:
    widths = [max(text.cell_len for text in column) + 3 for column in zip(*lines, strict=True)]
    return max(1, sum(1 for total in accumulate(widths) if total < width))


def cell_text(value: object) -> str:
    """A cell in a few characters; of a composite value its first part."""
    if value is None:
        return ""
    if isinstance(value, list):
        value = ", ".join(cell_text(item) for item in value[:2]) + (", …" if len(value) > 2 else "")
    elif isinstance(value, dict):
        value = cell_text(next(iter(value.values()), None))
    text = str(value).replace("\n", " ")
    return text if len(text) <= _LONGEST_CELL else text[: _LONGEST_CELL - 1] + "…"

"""Where commands write: results to standard output, everything about how it went to standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, time
from itertools import accumulate
from typing import Any

import duckdb
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipedrive_orchestration.warehouse import Warehouse, ledger, quoted
from pipedrive_orchestration.warehouse.ledger import ImportEntry
from pipedrive_orchestration.warehouse.rows import count_current
from pipedrive_orchestration.warehouse.tables import LABELED

out = Console(width=None if sys.stdout.isatty() else 118)
err = Console(stderr=True)


def print_json(data: Any) -> None:
    """Print what a program reads: JSON, with dates and times in ISO 8601 and other values as their text."""
    typer.echo(json.dumps(data, indent=2, ensure_ascii=False, default=_as_text))


def _as_text(value: Any) -> str:
    return value.isoformat() if isinstance(value, date | datetime | time) else str(value)


@contextmanager
def busy(text: str) -> Iterator[None]:
    """Show that something goes on, to a person who watches."""
    if not err.is_terminal:
        yield
        return
    with err.status(text):
        yield


_LONGEST_CELL = 28


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a source in a command.

    Attributes:
        entry: its newest import in the ledger, None if it never succeeded.
        current: rows it has now.
        watermark: up to when its changes are loaded.
        state: ``imported``, ``kept`` (a static source that was imported before) or ``failed``.
    """

    slug: str
    entry: ImportEntry | None
    current: int
    watermark: datetime | None
    state: str


def outcomes_of(warehouse: Warehouse, states: Mapping[str, str]) -> list[Outcome]:
    """Look up what the ledger says of some sources.

    Args:
        warehouse: where their rows are.
        states: what became of each, by slug.
    """
    if not warehouse.exists:
        return [Outcome(slug, None, 0, None, state) for slug, state in states.items()]
    with warehouse.reading() as connection:
        return [_outcome(connection, slug, state) for slug, state in states.items()]


def _outcome(connection: duckdb.DuckDBPyConnection, slug: str, state: str) -> Outcome:
    entry = ledger.last_import(connection, slug)
    current = count_current(connection, slug) if entry else 0
    watermark, _ = ledger.watermark_of(connection, slug) or (None, None)
    return Outcome(slug, entry, current, watermark, state)


def as_json(outcome: Outcome, error: Exception | None) -> dict[str, object]:
    """What a program reads of an import; the keys are stable.

    ``state`` is ``imported``, ``kept`` or ``failed``; ``error`` is there only where it failed. The figures
    are those of the source's last import that succeeded.
    """
    entry = outcome.entry
    shown: dict[str, object] = {"source": outcome.slug, "state": outcome.state}
    if error is not None:
        shown["error"] = str(error)
    if entry is None:
        return shown
    return shown | {
        "pull": entry.pull,
        "windows": list(entry.windows),
        "rows": {
            "read": entry.rows_read,
            "inserted": entry.rows_inserted,
            "updated": entry.rows_updated,
            "removed": entry.rows_removed,
            "current": outcome.current,
        },
        "requests": entry.requests,
        "tokens": entry.tokens,
        "seconds": entry.seconds,
        "watermark": outcome.watermark.isoformat() if outcome.watermark else None,
        "note": entry.note,
    }


def imports_table(outcomes: Sequence[Outcome]) -> Table:
    """One line for every source, and their sum."""
    table = Table(show_footer=True)
    done = [outcome.entry for outcome in outcomes if outcome.entry and outcome.state == "imported"]
    table.add_column("source", "total", no_wrap=True)
    table.add_column("pull")
    for name, total in (
        ("rows", f"{sum(outcome.current for outcome in outcomes):,}"),
        ("changed", f"{sum(map(changed_rows, done)):,}"),
        ("requests", f"{sum(entry.requests for entry in done):,}"),
        ("tokens", f"{sum(entry.tokens for entry in done):,}"),
        ("seconds", f"{sum(entry.seconds for entry in done):.1f}"),
        ("records/s", ""),
    ):
        table.add_column(name, total, justify="right", no_wrap=True)
    for outcome in outcomes:
        table.add_row(outcome.slug, *_cells(outcome))
    return table


def changed_rows(entry: ImportEntry) -> int:
    """Rows that an import inserted, updated or removed."""
    return entry.rows_inserted + entry.rows_updated + entry.rows_removed


def _cells(outcome: Outcome) -> list[str | Text]:
    if outcome.state == "failed":
        return [Text("failed", style="red"), f"{outcome.current:,}"]
    if outcome.state == "kept" or outcome.entry is None:
        return [Text("once, done", style="dim"), f"{outcome.current:,}"]
    entry = outcome.entry
    return [
        entry.pull,
        f"{outcome.current:,}",
        f"{changed_rows(entry):,}",
        f"{entry.requests:,}",
        f"{entry.tokens:,}",
        f"{entry.seconds:.2f}",
        f"{entry.rows_read / entry.seconds:,.0f}" if entry.seconds else "",
    ]


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

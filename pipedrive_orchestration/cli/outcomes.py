"""Outcomes of a command for its sources, for a person and for a program."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import duckdb
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipedrive_orchestration.cli.output import say
from pipedrive_orchestration.importing import set_aside
from pipedrive_orchestration.sources import BadFile
from pipedrive_orchestration.warehouse import Warehouse, ledger
from pipedrive_orchestration.warehouse.ledger import ImportEntry
from pipedrive_orchestration.warehouse.rows import read_counts


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of a command for one source.

    Attributes:
        entry: its newest import in the ledger, None if it never succeeded.
        current: rows it has now.
        watermark: up to when its changes are loaded.
        state: ``imported``, ``kept`` (a static source that was imported before), ``skipped``
            (its collection is closed to the account or its user) or ``failed``.
        quarantined: values of it that are set aside by now.
    """

    slug: str
    entry: ImportEntry | None
    current: int
    watermark: datetime | None
    state: str
    quarantined: int = 0


def outcomes_of(warehouse: Warehouse, states: Mapping[str, str]) -> list[Outcome]:
    """The outcomes for some sources, with what the ledger says of each.

    Args:
        warehouse: where their rows are.
        states: what became of each, by slug.
    """
    if not warehouse.exists:
        return [Outcome(slug, None, 0, None, state) for slug, state in states.items()]
    with warehouse.reading() as connection:
        return [_outcome(connection, slug, state) for slug, state in states.items()]


def _outcome(connection: duckdb.DuckDBPyConnection, slug: str, state: str) -> Outcome:
    entry, counts = ledger.last_import(connection, slug), read_counts(connection, slug)
    if state == "imported" and entry is not None and entry.is_skipped:
        state = "skipped"
    return Outcome(slug, entry, counts.current, counts.watermark, state, counts.quarantined)


def as_json(outcome: Outcome, error: Exception | None) -> dict[str, object]:
    """An import as a program reads it; the keys are stable.

    ``state`` is ``imported``, ``kept``, ``skipped`` or ``failed``; ``error`` is there only where it failed.
    The figures are those of the source's last import that succeeded or was skipped.
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
        "quarantined": entry.quarantined,
        "requests": entry.requests,
        "tokens": entry.tokens,
        "seconds": entry.seconds,
        "watermark": outcome.watermark.isoformat() if outcome.watermark else None,
        "note": entry.note,
    }


def show_outcomes(
    console: Console,
    outcomes: Sequence[Outcome],
    failed: Mapping[str, Exception],
    bad_files: Sequence[BadFile],
) -> None:
    """The table of what was done, what the imports noted, and what went wrong."""
    if outcomes:
        console.print(imports_table(outcomes))
    for outcome in outcomes:
        if outcome.state in ("imported", "skipped") and outcome.entry and outcome.entry.note:
            say(f"{outcome.slug}: {outcome.entry.note}", to=console, style="yellow")
    say_what_is_set_aside(console, outcomes)
    for slug, reason in failed.items():
        say(f"{slug}: {reason}", to=console, style="red")
    for bad in bad_files:
        say(bad, to=console, style="red")


def say_what_is_set_aside(console: Console, outcomes: Sequence[Outcome]) -> None:
    """A line for every source of which an import has just set values aside."""
    for outcome in outcomes:
        if outcome.state == "imported" and outcome.entry and outcome.entry.quarantined:
            say(set_aside(outcome.slug, outcome.entry.quarantined), to=console, style="yellow")


def imports_table(outcomes: Sequence[Outcome]) -> Table:
    """One line for every source, and their sum."""
    table = Table(show_footer=True)
    done = [outcome.entry for outcome in outcomes if outcome.entry and outcome.state == "imported"]
    table.add_column("source", "total", no_wrap=True)
    table.add_column("pull")
    for name, total in (
        ("rows", f"{sum(outcome.current for outcome in outcomes):,}"),
        ("changed", f"{sum(map(changed_rows, done)):,}"),
        ("set aside", f"{sum(entry.quarantined for entry in done):,}"),
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
    if outcome.state == "skipped":
        return [Text("skipped", style="yellow"), f"{outcome.current:,}"]
    if outcome.state == "kept" or outcome.entry is None:
        return [Text("once, done", style="dim"), f"{outcome.current:,}"]
    entry = outcome.entry
    return [
        entry.pull,
        f"{outcome.current:,}",
        f"{changed_rows(entry):,}",
        f"{entry.quarantined:,}",
        f"{entry.requests:,}",
        f"{entry.tokens:,}",
        f"{entry.seconds:.2f}",
        f"{entry.rows_read / entry.seconds:,.0f}" if entry.seconds else "",
    ]

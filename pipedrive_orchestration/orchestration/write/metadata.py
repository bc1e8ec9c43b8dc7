"""What Dagster shows of a plan: its rows as a table, its figures, and what became of it."""

from __future__ import annotations

from collections.abc import Sequence

import dagster as dg

from pipedrive_orchestration.orchestration.source.table_metadata import markdown_table, plain_markdown
from pipedrive_orchestration.writing.apply import ApplyReport
from pipedrive_orchestration.writing.ledger import LedgerRow, Plan
from pipedrive_orchestration.writing.report import COLUMNS, lines_of, outcome_of, summary_of

SHOWN_ROWS = 100
"""Rows of a plan that a page shows; all of them are in the ledger."""

_FIGURES = ("creates", "updates", "deletes", "unchanged", "conflicts", "rejects", "estimated_tokens")


def metadata_of_plan(plan: Plan, rows: Sequence[LedgerRow]) -> dict[str, dg.MetadataValue]:
    """A plan for a person to read and approve."""
    lines = [[plain_markdown(cell) for cell in line] for line in lines_of(rows)]
    more = plan.changes + plan.conflicts + plan.rejects - len(rows)
    table = markdown_table(list(COLUMNS), lines) if lines else "Nothing changes."
    shown: dict[str, dg.MetadataValue] = {
        "plan": dg.MetadataValue.md(table + (f"\n\n{more:,} more rows." if more > 0 else "")),
        "summary": dg.MetadataValue.text(summary_of(plan)),
        "plan_id": dg.MetadataValue.text(str(plan.plan_id)),
        "status": dg.MetadataValue.text(str(plan.status)),
        **{name: dg.MetadataValue.int(getattr(plan, name)) for name in _FIGURES},
    }
    if plan.above_limits:
        shown["above_limits"] = dg.MetadataValue.text("; ".join(plan.above_limits))
    return shown


def metadata_of_application(report: ApplyReport) -> dict[str, dg.MetadataValue]:
    """What became of a plan's changes."""
    shown: dict[str, dg.MetadataValue] = {
        "outcome": dg.MetadataValue.text(outcome_of(report.counts)),
        "tokens": dg.MetadataValue.int(report.tokens),
        "requests": dg.MetadataValue.int(report.requests),
        "seconds": dg.MetadataValue.float(report.seconds),
    }
    if report.note:
        shown["note"] = dg.MetadataValue.text(report.note)
    return shown

"""Plans as programs and people read them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pipedrive_orchestration.writing.ledger import LedgerRow, Plan
from pipedrive_orchestration.writing.outcome import Status


def plan_as_dict(plan: Plan, rows: Iterable[LedgerRow] | None = None) -> dict[str, Any]:
    """A plan as JSON has it, with its rows if they are given."""
    shown: dict[str, Any] = {
        "plan_id": str(plan.plan_id),
        "write": plan.write,
        "name": plan.name,
        "object_type": plan.object_type,
        "operation": plan.operation,
        "undo_of": None if plan.undo_of is None else str(plan.undo_of),
        "status": str(plan.status),
        "made_at": plan.made_at.isoformat(),
        "made_by": plan.made_by,
        "creates": plan.creates,
        "updates": plan.updates,
        "deletes": plan.deletes,
        "unchanged": plan.unchanged,
        "conflicts": plan.conflicts,
        "rejects": plan.rejects,
        "estimated_tokens": plan.estimated_tokens,
        "above_limits": plan.above_limits,
        "applied_at": plan.applied_at.isoformat() if plan.applied_at else None,
        "applied_by": plan.applied_by,
        "tokens": plan.tokens or 0,
        "note": plan.note,
    }
    if rows is not None:
        shown["rows"] = [row_as_dict(row) for row in rows]
    return shown


def row_as_dict(row: LedgerRow) -> dict[str, Any]:
    """A row of a plan as JSON has it."""
    entry = row.entry
    return {
        "kind": entry.kind,
        "id": entry.record_id,
        "name": entry.record_name,
        "row": dict(entry.row),
        "changes": [{"property": label, "old": old, "new": new} for label, old, new in entry.shown],
        "status": row.status,
        "reason": entry.reason,
        "request_id": row.request_id,
    }


COLUMNS = ("what", "record", "property", "old", "new", "why not")
"""The columns of a plan's table."""


def lines_of(rows: Iterable[LedgerRow]) -> list[tuple[str, ...]]:
    """The lines of a plan's table: one for each property that changes, and each row left out."""
    lines: list[tuple[str, ...]] = []
    for row in rows:
        entry = row.entry
        told = {column: value for column, value in entry.row.items() if value is not None}
        known_by = ", ".join(f"{column} {value}" for column, value in told.items())
        # A new record below another one has no id of its own yet.
        record_id = None if (entry.record_id or "").endswith("/") else entry.record_id
        known = " ".join(filter(None, (record_id, entry.record_name)))
        record = f"row {entry.row['row']}, {known}" if known and "row" in told else known or known_by
        what = entry.kind if row.status in (None, Status.PLANNED) else f"{entry.kind}: {row.status}"
        reason = entry.reason or ""
        if not entry.shown:
            lines.append((what, record, "", "", "", reason))
        for number, (label, old, new) in enumerate(entry.shown):
            first = (what, record) if number == 0 else ("", "")
            lines.append((*first, label, old, new, reason if number == 0 else ""))
    return lines


def summary_of(plan: Plan) -> str:
    """A plan in a sentence."""
    amounts = {
        "created": plan.creates, "updated": plan.updates, "deleted": plan.deletes,
    }  # fmt: skip
    changes = ", ".join(f"{count:,} {word}" for word, count in amounts.items() if count) or "nothing changes"
    left = {"unchanged": plan.unchanged, "in conflict": plan.conflicts, "left out": plan.rejects}
    others = "".join(f", {count:,} {word}" for word, count in left.items() if count)
    return f"{plan.object_type}: {changes}{others}; about {plan.estimated_tokens:,} tokens"


def outcome_of(counts: Mapping[str, int]) -> str:
    """What became of a plan's changes, in a sentence."""
    words: Sequence[tuple[str, str]] = (
        (Status.DONE, "done"),
        (Status.MOVED, "left, since their records have moved"),
        (Status.REFUSED, "refused by Pipedrive"),
        (Status.UNCERTAIN, "uncertain"),
        (Status.SENT, "under way"),
        (Status.PLANNED, "still to do"),
    )
    return (
        ", ".join(f"{counts[status]:,} {word}" for status, word in words if counts.get(status)) or "nothing"
    )

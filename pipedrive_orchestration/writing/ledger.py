"""The ledger of writes: every plan, and of every change what was planned, sent and answered.

Everything here runs inside the transaction of the caller.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import duckdb
import msgspec

from pipedrive_orchestration.warehouse.catalog import has_table
from pipedrive_orchestration.warehouse.sql import literal
from pipedrive_orchestration.writing.changes import Change, Kind, above_of
from pipedrive_orchestration.writing.outcome import Outcome, Status

SCHEMA = "write_ledger"

_DDL = """
CREATE SCHEMA IF NOT EXISTS write_ledger;
CREATE TABLE IF NOT EXISTS write_ledger.plans (
    plan_id UUID, "write" VARCHAR, name VARCHAR, object_type VARCHAR, operation VARCHAR, on_conflict VARCHAR,
    status VARCHAR, made_at TIMESTAMPTZ, made_by VARCHAR, company_id BIGINT, definition VARCHAR, undo_of UUID,
    limit_changes BIGINT, limit_deletes BIGINT, limit_tokens BIGINT,
    creates BIGINT, updates BIGINT, deletes BIGINT, unchanged BIGINT, conflicts BIGINT, rejects BIGINT,
    estimated_tokens BIGINT, applied_at TIMESTAMPTZ, applied_by VARCHAR, tokens BIGINT, note VARCHAR
);
CREATE TABLE IF NOT EXISTS write_ledger.changes (
    plan_id UUID, seq BIGINT, kind VARCHAR, record_id VARCHAR, record_name VARCHAR, "row" VARCHAR,
    "before" VARCHAR, "after" VARCHAR, shown VARCHAR, reason VARCHAR, status VARCHAR,
    sent_at TIMESTAMPTZ, answered_at TIMESTAMPTZ, seen VARCHAR, result VARCHAR, request_id VARCHAR,
    tokens BIGINT, written_by VARCHAR
);
"""


class PlanStatus(StrEnum):
    """The states of a plan."""

    PLANNED = "planned"
    APPLYING = "applying"
    STOPPED = "stopped"
    """Some of it is applied, and the rest can be."""
    APPLIED = "applied"
    SUPERSEDED = "superseded"
    """There is a newer plan of the same write."""


LEFT_OUT = ("conflict", "reject")
"""Kinds of entries that change nothing, and say why."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of a plan: a change, or why a row changes nothing.

    Attributes:
        kind: ``create``, ``update``, ``delete``, ``conflict`` or ``reject``.
        record_id, record_name: of the record, where there is one; of a new one below others, the ids of
            these, each with ``/`` behind it.
        row: what the row's record is known by.
        before, after: values of the properties that change, as bodies have them.
        shown: the same for a person: label, old, new.
        reason: why it changes nothing.
    """

    seq: int
    kind: str
    record_id: str | None = None
    record_name: str | None = None
    row: Mapping[str, Any] = field(default_factory=dict)
    before: Mapping[str, Any] = field(default_factory=dict)
    after: Mapping[str, Any] = field(default_factory=dict)
    shown: Sequence[tuple[str, str, str]] = ()
    reason: str | None = None

    @property
    def change(self) -> Change:
        """The change that it is."""
        if self.kind == Kind.CREATE:
            return Change(Kind.CREATE, None, self.before, self.after, above_of(self.record_id or ""))
        return Change(Kind(self.kind), self.record_id, self.before, self.after)

    def as_json(self, plan_id: UUID) -> dict[str, Any]:
        """The entry as a row of the ledger."""
        return {
            "plan_id": str(plan_id),
            "seq": self.seq,
            "kind": self.kind,
            "record_id": self.record_id,
            "record_name": self.record_name,
            "row": dumped(self.row),
            "before": dumped(self.before),
            "after": dumped(self.after),
            "shown": dumped(self.shown),
            "reason": self.reason,
            "status": None if self.kind in LEFT_OUT else Status.PLANNED.value,
        }


@dataclass(frozen=True, slots=True)
class Plan:
    """One row of ``plans``.

    Attributes:
        write: the slug.
        name: what the write is called.
        definition: the body of the write, as JSON.
        undo_of: the plan that it takes back.
        estimated_tokens: what applying it costs, the second look at the records included.
        tokens: what it has cost so far.
    """

    plan_id: UUID
    write: str
    name: str
    object_type: str
    operation: str
    on_conflict: str
    status: str
    made_at: datetime
    made_by: str
    company_id: int
    definition: str
    undo_of: UUID | None
    limit_changes: int
    limit_deletes: int
    limit_tokens: int
    creates: int = 0
    updates: int = 0
    deletes: int = 0
    unchanged: int = 0
    conflicts: int = 0
    rejects: int = 0
    estimated_tokens: int = 0
    applied_at: datetime | None = None
    applied_by: str | None = None
    tokens: int = 0
    note: str | None = None

    @property
    def changes(self) -> int:
        """The records that it changes."""
        return self.creates + self.updates + self.deletes

    @property
    def above_limits(self) -> list[str]:
        """What of it is above the limits of its write; a sentence each."""
        found = []
        if self.creates + self.updates > self.limit_changes:
            found.append(
                f"{self.creates + self.updates:,} records are created and updated, and the limit is "
                f"{self.limit_changes:,}"
            )
        if self.deletes > self.limit_deletes:
            found.append(f"{self.deletes:,} records are deleted, and the limit is {self.limit_deletes:,}")
        return found


_PLAN_COLUMNS = [each.name for each in fields(Plan)]
_LISTED = ", ".join(f'"{name}"' for name in _PLAN_COLUMNS)


def dumped(value: Any) -> str:
    """A value as the ledger keeps it."""
    return msgspec.json.encode(value, enc_hook=str).decode()


def prepare(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the ledger's tables where they are missing."""
    connection.execute(_DDL)


def is_present(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether the database has a ledger of writes."""
    return has_table(connection, SCHEMA, "changes")


def record_plan(connection: duckdb.DuckDBPyConnection, plan: Plan, entries: Iterable[Entry]) -> None:
    """Keep a new plan; plans of the same write that wait to be applied are superseded by it."""
    prepare(connection)
    connection.execute(
        'UPDATE write_ledger.plans SET status = $superseded WHERE "write" = $write AND status = $planned',
        {"superseded": PlanStatus.SUPERSEDED, "planned": PlanStatus.PLANNED, "write": plan.write},
    )
    holders = ", ".join("?" for _ in _PLAN_COLUMNS)
    values = [getattr(plan, name) for name in _PLAN_COLUMNS]
    connection.execute(f"INSERT INTO write_ledger.plans ({_LISTED}) VALUES ({holders})", values)
    _insert_entries(connection, plan.plan_id, entries)


def _insert_entries(connection: duckdb.DuckDBPyConnection, plan_id: UUID, entries: Iterable[Entry]) -> None:
    # Through a file: a statement for each of a hundred thousand rows takes minutes.
    with tempfile.NamedTemporaryFile("w", suffix=".ndjson", encoding="utf-8") as file:
        count = 0
        for entry in entries:
            file.write(dumped(entry.as_json(plan_id)) + "\n")
            count += 1
        if not count:
            return
        file.flush()
        columns = {
            "plan_id": "UUID", "seq": "BIGINT", "kind": "VARCHAR", "record_id": "VARCHAR",
            "record_name": "VARCHAR", "row": "VARCHAR", "before": "VARCHAR", "after": "VARCHAR",
            "shown": "VARCHAR", "reason": "VARCHAR", "status": "VARCHAR",
        }  # fmt: skip
        listed = ", ".join(f'"{name}"' for name in columns)
        types = ", ".join(f"{literal(name)}: {literal(sql_type)}" for name, sql_type in columns.items())
        connection.execute(
            f"INSERT INTO write_ledger.changes ({listed}) SELECT {listed} FROM read_json($file, "
            f"format = 'newline_delimited', columns = {{{types}}})",
            {"file": file.name},
        )


def _plans(connection: duckdb.DuckDBPyConnection, rest: str, *values: Any) -> list[Plan]:
    if not is_present(connection):
        return []
    found = connection.execute(f"SELECT {_LISTED} FROM write_ledger.plans {rest}", list(values)).fetchall()
    return [Plan(*row) for row in found]


def plan_of(connection: duckdb.DuckDBPyConnection, plan_id: UUID) -> Plan | None:
    """The plan of an id."""
    return next(iter(_plans(connection, "WHERE plan_id = ?", plan_id)), None)


def last_plan(connection: duckdb.DuckDBPyConnection, write: str) -> Plan | None:
    """The newest plan of a write, its undoings included."""
    return next(iter(_plans(connection, 'WHERE "write" = ? ORDER BY made_at DESC LIMIT 1', write)), None)


def last_applied(connection: duckdb.DuckDBPyConnection, write: str) -> Plan | None:
    """The plan of a write, or its undoing, that was applied last, wholly or in part."""
    rest = 'WHERE "write" = ? AND applied_at IS NOT NULL ORDER BY applied_at DESC LIMIT 1'
    return next(iter(_plans(connection, rest, write)), None)


def plans_of(connection: duckdb.DuckDBPyConnection, write: str | None = None, most: int = 20) -> list[Plan]:
    """The newest plans, of one write or of all."""
    if write is None:
        return _plans(connection, "ORDER BY made_at DESC LIMIT ?", most)
    return _plans(connection, 'WHERE "write" = ? ORDER BY made_at DESC LIMIT ?', write, most)


def newest_plans(connection: duckdb.DuckDBPyConnection) -> dict[str, Plan]:
    """The newest plan of each write, its undoings included, by the write's slug."""
    newest = _plans(connection, 'QUALIFY row_number() OVER (PARTITION BY "write" ORDER BY made_at DESC) = 1')
    return {plan.write: plan for plan in newest}


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """One row of ``changes``, with what became of it."""

    entry: Entry
    status: str | None
    sent_at: datetime | None = None
    seen: Mapping[str, Any] | None = None
    result: Mapping[str, Any] | None = None
    request_id: str | None = None

    @property
    def change(self) -> Change:
        """The change that it is."""
        return self.entry.change


def rows_of(
    connection: duckdb.DuckDBPyConnection,
    plan_id: UUID,
    *,
    statuses: Sequence[str] = (),
    kinds: Sequence[str] = (),
    most: int = 10**9,
) -> list[LedgerRow]:
    """Rows of a plan in their order.

    Args:
        connection: the warehouse.
        plan_id: the plan.
        statuses: only those in these states; all if empty.
        kinds: only those of these kinds; all if empty.
        most: how many at most.
    """
    found = connection.execute(
        """
        SELECT seq, kind, record_id, record_name, "row", "before", "after", shown, reason, status, sent_at,
            seen, result, request_id
        FROM write_ledger.changes
        WHERE plan_id = $plan AND (len($statuses) = 0 OR status IN (SELECT unnest($statuses)))
            AND (len($kinds) = 0 OR kind IN (SELECT unnest($kinds)))
        ORDER BY seq LIMIT $most
        """,
        {"plan": plan_id, "statuses": list(statuses), "kinds": list(kinds), "most": most},
    ).fetchall()
    return [_row(*values) for values in found]


def _row(*values: Any) -> LedgerRow:
    (
        seq,
        kind,
        record_id,
        name,
        row,
        before,
        after,
        shown,
        reason,
        status,
        sent_at,
        seen,
        result,
        request_id,
    ) = values
    entry = Entry(
        seq, kind, record_id, name, json.loads(row), json.loads(before), json.loads(after),
        tuple(tuple(each) for each in json.loads(shown)), reason,
    )  # fmt: skip
    return LedgerRow(
        entry,
        status,
        sent_at,
        json.loads(seen) if seen else None,
        json.loads(result) if result else None,
        request_id,
    )


def counts_of(connection: duckdb.DuckDBPyConnection, plan_id: UUID) -> dict[str, int]:
    """How many changes of a plan are in each state."""
    found = connection.execute(
        "SELECT status, count(*) FROM write_ledger.changes "
        "WHERE plan_id = ? AND status IS NOT NULL GROUP BY 1",
        [plan_id],
    ).fetchall()
    return dict(found)


def ids_made_by(connection: duckdb.DuckDBPyConnection, plan_id: UUID) -> set[str]:
    """The ids of the records that a plan has created."""
    found = connection.execute(
        "SELECT record_id FROM write_ledger.changes "
        "WHERE plan_id = ? AND kind = 'create' AND status = 'done'",
        [plan_id],
    ).fetchall()
    return {str(record_id) for (record_id,) in found}


def values_written_by(connection: duckdb.DuckDBPyConnection, write: str) -> dict[tuple[str, str], Any]:
    """What a write has last given to records, by record and property; what was undone does not count."""
    if not is_present(connection):
        return {}
    found = connection.execute(
        """
        SELECT c.record_id, coalesce(c.result, c."after"), p.undo_of IS NOT NULL
        FROM write_ledger.changes AS c JOIN write_ledger.plans AS p USING (plan_id)
        WHERE p."write" = $write AND c.status = 'done' AND c.kind IN ('create', 'update')
        ORDER BY c.answered_at, c.seq
        """,
        {"write": write},
    ).fetchall()
    written: dict[tuple[str, str], Any] = {}
    for record_id, after, is_undone in found:
        for key, value in json.loads(after).items():
            if is_undone:
                written.pop((record_id, key), None)
            else:
                written[record_id, key] = value
    return written


def mark_sent(
    connection: duckdb.DuckDBPyConnection,
    plan_id: UUID,
    seen: Mapping[int, Mapping[str, Any]],
    now: datetime,
    who: str,
) -> None:
    """Note that changes are about to be sent, and what their records were like just before."""
    connection.execute(
        """
        UPDATE write_ledger.changes AS c SET status = $sent, sent_at = $now, seen = s.seen, written_by = $who
        FROM (SELECT unnest($seqs::BIGINT[]) AS seq, unnest($seen::VARCHAR[]) AS seen) AS s
        WHERE c.plan_id = $plan AND c.seq = s.seq
        """,
        {
            "sent": Status.SENT,
            "now": now,
            "who": who,
            "plan": plan_id,
            "seqs": list(seen),
            "seen": [dumped(values) for values in seen.values()],
        },
    )


def record_outcomes(
    connection: duckdb.DuckDBPyConnection,
    plan_id: UUID,
    outcomes: Mapping[int, Outcome],
    now: datetime,
    costs: Mapping[int, int],
) -> None:
    """Note what became of changes; one that is planned again was certainly not made."""
    found = [
        {
            "seq": seq,
            "status": outcome.status.value,
            "record_id": None if outcome.record_id is None else str(outcome.record_id),
            "result": dumped(outcome.after),
            "request_id": outcome.request_id,
            "reason": outcome.reason,
            "tokens": costs.get(seq, 0),
        }
        for seq, outcome in outcomes.items()
    ]
    connection.execute(
        """
        UPDATE write_ledger.changes AS c SET
            status = o.status, record_id = coalesce(o.record_id, c.record_id), result = o.result,
            answered_at = CASE WHEN o.status <> $planned THEN $now END, request_id = o.request_id,
            reason = o.reason, tokens = o.tokens
        FROM (
            SELECT unnest(from_json($found, '[{"seq": "BIGINT", "status": "VARCHAR", "record_id": "VARCHAR",
                "result": "VARCHAR", "request_id": "VARCHAR", "reason": "VARCHAR", "tokens": "BIGINT"}]'),
                recursive := true)
        ) AS o
        WHERE c.plan_id = $plan AND c.seq = o.seq
        """,
        {"found": dumped(found), "planned": Status.PLANNED, "now": now, "plan": plan_id},
    )


def set_status(
    connection: duckdb.DuckDBPyConnection,
    plan_id: UUID,
    status: PlanStatus,
    *,
    now: datetime,
    who: str,
    tokens: int = 0,
    note: str | None = None,
) -> None:
    """Note how far a plan is, and the tokens that it has cost besides."""
    connection.execute(
        "UPDATE write_ledger.plans SET status = $status, applied_at = $now, applied_by = $who, "
        "tokens = coalesce(tokens, 0) + $tokens, note = $note WHERE plan_id = $plan",
        {"status": status, "now": now, "who": who, "tokens": tokens, "note": note, "plan": plan_id},
    )

"""The differences of a source between two instants, from the versions that it keeps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import duckdb

from pipedrive_orchestration.warehouse.errors import WarehouseError
from pipedrive_orchestration.warehouse.sql import literal, quoted
from pipedrive_orchestration.warehouse.tables import AT, HISTORY, VERSION_COLUMNS, column_types


class NoHistoryError(WarehouseError):
    """A source that keeps no versions."""

    def __init__(self, slug: str) -> None:
        super().__init__(
            f"{slug} keeps no versions of its records: write `options: {{history: true}}` into its file "
            "and import it. What was before that import stays unknown."
        )


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference.

    Attributes:
        kind: ``came``, ``went`` or ``changed``.
        record_id: the record's ``_id``.
        property: which property changed; None for a record that came or went.
        old: its value before.
        new: its value after.
    """

    kind: str
    record_id: Any
    property: str | None
    old: str | None
    new: str | None


@dataclass(frozen=True, slots=True)
class Differences:
    """The differences between two instants.

    Attributes:
        came: how many records there were at the second only.
        went: how many there were at the first only.
        changed: how many are not the same at both.
        first: the first of them, by record.
        known_from: the instant of the oldest version; before it nothing is known.
    """

    came: int
    went: int
    changed: int
    first: tuple[Difference, ...]
    known_from: datetime | None

    def content(self, slug: str, since: datetime, until: datetime) -> dict[str, Any]:
        """The answer to a program, with what was asked."""
        return {
            "source": slug,
            "from": since,
            "to": until,
            "known_from": self.known_from,
            "came": self.came,
            "went": self.went,
            "changed": self.changed,
            "differences": [
                {"kind": one.kind, "id": one.record_id, "property": one.property, "old": one.old,
                 "new": one.new}
                for one in self.first
            ],
        }  # fmt: skip


def differences(
    connection: duckdb.DuckDBPyConnection, slug: str, since: datetime, until: datetime, limit: int
) -> Differences:
    """What came, went and changed between two instants.

    Args:
        connection: the warehouse.
        slug: a source with history.
        since: the first instant.
        until: the second one.
        limit: how many differences to name.

    Raises:
        NoHistoryError: the source keeps no versions.
    """
    columns = [
        name for name in column_types(connection, slug, HISTORY) if name not in (*VERSION_COLUMNS, "_id")
    ]
    if not columns:
        raise NoHistoryError(slug)
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE differing AS {differing(slug, columns)} FROM differing",
        {"since": since, "until": until},
    )
    counts = dict(
        connection.execute("SELECT kind, count(DISTINCT id) FROM differing GROUP BY kind").fetchall()
    )
    named = connection.execute(
        "SELECT kind, id, property, old, new FROM differing ORDER BY id, kind, property LIMIT ?", [limit]
    ).fetchall()
    known = connection.execute(f"SELECT min(_valid_from) FROM {quoted(HISTORY, slug)}").fetchone()
    connection.execute("DROP TABLE differing")
    return Differences(
        counts.get("came", 0),
        counts.get("went", 0),
        counts.get("changed", 0),
        tuple(Difference(*row) for row in named),
        known[0] if known else None,
    )


def differing(slug: str, columns: Sequence[str]) -> str:
    """The beginning of a query of ``differing``: what differs between the instants ``$since`` and ``$until``.

    It has the columns of `Difference`, the record's id as ``id``.

    Args:
        slug: a source with history.
        columns: the properties that are compared.
    """
    at = quoted(AT, slug)
    parts = [
        "SELECT 'came' AS kind, _id AS id, NULL AS property, NULL AS old, NULL AS new "
        "FROM compared WHERE a._id IS NULL",
        "SELECT 'went', _id, NULL, NULL, NULL FROM compared WHERE b._id IS NULL",
        *(
            f"SELECT 'changed', _id, {literal(name)}, a.{quoted(name)}::VARCHAR, b.{quoted(name)}::VARCHAR "
            f"FROM compared WHERE a._id IS NOT NULL AND b._id IS NOT NULL "
            f"AND a.{quoted(name)} IS DISTINCT FROM b.{quoted(name)}"
            for name in columns
        ),
    ]
    return (
        f"WITH compared AS MATERIALIZED (SELECT coalesce(a._id, b._id) AS _id, a, b "
        f"FROM {at}($since) AS a FULL JOIN {at}($until) AS b ON a._id = b._id), "
        f"differing AS ({' UNION ALL '.join(parts)})"
    )

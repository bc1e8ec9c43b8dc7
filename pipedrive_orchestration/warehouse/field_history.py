"""The history of the account's fields and options: what is true of them, and what was before.

It is a part of the ledger, and like all of it written inside the transaction of the caller.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import duckdb

from pipedrive_orchestration.warehouse.schema import has_ledger, prepare


@dataclass(frozen=True, slots=True)
class LedgerField:
    """A field as the ledger keeps it: one row of ``fields`` and one of ``field_options`` per option.

    ``is_own`` is false where it is another name of a field, or a name behind one, of which nobody is told
    what has changed.
    """

    key: str
    label: str
    field_type: str
    is_custom: bool
    options: tuple[tuple[str, str], ...] = ()
    is_own: bool = True


def last_fields(
    connection: duckdb.DuckDBPyConnection, object_type: str, keys: Sequence[str]
) -> dict[str, LedgerField]:
    """The last known state of some fields, those that are gone at Pipedrive included."""
    if not keys:
        return {}
    try:
        rows = connection.execute(
            "SELECT key, label, field_type, is_custom FROM import_ledger.fields "
            "WHERE object_type = ? AND list_contains(?, key) ORDER BY valid_from",
            [object_type, list(keys)],
        ).fetchall()
    except duckdb.CatalogException:
        # Nothing was imported yet; to look first takes ten times as long as to ask.
        return {}
    # Of what was true of a field, the last comes last.
    return {key: LedgerField(key, label, field_type, is_custom) for key, label, field_type, is_custom in rows}


DRIFT_SHOWN_FOR = timedelta(days=7)
"""How long a change of a field's type is shown; a field that is gone is shown until it is back."""


@dataclass(frozen=True, slots=True)
class DriftedField:
    """A field that is not what it was: its key, its label, and what has become of it in a few words."""

    key: str
    label: str
    drift: str


def drifted_fields(
    connection: duckdb.DuckDBPyConnection, object_type: str, keys: Collection[str], now: datetime
) -> list[DriftedField]:
    """Which of some fields are gone at Pipedrive, or had another type a week before `now`."""
    rows = connection.execute(
        """
        WITH versions AS (
            SELECT key, arg_max(label, valid_from) AS label, list(field_type ORDER BY valid_from) AS types,
                count(*) FILTER (WHERE valid_to IS NULL) = 0 AS is_gone, max(valid_from) AS changed_at
            FROM import_ledger.fields WHERE object_type = $object_type AND list_contains($keys, key)
            GROUP BY key
        )
        SELECT key, label,
            CASE WHEN is_gone THEN 'gone at Pipedrive' ELSE 'was ' || types[-2] || ', is ' || types[-1] END
        FROM versions WHERE is_gone OR (types[-2] <> types[-1] AND changed_at >= $since) ORDER BY key
        """,
        {"object_type": object_type, "keys": list(keys), "since": now - DRIFT_SHOWN_FOR},
    ).fetchall()
    return [DriftedField(*row) for row in rows]


def labels_of_fields(connection: duckdb.DuckDBPyConnection, object_type: str) -> dict[str, str]:
    """The labels of an object type's fields that are there, by key."""
    rows = connection.execute(
        "SELECT key, label FROM import_ledger.fields WHERE object_type = ? AND valid_to IS NULL",
        [object_type],
    ).fetchall()
    return dict(rows)


def labels_of_options(connection: duckdb.DuckDBPyConnection, object_type: str, key: str) -> list[str]:
    """The labels of a field's options that are there."""
    rows = connection.execute(
        "SELECT DISTINCT label FROM import_ledger.field_options "
        "WHERE object_type = ? AND key = ? AND valid_to IS NULL ORDER BY label",
        [object_type, key],
    ).fetchall()
    return [label for (label,) in rows]


@dataclass(frozen=True, slots=True)
class FieldChange:
    """A change of a field of the account.

    Attributes:
        at: when an import found it.
        label: of the field, after the change.
        what: ``added``, ``renamed``, ``retyped``, ``gone`` or ``back``.
        before, after: label or type, where it was renamed or retyped.
    """

    at: datetime
    key: str
    label: str
    what: str
    before: str | None
    after: str | None


def field_changes(connection: duckdb.DuckDBPyConnection, object_type: str, count: int) -> list[FieldChange]:
    """The last changes of an object type's fields, newest first; what was there at first is no change."""
    rows = connection.execute(
        """
        WITH known AS (
            SELECT *, min(valid_from) OVER () AS first,
                lag(label) OVER field AS label_before, lag(field_type) OVER field AS type_before,
                lag(valid_to) OVER field AS ended_before, lead(valid_from) OVER field AS next_from
            FROM import_ledger.fields WHERE object_type = $object_type
            WINDOW field AS (PARTITION BY key ORDER BY valid_from)
        ), changes AS (
            SELECT valid_from AS found_at, key, label, 'added' AS what, NULL AS before, NULL AS after
            FROM known WHERE valid_from > first AND ended_before IS NULL
            UNION ALL
            SELECT valid_from, key, label, 'back', NULL, NULL FROM known WHERE ended_before < valid_from
            UNION ALL
            SELECT valid_from, key, label, 'renamed', label_before, label
            FROM known WHERE ended_before = valid_from AND label <> label_before
            UNION ALL
            SELECT valid_from, key, label, 'retyped', type_before, field_type
            FROM known WHERE ended_before = valid_from AND field_type <> type_before
            UNION ALL
            SELECT valid_to, key, label, 'gone', NULL, NULL
            FROM known WHERE valid_to IS NOT NULL AND (next_from IS NULL OR next_from > valid_to)
        )
        SELECT * FROM changes ORDER BY found_at DESC, key, what LIMIT $count
        """,
        {"object_type": object_type, "count": count},
    ).fetchall()
    return [FieldChange(*row) for row in rows]


def field_list(connection: duckdb.DuckDBPyConnection, object_type: str) -> str | None:
    """The fields of an object type as an import has last read them, if one has."""
    if not has_ledger(connection):
        return None
    row = connection.execute(
        "SELECT content FROM import_ledger.field_lists WHERE object_type = ?", [object_type]
    ).fetchone()
    return str(row[0]) if row else None


def record_field_list(
    connection: duckdb.DuckDBPyConnection, object_type: str, content: str, now: datetime
) -> None:
    """Keep the fields of an object type as they were read, for whoever must not ask."""
    if field_list(connection, object_type) == content:
        return
    prepare(connection)
    connection.execute("DELETE FROM import_ledger.field_lists WHERE object_type = ?", [object_type])
    connection.execute("INSERT INTO import_ledger.field_lists VALUES (?, ?, ?)", [object_type, content, now])


def record_fields(
    connection: duckdb.DuckDBPyConnection, object_type: str, fields: Iterable[LedgerField], now: datetime
) -> list[str]:
    """Bring the history up to date.

    Returns:
        What changed, one sentence each: fields and options that are new, renamed, retyped or gone.
        Empty the first time an object type is seen.
    """
    fields = list(fields)
    silent = {field.key for field in fields if not field.is_own}
    known = _FIELDS.current(connection, object_type)
    changes = _FIELDS.update(
        connection,
        object_type,
        known,
        {(field.key,): (field.label, field.field_type, field.is_custom) for field in fields},
        now,
        silent,
    )
    changes += _OPTIONS.update(
        connection,
        object_type,
        _OPTIONS.current(connection, object_type),
        {(field.key, option): (label,) for field in fields for option, label in field.options},
        now,
        silent,
    )
    return changes if known else []


_Values = tuple[object, ...]
_Entries = dict[_Values, _Values]
"""The present values of fields or options by their keys."""


@dataclass(frozen=True, slots=True)
class _Table:
    """A table of the history: a row says what was true of a key from ``valid_from`` to ``valid_to``."""

    name: str
    kind: str
    keys: tuple[str, ...]
    values: tuple[str, ...]

    def current(self, connection: duckdb.DuckDBPyConnection, object_type: str) -> _Entries:
        rows = connection.execute(
            f"SELECT {', '.join(self.keys + self.values)} FROM import_ledger.{self.name} "
            "WHERE object_type = ? AND valid_to IS NULL",
            [object_type],
        ).fetchall()
        width = len(self.keys)
        return {row[:width]: row[width:] for row in rows}

    def update(
        self,
        connection: duckdb.DuckDBPyConnection,
        object_type: str,
        before: _Entries,
        after: _Entries,
        now: datetime,
        silent: Collection[str],
    ) -> list[str]:
        """End what is not true any more, begin what is; a sentence for each that changed, but silent ones."""
        ended = [key for key in before if after.get(key) != before[key]]
        begun = [key for key in after if before.get(key) != after[key]]
        if ended:
            matches = " AND ".join(f"t.{column} = e.{column}" for column in self.keys)
            connection.execute(
                f"UPDATE import_ledger.{self.name} AS t SET valid_to = $now FROM ({_rows(self.keys)}) AS e "
                f"WHERE t.object_type = $object_type AND t.valid_to IS NULL AND {matches}",
                {"now": now, "object_type": object_type, **_arrays(self.keys, ended)},
            )
        if begun:
            columns = self.keys + self.values
            connection.execute(
                f"INSERT INTO import_ledger.{self.name} SELECT $object_type, b.*, $now, NULL "
                f"FROM ({_rows(columns)}) AS b",
                {
                    "now": now,
                    "object_type": object_type,
                    **_arrays(columns, [key + after[key] for key in begun]),
                },
            )
        changed = dict.fromkeys(ended + begun)
        return [
            _sentence(self.kind, key, before.get(key), after.get(key))
            for key in changed
            if key[0] not in silent
        ]


_FIELDS = _Table("fields", "field", ("key",), ("label", "field_type", "is_custom"))
_OPTIONS = _Table("field_options", "option", ("key", "option_id"), ("label",))


def _rows(columns: Sequence[str]) -> str:
    # One statement for all rows: a field can have 10,000 options, and a statement for each takes seconds.
    return "SELECT " + ", ".join(f"unnest(${column}) AS {column}" for column in columns)


def _arrays(columns: Sequence[str], rows: Sequence[_Values]) -> dict[str, list[object]]:
    return {column: [row[index] for row in rows] for index, column in enumerate(columns)}


def _sentence(kind: str, key: _Values, before: _Values | None, after: _Values | None) -> str:
    name = " / ".join(map(str, key))
    if before is None:
        return f"{kind} {name} is new: {after[0] if after else ''}"
    if after is None:
        return f"{kind} {name} ({before[0]}) is gone at Pipedrive; its last values and labels are kept"
    changed = "renamed" if before[0] != after[0] else "changed"
    return f"{kind} {name} is {changed}: {_brief(before)} -> {_brief(after)}"


def _brief(values: _Values) -> str:
    return ", ".join(str(value) for value in values[:2])

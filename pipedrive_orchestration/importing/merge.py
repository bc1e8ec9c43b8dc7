"""The merge of typed rows into a source's table: the newer ``update_time`` wins, so merges commute.

Merging the same rows twice, late, or in another order ends in the same table. Everything here runs in
the transaction of the caller.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb

from pipedrive_orchestration.importing.context import ImportContext
from pipedrive_orchestration.importing.definition import DerivedColumn, Selection, named_columns
from pipedrive_orchestration.importing.report import RowCounts
from pipedrive_orchestration.sources import Options
from pipedrive_orchestration.warehouse.ledger import SettledPast
from pipedrive_orchestration.warehouse.references import NamedColumn, with_names
from pipedrive_orchestration.warehouse.sql import literal, quoted
from pipedrive_orchestration.warehouse.tables import HISTORY, PARENT_ID, ROWS, Column

_NEVER = "TIMESTAMPTZ '0001-01-01 00:00:00+00'"


@dataclass(frozen=True, slots=True)
class _Terms:
    """The terms of a merge.

    Attributes:
        window_key: SQL that gives the key of the window of ``_update_time``, or NULL.
        created: when the source was created, by Pipedrive's clock.
        now: when the rows come here.
        past: what history says already.
        without_parents: parents whose children are left out.
    """

    context: ImportContext
    window_key: str
    created: datetime
    now: datetime
    past: SettledPast
    without_parents: frozenset[str]

    @property
    def slug(self) -> str:
        """The source."""
        return self.context.source.slug

    @property
    def options(self) -> Options:
        """Whether archived records belong to it, versions are kept, and what becomes of who leaves it."""
        return self.context.source.options

    @property
    def columns(self) -> list[Column]:
        """The columns of its properties."""
        return [column.column for column in self.context.definition.columns]

    @property
    def names(self) -> list[NamedColumn]:
        """The columns of names."""
        return named_columns(self.context.definition.derived)

    @property
    def keys(self) -> list[str]:
        """The quoted names of all columns that come with a record."""
        keys = [*(column.key for column in self.columns), *(column.key for column in self.names)]
        if self.context.object_type.parent is not None:
            keys.append(PARENT_ID)
        return [quoted(key) for key in keys]

    @property
    def new_status(self) -> str:
        """SQL of the status of an incoming deal where it was another one before; NULL otherwise."""
        if self.context.object_type.name != "deals" or "status" not in {each.key for each in self.columns}:
            return "NULL::VARCHAR"
        is_other = "t._is_current AND t.status IS DISTINCT FROM i.status"
        return f"CASE WHEN {is_other} AND NOT i._is_deleted THEN i.status::VARCHAR END"

    @property
    def selection(self) -> Selection:
        """Which records belong to the source."""
        return self.context.definition.selection

    @property
    def incoming(self) -> str:
        """SQL of the incoming records with their names, to stand in a FROM clause."""
        if self.selection.derived or not self.names:
            return "incoming"
        return f"({with_names('incoming', self.names)})"

    @property
    def only_added_since(self) -> datetime | None:
        """Rows that are new here enter only if added since, where a source starts empty."""
        # Pipedrive's times are whole seconds, so the second of the creation counts as after it.
        return None if self.context.source.pull_existing else self.created.replace(microsecond=0)


@dataclass(frozen=True, slots=True)
class _Misfits:
    """How many records have values that do not fit, and how many have no usable id."""

    values: int
    records: int


def merge(
    connection: duckdb.DuckDBPyConnection,
    context: ImportContext,
    files: Sequence[Path],
    *,
    window_key: str,
    created: datetime,
    now: datetime,
    past: SettledPast,
    without_parents: frozenset[str] = frozenset(),
) -> dict[str | None, RowCounts]:
    """Merge typed files into the table of a source.

    Args:
        connection: the warehouse, in a transaction.
        context: the import. A row found removed after it began is not brought back by it.
        files: typed files.
        window_key: SQL that gives the key of the window of ``_update_time``, or NULL.
        created: when the source was created, by Pipedrive's clock.
        now: when the rows come here.
        past: what history says already, where versions are kept.
        without_parents: parents, by their ids as text, whose children are left out: there are newer ones.

    Returns:
        Row counts by window key; ``current`` is left at 0.
    """
    if not files:
        return {}
    terms = _Terms(context, window_key, created, now, past, without_parents)
    misfits = _collect(connection, files, terms)
    _judge(connection, terms)
    counts = _counts(connection)
    if any(each.inserted for each in counts.values()):
        _insert(connection, terms)
    if any(each.updated or each.removed for each in counts.values()):
        _update(connection, terms)
    if terms.options.history:
        _keep_versions(connection, terms)
    _clear_quarantine(connection, terms)
    if misfits.values:
        _quarantine_values(connection, terms)
    if misfits.records:
        _quarantine_records(connection, terms)
    if terms.options.on_leave == "delete":
        _take_out(connection, terms)
    incoming = "TABLE" if terms.selection.derived else "VIEW"
    connection.execute(
        f"DROP {incoming} incoming; DROP VIEW nameless; DROP TABLE verdicts; DROP TABLE outdated"
    )
    return counts


def _collect(connection: duckdb.DuckDBPyConnection, files: Sequence[Path], terms: _Terms) -> _Misfits:
    """Make ``incoming``: every record once, in its newest state, with why it is removed if it is."""
    listed = "[" + ", ".join(literal(str(file)) for file in files) + "]"
    rows = f"read_parquet({listed}, filename = 'file', file_row_number = true) WHERE _id IS NOT NULL"
    if terms.without_parents:
        left_out = ", ".join(map(literal, sorted(terms.without_parents)))
        rows += f" AND _parent_id::VARCHAR NOT IN ({left_out})"
    # Only few records come twice, so it is their older states that are listed, not everyone's newest.
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE outdated AS
        WITH twice AS (SELECT _id FROM {rows} GROUP BY _id HAVING count(*) > 1)
        SELECT file, file_row_number FROM {rows} AND _id IN (FROM twice) QUALIFY row_number() OVER (
            PARTITION BY _id ORDER BY _update_time DESC NULLS LAST, _page DESC, file_row_number DESC
        ) > 1
        """
    )
    archived = "" if terms.options.include_archived else "WHEN _is_archived THEN 'archived' "
    newest = f"FROM {rows}"
    found = connection.execute(
        "SELECT (SELECT count(*) FROM outdated), count(_misfits) FILTER (_id IS NOT NULL), "
        f"count(*) FILTER (_id IS NULL) FROM read_parquet({listed})"
    ).fetchone()
    assert found is not None
    outdated, *misfits = found
    if outdated:
        newest += " AND (file, file_row_number) NOT IN (FROM outdated)"
    removal = f"CASE WHEN _is_deleted THEN 'deleted' {archived}WHEN NOT _matches THEN 'left_segment' END"
    if terms.selection.derived:
        _select_by_names(connection, newest, removal, terms)
    else:
        connection.execute(
            f"CREATE OR REPLACE TEMP VIEW incoming AS SELECT *, {removal} AS _removal {newest}"
        )
    connection.execute(
        f"CREATE OR REPLACE TEMP VIEW nameless AS SELECT unnest(_misfits).value AS record "
        f"FROM read_parquet({listed}) WHERE _id IS NULL"
    )
    return _Misfits(*misfits)


def _select_by_names(connection: duckdb.DuckDBPyConnection, newest: str, removal: str, terms: _Terms) -> None:
    """Make ``incoming`` where the filter looks at names behind references; no view takes its values."""
    columns = {column.key: column for column in (*named_columns(terms.selection.derived), *terms.names)}
    named = with_names(f"(SELECT * {newest})", list(columns.values()))
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE incoming AS SELECT *, {removal} AS _removal "
        f"FROM (SELECT * REPLACE ({terms.selection.predicate} AS _matches) FROM ({named}))",
        dict(terms.selection.values),
    )


def _judge(connection: duckdb.DuckDBPyConnection, terms: _Terms) -> None:
    keys = [quoted(column.key) for column in terms.columns]
    differs = " OR ".join(
        [
            *(f"t.{key} IS DISTINCT FROM i.{key}" for key in keys),
            "t._update_time IS DISTINCT FROM i._update_time",
            "t._is_archived <> i._is_archived",
            "t._removal IS DISTINCT FROM i._removal",
        ]
    )
    enters = "i._removal IS NULL"
    if terms.only_added_since is not None:
        enters += " AND coalesce(i._add_time >= $only_added_since, false)"
    parameters: dict[str, object] = {
        "started_at": terms.context.started_at,
        "now": terms.now,
        "has_filter": terms.context.source.filters is not None,
    }
    if terms.only_added_since is not None:
        parameters["only_added_since"] = terms.only_added_since
    known = ", t._update_time AS known" if terms.options.history else ""
    connection.execute(
        f"""
        CREATE TEMP TABLE verdicts AS
        SELECT i._id, {terms.window_key} AS bucket{known},
            i._removal IS NOT DISTINCT FROM 'deleted' AS is_deleted,
            {terms.new_status} AS new_status,
            CASE
                WHEN t._id IS NULL THEN CASE WHEN {enters} THEN 'insert' ELSE 'pass' END
                WHEN coalesce(i._update_time, {_NEVER}) < coalesce(t._update_time, {_NEVER}) THEN 'pass'
                WHEN NOT t._is_current AND t._removed_at > $started_at AND t._removed_at <= $now
                        AND t._removal <> 'left_segment' THEN 'pass'
                WHEN NOT ({differs}) THEN 'same'
                WHEN i._removal IS NULL THEN 'update'
                -- A list shows a merged record as deleted; only the recents feed knows better.
                WHEN t._removal = 'merged' AND i._removal = 'deleted' THEN 'pass'
                -- What becomes of a record outside the segment is no change of the source. A source without
                -- a filter has none: a deviating run has said so.
                WHEN t._removal = 'left_segment' AND $has_filter THEN 'pass'
                ELSE 'remove'
            END AS verdict
        FROM incoming AS i LEFT JOIN {quoted(ROWS, terms.slug)} AS t USING (_id)
        """,
        parameters,
    )


def _insert(connection: duckdb.DuckDBPyConnection, terms: _Terms) -> None:
    keys = terms.keys
    named = ", ".join(["_id", *keys, "_update_time", "_first_imported_at", "_imported_at", "_is_archived",
                       "_is_current"])  # fmt: skip
    values = ", ".join(["i._id", *(f"i.{key}" for key in keys), "i._update_time", "$now", "$now",
                        "i._is_archived", "true"])  # fmt: skip
    connection.execute(
        f"INSERT INTO {quoted(ROWS, terms.slug)} ({named}) SELECT {values} "
        f"FROM {terms.incoming} AS i "
        "SEMI JOIN (SELECT _id FROM verdicts WHERE verdict = 'insert') AS v USING (_id)",
        {"now": terms.now},
    )


def _update(connection: duckdb.DuckDBPyConnection, terms: _Terms) -> None:
    keys = terms.keys
    # A removed record comes with its last values; its row keeps them and says since when it is gone.
    assignments = ", ".join(
        [
            *(f"{key} = i.{key}" for key in keys),
            "_update_time = i._update_time",
            "_imported_at = $now",
            "_is_archived = i._is_archived",
            "_is_current = i._removal IS NULL",
            "_removed_at = CASE WHEN i._removal IS NOT NULL THEN $now END",
            "_removal = i._removal",
        ]
    )
    connection.execute(
        f"UPDATE {quoted(ROWS, terms.slug)} AS t SET {assignments} FROM "
        f"(SELECT i.* FROM {terms.incoming} AS i "
        "SEMI JOIN (SELECT _id FROM verdicts WHERE verdict IN ('update', 'remove')) AS v USING (_id)) AS i "
        "WHERE t._id = i._id",
        {"now": terms.now},
    )


def _keep_versions(connection: duckdb.DuckDBPyConnection, terms: _Terms) -> None:
    """End the versions of what has changed, and begin new ones.

    A version begins when Pipedrive says that the record changed. Where the record has not changed, but what
    is seen of it or what the filter asks for, or where the change lies in a past that answers were given of,
    it begins now.
    """
    history = quoted(HISTORY, terms.slug)
    keys = terms.keys
    named = ", ".join(["_id", *keys, "_update_time", "_is_archived", "_valid_from"])
    values = ", ".join(
        ["i._id", *(f"i.{key}" for key in keys), "i._update_time", "i._is_archived", "c.begun"]
    )
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE changed AS
        WITH dated AS (
            SELECT i._id, v.verdict, v.bucket, CASE
                WHEN v.verdict = 'insert' THEN coalesce(i._update_time, i._add_time, $now)
                WHEN i._update_time > coalesce(v.known, {_NEVER}) THEN i._update_time
                ELSE $now END AS begun
            FROM incoming AS i JOIN verdicts AS v USING (_id)
            WHERE v.verdict IN ('insert', 'update', 'remove')
        ), last AS (
            SELECT _id, max(greatest(_valid_from, _valid_to)) AS instant
            FROM {history} SEMI JOIN dated USING (_id) GROUP BY _id
        )
        SELECT d._id, d.verdict, greatest(l.instant, CASE
            WHEN d.begun >= $settled THEN d.begun
            -- Of a window that is read for the first time nothing was said before.
            WHEN l.instant IS NULL AND d.bucket IS NOT NULL AND NOT list_contains($answered, d.bucket)
                THEN d.begun
            ELSE $now END) AS begun
        FROM dated AS d LEFT JOIN last AS l USING (_id)
        """,
        {
            "now": terms.context.clock.at_pipedrive(terms.now),
            "settled": terms.past.until,
            "answered": list(terms.past.windows),
        },
    )
    connection.execute(
        f"UPDATE {history} AS h SET _valid_to = c.begun FROM changed AS c "
        "WHERE h._id = c._id AND h._valid_to IS NULL"
    )
    connection.execute(
        f"INSERT INTO {history} ({named}) SELECT {values} "
        f"FROM {terms.incoming} AS i JOIN changed AS c ON c._id = i._id AND c.verdict <> 'remove'"
    )
    connection.execute("DROP TABLE changed")


def _clear_quarantine(connection: duckdb.DuckDBPyConnection, terms: _Terms) -> None:
    connection.execute(
        "DELETE FROM import_ledger.quarantine WHERE source = ? AND record_id IN "
        "(SELECT _id::VARCHAR FROM verdicts WHERE verdict <> 'pass')",
        [terms.slug],
    )


def _quarantine_values(connection: duckdb.DuckDBPyConnection, terms: _Terms) -> None:
    kinds = ", ".join(f"({literal(column.key)}, {literal(column.field_type)})" for column in terms.columns)
    connection.execute(
        f"""
        INSERT INTO import_ledger.quarantine
        SELECT $source, i._id::VARCHAR, i.misfit.property, k.field_type, i.misfit.value,
            'does not fit ' || k.field_type, $import_id, $now
        FROM (SELECT _id, unnest(_misfits) AS misfit FROM incoming WHERE _misfits IS NOT NULL) AS i
        JOIN (VALUES {kinds}) AS k(property, field_type) ON k.property = i.misfit.property
        SEMI JOIN (SELECT _id FROM verdicts WHERE verdict <> 'pass') AS v ON v._id = i._id
        """,
        {"source": terms.slug, "import_id": terms.context.request.import_id, "now": terms.now},
    )


def _quarantine_records(connection: duckdb.DuckDBPyConnection, terms: _Terms) -> None:
    connection.execute(
        """
        INSERT INTO import_ledger.quarantine
        SELECT $source, NULL, 'id', 'id', record, 'no usable id', $import_id, $now
        FROM (SELECT DISTINCT record FROM nameless) AS n
        ANTI JOIN (FROM import_ledger.quarantine WHERE source = $source AND record_id IS NULL) AS q
            ON q.value = n.record
        """,
        {"source": terms.slug, "import_id": terms.context.request.import_id, "now": terms.now},
    )


def _take_out(connection: duckdb.DuckDBPyConnection, terms: _Terms) -> None:
    left = (
        "SELECT i._id FROM incoming AS i JOIN verdicts AS v USING (_id) "
        "WHERE v.verdict = 'remove' AND i._removal = 'left_segment'"
    )
    connection.execute(f"DELETE FROM {quoted(ROWS, terms.slug)} WHERE _id IN ({left})")
    connection.execute(
        "DELETE FROM import_ledger.quarantine WHERE source = ? AND record_id IN "
        f"(SELECT _id::VARCHAR FROM ({left}))",
        [terms.slug],
    )


def update_names(
    connection: duckdb.DuckDBPyConnection, slug: str, derived: Sequence[DerivedColumn], now: datetime
) -> int:
    """Bring the names in the current rows of a source up to date with those that are known.

    The record itself has not changed: its ``_update_time`` stays, and it has no other version.

    Returns:
        How many rows had others.
    """
    columns = named_columns(derived)
    if not columns:
        return 0
    references = {quoted(column.reference) for column in columns}
    before = [f"{quoted(column.key)} AS before_{number}" for number, column in enumerate(columns)]
    rows = f"(SELECT {', '.join(['_id', *references, *before])} FROM {quoted(ROWS, slug)} WHERE _is_current)"
    differs = " OR ".join(
        f"before_{number} IS DISTINCT FROM {quoted(column.key)}" for number, column in enumerate(columns)
    )
    keys = ", ".join(quoted(column.key) for column in columns)
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE renamed AS SELECT _id, {keys} FROM ({with_names(rows, columns)}) "
        f"WHERE {differs}"
    )
    assignments = ", ".join(f"{quoted(column.key)} = n.{quoted(column.key)}" for column in columns)
    # A sync takes over whatever came here since it looked last.
    changed = connection.execute(
        f"UPDATE {quoted(ROWS, slug)} AS t SET {assignments}, _imported_at = $now FROM renamed AS n "
        "WHERE t._id = n._id",
        {"now": now},
    ).fetchone()
    connection.execute("DROP TABLE renamed")
    return int(changed[0]) if changed else 0


def _counts(connection: duckdb.DuckDBPyConnection) -> dict[str | None, RowCounts]:
    rows = connection.execute(
        """
        SELECT bucket, count(*) FILTER (WHERE NOT is_deleted OR verdict = 'remove'),
            count(*) FILTER (WHERE verdict = 'insert'),
            count(*) FILTER (WHERE verdict = 'update'), count(*) FILTER (WHERE verdict = 'remove'),
            count(*) FILTER (WHERE verdict IN ('update', 'remove') AND new_status = 'won'),
            count(*) FILTER (WHERE verdict IN ('update', 'remove') AND new_status = 'lost')
        FROM verdicts GROUP BY bucket
        """
    ).fetchall()
    return {
        bucket: RowCounts(read, inserted, updated, removed, won=won, lost=lost)
        for bucket, read, inserted, updated, removed, won, lost in rows
    }

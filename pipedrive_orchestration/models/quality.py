"""The findings of the model `data_quality`: which last, which are new and which are gone."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import duckdb

from pipedrive_orchestration.models.catalogue import read_entries
from pipedrive_orchestration.models.dbt_project import SCHEMA
from pipedrive_orchestration.models.errors import ModelsError, UnknownRuleError
from pipedrive_orchestration.warehouse import quoted
from pipedrive_orchestration.warehouse.catalog import column_types

MODEL = "data_quality"
"""The model of findings."""

RULES = "quality_rules"
"""The seed of the rules."""

MOST = 1_000_000
"""Findings that are listed at most."""

PERIOD = timedelta(days=1)
"""What is compared with, if nothing else is said: the day before."""


class Severity(StrEnum):
    """How bad a finding is, the worst first."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"

    def is_at_least(self, other: Severity) -> bool:
        """Whether it is as bad as another one, or worse."""
        order = list(Severity)
        return order.index(self) <= order.index(other)


class State(StrEnum):
    """What has become of a finding.

    A new one lasts as well: it was first seen within the period. One that is gone was resolved within it.
    """

    LASTING = "lasting"
    NEW = "new"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule, as the seed says."""

    name: str
    description: str
    severity: Severity


@dataclass(frozen=True, slots=True)
class RuleFindings:
    """The findings of a rule, in numbers.

    Attributes:
        rule: its name.
        description: what it finds.
        severity: how bad that is.
        now: findings that last.
        before: those that lasted when the period began; None if the model was first built within it.
        new: those of now that were first seen within the period.
        gone: those that were resolved within it.
        oldest: since when the oldest of now is known.
    """

    rule: str
    description: str
    severity: Severity
    now: int
    before: int | None
    new: int
    gone: int
    oldest: datetime | None

    @property
    def has_more(self) -> bool:
        """Whether there are more of them than when the period began."""
        return self.before is not None and self.now > self.before


@dataclass(frozen=True, slots=True)
class Finding:
    """A finding, from when it was first seen until it is resolved."""

    rule: str
    severity: Severity
    state: State
    object_type: str
    object_id: str
    name: str | None
    owner: str | None
    since: datetime
    resolved_at: datetime | None


@dataclass(frozen=True, slots=True)
class Quality:
    """The findings of the last build.

    Attributes:
        as_of: the instant of that build.
        since: the beginning of the period.
        rules: every rule that applies or has findings, the worst first.
        findings: the first of those that were asked for, the worst first.
        count: how many of those there are.
    """

    as_of: datetime
    since: datetime
    rules: tuple[RuleFindings, ...]
    findings: tuple[Finding, ...] = ()
    count: int = 0

    def worst(self) -> Severity | None:
        """The severity of the worst finding that lasts; None where there is none."""
        return next((one.severity for one in self.rules if one.now), None)


def read_quality(
    connection: duckdb.DuckDBPyConnection,
    *,
    since: datetime | None = None,
    rules: Sequence[str] = (),
    severity: Severity = Severity.INFO,
    states: Sequence[State] = (State.NEW, State.LASTING),
    limit: int | None = None,
    limit_by_rule: int | None = None,
) -> Quality:
    """The findings of the last build.

    Args:
        connection: the database.
        since: the beginning of the period; a day before the build if None.
        rules: names of rules; all of them if empty.
        severity: what is less bad is left out.
        states: which findings are listed.
        limit: how many of them at most, all of them if None; the numbers by rule are of all.
        limit_by_rule: how many of each rule at most.

    Raises:
        ModelsError: the model has not been built.
        UnknownRuleError: there is no such rule.
    """
    columns = column_types(connection, SCHEMA, MODEL)
    entry = read_entries(connection).get(MODEL)
    if not columns or entry is None:
        raise ModelsError(
            f"There is no table of the model {MODEL} yet: run `pipedrive-orchestration models build`. "
            "`pipedrive-orchestration check` says which sources it needs."
        )
    first = since or entry.as_of - PERIOD
    known = (entry.first_as_of or entry.as_of) <= first
    # Projects of before have a model and a seed that do not know of severity.
    badness = "severity" if "severity" in columns else f"'{Severity.WARNING}'"
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE found AS SELECT *, "
        f"CASE WHEN resolved_at IS NULL THEN CASE WHEN since > $since THEN '{State.NEW}' "
        f"ELSE '{State.LASTING}' END WHEN resolved_at > $since THEN '{State.GONE}' END AS state, "
        f"{badness} AS badness "
        f"FROM {quoted(SCHEMA, MODEL)}",
        {"since": first},
    )
    counted = _counted(connection, first, is_known=known)
    unknown = set(rules) - {one.rule for one in counted}
    if unknown:
        raise UnknownRuleError(unknown, [one.rule for one in counted])
    kept = [one for one in counted if one.severity.is_at_least(severity) and (not rules or one.rule in rules)]
    findings, count = _listed(connection, [one.rule for one in kept], states, limit, limit_by_rule)
    connection.execute("DROP TABLE found")
    return Quality(entry.as_of, first, tuple(kept), findings, count)


def _counted(connection: duckdb.DuckDBPyConnection, since: datetime, *, is_known: bool) -> list[RuleFindings]:
    rules = column_types(connection, SCHEMA, RULES)
    severity = "severity" if "severity" in rules else "NULL"
    seeded = (
        f"SELECT rule, description, {severity} AS severity FROM {quoted(SCHEMA, RULES)} WHERE enabled"
        if rules
        else "SELECT NULL AS rule, NULL AS description, NULL AS severity WHERE false"
    )
    rows = connection.execute(
        f"WITH seeded AS ({seeded}) "
        "SELECT coalesce(seeded.rule, found.rule) AS rule, "
        "coalesce(any_value(seeded.description), '') AS description, "
        "coalesce(any_value(seeded.severity), any_value(found.badness)) AS severity, "
        "count(*) FILTER (WHERE found.rule IS NOT NULL AND resolved_at IS NULL) AS now, "
        "count(*) FILTER (WHERE since <= $since AND (resolved_at IS NULL OR resolved_at > $since)), "
        f"count(*) FILTER (WHERE state = '{State.NEW}'), count(*) FILTER (WHERE state = '{State.GONE}'), "
        "min(since) FILTER (WHERE resolved_at IS NULL) "
        "FROM seeded FULL JOIN found ON found.rule = seeded.rule GROUP BY 1",
        {"since": since},
    ).fetchall()
    found = [
        RuleFindings(
            rule, description, severity_of(badness), now, before if is_known else None, new, gone, oldest
        )
        for rule, description, badness, now, before, new, gone, oldest in rows
    ]
    order = list(Severity)
    return sorted(found, key=lambda one: (order.index(one.severity), -one.now, one.rule))


def _listed(
    connection: duckdb.DuckDBPyConnection,
    rules: Sequence[str],
    states: Sequence[State],
    limit: int | None,
    limit_by_rule: int | None,
) -> tuple[tuple[Finding, ...], int]:
    chosen = "list_contains($rules, rule) AND list_contains($states, state)"
    asked: dict[str, Any] = {"rules": list(rules), "states": [str(one) for one in states]}
    order = "since DESC, try_cast(object_id AS BIGINT), object_id"
    counted = connection.execute(f"SELECT count(*) FROM found WHERE {chosen}", asked).fetchone()
    rows = connection.execute(
        "SELECT rule, badness, state, object_type, object_id, name, owner, since, resolved_at FROM found "
        f"WHERE {chosen} QUALIFY $each IS NULL OR row_number() OVER ("
        f"PARTITION BY rule ORDER BY {order}) <= $each "
        f"ORDER BY list_position($rules, rule), {order} LIMIT $limit",
        {**asked, "limit": MOST if limit is None else limit, "each": limit_by_rule},
    ).fetchall()
    findings = tuple(
        Finding(rule, severity_of(badness), State(state), *rest) for rule, badness, state, *rest in rows
    )
    return findings, counted[0] if counted else 0


def severity_of(text: str | None) -> Severity:
    """The severity that a seed names; what it does not know is a warning."""
    return Severity(text) if text in list(Severity) else Severity.WARNING


def rules_in(content: str) -> tuple[Rule, ...]:
    """The rules of the seed that apply, as its file says.

    Args:
        content: the file, CSV.
    """
    return tuple(
        Rule(row["rule"], row.get("description") or "", severity_of(row.get("severity")))
        for row in csv.DictReader(io.StringIO(content))
        if row.get("rule") and (row.get("enabled") or "").strip().lower() in ("true", "t", "1")
    )

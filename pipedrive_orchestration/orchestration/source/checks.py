"""The asset checks of a source: evaluated after every import, and by themselves from its page.

All of them read the warehouse once and briefly. None asks the account for anything: rows are compared
with the records that a pull of all windows has read, so the comparison costs no token.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

import dagster as dg
import duckdb

from pipedrive_orchestration.importing import ImportReport, windows_until
from pipedrive_orchestration.orchestration.context import ProjectContext
from pipedrive_orchestration.orchestration.cosmetics import shown
from pipedrive_orchestration.orchestration.sensors import freshness
from pipedrive_orchestration.orchestration.source.table_metadata import markdown_table
from pipedrive_orchestration.services.dagster_internals import last_verdict
from pipedrive_orchestration.services.freshness import freshness_in
from pipedrive_orchestration.sources import Source
from pipedrive_orchestration.warehouse import ledger, quoted
from pipedrive_orchestration.warehouse.field_history import drifted_fields
from pipedrive_orchestration.warehouse.tables import ROWS, column_types
from pipedrive_orchestration.warehouse.window_readings import window_states

MAX_LISTED = 20

RECONCILIATION_TOLERANCE = timedelta(days=1)
"""How long a window that is due may wait for tokens and ticks before it is called late."""


@dataclass(frozen=True, slots=True)
class _Evaluation:
    """What a check may look at; ``report`` is that of the import which has just ended, if any."""

    connection: duckdb.DuckDBPyConnection
    context: dg.AssetExecutionContext
    source: Source
    project: ProjectContext
    report: ImportReport | None
    now: datetime


@dataclass(frozen=True, slots=True)
class _Check:
    name: str
    description: str
    evaluate: Callable[[_Evaluation], dg.AssetCheckResult | None]


def check_specs_of(source: Source, project: ProjectContext) -> list[dg.AssetCheckSpec]:
    """The checks that a source has."""
    return [
        dg.AssetCheckSpec(
            check.name,
            asset=project.names.asset_key(source.slug),
            description=check.description,
        )
        for check in _checks_of(source)
    ]


def evaluate_checks(
    context: dg.AssetExecutionContext, source: Source, project: ProjectContext, report: ImportReport | None
) -> Iterator[dg.AssetCheckResult]:
    """The results of the checks that a run has selected.

    One that has nothing new to say, or cannot be evaluated, says what it said last; Dagster would take its
    silence for a failure where the run fails.
    """
    selected = {key.name for key in context.selected_asset_check_keys}
    checks = [check for check in _checks_of(source) if check.name in selected]
    evaluated = partial(_evaluated, checks, context, source, project, report)
    results = shown(context.log, "new verdicts of the checks", evaluated) or {}
    for check in checks:
        key = dg.AssetCheckKey(project.names.asset_key(source.slug), check.name)
        result = results.get(check.name) or _last_result(context, key)
        if result is not None:
            yield result


def evaluate_checks_after_failure(
    context: dg.AssetExecutionContext, source: Source, project: ProjectContext
) -> Iterator[dg.AssetCheckResult]:
    """The results of the selected checks where the import failed: Dagster takes silence for a failure."""
    said = set()
    for result in evaluate_checks(context, source, project, None):
        said.add(result.check_name)
        yield result
    for key in context.selected_asset_check_keys:
        if key.name not in said:
            yield dg.AssetCheckResult(
                asset_key=key.asset_key,
                check_name=key.name,
                passed=True,
                severity=dg.AssetCheckSeverity.WARN,
                description="There was nothing to look at yet.",
            )


def _evaluated(
    checks: Sequence[_Check],
    context: dg.AssetExecutionContext,
    source: Source,
    project: ProjectContext,
    report: ImportReport | None,
) -> dict[str, dg.AssetCheckResult | None]:
    warehouse = project.warehouse(context.resources).warehouse()
    if not warehouse.exists:
        return {}
    with warehouse.reading() as connection:
        if not column_types(connection, source.slug):
            return {}
        evaluation = _Evaluation(connection, context, source, project, report, datetime.now(UTC))
        return {
            check.name: shown(
                context.log, f"findings of the check {check.name}", partial(check.evaluate, evaluation)
            )
            for check in checks
        }


def _last_result(context: dg.AssetExecutionContext, key: dg.AssetCheckKey) -> dg.AssetCheckResult | None:
    last = shown(context.log, "earlier verdicts of the checks", lambda: last_verdict(context.instance, key))
    if last is None:
        return None
    return dg.AssetCheckResult(
        asset_key=key.asset_key,
        check_name=key.name,
        passed=last.passed,
        severity=last.severity,
        description=last.description,
        metadata=last.metadata,
    )


def _checks_of(source: Source) -> list[_Check]:
    left_out = set() if source.schedule else {freshness.CHECK_NAME}
    left_out |= set() if source.type.partitioned else {"matches_definition", "windows_reconciled"}
    return [check for check in _CHECKS if check.name not in left_out]


def _unique_ids(evaluation: _Evaluation) -> dg.AssetCheckResult:
    rows, ids = _row(
        evaluation,
        f"SELECT count(*), count(DISTINCT _id) FROM {quoted(ROWS, evaluation.source.slug)}",
    )
    return _result(
        evaluation,
        "unique_ids",
        "" if rows == ids else f"{rows - ids:,} rows share their id with another one.",
        {"rows": rows, "distinct_ids": ids},
        severity=dg.AssetCheckSeverity.ERROR,
    )


def _quarantine_empty(evaluation: _Evaluation) -> dg.AssetCheckResult:
    groups = evaluation.connection.execute(
        "SELECT property, field_type, reason, count(*) AS records FROM import_ledger.quarantine "
        "WHERE source = ? GROUP BY ALL ORDER BY records DESC, property",
        [evaluation.source.slug],
    ).fetchall()
    values = sum(group[-1] for group in groups)
    listed = [[str(cell) for cell in group] for group in groups[:MAX_LISTED]]
    return _result(
        evaluation,
        "quarantine_empty",
        f"{values:,} values did not fit their type; see import_ledger.quarantine." if groups else "",
        {"values": values, **_table("quarantined", ["property", "field type", "reason", "values"], listed)},
    )


def _schema_drift(evaluation: _Evaluation) -> dg.AssetCheckResult:
    source = evaluation.source
    drifted = drifted_fields(evaluation.connection, source.object_type, source.properties, evaluation.now)
    listed = [[field.key, field.label, field.drift] for field in drifted]
    return _result(
        evaluation,
        "schema_drift",
        f"{len(drifted)} properties are not what they were at Pipedrive." if drifted else "",
        {
            "properties": len(source.properties),
            **_table("drifted", ["property", "label", "drift"], listed),
        },
    )


def _freshness(evaluation: _Evaluation) -> dg.AssetCheckResult | None:
    source, project = evaluation.source, evaluation.project
    stopped = (
        project.names.schedule(source.slug)
        in project.schedules(evaluation.context.op_execution_context).stopped()
    )
    state = freshness_in(evaluation.connection, source, evaluation.now, stopped=stopped)
    return freshness.check_result(state, project.names.asset_key(source.slug)) if state else None


def _count_reconciliation(evaluation: _Evaluation) -> dg.AssetCheckResult | None:
    """None unless everything was read; a filter lets fewer rows in than were read."""
    report, source = evaluation.report, evaluation.source
    # What is read again after changes comes twice.
    if (
        report is None
        or report.skipped
        or report.reconciled
        or not _read_everything(report, source, evaluation.now)
    ):
        return None
    read, current = report.rows.read, report.rows.current
    everything_enters = source.filters is None and source.pull_existing
    # A deletion that the list itself told of was read as well.
    passed = current <= read <= current + (report.rows.removed if everything_enters else read)
    return _result(
        evaluation,
        "count_reconciliation",
        "" if passed else f"{read:,} records were read and {current:,} rows are current.",
        {"records_read": read, "rows_current": current},
    )


def _matches_definition(evaluation: _Evaluation) -> dg.AssetCheckResult:
    source = evaluation.source
    known = ledger.watermark_of(evaluation.connection, source.slug)
    states = window_states(evaluation.connection, source.slug)
    own = known.definition if known else None
    deviating = [key for key, state in sorted(states.items()) if own and state.definition not in (None, own)]
    return _result(
        evaluation,
        "matches_definition",
        f"{len(deviating)} windows were last read under another definition than the source's, "
        "as by a run whose config was changed; the next scheduled run reads them again."
        if deviating
        else "",
        {
            "windows": len(states),
            "deviating": len(deviating),
            **_table("deviating_windows", ["window"], [[key] for key in deviating[:MAX_LISTED]]),
        },
    )


def _windows_reconciled(evaluation: _Evaluation) -> dg.AssetCheckResult | None:
    """None before the first complete reading of a window."""
    source = evaluation.source
    states = window_states(evaluation.connection, source.slug)
    read = {key: state.read_at for key, state in states.items() if state.read_at}
    if not read:
        return None
    oldest = min(read, key=lambda key: read[key])
    known = ledger.watermark_of(evaluation.connection, source.slug)
    now = known.at_pipedrive(evaluation.now) if known else evaluation.now
    age, after = now - read[oldest], source.options.reconcile_after
    late = after is not None and age > after + RECONCILIATION_TOLERANCE
    return _result(
        evaluation,
        "windows_reconciled",
        f"The window {oldest} was last read completely {age.days} days ago; scheduled runs read "
        "the oldest windows again as far as a tenth of the day's tokens goes."
        if late
        else "",
        {
            "oldest_window": oldest,
            "oldest_reading": dg.MetadataValue.timestamp(read[oldest]),
            "in_doubt": sum(state.doubt is not None for state in states.values()),
            "reconcile": source.options.reconcile,
        },
    )


def _read_everything(report: ImportReport, source: Source, now: datetime) -> bool:
    if not source.type.partitioned:
        return True
    read = {window.window.key for window in report.windows if window.window}
    return read >= {window.key for window in windows_until(source, now)}


_CHECKS = (
    _Check(
        "matches_definition",
        "Every window was last read as the source's file says.",
        _matches_definition,
    ),
    _Check(
        "windows_reconciled",
        "Every window was read completely within the time of options.reconcile.",
        _windows_reconciled,
    ),
    _Check("unique_ids", "Every record is one row.", _unique_ids),
    _Check(
        "quarantine_empty", "Every value fits the type that its field has at Pipedrive.", _quarantine_empty
    ),
    _Check("schema_drift", "The properties are at Pipedrive what they were.", _schema_drift),
    _Check(
        freshness.CHECK_NAME,
        "Changes are loaded up to the last tick of the source's own schedule.",
        _freshness,
    ),
    _Check(
        "count_reconciliation",
        "There are as many rows as the account has records. Evaluated after a pull of all windows, which "
        "has read every record; costs no tokens of its own.",
        _count_reconciliation,
    ),
)


def _result(
    evaluation: _Evaluation,
    name: str,
    problem: str,
    metadata: Mapping[str, dg.RawMetadataValue],
    severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.WARN,
) -> dg.AssetCheckResult:
    """The result of a check, which passes where there is no problem to tell of."""
    return dg.AssetCheckResult(
        asset_key=evaluation.project.names.asset_key(evaluation.source.slug),
        check_name=name,
        passed=not problem,
        severity=severity,
        description=problem or None,
        metadata=metadata,
    )


def _table(key: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> dict[str, dg.MetadataValue]:
    """An entry that lists what is wrong; none where nothing is."""
    return {key: dg.MetadataValue.md(markdown_table(header, rows))} if rows else {}


def _row(evaluation: _Evaluation, sql: str) -> tuple[int, ...]:
    row = evaluation.connection.execute(sql).fetchone()
    assert row is not None
    return tuple(row)

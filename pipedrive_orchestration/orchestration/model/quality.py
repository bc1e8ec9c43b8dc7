"""The rules of data quality as checks: are there more findings than the day before?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import dagster as dg

from pipedrive_orchestration.models.build import BuildReport
from pipedrive_orchestration.models.quality import (
    Quality,
    RuleFindings,
    Severity,
    State,
    read_quality,
)
from pipedrive_orchestration.orchestration.context import ProjectContext
from pipedrive_orchestration.orchestration.cosmetics import shown
from pipedrive_orchestration.orchestration.model.loading import ModelAsset
from pipedrive_orchestration.orchestration.source.table_metadata import markdown_table

NEW_SHOWN = 20
"""New findings that a check shows at most."""


def quality_check_specs(model: ModelAsset, key: dg.AssetKey) -> Iterator[dg.AssetCheckSpec]:
    """A check for each rule of the model of findings; none of any other model."""
    for rule in model.rules:
        yield dg.AssetCheckSpec(
            check_name(rule.name),
            asset=key,
            description=f"{rule.description}: are there more of them than the day before?",
        )


def check_name(rule: str) -> str:
    """The name of a rule's check."""
    return f"findings_{rule}"


def quality_results(
    context: dg.AssetExecutionContext,
    project: ProjectContext,
    chosen: Sequence[ModelAsset],
    report: BuildReport,
) -> Iterator[dg.AssetCheckResult]:
    """The checks of a build that made the model of findings."""
    for model in chosen:
        if not model.rules or model.name not in report.swapped:
            continue
        key = project.names.model_key(model.name)
        selected = context.selected_asset_check_keys
        wanted = {one.name for one in model.rules if dg.AssetCheckKey(key, check_name(one.name)) in selected}
        found = shown(context.log, "findings", lambda: _read(context, project)) if wanted else None
        if found:
            # A rule may have been switched off since the files were read for Dagster.
            yield from (_result(context, rule, found, key) for rule in found.rules if rule.rule in wanted)


def _read(context: dg.AssetExecutionContext, project: ProjectContext) -> Quality:
    with project.warehouse(context.resources).warehouse().reading() as connection:
        return read_quality(connection, states=[State.NEW], limit_by_rule=NEW_SHOWN)


def _result(
    context: dg.AssetExecutionContext, rule: RuleFindings, found: Quality, key: dg.AssetKey
) -> dg.AssetCheckResult:
    metadata = shown(context.log, f"figures of {rule.rule}", lambda: _metadata(rule, found))
    return dg.AssetCheckResult(
        passed=not rule.has_more,
        asset_key=key,
        check_name=check_name(rule.rule),
        severity=dg.AssetCheckSeverity.ERROR
        if rule.severity is Severity.ERROR
        else dg.AssetCheckSeverity.WARN,
        description=_sentence(rule),
        metadata=metadata or {},
    )


def _sentence(rule: RuleFindings) -> str:
    if rule.before is None:
        return f"{rule.now:,} findings; how many there were the day before is not known yet."
    return f"{rule.now:,} findings, {rule.before:,} the day before; {rule.new:,} new, {rule.gone:,} gone."


def _metadata(rule: RuleFindings, found: Quality) -> dict[str, dg.MetadataValue]:
    rows = [
        [f"{one.object_type} {one.object_id}", one.name, one.owner, f"{one.since:%Y-%m-%d %H:%M}"]
        for one in found.findings
        if one.rule == rule.rule
    ]
    figures: dict[str, dg.MetadataValue] = {
        "findings": dg.MetadataValue.int(rule.now),
        "new": dg.MetadataValue.int(rule.new),
        "gone": dg.MetadataValue.int(rule.gone),
    }
    if rule.before is not None:
        figures["the day before"] = dg.MetadataValue.int(rule.before)
    if rows:
        figures["new findings"] = dg.MetadataValue.md(
            markdown_table(["record", "name", "owner", "first seen"], rows)
        )
    return figures

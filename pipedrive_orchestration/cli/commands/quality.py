"""``quality``: what the models find wrong with the account's data."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.table import Table

from pipedrive_orchestration.cli.arguments import AsJson
from pipedrive_orchestration.cli.environment import Environment
from pipedrive_orchestration.cli.errors import explained
from pipedrive_orchestration.cli.exit_codes import FAILED
from pipedrive_orchestration.cli.output import err, out, print_json, say
from pipedrive_orchestration.models.quality import Quality, Severity, State, read_quality

_FORMATS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"]
_STYLES = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.INFO: "dim"}


class FailOn(StrEnum):
    """From which severity on findings end the command with exit code 1."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"
    NEVER = "never"


def quality(
    rules: Annotated[
        list[str] | None,
        typer.Argument(metavar="[RULE]...", help="Rules; all of them if not given.", show_default=False),
    ] = None,
    *,
    severity: Annotated[Severity, typer.Option(help="Leave out what is less bad than this.")] = Severity.INFO,
    state: Annotated[
        list[State] | None,
        typer.Option(help="Which findings to list; new ones last too.", show_default=False),
    ] = None,
    since: Annotated[
        datetime | None,
        typer.Option(
            help="Since when a finding is new or gone, UTC; a day before the build if not given.",
            formats=_FORMATS,
            show_default=False,
        ),
    ] = None,
    rows: Annotated[int, typer.Option(help="How many findings to list.", min=0, max=100_000)] = 20,
    fail_on: Annotated[
        FailOn, typer.Option(help="End with exit code 1 where such a finding, or a worse one, lasts.")
    ] = FailOn.ERROR,
    json: AsJson = False,
) -> None:
    """Show what is wrong with the account's data, by rule, and what is new or gone since the day before.

    The findings are those of the last `models build`. Rules, thresholds and severities are rows of
    `project/models/seeds/quality_rules.csv`. Exit code 1 where an error lasts, or what `--fail-on` says.

    Try:

        pipedrive-orchestration quality

        pipedrive-orchestration quality --fail-on warning --rows 0

        pipedrive-orchestration quality same_email lost_without_reason --state new --state gone

        pipedrive-orchestration quality --since 2026-06-01 --json
    """
    with explained(err):
        environment = Environment.read()
        wanted = state or [State.LASTING]
        states = {*wanted, State.NEW} if State.LASTING in wanted else set(wanted)
        with environment.warehouse.reading() as connection:
            found = read_quality(
                connection,
                since=since and since.replace(tzinfo=UTC),
                rules=rules or (),
                severity=severity,
                states=sorted(states),
                limit=rows,
            )
    print_json(_as_json(found)) if json else _show(found)
    worst = found.worst()
    if fail_on is not FailOn.NEVER and worst is not None and worst.is_at_least(Severity(fail_on)):
        raise typer.Exit(FAILED)


def _as_json(found: Quality) -> dict[str, Any]:
    return {
        "as_of": found.as_of,
        "since": found.since,
        "rules": [
            {"rule": one.rule, "description": one.description, "severity": one.severity, "now": one.now,
             "before": one.before, "new": one.new, "gone": one.gone, "oldest": one.oldest}
            for one in found.rules
        ],
        "count": found.count,
        "findings": [
            {"rule": one.rule, "severity": one.severity, "state": one.state, "object_type": one.object_type,
             "id": one.object_id, "name": one.name, "owner": one.owner, "first_seen": one.since,
             "resolved_at": one.resolved_at}
            for one in found.findings
        ],
    }  # fmt: skip


def _show(found: Quality) -> None:
    table = Table("rule", "", "now", "before", "new", "gone", "oldest")
    for rule in found.rules:
        before = "" if rule.before is None else f"{rule.before:,}"
        oldest = f"{rule.oldest:%Y-%m-%d}" if rule.oldest else ""
        style = _STYLES[rule.severity] if rule.now else None
        table.add_row(
            rule.rule, rule.severity, f"{rule.now:,}", before, f"{rule.new:,}", f"{rule.gone:,}", oldest,
            style=style,
        )  # fmt: skip
    out.print(table)
    say(f"As of {found.as_of:%Y-%m-%d %H:%M} UTC; before, new and gone since {found.since:%Y-%m-%d %H:%M}.")
    if not found.findings:
        return
    listed = Table("rule", "", "record", "name", "owner", "first seen", "resolved")
    for one in found.findings:
        resolved = f"{one.resolved_at:%Y-%m-%d %H:%M}" if one.resolved_at else ""
        listed.add_row(
            one.rule, one.state, f"{one.object_type} {one.object_id}", one.name or "", one.owner or "",
            f"{one.since:%Y-%m-%d %H:%M}", resolved,
        )  # fmt: skip
    out.print(listed)
    if found.count > len(found.findings):
        say(f"The first {len(found.findings):,} of {found.count:,} findings.")

"""``status``: how the sources are, and the switch of a source's schedule."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer
from rich.console import JustifyMethod
from rich.table import Table
from rich.text import Text

from pipedrive_orchestration.cli.arguments import AsJson
from pipedrive_orchestration.cli.environment import Environment
from pipedrive_orchestration.cli.errors import explained
from pipedrive_orchestration.cli.output import err, out, print_json, say
from pipedrive_orchestration.cli.states import minute, state_as_json, status_text
from pipedrive_orchestration.services.deployment import deployed
from pipedrive_orchestration.services.lifecycle import Switch, switch_source
from pipedrive_orchestration.services.overview import DAYS, Overview, SourceOverview, read_overview

_BARS = " ▁▂▃▄▅▆▇█"
_DAYS = f"{DAYS} days"
_NUMBERS = ("rows", "changed today", "tokens today", "tokens saved")
_ONLY_WHERE_THERE_ARE_SOME = ("late", "tokens saved")
_COLUMNS = (
    "source",
    "state",
    "last success",
    "late",
    "rows",
    "changed today",
    _DAYS,
    "tokens today",
    "tokens saved",
    "next tick",
)


def status(
    slug: Annotated[
        str | None,
        typer.Argument(metavar="[SLUG]", help="One source; all of them if not given.", show_default=False),
    ] = None,
    to: Annotated[
        Switch | None,
        typer.Argument(metavar="[active|paused]", help="What to set the source to.", show_default=False),
    ] = None,
    *,
    json: AsJson = False,
) -> None:
    """Show how the sources are, or pause a source's schedule and set it active again.

    Without `active` or `paused` it shows of every source its state, its last success, how late it is, its
    rows, how many of them changed on each of the last 14 days, the tokens of today, those that webhooks have
    saved today, the next tick, and what to do where something is wrong. It asks Pipedrive nothing.

    The switch is the one in Dagster's UI. Setting a source active also starts a first import that waits for
    tokens. A static source has nothing to pause, and an expired one stays expired until its file has a later
    date: exit code 2.

    Try:

        pipedrive-orchestration status

        pipedrive-orchestration status all_deals paused

        pipedrive-orchestration status --json | jq -r '.sources[] | select(.remedies != []) | .source'
    """
    with explained(err):
        environment = Environment.read()
        with deployed(environment.settings) as deployment:
            if slug is not None:
                source = deployment.store.load().find(slug)
            if slug is not None and to is not None:
                state = switch_source(deployment, source, to)
                if json:
                    print_json(state_as_json(state))
                    return
                tick = f"; next tick {minute(state.next_tick)} UTC" if state.next_tick else ""
                out.print(f"{slug} is {state.status}{tick}", highlight=False)
                return
            overview = read_overview(deployment, environment.warehouse, datetime.now(UTC))
        if slug is not None:
            overview = overview.of(slug)
        print_json(_as_json(overview)) if json else _show(overview)


def _show(overview: Overview) -> None:
    out.print(f"{overview}.", highlight=False)
    out.print(_table_of(overview))
    for source in overview.unwell:
        for trouble in source.troubles:
            say(f"{source.slug}: {trouble.text}", style="yellow")
    for plan in overview.waiting:
        say(f"{plan.subject}: {plan.text}", style="yellow")
    for bad in overview.bad_files:
        say(bad, style="red")


def _table_of(overview: Overview) -> Table:
    rows = [_cells(source, overview.at) for source in overview.sources]
    names = [
        name for name in _COLUMNS if name not in _ONLY_WHERE_THERE_ARE_SOME or any(row[name] for row in rows)
    ]
    table = Table(caption="times in UTC", caption_justify="left")
    for name in names:
        justify: JustifyMethod = "right" if name in _NUMBERS else "left"
        table.add_column(name, justify=justify, no_wrap=name not in ("state", *_NUMBERS))
    for row in rows:
        table.add_row(*(row[name] for name in names))
    return table


def _cells(source: SourceOverview, at: datetime) -> dict[str, str | Text]:
    return {
        "source": source.slug,
        "state": status_text(source.state),
        "last success": _short(source.last_success.finished_at if source.last_success else None),
        "late": Text(_duration(source.late_at(at)), style="red"),
        "rows": f"{source.rows:,}",
        "changed today": f"{source.changes[-1]:,}",
        _DAYS: _sparkline(source.changes),
        "tokens today": f"{source.tokens[-1]:,}",
        "tokens saved": f"{source.tokens_saved[-1]:,}" if source.tokens_saved[-1] else "",
        "next tick": _short(source.state.next_tick),
    }


def _short(instant: datetime | None) -> str:
    """An instant of these weeks to the minute."""
    return f"{instant:%m-%d %H:%M}" if instant else ""


def _sparkline(counts: Sequence[int]) -> str:
    """A bar of eight heights for each count, of which the greatest has the highest."""
    greatest = max(counts, default=0)
    # A day with any change has a bar, however small.
    heights = [-(-count * (len(_BARS) - 1) // greatest) if greatest else 0 for count in counts]
    return "".join(_BARS[height] for height in heights)


def _duration(late: timedelta | None) -> str:
    if late is None:
        return ""
    minutes = int(late.total_seconds() // 60)
    days, hours = minutes // 1440, minutes // 60 % 24
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes % 60} min" if hours else f"{minutes} min"


def _as_json(overview: Overview) -> dict[str, Any]:
    return {
        "at": overview.at,
        "summary": str(overview),
        "sources": [_source_as_json(source, overview.at) for source in overview.sources],
        "bad_files": [bad.path for bad in overview.bad_files],
        "waiting_plans": [{"write": plan.subject, "remedy": plan.text} for plan in overview.waiting],
    }


def _source_as_json(source: SourceOverview, at: datetime) -> dict[str, Any]:
    late = source.late_at(at)
    failure = source.failure
    return state_as_json(source.state) | {
        "last_success": source.last_success.finished_at if source.last_success else None,
        "late_seconds": int(late.total_seconds()) if late else 0,
        "rows": source.rows,
        "rows_changed": list(source.changes),
        "tokens": list(source.tokens),
        "tokens_saved": list(source.tokens_saved),
        "quarantined": source.quarantined,
        "last_failure": failure
        and {"run_id": failure.run_id, "ended_at": failure.ended_at, "reason": failure.reason},
        "remedies": [trouble.text for trouble in source.troubles],
    }

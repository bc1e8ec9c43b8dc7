"""The report: the charts and tables of models on one page of HTML, which needs no network.

The page fetches nothing and runs no script; charts are pictures inside it.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from html import escape
from pathlib import Path
from typing import Any

import duckdb

from pipedrive_orchestration.models.catalogue import Entry, read_entries
from pipedrive_orchestration.models.charts import model_chart
from pipedrive_orchestration.models.dbt_project import SCHEMA
from pipedrive_orchestration.models.errors import ModelsError
from pipedrive_orchestration.models.quality import MODEL as QUALITY
from pipedrive_orchestration.models.quality import read_quality
from pipedrive_orchestration.warehouse import Warehouse, quoted
from pipedrive_orchestration.warehouse.catalog import column_types
from pipedrive_orchestration.warehouse.sql import literal

ORDER = (
    "pipeline_board", "sales_report", "contacts_with_organizations", "forecast", "sales_velocity",
    "leaderboard", "stage_conversion", "pipeline_waterfall", "pipeline_daily", "lost_reasons",
    "lead_conversion", "activity_report", "data_quality",
)  # fmt: skip
"""The shipped models in the order in which they are shown; others that have a chart come after them."""

MOST_ROWS = 50
"""Rows that a table of the page shows at most."""

_PHONE = "screen and (max-width: 480px)"

_TIMES = ("month", "day", "week")
_HIDDEN = ("known_from", "finding_id", "stage_order", "pipeline_order", "url")


@dataclass(frozen=True, slots=True)
class Selection:
    """What of the models a report shows.

    Attributes:
        first: the first day; of months and weeks those that begin then or later.
        last: the last day.
        pipeline: the name of a pipeline.
        owner: the name of a user.
    """

    first: date | None = None
    last: date | None = None
    pipeline: str | None = None
    owner: str | None = None

    def condition(self, columns: Sequence[str]) -> str:
        """SQL of the condition on the rows of a model that has these columns."""
        parts = []
        time = next((name for name in _TIMES if name in columns), None)
        if time and self.first:
            parts.append(f"{quoted(time)} >= {literal(self.first.isoformat())}::date")
        if time and self.last:
            parts.append(f"{quoted(time)} <= {literal(self.last.isoformat())}::date")
        for name, value in (("pipeline", self.pipeline), ("owner", self.owner)):
            if value is not None and name in columns:
                parts.append(f"{quoted(name)} = {literal(value)}")
        return " AND ".join(parts) or "true"

    def __str__(self) -> str:
        said = [
            f"from {self.first}" if self.first else "",
            f"to {self.last}" if self.last else "",
            f"pipeline {self.pipeline}" if self.pipeline else "",
            f"owner {self.owner}" if self.owner else "",
        ]
        return ", ".join(text for text in said if text)


@dataclass(frozen=True, slots=True)
class Report:
    """The report.

    Attributes:
        html: the page.
        as_of: the instant that its figures are of.
        models: those that it shows.
        charts: how many pictures it has.
        rows: how many rows its models have, of which it shows the first of each.
    """

    html: str
    as_of: datetime
    models: tuple[str, ...]
    charts: int
    rows: int


def make_report(warehouse: Warehouse, selection: Selection | None = None, report_zone: str = "UTC") -> Report:
    """Make the report.

    Args:
        warehouse: where the models are.
        selection: what of them to show; all of it if None.
        report_zone: the zone of their days and months, which the page names.

    Raises:
        ModelsError: no model has been built.
        WarehouseError: the database cannot be opened.
    """
    selection = selection or Selection()
    with warehouse.reading() as connection:
        entries = read_entries(connection)
        chosen = [entries[name] for name in ORDER if name in entries]
        chosen += [entry for name, entry in sorted(entries.items()) if name not in ORDER and _is_shown(entry)]
        if not chosen:
            raise ModelsError("No model has been built yet: run `pipedrive-orchestration models build`.")
        sections = [_section(connection, entry, selection) for entry in chosen]
    as_of = max(entry.as_of for entry in chosen)
    html = _PAGE.format(
        version=version_of(as_of, report_zone),
        as_of=escape(f"{as_of:%Y-%m-%d %H:%M} UTC"),
        zone=escape(report_zone),
        selection=escape(f" Shown: {selection}." if str(selection) else ""),
        contents="\n".join(
            f'<li><a href="#{escape(entry.name)}">{escape(_title(entry))}</a></li>' for entry in chosen
        ),
        sections="\n".join(section.html for section in sections),
    )
    return Report(
        html,
        as_of,
        tuple(entry.name for entry in chosen),
        sum(section.has_chart for section in sections),
        sum(section.rows for section in sections),
    )


def version_of(as_of: datetime, report_zone: str) -> str:
    """What tells a page from one of another build or zone; it stands in its head."""
    return f"{as_of.isoformat()} {escape(report_zone)}"


def kept_report(file: Path, warehouse: Warehouse, report_zone: str = "UTC") -> str | None:
    """A page that was written by `models/report`, if it is of the last build of every model; else None.

    Raises:
        WarehouseError: the database cannot be opened.
    """
    try:
        html = file.read_text()
    except FileNotFoundError:
        return None
    with warehouse.reading() as connection:
        entries = read_entries(connection).values()
    as_of = max((entry.as_of for entry in entries if _is_shown(entry)), default=None)
    return html if as_of and f'content="{version_of(as_of, report_zone)}"' in html[:1000] else None


@dataclass(frozen=True, slots=True)
class _Section:
    html: str
    has_chart: bool
    rows: int


def _is_shown(entry: Entry) -> bool:
    return entry.name in ORDER or entry.chart is not None


def _section(connection: duckdb.DuckDBPyConnection, entry: Entry, selection: Selection) -> _Section:
    columns = column_types(connection, SCHEMA, entry.name)
    where = selection.condition(list(columns))
    shown = [name for name in columns if not _is_hidden(name, columns)]
    cells = ", ".join(map(quoted, shown))
    table = quoted(SCHEMA, entry.name)
    counted = connection.execute(f"SELECT count(*) FROM {table} WHERE {where}").fetchone()
    rows = connection.execute(
        f"SELECT {cells} FROM {table} WHERE {where} ORDER BY {_order(columns)} LIMIT {MOST_ROWS}"
    ).fetchall()
    count = counted[0] if counted else 0
    figure = list(_figure(connection, entry, where))
    parts = [
        f'<section id="{escape(entry.name)}"><h2>{escape(_title(entry))}</h2>',
        f"<p>{escape(entry.description)}</p>",
        *figure,
        *(_rules(connection) if entry.name == QUALITY else ()),
        *_table(shown, rows, count),
        *_notes(entry, shown),
        "</section>",
    ]
    return _Section("\n".join(parts), any("<figure>" in part for part in figure), count)


def _rules(connection: duckdb.DuckDBPyConnection) -> Iterator[str]:
    """The findings by rule, against the day before."""
    found = read_quality(connection, limit=0)
    names = ("rule", "severity", "findings", "the day before", "new", "gone", "oldest")
    rows = [
        (one.description or one.rule, str(one.severity), one.now, one.before, one.new, one.gone, one.oldest)
        for one in found.rules
    ]
    yield from _table(names, rows, len(rows))
    yield "<h3>Findings</h3>"


def _is_hidden(name: str, columns: Mapping[str, str]) -> bool:
    """Ids whose names are shown, and what only puts rows in order."""
    named = {"organization_id": "organization", "person_id": "name"}.get(name, name.removesuffix("_id"))
    return name in _HIDDEN or (name.endswith("_id") and named in columns and named != name)


def _order(columns: Mapping[str, str]) -> str:
    """SQL of the order of rows: the newest first, else along pipeline and stage, else as they are."""
    if "resolved_at" in columns:
        return "resolved_at DESC NULLS FIRST, since DESC, 1"
    time = next((name for name in (*_TIMES, "last_activity_at") if name in columns), None)
    if time:
        rest = [name for name in ("pipeline", "owner", "currency", "name") if name in columns]
        return ", ".join([f"{quoted(time)} DESC NULLS LAST", *map(quoted, rest)])
    ordered = [
        name for name in ("pipeline_order", "pipeline_id", "stage_order", "currency") if name in columns
    ]
    return ", ".join(map(quoted, ordered)) or "1"


def _figure(connection: duckdb.DuckDBPyConnection, entry: Entry, where: str) -> Iterator[str]:
    if entry.chart is None:
        return
    try:
        drawn = model_chart(connection, entry.name, entry.chart, where, for_phones=True)
    except (duckdb.Error, ValueError) as error:
        yield f"<p>The chart cannot be drawn: {escape(str(error).splitlines()[0])}</p>"
        return
    if drawn is None:
        yield "<p>There is nothing to draw.</p>"
        return
    title = escape(str(entry.chart.get("title", entry.name)))
    narrow = f'<source media="{_PHONE}" srcset="{_image(drawn.narrow)}">' if drawn.narrow else ""
    picture = f'<picture>{narrow}<img alt="{title}" src="{_image(drawn.svg)}"></picture>'
    notes = "".join(f"<br>{escape(note)}" for note in drawn.cut_off)
    yield f"<figure>{picture}<figcaption>{title}{notes}</figcaption></figure>"


def _image(svg: str) -> str:
    return f"data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}"


def _table(names: Sequence[str], rows: Sequence[Sequence[Any]], count: int) -> Iterator[str]:
    head = "".join(f"<th>{escape(name.replace('_', ' '))}</th>" for name in names)
    yield f'<div class="table"><table><thead><tr>{head}</tr></thead><tbody>'
    for row in rows:
        yield "<tr>" + "".join(f"<td{_kind(value)}>{escape(_text(value))}</td>" for value in row) + "</tr>"
    yield "</tbody></table></div>"
    if count > len(rows):
        yield f'<p class="rest">The first {len(rows)} of {count:,} rows.</p>'


def _notes(entry: Entry, shown: Sequence[str]) -> Iterator[str]:
    notes = [(name, entry.columns[name]) for name in shown if name in entry.columns]
    if notes:
        items = "".join(
            f"<dt>{escape(name.replace('_', ' '))}</dt><dd>{escape(text)}</dd>" for name, text in notes
        )
        yield f'<dl class="notes">{items}</dl>'


def _title(entry: Entry) -> str:
    return entry.name.replace("_", " ").capitalize()


def _kind(value: Any) -> str:
    return (
        ' class="number"' if isinstance(value, int | float | Decimal) and not isinstance(value, bool) else ""
    )


def _text(value: Any) -> str:
    """A value for people: rounded, with separators; nothing for what is empty."""
    match value:
        case None:
            text = ""
        case bool():
            text = "yes" if value else "no"
        case int():
            text = f"{value:,}"
        case float() | Decimal():
            text = f"{value:,.2f}"
        case datetime():
            text = f"{value:%Y-%m-%d %H:%M}"
        case list():
            text = ", ".join(map(_text, value))
        case dict():
            text = " ".join(map(_text, reversed(list(value.values()))))
        case _:
            text = str(value)
    return text


_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
  content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<meta name="version" content="{version}">
<title>Sales report</title>
<style>
:root {{ color-scheme: light dark; --text: #1b1b24; --soft: #5c5c6b; --line: #dcdce4; --page: #fff;
  --card: #fff; }}
@media (prefers-color-scheme: dark) {{
  :root {{ --text: #ececf2; --soft: #a5a5b4; --line: #3a3a48; --page: #16161c; --card: #f4f4f8; }}
}}
body {{ margin: 0 auto; max-width: 75rem; padding: 1rem; background: var(--page); color: var(--text);
  font: 1rem/1.5 system-ui, sans-serif; }}
h1, h2 {{ line-height: 1.2; }}
h2 {{ margin-top: 2.5rem; border-top: 1px solid var(--line); padding-top: 1.5rem; }}
nav ol {{ columns: 14rem; padding-left: 1.25rem; }}
a {{ color: inherit; }}
figure {{ margin: 1rem 0; padding: .75rem; background: var(--card); border-radius: .5rem;
  overflow-x: auto; }}
figure img {{ max-width: 100%; height: auto; }}
figcaption {{ color: #5c5c6b; font-size: .8rem; }}
.table {{ overflow-x: auto; }}
table {{ border-collapse: collapse; font-size: .85rem; }}
th, td {{ padding: .25rem .6rem; border-bottom: 1px solid var(--line); text-align: left;
  vertical-align: top; white-space: nowrap; max-width: 24rem; overflow: hidden; text-overflow: ellipsis; }}
th {{ color: var(--soft); font-weight: 600; }}
.number {{ text-align: right; font-variant-numeric: tabular-nums; }}
.notes, .rest {{ color: var(--soft); font-size: .8rem; }}
.notes dt {{ font-weight: 600; float: left; clear: left; margin-right: .5rem; }}
.notes dd {{ margin: 0 0 .15rem 0; }}
@media print {{
  body {{ max-width: none; font-size: 9pt; }}
  :root {{ color-scheme: light; --text: #1b1b24; --soft: #5c5c6b; --line: #dcdce4; --page: #fff;
    --card: #fff; }}
  section {{ break-inside: auto; }}
  figure, tr {{ break-inside: avoid; }}
  .table {{ overflow: visible; }}
  table {{ width: 100%; table-layout: fixed; }}
  th, td {{ white-space: normal; overflow-wrap: anywhere; padding: .1rem .2rem; font-size: 6.5pt; }}
  @page {{ size: A4 landscape; margin: 10mm; }}
}}
</style>
</head>
<body>
<header>
<h1>Sales report</h1>
<p>As of {as_of}. Days, weeks and months are of the zone {zone}.{selection} Amounts of different currencies
are never added; what is in the base currency says so.</p>
<nav><ol>
{contents}
</ol></nav>
</header>
{sections}
</body>
</html>
"""

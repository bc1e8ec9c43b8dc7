"""Charts of models: Vega-Lite, as ``meta.chart`` of a model says it, rendered on this machine.

A chart is a Vega-Lite specification without data. Its key ``rows`` is SQL for the data, with ``{model}`` for
the table; all rows of the table if it is not given.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import duckdb

from pipedrive_orchestration.models.dbt_project import SCHEMA
from pipedrive_orchestration.warehouse import quoted

WIDTH, HEIGHT = 620, 200
"""Pixels of a chart that is not divided and says none; as wide as Dagster's dialog for markdown."""

FACET_WIDTH = 260

MOST_ROWS = 5000
"""Rows that a chart shows at most; more could not be told apart."""

COLOURS = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#8c8c8c", "#f0e442", "#000000"]
"""Those of Okabe and Ito, which people tell apart who do not see colours well."""

_CONFIG = {
    "font": "sans-serif",
    "background": "transparent",
    "view": {"stroke": None},
    "axis": {"gridColor": "#e8e8ee", "domainColor": "#b8b8c4", "labelColor": "#555", "titleColor": "#555"},
    "bar": {"color": COLOURS[0]},
    "line": {"color": COLOURS[0]},
    "range": {"category": COLOURS},
    "header": {"labelColor": "#555", "title": None},
    "legend": {"labelColor": "#555", "titleColor": "#555", "orient": "bottom"},
    "title": {"color": "#555"},
}

_NOT_DRAWN = re.compile(r' (?:aria-[a-z]+|role|class|pointer-events)="[^"]*"')
"""Attributes for pages that an SVG is a part of, half of it; an image has its alternative text."""


def chart_svg(spec: Mapping[str, Any], config: Mapping[str, Any] = _CONFIG) -> str:
    """A Vega-Lite chart as SVG.

    Args:
        spec: the chart with its data, without schema and configuration.
        config: Vega-Lite's configuration.
    """
    # Rendering begins with half a second for the engine, which only who draws has to pay.
    import vl_convert  # noqa: PLC0415

    whole = {"$schema": "https://vega.github.io/schema/vega-lite/v6.json", "config": config, **spec}
    # What a chart shows is in the specification: it fetches nothing.
    svg: str = vl_convert.vegalite_to_svg(whole, allowed_base_urls=[])
    return _NOT_DRAWN.sub("", svg)


def model_chart(
    connection: duckdb.DuckDBPyConnection, name: str, chart: Mapping[str, Any], where: str = "true"
) -> str | None:
    """The chart of a model as SVG; None where it would show nothing.

    Args:
        connection: the database with the model's table.
        name: the model.
        chart: its ``meta.chart``.
        where: SQL of a condition on its rows.

    Raises:
        duckdb.Error: ``rows`` is no SQL that can be asked.
        ValueError: what it says is no chart.
    """
    table = f"(SELECT * FROM {quoted(SCHEMA, name)} WHERE {where})"
    query = str(chart.get("rows") or "FROM {model}").replace("{model}", table)
    cursor = connection.execute(f"FROM ({query}) LIMIT {MOST_ROWS}")
    names = [column[0] for column in cursor.description]
    rows = [dict(zip(names, map(_plain, row), strict=True)) for row in cursor.fetchall()]
    if not rows:
        return None
    spec = {key: value for key, value in chart.items() if key not in ("rows", "title")}
    is_divided = any(name in chart.get("encoding", {}) for name in ("row", "column", "facet"))
    size = {"width": FACET_WIDTH if "column" in chart.get("encoding", {}) else WIDTH}
    if not is_divided:
        size["height"] = HEIGHT
    return chart_svg({**size, **spec, "data": {"values": rows}})


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return float(value)
    return value.isoformat() if isinstance(value, date | datetime) else value

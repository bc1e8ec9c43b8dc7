"""Charts of models: Vega-Lite, as ``meta.chart`` of a model says it, rendered on this machine.

A chart is a Vega-Lite specification without data. Its key ``rows`` is SQL for the data, with ``{model}`` for
the table; all rows of the table if it is not given.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import duckdb

from pipedrive_orchestration.models.dbt_project import SCHEMA
from pipedrive_orchestration.warehouse import quoted

WIDTH, HEIGHT = 620, 200
"""Pixels of a chart that is not divided and says none; as wide as Dagster's dialog for markdown."""

FACET_WIDTH = 260

NARROW_WIDTH = 250
"""Pixels of a chart for a phone, without its axis."""

TOO_LARGE = 25
"""A value is cut off that is so many times the largest of the others."""

FEW = 3
"""How many values are cut off at most; of many a twentieth."""

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

_NARROW_CONFIG = {
    **_CONFIG,
    "legend": {"labelColor": "#555", "titleColor": "#555", "orient": "bottom", "columns": 2},
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


@dataclass(frozen=True, slots=True)
class ModelChart:
    """A chart of a model.

    Attributes:
        svg: the picture.
        narrow: the same for a phone; None where it was not asked for.
        cut_off: a sentence for each value that is too large to be drawn beside the others.
    """

    svg: str
    narrow: str | None
    cut_off: tuple[str, ...]


def model_chart(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    chart: Mapping[str, Any],
    where: str = "true",
    *,
    for_phones: bool = False,
) -> ModelChart | None:
    """The chart of a model; None where it would show nothing.

    Args:
        connection: the database with the model's table.
        name: the model.
        chart: its ``meta.chart``.
        where: SQL of a condition on its rows.
        for_phones: whether to draw it a second time, for a narrow page.

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
    cut = cut_off(rows, chart)
    spec = {key: value for key, value in chart.items() if key not in ("rows", "title")}
    drawn = {**spec, "data": {"values": cut.rows}}
    narrow = chart_svg(_narrow(drawn), _NARROW_CONFIG) if for_phones else None
    return ModelChart(chart_svg(_sized(drawn)), narrow, cut.said)


def _sized(spec: Mapping[str, Any]) -> dict[str, Any]:
    encoding = spec.get("encoding", {})
    size = {"width": FACET_WIDTH if "column" in encoding else WIDTH}
    if not _facets(encoding):
        size["height"] = HEIGHT
    return {**size, **spec}


def _narrow(spec: Mapping[str, Any]) -> dict[str, Any]:
    """The chart for a phone: what stands side by side stands one below the other."""
    encoding = dict(spec.get("encoding", {}))
    if "column" in encoding and "row" not in encoding:
        encoding["row"] = encoding.pop("column")
    return {**_sized({**spec, "encoding": encoding}), "width": NARROW_WIDTH}


def _facets(encoding: Mapping[str, Any]) -> list[str]:
    return [encoding[name]["field"] for name in ("row", "column", "facet") if name in encoding]


@dataclass(frozen=True, slots=True)
class CutRows:
    """The rows of a chart, of which too large values are cut off, and a sentence for each of those."""

    rows: list[dict[str, Any]]
    said: tuple[str, ...] = ()


def cut_off(rows: list[dict[str, Any]], chart: Mapping[str, Any]) -> CutRows:
    """Cut off the few values beside which no other one could be seen.

    One wrong deal of a trillion would make a line of zeros of everything else. A few values are cut off where
    the smallest of them is many times the largest of the others; their bars end somewhat above those.

    Args:
        rows: the chart's data.
        chart: the chart, of which one axis has to be quantitative.
    """
    encoding = chart.get("encoding", {})
    axes = {name: encoding[name] for name in ("x", "y") if name in encoding}
    measured = [name for name, axis in axes.items() if axis.get("type") == "quantitative"]
    if len(measured) != 1 or "field" not in axes[measured[0]] or "transform" in chart:
        return CutRows(rows)
    field = axes[measured[0]]["field"]
    places = [axis["field"] for name, axis in axes.items() if name != measured[0] and "field" in axis]
    named = list(dict.fromkeys([*places, *_facets(encoding), *_colour(encoding)]))
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(tuple(row.get(name) for name in _facets(encoding)), []).append(row)
    kept, said = [], []
    for group in groups.values():
        limit = _limit([abs(row[field]) for row in group if _is_number(row.get(field))])
        if limit is None:
            kept += group
            continue
        totals: dict[tuple[Any, ...], float] = {}
        for row in group:
            if _is_number(row.get(field)) and abs(row[field]) <= limit:
                place = (*(row.get(name) for name in places), row[field] < 0)
                totals[place] = totals.get(place, 0.0) + abs(row[field])
        end = max(totals.values()) * 1.15
        for row in group:
            if not _is_number(row.get(field)) or abs(row[field]) <= limit:
                kept.append(row)
                continue
            kept.append({**row, field: end if row[field] > 0 else -end})
            where = ", ".join(str(row[name]) for name in named if row.get(name) is not None)
            said.append(f"{where}: {row[field]:,.0f} is cut off.")
    return CutRows(kept, tuple(said))


def _colour(encoding: Mapping[str, Any]) -> list[str]:
    return [encoding["color"]["field"]] if "field" in encoding.get("color", {}) else []


def _limit(sizes: list[float]) -> float | None:
    """The largest value that is not cut off; None if none is."""
    ordered = sorted((size for size in sizes if size > 0), reverse=True)
    few = min(max(FEW, len(ordered) // 20), len(ordered) - FEW)
    steps = [count for count in range(1, few + 1) if ordered[count - 1] > TOO_LARGE * ordered[count]]
    return ordered[steps[-1]] if steps else None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return float(value)
    return value.isoformat() if isinstance(value, date | datetime) else value

"""Charts as images: Vega-Lite, rendered on this machine, and shown inside markdown."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

WIDTH, HEIGHT = 620, 130
"""Pixels of a chart; as wide as the dialog in which Dagster's UI shows markdown."""

_CONFIG = {
    "font": "sans-serif",
    "view": {"stroke": None},
    "axis": {"gridColor": "#e8e8ee", "domainColor": "#b8b8c4", "labelColor": "#555", "titleColor": "#555"},
    "bar": {"color": "#4f46e5"},
    "header": {"labelColor": "#333", "title": None, "labelAngle": 0, "labelAlign": "left"},
}

_NOT_DRAWN = re.compile(r' (?:aria-[a-z]+|role|class|pointer-events)="[^"]*"')
"""Attributes for pages that an SVG is a part of, half of it; an image has its alternative text."""


def chart(spec: Mapping[str, Any], alternative: str) -> dg.MarkdownMetadataValue:
    """An image of a Vega-Lite chart.

    Args:
        spec: the chart, without schema and configuration.
        alternative: what it shows, for those who cannot see it.
    """
    # Rendering begins with half a second for the engine, which only who draws has to pay.
    import vl_convert  # noqa: PLC0415

    whole = {"$schema": "https://vega.github.io/schema/vega-lite/v6.json", "config": _CONFIG, **spec}
    svg = _NOT_DRAWN.sub("", vl_convert.vegalite_to_svg(whole))
    image = base64.b64encode(svg.encode()).decode()
    return dg.MetadataValue.md(f"![{alternative}](data:image/svg+xml;base64,{image})")


def bars(rows: Sequence[Mapping[str, Any]], *, x: str, y: str, alternative: str) -> dg.MarkdownMetadataValue:
    """A bar for each row.

    Args:
        rows: mappings of ``x``, a text in the order in which it is to stand, and ``y``, a number.
        x: what the bars stand for.
        y: what their heights are.
        alternative: what it shows, for those who cannot see it.
    """
    return chart(
        {
            "width": WIDTH,
            "height": HEIGHT,
            "data": {"values": list(rows)},
            "mark": "bar",
            "encoding": {
                "x": {"field": x, "type": "ordinal", "sort": None, "axis": {"title": None}},
                "y": {"field": y, "type": "quantitative", "axis": {"title": y, "tickCount": 4}},
            },
        },
        alternative,
    )


def bars_by_name(
    rows: Sequence[Mapping[str, Any]], *, name: str, x: str, y: str, alternative: str
) -> dg.MarkdownMetadataValue:
    """A small chart for each name below the other, each with a scale of its own; takes what `bars` does."""
    return chart(
        {
            "data": {"values": list(rows)},
            "facet": {"row": {"field": name, "type": "nominal", "sort": None}},
            "spec": {
                "width": WIDTH - 160,
                "height": 34,
                "mark": "bar",
                "encoding": {
                    "x": {"field": x, "type": "ordinal", "sort": None, "axis": {"title": None}},
                    "y": {
                        "field": y,
                        "type": "quantitative",
                        "axis": {"title": None, "tickCount": 1},
                    },
                },
            },
            "resolve": {"scale": {"y": "independent"}},
        },
        alternative,
    )

"""Charts as images: Vega-Lite, rendered on this machine, and shown inside markdown."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from pipedrive_orchestration.models.charts import chart_svg

WIDTH, HEIGHT = 620, 130
"""Pixels of a chart; as wide as the dialog in which Dagster's UI shows markdown."""


def chart(spec: Mapping[str, Any], alternative: str) -> dg.MarkdownMetadataValue:
    """An image of a Vega-Lite chart.

    Args:
        spec: the chart, without schema and configuration.
        alternative: what it shows, for those who cannot see it.
    """
    return image(chart_svg(spec), alternative)


def image(svg: str, alternative: str, notes: Sequence[str] = ()) -> dg.MarkdownMetadataValue:
    """A picture inside markdown.

    Args:
        svg: the picture.
        alternative: what it shows, for those who cannot see it.
        notes: sentences below it, as markdown.
    """
    encoded = base64.b64encode(svg.encode()).decode()
    below = "".join(f"\n\n{note}" for note in notes)
    return dg.MetadataValue.md(f"![{alternative}](data:image/svg+xml;base64,{encoded}){below}")


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
